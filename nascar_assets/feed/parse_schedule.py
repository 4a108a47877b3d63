"""Schedules of seasons to one table of races."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import accumulate
from typing import Any

import polars as pl

from nascar_assets.feed.paths import schedule_path
from nascar_assets.feed.payload import (
    LARGEST,
    FeedFormatError,
    Payload,
    decoded,
    integer,
    number,
    records,
    required,
    text,
    truth,
)
from nascar_assets.feed.schemas import SCHEDULE, SERIES
from nascar_assets.feed.times import (
    entries_known,
    known_after_qualifying_races,
    qualifying_known,
    race_start,
    results_known,
    with_readable_dates,
)
from nascar_assets.feed.tracks import describe_track

_RACE_TYPES = {1: "points", 2: "exhibition"}


def parse_schedule(
    payloads: Mapping[int, Payload],
    known_keys: Mapping[str, str] | None = None,
    notices: list[str] | None = None,
) -> pl.DataFrame:
    """The races of several seasons, all series, in the order of their starts.

    A race that cannot be placed (of an unknown type or series, of another season than its file,
    without an id, a track or a date, listed a second time) is left out and the others are read.

    Args:
        payloads: Schedule file by season: an object with one list per series (`series_1`, ...),
            or one list of races.
        known_keys: Race keys given before, by race id; a race keeps its key when the schedule
            moves.
        notices: Gets a sentence for each race left out and each value left out.

    Returns:
        A table `SCHEDULE`, sorted by start, series and race id.

    Raises:
        FeedFormatError: If a file does not have the feed's form, or none of its races can be
            placed; names file and field.
    """
    notices = [] if notices is None else notices
    rows: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    for season in sorted(payloads):
        file = schedule_path(season)
        listed = _races(payloads[season], file)
        faults = []
        for where, race in listed:
            try:
                row = _race_row(race, season, file, where, notices)
                race_id = row["race_id"]
                if race_id in seen:
                    raise FeedFormatError(
                        f"Race {race_id} is listed twice, also as {seen[race_id]}.",
                        file=file,
                        field=where,
                    )
            except FeedFormatError as error:
                faults.append(error)
                continue
            seen[race_id] = f"{file}, {where}"
            rows.append(row)
        if faults and len(faults) == len(listed):
            raise faults[0]
        notices += [f"{fault} The race is left out; the others are read." for fault in faults]
    rows.sort(key=lambda row: (row["start_time"], row["series"], int(row["race_id"])))
    _number_races(rows, known_keys or {})
    _await_qualifying_races(rows)
    return pl.DataFrame(rows, schema=SCHEDULE, orient="row")


def _races(payload: Payload, file: str) -> list[tuple[str, dict[str, Any]]]:
    value = decoded(payload, file)
    if isinstance(value, dict):
        lists = {key: value[key] for key in value if key.startswith("series_")}
        if not lists:
            raise FeedFormatError("The schedule holds no series.", file=file, field="series_1")
    else:
        lists = {"races": value}
    return [
        (f"{key}[{position}]", race)
        for key, races in lists.items()
        for position, race in enumerate(records(races if races is not None else [], file, key))
    ]


def _race_row(
    race: dict[str, Any], season: int, file: str, where: str, notices: list[str]
) -> dict[str, Any]:
    race_id = _needed(race, "race_id", file, where)
    series = _needed(race, "series_id", file, where)
    kind = _needed(race, "race_type_id", file, where)
    track_id = _needed(race, "track_id", file, where)
    own_season = integer(race, "race_season", file, where)
    if series not in SERIES:
        raise _misplaced(race_id, f"the series {series} is unknown", file, where, "series_id")
    if kind not in _RACE_TYPES:
        raise _misplaced(race_id, f"the race type {kind} is unknown", file, where, "race_type_id")
    if own_season not in (None, season):
        fault = f"it is of {own_season} and its file of {season}"
        raise _misplaced(race_id, fault, file, where, "race_season")

    def whole(key: str, *none: int) -> int | None:
        """A value that costs itself alone where it is at fault."""
        return integer(
            race, key, file, where, none=none or (0, -1), between=(0, 2000), notices=notices
        )

    laps = whole("scheduled_laps")
    restrictor_plate = truth(race, "restrictor_plate")
    track = describe_track(
        str(track_id),
        text(race, "track_name") or "",
        season,
        restrictor_plate=restrictor_plate,
        scheduled_distance=number(
            race, "scheduled_distance", file, where, between=(0, 2000), notices=notices
        ),
        scheduled_laps=laps,
    )
    race = with_readable_dates(race, file, where, notices)
    start = race_start(race, track.zone, file)
    run = whole("actual_laps")
    # A race that was run has a leader; where the feed counts none, it has not counted at all.
    leaders = whole("number_of_leaders")
    counted = run is not None and leaders is not None
    winner = integer(race, "winner_driver_id", file, where, none=(0, -1), notices=notices)
    return {
        "race_id": str(race_id),
        "race_key": "",
        "series": SERIES[series],
        "season": season,
        "race_name": text(race, "race_name") or f"Race {race_id}",
        "race_type": _RACE_TYPES[kind],
        "track_id": track.track_id,
        "track_name": text(race, "track_name") or track.name,
        "track_type": track.track_type,
        "track_length_miles": track.length_miles,
        "start_time": start,
        "scheduled_laps": laps,
        "entries_at": entries_known(start),
        "qualifying_at": qualifying_known(race, start, track.zone, file),
        "results_at": results_known(race, start, file),
        "actual_laps": run,
        "stage_ends": _stage_ends(race, laps, file, where, notices),
        "field_size": whole("number_of_cars_in_field"),
        "winner_driver_id": str(winner) if winner is not None and run is not None else None,
        "restrictor_plate": restrictor_plate,
        "cautions": whole("number_of_cautions", -1) if counted else None,
        "caution_laps": whole("number_of_caution_laps", -1) if counted else None,
        "lead_changes": whole("number_of_lead_changes", -1) if counted else None,
        "leaders": leaders if counted else None,
        "status": "complete" if run is not None else "scheduled",
    }


def _stage_ends(
    race: dict[str, Any], scheduled: int | None, file: str, where: str, notices: list[str]
) -> list[int]:
    """Laps on which the stages end, without the race's own end.

    The feed gives the stages' lengths. The last one says nothing: before the race it is a guess
    (at times a negative one), afterwards it is what was run. A fourth stage (the Coca-Cola 600) is
    at times left out: three stages of equal length that end before the race does have a fourth.
    """
    lengths = [
        integer(race, f"stage_{stage}_laps", file, where, between=(-2000, 2000), notices=notices)
        or 0
        for stage in range(1, 5)
    ]
    first, second, third, fourth = lengths
    if first <= 0 or second <= 0:
        return []
    stages = [first, second]
    if third > 0 and (fourth > 0 or first == second == third):
        stages.append(third)
    ends = list(accumulate(stages))
    return [end for end in ends if scheduled is None or end < scheduled]


def _number_races(rows: list[dict[str, Any]], known_keys: Mapping[str, str]) -> None:
    """Gives each race its key: the known one, else its place by date among its kind."""
    taken: set[str] = set(known_keys.values())
    place: dict[str, int] = {}
    for row in rows:
        prefix = f"{row['season']}-{row['series']}-"
        if row["race_type"] != "points":
            prefix += "x"
        place[prefix] = place.get(prefix, 0) + 1
        known = known_keys.get(row["race_id"])
        if known is not None:
            row["race_key"] = known
            continue
        key = f"{prefix}{place[prefix]:02d}"
        if key in taken:  # an added race does not push the others from their keys
            following = 1 + max(
                int(other.removeprefix(prefix))
                for other in taken
                if other.removeprefix(prefix).isdigit() and other.startswith(prefix)
            )
            key = f"{prefix}{following:02d}"
        taken.add(key)
        row["race_key"] = key


def _await_qualifying_races(rows: list[dict[str, Any]]) -> None:
    """Has no grid known before the races that set it."""
    exhibitions: dict[tuple[str, str], list[datetime]] = {}
    for row in rows:
        if row["race_type"] == "exhibition":
            place = (row["series"], row["track_id"])
            exhibitions.setdefault(place, []).append(row["start_time"])
    for row in rows:
        row["qualifying_at"] = known_after_qualifying_races(
            row["qualifying_at"],
            row["start_time"],
            exhibitions.get((row["series"], row["track_id"]), ()),
        )


def _misplaced(race_id: int, why: str, file: str, where: str, field: str) -> FeedFormatError:
    return FeedFormatError(f"Race {race_id}: {why}.", file=file, field=f"{where}.{field}")


def _needed(race: dict[str, Any], key: str, file: str, where: str) -> int:
    required(race, key, file, where)
    value = integer(race, key, file, where, between=(1, LARGEST))
    if value is None:
        raise FeedFormatError("The field is empty.", file=file, field=f"{where}.{key}")
    return value
