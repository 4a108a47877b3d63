"""Journeys on the command line over the sample: what a person types, prints and gets back."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.error import SerializableErrorInfo

from nascar_assets.cli.app import run
from nascar_assets.cli.location import code_location
from nascar_assets.constraints import load_run_config
from nascar_assets.orchestration.commands.repeating import differences
from nascar_assets.orchestration.commands.slate import SlateOutcome
from nascar_assets.orchestration.commands.sync import sync_races
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.sample.generate import SEASONS
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.conftest import SCENARIOS, World
from nascar_assets_tests.orchestration.processes import environment, wait_for


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out  # one object, nothing else on standard output
        value = json.loads(lines[0])
        assert isinstance(value, dict)
        return value


Nascar = Callable[..., Said]

MAIN = "from nascar_assets.cli import main; main()"


@pytest.fixture
def nascar(capfd: pytest.CaptureFixture[str]) -> Nascar:
    def command(home: Path, *arguments: object) -> Said:
        capfd.readouterr()
        words = [str(word) for word in arguments]
        cut = 2 if words[0] in ("slate", "constraints", "ontology", "forecast") else 1
        code = run([*words[:cut], "--home", str(home), *words[cut:]])
        said = capfd.readouterr()
        return Said(code, said.out, said.err)

    return command


def tree(home: Path) -> dict[str, str]:
    """Hash of every file but Dagster's own, notes of looks and who held a lock last."""
    return {
        path.relative_to(home).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file() and not {"dagster", ".index", "locks"} & set(path.relative_to(home).parts)
    }


def test_a_slate_from_salary_file_to_upload(nascar: Nascar, world: World) -> None:
    shown = nascar(world.home, "slate", "show", world.slate, "--json")
    assert shown.code == 0
    result = shown.json
    assert result["slate"] == world.slate
    assert result["n_scenarios"] == SCENARIOS
    assert len(result["lineups"]) == 20
    for lineup in result["lineups"]:
        assert len({driver["driver_id"] for driver in lineup["drivers"]}) == 6
        assert sum(driver["salary"] for driver in lineup["drivers"]) == lineup["salary"] <= 50_000
    listed = nascar(world.home, "slate", "list", "--json").json["slates"]
    assert [(item["slate"], item["state"]) for item in listed] == [(world.slate, "ready")]
    upload = list(csv.reader(io.StringIO(Path(result["paths"]["upload"]).read_text())))
    wanted = {
        tuple(sorted(f"{d['name']} ({d['site_id']})" for d in lineup["drivers"]))
        for lineup in result["lineups"]
    }
    assert {tuple(sorted(row[:6])) for row in upload[1:]} == wanted
    assert "<html" in Path(result["paths"]["report"]).read_text()[:500]


def test_the_forecast_is_written_as_other_optimisers_read_it(
    world: World, nascar: Nascar, tmp_path: Path
) -> None:
    priced = [row for row in world.result["forecast"] if row["salary"] is not None]
    means = sorted((row["mean_points"] for row in priced), reverse=True)
    said = nascar(world.home, "forecast", "export", world.slate, "--as", "fpts")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [float(row["Fpts"]) for row in rows] == pytest.approx(means, abs=0.01)
    names = (world.folder / "salaries" / world.sample.slate_file).read_text()
    assert all(row["Name"] in names for row in rows)  # spelled as the salary file has them
    out = tmp_path / "chances.csv"
    words = ["forecast", "export", world.slate, "--as", "chances", "--out", str(out), "--json"]
    assert nascar(world.home, *words).json["drivers"] == len(means)
    chances = list(csv.DictReader(out.open()))
    assert all(float(row["W"]) <= float(row["T3"]) <= float(row["T10"]) <= 100 for row in chances)
    assert nascar(world.home, "forecast", "export", world.slate, "--as", "other").code == 2


def test_all_checks_of_a_run_are_reported_and_pass(world: World) -> None:
    checks = {item["name"]: item["passed"] for item in world.result["checks"]}
    assert "slate_features.nothing_leaks" in checks
    assert "slate.knows_what_was_known" in checks
    assert all(checks.values()), checks
    assert set(world.result["seconds"]) >= {"slate", "scenarios", "lineups", "upload_file", "total"}


def test_the_seconds_of_the_stages_are_whole(world: World) -> None:
    """Computing and what is beside it make each stage's time, and the stages the run's."""
    stages = {stage["stage"]: stage for stage in world.result["stages"]}
    assert next(iter(stages)) == "start"
    assert set(stages) >= {"slate", "slate_knows_what_was_known", "calibration_record", "report"}
    for stage in stages.values():
        parts = [stage[kind] for kind in ("computing", "store", "drawing", "log", "loading")]
        assert min(parts) >= 0.0
        assert sum(parts) == pytest.approx(stage["total"], abs=0.005)
    seconds = dict(world.result["seconds"])
    assert sum(stage["total"] for stage in stages.values()) <= seconds.pop("total") + 0.05
    assert seconds == {name: stage["total"] for name, stage in stages.items()}
    assert stages["scenario_summary"]["drawing"] > 0.0
    assert stages["scenarios"]["store"] > 0.0
    assert stages["scenarios"]["log"] > 0.0
    assert stages["start"]["loading"] > 0.0


LOADED_IN_STAGES = """
import sys
from nascar_assets.cli.location import code_location
from nascar_assets.orchestration.commands import slate
from nascar_assets.orchestration.stage_times import StageTimes

class Watched(StageTimes):
    def _begin(self):
        super()._begin()
        self.loaded = set(sys.modules)
    def _end(self, name):
        super()._end(name)
        packages = {module.split(".")[0] for module in self.loaded} | sys.stdlib_module_names
        for module in set(sys.modules) - self.loaded if name != "start" else ():
            if module.startswith("nascar_assets") or module.split(".")[0] not in packages:
                print(module)

slate.StageTimes = Watched
home, name = sys.argv[1:]
options = slate.RunOptions(as_of=AS_OF, n_scenarios=50)
slate.run_slate(home, name, options, location=code_location(home))
"""


def test_no_stage_holds_the_loading_of_programs(home: Path, world: World) -> None:
    script = LOADED_IN_STAGES.replace("AS_OF", repr(world.sample.as_of.isoformat()))
    done = subprocess.run(
        [sys.executable, "-c", script, str(home), world.slate],
        capture_output=True,
        text=True,
        env=environment(home),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # What a library loads of itself at its first use, and parts compiled by it, is not meant: Numba
    # looks whether there is a cffi.
    own = ("_", "cffi", "pycparser")
    loaded = [name for name in done.stdout.split() if not name.startswith(own)]
    assert not loaded, f"add {loaded} to what is loaded first"


def test_a_second_sync_changes_nothing(nascar: Nascar, world: World, home: Path) -> None:
    before = tree(home)
    said = nascar(home, "sync", "--feed", world.feed, "--seasons", "2024-2026", "--json")
    assert said.code == 0
    assert said.json["changed"] == []
    assert said.json["races"] == []
    assert tree(home) == before


def test_a_corrected_file_runs_its_race_and_no_other(
    nascar: Nascar, world: World, home: Path, tmp_path: Path
) -> None:
    feed = tmp_path / "feed"
    shutil.copytree(world.feed, feed)
    path = sorted(feed.glob("cacher/2025/1/*/weekend-feed.json"))[-1]
    path.write_text(
        path.read_text().replace('"crew_chief_fullname":"', '"crew_chief_fullname":"New ', 1)
    )
    tables = sorted((home / "store" / "entries").glob("*.parquet"))
    before = {table: table.stat().st_mtime_ns for table in tables}
    said = nascar(home, "sync", "--feed", feed, "--seasons", "2024-2026", "--json").json
    assert [item.rsplit("/", 2)[-2] for item in said["changed"]] == [path.parent.name]
    assert len(said["races"]) == 1
    again = [table.stem for table in tables if table.stat().st_mtime_ns != before[table]]
    assert again == said["races"]


def test_coverage_says_what_is_missing(nascar: Nascar, home: Path) -> None:
    whole = nascar(home, "coverage", "--json").json
    assert whole["missing"] == []
    counts = [(row["season"], row["races"], row["missing"]) for row in whole["seasons"]]
    assert [row for row in counts if row[1]] == [(2025, 20, 0), (2024, 20, 0)]
    assert {row["state"] for row in whole["seasons"] if row["season"] < 2026} == {"complete"}
    gone = sorted((home / "landing/feed/loopstats/prod/2024/1").glob("*.json"))[0]
    gone.unlink()
    (lacking,) = nascar(home, "coverage", "--json").json["missing"]
    assert lacking["lacks"] == ["loop_stats"]


def test_doctor_finds_all_in_order(nascar: Nascar, world: World, home: Path) -> None:
    said = nascar(home, "doctor", "--json")
    checks = said.json["checks"]
    assert {item["name"] for item in checks} >= {"python", "graph", "upload folder"}
    # How full the disk is, is the machine's matter.
    assert all(item["ok"] for item in checks if item["name"] != "disk space"), checks


def test_doctor_finds_what_is_not(nascar: Nascar, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    said = nascar(blocked, "doctor", "--json")
    assert said.code == 1
    faults = [item for item in said.json["checks"] if not item["ok"]]
    assert faults
    assert all(item["remedy"] for item in faults)


def test_doctor_names_a_damaged_database_and_a_rehearsals_clock(
    nascar: Nascar, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASCAR_CLOCK", "2026-03-10T12:00:00+00:00 from 1773144000 x 600")
    (home / "dagster/runs.db").write_bytes(b"no database" * 1000)
    said = nascar(home, "doctor", "--json")
    assert said.code == 1
    faults = {item["name"]: item["found"] for item in said.json["checks"] if not item["ok"]}
    assert "sqlite3.DatabaseError" in faults["dagster storage"]
    assert "NASCAR_CLOCK" in faults["settings"]


def test_doctor_names_sensors_that_are_stopped_or_fail(nascar: Nascar, home: Path) -> None:
    instance = open_instance(str(home))
    for number, (name, status) in enumerate(
        [("landing_feed", InstigatorStatus.STOPPED), ("lost_runs", InstigatorStatus.RUNNING)]
    ):
        origin = RemoteInstigatorOrigin(
            RemoteRepositoryOrigin(
                InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="none")), "repository"
            ),
            name,
        )
        state = InstigatorState(origin, InstigatorType.SENSOR, status, SensorInstigatorData())
        instance.add_instigator_state(state)
        instance.create_tick(
            TickData(
                state.instigator_origin_id,
                name,
                InstigatorType.SENSOR,
                TickStatus.FAILURE,
                1.7e9 + number,
                selector_id=state.selector_id,
                error=SerializableErrorInfo("the disk is away\n", [], "OSError"),
            )
        )
    checks = nascar(home, "doctor", "--json").json["checks"]
    (found,) = (item["found"] for item in checks if item["name"] == "sensors")
    assert found == "landing_feed is stopped; the last tick of lost_runs failed: the disk is away"


def test_people_get_tables_and_programs_get_json(nascar: Nascar, world: World) -> None:
    plain = nascar(world.home, "slate", "list")
    assert "2026-02-15" in plain.out
    assert not plain.out.lstrip().startswith("{")
    assert nascar(world.home, "slate", "list", "--json").out.count("\n") == 1


def _salaries(world: World, change: Callable[[list[list[str]]], list[list[str]]]) -> bytes:
    rows = list(csv.reader(io.StringIO(world.salaries.read_text(encoding="utf-8"))))
    out = io.StringIO()
    csv.writer(out).writerows(change(rows))
    return out.getvalue().encode()


def _with(row: int, column: str, value: str) -> Callable[[list[list[str]]], list[list[str]]]:
    def change(rows: list[list[str]]) -> list[list[str]]:
        rows[row][rows[0].index(column)] = value
        return rows

    return change


BAD: dict[str, tuple[Callable[[list[list[str]]], list[list[str]]], list[str]]] = {
    "no salaries": (
        lambda rows: [["Wages" if c == "Salary" else c for c in rows[0]], *rows[1:]],
        ["Salary"],
    ),
    "a salary that is no number": (_with(3, "Salary", "lots"), ["row 4", "field Salary", "lots"]),
    "an empty table": (lambda rows: rows[:1], ["lists no driver"]),
    "another ID": (_with(3, "ID", "99100001"), ["row 4", "field Name + ID", "99100001"]),
    "no legal lineup": (
        lambda rows: [rows[0], *[[*r[:5], "50000", *r[6:]] for r in rows[1:]]],
        ["field Salary", "no legal lineup"],
    ),
    "too few drivers": (lambda rows: rows[:4], ["a lineup has 6"]),
    "a line that breaks off": (lambda rows: [*rows[:-1], rows[-1][:4]], ["breaks off"]),
    "another race": (
        lambda rows: [
            rows[0],
            *[
                [r[0], f"Some Body{i} ({r[3]})", f"Some Body{i}", *r[3:6], "Nowhere 500", *r[7:]]
                for i, r in enumerate(rows[1:])
            ],
        ],
        ["Nowhere 500", "--race"],
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_salary_file_is_refused_and_nothing_is_written(
    what: str, nascar: Nascar, world: World, home: Path, tmp_path: Path
) -> None:
    change, notified = BAD[what]
    file = tmp_path / world.salaries.name
    file.write_bytes(_salaries(world, change))
    before = tree(home)
    for command in (("slate", "add"), ("slate", "run")):
        said = nascar(home, *command, file, "--json")
        assert said.code == 2
        assert said.out == ""
        assert all(part in said.err for part in notified), said.err
    assert tree(home) == before


def test_a_file_that_is_no_csv_is_refused(nascar: Nascar, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "DKSalaries.csv"
    file.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    assert nascar(home, "slate", "add", file).code == 2
    assert nascar(home, "slate", "add", tmp_path / "not-there.csv").code == 2
    assert nascar(home, "slate", "add", tmp_path).code == 2


def test_windows_1252_keeps_names_intact(
    nascar: Nascar, world: World, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / world.salaries.name
    text = _salaries(world, _with(37, "Name", "José Peña")).decode()
    file.write_bytes(text.encode("cp1252"))
    said = nascar(home, "slate", "add", file, "--json")
    assert said.code == 0
    assert any("José Peña" in notice for notice in said.json["notices"])


@pytest.mark.parametrize(
    ("arguments", "notified"),
    [
        (("slate", "run", "2026-01-01-cup-dk-classic"), "No slate is called"),
        (("slate", "show", "2026-01-01-cup-dk-classic"), "No slate is called"),
        (("slate", "run"), "No slate was named"),
        (("sync", "--feed", "not-there"), ""),
        (("sync", "--feed", ".", "--seasons", "soon"), "names no seasons"),
        (("slate", "run", "--from", "not-there.json"), ""),
        (("slate", "run", "x", "--seed", "2", "--from", "x.json"), "takes nothing beside it"),
        (("slate", "fly"), ""),
    ],
)
def test_input_at_fault_ends_with_2(
    arguments: tuple[str, ...], notified: str, nascar: Nascar, world: World
) -> None:
    said = nascar(world.home, *arguments)
    assert said.code == 2
    assert notified in said.err
    assert said.out == ""


@pytest.mark.parametrize("as_of", ["tomorrow", "2026-02-15T14:00:00", "2027-01-01T00:00:00Z"])
def test_a_as_of_that_cannot_be_is_refused(
    as_of: str, nascar: Nascar, world: World, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / world.salaries.name
    file.write_bytes(_salaries(world, _with(37, "Salary", "4400")))
    before = tree(home)
    for target in (world.slate, file):  # the file takes no older one's place either
        said = nascar(home, "slate", "run", target, "--as-of", as_of)
        assert said.code == 2
        assert "--as-of" in said.err
    assert tree(home) == before


def test_a_sick_machine_ends_with_1(nascar: Nascar, world: World, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    said = nascar(blocked, "sync", "--feed", world.feed, "--seasons", "2026")
    assert said.code == 1
    assert "error:" in said.err


def test_truncated_and_null_files_of_a_feed_are_refused_and_the_rest_goes_on(
    nascar: Nascar, world: World, tmp_path: Path
) -> None:
    feed = tmp_path / "feed"
    shutil.copytree(world.feed, feed, ignore=lambda _, names: [n for n in names if n == "2024"])
    weekends = sorted(feed.glob("cacher/2025/1/*/weekend-feed.json"))
    for path in weekends[6:]:  # six races will do
        shutil.rmtree(path.parent)
        (feed / f"loopstats/prod/2025/1/{path.parent.name}.json").unlink()
    cut, null = weekends[0], weekends[1]
    cut.write_bytes(cut.read_bytes()[:5000])
    null.write_bytes(b"null")
    home = tmp_path / "home"
    said = nascar(home, "sync", "--feed", feed, "--seasons", "2025", "--json")
    assert said.code == 2  # a file is at fault
    result = said.json
    assert result["quarantined"] == [cut.relative_to(feed).as_posix()]
    assert not result["failures"]
    assert len(result["races"]) == 4
    waiting = [notice for notice in result["notices"] if "weekend feed" in notice]
    assert len(waiting) == 2, result["notices"]  # one file is cut, the other there is not yet
    report = home / "quarantine" / "feed" / f"{cut.relative_to(feed)}.report.json"
    assert json.loads(report.read_text())["bytes"] == 5000


def test_the_same_seed_gives_the_same_bytes_with_another_number_of_threads(
    world: World, home: Path
) -> None:
    import numba

    threads = "1" if numba.config.NUMBA_NUM_THREADS > 1 or pl.thread_pool_size() > 1 else "2"
    words = ["slate", "run", world.slate, "--as-of", world.sample.as_of.isoformat()]
    subprocess.run(
        [sys.executable, "-c", MAIN, *words, "--scenarios", str(SCENARIOS), "--json"],
        env=environment(home, NUMBA_NUM_THREADS=threads, POLARS_MAX_THREADS=threads),
        check=True,
        capture_output=True,
    )
    path = Path("slates") / world.slate / "upload.csv"
    assert (home / path).read_bytes() == (world.home / path).read_bytes()


def test_a_run_is_repeated_from_its_run_config(nascar: Nascar, world: World, home: Path) -> None:
    folder = home / "slates" / world.slate
    upload, config = (folder / "upload.csv").read_bytes(), folder / "run_config.json"
    kept = home / "kept.json"
    shutil.copy(config, kept)
    (folder / "upload.csv").unlink()
    said = nascar(home, "slate", "run", "--from", kept)
    assert said.code == 0, said.err
    assert (folder / "upload.csv").read_bytes() == upload
    changed = json.loads(kept.read_text())
    changed["random_seed"] = changed["random_seed"] + 1
    kept.write_text(json.dumps(changed))
    assert nascar(home, "slate", "run", "--from", kept).code == 2


def test_what_differs_from_the_run_that_is_repeated_is_told(world: World) -> None:
    root = DataRoot.open(world.home)
    before = load_run_config(world.home / "slates" / world.slate / "run_config.json")
    spec = {"constraint_spec_hash": before.constraint_spec_hash}
    same = SlateOutcome(SlatePlan.load(root, world.slate), spec)
    assert differences(str(world.home), before, same) == []
    other: dict[str, Any] = {
        "code_version": "0.1.0+other",
        "parameters_hash": "0" * 64,
        "data": {"slate_field": "1" * 64},
    }
    changed = replace(before, sim_params={**before.sim_params, **other})
    notified = differences(str(world.home), changed, same)
    assert [line.split(":")[0] for line in notified] == [
        "The code differs",
        "The race process differs",
        "The data differ",
    ]


def test_too_few_scenarios_for_a_standard_error_are_said_and_break_nothing(
    nascar: Nascar, world: World, home: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('objective = "cvar"\nlineups = 2\n')
    words = ["slate", "run", world.slate, "--as-of", world.sample.as_of.isoformat()]
    said = nascar(home, *words, "--scenarios", 20, "--settings", settings, "--json")
    assert said.code == 0, said.err
    assert said.json["portfolio"]["standard_error"] is None
    shown = nascar(home, "slate", "show", world.slate)
    assert "standard error not known: too few scenarios" in shown.out


def season_tables(home: Path) -> dict[str, str]:
    """The tables of a sync of the season 2024."""
    return {
        name: digest
        for name, digest in tree(home).items()
        if "2024-cup-" in name and "race_scores" not in name
    }


def test_a_killed_sync_leaves_whole_files_and_the_next_one_ends_it(
    nascar: Nascar, world: World, tmp_path: Path
) -> None:
    feed, home = tmp_path / "feed", tmp_path / "home"
    shutil.copytree(world.feed, feed)
    for path in sorted(feed.glob("cacher/2024/1/*/weekend-feed.json"))[8:]:  # eight races will do
        shutil.rmtree(path.parent)
        (feed / f"loopstats/prod/2024/1/{path.parent.name}.json").unlink()
    home.mkdir()
    words = ["sync", "--feed", str(feed), "--seasons", "2024"]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *words],
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    tables = home / "store" / "race_files"
    wait_for("the first tables", lambda: len(list(tables.glob("*.parquet"))) >= 3, every=0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = season_tables(home)
    whole = {
        name: digest
        for name, digest in season_tables(world.home).items()
        if any(f"2024-cup-{number:02d}" in name for number in range(1, 9))
    }
    assert before.items() <= whole.items()  # what is there is what a whole sync makes
    said = nascar(home, *words, "--json")
    assert said.code == 0, said.err
    assert season_tables(home) == whole


def test_a_sync_takes_up_a_correction_whose_sync_was_killed(world: World, races: Path) -> None:
    def sync() -> list[str]:
        feed = str(world.feed)
        done = sync_races(str(races), feed, ["cup"], SEASONS, location=code_location(str(races)))
        assert not done.failures
        return done.races

    assert sync() == []
    key = "2025-cup-05"
    whole = season_tables(races)
    os.utime(races / f"store/race_files/{key}.parquet")  # made anew, and nothing after it
    assert sync() == [key]
    (races / f"store/race_results/{key}.parquet").unlink()  # or one table was not made
    assert sync() == [key]
    rating = races / "store/driver_ratings/2025-cup-19.parquet"
    profile = races / "store/track_profiles/2025-cup-20.parquet"
    kept = {path: path.read_bytes() for path in (rating, profile)}
    for path in kept:
        path.unlink()  # as before the ratings' run that never came to them
    assert sync() == []
    assert {path: path.read_bytes() for path in kept} == kept
    assert season_tables(races) == whole


def test_the_demo_goes_to_two_paths(world: World) -> None:
    paths = world.result["paths"]
    assert Path(paths["upload"]).stat().st_size > 500
    assert Path(paths["report"]).stat().st_size > 10_000
    assert world.home in Path(paths["upload"]).parents
