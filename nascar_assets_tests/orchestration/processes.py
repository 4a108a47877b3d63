"""Dagster's daemon, webserver and runs as real processes on a data root."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

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


def start_webserver(home: Path, port: int) -> subprocess.Popen[bytes]:
    """Dagster's webserver on a port of this machine."""
    where = ["-h", "127.0.0.1", "-p", str(port)]
    return start(home, "webserver", ["dagster_webserver", "-m", MODULE, *where])


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
    what: str, holds: Callable[[], object], seconds: float = 120.0, every: float = 0.5
) -> None:
    """Waits until something holds.

    Raises:
        TimeoutError: If it does not within the time.
    """
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)


def runs(home: Path, job: str | None = None) -> list[dg.DagsterRun]:
    """All runs of a home, the oldest first."""
    found = open_instance(str(home)).get_runs(dg.RunsFilter(job_name=job))
    return list(reversed(found))


def settled(home: Path) -> bool:
    """Whether no run is on its way."""
    return all(run.is_finished for run in runs(home))
