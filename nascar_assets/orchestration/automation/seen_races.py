"""What the landing folder and the store hold of every race, for the sensor's decisions."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from nascar_assets.feed.file_check import check_race_file
from nascar_assets.feed.landing import LANDING, MANIFEST
from nascar_assets.feed.paths import parse_path
from nascar_assets.feed.payload import FeedFormatError
from nascar_assets.feed.sources import FEATURE_SOURCES, SOURCE, TABLES
from nascar_assets.orchestration.automation.landing_index import SETTLE, scan, sha256
from nascar_assets.orchestration.automation.race_decisions import (
    LONGEST_STRETCH,
    Batch,
    LandedRace,
    content_of,
    landed_races,
    stale_as_of,
)
from nascar_assets.orchestration.inputs.schedule import stored_schedule
from nascar_assets.orchestration.partitions import stretches
from nascar_assets.orchestration.storage.store import scan_table
from nascar_assets.orchestration.tables import AS_OF_TABLES
from nascar_assets.storage import DataRoot, StorageFault, StoredFile

LAPS = "landing/laps"
"""Dropped for a race: laps in `<race>.parquet`; flags and live snapshots in a folder `<race>`."""

WAITS = "{} waits for its weekend feed: other files of it have landed."
"""What to say of a race that waits, by its key."""

FILES_OF_RACES = "race_files"
"""The table of the files that a race's tables were made from, which its run makes first."""

OF_PAST_RACES = frozenset({SOURCE["results"].table, "race_features"}).union(
    source.table for source in FEATURE_SOURCES
)
"""What a slate reads of other races than its own: their results and what is beside them, and
through its rating state the features of their starts."""

INDEX = "landing/.index"
NO_SETTLING = timedelta(0)
"""Our own tables are put in place in one step: there is no half of one."""

LISTED_AT_ONCE = 4
"""Tables whose files are listed at the same time: a bucket answers slowly, and to many."""

TableLists = Mapping[str, Sequence[StoredFile]]
"""The files of stored tables, by the table's name."""


@dataclass(frozen=True)
class RacesSeen:
    """What one scan found.

    Attributes:
        schedule: The stored schedule; empty where there is none.
        schedules: Names the content of the landed schedules.
        landed: Races with a landed weekend feed and all that has landed with it, by key.
        waiting: Keys of races with other files alone; nothing is made of a race without that feed.
        materialised: Content that each race's tables were made from, by key.
        unknown: Landed paths of no known race.
        unsettled: Paths that may still have a writer, or cannot be read.
        unread: Why those that cannot be read cannot, by path.
        strays: Why what lies there and is not looked at is not, by escaped path.
        tables: Files of the tables that are made for each race.
        unsettled_races: Such a path by the key of its race, one that cannot be read before others:
            what is seen of the race is not the whole.
    """

    schedule: pl.DataFrame
    schedules: str
    landed: Mapping[str, LandedRace]
    waiting: Sequence[str]
    materialised: Mapping[str, str]
    unknown: Sequence[str]
    unsettled: Sequence[str]
    unread: Mapping[str, str]
    strays: Mapping[str, str]
    tables: TableLists
    unsettled_races: Mapping[str, str]


def table_lists(root: DataRoot, tables: Collection[str]) -> TableLists:
    """Lists the files of stored tables."""
    names = sorted(tables)
    with ThreadPoolExecutor(LISTED_AT_ONCE) as pool:
        return dict(
            zip(names, pool.map(lambda name: root.list(f"store/{name}"), names), strict=True)
        )


def see_races(root: DataRoot, now: datetime, *, settle: timedelta = SETTLE) -> RacesSeen:
    """Looks at landed files and at what the stored tables were made from.

    Args:
        now: The time by the machine's clock.
        settle: How long a landed file must have stayed as it is.

    Raises:
        StorageFault: If a folder cannot be listed.
    """
    with ThreadPoolExecutor(1) as beside:
        listed = beside.submit(table_lists, root, {FILES_OF_RACES, *TABLES, *AS_OF_TABLES})
        feed, strays = root.landed(LANDING)
        laps, strays_of_laps = root.landed(LAPS)
        tables = listed.result()
    found = scan(root, [*feed, *laps], f"{INDEX}/feed.parquet", now, settle=settle)
    schedule = stored_schedule(root)
    keys = dict(schedule.select("race_id", "race_key").iter_rows())
    registered = set(keys.values())

    def dropped_for(path: str) -> str | None:
        key = path.removeprefix(f"{LAPS}/").split("/")[0].removesuffix(".parquet")
        return key if key in registered else None

    race_of: dict[str, str] = {}
    entered = set()
    schedule_files = []
    foreign = []
    for path, value, since in found.files.select("path", "value", "since").iter_rows():
        if path.startswith(f"{LAPS}/"):
            if key := dropped_for(path):
                race_of[path] = key
            continue
        file = parse_path(path.removeprefix(f"{LANDING}/"))
        if file is None:
            foreign.append(path)
        elif file.race_id is None:
            schedule_files.append((path, f"{value}@{since.isoformat()}"))
        elif file.race_id in keys:
            race_of[path] = keys[file.race_id]
            if file.kind == "weekend":
                entered.add(keys[file.race_id])
    own = pl.col("path").is_in([*foreign, *(path for path, _ in schedule_files)])
    landed, unknown = landed_races(found.files.filter(~own), race_of)
    unsettled = {}
    for path in sorted(found.unsettled, key=found.unread.__contains__):
        if path.startswith(f"{LAPS}/"):
            unsettled[dropped_for(path)] = path
        elif (file := parse_path(path.removeprefix(f"{LANDING}/"))) and file.race_id:
            unsettled[keys.get(file.race_id)] = path
    return RacesSeen(
        schedule=schedule,
        schedules=content_of(schedule_files) if schedule_files else "",
        landed={key: race for key, race in landed.items() if key in entered},
        waiting=sorted(landed.keys() - entered),
        materialised=materialised_content(root, tables, now),
        unknown=[*unknown, *foreign],
        unsettled=found.unsettled,
        unread=found.unread,
        strays=strays | strays_of_laps,
        tables=tables,
        unsettled_races={key: path for key, path in unsettled.items() if key},
    )


def materialised_content(root: DataRoot, tables: TableLists, now: datetime) -> dict[str, str]:
    """Content of the landed files that each race's tables were made from, by race key.

    A race whose run was ended half-way has none: a table is missing, or older than the table of
    its files, which a run makes first.
    """
    made = scan(
        root,
        tables[FILES_OF_RACES],
        f"{INDEX}/{FILES_OF_RACES}.parquet",
        now,
        settle=NO_SETTLING,
        value=files_content,
    )
    ended = _oldest(tables[name] for name in TABLES)
    return {
        key: value
        for path, value, begun in made.files.select("path", "value", "modified").iter_rows()
        if (key := _key(path)) in ended and begun <= ended[key]
    }


def files_content(table: bytes) -> str:
    """The content that a table of `race_files` lists, named as landed content is."""
    frame = pl.read_parquet(io.BytesIO(table))
    return content_of(frame.select("path", "sha256").iter_rows())


def faults(root: DataRoot, races: Sequence[LandedRace], schedule: pl.DataFrame) -> dict[str, str]:
    """Files of some races that are not what they must be, with the reason, by path.

    Files that a sync brought in were looked at before they were landed.
    """
    from nascar_assets.feed.paths import RACE_KINDS, race_path

    wanted = {race.race_key for race in races}
    manifest = _manifest(root)
    found = {}
    for race in schedule.filter(pl.col("race_key").is_in(sorted(wanted))).iter_rows(named=True):
        for kind in RACE_KINDS:
            path = race_path(kind, race["season"], race["series"], race["race_id"])
            try:
                data = root.read(f"{LANDING}/{path}")
            except StorageFault as error:
                found[f"{LANDING}/{path}"] = str(error)
                continue
            file = parse_path(path)
            if data is None or file is None or manifest.get(path) == sha256(data):
                continue
            try:
                check_race_file(data, file, path)
            except FeedFormatError as error:
                found[f"{LANDING}/{path}"] = str(error)
    return found


def stale_tables(
    root: DataRoot, tables: TableLists, schedule: pl.DataFrame, now: datetime
) -> dict[str, datetime]:
    """The races whose ratings and track profiles rest on what was changed since.

    They rest on results, and through the feature table on the other sources of past races.

    Args:
        tables: Files of the tables of sources, and of those that rest on them.
        now: The time by the machine's clock.
    """
    changed = _changed(root, tables, [source.table for source in FEATURE_SOURCES], now)
    return stale_as_of(schedule, changed, _oldest(tables[name] for name in AS_OF_TABLES))


def rating_runs(
    root: DataRoot, tables: TableLists, schedule: pl.DataFrame, order: Sequence[str], now: datetime
) -> list[tuple[Batch, datetime]]:
    """The runs of ratings that are behind, each with the time since when the last of them is."""
    behind = stale_tables(root, tables, schedule, now)
    found = []
    for keys in stretches(behind, order, LONGEST_STRETCH):
        name = content_of((key, behind[key].isoformat()) for key in keys)
        found.append((Batch(keys, f"as_of:2:{name}"), max(behind[key] for key in keys)))
    return found


def past_since(
    root: DataRoot, tables: TableLists, until: datetime, now: datetime
) -> dict[str, tuple[datetime, datetime]]:
    """Since when what slates read of a past race is what it is, and since when it is known.

    By key of the races that have tables and whose results count as known by a moment.

    Args:
        tables: Files of the tables `OF_PAST_RACES`.
        until: That moment, by the sensors' clock.
        now: The time by the machine's clock.
    """
    changed = _changed(root, tables, OF_PAST_RACES, now)
    known = stored_schedule(root).select("race_key", "results_at").iter_rows()
    return {key: (changed[key], at) for key, at in known if key in changed and at <= until}


def unknown_to_run(
    root: DataRoot,
    past: Mapping[str, tuple[datetime, datetime]],
    race_key: str,
    as_of: datetime,
    made: datetime,
) -> dict[str, datetime]:
    """The other races of which a slate's run does not know what is known by now.

    Args:
        past: What `past_since` found.
        race_key: The slate's own race.
        as_of: What the run was computed as of, by the sensors' clock.
        made: When it was made, by the machine's clock.

    Returns:
        By key, since when it is so, by the machine's clock. Results that landed before they count
        as known become news at that moment.
    """
    found = {}
    for key, (changed, known) in past.items():
        moment = max(changed, made + (known - as_of))
        # A race whose time has passed without a result is no news.
        if (
            key != race_key
            and moment > made
            and (changed > made or _has_rows(root, SOURCE["results"].table, key))
        ):
            found[key] = moment
    return found


def _has_rows(root: DataRoot, table: str, key: str) -> bool:
    """Whether a race's part of a table has rows, by what its file says of itself."""
    return bool(scan_table(root, table, key).select(pl.len()).collect().item())


def _changed(
    root: DataRoot, tables: TableLists, names: Iterable[str], now: datetime
) -> dict[str, datetime]:
    """Since when each race's results and its parts of some tables are what they are, by key."""
    results = SOURCE["results"].table
    changed = since(root, tables, results, now)
    for name in {*names} - {results}:
        for key, moment in since(root, tables, name, now).items():
            if key in changed:
                changed[key] = max(changed[key], moment)
    return changed


def since(root: DataRoot, tables: TableLists, table: str, now: datetime) -> dict[str, datetime]:
    """Since when each race's part of a table has the content that it has, by key."""
    found = scan(root, tables[table], f"{INDEX}/{table}.parquet", now, settle=NO_SETTLING)
    return {_key(path): moment for path, moment in found.files.select("path", "since").iter_rows()}


def _oldest(tables: Iterable[Sequence[StoredFile]]) -> dict[str, datetime]:
    """When the first of some tables was made, by key of the races that have all of them."""
    made = [{_key(item.path): item.modified for item in files} for files in tables]
    every = set.intersection(*(set(times) for times in made))
    return {key: min(times[key] for times in made) for key in every}


def _key(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".parquet")


def _manifest(root: DataRoot) -> dict[str, Any]:
    try:
        value = json.loads(root.read(MANIFEST) or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
