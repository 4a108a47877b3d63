"""Runs whose process was killed are found, marked, and run again; others are left alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from nascar_assets.orchestration import runs
from nascar_assets.orchestration.automation.run_state import RunState, attempts_left, run_state
from nascar_assets.orchestration.automation.sensor_runs import (
    LONGEST_SLATE_PAUSE,
    PAUSE,
    again,
    is_alive,
    lost_and_not_repeated,
    mark_faults_of_the_machine,
    process_of,
)
from nascar_assets.orchestration.tags import API_JOB, LOST
from nascar_assets.sample import Sample
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.processes import environment, free_port, wait_for
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

RUN = """
import sys
from nascar_assets.definitions import build_definitions
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.resources import Platform
home, key = sys.argv[1:]
definitions = build_definitions(platform=Platform(home=home))
definitions.resolve_job_def("race_job").execute_in_process(
    instance=open_instance(home), partition_key=key, tags={"dagster/run_key": "race:one"},
    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
)
"""


@pytest.mark.slow
@pytest.mark.parametrize("stopped", ["present", "execute_run"])
def test_a_run_that_is_stopped_before_it_begins_is_cancelled(
    stopped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    @dg.job
    def nothing() -> None:
        pass

    monkeypatch.setattr(runs, stopped, stop)
    with dg.instance_for_test() as instance:
        with pytest.raises(KeyboardInterrupt):
            runs.run_job(nothing, instance)
        (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.CANCELED


def test_a_killed_run_is_marked_and_run_again_once(races: Path) -> None:
    ticker = Ticker(races)
    ticker.tick("landing_feed")
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(races), "2025-cup-05"], env=environment(races)
    )
    in_flight = RunState.IN_FLIGHT
    wait_for("it", lambda: run_state(ticker.instance, "race:one") is in_flight, every=0.01)
    (started,) = ticker.instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": "race:one"}))
    wait_for("a step", lambda: process_of(ticker.instance, started.run_id), every=0.01)
    os.kill(process.pid, signal.SIGSTOP)  # in the middle of its tables
    found = process_of(ticker.instance, started.run_id)
    assert found is not None
    assert found[0] == process.pid
    assert ticker.tick("lost_runs") == []  # it stands still, and it is there
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (request,) = ticker.tick("lost_runs")
    run = ticker.instance.get_run_by_id(started.run_id)
    assert run is not None
    assert (run.status, run.tags[LOST]) == (dg.DagsterRunStatus.FAILURE, "true")
    assert (request.job_name, request.partition_key) == ("race_job", "2025-cup-05")
    assert ticker.carry_out(request)
    assert ticker.tick("lost_runs") == []
    assert ticker.settle() == []


def test_a_killed_run_of_a_job_of_the_api_is_left_to_its_server(home: Path) -> None:
    ticker = Ticker(home)
    created = ticker.instance.create_run_for_job(
        ticker.definitions.resolve_job_def("slate_job"),
        status=dg.DagsterRunStatus.STARTED,
        tags={API_JOB: "its job", "dagster/partition": "2026-02-15-cup-dk-classic"},
    )
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    found = {"pid": dg.MetadataValue.text(str(gone.pid))}
    ticker.instance.report_engine_event("It began.", created, EngineEventData(found))
    ticker.tick("lost_runs")
    run = ticker.instance.get_run_by_id(created.run_id)
    assert run is not None
    assert (run.status, LOST in run.tags) == (dg.DagsterRunStatus.CANCELED, False)


def test_a_killed_run_that_dagster_found_first_is_run_again(races: Path) -> None:
    ticker = Ticker(races)
    job = ticker.definitions.resolve_job_def("race_job")
    run = ticker.instance.create_run_for_job(
        job,
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/run_key": "race:x", "dagster/partition": "2025-cup-05"},
    )
    with ticker.instance.run_storage.connect() as connection:  # it had begun
        connection.exec_driver_sql(
            "UPDATE runs SET start_time = ? WHERE run_id = ?", (time.time(), run.run_id)
        )
    ticker.instance.report_engine_event("It was terminated by signal 9 (SIGKILL).", run)
    ticker.instance.report_run_failed(run)  # as its code server does
    (request,) = ticker.tick("lost_runs")
    assert request.partition_key == "2025-cup-05"
    assert run_state(ticker.instance, "race:x") is RunState.LOST
    assert ticker.carry_out(request)
    assert run_state(ticker.instance, "race:x") is RunState.DONE


def test_what_dies_again_and_again_is_left(races: Path) -> None:
    ticker = Ticker(races)
    run = ticker.instance.create_run_for_job(
        ticker.definitions.resolve_job_def("schedule_job"), tags={"nascar/attempt": "5"}
    )
    assert again(DataRoot.open(races), run, datetime.now(UTC)) is None
    fresh = ticker.instance.create_run_for_job(ticker.definitions.resolve_job_def("schedule_job"))
    request = again(DataRoot.open(races), fresh, datetime.now(UTC))
    assert request is not None
    assert request.tags["nascar/attempt"] == "2"


def test_a_locked_slate_is_not_run_again(home: Path) -> None:
    ticker = Ticker(home)
    (run,) = ticker.instance.get_runs(dg.RunsFilter(job_name="slate_job"))
    root = DataRoot.open(home)
    lock = datetime(2026, 2, 15, 20, tzinfo=UTC)
    assert again(root, run, lock) is None
    assert again(root, run, lock - timedelta(days=1)) is not None


def test_a_graph_that_was_down_costs_a_pause_and_no_slate(
    races: Path, sample_folder: tuple[Sample, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASCAR_CLOCK", f"2026-02-11T12:00:00+00:00 from {time.time():.0f} x 1")
    sample, folder = sample_folder
    (races / "landing/salaries").mkdir()
    shutil.copy(folder / "salaries" / sample.slate_file, races / "landing/salaries")
    settle_files(races)
    ticker = Ticker(races)
    (request,) = ticker.tick("landing_salaries")
    monkeypatch.setenv("NASCAR_GRAPH", f"bolt://127.0.0.1:{free_port()}")
    assert not ticker.carry_out(quick(request), "slate_job")
    (failed,) = ticker.instance.get_runs(dg.RunsFilter(job_name="slate_job"))
    assert ticker.tick("lost_runs") == []  # marked, and its pause begins
    assert run_state(ticker.instance, str(request.run_key)) is RunState.LOST
    assert ticker.tick("landing_salaries") == []  # one run for one file, also while it waits
    now = datetime.now(UTC)
    assert lost_and_not_repeated(ticker.instance, now + PAUSE / 2) == []
    (due,) = lost_and_not_repeated(ticker.instance, now + PAUSE + timedelta(seconds=5))
    assert due.run_id == failed.run_id
    ticker.instance.add_run_tags(failed.run_id, {"nascar/attempt": "7"})  # an hour of pauses so far
    assert lost_and_not_repeated(ticker.instance, now + LONGEST_SLATE_PAUSE / 2) == []
    soon = now + LONGEST_SLATE_PAUSE + timedelta(seconds=5)
    assert len(lost_and_not_repeated(ticker.instance, soon)) == 1
    monkeypatch.delenv("NASCAR_GRAPH")
    later = datetime(2026, 2, 11, 13, tzinfo=UTC)
    repeated = again(DataRoot.open(races), due, later)
    assert repeated is not None
    config = repeated.run_config["ops"]["slate_plan"]["config"]
    assert config["as_of"] == later.isoformat()  # as of now, not as of the failed run
    assert ticker.carry_out(quick(repeated), "slate_job")
    assert run_state(ticker.instance, str(request.run_key)) is RunState.DONE
    assert ticker.tick("lost_runs") == ticker.tick("landing_salaries") == []
    assert (races / "slates" / str(request.partition_key) / "upload.csv").exists()


def quick(request: dg.RunRequest) -> dg.RunRequest:
    """The same request with few scenarios and lineups."""
    small = {"n_scenarios": 50, "settings": "lineups = 2"}
    config = {**request.run_config["ops"]["slate_plan"]["config"], **small}
    return request.with_replaced_attrs(run_config={"ops": {"slate_plan": {"config": config}}})


def test_what_the_input_is_at_fault_for_is_not_run_again(races: Path) -> None:
    path = sorted((races / "landing/feed/cacher/2025/1").glob("*/weekend-feed.json"))[-1]
    content = json.loads(path.read_text())
    rows = content["weekend_race"][0]["results"]
    rows[4]["finishing_position"] = rows[3]["finishing_position"]
    path.write_text(json.dumps(content))
    settle_files(races)
    ticker = Ticker(races)
    (request,) = ticker.tick("landing_feed")
    assert not ticker.carry_out(request)
    assert ticker.tick("lost_runs") == []
    assert run_state(ticker.instance, str(request.run_key)) is RunState.FAILED
    assert lost_and_not_repeated(ticker.instance, datetime.now(UTC) + timedelta(hours=9)) == []


def test_a_run_that_could_not_be_launched_is_run_again(races: Path) -> None:
    ticker = Ticker(races)
    job = ticker.definitions.resolve_job_def("schedule_job")
    run = ticker.instance.create_run_for_job(job, tags={"dagster/run_key": "schedule:y"})
    ticker.instance.report_run_failed(run, "The launch was not answered in time.")
    (request,) = ticker.tick("lost_runs")
    assert request.tags["nascar/for"] == "schedule:y"
    assert run_state(ticker.instance, "schedule:y") is RunState.LOST
    assert ticker.carry_out(request)
    assert run_state(ticker.instance, "schedule:y") is RunState.DONE


def test_a_lost_run_of_what_follows_by_itself_is_run_again(races: Path) -> None:
    ticker = Ticker(races)
    graph = frozenset({dg.AssetKey("driver_values"), dg.AssetKey("track_values")})
    run = ticker.instance.create_run_for_job(
        ticker.definitions.resolve_implicit_global_asset_job_def(),
        asset_selection=graph,
        tags={"dagster/from_automation_condition": "true"},
    )
    ticker.instance.report_run_failed(run, "The launch was not answered in time.")
    (request,) = ticker.tick("lost_runs")
    assert (request.job_name, set(request.asset_selection or ())) == ("ontology_job", graph)
    assert ticker.carry_out(request)
    (repeated,) = ticker.instance.get_runs(dg.RunsFilter(job_name="ontology_job"))
    made = ticker.instance.get_records_for_run(
        repeated.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    assert {record.asset_key for record in made.records} == graph
    assert ticker.tick("lost_runs") == []


def test_a_run_that_a_killed_daemon_made_and_never_handed_on_is_run_again(races: Path) -> None:
    ticker = Ticker(races)
    job = ticker.definitions.resolve_job_def("race_job")
    tags = {"dagster/partition": "2025-cup-05", "dagster/backfill": "abcdefgh"}
    of_backfill = ticker.instance.create_run_for_job(job, tags=tags)
    ticker.instance.create_run_for_job(job, tags={"dagster/run_key": "race:y"})  # a sensor's own
    assert ticker.tick("lost_runs") == []  # it may be handed on in a moment
    ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=3)
    with ticker.instance.run_storage.connect() as connection:
        connection.exec_driver_sql(
            "UPDATE runs SET create_timestamp = ?, update_timestamp = ?",
            (f"{ago:%Y-%m-%d %H:%M:%S.%f}",) * 2,
        )
    (request,) = ticker.tick("lost_runs")
    assert request.partition_key == "2025-cup-05"
    assert request.tags["nascar/backfill"] == "abcdefgh"
    run = ticker.instance.get_run_by_id(of_backfill.run_id)
    assert run is not None
    assert (run.status, run.tags[LOST]) == (dg.DagsterRunStatus.FAILURE, "true")
    assert ticker.carry_out(request)
    assert ticker.tick("lost_runs") == []


def test_a_lost_run_whose_tables_were_made_since_is_not_repeated(races: Path) -> None:
    ticker = Ticker(races)
    job = ticker.definitions.resolve_job_def("schedule_job")
    lost = {"nascar/lost": "true", "dagster/run_key": "schedule:z"}
    ticker.instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags=lost)
    now = datetime.now(UTC)
    assert len(lost_and_not_repeated(ticker.instance, now)) == 1
    ticker.instance.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS)
    assert lost_and_not_repeated(ticker.instance, now) == []
    assert run_state(ticker.instance, "schedule:z") is RunState.FAILED  # nothing waits for it


def test_a_week_without_a_daemon_hides_no_lost_run(races: Path) -> None:
    ticker = Ticker(races)
    week = timedelta(days=7)

    def failed_then(key: str, tags: dict[str, str]) -> str:
        job = ticker.definitions.resolve_job_def("race_job")
        tags = {"dagster/run_key": f"race:{key}", "dagster/partition": key, **tags}
        run = ticker.instance.create_run_for_job(job, tags=tags)
        ticker.instance.report_run_failed(run, "The launch was not answered in time.")
        then = f"{datetime.now(UTC).replace(tzinfo=None) - week:%Y-%m-%d %H:%M:%S.%f}"
        with ticker.instance.run_storage.connect() as connection:
            connection.exec_driver_sql(
                "UPDATE runs SET create_timestamp = ?, update_timestamp = ?, end_time = ? "
                "WHERE run_id = ?",
                (then, then, time.time() - week.total_seconds(), run.run_id),
            )
        return run.run_id

    failed_then("2025-cup-05", {"nascar/lost": "machine"})
    unmarked = failed_then("2025-cup-06", {})
    now = datetime.now(UTC)
    looked = now - week - timedelta(minutes=1)
    mark_faults_of_the_machine(ticker.instance, looked)
    run = ticker.instance.get_run_by_id(unmarked)
    assert run is not None
    assert run.tags[LOST] == "true"
    due = lost_and_not_repeated(ticker.instance, now, looked)
    assert {run.tags["dagster/partition"] for run in due} == {"2025-cup-05", "2025-cup-06"}
    assert run_state(ticker.instance, "race:2025-cup-05") is RunState.LOST
    # What was looked at all the while is left after a day, and nothing waits for it.
    ticker.tick("lost_runs")
    assert run_state(ticker.instance, "race:2025-cup-05") is RunState.FAILED


def test_a_lost_run_of_a_partition_that_is_gone_stops_no_other(races: Path) -> None:
    ticker = Ticker(races)
    job = ticker.definitions.resolve_job_def("race_job")
    for key in ("2024-cup-99", "2025-cup-05"):
        tags = {LOST: "true", "dagster/run_key": f"race:{key}", "dagster/partition": key}
        ticker.instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags=tags)
    (request,) = ticker.tick("lost_runs")
    assert request.partition_key == "2025-cup-05"
    assert run_state(ticker.instance, "race:2024-cup-99") is RunState.FAILED


def test_a_newer_run_of_the_same_range_stands_for_a_lost_one(races: Path) -> None:
    ticker = Ticker(races)
    job = ticker.definitions.resolve_job_def("as_of_job")
    keys = [
        {
            "dagster/asset_partition_range_start": "2025-cup-01",
            "dagster/asset_partition_range_end": end,
        }
        for end in ("2025-cup-04", "2025-cup-05")
    ]
    lost = {LOST: "true", "dagster/run_key": "as_of:z", **keys[0]}
    ticker.instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags=lost)
    for tags, due in ((keys[1], 1), (keys[0], 0)):
        ticker.instance.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS, tags=tags)
        assert len(lost_and_not_repeated(ticker.instance, datetime.now(UTC))) == due


def test_a_run_that_was_lost_too_often_counts_as_failed(races: Path) -> None:
    ticker = Ticker(races)
    job = ticker.definitions.resolve_job_def("schedule_job")

    def lost(tags: dict[str, str]) -> None:
        failed = dg.DagsterRunStatus.FAILURE
        ticker.instance.create_run_for_job(job, status=failed, tags={"nascar/lost": "true", **tags})

    lost({"dagster/run_key": "schedule:x"})
    assert run_state(ticker.instance, "schedule:x") is RunState.LOST
    lost({"dagster/run_key": "lost:1", "nascar/for": "schedule:x", "nascar/attempt": "2"})
    assert run_state(ticker.instance, "schedule:x") is RunState.LOST
    lost({"dagster/run_key": "lost:2", "nascar/for": "schedule:x", "nascar/attempt": "5"})
    assert run_state(ticker.instance, "schedule:x") is RunState.FAILED


def test_a_slate_is_tried_again_every_few_minutes_until_lock() -> None:
    tags = {"nascar/lost": "machine", "nascar/attempt": "12"}
    assert attempts_left(dg.DagsterRun("slate_job", tags=tags))
    assert not attempts_left(dg.DagsterRun("race_job", tags=tags))


def test_a_number_that_another_process_has_by_now_is_not_alive() -> None:
    now = datetime.now(UTC)
    assert is_alive(os.getpid(), now)
    assert not is_alive(os.getpid(), now - timedelta(days=365))  # before this process began
    done = subprocess.Popen(["true"])
    done.wait()
    assert not is_alive(done.pid, now)
