"""Files staged until all of them are put in place: those of one owner change together.

A block of changes writes under `staged/`, reads what it wrote, and ends with one put of a manifest
that names every file with its hash. From then on the change counts: whoever comes next moves what
is still staged. Killed before, it leaves all files as they were.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from nascar_assets.storage.data_root import DataRoot, StoredFile
from nascar_assets.storage.lease import PATIENCE_SECONDS, LeaseLost, lease


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of one owner that belong together.

    Attributes:
        files: By path: `sha256`, and what else the owner notes of a file.
        moving: Paths that may still be staged, or that are to be removed.
        begun: The id of a change that began and has not ended; empty where there is none.
    """

    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    moving: tuple[str, ...] = ()
    begun: str = ""

    @classmethod
    def load(cls, root: DataRoot, owner: str) -> Manifest | None:
        """The manifest of an owner; none where there is none yet."""
        data = root.read(manifest_path(owner))
        if data is None:
            return None
        content: dict[str, Any] = json.loads(data)
        return cls(content["files"], tuple(content["moving"]), content["begun"])

    def save(self, root: DataRoot, owner: str) -> None:
        """Puts the manifest in place: from then on it counts."""
        content = {"files": dict(self.files), "moving": self.moving, "begun": self.begun}
        root.write(manifest_path(owner), json.dumps(content, indent=1, sort_keys=True).encode())

    def faults(self, root: DataRoot, paths: Callable[[str], bool] = lambda _: True) -> list[str]:
        """The files that are not those that were put in place together, in words.

        Args:
            paths: Which files are looked at.
        """
        found = []
        for path, known in sorted(self.files.items()):
            if not paths(path):
                continue
            data = root.read(path)
            if data is None:
                found.append(f"{path} is gone")
            elif hashlib.sha256(data).hexdigest() != known["sha256"]:
                found.append(f"{path} is not the file that was written with the others")
        return found


def manifest_path(owner: str) -> str:
    """Where an owner's manifest lies."""
    return f"store/manifests/{owner}.json"


class StagedRoot(DataRoot):
    """A data root on which some files are staged, and read from there.

    Args:
        root: The data root itself.
        owns: Whether a path is one of them.
    """

    def __init__(self, root: DataRoot, owner: str, owns: Callable[[str], bool]) -> None:
        super().__init__(root.location, root._options)
        self._store = root._store  # an object store in memory is the same one
        self.direct, self.owner = root, owner
        self._owns = owns
        self.written: dict[str, str] = {}
        self.removed: set[str] = set()

    def _place(self, path: str) -> str:
        return staged_path(self.owner, path) if path in self.written else path

    def read(self, path: str) -> bytes | None:
        """The content as this block sees it."""
        if path in self.removed:
            return None
        return self.direct.read(self._place(path))

    def write(self, path: str, data: bytes) -> None:
        """Stages what belongs to the owner, everything else in place."""
        if not self._owns(path):
            return self.direct.write(path, data)
        self.direct.write(staged_path(self.owner, path), data)
        self.written[path] = hashlib.sha256(data).hexdigest()
        self.removed.discard(path)
        return None

    def delete(self, path: str) -> None:
        """Removes with the others what belongs to the owner, everything else at once."""
        if not self._owns(path):
            return self.direct.delete(path)
        self.written.pop(path, None)
        self.removed.add(path)
        return None

    def tag(self, path: str) -> str | None:
        """The tag of a file as this block sees it."""
        return None if path in self.removed else self.direct.tag(self._place(path))

    def list(self, prefix: str = "") -> list[StoredFile]:
        """All files under a folder, those staged among them."""
        here = {item.path: item for item in self.direct.list(prefix)}
        for path in self.written:
            if not prefix or path.startswith(f"{prefix}/"):
                folder, name = staged_path(self.owner, path).rsplit("/", 1)
                for item in self.direct.list(folder):
                    if item.path.endswith(f"/{name}"):
                        here[path] = StoredFile(path, item.size, item.modified, item.tag)
        return [here[path] for path in sorted(here.keys() - self.removed)]

    def _scanned(self, path: str) -> str:
        return super().uri(self._place(path))


def staged_path(owner: str, path: str) -> str:
    """Where a file lies until it is put in place."""
    return f"staged/{owner}/{path}"


_open: ContextVar[StagedRoot | None] = ContextVar("staged", default=None)


def goes_on() -> bool:
    """Whether a change goes on here."""
    return _open.get() is not None


def in_change(root: DataRoot) -> DataRoot:
    """The same data root as the change that goes on here sees it; itself where none does."""
    staged = _open.get()
    return staged if staged is not None and staged.location == root.location else root


@contextmanager
def change(
    root: DataRoot,
    owner: str,
    owns: Callable[[str], bool],
    notes: Callable[[StagedRoot], Mapping[str, str]],
    purpose: str,
    notify: Callable[[str], None] = lambda _: None,
    patience: float = PATIENCE_SECONDS,
) -> Iterator[StagedRoot]:
    """Changes files of an owner together or not at all, one change at a time.

    Inside another change of the same owner it is part of that one.

    Args:
        owns: Whether a path is one of them.
        notes: What to note of every file that was written, at the end.
        purpose: What the change is, for those who wait for it.
        notify: Is given whom it waits for.

    Raises:
        StillHeld: If another change goes on for too long.
    """
    outer = _open.get()
    if outer is not None and (outer.location, outer.owner) == (root.location, owner):
        yield outer
        return
    with lease(root, owner, purpose, notify, patience) as held:
        _finish(root, owner)
        staged = StagedRoot(root, owner, owns)
        token = _open.set(staged)
        try:
            yield staged
            if staged.written:
                held()
                _put_in_place(staged, notes(staged))
        finally:
            _open.reset(token)
            with suppress(LeaseLost):  # what lies there may be another one's by now
                if staged.written:  # none where they were put in place
                    held()
                for path in staged.written:
                    root.delete(staged_path(owner, path))
            staged.written.clear()


def at_once(root: DataRoot) -> DataRoot:
    """The data root itself, for what must stand whatever becomes of a change."""
    return root.direct if isinstance(root, StagedRoot) else root


def begin(root: DataRoot, owner: str, change_id: str) -> None:
    """Notes that a change has begun which is to replace what is there.

    Where it does not come to its end, readers know that what they find is of the one before.
    """
    if isinstance(root, StagedRoot):
        known = Manifest.load(root.direct, owner) or Manifest()
        Manifest(known.files, (), change_id).save(root.direct, owner)
    forget(root, owner)


def forget(root: DataRoot, owner: str) -> None:
    """Drops the manifest where files are written in place, by a program outside of a change."""
    if not isinstance(root, StagedRoot):
        root.delete(manifest_path(owner))


def settled(root: DataRoot, owner: str) -> Manifest | None:
    """The manifest of an owner, once nothing is staged any more of a change that counts."""
    found = Manifest.load(root, owner)
    if found is None or not found.moving:
        return found
    with lease(root, owner, "putting files in place", patience=10):
        return _finish(root, owner)


def _put_in_place(staged: StagedRoot, notes: Mapping[str, str]) -> None:
    before = Manifest.load(staged.direct, staged.owner) or Manifest()
    now = {path: {"sha256": digest, **notes} for path, digest in staged.written.items()}
    ended = "" if before.begun in notes.values() else before.begun
    kept = {path: known for path, known in before.files.items() if path not in staged.removed}
    moving = tuple(sorted({*now, *staged.removed}))
    Manifest({**kept, **now}, moving, ended).save(staged.direct, staged.owner)
    staged.written.clear()  # it counts: what is not moved now is moved by whoever comes next
    _finish(staged.direct, staged.owner)


def _finish(root: DataRoot, owner: str) -> Manifest | None:
    """Moves what is staged by a change that counts, and removes what others staged."""
    found = Manifest.load(root, owner)
    if found is not None and found.moving:
        for path in found.moving:
            if path in found.files:
                root.move(staged_path(owner, path), path)
            else:
                root.delete(path)
        found = Manifest(found.files, (), found.begun)
        found.save(root, owner)
    for item in root.list(f"staged/{owner}"):
        root.delete(item.path)
    return found
