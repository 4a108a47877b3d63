"""A slate's files are of one run, for one run at a time, wherever a process is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from nascar_assets.cli.app import run
from nascar_assets.cli.location import code_location
from nascar_assets.lineups import PortfolioSettings
from nascar_assets.orchestration.commands.slate import (
    RunOptions,
    run_portfolio,
    run_slate,
    slate_states,
)
from nascar_assets.orchestration.inputs import provenance
from nascar_assets.orchestration.inputs.process_parameters import process_path, save_fit
from nascar_assets.orchestration.inputs.slate_change import mixture
from nascar_assets.orchestration.inputs.slate_files import run_config_path
from nascar_assets.orchestration.inputs.slate_lineups import LineupsNotReady
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.runs import run_job
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.service import slate_work
from nascar_assets.service.jobs import request_path
from nascar_assets.service.slate_contracts import SlateDetail
from nascar_assets.service.slate_jobs import _answering, problem_path, resolved_jobs
from nascar_assets.service.slate_reads import SlateReads
from nascar_assets.service.slate_work import choose_portfolio, kept_run
from nascar_assets.storage import DataRoot
from nascar_assets.storage.lease import lease
from nascar_assets.storage.staged import Manifest
from nascar_assets_tests.orchestration.conftest import World
from nascar_assets_tests.orchestration.processes import environment

SCENARIOS = 40
SETTINGS = "lineups = 3\n"

KILLED = """
import os, sys
from nascar_assets.storage import DataRoot

stop = sys.argv.pop(1)
def counted(name, method):
    def call(root, path, *words, **more):
        if stop in (path, f"{name} {path}"):
            os._exit(9)
        return method(root, path, *words, **more)
    return call
for name in ("write", "move"):
    setattr(DataRoot, name, counted(name, getattr(DataRoot, name)))
from nascar_assets.cli import main
main()
"""


def files_of(home: Path, slate: str) -> dict[str, bytes]:
    paths = [*home.glob(f"slates/{slate}/*"), home / f"store/lineups/{slate}.parquet"]
    return {path.name: path.read_bytes() for path in paths}


def refused(capfd: pytest.CaptureFixture[str], home: Path, *words: str) -> str:
    capfd.readouterr()
    assert run([*words, "--home", str(home)]) == 2, words
    return " ".join(capfd.readouterr().err.split())


def lineups_of(home: Path, slate: str) -> int:
    return len((home / f"slates/{slate}/upload.csv").read_text().splitlines()) - 1


@pytest.mark.parametrize("step", ["before the manifest", "after the manifest"])
def test_a_killed_portfolio_leaves_all_of_the_old_or_all_of_the_new(
    step: str, world: World, home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "three.toml"
    settings.write_text(SETTINGS)
    before, slate = files_of(home, world.slate), world.slate
    stop = {
        "before the manifest": f"staged/{slate}/slates/{slate}/upload.csv",
        "after the manifest": f"move staged/{slate}/slates/{slate}/upload.csv",
    }[step]
    words = ["portfolio", slate, "--settings", str(settings), "--home", str(home)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, stop, *words], env=environment(home), check=False
    )
    assert done.returncode == 9
    assert run(["slate", "show", slate, "--home", str(home), "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    plan = SlatePlan.load(DataRoot.open(home), slate)
    assert mixture(DataRoot.open(home), slate) == []
    if step == "before the manifest":
        assert files_of(home, slate) == before
        assert plan.settings == ""
    else:
        assert len(shown["lineups"]) == lineups_of(home, slate) == 3
        assert plan.settings == SETTINGS
        config = json.loads(files_of(home, slate)["run_config.json"])
        assert config["sim_params"]["settings"] == SETTINGS


def test_every_reader_refuses_files_that_do_not_belong_together(
    world: World, home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    slate = world.slate
    upload = home / f"slates/{slate}/upload.csv"
    old = upload.read_bytes()
    run_portfolio(str(home), slate, SETTINGS, code_location(str(home)))
    upload.write_bytes(old)
    entries = tmp_path / "entries.csv"
    entries.write_text("")
    said = [
        refused(capfd, home, "slate", "show", slate),
        refused(capfd, home, "entries", "fill", slate, str(entries), "--out", str(entries)),
    ]
    for text in said:
        assert f"slates/{slate}/upload.csv is not the file that was written with the" in text
        assert f"nascar slate run {slate}" in text
    (state,) = slate_states(DataRoot.open(home))
    assert state["state"] == "mixed up"
    assert run(["doctor", "--home", str(home), "--json"]) == 1
    checks = {item["name"]: item for item in json.loads(capfd.readouterr().out)["checks"]}
    assert "upload.csv" in checks["slates"]["found"]
    # A portfolio is made from the scenarios, which are whole: it mends the rest.
    run_portfolio(str(home), slate, SETTINGS, code_location(str(home)))
    assert mixture(DataRoot.open(home), slate) == []


def test_lineups_that_are_kept_are_those_that_were_shown(world: World, home: Path) -> None:
    slate, root, location = world.slate, DataRoot.open(home), code_location(str(home))
    run_portfolio(str(home), slate, SETTINGS, location)  # proven, which the next one is not
    wanted = PortfolioSettings.from_toml("lineups = 20\n")
    shown = choose_portfolio(root, slate, wanted, "job", lambda *_: None, lambda _: None)
    kept = run_portfolio(str(home), slate, "lineups = 20\n", location, prove=False)
    assert not SlatePlan.load(root, slate).prove
    assert not [text for text in kept.result["notices"] if "bound" in text]
    assert files_of(home, slate)["upload.csv"] == shown.upload


def test_lineups_made_alone_are_of_the_race_process_and_the_code_of_their_scenarios(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slate, root, location = world.slate, DataRoot.open(home), code_location(str(home))
    config, forecast = run_config_path(slate), table_path("contest_forecast", slate)
    before, told = root.read(config), root.read(forecast)
    used = SlateRun.load(root, slate).model.parameters
    plan = SlatePlan.load(root, slate)
    kinds = {kind: replace(of, kappa=3.0 * of.kappa) for kind, of in used.by_type.items()}
    save_fit(root, "cup", replace(used, by_type=kinds, as_of=plan.as_of))
    monkeypatch.setattr(provenance, "code_version", lambda: "0.1.0+later")
    made = run_portfolio(str(home), slate, plan.settings, location, prove=plan.prove)
    assert root.read(config) == before
    assert root.read(forecast) == told
    assert not [text for text in made.result["notices"] if "race process" in text]
    # A home of before did not keep the process itself: it is said that another one is used.
    manifest, path = Manifest.load(root, slate), process_path(slate)
    assert manifest is not None
    root.delete(path)
    files = {name: known for name, known in manifest.files.items() if name != path}
    replace(manifest, files=files).save(root, slate)
    made = run_portfolio(str(home), slate, plan.settings, location, prove=plan.prove)
    assert root.read(config) == before
    assert [text for text in made.result["notices"] if "race process" in text]
    # Scenarios that are made alone are told of by what they are made with.
    job = location().resolve_job_def("slate_job")
    alone = job.get_subset(asset_selection={dg.AssetKey("scenarios")})
    assert run_job(alone, open_instance(str(home)), partition=slate).success
    used = SlateRun.load(root, slate).model.parameters
    assert used.by_type == kinds
    params = json.loads(root.read(config) or b"")["sim_params"]
    assert (params["parameters_hash"], params["code_version"]) == (used.hash, "0.1.0+later")
    # A run makes its scenarios anew, by what counts now.
    options = RunOptions(as_of=plan.as_of.isoformat(), n_scenarios=SCENARIOS)
    run_slate(str(home), slate, options, location=location)
    assert SlateRun.load(root, slate).model.parameters.by_type == kinds


def test_a_job_of_the_api_waits_for_the_slates_run_and_says_where_that_did_not_end(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slate, root = world.slate, DataRoot.open(home)
    whole = Manifest.load(root, slate)
    assert whole is not None
    Manifest(whole.files, (), "another run").save(root, slate)
    with ThreadPoolExecutor(1) as pool:
        with lease(root, slate, "another run"):
            found = pool.submit(kept_run, root, slate)
            with pytest.raises(TimeoutError):
                found.result(timeout=0.5)
            whole.save(root, slate)
        assert found.result(timeout=60).slate_id == slate
    Manifest(whole.files, (), "a run that was stopped").save(root, slate)
    order: Any = SimpleNamespace(root=root, run_id="r", slate_id=slate, request={})
    with pytest.raises(LineupsNotReady), _answering(order):
        kept_run(root, slate)
    said = json.loads(root.read(problem_path("r")) or b"")
    assert (said["status"], said["problem"]["code"]) == (409, "SLATE_NOT_READY")
    assert f"POST /api/v1/slates/{slate}/runs" in said["problem"]["remedy"]
    # Nor is it waited for as long as the job may take: the job itself would be ended.
    monkeypatch.setenv("NASCAR_API_JOB_SECONDS", "2")
    with lease(root, slate, "another run"), ThreadPoolExecutor(1) as pool:
        waits = pool.submit(kept_run, root, slate)
        with pytest.raises(LineupsNotReady, match="is being run again"):
            waits.result(timeout=30)
    # One that begins after the job has looked is waited for as well.
    looked = iter([False])
    begun = slate_work.has_begun_anew
    monkeypatch.setattr(slate_work, "has_begun_anew", lambda *words: next(looked, begun(*words)))
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setenv("NASCAR_API_JOB_SECONDS", "300")
        with lease(root, slate, "another run"):
            found = pool.submit(kept_run, root, slate)
            with pytest.raises(TimeoutError):
                found.result(timeout=0.5)
            whole.save(root, slate)
        assert found.result(timeout=60).slate_id == slate


def test_a_run_asked_for_over_the_api_waits_for_another_one_within_its_own_limit(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slate, root, run_id = world.slate, DataRoot.open(home), make_new_run_id()
    asked = {"as_of": world.sample.as_of.isoformat(), "n_scenarios": None, "seed": None}
    request = {"slate": slate, "filename": None, **asked}
    root.write(request_path(run_id), json.dumps(request).encode())
    monkeypatch.setenv("NASCAR_API_JOB_SECONDS", "2")
    job = resolved_jobs(Platform(home=str(home)))["api_slate"]
    instance = open_instance(str(home))
    with lease(root, slate, "another run"), ThreadPoolExecutor(1) as pool:
        waits = pool.submit(
            job.execute_in_process, instance=instance, run_id=run_id, raise_on_error=False
        )
        assert not waits.result(timeout=120).success
    said = json.loads(root.read(problem_path(run_id)) or b"")
    assert (said["status"], said["problem"]["code"]) == (409, "SLATE_NOT_READY")
    assert "longer than a job waits" in said["problem"]["message"]
    assert "once that run has ended" in said["problem"]["remedy"]


def test_a_run_by_hand_keeps_the_settings_of_the_run_before(
    world: World, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    slate, root = world.slate, DataRoot.open(home)
    words = ["slate", "run", slate, "--as-of", world.sample.as_of.isoformat(), "--home", str(home)]
    portfolio = run_portfolio(str(home), slate, SETTINGS, code_location(str(home))).result
    before = SlatePlan.load(root, slate)
    detail = SlateReads(root, open_instance(str(home))).detail(slate).model
    assert isinstance(detail, SlateDetail)
    assert portfolio["lineups_run_id"] == detail.lineups_run_id
    assert portfolio["run_id"] == detail.run_id == before.run_id != detail.lineups_run_id
    checks = {check.name for check in detail.checks}
    assert checks > {check["name"] for check in portfolio["checks"]}  # and the forecast's own
    page = (home / f"slates/{slate}/report.html").read_text()
    assert before.run_id in page
    assert portfolio["lineups_run_id"] in page
    capfd.readouterr()
    assert run([*words, "--scenarios", str(SCENARIOS)]) == 0
    said = " ".join(capfd.readouterr().err.split())
    assert (
        "Kept from the run before: its portfolio settings (nascar slate run --default-settings"
        in said
    )
    after = SlatePlan.load(root, slate)
    assert (after.settings, after.n_scenarios) == (SETTINGS, SCENARIOS)
    assert after.run_id != before.run_id
    assert lineups_of(home, slate) == 3
    assert run([*words, "--default-settings", "--scenarios", str(SCENARIOS)]) == 0
    assert "Kept" not in capfd.readouterr().err
    assert SlatePlan.load(root, slate).settings == ""


def test_two_runs_at_once_come_one_after_the_other_and_print_their_own(
    world: World, home: Path
) -> None:
    words = ["slate", "run", world.slate, "--as-of", world.sample.as_of.isoformat(), "--json"]
    main = "from nascar_assets.cli import main; main()"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", main, *words, "--scenarios", str(SCENARIOS), "--seed", seed],
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in ("11", "12")
    ]
    notify = [process.communicate(timeout=280) for process in both]
    results = [json.loads(out) for out, _ in notify]
    assert [result["seed"] for result in results] == [11, 12]
    assert any("is being changed: nascar slate run, process" in text for _, text in notify)
    plan = SlatePlan.load(DataRoot.open(home), world.slate)
    assert plan.run_id in {result["run_id"] for result in results}
    assert mixture(DataRoot.open(home), world.slate) == []


def test_a_run_that_the_daemon_launches_changes_the_files_as_one(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the executor of the jobs: a run that fails leaves all files of the run before."""
    monkeypatch.setenv("NASCAR_HOME", str(home))
    before, slate = files_of(home, world.slate), world.slate
    instance = open_instance(str(home))
    job = dg.reconstructable(slate_job)
    config = {"lineups": {"config": {"settings": SETTINGS}}}

    def run(lineups: int, *assets: str) -> None:
        config["lineups"]["config"]["settings"] = f"lineups = {lineups}\n"
        found = dg.execute_job(
            job,
            instance,
            run_config={"ops": config},
            tags={"dagster/partition": slate},
            asset_selection=[dg.AssetKey(asset) for asset in assets] or None,
            raise_on_error=False,
        )
        assert found.success
        assert lineups_of(home, slate) == lineups
        assert files_of(home, slate).keys() == before.keys()

    run(3)
    assert mixture(DataRoot.open(home), slate) == []
    assert (
        json.loads(files_of(home, slate)["run_config.json"])["sim_params"]["settings"] == SETTINGS
    )
    run(2, "lineups", "upload_file")
    assert any("report.html" in text for text in mixture(DataRoot.open(home), slate))


def slate_job() -> dg.JobDefinition:
    from nascar_assets.definitions import build_definitions

    return build_definitions().resolve_job_def("portfolio_job")


def test_a_run_waits_for_the_one_that_changes_the_slate(world: World, home: Path) -> None:
    said: list[str] = []
    root = DataRoot.open(home)

    def free(text: str) -> None:
        said.append(text)
        holder.__exit__(None, None, None)

    holder = lease(root, world.slate, "another run")
    holder.__enter__()
    outcome = run_slate(
        str(home),
        world.slate,
        RunOptions(world.sample.as_of.isoformat(), n_scenarios=SCENARIOS, seed=1, settings=""),
        location=code_location(str(home)),
        notify=free,
    )
    assert "another run, process" in said[0]
    assert outcome.plan.n_scenarios == SCENARIOS


@pytest.mark.parametrize("begun", [False, True])
def test_a_portfolio_is_solved_on_the_run_that_it_waited_for(
    begun: bool, world: World, home: Path
) -> None:
    """Whether that run had begun when the portfolio was asked for, or was about to."""
    said: list[str] = []
    runs: list[str] = []
    root, location = DataRoot.open(home), code_location(str(home))
    whole = Manifest.load(root, world.slate)
    assert whole is not None
    options = RunOptions(world.sample.as_of.isoformat(), n_scenarios=SCENARIOS, seed=5)

    def end(text: str) -> None:
        said.append(text)
        holder.__exit__(None, None, None)
        ended = run_slate(str(home), world.slate, options, location=location)
        runs.append(ended.plan.run_id)

    holder = lease(root, world.slate, "another run")
    holder.__enter__()
    if begun:
        Manifest(whole.files, (), "another run").save(root, world.slate)
    kept = run_portfolio(str(home), world.slate, SETTINGS, location, end, prove=False)
    assert [kept.plan.run_id] == runs
    assert "another run, process" in said[0]
    assert lineups_of(home, world.slate) == 3
