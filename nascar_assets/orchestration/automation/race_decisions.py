"""Which races to run for what has landed: pure decisions over hashes and times.

What landed is compared with what the stored tables were made from, not with a list of what was
touched: whatever happened in between (a killed sync, a daemon that was off, a file put there by
hand), the next scan finds what is not up to date, and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from nascar_assets.orchestration.partitions import stretches

SINGLE_RUNS = 3
"""Up to so many races get a run each; more share runs."""

LONGEST_STRETCH = 400
"""Races in one run at most."""


@dataclass(frozen=True, slots=True)
class LandedRace:
    """A race's files by content.

    Attributes:
        race_key: The race's partition key.
        content: Names the content of all its files.
        run_key: Names the content together with the time since when it lies there, so that content
            that comes back after another one is run again.
    """

    race_key: str
    content: str
    run_key: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Races for one run: neighbours in the order of the partitions.

    Attributes:
        keys: Partition keys in that order.
        run_key: Names the races with their content.
    """

    keys: tuple[str, ...]
    run_key: str


def content_of(files: Iterable[tuple[str, str]]) -> str:
    """Names the content of several files, given as path and hash."""
    text = "\n".join(f"{path}={digest}" for path, digest in sorted(files))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def landed_races(
    files: pl.DataFrame, race_of: Mapping[str, str]
) -> tuple[dict[str, LandedRace], list[str]]:
    """The landed files race by race.

    Args:
        files: Table with `path`, `value` (hash) and `since`, one row per file.
        race_of: Race key by path, for every path that belongs to a known race.

    Returns:
        Races by key, and the paths that belong to no known race.
    """
    grouped: dict[str, list[tuple[str, str, str]]] = {}
    unknown = []
    for path, value, since in files.select("path", "value", "since").iter_rows():
        key = race_of.get(path)
        if key is None:
            unknown.append(path)
        else:
            grouped.setdefault(key, []).append((path, value, since.isoformat()))
    races = {}
    for key, rows in grouped.items():
        content = content_of((path, value) for path, value, _ in rows)
        lying = content_of((path, f"{value}@{since}") for path, value, since in rows)
        races[key] = LandedRace(key, content, f"race:{key}:{lying}")
    return races, unknown


def stale_races(
    landed: Mapping[str, LandedRace], materialised: Mapping[str, str]
) -> list[LandedRace]:
    """The races whose tables were made from other files than have landed, by key.

    Args:
        landed: Races with landed files.
        materialised: Content that each race's tables were made from, by race key.
    """
    return [race for key, race in sorted(landed.items()) if materialised.get(key) != race.content]


def batches(stale: Sequence[LandedRace], order: Sequence[str]) -> list[Batch]:
    """The runs for some races: one each for a few, one for neighbours where there are many.

    Args:
        order: All partition keys in the order in which they are registered.
    """
    if len(stale) <= SINGLE_RUNS:
        return [Batch((race.race_key,), race.run_key) for race in stale]
    wanted = {race.race_key: race for race in stale}
    return [
        Batch(keys, f"races:{content_of((key, wanted[key].run_key) for key in keys)}")
        for keys in stretches(wanted, order, LONGEST_STRETCH)
    ]


def singles(batch: Batch, stale: Sequence[LandedRace]) -> list[Batch]:
    """A batch taken apart: one bad race in it must not keep the others from being run."""
    members = set(batch.keys)
    return [Batch((race.race_key,), race.run_key) for race in stale if race.race_key in members]


def stale_as_of(
    schedule: pl.DataFrame,
    results_since: Mapping[str, datetime],
    made: Mapping[str, datetime],
) -> dict[str, datetime]:
    """The races whose tables as of their start are older than results that they rest on.

    They rest on the results of every earlier race, and on their own for who was in the race.

    Args:
        schedule: Table with `race_key` and `start_time`.
        results_since: Since when each race's results are what they are, by race key.
        made: When each race's tables as of its start were made, by race key.

    Returns:
        By race key in date order, since when the newest result that the race rests on is there.
    """
    rows = sorted(
        (start, key)
        for key, start in schedule.select("race_key", "start_time").iter_rows()
        if key in results_since
    )
    found: dict[str, datetime] = {}
    newest: datetime | None = None  # over all races that started earlier
    waiting: list[datetime] = []  # of races with the same start
    before: datetime | None = None
    for start, key in rows:
        if start != before:
            newest = max([*waiting, *([newest] if newest else [])], default=None)
            waiting, before = [], start
        own = results_since[key]
        waiting.append(own)
        needed = own if newest is None else max(own, newest)
        if key not in made or made[key] < needed:
            found[key] = needed
    return found
