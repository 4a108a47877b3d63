"""The registry of sources: what a forecast may know, where it lies, since when it is known.

Whatever has to be done for every source is derived from here: the proof of the availability
contract, what features are built from, which races a change makes stale, which assets depend on
it, what a slate's freshness check compares. A new source is one entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.parse_practice import parse_practice
from nascar_assets.feed.payload import Parsed, Payload
from nascar_assets.feed.schemas import (
    ENTRIES,
    LAP_SUMMARY,
    PRACTICE,
    RACE_OF_SUMMARY,
    RESULTS,
    VIEWS,
)

Columns = Mapping[str, "pl.DataType | type[pl.DataType]"]
Parse = Callable[[Payload, Mapping[str, Any], pl.DataFrame | None], Parsed]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """When the records of a source become known.

    Attributes:
        time_column: The moment at which a record becomes known (with a time zone).
        later: Columns of the record that become known later than the record itself, by the column
            that says when.
    """

    time_column: str
    later: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))

    def check(self, source: str, table: pl.DataFrame) -> None:
        """Refuse a table that does not say when its records become known.

        Raises:
            InputError: If a time column is missing, has no zone, or has gaps.
        """
        for name in (self.time_column, *self.later):
            kind = table.schema.get(name)
            if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
                raise InputError(
                    f"The source {source} has no column {name} of times with a zone.", field=name
                )
            if table[name].null_count():
                raise InputError(
                    f"{table[name].null_count()} records of {source} lack {name}.", field=name
                )

    def count_late(self, table: pl.DataFrame, as_of: datetime) -> int:
        """Records, or records with values, that become known after the as-of time."""
        late = pl.col(self.time_column) > as_of
        for name, columns in self.later.items():
            if columns.intersection(table.columns):
                late = late | (pl.col(name) > as_of)
        return int(table.select(late.sum()).item())


@dataclass(frozen=True, slots=True, eq=False)  # each is itself: tables are kept by source
class Source:
    """One thing that a forecast may know.

    Attributes:
        name: Its name among the tables that a builder of features is given.
        table: The asset, one partition a race, that stores it.
        label: What it is called in messages.
        columns: Its columns.
        known_at: The column that says since when a record is known.
        later: Columns of a record that become known later than the record itself, by the column
            that says when.
        parse: From a file of the feed, the race's row of the schedule and its entries (names and
            ids of its drivers) to the table; none where an asset of its own makes it.
        file: The kind of that file, one of `RACE_KINDS`.
        key: Columns besides `race_id` of which no two rows are the same.
        of_the_race: Whether a slate reads the records of its own race (entry list, practice);
            otherwise records of earlier races alone.
        stand_in: What a forecast goes by where there are none of its records.
    """

    name: str
    table: str
    label: str
    columns: Columns
    known_at: str
    later: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    of_the_race: bool = False
    stand_in: str = ""
    parse: Parse | None = None
    file: str = ""
    key: tuple[str, ...] = ("driver_id",)

    @property
    def knowledge(self) -> Knowledge:
        """When its records become known, as the experiment of the contract asks for it."""
        return Knowledge(self.known_at, self.later)

    def as_known(self, table: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        """Its records with the columns that become known later null where they were not yet."""
        return table.with_columns(
            pl.when(pl.col(since) <= as_of).then(pl.col(name)).alias(name)
            for since, names in self.later.items()
            for name in sorted(names)
        )

    def before_later(self, table: pl.DataFrame) -> pl.DataFrame:
        """Its records before any of the columns that become known later was."""
        names = sorted({name for names in self.later.values() for name in names})
        return table.with_columns(pl.lit(None, self.columns[name]).alias(name) for name in names)


SOURCES: tuple[Source, ...] = (
    Source(
        "entries",
        "entries",
        "entry list",
        ENTRIES,
        "entries_at",
        MappingProxyType(
            {"qualifying_at": frozenset({"start", "qualifying_position", "qualifying_speed_mph"})}
        ),
        of_the_race=True,
        stand_in="the drivers of the salary file, each in the car of his last race",
    ),
    Source(
        "results",
        "race_results",
        "results",
        RESULTS,
        "results_at",
        stand_in="every driver is rated as a newcomer",
    ),
    Source(
        "practice",
        "practice",
        "practice",
        PRACTICE,
        "qualifying_at",
        of_the_race=True,
        stand_in="levels rest on ratings, and on qualifying where that is known",
        parse=parse_practice,
        file="lap_averages",
        key=("session", "driver_id"),
    ),
    Source(
        "lap_summaries",
        "lap_summaries",
        "laps",
        {**LAP_SUMMARY, **RACE_OF_SUMMARY},
        "results_at",
        stand_in="levels rest on results without laps",
    ),
)
"""Every source; features and ratings are built from these and from nothing else."""

SOURCE: Mapping[str, Source] = MappingProxyType({source.name: source for source in SOURCES})
"""The sources by name."""

KNOWLEDGE: Mapping[str, Knowledge] = MappingProxyType(
    {source.name: source.knowledge for source in SOURCES}
)
"""When the records of each source become known."""

TABLES: frozenset[str] = frozenset(source.table for source in SOURCES)
"""The assets that store sources."""

PARSED: tuple[Source, ...] = tuple(source for source in SOURCES if source.parse is not None)
"""Each made from one file of the feed for a race and the race's entries, nothing else."""

FEATURE_SOURCES: tuple[Source, ...] = tuple(
    source for source in SOURCES if source.name not in ("entries", "results")
)
"""What features of past races are built from beside the races' results, which name the field."""

OF_THE_RACE: tuple[Source, ...] = tuple(source for source in SOURCES if source.of_the_race)
"""What a slate reads of its own race."""

PEOPLES_VIEWS = Source("views", "slate_views", "people's views", VIEWS, "landed_at")
"""What people stated of one slate's race: no feature is built from it, scenarios are moved by it.
Its asset has a partition a slate. What landed after the as-of time does not count."""
