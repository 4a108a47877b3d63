"""Features on their way to a backtest's forecasts: read from a feed, and only as of each start."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from benchmarks.leaks import probe_leak, scramble_future
from nascar_assets.calibration.archive import WalkForward
from nascar_assets.calibration.feed_tables import read_feed_tables
from nascar_assets.calibration.race_forecast import RunningOrder
from nascar_assets.feed.sources import SOURCES
from nascar_assets.history.features import FEATURE_TABLE
from nascar_assets.history.level_features import FROM_PAST, LEVEL_FEATURES
from nascar_assets.storage import DataRoot
from nascar_assets.telemetry.catalogue import FEATURES
from nascar_assets_tests.samples import sample_of

from .world import world

WINDOW = (date(2024, 1, 1), date(2024, 12, 31))


@pytest.fixture(scope="module")
def tables():
    """The small world with features of every start, each known at the start."""
    plain = world()
    rng = np.random.default_rng(1)
    rows = plain.results.select("race_id", "driver_id", available_at="start_time").with_columns(
        pl.Series(name, rng.standard_normal(plain.results.height)) for name in LEVEL_FEATURES
    )
    features = pl.concat([pl.DataFrame(schema=FEATURE_TABLE), rows], how="diagonal_relaxed")
    return replace(plain, features=features.select(list(FEATURE_TABLE)))


def levels(tables, features):
    walker = WalkForward(
        tables.schedule, tables.results, "cup", with_values=False, features=features
    )
    prepared = list(walker.prepare(walker.races(*WINDOW)))
    return pl.concat([item.race.ratings for item in prepared])["level"].to_numpy()


@pytest.mark.slow
def test_features_of_a_start_reach_its_forecast_and_those_known_later_do_not(tables):
    without = levels(tables, None)
    assert (levels(tables, tables.features) != without).mean() > 0.9
    late = tables.features.with_columns(pl.col("available_at") + timedelta(seconds=1))
    assert levels(tables, late).tobytes() == without.tobytes()


@pytest.mark.slow
def test_other_features_of_later_races_do_not_move_a_forecast(tables):
    as_of = tables.schedule.filter(race_id="24004")["start_time"][0]
    other = scramble_future(tables, as_of).features
    real = tables.features.sort("race_id", "driver_id")
    late = pl.col("available_at") > as_of
    assert other.filter(~late).equals(real.filter(~late))
    assert not other.filter(late).equals(real.filter(late))
    assert not probe_leak(tables, "24004", lambda known: RunningOrder(), scenarios=20).leaks


@pytest.mark.slow
def test_a_feed_gives_the_features_of_every_race_that_was_run(tmp_path):
    wanted = {2025}
    for path, content in sample_of(3).files.items():
        parts = path.split("/")
        year = int(next(part for part in parts if part.isdigit()))
        if year in wanted or path.endswith("race_list_basic.json"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(content)
    tables = read_feed_tables(DataRoot(tmp_path))
    ran = tables.results.filter(pl.col("race_type") == "points")
    starts = dict(ran.select("race_id", "start_time").iter_rows())
    features = tables.features
    assert dict(features.schema) == FEATURE_TABLE
    assert set(features["race_id"]) == set(starts)
    assert (features["available_at"] <= features["race_id"].replace_strict(starts)).all()
    held = {source.table for source in SOURCES if source.name in {*tables.sources, "results"}}
    told = [item.name for item in FEATURES if item.rated and item.column.source in held]
    assert all(features.select(pl.col(told).is_not_null().any()).row(0))
    # The first race of each track type has no past laps.
    kinds = ran.sort("start_time").unique(["series", "track_type"], keep="first")["race_id"]
    first = features.filter(pl.col("race_id").is_in(kinds.to_list()))
    assert all(first.select(pl.col(FROM_PAST).is_null().all()).row(0))
