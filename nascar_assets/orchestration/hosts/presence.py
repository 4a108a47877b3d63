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
from pathlib import Path

import dagster as dg

from nascar_assets.orchestration.launchers import STORAGE
from nascar_assets.orchestration.tags import HOST

BEAT_SECONDS = 5.0
WORD_SECONDS = 25.0
"""A machine that lives has said something new after so long; one with a daemon says less."""

SILENT_SECONDS = 60.0
"""A machine that has said nothing for so long is gone: its runs are started again elsewhere."""

UNHEARD_SECONDS = 45.0
"""One that could not be heard for so long ends its runs itself, before others start them again."""

GAP_SECONDS = 50.0
"""Looks further apart than this do not count together: the records may have been away between."""


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
    said = json.dumps({"at": time.time(), "word": uuid.uuid4().hex[:8], "machine": _machine()})
    instance.run_storage.set_cursor_values({_key(host_name()): said})


def name_is_taken(
    instance: dg.DagsterInstance, wait: Callable[[float], object] = time.sleep
) -> bool:
    """Whether another machine with this one's name lives: each would end the other's runs.

    Waits for its next word where one of that name has ever spoken from elsewhere, or before this
    machine was started anew.
    """
    key, here = _key(host_name()), _machine()

    def elsewhere() -> str | None:
        said = instance.run_storage.get_cursor_values({key}).get(key)
        known = here if said is None else json.loads(said).get("machine", here)
        return said if known != here else None

    before = elsewhere()
    if before is None:
        return False
    wait(WORD_SECONDS)
    return elsewhere() not in (None, before)


def _machine() -> str:
    """What tells this machine, since it was started, from a copy of it with the same name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Lookout:
    """Who of others has gone silent, by the looks of this process and its own clock.

    Args:
        clock: Seconds that only grow.
        silent: Who has said nothing new for so many seconds is silent.
        gap: Between two looks so far apart the records may have been away: the wait begins anew.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        silent: float = SILENT_SECONDS,
        gap: float = GAP_SECONDS,
    ) -> None:
        self._clock, self._silent, self._gap = clock, silent, gap
        self._seen: dict[str, tuple[object, float, float]] = {}

    def silent(self, instance: dg.DagsterInstance, host: str) -> bool:
        """Whether a machine has said nothing new for so long."""
        key = _key(host)
        return self.nothing_new(host, instance.run_storage.get_cursor_values({key}).get(key))

    def nothing_new(self, who: str, said: object) -> bool:
        """Whether what somebody said last has been the same for so long."""
        now = self._clock()
        before, since, looked = self._seen.get(who, (None, now, now))
        if who not in self._seen or said != before or now - looked > self._gap:
            since = now
        self._seen[who] = (said, since, now)
        return now - since >= self._silent


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
