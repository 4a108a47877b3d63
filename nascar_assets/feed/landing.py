"""The landing folder: feed files as they came, brought in once and only when they changed.

Under the data root, `landing/feed/<path>` holds the files, `landing/feed-manifest.json` what was
landed and reported, `quarantine/feed/<path>` what was refused, each with a report beside it. A file
is written whole or not at all, and the manifest last: a sync that was killed is made good by the
next one, which reports again what the killed one had landed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.client import CachedFile, FeedSource, open_feed
from nascar_assets.feed.file_check import check_race_file, holds_nothing_yet
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.paths import (
    RACE_KINDS,
    FeedFile,
    parse_path,
    race_path,
    schedule_path,
    series_number,
)
from nascar_assets.feed.payload import FeedFormatError, decoded
from nascar_assets.redaction import redacted
from nascar_assets.storage import DataRoot, UnreadableFile

LANDING = "landing/feed"
QUARANTINE = "quarantine/feed"
MANIFEST = "landing/feed-manifest.json"
VALIDATORS = "landing/feed-validators.json"

SETTLED_AFTER = timedelta(days=14)
"""From a server, files that are here are not asked for again so long after their race."""

KNOWN_BEFORE = timedelta(days=8)
"""From a server, a race's files are not asked for earlier than this before its start."""

Progress = Callable[[int, int, str], None]
"""Called with files done, files in all, and the path at hand."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A file that was refused.

    Attributes:
        path: The feed's path.
        reason: Why, with the field where it is one.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did.

    Attributes:
        changed: Paths whose content is new or changed since the last sync that was completed.
        unchanged: Number of files found as they were.
        missing: Number of files that the feed does not have yet.
        quarantined: Files refused.
        touched: Ids of the races with a new or changed file of their own, sorted.
        schedules: Seasons whose schedule is new or changed.
        seasons: Seasons with a schedule in the landing folder.
        notices: A sentence for each race of these schedules that is left out, and each value; one
            for the seasons that the feed does not have, and for those without races of a series.
    """

    changed: tuple[str, ...]
    unchanged: int
    missing: int
    quarantined: tuple[Quarantined, ...]
    touched: tuple[str, ...]
    schedules: tuple[int, ...]
    seasons: tuple[int, ...]
    notices: tuple[str, ...] = ()


def sync_from(
    location: str | Path,
    root: DataRoot,
    series: Collection[str],
    seasons: Iterable[int],
    *,
    now: datetime,
    progress: Progress | None = None,
) -> SyncReport:
    """Brings new and changed files of the feed at a URL or in a folder into the landing folder.

    From a server, only what can have changed is asked for: nothing of races that are more than 8
    days ahead, no landed file of races more than 14 days past, and the rest on condition that it
    has changed. A folder is read whole.

    Raises:
        InputError: If the location is no feed or has no schedule of these seasons.
        FeedReadError: If a read failed.
        StorageFault: If a write failed.
    """
    if not str(location).startswith(("http://", "https://")):
        return sync_feed(open_feed(location), root, series, seasons, progress)
    cache = LandingCache(root)
    try:
        return sync_feed(
            open_feed(location, cache),
            root,
            series,
            seasons,
            progress,
            settled_before=now - SETTLED_AFTER,
            known_until=now + KNOWN_BEFORE,
        )
    finally:
        cache.save()


def sync_feed(
    source: FeedSource,
    root: DataRoot,
    series: Collection[str],
    seasons: Iterable[int],
    progress: Progress | None = None,
    *,
    settled_before: datetime | None = None,
    known_until: datetime | None = None,
) -> SyncReport:
    """Brings new and changed files of a feed into the landing folder.

    Every file is compared by content with what was landed of it last, so a landed file that was
    corrected by hand stays until the feed's own changes. A file that is empty, `null` or holds
    empty lists alone is one that the feed does not have yet; one that is no whole JSON file, or not
    what its path says, goes to the quarantine with a report, and what was landed before stays.
    Nothing is ever deleted.

    Args:
        source: The feed.
        root: The data root.
        series: Names of the series wanted.
        seasons: Seasons wanted.
        progress: Notified of every file.
        settled_before: Landed files of races that started before this are not read again.
        known_until: Files of races that start after this are not read.

    Raises:
        InputError: If the feed has no schedule of any of these seasons.
        FeedReadError: If a read failed.
        StorageFault: If a write failed.
    """
    for name in series:
        series_number(name)
    landing = _Landing(source, root)
    wanted: list[tuple[str, FeedFile, datetime]] = []
    found: list[int] = []
    absent: list[int] = []
    without: dict[str, list[int]] = {name: [] for name in series}
    for season in sorted(set(seasons)):
        refused_before = len(landing.quarantined)
        schedule = _land_schedule(landing, season)
        if schedule is None:
            if len(landing.quarantined) == refused_before:  # else why not is told
                absent.append(season)
            continue
        found.append(season)
        for name in set(series).difference(schedule["series"]):
            without[name].append(season)
        for race_id, race_series, start in schedule.select(
            "race_id", "series", "start_time"
        ).iter_rows():
            if race_series not in series or (known_until is not None and start > known_until):
                continue
            for kind in RACE_KINDS:
                path = race_path(kind, season, race_series, race_id)
                wanted.append((path, FeedFile(kind, season, race_series, race_id), start))
    if not found:
        refused = "".join(f" {item.reason}" for item in landing.quarantined)
        raise InputError(
            f"The feed at {source.location} has no usable schedule of "
            f"{_listed(sorted(set(seasons)))}.{refused}",
            field="seasons",
            remedy="Check the location of the feed and the seasons.",
        )
    if absent:
        landing.notices.append(
            f"The feed has no schedule of {_listed(absent)}: nothing of it is synced."
        )
    landing.notices += [
        f"The schedule of {_listed(years)} has no race of the {name} series."
        for name, years in without.items()
        if years
    ]
    for done, (path, file, start) in enumerate(wanted, start=1):
        if settled_before is None or start >= settled_before or not landing.settled(path):
            landing.land(path, file)
        else:
            landing.unchanged += 1
        if progress is not None:
            progress(done, len(wanted), path)
    landing.save_manifest()
    return landing.report(found)


def _listed(seasons: Iterable[int]) -> str:
    return ", ".join(map(str, seasons))


def landed_schedules(root: DataRoot) -> tuple[dict[int, bytes], dict[int, str]]:
    """The schedule files of the landing folder, by season, as `parse_schedule` takes them.

    Returns:
        The files, and of seasons whose file cannot be read the reason.
    """
    schedules: dict[int, bytes] = {}
    unread: dict[int, str] = {}
    for stored in root.list(LANDING):
        file = parse_path(stored.path.removeprefix(f"{LANDING}/"))
        if file is not None and file.kind == "schedule":
            try:
                data = root.read(stored.path)
            except UnreadableFile as error:
                unread[file.season] = str(error)
                continue
            if data is not None:
                schedules[file.season] = data
    return schedules, unread


def read_landed(root: DataRoot, kind: str, season: int, series: str, race_id: str) -> bytes | None:
    """One landed file of a race; none where it was not landed."""
    return root.read(f"{LANDING}/{race_path(kind, season, series, race_id)}")


class LandingCache:
    """A client's cache whose bodies are the landed files themselves.

    Only what tells a change (entity tag, time of change) is kept beside them, with the hash of the
    body it belongs to; where the landed file is another one, there is nothing cached.

    Args:
        root: The data root.
    """

    def __init__(self, root: DataRoot) -> None:
        self._root = root
        self._validators: dict[str, dict[str, str | None]] = _read_json(root, VALIDATORS)
        self._changed = False

    def get(self, path: str) -> CachedFile | None:
        """The landed file with the server's validators."""
        known = self._validators.get(path)
        try:
            body = self._root.read(f"{LANDING}/{path}") if known is not None else None
        except UnreadableFile:
            return None
        if known is None or body is None or _hash(body) != known.get("sha256"):
            return None
        return CachedFile(body, known.get("etag"), known.get("last_modified"))

    def put(self, path: str, file: CachedFile) -> None:
        """Remembers the validators of a body."""
        self._validators[path] = {
            "sha256": _hash(file.body),
            "etag": file.etag,
            "last_modified": file.last_modified,
        }
        self._changed = True

    def save(self) -> None:
        """Writes the validators; without this the next sync reads everything anew."""
        if self._changed:
            _write_json(self._root, VALIDATORS, self._validators)
            self._changed = False


class _Landing:
    """One sync at work: what is landed, and the tally."""

    def __init__(self, source: FeedSource, root: DataRoot) -> None:
        self._source = source
        self._root = root
        self._manifest: dict[str, str] = _read_json(root, MANIFEST)
        self._there = {stored.path.removeprefix(f"{LANDING}/") for stored in root.list(LANDING)}
        self._saved = dict(self._manifest)
        self.changed: list[str] = []
        self.unchanged = 0
        self.missing = 0
        self.quarantined: list[Quarantined] = []
        self.notices: list[str] = []

    def settled(self, path: str) -> bool:
        """Whether the file is landed and was reported."""
        return path in self._manifest and path in self._there

    def land(self, path: str, file: FeedFile) -> None:
        """Brings one file in, if the feed has it and it is new or changed."""
        try:
            data = self._source.read(path)
        except FeedFormatError as error:  # too large, or it cannot be read: nothing to keep of it
            self._refuse(path, None, error)
            return
        if data is None or not data.strip():
            self.missing += 1
            return
        digest = _hash(data)
        # What lies here may have been corrected by hand: that stays until the feed's own changes.
        if self._manifest.get(path) == digest and path in self._there:
            self.unchanged += 1
            return
        try:
            value = None if data.strip() == b"null" else decoded(data, path)
            if value is None or holds_nothing_yet(value, file.kind):
                self.missing += 1
                return
            if file.race_id is None:
                parse_schedule({file.season: value})
            else:
                check_race_file(value, file, path)
        except FeedFormatError as error:
            self._refuse(path, data, error)
            return
        self._root.write(f"{LANDING}/{path}", data)
        self._manifest[path] = digest
        self._there.add(path)
        self.changed.append(path)

    def _refuse(self, path: str, data: bytes | None, error: FeedFormatError) -> None:
        self.quarantined.append(Quarantined(path, str(error)))
        report_path = f"{QUARANTINE}/{path}.report.json"
        report = {
            "file": path,
            "source": redacted(self._source.location),
            "reason": error.message,
            "field": error.field,
            "bytes": None if data is None else len(data),
            "sha256": None if data is None else _hash(data),
        }
        if _read_json(self._root, report_path) == report:
            return
        if data is not None:
            self._root.write(f"{QUARANTINE}/{path}", data)
        _write_json(self._root, report_path, report)

    def landed(self, path: str) -> bytes | None:
        """The file as it was landed."""
        return self._root.read(f"{LANDING}/{path}")

    def save_manifest(self) -> None:
        """Records what was landed and reported; the last step of a sync."""
        if self._manifest != self._saved:
            _write_json(self._root, MANIFEST, self._manifest)

    def report(self, seasons: list[int]) -> SyncReport:
        """The tally."""
        files = [file for path in self.changed if (file := parse_path(path)) is not None]
        return SyncReport(
            changed=tuple(self.changed),
            unchanged=self.unchanged,
            missing=self.missing,
            quarantined=tuple(self.quarantined),
            touched=tuple(sorted({file.race_id for file in files if file.race_id is not None})),
            schedules=tuple(sorted(file.season for file in files if file.kind == "schedule")),
            seasons=tuple(seasons),
            notices=tuple(self.notices),
        )


def _land_schedule(landing: _Landing, season: int) -> pl.DataFrame | None:
    """The races of a season by the landed schedule; none where there is no usable one."""
    path = schedule_path(season)
    try:
        before = landing.landed(path)
        landing.land(path, FeedFile("schedule", season, None, None))
        data = landing.landed(path)
    except UnreadableFile as error:
        landing.quarantined.append(Quarantined(path, f"{error}. Mend or delete it in {LANDING}."))
        return None
    if data is None:
        return None
    try:
        schedule = parse_schedule({season: data}, notices=landing.notices)
        if before is not None and before != data:
            landing.notices += _dropped_races(landing, season, before, schedule)
        return schedule
    except FeedFormatError as error:  # landed by hand, or before it would have been refused
        landing.quarantined.append(Quarantined(path, f"{error} Mend or delete it in {LANDING}."))
        return None


def _dropped_races(
    landing: _Landing, season: int, before: bytes, schedule: pl.DataFrame
) -> list[str]:
    """A sentence for each race with a weekend file that a schedule lists no more."""
    try:
        gone = parse_schedule({season: before}).join(schedule, on="race_id", how="anti")
    except FeedFormatError:  # landed by hand
        return []
    return [
        f"{schedule_path(season)} no longer lists race {race_id} ({name}), whose files are here. "
        "They are not read from the feed again; if it was run, it stays in the stored schedule."
        for race_id, series, name in gone.select("race_id", "series", "race_name").iter_rows()
        if landing.settled(race_path("weekend", season, series, race_id))
    ]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read_json(root: DataRoot, path: str) -> dict[str, Any]:
    """A JSON object of ours; empty where there is none or it cannot be read as such."""
    data = root.read(path)
    if data is None:
        return {}
    try:
        value = json.loads(data)
    except ValueError:
        return {}  # what it noticed is found out again from the files themselves
    return value if isinstance(value, dict) else {}


def _write_json(root: DataRoot, path: str, value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
    root.write(path, text.encode() + b"\n")
