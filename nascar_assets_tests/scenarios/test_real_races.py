"""Real races go through the same statistics and the same simulation as invented ones."""

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.realism import realism_table
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.paths import loop_stats_path, schedule_path, weekend_path
from nascar_assets.history.ratings_scores import start_scores
from nascar_assets.history.results import build_race_results
from nascar_assets.scenarios import STARTING_VALUES
from nascar_assets.scenarios.moments import race_moments
from nascar_assets.scenarios.past_races import past_races

SEASON = 2024
DATA = os.environ.get("NASCAR_REAL_DATA")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA, reason="NASCAR_REAL_DATA names no folder of real files"),
]


@pytest.fixture(scope="module")
def races():
    feed = Path(DATA) / "feed"
    schedule = parse_schedule({SEASON: (feed / schedule_path(SEASON)).read_bytes()})
    tables = []
    wanted = schedule.filter(pl.col("race_type") == "points", pl.col("series") == "cup")
    for race in wanted.iter_rows(named=True):
        key = (race["season"], race["series"], race["race_id"])
        files = [(feed / path(*key)) for path in (weekend_path, loop_stats_path)]
        tables.append(build_race_results(race, *(file.read_bytes() for file in files)).frame)
    results = pl.concat(tables)
    # A rating from the start alone: enough for a test that asks for no skill.
    ratings = results.select(
        "race_id",
        "driver_id",
        rating=pl.col("start")
        .fill_null(40)
        .cast(pl.Float64)
        .map_batches(lambda start: 0.5 * start_scores(start.to_numpy()), pl.Float64)
        .over("race_id"),
        level_sd=pl.lit(0.2),
    ).with_columns(level="rating")
    return past_races(results, ratings, schedule, datetime(2025, 1, 15, tzinfo=UTC))


def test_a_season_of_real_races_is_read_whole_but_for_those_called_early(races):
    assert 30 <= len(races) <= 36
    for race in races:
        outcome = race.outcome
        assert outcome.laps_led.sum() == outcome.race_laps[0]
        assert outcome.fastest_laps.sum() <= outcome.green_laps[0] + 1
        values = race_moments(outcome)
        assert sum(values[name][0] for name in values if name.startswith("regime_")) == 1.0


def test_simulated_seasons_look_like_the_real_one(races):
    table = realism_table(races, lambda race: STARTING_VALUES, scenarios=40)
    by_name = table.filter(pl.col("track_type") == "intermediate")
    values = {row["statistic"]: row for row in by_name.iter_rows(named=True)}
    for name in ("accidents", "led_first", "leaders", "green_share", "mechanical", "fastest_first"):
        # Parameters of 2022 against 2024: within five standard errors of one season.
        assert abs(values[name]["z"]) < 5.0, name
    assert np.isfinite(table["simulated"].to_numpy()).mean() > 0.95
