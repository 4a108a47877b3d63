"""What is not known yet is named with what stands in for it; old data say how old they are."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from nascar_assets.feed.sources import SOURCES
from nascar_assets.history.not_known import GRID, not_known_yet, results_missing

BEGAN = datetime(2026, 2, 15, 20, tzinfo=UTC)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_each_source_that_is_absent_is_named_with_its_stand_in(source):
    known = {other.name for other in SOURCES if other is not source}
    assert not_known_yet(known, qualified=True) == {source.label: source.stand_in}
    assert source.stand_in


def test_with_everything_known_only_the_grid_may_be_open():
    known = {source.name for source in SOURCES}
    assert not_known_yet(known, qualified=True) == {}
    assert list(not_known_yet(known, qualified=False)) == [GRID]


def races(weeks: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "race_id": [str(week) for week in range(weeks)],
            "series": "cup",
            "race_type": "points",
            "start_time": [BEGAN + timedelta(weeks=week) for week in range(weeks)],
        }
    )


def results_of(*weeks: int) -> pl.DataFrame:
    return pl.DataFrame({"race_id": [str(week) for week in weeks]}, schema={"race_id": pl.String})


AS_OF = BEGAN + timedelta(weeks=10)


def test_full_results_say_nothing():
    assert results_missing(races(10), results_of(*range(10)), "cup", AS_OF) is None


def test_a_race_that_is_not_over_is_not_missing():
    assert results_missing(races(11), results_of(*range(10)), "cup", AS_OF) is None


def test_single_gaps_are_counted():
    said = results_missing(races(10), results_of(*range(8), 9), "cup", AS_OF)
    assert said == (
        "1 of the 10 cup races of the year before have no results, the last on 2026-04-12."
    )


def test_results_that_stop_say_since_when():
    said = results_missing(races(10), results_of(0, 1, 2, 7), "cup", AS_OF)
    assert said == "No cup results since 2026-03-01 but for 1 of 7 cup races."
    assert results_missing(races(10), results_of(0), "cup", AS_OF) == (
        "No cup results since 2026-02-15."
    )


def test_other_series_and_exhibitions_do_not_count():
    other = races(10).with_columns(series=pl.lit("trucks"), race_id="t" + pl.col("race_id"))
    clash = races(2).with_columns(race_type=pl.lit("exhibition"), race_id="x" + pl.col("race_id"))
    schedule = pl.concat([races(10), other, clash])
    assert results_missing(schedule, results_of(*range(10)), "cup", AS_OF) is None
