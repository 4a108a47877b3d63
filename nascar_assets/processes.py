"""What the machine says of processes and locks, on Linux, macOS and Windows alike."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

SLACK_SECONDS = 5.0
"""Times of birth that differ by less are one: some systems tell them in whole seconds."""

KILL = int(getattr(signal, "SIGKILL", signal.SIGTERM))
"""What no process can refuse; Windows has but one way to end it."""

_PROC = Path("/proc")


def cores() -> int:
    """Processor cores that this process may use, at least one."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def give_way(much: int) -> None:
    """Lets other processes go first, where the system knows of that."""
    if hasattr(os, "nice"):
        os.nice(much)


@contextmanager
def no_collection() -> Iterator[None]:
    """Looks for no garbage in cycles while very many objects are made that live on.

    Python would walk all that are alive again and again: a fifth of the time of a scan over ten
    thousand races. What is not in cycles goes at once as ever.
    """
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wanted:
            gc.enable()


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk, where a folder can be asked for that."""
    with suppress(OSError):  # Windows opens no folders; some network drives sync none
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def born(pid: int) -> float | None:
    """When the process of a number was started (Unix time); none where there is none.

    One that has ended and that nobody has asked after yet is no process any more.
    """
    if (_PROC / "self/stat").exists():
        return _born_by_proc(pid)
    if sys.platform == "win32":  # Dagster brings psutil along there
        import psutil

        try:
            return float(psutil.Process(pid).create_time())
        except psutil.Error:
            return None
    asked = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    fields = subprocess.run(
        asked, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    ).stdout.split(maxsplit=1)
    if len(fields) < 2 or fields[0].startswith("Z"):
        return None
    return time.mktime(time.strptime(fields[1].strip(), "%a %b %d %H:%M:%S %Y"))


def _born_by_proc(pid: int) -> float | None:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        boot = next(
            int(line.split()[1])
            for line in (_PROC / "stat").read_text().splitlines()
            if line.startswith("btime")
        )
    except (OSError, StopIteration):
        return None
    if fields[0] in "ZX":
        return None
    return boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def lives(pid: int, since: float) -> bool:
    """Whether a process that was started at a time (`born`) is still there."""
    found = born(pid)
    return found is not None and abs(found - since) < SLACK_SECONDS


def end_with_parent() -> None:
    """Ends this process of `multiprocessing` when the one that started it is gone.

    Otherwise a worker whose parent was killed waits for ever for its next task.
    """
    parent = parent_process()

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    if parent is not None:
        threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()


def signal_on_parents_end() -> None:
    """Has Linux end this process when its parent is gone; a second line behind a pipe's end."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def let_ctrl_c_end_waits() -> None:
    """Lets Ctrl-C end a process that waits for another process, a thread or a lock.

    Polars, as it is imported, puts its own handler of SIGINT before Python's, with which the
    system starts an interrupted wait again: Python would hear of the signal only after it.
    """
    import polars  # noqa: F401  (its handler must be there already)

    if hasattr(signal, "siginterrupt"):  # Windows has none, and no waits that start again
        signal.siginterrupt(signal.SIGINT, True)


def send_lost_interrupts_again() -> None:
    """Sends an interrupt again that came while Python let go of an object, or called back from C.

    What a signal's handler raises there is printed and goes nowhere: a run that was told to stop
    would go on to its end.
    """

    def hear(lost: sys.UnraisableHookArgs) -> None:
        if lost.exc_type.__name__ in ("KeyboardInterrupt", "DagsterExecutionInterruptedError"):
            # A moment later: here it would be lost again.
            threading.Timer(0.1, interrupt_main, [signal.SIGTERM]).start()
        else:
            sys.__unraisablehook__(lost)

    sys.unraisablehook = hear


def end_session(leader: subprocess.Popen[bytes], patience: float, grace: float) -> None:
    """Ends a process that was started in a session of its own, and all that it started.

    Args:
        leader: The process; it may have ended.
        patience: Seconds that it has to end the others by itself.
        grace: Seconds that those have, which are then still there, before they are killed.
    """
    others = _below(leader.pid)
    if leader.poll() is None:
        leader.terminate()
        with suppress(subprocess.TimeoutExpired):
            leader.wait(patience)
    for number, seconds in ((int(signal.SIGTERM), grace), (KILL, 1.0)):
        until = time.monotonic() + seconds
        signal_session(leader.pid, number, others)
        while time.monotonic() < until and signal_session(leader.pid, 0, others):
            leader.poll()  # lets go of it
            time.sleep(0.05)


def signal_session(leader: int, number: int, others: Sequence[Any] = ()) -> bool:
    """Sends a signal to all processes of a session; false where there is none any more."""
    if sys.platform == "win32":  # there are no signals: whatever the number, one is ended
        left = [process for process in others if process.is_running()]
        for process in left if number else ():
            with suppress(Exception):
                process.kill()
        return bool(left)
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _below(pid: int) -> Sequence[Any]:
    """What a process has started, where a session cannot be asked: on Windows."""
    if sys.platform == "win32":
        import psutil

        with suppress(psutil.Error):
            return list(psutil.Process(pid).children(recursive=True))
    return ()
