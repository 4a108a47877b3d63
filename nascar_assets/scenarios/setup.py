"""The race to simulate: its entries, its length, its stages, its track."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import TRACK_TYPES

FIELD_SIZES = (6, 50)
"""Fewest and most cars of a field."""
RACE_LAPS = (40, 600)
"""Fewest and most scheduled laps."""


class RaceSetupError(InputError):
    """A race that cannot be simulated as it stands."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One car of a race to come.

    Attributes:
        driver_id: The feed's id, or any unique text where no feed knows the driver.
        name: The driver's name.
        team: Team by the entry list.
        manufacturer: Make of the car.
        start: Place from 1 in which the car runs off; none before qualifying, it is then drawn per
            scenario.
        level: Expected within-race normal score of the finish (the table RATINGS' `level`).
        level_sd: Its standard deviation; it widens the race-day spread of every scenario.
        skill_reference: The ontology's own estimate of skill to which `level` belongs. Only a
            spec's difference from it moves the level.
        scored_start: Start that contest points count from, where that is another place than the
            car runs off in; none where it is the same.
    """

    driver_id: str
    name: str = ""
    team: str = ""
    manufacturer: str = ""
    start: int | None = None
    level: float = 0.0
    level_sd: float = 0.0
    skill_reference: float = 0.5
    scored_start: int | None = None


def track_type_by_length(length_miles: float | None) -> str:
    """The track type that an oval of this length usually has; intermediate where unknown.

    Ovals below 1.1 miles race as short tracks; those of 2.4 miles or more without a type are
    taken for intermediates too, since drafting depends on the rules package and is declared.

    Args:
        length_miles: Length of a lap in miles, or none.
    """
    if length_miles is not None and length_miles < 1.1:
        return "short"
    return "intermediate"


def inner_stage_ends(ends: Iterable[int] | None, scheduled_laps: int) -> tuple[int, ...]:
    """The stage ends that lie within a race, as `RaceSetup` takes them.

    A schedule and a weekend's file can give a race different lengths.

    Args:
        ends: Laps on which the stages end by the schedule; none where it gives none.
        scheduled_laps: Laps of the race.
    """
    return tuple(int(end) for end in ends or () if 0 < end < scheduled_laps)


@dataclass(frozen=True, slots=True)
class RaceSetup:
    """Everything about a race that the simulation needs besides the constraint spec.

    Attributes:
        race_id: The feed's id.
        track_id: The feed's id of the track.
        track_type: One of `TRACK_TYPES`; anything else falls back on a prior by length, which
            `notices` says.
        scheduled_laps: 40 to 600.
        stage_ends: Laps on which the stages end, ascending, the last one left out.
        entries: 6 to 50 cars.
        track_length: Miles, where known.
        notices: What was assumed; filled on construction.

    Raises:
        RaceSetupError: Duplicate or nameless drivers, starting positions out of range or taken
            twice, a level that is not a number, laps, stages or field out of range.
    """

    race_id: str
    track_id: str
    track_type: str
    scheduled_laps: int
    stage_ends: tuple[int, ...]
    entries: tuple[Entry, ...]
    track_length: float | None = None
    notices: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stage_ends", tuple(int(lap) for lap in self.stage_ends))
        object.__setattr__(self, "entries", tuple(self.entries))
        self._check_race()
        self._check_entries()
        self._check_starts()
        if self.track_type not in TRACK_TYPES:
            assumed = track_type_by_length(self.track_length)
            notice = (
                f"The track has the unknown type {self.track_type!r}; "
                f"taken as {assumed} by its length ({self.track_length} miles)."
            )
            object.__setattr__(self, "track_type", assumed)
            object.__setattr__(self, "notices", (*self.notices, notice))

    @property
    def driver_ids(self) -> tuple[str, ...]:
        """Ids of the entries, in their order."""
        return tuple(entry.driver_id for entry in self.entries)

    @property
    def scored_starts(self) -> tuple[int, ...] | None:
        """Starts that points count from, in the entries' order; none where all are the starts."""
        starts = tuple(entry.scored_start or entry.start or 0 for entry in self.entries)
        return starts if any(entry.scored_start for entry in self.entries) else None

    def _check_race(self) -> None:
        low, high = RACE_LAPS
        if not low <= self.scheduled_laps <= high:
            raise RaceSetupError(
                f"Race {self.race_id} has {self.scheduled_laps} scheduled laps; "
                f"races of {low} to {high} laps can be simulated.",
                field="scheduled_laps",
            )
        ends = self.stage_ends
        ascending = all(a < b for a, b in pairwise(ends))
        if not ascending or any(not 0 < end < self.scheduled_laps for end in ends):
            raise RaceSetupError(
                f"Race {self.race_id}: stage ends {ends} must ascend within "
                f"1 to {self.scheduled_laps - 1}.",
                field="stage_ends",
                remedy="Leave out the last stage, which ends with the race.",
            )
        low, high = FIELD_SIZES
        if not low <= len(self.entries) <= high:
            raise RaceSetupError(
                f"Race {self.race_id} has {len(self.entries)} entries; "
                f"fields of {low} to {high} cars can be simulated.",
                remedy=None
                if len(self.entries) < low
                else "Before its entry list is known every driver of the salary file races: wait "
                "for the list (nascar sync), or leave rows of who will not race out of the file.",
                field="entries",
            )

    def _check_entries(self) -> None:
        seen: set[str] = set()
        for row, entry in enumerate(self.entries):
            if not entry.driver_id or entry.driver_id in seen:
                raise RaceSetupError(
                    f"Race {self.race_id}: entry {row} has the driver id {entry.driver_id!r}, "
                    "which is empty or already entered.",
                    field="driver_id",
                )
            seen.add(entry.driver_id)
            if not math.isfinite(entry.level):
                raise RaceSetupError(
                    f"Driver {entry.driver_id} has the level {entry.level}.", field="level"
                )
            if not (math.isfinite(entry.level_sd) and entry.level_sd >= 0.0):
                raise RaceSetupError(
                    f"Driver {entry.driver_id} has the level_sd {entry.level_sd}; "
                    "it must be a number of at least 0.",
                    field="level_sd",
                )
            if not 0.0 <= entry.skill_reference <= 1.0:
                raise RaceSetupError(
                    f"Driver {entry.driver_id} has the skill_reference {entry.skill_reference}; "
                    "it must lie in [0, 1].",
                    field="skill_reference",
                )

    def _check_starts(self) -> None:
        holders: dict[int, str] = {}
        size = len(self.entries)
        for entry in self.entries:
            if entry.start is None:
                continue
            if not 1 <= entry.start <= size:
                raise RaceSetupError(
                    f"Driver {entry.driver_id} starts {entry.start}. of {size} cars.",
                    field="start",
                    remedy="Close the gaps that withdrawn cars leave, or leave starts open.",
                )
            if entry.start in holders:
                raise RaceSetupError(
                    f"Drivers {holders[entry.start]} and {entry.driver_id} both start "
                    f"{entry.start}.",
                    field="start",
                )
            holders[entry.start] = entry.driver_id
        scored = self.scored_starts
        if scored is not None and sorted(scored) != list(range(1, size + 1)):
            raise RaceSetupError(
                f"Race {self.race_id}: scored starts are not each place from 1 to {size} once.",
                field="scored_start",
            )
