"""A time limit for work that waits on a socket and cannot limit itself."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STEP = 0.1  # seconds between looks
_IDLE_STEPS = 100  # looks without work after which the thread ends


class Watchdog:
    """Calls back where work outlasts its time; the work itself stays on its own thread.

    One thread looks at all of the work at every step, so that starting work costs no switch of
    threads: a query takes a few milliseconds, and a thread for each would double that on a busy
    machine.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: dict[int, tuple[float, Callable[[], None]]] = {}
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, seconds: float, expire: Callable[[], None]) -> Iterator[None]:
        """Runs the body; calls `expire` from another thread, once, if it takes too long.

        Args:
            seconds: How long the body may take; it is noticed within a tenth of a second.
            expire: Makes the body end; must not raise.
        """
        with self._lock:
            number = next(self._numbers)
            self._work[number] = (time.monotonic() + seconds, expire)
            if self._thread is None:
                self._thread = threading.Thread(target=self._poll, name="watchdog", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._work.pop(number, None)

    def _poll(self) -> None:
        idle = 0
        while True:
            time.sleep(_STEP)
            now = time.monotonic()
            with self._lock:
                late = [number for number, (end, _) in self._work.items() if end < now]
                expired = [self._work.pop(number)[1] for number in late]
                idle = 0 if self._work or expired else idle + 1
                if idle >= _IDLE_STEPS:
                    self._thread = None
                    return
            for expire in expired:
                expire()
