"""Track profiles: hand arithmetic, and nothing from later than the time they are as of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from nascar_assets.feed.schemas import RESULTS, SCHEDULE
from nascar_assets.history.track_profiles import TRACK_PROFILES, track_profiles

FIRST = datetime(2025, 3, 2, 20, 30, tzinfo=UTC)


def race_rows(race_id: str, start: datetime, finishes: list[int], **changes: object):
    """One race of 100 laps on a track of 1.5 miles; started in order, 4 cautions of 20 laps."""
    return [
        {
            **dict.fromkeys(RESULTS),
            "race_id": race_id,
            "race_type": "points",
            "track_id": "42",
            "track_name": "Las Vegas Motor Speedway",
            "track_type": "intermediate",
            "track_length_miles": 1.5,
            "start_time": start,
            "results_at": start + timedelta(hours=8),
            "actual_laps": 100,
            "cautions": 4,
            "caution_laps": 20,
            "driver_id": str(position),
            "start": position,
            "finish": finish,
            "laps_led": 50 if position <= 2 else 0,
            "status": "accident" if position == 4 else "running",
            **changes,
        }
        for position, finish in enumerate(finishes, start=1)
    ]


def frame(*races: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame([row for race in races for row in race], schema=RESULTS, orient="row")


LATER = FIRST + timedelta(days=365)


def test_means_over_the_races_of_a_track():
    results = frame(
        race_rows("1", FIRST, [1, 2, 3, 4]),
        race_rows("2", LATER, [4, 3, 2, 1], cautions=8, caution_laps=30, status="mechanical"),
    )
    found = track_profiles(results, LATER + timedelta(days=1)).row(0, named=True)
    assert found["races"] == 2
    assert found["cautions"] == 6
    # (20 + 30) / 200 laps; (4 + 8) cautions in 300 miles.
    assert found["caution_share"] == pytest.approx(0.25)
    assert found["cautions_per_100_miles"] == pytest.approx(4)
    # Correlations are 1 and -1; two drivers led in each; 1 of 8 cars crashed and 4 broke down.
    assert found["start_finish_correlation"] == pytest.approx(0)
    assert found["leaders"] == 2
    assert found["accident_share"] == pytest.approx(1 / 8)
    assert found["mechanical_share"] == pytest.approx(4 / 8)
    assert (found["laps"], found["miles"], found["cars"]) == (100, 150, 4)
    assert found["data_through"] == LATER


def test_nothing_later_than_the_time_takes_part():
    first = race_rows("1", FIRST, [1, 2, 3, 4])
    known = FIRST + timedelta(hours=8)
    alone = track_profiles(frame(first), known)
    later = [
        frame(first, race_rows("2", LATER, [4, 3, 2, 1], cautions=9)),
        frame(first, race_rows("2", LATER, [4, 3, 2, 1], track_type="superspeedway")),
    ]
    for results in later:
        assert track_profiles(results, LATER).equals(alone)
    assert track_profiles(frame(first), known - timedelta(seconds=1)).is_empty()


def test_exhibitions_count_for_nothing():
    results = frame(race_rows("1", FIRST, [1, 2, 3, 4], race_type="exhibition"))
    assert track_profiles(results, LATER).is_empty()


def test_a_rebuilt_track_begins_anew():
    results = frame(
        race_rows("1", FIRST, [1, 2, 3, 4]),
        race_rows("2", LATER, [1, 2, 4, 3], track_type="superspeedway", cautions=9),
    )
    found = track_profiles(results, LATER + timedelta(days=1)).row(0, named=True)
    assert (found["races"], found["track_type"], found["cautions"]) == (1, "superspeedway", 9)


def test_races_without_counted_cautions_do_not_dilute_the_others():
    uncounted = {"cautions": None, "caution_laps": None}
    results = frame(
        race_rows("1", FIRST, [1, 2, 3, 4]), race_rows("2", LATER, [1, 2, 3, 4], **uncounted)
    )
    found = track_profiles(results, LATER + timedelta(days=1)).row(0, named=True)
    assert found["caution_share"] == pytest.approx(0.2)
    assert found["cautions_per_100_miles"] == pytest.approx(100 * 4 / 150)
    alone = frame(race_rows("2", LATER, [1, 2, 3, 4], **uncounted))
    found = track_profiles(alone, LATER + timedelta(days=1)).row(0, named=True)
    assert found["cautions"] is None
    assert found["caution_share"] is None
    assert found["cautions_per_100_miles"] is None


def test_caution_laps_and_leaders_that_were_not_counted_are_not_none():
    results = frame(
        race_rows("1", FIRST, [1, 2, 3, 4]),
        race_rows("2", LATER, [1, 2, 3, 4], caution_laps=None, laps_led=0),
    )
    found = track_profiles(results, LATER + timedelta(days=1)).row(0, named=True)
    assert (found["races"], found["leaders"]) == (2, 2)
    assert found["caution_share"] == pytest.approx(0.2)


def test_lead_changes_come_from_the_schedule():
    results = frame(race_rows("1", FIRST, [1, 2, 3, 4]))
    schedule = pl.DataFrame(
        [{**dict.fromkeys(SCHEDULE), "race_id": "1", "lead_changes": 17}],
        schema=SCHEDULE,
        orient="row",
    )
    assert track_profiles(results, LATER)["lead_changes"].to_list() == [None]
    assert track_profiles(results, LATER, schedule)["lead_changes"].to_list() == [17]


def test_the_table_has_its_schema_also_when_empty():
    empty = track_profiles(pl.DataFrame(schema=RESULTS), LATER)
    assert empty.schema == pl.Schema(TRACK_PROFILES)
