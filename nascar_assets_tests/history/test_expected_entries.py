"""Before the entry list: cars of the last race, how sure they are, and ratings that know it."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from nascar_assets.feed.schemas import ENTRIES, RESULTS
from nascar_assets.history.expected_entries import expected_entries
from nascar_assets.history.ratings_state import RatingState
from nascar_assets.history.schemas import EQUIPMENT_CHANCE


@pytest.fixture(scope="module")
def tables(sample_tables):
    return sample_tables


@pytest.fixture(scope="module")
def race(tables):
    points = tables.schedule.filter(pl.col("race_type") == "points").sort("start_time")
    return points.row(24, named=True)


def monday(race):
    return race["start_time"] - timedelta(days=6)


def names_of(tables, race):
    own = tables.results.filter(pl.col("race_id") == race["race_id"])
    return own.select("driver_id", "driver_name").sort("driver_id")


def test_a_driver_carries_the_car_of_his_last_race(tables, race):
    names = names_of(tables, race)
    made = expected_entries(names, tables.results, race, monday(race))
    assert made.columns == [*ENTRIES, EQUIPMENT_CHANCE]
    assert made["driver_id"].to_list() == names["driver_id"].to_list()
    before = tables.results.filter(pl.col("results_at") <= monday(race)).sort("start_time")
    for row in made.iter_rows(named=True):
        last = before.filter(pl.col("driver_id") == row["driver_id"])
        for column in ("team", "car_number", "manufacturer", "crew_chief"):
            assert row[column] == (last[column][-1] if last.height else None)
    assert made["start"].null_count() == made.height


def test_nothing_later_than_the_as_of_time_moves_it(tables, race):
    names, as_of = names_of(tables, race), monday(race)
    later = pl.col("results_at") > as_of
    changed = tables.results.with_columns(
        pl.when(later).then(pl.lit("Another Team")).otherwise(pl.col("team")).alias("team")
    )
    made = expected_entries(names, tables.results, race, as_of)
    assert made.equals(expected_entries(names, changed, race, as_of))
    assert made.equals(expected_entries(names, tables.results.filter(~later), race, as_of))


def test_a_newcomer_has_no_car_and_no_doubt(tables, race):
    names = pl.DataFrame({"driver_id": ["new:1"], "driver_name": ["Nobody Yet"]})
    row = expected_entries(names, tables.results, race, monday(race)).row(0, named=True)
    assert row["team"] is None
    assert row["car_number"] is None
    assert row[EQUIPMENT_CHANCE] == 1.0


def results_of(pairs):
    """RESULTS of one driver after another: (driver, season, days since the season began, team)."""
    start = datetime(2024, 2, 1, tzinfo=UTC)
    rows = []
    for driver, season, days, team in pairs:
        began = start.replace(year=season) + timedelta(days=days)
        rows.append(
            {
                "race_id": f"{season}-{days}",
                "series": "cup",
                "season": season,
                "race_type": "points",
                "track_type": "short",
                "start_time": began,
                "results_at": began + timedelta(hours=8),
                "driver_id": driver,
                "driver_name": driver,
                "team": team,
                "finish": 1,
            }
        )
    frame = pl.DataFrame(rows)
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None).alias(name)).cast(kind)
        for name, kind in RESULTS.items()
    )


def test_the_chance_is_the_share_that_stayed_after_as_long_a_pause():
    # Of forty drivers all stay from one weekend to the next, half of them leave over the winter.
    pairs = []
    for number in range(40):
        driver = f"d{number}"
        pairs += [(driver, 2024, day, "A") for day in (0, 7, 14)]
        pairs += [(driver, 2025, 0, "A" if number % 2 else "B")]
    results = results_of(pairs)
    race = {"series": "cup", "season": 2025, "start_time": datetime(2025, 2, 8, tzinfo=UTC)}
    names = pl.DataFrame({"driver_id": ["d1"], "driver_name": ["d1"]})
    made = expected_entries(names, results, race, datetime(2025, 2, 5, tzinfo=UTC))
    # 80 of 80 stayed for a week: with all pauses 100 of 120 and priors of ten rows each.
    overall = (100 + 9) / 130
    pooled = (80 + 10 * overall) / 90
    assert made[EQUIPMENT_CHANCE][0] == pytest.approx((80 + 10 * pooled) / 90)
    assert made["team"][0] == "A"
    spring = {**race, "season": 2026, "start_time": datetime(2026, 2, 1, tzinfo=UTC)}
    made = expected_entries(names, results, spring, datetime(2026, 1, 20, tzinfo=UTC))
    pooled = (20 + 10 * overall) / 50
    assert made[EQUIPMENT_CHANCE][0] == pytest.approx((20 + 10 * pooled) / 50)


def test_a_doubtful_car_moves_the_rating_towards_no_car_and_widens_it(tables, race):
    as_of = monday(race)
    state = RatingState.empty()
    state.extend(tables.results, as_of)
    sure = expected_entries(names_of(tables, race), tables.results, race, as_of).with_columns(
        pl.lit(1.0).alias(EQUIPMENT_CHANCE)
    )
    stated = state.rate(sure.drop(EQUIPMENT_CHANCE), as_of)
    assert state.rate(sure, as_of).equals(stated)
    blank = [pl.lit(None, pl.String).alias(c) for c in ("team", "car_number", "manufacturer")]
    unknown = state.rate(sure.drop(EQUIPMENT_CHANCE).with_columns(blank), as_of)
    doubtful = state.rate(sure.with_columns(pl.lit(0.5).alias(EQUIPMENT_CHANCE)), as_of)
    between = (stated["rating"] + unknown["rating"]) / 2
    # The ridge reads the ratings' spread too, so that the middle is met nearly, not exactly.
    assert (doubtful["rating"] - between).abs().max() < 0.1
    assert doubtful["rating_sd"].mean() > stated["rating_sd"].mean()
