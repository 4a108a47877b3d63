"""The ontology as of a date: nodes from history, newcomers, and people's overrides laid over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.history.schemas import DRIVER_VALUES, TRACK_VALUES
from nascar_assets.ontology.apply import apply_overrides
from nascar_assets.ontology.canonical import content_hash
from nascar_assets.ontology.newcomers import new_tracks, with_entrants
from nascar_assets.ontology.nodes import DriverNode, RaceNode, TrackNode
from nascar_assets.ontology.overrides import UNIT_FIELDS, Statement, in_force

STATE_FORMAT = 1
"""Changes when the same content would be stored differently."""

_RACE_COLUMNS = (
    "race_id",
    "race_key",
    "race_name",
    "series",
    "season",
    "track_id",
    "track_name",
    "track_type",
    "track_length_miles",
    "start_time",
    "scheduled_laps",
)


@dataclass(frozen=True, slots=True)
class OntologyState:
    """Everything that a graph holds, as of a date.

    Attributes:
        as_of: Nothing later was used.
        drivers: Ascending by id.
        tracks: Ascending by id.
        races: Ascending by id.
        overrides: People's overrides in force.
        vetoes: People's vetoes in force.
        notices: What a person should know, such as an override of an unknown driver.
        hash: SHA-256 of the content, notices left out; names the state.
    """

    as_of: datetime
    drivers: tuple[DriverNode, ...]
    tracks: tuple[TrackNode, ...]
    races: tuple[RaceNode, ...]
    overrides: tuple[Statement, ...] = ()
    vetoes: tuple[Statement, ...] = ()
    notices: tuple[str, ...] = ()
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise InputError("An as-of time needs its zone.", field="as_of")
        object.__setattr__(self, "as_of", self.as_of.astimezone(UTC))
        for name, nodes, key in (
            ("driver", self.drivers, "driver_id"),
            ("track", self.tracks, "track_id"),
            ("race", self.races, "race_id"),
        ):
            _refuse_doubles(name, [getattr(node, key) for node in nodes])
        content = {
            "format": STATE_FORMAT,
            "as_of": self.as_of,
            "drivers": [asdict(node) for node in self.drivers],
            "tracks": [asdict(node) for node in self.tracks],
            "races": [asdict(node) for node in self.races],
            "overrides": [asdict(entry) for entry in self.overrides],
            "vetoes": [asdict(entry) for entry in self.vetoes],
        }
        object.__setattr__(self, "hash", content_hash(content))

    @property
    def data_through(self) -> datetime | None:
        """Start of the last race that any estimate used; none where nothing was."""
        nodes: list[DriverNode | TrackNode] = [*self.drivers, *self.tracks]
        return max((n.data_through for n in nodes if n.data_through), default=None)


def build_state(
    driver_values: pl.DataFrame,
    track_values: pl.DataFrame,
    schedule: pl.DataFrame,
    overrides: Iterable[Statement] = (),
    as_of: datetime | None = None,
    *,
    entrants: pl.DataFrame | None = None,
) -> OntologyState:
    """The ontology as of a date.

    Args:
        driver_values: `DRIVER_VALUES`, estimated from what was known as of the date.
        track_values: `TRACK_VALUES`, likewise.
        schedule: `SCHEDULE`: the races to hold, past and to come. Only what is known beforehand
            is read; a track that history has not seen gets neutral values.
        overrides: What people entered, in the order of their times. All of it is laid over, also
            what was entered after `as_of`: that is a person's choice, and a notice says so.
        as_of: The date.
        entrants: Drivers of a slate or an entry list (`driver_id`, `driver_name`, `team`,
            `manufacturer`). Their teams replace those of the past; drivers whom history does not
            know get nodes of their own.

    Returns:
        The state.

    Raises:
        InputError: If a column is missing, an id occurs twice, a value lies outside its range, or
            an estimate used data from after `as_of`.
    """
    if as_of is None:
        raise InputError("An ontology needs the date as of which it is built.", field="as_of")
    _require(driver_values, DRIVER_VALUES, "driver values")
    _require(track_values, TRACK_VALUES, "track values")
    _require(schedule, _RACE_COLUMNS, "schedule")
    drivers = [_driver(row) for row in driver_values.iter_rows(named=True)]
    tracks = [_track(row) for row in track_values.iter_rows(named=True)]
    estimated: list[DriverNode | TrackNode] = [*drivers, *tracks]
    for node in estimated:
        if node.data_through is not None and node.data_through > as_of:
            raise InputError(
                f"The estimate for {node.name!r} used data up to {node.data_through.isoformat()}, "
                f"after the as-of date {as_of.isoformat()}.",
                field="data_through",
                remedy="Estimate it as of the date.",
            )
    tracks += new_tracks(tracks, schedule)
    if entrants is not None:
        _require(entrants, ("driver_id", "driver_name", "team", "manufacturer"), "entrants")
        drivers = with_entrants(drivers, entrants)
    set_by_people, vetoes = in_force(overrides)
    drivers, tracks, notices = apply_overrides(drivers, tracks, set_by_people, vetoes)
    for entry in (*set_by_people, *vetoes):
        if entry.at > as_of:
            notices.append(
                f"{entry.subject} {entry.subject_id}: entered after the as-of date, applied "
                f"nevertheless: {entry.note}"
            )
    races = schedule.select(_RACE_COLUMNS).iter_rows(named=True)
    return OntologyState(
        as_of=as_of,
        drivers=tuple(sorted(drivers, key=lambda node: node.driver_id)),
        tracks=tuple(sorted(tracks, key=lambda node: node.track_id)),
        races=tuple(sorted(map(_race, races), key=lambda node: node.race_id)),
        overrides=set_by_people,
        vetoes=vetoes,
        notices=tuple(notices),
    )


def _require(table: pl.DataFrame, columns: Iterable[str], name: str) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError(f"The table of {name} lacks the columns {', '.join(missing)}.")


def _refuse_doubles(name: str, ids: list[str]) -> None:
    doubles = sorted(id_ for id_, times in Counter(ids).items() if times > 1)
    if doubles:
        raise InputError(f"The {name} ids {', '.join(doubles)} occur more than once.")


def _number(row: dict[str, Any], what: str, column: str) -> float:
    value = row[column]
    if value is None:
        raise InputError(f"{what} has no {column}.", field=column)
    return float(value)


def _units(row: dict[str, Any], what: str, columns: Iterable[str]) -> dict[str, Any]:
    """Values with their standard errors."""
    return {
        name: _number(row, what, name) for column in columns for name in (column, f"{column}_se")
    }


def _driver(row: dict[str, Any]) -> DriverNode:
    what = f"Driver {row['driver_id']!r}"
    units = _units(row, what, UNIT_FIELDS["driver"])
    return DriverNode(
        driver_id=str(row["driver_id"] or ""),
        name=row["name"] or str(row["driver_id"]),
        team=row["team"] or None,
        manufacturer=row["manufacturer"] or None,
        series=row["series"] or "",
        races=int(row["races"] or 0),
        newcomer=False,
        data_through=row["data_through"],
        **units,
    )


def _track(row: dict[str, Any]) -> TrackNode:
    what = f"Track {row['track_id']!r}"
    units = _units(row, what, UNIT_FIELDS["track"])
    return TrackNode(
        track_id=str(row["track_id"] or ""),
        name=row["name"] or str(row["track_id"]),
        track_type=row["track_type"] or "",
        length_miles=_number(row, what, "length_miles"),
        pit_window_laps=tuple(row["pit_window_laps"] or ()),
        races=int(row["races"] or 0),
        data_through=row["data_through"],
        **units,
    )


def _race(row: dict[str, Any]) -> RaceNode:
    for column in ("race_id", "race_key", "track_id", "start_time"):
        if row[column] is None:
            raise InputError(f"Race {row['race_id']!r} has no {column}.", field=column)
    return RaceNode(
        race_id=row["race_id"],
        race_key=row["race_key"],
        name=row["race_name"] or row["race_key"],
        series=row["series"] or "",
        season=int(row["season"] or 0),
        track_id=row["track_id"],
        start_time=row["start_time"],
        scheduled_laps=int(row["scheduled_laps"] or 0),
    )
