"""A home moved: its files and Dagster's records out of one place and into another, by hashes.

An export is a folder or a bucket's prefix: `files/` as they lie under the data root, `records/` as
lines of text, and `manifest.json`, written last, with the SHA-256 of each. What is half done is
marked and has no manifest; doing it again goes on where it stopped.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import dagster as dg

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.automation.run_state import IN_FLIGHT
from nascar_assets.orchestration.automation.sensor_runs import notify_lost
from nascar_assets.orchestration.commands.doctor import LAST_HEARTBEAT_SECONDS
from nascar_assets.orchestration.runs import Progress
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.postgres_storage import server_name
from nascar_assets.orchestration.storage.records import (
    dumped,
    emptied,
    has_records,
    loaded,
    record_tables,
)
from nascar_assets.storage import DataRoot
from nascar_assets.storage.unfinished import MARK

MANIFEST, BEGUN = "manifest.json", "export-unfinished"
FORMAT = 1
LEFT_BEHIND = (
    *("dagster/", "locks/", "staged/", "landing/.index/", "api/.ready"),
    *("demo/", "backtest/"),
)
"""What is made anew, belongs to a machine, or is a home of its own."""

ORDERED = ("landing/salaries/", "landing/live/")
"""Here the newest of several files counts, and of those of one time the last by path."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: files, their bytes, and rows of Dagster's records.

    `strays` is what lies in the landing folder and is not taken, each with the reason, by path.
    """

    files: int
    bytes: int
    rows: int
    strays: Mapping[str, str] = field(default_factory=dict)


def export_home(
    home: str, root: DataRoot, target: DataRoot, now: datetime, progress: Progress | None = None
) -> Moved:
    """Writes a home to an empty folder or prefix; an export that was stopped goes on.

    Args:
        target: Where the export goes.
        now: The time of the question, written into the manifest.
        progress: Notified of files as they are done.

    Raises:
        InputError: If the target holds anything but an export that was stopped, or the home
            nothing.
        EnvironmentFault: If runs go on or a daemon does, or a file changed meanwhile.
    """
    inside, place = _place(root), _place(target)
    if place == inside or place.startswith(f"{inside}/"):
        raise InputError("An export cannot lie in the home itself.", field="target")
    instance = open_instance(home)
    _refuse_work(instance)
    names = {file.path for file in target.list()}
    if MANIFEST in names:
        raise InputError(
            f"{target.location} holds an export already.",
            field="target",
            remedy="Name an empty folder.",
        )
    if names and BEGUN not in names:
        raise InputError(
            f"{target.location} is not empty.", field="target", remedy="Name an empty folder."
        )
    found, strays = _files(root)
    if not found and not has_records(instance):
        raise InputError(f"There is no home in {root.location}.", field="home")
    target.write(BEGUN, b"")
    total, size = len(found), 0
    files: dict[str, dict[str, Any]] = {}
    for done, (path, modified) in enumerate(found.items(), start=1):
        data = _read(root, path)
        digest = hashlib.sha256(data).hexdigest()
        if f"files/{path}" not in names or target.sha256(f"files/{path}") != digest:
            target.write(f"files/{path}", data)
        files[path] = {"sha256": digest, "bytes": len(data), "modified": modified.isoformat()}
        size += len(data)
        if progress is not None:
            progress(done, total, path)
    records: dict[str, list[dict[str, Any]]] = {}
    rows = 0
    for storage, name in record_tables():
        parts = []
        for number, part in enumerate(dumped(instance, storage, name), start=1):
            path = f"records/{storage}.{name}-{number:05d}.jsonl.gz"
            target.write(path, gzip.compress(part, 6, mtime=0))
            parts.append({"path": path, "sha256": hashlib.sha256(part).hexdigest()})
            rows += part.count(b"\n")
        records[f"{storage}.{name}"] = parts
    changed = sorted({path for path, _ in _files(root)[0].items() ^ found.items()})
    if changed:
        raise EnvironmentFault(
            f"{len(changed)} files of the home changed while it was exported, {changed[0]} among "
            "them. Stop nascar ui and nascar serve, and do it again."
        )
    _refuse_work(instance)
    wanted = {f"files/{path}" for path in files}
    for name in names:  # of a stopped export: what the home has no more
        if name.startswith("files/") and name not in wanted:
            target.delete(name)
    manifest = {
        "format": FORMAT,
        "version": metadata.version("nascar-assets"),
        "exported_at": now.isoformat(),
        "files": files,
        "strays": strays,
        "records": records,
    }
    target.write(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
    target.delete(BEGUN)
    return Moved(total, size, rows, strays)


def import_home(
    home: str, root: DataRoot, source: DataRoot, progress: Progress | None = None
) -> Moved:
    """Makes a home of an export, on whatever storage the settings name.

    The home is marked as unfinished until every file and every row was read back and has the
    hash of the manifest; commands refuse a home with that mark, and the same import goes on.

    Args:
        home: The new home.
        progress: Notified of files as they are done.

    Raises:
        InputError: If the source is no whole export, or the home is not empty.
        EnvironmentFault: If a daemon works on the records, or what was written does not come back.
    """
    manifest, about = _manifest(source)
    instance, begun = open_instance(home, unfinished=True), root.read(MARK)
    _refuse_work(instance)
    if begun is None:
        there = next((file.path for file in root.list() if not _left_behind(file.path)), None)
        if there is not None or has_records(instance):
            raise InputError(
                f"The home is not empty: it holds {there or 'records of runs'}.",
                field="home",
                remedy="Name an empty one with --home (and NASCAR_STORAGE); nothing was changed.",
            )
        root.write(MARK, about.encode())
    elif begun != about.encode():
        raise InputError(
            f"{root.location} is being made of another export.",
            field="home",
            remedy="Import that one again, or delete the home.",
        )
    # What was written before is written before: an object store's times are its own.
    files: dict[str, dict[str, Any]] = dict(sorted(manifest["files"].items(), key=_written))
    later = set() if root.is_local else written_later(files)
    for done, (path, listed) in enumerate(files.items(), start=1):
        if root.sha256(path) != listed["sha256"]:
            if path in later:
                time.sleep(1.0)
            root.write(path, _checked(source, f"files/{path}", listed["sha256"]))
        if root.is_local:
            at = datetime.fromisoformat(listed["modified"]).timestamp()
            os.utime(root.local_path(path), (at, at))
        if progress is not None:
            progress(done, len(files), path)
    rows = 0
    emptied(instance)
    for storage, name in record_tables():
        wanted, back = hashlib.sha256(), hashlib.sha256()
        parts = _parts(source, manifest["records"].get(f"{storage}.{name}", []), wanted)
        loaded(instance, storage, name, parts)
        for part in dumped(instance, storage, name):
            back.update(part)
            rows += part.count(b"\n")
        if back.digest() != wanted.digest():
            raise EnvironmentFault(f"The records {name} did not come back as they were written.")
    for path, listed in files.items():
        if root.sha256(path) != listed["sha256"]:
            raise EnvironmentFault(f"{root.uri(path)} did not come back as it was written.")
    root.delete(MARK)
    return Moved(len(files), sum(listed["bytes"] for listed in files.values()), rows)


def written_later(paths: Iterable[str]) -> set[str]:
    """The files that an object store, whose times are whole seconds, gets a second later.

    Args:
        paths: Files in the order of their times. Of those of one second the path decides, so that
            only a file whose path says the contrary has to wait.
    """
    later, last = set(), dict.fromkeys(ORDERED, "")
    for path in paths:
        for folder in ORDERED:
            if path.startswith(folder):
                if path < last[folder]:
                    later.add(path)
                last[folder] = path
    return later


def _written(item: tuple[str, dict[str, Any]]) -> tuple[datetime, str]:
    """When a file of the manifest was written, and its path."""
    return datetime.fromisoformat(item[1]["modified"]), item[0]


def _place(root: DataRoot) -> str:
    """Where a root lies, whatever links its name goes through."""
    return str(root.local_path(".").resolve()) if root.is_local else root.location


def _files(root: DataRoot) -> tuple[dict[str, datetime], dict[str, str]]:
    """The files that are moved, in the order in which they were written, and the strays.

    Whatever people put into the landing folder and the program does not take stays there; anywhere
    else it would be a file of the home that is missing.
    """
    listed, strays = root.everything()
    found = {}
    for file in sorted(listed, key=lambda one: one.modified):
        if _left_behind(file.path):
            continue
        landed = root.is_local and file.path.startswith("landing/")
        if landed and not os.access(root.local_path(file.path), os.R_OK):
            strays[file.path] = "It may not be read; change its permissions."
        else:
            found[file.path] = file.modified
    return found, {path: why for path, why in strays.items() if not _left_behind(path)}


def _left_behind(path: str) -> bool:
    """Whether a file stays: graphs are caches, but for what people entered."""
    graph = path.startswith("graph/") and not path.startswith("graph/entries/")
    return graph or path == "README.md" or path.startswith(LEFT_BEHIND)


def _refuse_work(instance: dg.DagsterInstance) -> None:
    """Says so where runs go on, or a daemon on another machine; here the UI's own lock tells."""
    now = datetime.now(UTC).timestamp()
    for status in instance.get_daemon_statuses().values() if server_name() else ():
        beat = status.last_heartbeat
        if beat is not None and now - beat.timestamp < LAST_HEARTBEAT_SECONDS:
            raise EnvironmentFault(
                "A daemon has worked on these records within two minutes: stop every nascar ui, "
                "and wait as long."
            )
    notify_lost(instance)  # without a daemon nobody else sees that a run's process was killed
    running = instance.get_run_ids(dg.RunsFilter(statuses=list(IN_FLIGHT)))
    if running:
        raise EnvironmentFault(
            f"Runs have not ended ({len(running)}): wait for them, or cancel them in the UI."
        )


def _read(root: DataRoot, path: str) -> bytes:
    data = root.read(path)
    if data is None:
        raise EnvironmentFault(f"{root.uri(path)} is gone since the export began. Do it again.")
    return data


def _manifest(source: DataRoot) -> tuple[dict[str, Any], str]:
    """The manifest of an export, and its hash."""
    data = source.read(MANIFEST)
    if data is None:
        raise InputError(
            f"{source.location} is no whole export: it has no {MANIFEST}.",
            field="source",
            remedy="Export again to the same place; that goes on where it stopped.",
        )
    try:
        found = json.loads(data)
        known = found["format"] == FORMAT and isinstance(found["files"], dict)
        known = known and isinstance(found["records"], dict)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise InputError("It is no manifest of an export that this version reads.", file=MANIFEST)
    return found, hashlib.sha256(data).hexdigest()


def _checked(source: DataRoot, path: str, sha256: str) -> bytes:
    data = source.read(path)
    if data is None or hashlib.sha256(data).hexdigest() != sha256:
        raise _changed(path)
    return data


def _changed(path: str) -> InputError:
    """What is said of a file of an export that is not as the manifest has it."""
    return InputError(
        "It is missing, or was changed since the export.",
        file=path,
        remedy="Export again; the home is marked as unfinished.",
    )


def _parts(source: DataRoot, parts: Sequence[dict[str, str]], whole: Any) -> Iterator[bytes]:
    """The parts of a table, each checked; `whole` is a hash that gets them all."""
    for listed in parts:
        packed = source.read(listed["path"])
        try:
            data = gzip.decompress(packed or b"")
        except (OSError, EOFError):
            data = b""
        if hashlib.sha256(data).hexdigest() != listed["sha256"]:
            raise _changed(listed["path"])
        whole.update(data)
        yield data
