"""One writer at a time for a part of the data root, across processes and machines."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock, Timeout

from nascar_assets.errors import EnvironmentFault
from nascar_assets.storage.data_root import DataRoot, StorageFault

LEASE_SECONDS = 60.0
"""In an object store a holder that has said nothing for so long is gone; in a folder the system
frees the lock of a process that ends, at once."""

PATIENCE_SECONDS = 900.0
"""How long one waits for another, by default."""

_POLL_SECONDS = 0.2


class LeaseLost(EnvironmentFault):
    """Another one has taken over what this process held: it was still for too long."""


class StillHeld(EnvironmentFault):
    """Another one holds it for longer than one waits."""


@contextmanager
def lease(
    root: DataRoot,
    name: str,
    purpose: str,
    notify: Callable[[str], None] = lambda _: None,
    patience: float = PATIENCE_SECONDS,
) -> Iterator[Callable[[], None]]:
    """Holds a name of the data root alone for the length of a block.

    In a folder it is a lock of the operating system; in an object store an object that is put on
    condition, with a sign of life in it.

    Args:
        name: What is held, such as a slate's key.
        purpose: What it is held for, in words for those who wait.
        notify: Is given once whom one waits for.

    Yields:
        A function that raises `LeaseLost` where it is held no more; called before what counts.

    Raises:
        StillHeld: If another one holds it for longer than the patience.
        LeaseLost: If it is lost.
    """
    about = f"{purpose}, process {os.getpid()} on {socket.gethostname()}"
    held = _Folder(root, name, about) if root.is_local else _Object(root, name, about)
    until, waited = time.monotonic() + patience, False
    while not held.take():
        who = held.holder() or "another process"
        if time.monotonic() >= until:
            raise StillHeld(
                f"{name} is being changed: {who}. Wait for it, or stop it, and try again."
            )
        if not waited:
            notify(f"{name} is being changed: {who}. This waits for it.")
        waited = True
        time.sleep(_POLL_SECONDS)
    try:
        yield held.check
    finally:
        held.free()


class _Folder:
    """A lock of the operating system on a file beside which its holder is named."""

    def __init__(self, root: DataRoot, name: str, about: str) -> None:
        self._about, self._said = about, root.local_path(f"locks/{name}.txt")
        try:
            self._said.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFault(f"{self._said.parent} cannot be made: {error}") from error
        self._lock = FileLock(self._said.with_suffix(".lock"))

    def take(self) -> bool:
        try:
            self._lock.acquire(timeout=0)
            self._said.write_text(self._about, encoding="utf-8")
        except Timeout:
            return False
        except OSError as error:
            raise StorageFault(f"{self._said} cannot be locked: {error}") from error
        return True

    def holder(self) -> str | None:
        with suppress(OSError):
            return self._said.read_text(encoding="utf-8")
        return None

    def check(self) -> None:
        """The system keeps it for as long as the process is there."""

    def free(self) -> None:
        self._lock.release()


class _Object:
    """An object whose content changes for as long as its holder lives."""

    def __init__(self, root: DataRoot, name: str, about: str) -> None:
        self._root, self._path = root, f"locks/{name}.json"
        self._about, self._id = about, uuid.uuid4().hex
        self._seen, self._since = b"", 0.0
        self._tag: str | None = None
        self._beats, self._kept = 0, 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="lease", daemon=True)

    def _content(self) -> bytes:
        self._beats += 1
        return json.dumps({"id": self._id, "about": self._about, "beat": self._beats}).encode()

    def take(self) -> bool:
        mine = self._content()
        taken = self._root.create(self._path, mine)
        if not taken:
            tag, now = self._root.tag(self._path), time.monotonic()
            said = self._root.read(self._path) or b""
            if said != self._seen:  # by this machine's clock alone: others' may differ
                self._seen, self._since = said, now
            # A change between tag and content makes the put on condition fail.
            if tag is not None and now - self._since >= LEASE_SECONDS:
                taken = self._root.replace(self._path, mine, tag)
        if taken:
            self._tag, self._kept = self._root.tag(self._path), time.monotonic()
            self._thread.start()
        return taken

    def holder(self) -> str | None:
        with suppress(ValueError, KeyError):
            return str(json.loads(self._seen)["about"])
        return None

    def _live(self) -> None:
        while not self._stop.wait(LEASE_SECONDS / 6):
            with suppress(StorageFault):  # away for a moment; what counts is asked by `check`
                if self._tag is None or not self._root.replace(
                    self._path, self._content(), self._tag
                ):
                    return
                self._tag, self._kept = self._root.tag(self._path), time.monotonic()

    def check(self) -> None:
        if time.monotonic() - self._kept < LEASE_SECONDS / 2:
            return
        raise LeaseLost(
            f"Another process may have taken over {self._path}: this one was still for too long. "
            "Nothing was put in place; run it again."
        )

    def free(self) -> None:
        self._stop.set()
        self._thread.join()
        with suppress(StorageFault):  # the store is away: it is free after `LEASE_SECONDS`
            said = self._root.read(self._path)
            if said is not None and json.loads(said).get("id") == self._id:
                self._root.delete(self._path)
