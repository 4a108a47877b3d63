"""The stages of a race week at which a forecast may be made: what is known by each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.rules.race_day import EASTERN


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the week.

    Attributes:
        name: Its key in commands and files.
        entry_list: Whether the entry list is.
        grid: Whether qualifying and the starting order are.
    """

    name: str
    entry_list: bool = True
    grid: bool = False

    def as_of(self, race: Mapping[str, Any], entries: pl.DataFrame) -> datetime:
        """When the stage of a race is.

        - `monday`: noon Eastern of the Monday before the race, or an hour before its entry list
          where that is out earlier.
        - `entry-list`: when the entry list is known.
        - `practice`, `qualifying`: when the weekend's practice and qualifying are known; the feed
          dates both alike, so the first withholds the starting order and qualifying speeds.
        - `start`: the start.

        Args:
            race: The race's SCHEDULE row.
            entries: Its ENTRIES.
        """
        start: datetime = race["start_time"]
        if self.name == "start":
            return start
        listed: datetime = entries["entries_at"].min()  # type: ignore[assignment]
        if self.name == "entry-list":
            return min(listed, start)
        if self.entry_list:
            qualified: datetime = entries["qualifying_at"].max()  # type: ignore[assignment]
            return min(qualified or start, start)
        day = start.astimezone(EASTERN).date()
        monday = day - timedelta(days=day.weekday() or 7)
        noon = datetime.combine(monday, time(12), EASTERN).astimezone(start.tzinfo)
        return min(noon, listed - timedelta(hours=1))


STAGES: tuple[Stage, ...] = (
    Stage("monday", entry_list=False),
    Stage("entry-list"),
    Stage("practice"),
    Stage("qualifying", grid=True),
    Stage("start", grid=True),
)
"""The stages in the order of the week."""

START = STAGES[-1]


def stage(name: str) -> Stage:
    """The stage of a name.

    Raises:
        InputError: If there is none.
    """
    for item in STAGES:
        if item.name == name:
            return item
    raise InputError(
        f"There is no stage {name!r} of a race week.",
        field="--as-of",
        remedy=f"Name one of {', '.join(item.name for item in STAGES)}, or all.",
    )
