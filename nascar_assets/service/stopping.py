"""How a job is stopped where it stands: a signal to its process that counts inside a stage only."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dagster._core.errors import DagsterExecutionInterruptedError

_SIGNAL = getattr(signal, "SIGUSR1", None)
"""None where the system has no such signal: there a job stops at its next check, or is killed."""


_LOADING_SECONDS = 0.1
"""After this a job that was asked to stop while it loaded a module is asked again."""


class _Jobs:
    """The job whose stage runs in this process, and the one that was asked to stop."""

    inside: str | None = None
    asked: str | None = None


def listen() -> None:
    """From now on `ask` stops jobs of this process; called by its main thread."""
    if _SIGNAL is not None:
        signal.signal(_SIGNAL, _stop)


def ask(run_id: str) -> None:
    """Stops a job wherever its stage is between two steps of Python; called by another thread."""
    _Jobs.asked = run_id
    main = threading.main_thread().ident
    if _SIGNAL is not None and main is not None:
        signal.pthread_kill(main, _SIGNAL)


@contextmanager
def stoppable(run_id: str) -> Iterator[None]:
    """What runs inside may be stopped at any moment by `ask`."""
    _Jobs.inside = run_id
    try:
        yield
    finally:
        _Jobs.inside = None


def _stop(_: int, frame: FrameType | None) -> None:
    run_id = _Jobs.inside
    if run_id is None or run_id != _Jobs.asked:
        return
    if _loads(frame):  # a package that is half there would fail every later job
        threading.Timer(_LOADING_SECONDS, ask, [run_id]).start()
    else:
        raise DagsterExecutionInterruptedError


def _loads(frame: FrameType | None) -> bool:
    """Whether a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
