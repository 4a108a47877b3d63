"""The schedule as it is stored and as the landed files make it, and the rows of single races."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.landing import landed_schedules
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.payload import FeedFormatError, Parsed
from nascar_assets.feed.schemas import SCHEDULE
from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan, registrations
from nascar_assets.orchestration.storage.store import scan_table, stored_partitions, table_path
from nascar_assets.storage import DataRoot

Race = Mapping[str, Any]
"""One row of the schedule."""


def stored_schedule(root: DataRoot) -> pl.DataFrame:
    """The schedule's table; empty where it was never made."""
    if not root.exists(table_path("schedule")):
        return pl.DataFrame(schema=SCHEDULE)
    return scan_table(root, "schedule").collect()


def landed_schedule(root: DataRoot) -> Parsed:
    """The schedule that the landed files make; races keep the keys that they have.

    The key of a race that is listed no more goes to no other where a slate or a table is of it.
    Where a season's file cannot be read as one, its races stay as they are stored, and so does a
    race that was run and is listed no more.
    """
    stored = stored_schedule(root)
    known = _given_keys(root, stored)
    schedules, unread = landed_schedules(root)
    notices = [f"{why}. The races of {season} stay as they were." for season, why in unread.items()]
    kept = [stored.filter(season=season) for season in unread]
    readable = {}
    for season, data in schedules.items():
        try:
            parse_schedule({season: data})
        except FeedFormatError as error:
            notices.append(f"{error} The races of {season} stay as they were.")
            kept.append(stored.filter(season=season))
        else:
            readable[season] = data
    frame = parse_schedule(readable, known, notices)
    lost = stored.filter(pl.col("season").is_in(list(readable)), status="complete").join(
        frame, on="race_id", how="anti"
    )
    if lost.height:
        kept.append(lost)
        notices += [
            f"The schedule no longer lists {key} ({name}), which was run and stays as it was."
            for key, name in lost.select("race_key", "race_name").iter_rows()
        ]
    if kept:
        by = ["start_time", "series", pl.col("race_id").cast(pl.Int64)]
        frame = pl.concat([frame, *kept]).sort(by)
    return Parsed(frame, tuple(notices))


def _given_keys(root: DataRoot, stored: pl.DataFrame) -> dict[str, str]:
    """Race keys by race id: of the stored schedule, and of slates and tables whose race left it."""
    known = dict(stored.select("race_id", "race_key").iter_rows())
    taken = set(known.values())
    slates = {there.race_id: there.race_key for there in registrations(root)[0].values()}
    left = {race_id: key for race_id, key in slates.items() if key not in taken}
    for key in set(stored_partitions(root, "entries")) - taken - set(left.values()):
        rows = scan_table(root, "entries", key).select("race_id").head(1).collect()
        left.update(dict.fromkeys(rows["race_id"], key))
    return left | known


def race_of(root: DataRoot, slate: Registration | SlatePlan) -> Race:
    """The schedule's row of a slate's race.

    Raises:
        InputError: If the schedule does not have the race, also where its key is another's.
    """
    row = schedule_rows(root, [slate.race_key], known_only=True).get(slate.race_key)
    if row is None or row["race_id"] != slate.race_id:
        listed = stored_schedule(root).filter(race_id=slate.race_id)["race_key"]
        there = f"has as {listed[0]}" if listed.len() else "does not have"
        now = f"; that key is race {row['race_id']} ({row['race_name']}) now" if row else ""
        raise InputError(
            f"The slate {slate.slate_id} is of race {slate.race_id} ({slate.race_key}), which the "
            f"schedule {there}{now}.",
            remedy="Add its salary file again (nascar slate add SALARIES.csv): a slate under the "
            "race's new key."
            if listed.len()
            else "Sync the season's schedule (nascar sync). If another race was put in its "
            "place, add that race's salary file (nascar slate add SALARIES.csv): a slate of its "
            "own.",
        )
    return row


def schedule_rows(
    root: DataRoot, keys: Sequence[str], *, known_only: bool = False
) -> dict[str, Race]:
    """The schedule's rows of some races by partition key.

    Args:
        known_only: Leaves out keys that the schedule does not hold.

    Raises:
        InputError: If a key is not in the schedule.
    """
    rows: dict[str, Race] = {
        str(row["race_key"]): row
        for row in scan_table(root, "schedule")
        .filter(pl.col("race_key").is_in(list(keys)))
        .collect()
        .iter_rows(named=True)
    }
    unknown = [key for key in keys if key not in rows]
    if unknown and not known_only:
        raise InputError(
            f"The schedule holds no race {', '.join(unknown)}.",
            remedy="Sync the season's schedule first (nascar sync).",
        )
    return rows
