"""How a job is stopped where it stands: a signal to its process that counts inside a stage only."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dagster._core.errors import DagsterExecutionInterruptedError

_SIGNAL = getattr(signal, "SIGUSR1", None)
"""None where the system has no such signal: there a job stops at its next check, or is killed."""


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


def _stop(*_: object) -> None:
    if _Jobs.inside is not None and _Jobs.inside == _Jobs.asked:
        raise DagsterExecutionInterruptedError
