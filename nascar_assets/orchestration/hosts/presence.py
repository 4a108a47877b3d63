"""Which machines live: each says so in the shared records, and one that has gone silent is gone.

A process is asked after by its number, which says nothing of a process on another machine. So with
records that machines share (`NASCAR_STORAGE`) a run says which machine carries it out, and every
machine that carries out runs says every few seconds that it lives. Others go by their own clock
alone: one whose word has not changed for a while, in looks of which none failed, is gone.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import dagster as dg

from nascar_assets.orchestration.launchers import STORAGE
from nascar_assets.orchestration.tags import HOST

BEAT_SECONDS = 5.0
SILENT_SECONDS = 60.0
"""A machine that has said nothing for so long is gone: its runs are started again elsewhere."""

UNHEARD_SECONDS = 45.0
"""One that could not be heard for so long ends its runs itself, before others start them again."""

GAP_SECONDS = 50.0
"""Between two looks so far apart the records may have been away: the wait begins anew."""


def shared() -> bool:
    """Whether several machines may share Dagster's records."""
    return bool(os.environ.get(STORAGE))


def host_name() -> str:
    """This machine's name, as every other one knows it."""
    return socket.gethostname()


def host_tags() -> dict[str, str]:
    """The tag of a run that this machine carries out, where others share its records."""
    return {HOST: host_name()} if shared() else {}


def say_alive(instance: dg.DagsterInstance) -> None:
    """Says that this machine lives."""
    said = json.dumps({"at": time.time(), "word": uuid.uuid4().hex[:8]})
    instance.run_storage.set_cursor_values({_key(host_name()): said})


class Lookout:
    """Which other machines have gone silent, by the looks of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[str | None, float, float]] = {}

    def silent(self, instance: dg.DagsterInstance, host: str) -> bool:
        """Whether a machine has said nothing new for `SILENT_SECONDS`."""
        key = _key(host)
        said = instance.run_storage.get_cursor_values({key}).get(key)
        now = self._clock()
        before, since, looked = self._seen.get(host, (None, now, now))
        if host not in self._seen or said != before or now - looked > GAP_SECONDS:
            since = now
        self._seen[host] = (said, since, now)
        return now - since >= SILENT_SECONDS


class Presence:
    """Says that this machine lives for as long as it runs.

    Args:
        instance: The shared records.
        also: Called at every fourth beat, such as to look after this machine's own runs.
    """

    def __init__(
        self, instance: dg.DagsterInstance, also: Callable[[], object] = lambda: None
    ) -> None:
        self._instance, self._also = instance, also
        self._heard = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="presence", daemon=True)

    def start(self) -> None:
        """Begins to say so."""
        self._thread.start()

    def stop(self) -> None:
        """Says nothing more."""
        self._stop.set()
        self._thread.join(timeout=BEAT_SECONDS)

    def unheard(self) -> bool:
        """Whether others may take this machine for gone."""
        return time.monotonic() - self._heard > UNHEARD_SECONDS

    def _live(self) -> None:
        count = 0
        while not self._stop.is_set():
            with suppress(Exception):  # the records are away; the next beat tries again
                say_alive(self._instance)
                self._heard = time.monotonic()
                if count % 4 == 3:
                    self._also()
                count += 1
            self._stop.wait(BEAT_SECONDS)


@contextmanager
def present(instance: dg.DagsterInstance) -> Iterator[None]:
    """Says that this machine lives for the length of a block, where others would ask."""
    if not shared():
        yield
        return
    presence = Presence(instance)
    presence.start()
    try:
        yield
    finally:
        presence.stop()


def _key(host: str) -> str:
    return f"nascar_host/{host}"
