"""Dagster's daemon, webserver and runs as real processes on a data root."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dagster as dg

from nascar_assets.orchestration.automation.sensor_runs import process_of
from nascar_assets.orchestration.storage.instance import open_instance

MODULE = "nascar_assets.definitions"


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a process on a home, without settings of the machine's own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NASCAR_", "DAGSTER_"))
    }
    return {
        **kept,
        "NASCAR_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def start(home: Path, name: str, arguments: list[str], **more: str) -> subprocess.Popen[bytes]:
    """Starts a process in a session of its own; its output goes to `<home>/<name>.log`."""
    open_instance(str(home))
    log = (home / f"{name}.log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=environment(home, **more),
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd=home,
    )


def start_daemon(home: Path, **more: str) -> subprocess.Popen[bytes]:
    """Dagster's daemon with the code location."""
    return start(home, "daemon", ["dagster._daemon", "run", "-m", MODULE], **more)


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """The guarded webserver of `nascar ui` for the length of a block, by its address."""
    from nascar_assets.orchestration.commands.ui_server import MODULE as UI_SERVER

    port = free_port()
    where = ["-h", "127.0.0.1", "-p", str(port)]
    process = start(home, "webserver", [UI_SERVER, "-m", MODULE, *where])
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for("the webserver", lambda: _answers(f"{url}/server_info"), 120, every=0.1)
        yield url
    finally:
        kill(process)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def kill(process: subprocess.Popen[bytes], *, whole_session: bool = True) -> None:
    """Ends a process at once, with all that it started or by itself."""
    try:
        if whole_session:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait(timeout=30)


@contextmanager
def daemon(home: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon for the length of a block."""
    process = start_daemon(home, **more)
    try:
        yield process
    finally:
        kill(process)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(
    what: str,
    holds: Callable[[], object],
    seconds: float = 120.0,
    every: float = 0.5,
    moves: Callable[[], object] = lambda: None,
) -> None:
    """Waits until something holds.

    Args:
        what: What is waited for, for the error.
        holds: Whether it holds by now.
        seconds: How long it may take; counted anew whenever something has moved.
        every: Seconds between two scans.
        moves: What has been reached on the way: another value means that something has moved, so
            that a slow machine is given its time and one that stands still is not.

    Raises:
        TimeoutError: If it does not within the time.
    """
    reached, end = moves(), time.monotonic() + seconds
    asked = time.monotonic()
    while not holds():
        if time.monotonic() > asked + 2:  # it is no cheap question
            if (now := moves()) != reached:
                reached, end = now, time.monotonic() + seconds
            asked = time.monotonic()
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}; last seen: {reached}")
        time.sleep(every)


STARTERS = frozenset(
    {
        "landing_feed",
        "landing_telemetry",
        "landing_salaries",
        "lost_runs",
        "followers",
        "race_week",
    }
)
"""The sensors and the schedule that start runs."""


def looks(home: Path, after: float) -> dict[str, int]:
    """How often each of the starters has looked since a Unix time without result, at most twice."""
    instance = open_instance(str(home))
    found = dict.fromkeys(STARTERS, 0)
    for state in instance.all_instigator_state():
        if state.instigator_name in STARTERS:
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, after=after)
            ended = [tick for tick in ticks if tick.is_completed and not tick.is_failure]
            found[state.instigator_name] = min(sum(not tick.run_ids for tick in ended), 2)
    return found


def progress(home: Path, since: float) -> object:
    """What a daemon has reached: the work of its runs, or where none is on its way, its looks."""
    instance = open_instance(str(home))
    records = instance.get_run_records()
    if all(record.dagster_run.is_finished for record in records):
        return len(records), looks(home, _quiet_since(records, since))
    return [
        (record.dagster_run.status, _seconds_worked(instance, record.dagster_run.run_id))
        for record in records
    ]


def _seconds_worked(instance: dg.DagsterInstance, run_id: str) -> int:
    """Processor time of a run's process in whole seconds; 0 where it has none."""
    run = instance.get_run_by_id(run_id)
    found = None if run is None or run.is_finished else process_of(instance, run_id)
    try:
        stat = Path(f"/proc/{found[0]}/stat").read_text() if found else ""
    except OSError:
        stat = ""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) // os.sysconf("SC_CLK_TCK") if fields else 0


def _quiet_since(records: Sequence[dg.RunRecord], since: float) -> float:
    return max([since, *(record.end_time or 0 for record in records)])


def wait_for_quiet(home: Path, what: str, since: float) -> None:
    """Waits until nothing more follows: no run on its way, and every starter has looked since.

    Args:
        home: The data root.
        what: What this follows, for the error.
        since: Unix time from which on a scan counts.

    Raises:
        TimeoutError: If for three minutes no run works and no sensor looks.
    """

    def quiet() -> bool:
        records = open_instance(str(home)).get_run_records()
        if not all(record.dagster_run.is_finished for record in records):
            return False
        return all(looks(home, _quiet_since(records, since)).values())

    wait_for(f"quiet after {what}", quiet, 180, every=2, moves=partial(progress, home, since))


def runs(home: Path, job: str | None = None) -> list[dg.DagsterRun]:
    """All runs of a home, the oldest first."""
    found = open_instance(str(home)).get_runs(dg.RunsFilter(job_name=job))
    return list(reversed(found))


def settled(home: Path) -> bool:
    """Whether no run is on its way."""
    return all(run.is_finished for run in runs(home))
