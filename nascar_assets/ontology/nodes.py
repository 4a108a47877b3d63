"""The nodes of the ontology as frozen values, checked when they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from nascar_assets.errors import InputError


@dataclass(frozen=True, slots=True)
class DriverNode:
    """One driver. Values lie in [0, 1]; `_se` is the standard error of the estimate.

    Attributes:
        driver_id: The feed's id.
        name: As people know him.
        team: Team by the entry list, else by the last race; none where unknown.
        manufacturer: Of his car, none where unknown.
        series: Where he raced last; empty where unknown.
        skill: 0.5 is neutral.
        skill_se: Standard error of skill.
        psyche_aggression: Involvement in accidents net of skill.
        psyche_aggression_se: Its standard error.
        shadow_risk: Retirements and race-to-race spread.
        shadow_risk_se: Its standard error.
        realpolitik_pos: Advantage from team and equipment.
        realpolitik_pos_se: Its standard error.
        races: Past races that the estimate used.
        newcomer: Whether history knows nothing of him.
        data_through: Start of the last race that the estimate used; none for a newcomer.
        min_laps_led: A person's bound.
        max_laps_led: A person's bound; none without one.
        overridden: Names of the fields that a person set.
        override_notes: Who, when, why, and what the estimate had been.
        vetoes: Codes of the veto rules that name him.
    """

    driver_id: str
    name: str
    team: str | None
    manufacturer: str | None
    series: str
    skill: float
    skill_se: float
    psyche_aggression: float
    psyche_aggression_se: float
    shadow_risk: float
    shadow_risk_se: float
    realpolitik_pos: float
    realpolitik_pos_se: float
    races: int
    newcomer: bool
    data_through: datetime | None
    min_laps_led: int = 0
    max_laps_led: int | None = None
    overridden: tuple[str, ...] = ()
    override_notes: tuple[str, ...] = ()
    vetoes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(
            f"driver {self.driver_id!r}",
            self,
            ("skill", "psyche_aggression", "shadow_risk", "realpolitik_pos"),
        )
        if not self.driver_id:
            raise InputError("A driver has no id.", field="driver_id")
        if self.max_laps_led is not None and self.max_laps_led < self.min_laps_led:
            raise InputError(
                f"Driver {self.driver_id} would have to lead at least {self.min_laps_led} and at "
                f"most {self.max_laps_led} laps.",
                field="max_laps_led",
                remedy="Change or clear one of the two overrides.",
            )


@dataclass(frozen=True, slots=True)
class TrackNode:
    """One track. Values lie in [0, 1]; `_se` is the standard error of the estimate.

    Attributes:
        track_id: The feed's id.
        name: As people know it.
        track_type: superspeedway, intermediate, short or road.
        length_miles: Of one lap.
        difficulty: How slowly the order changes.
        difficulty_se: Its standard error.
        aggression_factor: Size of accidents.
        aggression_factor_se: Its standard error.
        caution_rate: Cautions per mile against the average track.
        caution_rate_se: Its standard error.
        pit_window_laps: Ascending laps by which a full tank is used up; empty where unknown.
        races: Past races that the estimate used.
        data_through: Start of the last race that the estimate used; none for a new track.
        overridden: Names of the fields that a person set.
        override_notes: Who, when, why, and what the estimate had been.
        vetoes: Codes of the veto rules that name it.
    """

    track_id: str
    name: str
    track_type: str
    length_miles: float
    difficulty: float
    difficulty_se: float
    aggression_factor: float
    aggression_factor_se: float
    caution_rate: float
    caution_rate_se: float
    pit_window_laps: tuple[int, ...]
    races: int
    data_through: datetime | None
    overridden: tuple[str, ...] = ()
    override_notes: tuple[str, ...] = ()
    vetoes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.track_id:
            raise InputError("A track has no id.", field="track_id")
        _check(
            f"track {self.track_id!r}", self, ("difficulty", "aggression_factor", "caution_rate")
        )
        laps = self.pit_window_laps
        if list(laps) != sorted(set(laps)) or (laps and laps[0] < 1):
            raise InputError(
                f"Track {self.track_id!r} needs pit windows that are positive and ascend; "
                f"got {list(laps)}.",
                field="pit_window_laps",
            )


@dataclass(frozen=True, slots=True)
class RaceNode:
    """One race of the schedule; nothing of its outcome.

    Attributes:
        race_id: The feed's id.
        race_key: The race's partition key.
        name: Its name.
        series: cup, xfinity or trucks.
        season: Its year.
        track_id: Where.
        start_time: When (UTC).
        scheduled_laps: 0 where unknown.
    """

    race_id: str
    race_key: str
    name: str
    series: str
    season: int
    track_id: str
    start_time: datetime
    scheduled_laps: int


def _check(what: str, node: object, units: tuple[str, ...]) -> None:
    for name in units:
        value, error = getattr(node, name), getattr(node, f"{name}_se")
        if not isinstance(value, float) or not 0.0 <= value <= 1.0:
            raise InputError(f"The value of {what} must lie in [0, 1]; got {value!r}.", field=name)
        if not isinstance(error, float) or not math.isfinite(error) or error < 0:
            raise InputError(
                f"The standard error of {what} must be at least 0; got {error!r}.",
                field=f"{name}_se",
            )
