"""What the landing sensor decides: which landed files are complete and new, race by race.

Pure: it takes a listing and a cursor and gives decisions and the next cursor. A file that is still
being written is left alone until two scans, apart by `settle`, saw the same size and time of
change; then its content must end as its kind ends. The content's hash tells whether it was seen
before, so a file that is written again with the same content is not handed on again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nascar_assets.feed.payload import too_large
from nascar_assets.telemetry.validate import content_hash

SETTLE = timedelta(seconds=5)
"""How long a file must have stayed as it is before it is read."""

GIVE_UP = timedelta(minutes=10)
"""How long a file that is cut short may stay as it is before no writer is thought to be at it.

Then it is handed on as it is, for validation to quarantine it.
"""


@dataclass(frozen=True, slots=True)
class LandedFile:
    """One file as the landing folder lists it.

    Attributes:
        path: Path under the landing folder.
        size: Bytes.
        modified: Time of its last change (UTC).
    """

    path: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class _Seen:
    size: int
    modified: str
    first_scan: str  # when this size and time of change were first seen
    content: str | None = None  # hash of the content that was handed on last
    done: bool = False  # this size and time of change were handed on


@dataclass(frozen=True, slots=True)
class LandingCursor:
    """What earlier scans saw; `to_text` and `from_text` carry it through a sensor's cursor."""

    files: Mapping[str, _Seen] = field(default_factory=dict)

    def to_text(self) -> str:
        """The cursor as JSON."""
        rows = {
            path: [seen.size, seen.modified, seen.first_scan, seen.content, seen.done]
            for path, seen in sorted(self.files.items())
        }
        return json.dumps({"version": 1, "files": rows}, sort_keys=True)

    def without(self, path: str) -> LandingCursor:
        """The cursor as if a file had not been seen: the next scans read it anew."""
        return LandingCursor({name: seen for name, seen in self.files.items() if name != path})

    @classmethod
    def from_text(cls, text: str | None) -> LandingCursor:
        """The cursor from JSON; empty for none, or for text of another version.

        An empty cursor makes every file look new, and content hashes downstream make that
        harmless; refusing to start would leave new files unread.
        """
        try:
            value: Any = json.loads(text) if text else {}
            rows = value.get("files", {}) if value.get("version") == 1 else {}
            return cls({path: _Seen(*row) for path, row in rows.items()})
        except (ValueError, TypeError, AttributeError):
            return cls()


@dataclass(frozen=True, slots=True)
class ReadyRace:
    """A race with complete new files.

    Attributes:
        race_key: The race's partition key.
        files: Content hash by path of its new files.
    """

    race_key: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LandingDecision:
    """What to do after a scan of the landing folder.

    Attributes:
        ready: Races with new files, by race key.
        waiting: Files that may still be being written.
        unread: Files that could not be read, with the reason; the next scan tries again.
        unknown: New files that belong to no known race.
        cursor: The next cursor.
    """

    ready: tuple[ReadyRace, ...]
    waiting: tuple[str, ...]
    unread: Mapping[str, str]
    unknown: tuple[str, ...]
    cursor: LandingCursor


def decide_landing(
    listing: Iterable[LandedFile],
    cursor: LandingCursor,
    read: Callable[[str], bytes],
    race_of: Callable[[str], str | None],
    now: datetime,
) -> LandingDecision:
    """Decide which races have complete new files.

    Args:
        listing: The landing folder's files. Where the folder cannot be listed nothing is to be
            decided: that is not an empty folder.
        cursor: The cursor of the last scan.
        read: Reads a file's bytes; raises `OSError` where it cannot.
        race_of: The race key of a path; none where no race is known for it.
        now: The time of this scan.

    Returns:
        The decision with the next cursor. A file that is gone keeps its entry, so that its return
        with the same content is not handed on.
    """
    files = dict(cursor.files)
    waiting: list[str] = []
    unread: dict[str, str] = {}
    unknown: list[str] = []
    fresh: dict[str, dict[str, str]] = {}
    for file in sorted(listing, key=lambda item: item.path):
        modified = file.modified.astimezone(UTC).isoformat()
        seen = files.get(file.path)
        if seen is None or (seen.size, seen.modified) != (file.size, modified):
            kept = None if seen is None else seen.content
            files[file.path] = _Seen(file.size, modified, now.isoformat(), kept)
            waiting.append(file.path)
            continue
        if seen.done:
            continue
        age = now - datetime.fromisoformat(seen.first_scan)
        if age < SETTLE:
            waiting.append(file.path)
            continue
        race_key = race_of(file.path)
        if race_key is None:
            unknown.append(file.path)  # the schedule may know the race by the next scan
            continue
        try:
            data = read(file.path)
        except OSError as error:
            unread[file.path] = str(error)
            continue
        if age < GIVE_UP and not is_complete(data):
            waiting.append(file.path)
            continue
        content = content_hash(data)
        files[file.path] = replace(seen, content=content, done=True)
        if content != seen.content:
            fresh.setdefault(race_key, {})[file.path] = content
    ready = tuple(ReadyRace(key, contents) for key, contents in sorted(fresh.items()))
    return LandingDecision(ready, tuple(waiting), unread, tuple(unknown), LandingCursor(files))


def is_complete(data: bytes) -> bool:
    """Whether a file's bytes end as a whole file of its kind ends.

    Parquet ends with its footer's length and magic, JSON parses. A file that is neither counts as
    complete: it will not become better by waiting, and validation says what is wrong with it.
    """
    if not data:
        return False
    if data[:4] == b"PAR1":
        if len(data) < 12 or data[-4:] != b"PAR1":
            return False
        return int.from_bytes(data[-8:-4], "little") <= len(data) - 12
    start = data.lstrip()[:1]
    if start in (b"{", b"[") and too_large(data) is None:  # validation refuses what is
        try:
            json.loads(data)
        except (json.JSONDecodeError, UnicodeDecodeError):
            return False
        except (ValueError, RecursionError):
            return True  # a number or nesting without end: validation says so
    return True
