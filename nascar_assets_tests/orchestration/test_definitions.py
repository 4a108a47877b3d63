"""The code location loads, and its assets, checks, jobs, sensors and schedules are those known."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import pytest

from nascar_assets.definitions import build_definitions
from nascar_assets.feed.sources import OF_THE_RACE, TABLES
from nascar_assets.orchestration.resources import Platform, graph_kind
from nascar_assets_tests.orchestration.asset_specs import asset_specs
from nascar_assets_tests.orchestration.processes import environment

SNAPSHOT = Path(__file__).with_name("asset_specs.json")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions()


def test_definitions_are_loadable(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


@pytest.mark.slow
def test_dagster_validates_the_code_location(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate"],
        cwd=ROOT,
        env=environment(home) | {"DAGSTER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_asset_specs_are_those_of_the_snapshot(definitions: dg.Definitions) -> None:
    """`NASCAR_UPDATE_SNAPSHOT=1` writes the snapshot anew; the change then shows in the review."""
    found = asset_specs(definitions)
    if os.environ.get("NASCAR_UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    assert found == json.loads(SNAPSHOT.read_text())


def test_every_asset_is_described_and_owned_and_in_a_known_group(
    definitions: dg.Definitions,
) -> None:
    groups = {
        "feed",
        "telemetry",
        "history",
        "ontology",
        "constraints",
        "slate",
        "scenarios",
        "calibration",
        "lineups",
        "api",
    }
    for name, spec in asset_specs(definitions).items():
        assert spec["described"], name
        assert spec["owners"], name
        assert spec["group"] in groups, name
        assert spec["kinds"], name
        for check, said in spec["checks"].items():
            assert said["described"], f"{name}.{check}"
            # An unpartitioned check on a partitioned asset would load every partition.
            assert said["partitions"] == spec["partitions"], f"{name}.{check}"


def test_nothing_of_the_code_location_is_without_a_description(
    definitions: dg.Definitions,
) -> None:
    repository = definitions.get_repository_def()
    named = [
        *(job for job in repository.get_all_jobs() if not job.name.startswith("__")),
        *repository.sensor_defs,
        *repository.schedule_defs,
    ]
    assert len(named) > 15
    assert [item.name for item in named if not item.description] == []
    for key in repository.asset_graph.materializable_asset_keys:
        schema = repository.asset_graph.get(key).metadata.get("dagster/column_schema")
        for column in schema.columns if schema is not None else ():
            assert column.description, f"{key.to_user_string()}.{column.name}"


@pytest.mark.parametrize(("graph", "kind"), [("", "ladybug"), ("bolt://127.0.0.1:7687", "neo4j")])
def test_the_kind_of_the_graph_is_that_of_its_engine(
    graph: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASCAR_GRAPH", graph)
    assert graph_kind() == kind


def test_every_asset_says_its_stage_its_cost_and_its_series(definitions: dg.Definitions) -> None:
    specs = asset_specs(definitions)
    for name, spec in specs.items():
        assert spec["tags"].keys() == {"stage", "cost", "series"}, name
    week = {name for name, spec in specs.items() if spec["tags"]["stage"] == "race-week"}
    assert week == {"race_files", *(source.table for source in OF_THE_RACE)}


def test_slate_tables_follow_no_condition_of_their_own(definitions: dg.Definitions) -> None:
    specs = asset_specs(definitions)
    assert {name for name, spec in specs.items() if spec["automation"]} == {
        *TABLES,
        "laps",
        "lap_features",
        "driver_values",
        "track_values",
        "veto_rules",
        "ontology_graph",
    }


def test_sensors_and_schedules_run_from_the_start(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    sensors = {sensor.name: sensor.default_status.value for sensor in repository.sensor_defs}
    assert sensors == dict.fromkeys(
        [
            "landing_feed",
            "live_races",
            "landing_telemetry",
            "landing_salaries",
            "landing_contests",
            "landing_views",
            "feed_poll",
            "late_scratches",
            "locked_slates",
            "lost_runs",
            "failed_runs",
            "alerts",
            "followers",
        ],
        "RUNNING",
    )
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    assert schedules.keys() == {"race_week", "retention"}
    for schedule in schedules.values():
        assert schedule.execution_timezone == "America/New_York"
        assert schedule.default_status.value == "RUNNING"


def test_resources_may_be_replaced(tmp_path: Path) -> None:
    other = build_definitions(platform=Platform(home=str(tmp_path)))
    assert other.resources is not None
    with dg.build_resources({"platform": other.resources["platform"]}) as made:
        assert made.platform.home == str(tmp_path)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """What an import of the definitions alone leaves in its folder, and the modules it loads."""
    folder = tmp_path_factory.mktemp("import")
    code = (
        "import nascar_assets.definitions, json, os, sys;"
        "print(json.dumps([os.listdir('.'), list(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(folder) | {"NASCAR_GRAPH": "bolt://203.0.113.1:7687"},
        capture_output=True,
        text=True,
        check=True,
    )
    written, loaded = json.loads(done.stdout)
    return written, loaded


@pytest.mark.slow
def test_nothing_is_opened_at_import(imported: tuple[list[str], list[str]]) -> None:
    assert imported[0] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "library",
    ["dagster_polars", "pandas", "ortools", "matplotlib", "scipy", "numba", "ladybug", "neo4j"],
)
def test_heavy_libraries_are_left_until_they_are_used(
    library: str, imported: tuple[list[str], list[str]]
) -> None:
    assert "nascar_assets.definitions" in imported[1]
    assert library not in imported[1]


@pytest.mark.slow
def test_only_wiring_reads_the_clock() -> None:
    """No domain function reads the time of day, and none that is given it reads another."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (domain,) = (
        contract["source_modules"]
        for contract in contracts["contracts"]
        if contract["name"] == "The domain never imports Dagster"
    )
    folders = {name.split(".")[1] for name in domain}
    found, seen = [], set()
    for path in sorted((ROOT / "nascar_assets").rglob("*.py")):
        room = path.relative_to(ROOT / "nascar_assets").parts[0]
        seen.add(room)
        tree = ast.parse(path.read_text())
        if room in folders:
            found += [f"{path.name}:{line}" for line in _clock_lines(tree)]
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and _is_told_the_time(node):
                found += [f"{path.name}:{line}" for line in _clock_lines(node)]
    assert folders < seen
    assert found == []


def _is_told_the_time(function: ast.FunctionDef) -> bool:
    arguments = (*function.args.args, *function.args.kwonlyargs)
    return any(ast.unparse(argument) == "now: datetime" for argument in arguments)


def _clock_lines(tree: ast.AST) -> list[int]:
    """Lines that ask for the time of day."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).removeprefix("datetime.")
        in ("datetime.now", "now", "utcnow", "today", "date.today", "time.time", "clock_now")
    ]
