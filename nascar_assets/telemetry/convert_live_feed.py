"""Snapshots of the public live feed (`live-feed.json`) as canonical laps.

A snapshot knows each car's last lap only. Kept while a race runs, snapshots make laps; a single
one makes one lap per car.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any

import polars as pl

from nascar_assets.feed.schemas import LAPS
from nascar_assets.telemetry.feed_values import (
    CLOCK_FULL_S,
    FLAG_NAMES,
    IMPOSSIBLE_SPEED_MPH,
    feed_number,
    number,
    parse_json,
    race_fact,
    race_start,
)
from nascar_assets.telemetry.problems import Problem, RefusedFile, problem

LARGEST_PLACE = 100
"""No field has as many cars."""
RACE_SESSION = 3
"""The feed's `run_type` of a race; 1 is practice and 2 qualifying."""


def laps_from_live_feed(
    snapshots: Sequence[Any], race: Mapping[str, Any], *, file: str = "live-feed.json"
) -> pl.DataFrame:
    """Canonical laps of a race from snapshots of its live feed.

    The first snapshot that shows a car with n laps gives its lap n. `timestamp` is the race's
    start plus the car's elapsed time at the line. `position` is the car's at the snapshot, which
    lies up to one polling interval after the line. The flag of a lap is that of the last snapshot
    taken before the lap began, null where there is none. `laps_led` follows the car's own list of
    laps led. `pit` is true for laps during which the car was on the pit road.

    Args:
        snapshots: Bodies, as bytes or parsed, in any order.
        race: `race_id`, `track_id` and `start_time` (with zone).
        file: Name used in errors.

    Returns:
        `LAPS`, ordered by driver and lap.

    Raises:
        RefusedFile: If a body is not of this shape or belongs to another race.
    """
    bodies = [parse_json(snapshot, file) for snapshot in snapshots]
    problems = [found for body in bodies for found in live_feed_problems(body, race, file)]
    if problems:
        raise RefusedFile(problems)
    bodies.sort(key=lambda body: (float(body["elapsed_time"]), int(body["lap_number"])))
    clock = [float(body["elapsed_time"]) for body in bodies]
    flags = [FLAG_NAMES.get(int(body["flag_state"])) for body in bodies]
    start = race_start(race).astimezone(UTC)
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for body in bodies:
        for car in body["vehicles"]:
            if _lacking(car):
                continue
            lap, driver = int(car["laps_completed"]), str(car["driver"]["driver_id"])
            if lap < 1 or (driver, lap) in rows:
                continue
            ended = number(car.get("vehicle_elapsed_time"))
            time, speed = number(car.get("last_lap_time")), feed_number(car.get("last_lap_speed"))
            began = None if ended is None or time is None else ended - time
            if time is None or not 0 < time < CLOCK_FULL_S or (speed or 0.0) > IMPOSSIBLE_SPEED_MPH:
                time = speed = None
            before = -1 if began is None else bisect_right(clock, began) - 1
            rows[driver, lap] = {
                "driver_id": driver,
                "lap": lap,
                "timestamp": None if ended is None else start + timedelta(seconds=ended),
                "position": place_of(car, "running_position"),
                "lap_time_s": time,
                "lap_speed_mph": speed,
                "flag": flags[before] if before >= 0 else None,
                "pit": _was_in_the_pits(rows_of(car.get("pit_stops")), began, ended),
                "laps_led": int(_was_led(rows_of(car.get("laps_led")), lap)),
            }
    own = {name: kind for name, kind in LAPS.items() if name not in {"race_id", "track_id"}}
    return (
        pl.DataFrame(list(rows.values()), schema=own)
        .sort("driver_id", "lap")
        .select(
            pl.lit(str(race_fact(race, "race_id"))).alias("race_id"),
            pl.lit(str(race_fact(race, "track_id"))).alias("track_id"),
            *own,
        )
    )


def live_feed_problems(body: Any, race: Mapping[str, Any], file: str) -> list[Problem]:
    """What is wrong with the shape of a live feed's body, or whose race it is."""
    if not isinstance(body, dict) or not isinstance(body.get("vehicles"), list):
        return [problem(file, "no list `vehicles`: this is no live feed", "vehicles")]
    found = [
        problem(file, "not a number", key)
        for key in ("lap_number", "elapsed_time", "flag_state")
        if number(body.get(key)) is None
    ]
    expected = str(race_fact(race, "race_id"))
    if str(body.get("race_id")) != expected:
        found.append(
            problem(file, f"the body is of race {body.get('race_id')}, not {expected}", "race_id")
        )
    session = body.get("run_type", RACE_SESSION)
    if session != RACE_SESSION:
        reason = f"laps of practice or qualifying (run type {session}), not of the race"
        found.append(problem(file, reason, "run_type"))
    wrong: dict[str, list[int]] = {}
    for row, car in enumerate(body["vehicles"], 1):
        if (key := _lacking(car)) is not None:
            wrong.setdefault(key, []).append(row)
        elif car.get("last_lap_time") is not None and number(car["last_lap_time"]) is None:
            wrong.setdefault("last_lap_time", []).append(row)
    # A car or two without a driver are left out; a body of which most are is another kind of file.
    at_fault = sum(len(rows) for rows in wrong.values())
    if 2 * at_fault <= len(body["vehicles"]):
        return found
    return found + [problem(file, "not a number", key, rows) for key, rows in wrong.items()]


def _lacking(car: Any) -> str | None:
    """What a car lacks that its lap cannot do without."""
    if not isinstance(car, dict) or not isinstance(car.get("driver"), dict):
        return "driver"
    if number(car["driver"].get("driver_id")) is None:
        return "driver_id"
    return "laps_completed" if number(car.get("laps_completed")) is None else None


def place_of(car: Mapping[str, Any], key: str) -> int | None:
    """A car's place; none where the feed knows none, which it writes as 0, -1 or 999."""
    place = number(car.get(key))
    return int(place) if place is not None and 1 <= place <= LARGEST_PLACE else None


def rows_of(value: Any) -> list[Mapping[str, Any]]:
    """A car's stints or stops; what is no list of them holds none."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _was_led(stints: Sequence[Mapping[str, Any]], lap: int) -> bool:
    for stint in stints:
        first, last = number(stint.get("start_lap")), number(stint.get("end_lap"))
        if first is not None and last is not None and first <= lap <= last:
            return True
    return False


def _was_in_the_pits(
    stops: Sequence[Mapping[str, Any]], began: float | None, ended: float | None
) -> bool | None:
    """Whether a stop overlaps the lap. The feed lists the grid as stops at 0 s; a car that is
    still on the pit road has no time of leaving it."""
    if began is None or ended is None:
        return None
    for stop in stops:
        into = number(stop.get("pit_in_elapsed_time")) or 0.0
        out = number(stop.get("pit_out_elapsed_time")) or 0.0
        if into > 0 and into < ended and (out <= 0 or out > began):
            return True
    return False
