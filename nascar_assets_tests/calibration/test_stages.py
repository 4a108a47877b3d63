"""Forecasts at each stage of the week: what each knows, and that it knows no more."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from benchmarks.planted import FixedModel
from nascar_assets.calibration.archive import WalkForward
from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
from nascar_assets.calibration.baselines import Uniform
from nascar_assets.calibration.race_forecast import RunningOrder
from nascar_assets.calibration.stages import STAGES, stage
from nascar_assets.calibration.tables_text import stage_grid
from nascar_assets.errors import InputError
from nascar_assets.history.features import features_at_starts
from nascar_assets.storage import DataRoot

NAMES = [item.name for item in STAGES]
EARLY = date(2024, 4, 1), date(2024, 5, 15)
"""Races with few before them, which a backtest walks through first."""


@pytest.fixture(scope="module")
def tables(sample_tables):
    return sample_tables


def rows(tables, first, last):
    points = tables.schedule.filter(pl.col("race_type") == "points").sort("start_time")
    return points.slice(first, last - first)


def prepared(tables, name, first, last):
    walker = WalkForward(
        tables.schedule,
        tables.results,
        "cup",
        with_values=False,
        features=tables.features,
        stage=stage(name),
        sources=tables.sources,
    )
    return list(walker.prepare(rows(tables, first, last)))


@pytest.fixture(scope="module")
def at_stage(tables):
    """Two races as prepared at each stage."""
    return {name: prepared(tables, name, 22, 24) for name in NAMES}


def test_monday_is_noon_before_the_race_and_before_the_entry_list():
    sunday = datetime(2026, 3, 15, 19, 30, tzinfo=UTC)
    lists = pl.DataFrame({"entries_at": [sunday - timedelta(days=5)], "qualifying_at": [sunday]})
    assert stage("monday").as_of({"start_time": sunday}, lists) == datetime(
        2026, 3, 9, 16, tzinfo=UTC
    )
    friday = datetime(2026, 3, 13, 23, tzinfo=UTC)
    lists = pl.DataFrame({"entries_at": [friday - timedelta(days=5)], "qualifying_at": [friday]})
    assert stage("monday").as_of({"start_time": friday}, lists) == datetime(
        2026, 3, 8, 22, tzinfo=UTC
    )


@pytest.mark.slow
def test_stages_follow_each_other_and_none_is_after_the_start(tables):
    for race in rows(tables, 20, 26).iter_rows(named=True):
        entries = tables.results.filter(pl.col("race_id") == race["race_id"])
        times = [item.as_of(race, entries) for item in STAGES]
        assert times == sorted(times)
        assert times[-1] == race["start_time"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_stage_knows_what_it_says(tables, at_stage, name):
    for item in at_stage[name]:
        entries, at = item.race.entries, stage(name)
        assert item.race.as_of == at.as_of(
            {"start_time": item.race.start_time},
            tables.results.filter(pl.col("race_id") == item.race.race_id),
        )
        assert entries["start"].is_not_null().any() == at.grid
        assert item.history.results["results_at"].max() <= item.race.as_of
        if name == "start":
            assert item.reference is None
        else:
            _, reference = item.reference
            assert reference.as_of == reference.start_time
            assert reference.entries["start"].is_not_null().any()
            assert set(reference.driver_ids) == set(item.race.driver_ids)


@pytest.mark.slow
def test_an_early_stage_does_not_move_what_is_known_at_the_start(at_stage):
    for name in NAMES[:-1]:
        for early, plain in zip(at_stage[name], at_stage["start"], strict=True):
            assert early.reference[1].ratings.equals(plain.race.ratings)


@pytest.mark.slow
def test_a_monday_forecast_reads_nothing_of_its_weekend(tables, at_stage):
    before = at_stage["monday"][-1]
    own = pl.col("race_id") == before.race.race_id
    moved = tables.results.with_columns(
        pl.when(own).then(pl.lit(text)).otherwise(pl.col(name)).alias(name)
        for name, text in (("team", "Elsewhere"), ("car_number", "999"), ("manufacturer", "Other"))
    )
    changed = type(tables)(
        tables.schedule, moved, tables.problems, tables.features.filter(~own), tables.sources
    )
    (after,) = prepared(changed, "monday", 23, 24)
    assert before.race.ratings.equals(after.race.ratings)
    assert before.race.entries.equals(after.race.entries)


@pytest.mark.slow
def test_a_stage_is_sealed_scored_and_shown(tables, tmp_path):
    settings = BacktestSettings(*EARLY, scenarios=200, workers=1, report=False)
    model = FixedModel(RunningOrder(values=False, name="fixed"))
    found = {}
    for name in ("monday", "start"):
        at = BacktestSettings(**{**vars(settings), "stage": stage(name)})
        folder = DataRoot.open(tmp_path / name)
        found[name] = run_backtest(lambda: tables, folder, at, model=model)
    seals = {name: result.seals for name, result in found.items()}
    assert seals["monday"].keys() == seals["start"].keys()
    for race_id, seal in seals["monday"].items():
        assert seal.as_of < seals["start"][race_id].as_of
        assert seal.baselines == seals["start"][race_id].baselines  # the yardstick is the same
    _, table = stage_grid({name: result.summary for name, result in found.items()})
    assert [row[0] for row in table] == ["monday", "start"]
    at = BacktestSettings(**{**vars(settings), "stage": stage("monday")})
    with pytest.raises(InputError, match="other settings"):
        run_backtest(lambda: tables, DataRoot.open(tmp_path / "start"), at, model=model)


class Counting(FixedModel):
    """Counts how often it is fitted."""

    fits = 0

    def fit(self, known):
        type(self).fits += 1
        return super().fit(known)


@pytest.mark.slow
def test_one_fit_serves_every_stage_before_the_start(tables, tmp_path):
    model = Counting(Uniform())

    def run(name, early_fits=None):
        at = BacktestSettings(
            *EARLY, scenarios=20, workers=1, report=False,
            stage=stage(name),
        )  # fmt: skip
        folder = DataRoot.open(tmp_path / f"{name}-{early_fits is None}")
        made = run_backtest(
            lambda: tables, folder, at, model=model, baselines=[], early_fits=early_fits
        )
        return {race: seal.sha256 for race, seal in made.seals.items()}

    shared = {}
    together = [run(name, shared) for name in ("monday", "practice", "start")]
    blocks = len(shared)
    assert Counting.fits == 2 * blocks  # one for both early stages, one for the start
    assert together == [run(name) for name in ("monday", "practice", "start")]


def test_an_unknown_stage_names_the_known_ones():
    with pytest.raises(InputError, match="monday, entry-list"):
        stage("tuesday")


WORSE = {"practice": 0.02, "lap_summaries": 0.02, "entries": 0.10}
"""How much more the finish may be missed (RPS) without a source, as a share; the sample's cars are
drawn anew each season and hardly change teams within one."""


def missed(tables, tmp_path, name, at="start"):
    """Mean RPS of the finish over six races, and that of a forecast that knows nothing."""
    settings = BacktestSettings(
        date(2025, 4, 1),
        date(2025, 5, 20),
        scenarios=400,
        workers=1,
        report=False,
        stage=stage(at),
    )
    model = FixedModel(RunningOrder(values=False, name="fixed"))
    folder = DataRoot.open(tmp_path / name)
    found = run_backtest(lambda: tables, folder, settings, model=model, baselines=[Uniform()])
    records = found.summary.records
    return records["fixed"].value("rps_finish"), records["uniform"].value("rps_finish")


def without(tables, source):
    """The tables as a feed without a source gives them."""
    kept = {name: table for name, table in tables.sources.items() if name != source}
    ran = tables.schedule.filter(
        pl.col("race_id").is_in(tables.results["race_id"].unique().to_list()),
        pl.col("race_type") == "points",
    )
    features = features_at_starts(
        {**kept, "entries": tables.results}, ran.sort("start_time").iter_rows(named=True)
    )
    return type(tables)(tables.schedule, tables.results, (), features, kept)


@pytest.mark.slow
def test_without_a_source_the_forecast_is_a_little_worse_and_never_nonsense(tables, tmp_path):
    whole, nothing = missed(tables, tmp_path, "whole")
    assert whole < nothing
    found = {
        "practice": missed(without(tables, "practice"), tmp_path, "practice")[0],
        "lap_summaries": missed(without(tables, "lap_summaries"), tmp_path, "laps")[0],
        "entries": missed(tables, tmp_path, "entries", at="monday")[0],
    }
    assert {name: value / whole - 1.0 <= WORSE[name] for name, value in found.items()} == (
        dict.fromkeys(WORSE, True)
    ), found
    assert all(value < nothing for value in found.values())
    window = pl.col("start_time") >= datetime(2025, 4, 1, tzinfo=UTC)
    bare = type(tables)(tables.schedule, tables.results.filter(window))
    without_results, nothing = missed(bare, tmp_path, "results")
    assert without_results < 1.02 * nothing
