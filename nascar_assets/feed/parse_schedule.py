"""Schedules of seasons to one table of races."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import polars as pl

from nascar_assets.feed.paths import schedule_path
from nascar_assets.feed.payload import (
    FeedFormatError,
    Payload,
    decoded,
    integer,
    number,
    records,
    required,
    text,
)
from nascar_assets.feed.schemas import SCHEDULE, SERIES
from nascar_assets.feed.times import entries_known, qualifying_known, race_start, results_known
from nascar_assets.feed.tracks import describe_track

_RACE_TYPES = {1: "points", 2: "exhibition"}


def parse_schedule(
    payloads: Mapping[int, Payload], known_keys: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """The races of several seasons, all series, in the order of their starts.

    Args:
        payloads: Schedule file by season: an object with one list per series (`series_1`, ...),
            or one list of races.
        known_keys: Race keys given before, by race id; a race keeps its key when the schedule
            moves.

    Returns:
        A table `SCHEDULE`, sorted by start, series and race id.

    Raises:
        FeedFormatError: If a file or a race does not have the feed's form; names file and field.
    """
    rows: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    for season in sorted(payloads):
        file = schedule_path(season)
        for where, race in _races(payloads[season], file):
            row = _race_row(race, file, where)
            race_id = row["race_id"]
            if race_id in seen:
                raise FeedFormatError(
                    f"Race {race_id} is listed twice, also as {seen[race_id]}.",
                    file=file,
                    field=where,
                )
            seen[race_id] = where
            rows.append(row)
    rows.sort(key=lambda row: (row["start_time"], row["series"], int(row["race_id"])))
    _number_races(rows, known_keys or {})
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


def _race_row(race: dict[str, Any], file: str, where: str) -> dict[str, Any]:
    race_id = _needed(race, "race_id", file, where)
    series = _needed(race, "series_id", file, where)
    season = _needed(race, "race_season", file, where)
    if series not in SERIES:
        raise FeedFormatError(
            f"The series {series} is unknown.", file=file, field=f"{where}.series_id"
        )
    kind = _needed(race, "race_type_id", file, where)
    if kind not in _RACE_TYPES:
        raise FeedFormatError(
            f"The race type {kind} is unknown.", file=file, field=f"{where}.race_type_id"
        )
    laps = integer(race, "scheduled_laps", file, where, none=(0, -1))
    restrictor_plate = bool(race.get("restrictor_plate"))
    track = describe_track(
        str(_needed(race, "track_id", file, where)),
        text(race, "track_name") or "",
        season,
        restrictor_plate=restrictor_plate,
        scheduled_distance=number(race, "scheduled_distance", file, where),
        scheduled_laps=laps,
    )
    start = race_start(race, track.zone, file)
    run = integer(race, "actual_laps", file, where, none=(0, -1))
    # A race that was run has a leader; where the feed counts none, it has not counted at all.
    leaders = integer(race, "number_of_leaders", file, where, none=(0, -1))
    counted = run is not None and leaders is not None
    winner = integer(race, "winner_driver_id", file, where, none=(0, -1))
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
        "stage_ends": _stage_ends(race, laps, file, where),
        "field_size": integer(race, "number_of_cars_in_field", file, where, none=(0, -1)),
        "winner_driver_id": str(winner) if winner is not None and run is not None else None,
        "restrictor_plate": restrictor_plate,
        "cautions": integer(race, "number_of_cautions", file, where) if counted else None,
        "caution_laps": integer(race, "number_of_caution_laps", file, where) if counted else None,
        "lead_changes": integer(race, "number_of_lead_changes", file, where) if counted else None,
        "leaders": leaders if counted else None,
        "status": "complete" if run is not None else "scheduled",
    }


def _stage_ends(race: dict[str, Any], scheduled: int | None, file: str, where: str) -> list[int]:
    """Laps on which the stages end, without the race's own end.

    The feed gives the stages' lengths. The last one says nothing: before the race it is a guess
    (at times a negative one), afterwards it is what was run. A fourth stage (the Coca-Cola 600) is
    at times left out: three stages of equal length that end before the race does have a fourth.
    """
    lengths = [
        integer(race, f"stage_{stage}_laps", file, where, none=(0, -1)) or 0
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


def _needed(race: dict[str, Any], key: str, file: str, where: str) -> int:
    required(race, key, file, where)
    value = integer(race, key, file, where)
    if value is None:
        raise FeedFormatError("The field is empty.", file=file, field=f"{where}.{key}")
    return value
