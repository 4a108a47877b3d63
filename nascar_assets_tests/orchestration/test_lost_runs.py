"""Runs whose process was killed are found, marked, and run again; others are left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from nascar_assets.orchestration.automation.run_state import LOST, RunState, run_state
from nascar_assets.orchestration.automation.sensor_runs import again, is_alive, process_of
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.processes import environment, wait_for
from nascar_assets_tests.orchestration.ticks import Ticker

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


def test_what_dies_again_and_again_is_left(races: Path) -> None:
    ticker = Ticker(races)
    run = ticker.instance.create_run_for_job(
        ticker.definitions.resolve_job_def("schedule_job"), tags={"nascar/attempt": "3"}
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


def test_a_number_that_another_process_has_by_now_is_not_alive() -> None:
    now = datetime.now(UTC)
    assert is_alive(os.getpid(), now)
    assert not is_alive(os.getpid(), now - timedelta(days=365))  # before this process began
    done = subprocess.Popen(["true"])
    done.wait()
    assert not is_alive(done.pid, now)
