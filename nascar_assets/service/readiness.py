"""Whether what a job needs answers, asked in threads of its own: what hangs holds nobody."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from nascar_assets.errors import disk_is_full
from nascar_assets.service.contracts import Readiness

POLL_SECONDS = 2.0
LATE_SECONDS = 10.0
"""A poll that takes longer says by itself that something does not answer."""
FREE_BYTES = 8_000_000
"""Free space below which no request is taken: a request and its job write some megabytes."""


class Watch:
    """Polls every two seconds; a refused request counts as a poll that failed.

    Args:
        graph: Says `ok`, or what is wrong with the graph.
        storage: Writes something small to every storage; raises where one does not take it.
    """

    def __init__(
        self, graph: Callable[[], str], storage: Callable[[], None], workers: Callable[[], int]
    ) -> None:
        self._ask: dict[str, Callable[[], str]] = {
            "graph": graph,
            "storage": lambda: _answer(storage),
        }
        self._workers = workers
        self._found = {"graph": "It was not asked yet.", "storage": "It was not asked yet."}
        self._asked = dict.fromkeys(self._found, time.monotonic())
        self._failed = float("-inf")
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(part,), name=f"ready-{part}", daemon=True)
            for part in self._ask
        ]

    def start(self) -> None:
        """Looks once, then goes on looking."""
        for part in self._ask:
            self._poll(part)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._stopping.set()

    def storage_failed(self, message: str) -> None:
        """The storage did not take a request: so it stays until a later poll finds otherwise."""
        self._failed = time.monotonic()
        self._found["storage"] = message

    def readiness(self) -> Readiness:
        """What was found last."""
        found = dict(self._found)
        for part, asked in self._asked.items():
            if (late := time.monotonic() - asked) > LATE_SECONDS:
                found[part] = f"The {part} has not answered for {late:.0f} seconds."
        workers = "ok" if self._workers() else "No worker is ready."
        ready = all(said == "ok" for said in (*found.values(), workers))
        return Readiness(ready=ready, workers=workers, **found)

    def _run(self, part: str) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            self._poll(part)

    def _poll(self, part: str) -> None:
        begun = time.monotonic()
        said = self._ask[part]()
        self._asked[part] = time.monotonic()
        if part != "storage" or self._failed < begun:
            self._found[part] = said


def _answer(storage: Callable[[], None]) -> str:
    try:
        storage()
    except Exception as error:  # whatever it is, the storage does not answer
        return storage_fault(error)
    return "ok"


def check_space(*folders: Path) -> None:
    """Refuses to go on where a disk has too little room for a job.

    Raises:
        OSError: `ENOSPC`.
    """
    for folder in folders:
        if folder.exists() and shutil.disk_usage(folder).free < FREE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def storage_fault(error: Exception) -> str:
    """What is the matter with the storage, for clients: no paths, no addresses."""
    if disk_is_full(error):
        return "The disk of the data root is full."
    if "is locked" in str(error).lower():
        return "The database of runs is locked by another program."
    return f"The storage does not answer ({type(error).__name__})."
