"""Real daemons, runs and webservers killed at random moments, and a disk that takes no more.

`NASCAR_FAULT_ROUNDS` says how often (once by default; `make test-faults` takes 50). Afterwards
every artifact is the old one or the new one, a new tick brings all up to date, and nothing runs
twice.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from nascar_assets.cli.location import code_location
from nascar_assets.orchestration.automation.sensor_runs import (
    error_names,
    is_alive,
    lost_and_not_repeated,
    process_of,
)
from nascar_assets.orchestration.commands.doctor import examine
from nascar_assets.orchestration.commands.slate import RunOptions, run_slate
from nascar_assets.orchestration.commands.sync import sync_races
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.tags import LOST, PARTITION
from nascar_assets_tests.orchestration.conftest import SCENARIOS, World
from nascar_assets_tests.orchestration.processes import (
    environment,
    kill,
    progress,
    runs,
    serving,
    settled,
    start_daemon,
    wait_for,
)
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(7200)]

ROUNDS = int(os.environ.get("NASCAR_FAULT_ROUNDS", "1"))
LONG = pytest.mark.skipif(ROUNDS < 10, reason="the long form: make test-faults")
CHIEF = '"crew_chief_fullname":"'
MAIN = "from nascar_assets.cli import main; main()"


def change(home: Path, number: int) -> None:
    """A correction of one race's weekend feed, put in place in one step."""
    feeds = sorted((home / "landing/feed/cacher/2025/1").glob("*/weekend-feed.json"))
    path = feeds[-1 - number % len(feeds)]
    aside = path.with_suffix(".aside")
    aside.write_text(path.read_text().replace(CHIEF, f"{CHIEF}New ", 1))
    aside.replace(path)


def whole(home: Path) -> None:
    """Every artifact reads, and Dagster's databases are sound."""
    for path in (home / "store").rglob("*.parquet"):
        pl.read_parquet(path)
    for path in (home / "slates").rglob("*.json"):
        json.loads(path.read_text())
    for name in ("event_log.db", "runs.db", "schedules.db"):
        with sqlite3.connect(home / "dagster" / name) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def nothing_ran_twice(home: Path) -> None:
    """Each run key has one run; only lost runs have a second one, under a key of its own."""
    keys = Counter(
        run.tags["dagster/run_key"] for run in runs(home) if "dagster/run_key" in run.tags
    )
    assert [key for key, count in keys.items() if count > 1] == []
    good = Counter(
        run.tags.get("nascar/for", run.tags.get("dagster/run_key"))
        for run in runs(home)
        if run.is_success and "dagster/run_key" in run.tags
    )
    assert [key for key, count in good.items() if count > 1] == []


def in_flight(home: Path) -> list[int]:
    """The living processes of the runs that have not ended."""
    instance = open_instance(str(home))
    return [
        found[0]
        for run in runs(home)
        if not run.is_finished
        and (found := process_of(instance, run.run_id)) is not None
        and is_alive(*found)
    ]


def kill_runs(home: Path) -> int:
    """Kills the processes of the runs in flight; returns how many there were."""
    killed = 0
    for pid in in_flight(home):
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


def more_runs(home: Path, seen: int) -> bool:
    return len(runs(home)) > seen


def up_to_date(home: Path) -> bool:
    """Whether a fresh tick of a daemon without memory asks for nothing."""
    if not settled(home):
        return False
    settle_files(home)
    ticker = Ticker(home)
    return not ticker.tick("landing_feed") and "wait" not in ticker.skipped


def all_ends_well(home: Path, changes: int) -> None:
    """Waits until all is up to date; nothing was lost, nothing ran twice, everything is whole."""
    moves = partial(progress, home, time.time())
    wait_for("all up to date", lambda: up_to_date(home), 240, every=5, moves=moves)
    whole(home)
    nothing_ran_twice(home)
    instance = open_instance(str(home))
    failed = {
        f"{run.job_name} {run.tags.get(PARTITION)}": error_names(instance, run.run_id)
        for run in runs(home)
        if LOST not in run.tags and not run.is_success
    }
    assert failed == {}
    changed = sum(
        bool(pl.read_parquet(path)["crew_chief"].str.starts_with("New ").any())
        for path in (home / "store/entries").glob("2025-cup-*.parquet")
    )
    assert changed == min(changes, 20)


def let_it_recover(home: Path, number: int) -> None:
    """Every third round begins in peace: what is killed five times over is left for good."""
    if number % 3 == 0:
        moves = partial(progress, home, time.time())
        wait_for("all runs to end", partial(settled_and_repeated, home), 240, every=2, moves=moves)


def settled_and_repeated(home: Path) -> bool:
    """Whether no run is on its way and no lost one is still to be repeated."""
    return settled(home) and not lost_and_not_repeated(open_instance(str(home)), datetime.now(UTC))


def test_a_daemon_and_its_run_killed_at_once(races: Path) -> None:
    """The daemon is killed with its run in flight; the next daemon ends what the two began."""
    chance = random.Random(7)
    process = start_daemon(races)
    changes = killed = 0
    try:
        while killed < ROUNDS:  # a run that ended by itself does not count
            let_it_recover(races, changes)
            change(races, changes)
            changes += 1
            moves = partial(progress, races, time.time())
            wait_for("a run in flight", partial(in_flight, races), 180, every=0.05, moves=moves)
            time.sleep(chance.uniform(0, 1.0))
            killed += bool(kill_runs(races))
            kill(process)
            process = start_daemon(races)
        all_ends_well(races, changes)
    finally:
        kill(process)
    assert any(LOST in run.tags for run in runs(races))


@LONG
def test_a_daemon_or_its_runs_killed_at_random_moments(races: Path) -> None:
    chance = random.Random(11)
    process = start_daemon(races)
    try:
        for number in range(ROUNDS):
            let_it_recover(races, number)
            change(races, number)
            time.sleep(chance.uniform(0, 25))
            if not (chance.random() < 0.5 and kill_runs(races)):
                kill(process)
                process = start_daemon(races)
        all_ends_well(races, ROUNDS)
    finally:
        kill(process)


@LONG
def test_two_daemons_run_nothing_twice(races: Path) -> None:
    both = [start_daemon(races), start_daemon(races)]
    try:
        for number in range(ROUNDS):
            change(races, number)
            time.sleep(5)
        all_ends_well(races, ROUNDS)
    finally:
        for process in both:
            kill(process)


LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""


def launch(url: str, key: str) -> str:
    """Starts a race's run as the UI's button does; returns its id."""
    selector = {
        "repositoryLocationName": "nascar_assets.definitions",
        "repositoryName": "__repository__",
        "jobName": "race_job",
    }
    tags = [{"key": "dagster/partition", "value": key}]
    params = {"selector": selector, "runConfigData": {}, "executionMetadata": {"tags": tags}}
    body = json.dumps({"query": LAUNCH, "variables": {"params": params}}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return str(found["data"]["launchRun"]["run"]["runId"])


def test_a_killed_webserver_loses_no_run_that_was_asked_of_it(races: Path) -> None:
    chance = random.Random(13)
    tables = {path: path.read_bytes() for path in (races / "store").rglob("2025-cup-*.parquet")}
    launched = []
    for number in range(ROUNDS):
        with serving(races) as url:
            launched.append(launch(url, f"2025-cup-{1 + number % 20:02d}"))
            time.sleep(chance.uniform(0, 1))
        whole(races)
    instance = open_instance(str(races))
    queued = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    assert {run.run_id for run in queued} == set(launched)
    (daemon,) = (found for found in examine(str(races), None, 2026) if found.name == "daemon")
    assert (daemon.ok, daemon.found) == (
        False,
        f"{ROUNDS} runs wait, and no daemon is running.",
    )
    if ROUNDS >= 10:
        process = start_daemon(races)
        try:
            moves = partial(progress, races, time.time())
            wait_for("what was asked for", partial(settled, races), 240, every=2, moves=moves)
        finally:
            kill(process)
        assert all(run.is_success for run in runs(races))
    assert {path: path.read_bytes() for path in tables} == tables


def test_a_slate_killed_at_random_moments_leaves_whole_artifacts(world: World, home: Path) -> None:
    chance = random.Random(11)
    upload = home / "slates" / world.slate / "upload.csv"
    before = upload.read_bytes()
    words = ["slate", "run", world.slate, "--as-of", world.sample.as_of.isoformat()]
    seen = len(runs(home))
    for _ in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *words, "--scenarios", str(SCENARIOS)],
            env=environment(home),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for("its run", partial(more_runs, home, seen), 180, every=0.05)
        time.sleep(chance.uniform(0, 5))
        kill(process)
        seen = len(runs(home))
        whole(home)
        assert upload.read_bytes() == before
    outcome = run_slate(
        str(home),
        world.slate,
        RunOptions(world.sample.as_of.isoformat(), n_scenarios=SCENARIOS),
        location=code_location(str(home)),
    )
    assert all(check["passed"] for check in outcome.result["checks"])
    assert upload.read_bytes() == before


def test_a_disk_that_takes_no_more_leaves_the_old_artifacts(world: World, home: Path) -> None:
    """No file may grow beyond 4 kB, which writing meets as it meets a full disk."""
    feed = home.parent / "feed"
    shutil.copytree(world.feed, feed)
    path = sorted(feed.glob("cacher/2025/1/*/weekend-feed.json"))[-1]
    path.write_text(path.read_text().replace(CHIEF, f"{CHIEF}New ", 1))
    before = {item: item.read_bytes() for item in (home / "store").rglob("*.parquet")}
    landed = home / "landing/feed" / path.relative_to(feed)
    old = landed.read_bytes()

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run(
        [sys.executable, "-c", MAIN, "sync", "--feed", str(feed), "--seasons", "2025"],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=full,
    )
    assert done.returncode == 1, done.stderr
    assert "error:" in done.stderr
    assert landed.read_bytes() == old
    assert {item: item.read_bytes() for item in (home / "store").rglob("*.parquet")} == before
    whole(home)
    synced = sync_races(str(home), str(feed), ["cup"], [2025], location=code_location(str(home)))
    assert len(synced.races) == 1
    assert landed.read_bytes() == path.read_bytes()
