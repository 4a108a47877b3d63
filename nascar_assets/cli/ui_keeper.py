"""Keeps Dagster's processes of one `nascar ui`, and ends them with it, however it ends.

It is a process of its own between the two. Its standard input is a pipe from the command: where
that ends, by a signal, killed or crashed, the pipe ends, and everything below is ended. It holds
the home's lock until then, so that no second daemon begins beside one that is still ending.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nascar_assets.errors import EnvironmentFault
from nascar_assets.processes import end_session, signal_on_parents_end

if sys.platform != "win32":
    import fcntl

SERVER = "nascar_assets.orchestration.commands.ui_server"

PATIENCE_SECONDS, GRACE_SECONDS = 7.0, 3.0
"""Dagster ends within a few seconds, unless it was still starting its own processes; then what it
started has as long to end as it takes a run to say that it was interrupted."""


def sole(folder: Path) -> FileLock:
    """The lock of a home's UI, taken; it is free again when its process ends.

    Args:
        folder: Dagster's folder of the home.

    Raises:
        EnvironmentFault: If another UI of this home runs, or the lock cannot be written.
    """
    lock = FileLock(folder / "ui.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise _another(folder) from error
    except OSError as error:
        raise EnvironmentFault(
            f"The lock of the home's UI cannot be taken: {error}. Give this user write permission "
            f"for {folder}, or name another home."
        ) from error
    return lock


@contextmanager
def kept_off(folder: Path) -> Iterator[None]:
    """Keeps a UI from a home whose lock this user may at most read, for the length of a block.

    Raises:
        EnvironmentFault: If a UI of this home runs.
    """
    with ExitStack() as stack:
        with suppress(OSError):  # there was no UI yet, or this user may not know of it
            lock = stack.enter_context((folder / "ui.lock").open("rb"))
            if sys.platform != "win32":
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise _another(folder) from error
        yield


def _another(folder: Path) -> EnvironmentFault:
    other = running(folder)
    return EnvironmentFault(
        f"Another nascar ui runs on this data root (process {other.get('pid', 'not known')}, "
        f"port {other.get('port', 'not known')}): two daemons would start the same runs. Use "
        "that one, or stop it first."
    )


def running(folder: Path) -> dict[str, Any]:
    """What the UI of a home wrote of itself; empty where there never was one."""
    with suppress(OSError, ValueError):
        return dict(json.loads((folder / "ui.json").read_text()))
    return {}


def keep(folder: Path, command: int, arguments: list[str]) -> int:
    """Runs Dagster until it ends by itself or standard input ends, and ends what is left.

    Args:
        command: The process of `nascar ui`.
        arguments: Dagster's own; `--port`, where there is one, is its last one.

    Returns:
        0 where it was ended; where it ended by itself its exit code, 1 instead of 0.
    """
    stop = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stop.set())
    with sole(folder):
        dagster = subprocess.Popen(
            [sys.executable, "-m", SERVER, *arguments],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=signal_on_parents_end if sys.platform == "linux" else None,
        )
        port = arguments[-1] if "--port" in arguments else "none"
        about = {"pid": command, "port": port, "session": dagster.pid}
        (folder / "ui.json").write_text(json.dumps(about))
        threading.Thread(target=_until_input_ends, args=(stop,), daemon=True).start()
        while dagster.poll() is None and not stop.wait(0.1):
            pass
        # Dagster ends with 0 also where its webserver or daemon died.
        code = 0 if stop.is_set() else dagster.poll() or 1
        end_session(dagster, PATIENCE_SECONDS, GRACE_SECONDS)
        if os.getppid() != command:  # otherwise that one tells them, which has Dagster loaded
            notify_runs(folder)
    return code


def _until_input_ends(stop: threading.Event) -> None:
    with suppress(OSError, ValueError):
        while os.read(0, 1024):
            pass
    stop.set()


def notify_runs(folder: Path) -> None:
    """Marks the runs whose processes were ended as such; the next daemon starts them again."""
    import dagster as dg

    from nascar_assets.orchestration.automation.sensor_runs import notify_lost

    with suppress(Exception):  # the records may be away; the next daemon's sensor tells then
        notify_lost(dg.DagsterInstance.from_config(str(folder)))


if __name__ == "__main__":
    sys.exit(keep(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
