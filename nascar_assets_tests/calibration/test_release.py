"""Backtest, recalibration and release gate as Dagster assets, run for real on an instance."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import polars as pl
import pytest

from benchmarks.planted import FixedModel
from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
from nascar_assets.calibration.baselines import PlackettLuce, StartClimatology
from nascar_assets.calibration.feed_tables import FeedTables
from nascar_assets.calibration.gate import Criterion
from nascar_assets.calibration.model_version import (
    GateRecord,
    ModelRecipe,
    version_in_use,
)
from nascar_assets.calibration.score_tables import scored_to_table
from nascar_assets.definitions import build_definitions
from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.feed.schemas import ENTRIES
from nascar_assets.orchestration.assets import backtest as backtest_assets
from nascar_assets.orchestration.commands.doctor import _models
from nascar_assets.orchestration.inputs.process_parameters import (
    RECORDS,
    KnownModels,
    gate_records,
    model_as_of,
    save_fit,
    save_gate_record,
    save_recalibration,
)
from nascar_assets.orchestration.inputs.race_scores import forecasting_code
from nascar_assets.orchestration.partitions import RACES
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import scan_table, table_path
from nascar_assets.scenarios import STARTING_VALUES, ProcessParameters
from nascar_assets.storage import DataRoot
from nascar_assets_tests.described import check_described, stored_tables

from .world import Planted, world

CODE = "code"
DAY = timedelta(days=1)
START = datetime(2025, 1, 1, tzinfo=UTC)

HONEST = {"fit_process": False, "recalibrate": False}
GOOD = ModelRecipe(fit_process=False, changes={"short.kappa": 1.234})
BAD = ModelRecipe(changes={"short.kappa": 9.0})
YEAR = date(2024, 1, 1), date(2024, 12, 31)
AFTER = datetime(2025, 1, 1, tzinfo=UTC)
RACE_CONFIG = {"scenarios": 60, "workers": 1}


def record(recipe=None, *, passed, day=0, code=CODE, known=0):
    recipe = recipe or ModelRecipe()
    return GateRecord(
        version=recipe.version(code),
        code=code,
        series="cup",
        recipe=recipe,
        passed=passed,
        criteria=(Criterion("finish RPS skill", 0.05, ">= 4.0%", passed),),
        races=30,
        known_until=START + known * DAY,
        decided_at=START + day * DAY,
    )


# --- which version slates use -----------------------------------------------------------------


def test_before_any_backtest_the_own_recipe_is_used_and_said_to_have_no_record():
    used = version_in_use([], CODE, START)
    assert used.recipe == ModelRecipe()
    assert used.record is None
    assert used.said == f"version {ModelRecipe().version(CODE)}: no gate record yet"


def test_a_version_that_failed_is_not_used_and_the_last_good_one_stays():
    first = record(ModelRecipe(recalibrate=False), passed=True, day=1)
    second = record(ModelRecipe(fit_process=False), passed=True, day=2)
    bad = record(ModelRecipe(changes={"short.kappa": 9.0}), passed=False, day=3)
    for records in ([first, second, bad], [bad, second, first]):
        used = version_in_use(records, CODE, START + 9 * DAY)
        assert used.recipe == second.recipe
        assert "passed the release gate on 30 races" in used.said
    # A version that passed once and fails on more races gives way to the one before.
    failing = record(second.recipe, passed=False, day=4)
    for records in ([first, second, failing], [failing, second, first]):
        assert version_in_use(records, CODE, START + 9 * DAY).recipe == first.recipe


def test_a_verdict_counts_from_when_its_races_were_known():
    late = record(ModelRecipe(fit_process=False), passed=True, known=10)
    assert version_in_use([late], CODE, START + 9 * DAY).recipe == ModelRecipe()
    assert version_in_use([late], CODE, START + 10 * DAY).recipe == late.recipe


def test_a_release_says_nothing_of_another_program():
    old = record(ModelRecipe(fit_process=False), passed=True)
    used = version_in_use([old], "newer", START)
    assert used.recipe == old.recipe
    assert used.version != old.version
    assert "no gate record yet" in used.said
    assert old.version in used.said
    worse = record(old.recipe, passed=False, code="newer")
    assert "FAILED" in version_in_use([old, worse], "newer", START).said


def test_nothing_but_failures_leaves_the_own_recipe_and_says_so():
    used = version_in_use([record(passed=False)], CODE, START)
    assert used.record is None
    assert "FAILED" in used.said


def test_the_version_is_the_hash_of_recipe_numbers_and_code():
    names = {
        ModelRecipe(*both, changes=changes).version(code)
        for both in ((True, True), (True, False), (False, True))
        for changes in ({}, {"road.kappa": 2.0})
        for code in ("a", "b")
    }
    assert len(names) == 12
    assert ModelRecipe().version("a") == ModelRecipe().version("a")


@pytest.mark.parametrize("name", ["oval.kappa", "short.speed", "kappa", "short.by_type"])
def test_a_parameter_that_does_not_exist_is_refused(name):
    with pytest.raises(InputError, match="No parameter of the race process"):
        ModelRecipe(changes={name: 1.0}).start()


def test_gate_records_survive_their_file(tmp_path):
    root = DataRoot(tmp_path)
    made = record(ModelRecipe(changes={"short.kappa": 1.5}), passed=True)
    save_gate_record(root, made)
    assert gate_records(root, "cup") == ([made], [])


def test_a_later_verdict_changes_no_slate_of_before(tmp_path):
    root = DataRoot(tmp_path)
    recipe = ModelRecipe(recalibrate=False)
    first = record(recipe, passed=True, day=1, known=1, code=forecasting_code())
    # An older program stored it under the version alone.
    path = f"{RECORDS}/cup/{first.version}.json"
    root.write(path, json.dumps(first.to_dict()).encode())
    before = model_as_of(root, "cup", START + 4 * DAY)
    assert before.version.record == first
    for passed in (True, False):
        later = record(recipe, passed=passed, day=9, known=8, code=first.code)
        save_gate_record(root, later)
        assert model_as_of(root, "cup", START + 4 * DAY) == before
        assert model_as_of(root, "cup", START + 8 * DAY).version.record == (
            later if passed else None
        )
    assert len(gate_records(root, "cup")[0]) == 2


def _stored_by_another_version(root):
    """A fit, its recalibration and a release, each with a key that this version does not know."""
    fit = ProcessParameters(STARTING_VALUES.by_type, "old", START)
    recipe = ModelRecipe(fit_process=False, changes={"short.kappa": 1.25})
    paths = (
        save_fit(root, "cup", fit),
        save_recalibration(root, "cup", fit, fit.with_type("short", omega=0.1), START),
        save_gate_record(root, record(recipe, passed=True)),
    )
    for path, key in zip(paths, ('"as_of"', '"as_of"', '"known_until"'), strict=True):
        root.write(path, root.read(path).replace(key.encode(), b'"cut_off"'))
    return paths


def test_what_another_version_stored_is_passed_over_with_a_notice(tmp_path):
    root = DataRoot(tmp_path)
    paths = _stored_by_another_version(root)
    used = model_as_of(root, "cup", START + DAY)
    assert used.parameters is STARTING_VALUES
    assert used.version.record is None
    jobs = ("fit_job", "fit_job", "release_job")
    for path, job, notice in zip(paths, jobs, used.notices, strict=True):
        assert notice.startswith(f"{path} is not used: ")
        assert f"{job} makes one anew" in notice
        with pytest.raises(EnvironmentFault, match=path):
            _models(str(tmp_path))
    # What this version stores beside it is used.
    fit = ProcessParameters(STARTING_VALUES.by_type, "new", START + DAY)
    save_fit(root, "cup", fit)
    assert model_as_of(root, "cup", START + DAY).parameters.source == "new"


def test_a_stored_time_without_a_zone_is_passed_over_with_a_notice(tmp_path):
    root = DataRoot(tmp_path)
    fit = ProcessParameters(STARTING_VALUES.by_type, "old", START)
    paths = (
        save_fit(root, "cup", fit),
        save_recalibration(root, "cup", fit, fit.with_type("short", omega=0.1), START),
        save_gate_record(root, record(ModelRecipe(), passed=True)),
    )
    for path in paths:
        root.write(path, root.read(path).replace(b"+00:00", b""))
    used = model_as_of(root, "cup", START + DAY)
    assert used.parameters is STARTING_VALUES
    assert used.version.record is None
    for path, notice in zip(paths, used.notices, strict=True):
        assert notice.startswith(f"{path} is not used: ")
        assert "has no zone" in notice


def test_a_release_with_a_parameter_of_another_version_is_passed_over(tmp_path):
    root = DataRoot(tmp_path)
    path = save_gate_record(root, record(ModelRecipe(changes={"short.kappa": 1.5}), passed=True))
    root.write(path, root.read(path).replace(b"short.kappa", b"short.older"))
    records, (notice,) = gate_records(root, "cup")
    assert records == []
    assert "short.older" in notice
    assert model_as_of(root, "cup", START).version.record is None


def test_a_slate_uses_the_newest_fit_of_a_recipe_that_fits_and_its_recalibration(tmp_path):
    root = DataRoot(tmp_path)

    def fit(day, kappa):
        changed = STARTING_VALUES.with_type("short", kappa=kappa)
        return ProcessParameters(changed.by_type, f"fit {day}", START + day * DAY)

    assert model_as_of(root, "cup", START).parameters is STARTING_VALUES
    for made in (fit(1, 1.1), fit(5, 1.5)):
        save_fit(root, "cup", made)
    assert model_as_of(root, "cup", START + 4 * DAY).parameters.source == "fit 1"
    assert model_as_of(root, "cup", START + 5 * DAY).parameters.source == "fit 5"
    base = KnownModels(root, "cup").to_recalibrate(START + 5 * DAY)
    corrected = base.with_type("short", omega=0.123)
    save_recalibration(root, "cup", base, corrected, START + 6 * DAY)
    assert model_as_of(root, "cup", START + 5 * DAY).parameters.hash == base.hash
    assert model_as_of(root, "cup", START + 6 * DAY).parameters.hash == corrected.hash
    # A newer fit has no recalibration yet, and a recipe without fits takes none.
    save_fit(root, "cup", fit(7, 1.7))
    assert model_as_of(root, "cup", START + 7 * DAY).parameters.source == "fit 7"
    recipe = ModelRecipe(fit_process=False, changes={"short.kappa": 1.25})
    save_gate_record(root, record(recipe, passed=True, code=forecasting_code()))
    used = model_as_of(root, "cup", START + 8 * DAY)
    assert used.parameters.of("short").kappa == 1.25
    assert used.version.record is not None


# --- the assets -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables():
    return world(seasons=(2023, 2024))


def write_home(folder, tables):
    """A data root with the tables of a sync that these assets read."""
    root = DataRoot(folder)
    root.write_frame(table_path("schedule"), tables.schedule)
    for (key,), rows in tables.results.partition_by("race_key", as_dict=True).items():
        root.write_frame(table_path("race_results", key), rows)
        root.write_frame(table_path("entries", key), rows.select(list(ENTRIES)))
    return root


class Home:
    """A home with races, an instance of Dagster's own, and its assets run for real."""

    def __init__(self, folder, tables):
        self.folder, self.tables, self.results = folder, tables, tables.results
        self.root = write_home(folder, tables)
        self.instance = dg.DagsterInstance.ephemeral()
        self.definitions = build_definitions(platform=Platform(home=str(folder)))
        self.keys = tables.schedule.sort("start_time")["race_key"].to_list()
        self.instance.add_dynamic_partitions(RACES.name, self.keys)

    def run(self, job, config, *, first=None, last=None, fails=False, only=None):
        tags = {}
        if first is not None:
            tags = {
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last or first,
            }
        result = self.definitions.resolve_job_def(job).execute_in_process(
            run_config={"ops": config, "loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            instance=self.instance,
            tags=tags,
            raise_on_error=not fails,
            asset_selection=only and [dg.AssetKey(name) for name in only],
        )
        assert result.success != fails
        return result

    def backtest(self, recipe, first, last, **more):
        config = {"backtest": {"config": recipe | RACE_CONFIG}}
        return self.run("backtest_job", config, first=first, last=last, **more)

    def release(self, recipe, *assets):
        names = assets or ("model_version", "calibration_report")
        config = {name: {"config": recipe} for name in names}
        return self.run("release_job", config, only=names)


def checks(result, name):
    return [item for item in result.get_asset_check_evaluations() if item.check_name == name]


def stored_backtest(home, recipe, forecaster):
    """A version's backtest as the asset stores it, of a forecaster whose quality is known."""
    version = recipe.version(forecasting_code())
    tables = FeedTables(scan_table(home.root, "schedule").collect(), home.results)
    done = run_backtest(
        lambda: tables,
        backtest_assets.sealed_folder(home.root, "cup", version),
        BacktestSettings(*YEAR, scenarios=200, workers=1, report=False),
        model=FixedModel(forecaster),
        baselines=(StartClimatology(), PlackettLuce(attrition=True)),
    )
    starts = dict(tables.schedule.select("race_key", "start_time").iter_rows())
    for seal in done.seals.values():
        table = scored_to_table(done.scored[seal.race_id]).with_columns(
            pl.lit("cup").alias("series"),
            pl.lit(version).alias("model_version"),
            pl.lit(starts[seal.race_key]).alias("start_time"),
        )
        home.root.write_frame(table_path("backtest", seal.race_key), table)


@pytest.fixture(scope="module")
def released(tmp_path_factory, tables):
    """A home on which one version passed the gate, and one after it failed."""
    home = Home(tmp_path_factory.mktemp("released"), tables)
    home.before = model_as_of(home.root, "cup", AFTER)
    stored_backtest(home, GOOD, Planted(name="running_order"))
    home.good = home.release({"fit_process": False, "changes": dict(GOOD.changes)})
    home.between = model_as_of(home.root, "cup", AFTER)
    stored_backtest(home, BAD, Planted(spread=0.3, name="running_order"))
    home.bad = home.release({"changes": dict(BAD.changes)}, "model_version")
    return home


def test_a_version_that_passes_becomes_the_one_that_slates_use(released):
    assert "no gate record yet" in released.before.version.said
    (gate,) = checks(released.good, "release_gate")
    assert gate.passed, gate.metadata["gate"].value
    assert "passed the release gate on 20 races" in released.between.version.said
    assert released.between.parameters.of("short").kappa == GOOD.changes["short.kappa"]


def test_a_version_that_fails_is_not_used_and_the_last_good_one_stays_in_the_home(released):
    (gate,) = checks(released.bad, "release_gate")
    assert not gate.passed
    used = model_as_of(released.root, "cup", AFTER)
    assert used == released.between
    assert used.version.recipe == GOOD
    assert gate.metadata["slates_use"].value == used.version.version
    assert gate.metadata["version"].value == BAD.version(forecasting_code())
    assert sorted(item.passed for item in gate_records(released.root, "cup")[0]) == [False, True]


def test_the_report_shows_its_plots_and_is_one_page(released):
    (made,) = [
        event.materialization
        for event in released.good.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey("calibration_report")
    ]
    said = made.metadata
    for plot in ("coverage", "pit", "reliability", "skill_start_climatology", "drift"):
        assert said[plot].value.startswith("!["), plot
    page = released.root.read(said["report"].value.removeprefix(f"{released.root.location}/"))
    assert page.startswith(b"<!")
    assert said["races"].value == 20


@pytest.fixture(scope="module")
def three_races(tmp_path_factory, tables):
    """A home after the backtest of three races as one run over a range of partitions."""
    home = Home(tmp_path_factory.mktemp("three"), tables)
    home.first = home.backtest(HONEST, "2024-cup-03", "2024-cup-05")
    return home


@pytest.mark.slow
def test_every_race_of_the_backtest_is_a_partition_with_its_seal(three_races):
    passed = checks(three_races.first, "sealed_before_outcome")
    assert sorted(item.partition for item in passed if item.partition and item.passed) == [
        "2024-cup-03",
        "2024-cup-04",
        "2024-cup-05",
    ]
    asset = dg.AssetKey("backtest")
    assert len(three_races.instance.get_materialized_partitions(asset)) == 3
    table = scan_table(three_races.root, "backtest", "2024-cup-04").collect()
    assert set(table["forecaster"].unique()) >= {"running_order", "start_climatology", "uniform"}
    (event,) = three_races.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset, asset_partitions=["2024-cup-04"]), limit=1
    ).records
    said = event.asset_materialization.metadata
    assert said["forecast_sha256"].value == table["forecast_sha256"][0]
    assert said["as_of"].value == table["start_time"][0].isoformat()
    assert said["rps_finish running_order"].value > 0


def test_the_tables_of_a_backtest_are_those_of_the_data_dictionary(three_races, released):
    found = stored_tables(three_races.folder)
    check_described(found, "backtest", "backtest_races", "sealed_forecasts")
    check_described(stored_tables(released.folder), "model_version", "calibration_report")


@pytest.mark.slow
def test_a_stored_backtest_says_what_the_backtest_said(three_races):
    version, summary, known_until = backtest_assets.summary_of(
        three_races.root, backtest_assets.Candidate(**HONEST)
    )
    folder = backtest_assets.sealed_folder(three_races.root, "cup", version)
    said = json.loads(folder.read("metrics.json"))
    again = json.loads(json.dumps(summary.as_dict()))
    for part in ("table", "comparisons", "gate", "forecasters", "tiers"):
        assert again[part] == said[part], part
    last = three_races.results.filter(pl.col("race_key") == "2024-cup-05")["results_at"][0]
    assert known_until == last


@pytest.mark.slow
def test_a_race_says_the_same_whichever_races_ran_with_it(three_races, tables, tmp_path):
    home = Home(tmp_path / "alone", tables)
    home.backtest(HONEST, "2024-cup-04", "2024-cup-04")
    version = ModelRecipe(**HONEST).version(forecasting_code())
    path = f"{backtest_assets.SEALED}/cup-{version}/forecasts/24004.parquet"
    assert home.root.read(path) == three_races.root.read(path) is not None


@pytest.mark.slow
def test_too_few_races_prove_nothing(three_races):
    (gate,) = checks(three_races.release(HONEST, "model_version"), "release_gate")
    assert not gate.passed
    (found,), _ = gate_records(three_races.root, "cup")
    assert {item.name: item.passed for item in found.criteria}["races of the backtest"] is False


@pytest.mark.slow
def test_a_forecast_that_was_changed_is_void_and_fails_its_check(three_races, tmp_path):
    home = Home(tmp_path / "home", three_races.tables)
    shutil.copytree(three_races.folder, tmp_path / "home", dirs_exist_ok=True)
    (path,) = (tmp_path / "home").rglob("24004.parquet")
    path.write_bytes(path.read_bytes() + b"x")
    again = home.backtest(HONEST, "2024-cup-03", "2024-cup-05", fails=True)
    by_race = {
        item.partition: item.passed
        for item in checks(again, "sealed_before_outcome")
        if item.partition
    }
    assert by_race == {"2024-cup-03": True, "2024-cup-04": False, "2024-cup-05": True}


@pytest.mark.slow
def test_races_to_come_are_left_out_and_a_gate_without_races_says_what_to_do(tables, tmp_path):
    ran = tables.results.filter(pl.col("race_key") != "2024-cup-20")
    home = Home(tmp_path / "home", type(tables)(tables.schedule, ran))
    home.backtest(HONEST, "2024-cup-20", "2024-cup-20")
    assert not home.root.exists(table_path("backtest", "2024-cup-20"))
    with pytest.raises(InputError, match="has no backtest of cup races"):
        home.release(HONEST)
    assert gate_records(home.root, "cup") == ([], [])


@pytest.mark.slow
def test_recalibration_is_fitted_on_the_past_and_stored_for_its_fit(tables, tmp_path):
    short = pl.col("track_type") == "short"
    home = Home(tmp_path, FeedTables(tables.schedule.filter(short), tables.results.filter(short)))
    as_of = AFTER
    result = dg.materialize(
        [
            definition
            for definition in home.definitions.assets
            if isinstance(definition, dg.AssetsDefinition)
        ],
        selection=["recalibration"],
        instance=home.instance,
        resources=home.definitions.resources,
        run_config={"ops": {"recalibration": {"config": {"as_of": as_of.isoformat()}}}},
    )
    assert result.success
    table = scan_table(home.root, "recalibration").collect()
    assert table.select("track_type", "races").rows() == [("short", 10)]
    check_described(stored_tables(tmp_path), "recalibration")
    kept = table.filter("kept").height > 0
    before = model_as_of(home.root, "cup", as_of - DAY).parameters
    after = model_as_of(home.root, "cup", as_of).parameters
    assert before.hash == STARTING_VALUES.hash
    assert (after.hash != before.hash) == kept
