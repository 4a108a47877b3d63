"""A slate's run: one input for its assets, read once; what a portfolio took players for."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from nascar_assets.contest.field_fit import FieldFit
from nascar_assets.errors import InputError
from nascar_assets.files import SourceFile
from nascar_assets.lineups import PortfolioSettings
from nascar_assets.orchestration import assets
from nascar_assets.orchestration.assets.lineups import (
    driver_summary,
    lineups,
    scenario_optima,
    upload_file,
)
from nascar_assets.orchestration.assets.scenarios import scenario_summary
from nascar_assets.orchestration.assets.slate import slate
from nascar_assets.orchestration.inputs import contest_store, slate_run
from nascar_assets.orchestration.inputs.portfolio import exposures
from nascar_assets.orchestration.inputs.slate_lineups import lineups_run_id, stored_players
from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan
from nascar_assets.orchestration.inputs.slate_run import SlateRun, SlateRuns
from nascar_assets.orchestration.partitions import SLATES
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.io_manager import ParquetTables
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.scenarios import generate_scenarios
from nascar_assets.service import slate_answers
from nascar_assets.storage import DataRoot
from nascar_assets_tests.service.stored import NAMES, SLATE_ID, car_id, write_slate

STORED = {"slate_plan", "slate", "slate_field", "scenarios", "constraint_spec"}
FACTOR = 1.5
SETTINGS = (
    f'lineups = 4\nobjective = "mean"\n[drivers."{NAMES[5]}"]\npoints_multiplier = {FACTOR}\n'
)


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """A slate that ran up to its scenarios."""
    root = DataRoot.open(tmp_path)
    write_slate(root)
    run = SlateRun.load(root, SLATE_ID)
    made = generate_scenarios(run.spec, run.setup, 200, 5)
    root.write_frame(table_path("scenarios", SLATE_ID), made.to_polars([run.rules]))
    root.write_frame(table_path("scenario_races", SLATE_ID), made.races_to_polars())
    replace(run.plan, settings=SETTINGS).save(root)
    return root


def materialise(root: DataRoot, *wanted: dg.AssetsDefinition) -> None:
    """Some assets of the slate in one run of the platform's."""
    platform = Platform(home=root.location)
    made = {item.key.path[-1] for item in wanted}
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(SLATES.name), [SLATE_ID])
        dg.materialize(
            [*wanted, *(dg.AssetSpec(name, partitions_def=SLATES) for name in STORED - made)],
            selection=list(wanted),
            partition_key=SLATE_ID,
            instance=instance,
            resources={
                "platform": platform,
                "io_manager": ParquetTables(platform),
                "slate_runs": SlateRuns(platform),
            },
        )


def test_no_asset_reads_the_plan_or_builds_the_players_by_itself() -> None:
    """`slate` alone builds those of the run before, of whom it takes over names."""
    found: dict[str, int] = {}
    for path in Path(assets.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name in ("SlatePlan.load", "SlatePlan.find", "slate_from_polars", "load_spec"):
                    found[f"{path.name} {name}"] = found.get(f"{path.name} {name}", 0) + 1
    assert found == {"slate.py slate_from_polars": 1}


@pytest.mark.slow
def test_one_run_reads_plan_and_contests_and_builds_the_players_once(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load, build = SlatePlan.find, slate_run.slate_from_polars
    fits = contest_store.field_fits

    def found(there: DataRoot, slate_id: str) -> SlatePlan | None:
        read.append("plan")
        return load(there, slate_id)

    def built(frame: pl.DataFrame) -> object:
        read.append("players")
        return build(frame)

    def fitted(there: DataRoot, as_of: datetime | None = None) -> dict[str, FieldFit]:
        read.append("contests")
        return fits(there, as_of)

    monkeypatch.setattr(SlatePlan, "find", found)
    monkeypatch.setattr(contest_store, "field_fits", fitted)
    monkeypatch.setattr(slate_run, "slate_from_polars", built)
    materialise(root, driver_summary, scenario_optima, lineups, upload_file)
    assert sorted(read) == ["contests", "plan", "players"]


def test_a_plan_that_was_written_anew_is_read_anew(root: DataRoot) -> None:
    runs = SlateRuns(Platform(home=root.location))
    first = runs.run_of(SLATE_ID)
    assert runs.run_of(SLATE_ID) is first
    replace(first.plan, settings="lineups = 2").save(root)
    assert runs.run_of(SLATE_ID).plan.settings == "lineups = 2"


def test_players_of_a_newer_salary_file_do_not_come_under_an_older_plan(root: DataRoot) -> None:
    plan = SlatePlan.load(root, SLATE_ID)
    newer = b"Position,Name\n"
    registration = Registration(
        slate_id=SLATE_ID,
        source=SourceFile.of("landing/salaries/newer.csv", newer),
        race_id=plan.race_id,
        race_key=plan.race_key,
        contest=plan.contest,
    )
    registration.save(root, newer)
    before = root.read(table_path("slate", SLATE_ID))
    with pytest.raises(InputError, match="was registered after this run"):
        materialise(root, slate)
    assert root.read(table_path("slate", SLATE_ID)) == before


@pytest.mark.slow
def test_who_chose_the_lineups_is_told_beside_whose_scenarios_they_are_of(root: DataRoot) -> None:
    materialise(root, scenario_optima, lineups)  # a run later than that of the plan
    run = SlateRun.load(root, SLATE_ID)
    table = run.table("lineups")
    assert table["run_id"].unique().to_list() == [run.plan.run_id]
    chosen_by = lineups_run_id(table)
    assert chosen_by != run.plan.run_id
    assert slate_answers.lineups(run).run_id == chosen_by
    told = slate_answers.provenance(run)
    assert (told.run_id, told.lineups_run_id) == (run.plan.run_id, chosen_by)
    # Lineups of before the column was stored are of the slate's own run, for all that is known.
    root.write_frame(table_path("lineups", SLATE_ID), table.drop("lineups_run_id"))
    assert slate_answers.lineups(run).run_id == run.plan.run_id


def test_tables_of_an_earlier_version_are_refused_in_words(root: DataRoot) -> None:
    older = pl.DataFrame({"driver_id": ["1"], "points_mean": [40.0]})
    root.write_frame(table_path("scenario_summary", SLATE_ID), older)
    with pytest.raises(
        InputError, match=f"earlier version.*column driver_name.*nascar slate run {SLATE_ID}"
    ):
        SlateRun.load(root, SLATE_ID).table("scenario_summary")
    with pytest.raises(InputError, match=r"table lineups .*earlier version.*nascar slate run"):
        stored_players(pl.DataFrame({"lineup": [1]}))


@pytest.mark.slow
def test_a_driver_on_the_slate_has_the_salary_files_name_in_every_answer(root: DataRoot) -> None:
    field = SlateRun.load(root, SLATE_ID).table("slate_field")
    feeds = field.with_columns(driver_name=pl.lit("Feed's ") + pl.col("driver_name"))
    root.write_frame(table_path("slate_field", SLATE_ID), feeds)
    materialise(root, scenario_summary)
    run = SlateRun.load(root, SLATE_ID)
    shown = dict(run.table("scenario_summary").select("driver_id", "driver_name").iter_rows())
    assert shown == run.names
    assert shown[car_id(0)] == NAMES[0]
    off_the_slate = car_id(len(shown) - 1)
    assert shown[off_the_slate] == f"Feed's {NAMES[len(shown) - 1]}"


@pytest.mark.parametrize(
    ("objective", "value", "error", "text"),
    [
        ("probability", 0.0031, 0.0011, "0.31% (standard error 0.11%)"),
        ("payout", 12.345, 1.2, "$12.35 (standard error $1.20)"),
        ("mean", 240.1, None, "240.10 points (standard error not known: too few scenarios)"),
    ],
)
def test_a_portfolios_worth_is_told_in_its_objectives_own_form(
    objective: str, value: float, error: float | None, text: str, root: DataRoot
) -> None:
    run = SlateRun.load(root, SLATE_ID)
    table = pl.DataFrame(
        {
            "lineup": [1],
            "driver_ids": [[player.driver_id for player in run.slate.players[:6]]],
            "salary": [50_000],
            **{f"points_p{share}": [200.0] for share in (10, 25, 50, 75, 90)},
            "mean_points": [200.0],
            "run_id": ["a run"],
            "objective": [objective],
            "objective_value": [value],
            "objective_se": [error],
        }
    )
    rows, scores = np.arange(6)[None, :], np.full((4, 1), 200.0)
    assert slate_answers.lineups_answer(run, table, rows, scores, ()).value_text == text


@pytest.mark.slow
def test_errors_are_of_as_many_scenarios_as_tilted_ones_are_worth(root: DataRoot) -> None:
    materialise(root, scenario_optima, lineups)
    run = SlateRun.load(root, SLATE_ID)
    plain = run.table("lineups")["objective_se"][0]
    worth = run.plan.n_scenarios / 4
    targets = pl.DataFrame({"effective_scenarios": [worth]})
    root.write_frame(table_path("view_targets", SLATE_ID), targets)
    materialise(root, scenario_summary, scenario_optima, lineups)
    shown = run.table("scenario_summary")
    sd, error = shown["sd_points"].to_numpy(), shown["mean_points_se"].to_numpy()
    assert error == pytest.approx(sd / np.sqrt(worth))
    win = shown["win"].to_numpy()
    assert shown["win_se"].to_numpy() == pytest.approx(np.sqrt(win * (1 - win) / worth))
    optima = run.table("scenario_optima")
    share = optima["optimal_share"].to_numpy()
    assert optima["optimal_share_se"].to_numpy() == pytest.approx(
        np.sqrt(share * (1 - share) / worth)
    )
    assert run.table("lineups")["objective_se"][0] == pytest.approx(2 * plain)


@pytest.mark.slow
def test_means_and_exposures_are_those_under_the_persons_factor_everywhere(root: DataRoot) -> None:
    materialise(root, scenario_optima, lineups)
    run = SlateRun.load(root, SLATE_ID)
    table = run.table("lineups")
    factors = np.array([FACTOR if player.name == NAMES[5] else 1.0 for player in run.slate.players])
    scaled = np.rint(run.points * factors) / run.rules.points_scale
    players = table.select(pl.col("players").first()).explode("players").unnest("players")
    assert players["driver_id"].to_list() == [player.driver_id for player in run.slate.players]
    assert players["points_multiplier"].to_list() == factors.tolist()
    assert players["mean_points"].to_numpy() == pytest.approx(scaled.mean(axis=0))
    place = {driver: at for at, driver in enumerate(players["driver_id"])}
    for row in table.iter_rows(named=True):
        own = scaled[:, [place[driver] for driver in row["driver_ids"]]].sum(axis=1)
        assert row["mean_points"] == pytest.approx(own.mean())
        assert row["points_p90"] == pytest.approx(np.quantile(own, 0.9))
    held = [driver for ids in table["driver_ids"].to_list() for driver in ids]
    shown = exposures(table, run.table("scenario_optima"))
    assert car_id(5) in held
    for row in shown.iter_rows(named=True):
        assert row["lineups"] == held.count(row["driver_id"])
        assert row["exposure"] == held.count(row["driver_id"]) / table.height
    assert (
        PortfolioSettings.from_toml(run.plan.settings).drivers[NAMES[5]].points_multiplier == FACTOR
    )
