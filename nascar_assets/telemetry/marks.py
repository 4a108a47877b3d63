"""Pit and flag files joined to a race's laps: held against the laps, then marked from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from nascar_assets.telemetry.convert_flags import FlagState, mark_flags, read_flag_states
from nascar_assets.telemetry.convert_pits import Stop, mark_pit_laps, read_stops
from nascar_assets.telemetry.feed_values import parse_json, race_seconds
from nascar_assets.telemetry.laps import is_racing_lap
from nascar_assets.telemetry.problems import Problem, RefusedFile, problem

CLOCK_TOLERANCE_S = 1.0
"""Seconds by which a pit or flag file's clock may differ from that of the laps."""


def join_pit_data(
    laps: pl.DataFrame,
    payload: Any,
    driver_of_car: Mapping[str, str],
    race: Mapping[str, Any],
    *,
    file: str = "live-pit-data.json",
    notes: list[str] | None = None,
) -> pl.DataFrame:
    """Marks pit laps from a race's pit data where the laps do not say themselves.

    Args:
        laps: Canonical laps of the race.
        payload: The body, as bytes or parsed. A body without stops says nothing and marks nothing.
        driver_of_car: Driver id by car number.
        race: The race's `start_time` (with zone).
        file: Name used in problems.
        notes: Gets a sentence where stops are left out.

    Returns:
        The laps in their order, `pit` filled.

    Raises:
        RefusedFile: If the body is not of this shape, or of another race or clock than the laps.
    """
    body = parse_json(payload, file)
    stops = read_stops(body, file, notes)
    if not stops:
        return laps
    _refuse(stop_problems(stops, driver_of_car, laps.lazy(), race, file))
    marked = mark_pit_laps(laps, body, driver_of_car, race, file=file)
    return laps.with_columns(pl.coalesce("pit", marked["pit"]).alias("pit"))


def join_flag_data(
    laps: pl.DataFrame,
    payload: Any,
    race: Mapping[str, Any],
    *,
    file: str = "live-flag-data.json",
    notes: list[str] | None = None,
) -> pl.DataFrame:
    """Fills the flags that a race's laps lack from its flag data.

    Args:
        laps: Canonical laps of the race.
        payload: The body, as bytes or parsed.
        race: The race's `start_time` (with zone).
        file: Name used in problems.
        notes: Gets a sentence where changes of the flag are left out.

    Returns:
        The laps in their order; a flag that they had stays.

    Raises:
        RefusedFile: If the body is not of this shape, or of another race or clock than the laps.
    """
    body = parse_json(payload, file)
    _refuse(flag_problems(read_flag_states(body, file, notes), laps.lazy(), race, file))
    marked = mark_flags(laps, body, race, file=file)
    return laps.with_columns(pl.coalesce("flag", marked["flag"]).alias("flag"))


def stop_problems(
    stops: Iterable[Stop],
    driver_of_car: Mapping[str, str],
    laps: pl.LazyFrame | None,
    race: Mapping[str, Any],
    file: str,
) -> list[Problem]:
    """Whether stops are of this race and of the laps' clock.

    Args:
        stops: The stops.
        driver_of_car: Driver id by car number; empty where no car is known yet.
        laps: The race's laps; none where they have not landed.
        race: The race's `start_time` (with zone).
        file: Name used in problems.

    Returns:
        A problem where fewer than half of the cars are entered, and one where most of the stops
        lie in other laps by the clock than by their own count of laps.
    """
    listed = list(stops)
    cars = {stop.car_number for stop in listed}
    known = len(cars & driver_of_car.keys())
    if driver_of_car and 2 * known < len(cars):
        reason = f"only {known} of {len(cars)} cars are entered in this race: another race's file"
        return [problem(file, reason, "vehicle_number")]
    if laps is None:
        return []
    ended = _ended(laps, race, ["driver_id", "lap"])
    drivers = {driver for driver, _ in ended}
    placed = [
        _lies_in_lap(stop.into, (driver,), stop.lap_count, ended)
        for stop in listed
        if (driver := driver_of_car.get(stop.car_number)) in drivers
        and stop.into is not None
        and stop.lap_count is not None
    ]
    return _skew(placed, "stops", file, "pit_in_race_time")


def flag_problems(
    states: Iterable[FlagState], laps: pl.LazyFrame | None, race: Mapping[str, Any], file: str
) -> list[Problem]:
    """Whether flags are of the laps' clock: most changes in the lap that they name, or a problem.

    Args:
        states: The changes of the flag.
        laps: The race's laps; none where they have not landed.
        race: The race's `start_time` (with zone).
        file: Name used in problems.
    """
    if laps is None:
        return []
    ended = _ended(laps, race, ["lap"])
    placed = [
        _lies_in_lap(state.since, (), state.after_lap, ended)
        for state in states
        if ended and state.after_lap >= 1
    ]
    return _skew(placed, "changes of the flag", file, "elapsed_time")


def _ended(
    laps: pl.LazyFrame, race: Mapping[str, Any], keys: list[str]
) -> dict[tuple[Any, ...], float | None]:
    """Seconds of race time at the first crossing of the line, by driver and lap or by lap."""
    ends = race_seconds(race).min().alias("ended")
    crossed = laps.filter(is_racing_lap()).group_by(keys).agg(ends).collect()
    return {tuple(key): ended for *key, ended in crossed.iter_rows()}


def _lies_in_lap(
    moment: float,
    driver: tuple[str | None, ...],
    completed: int,
    ended: Mapping[tuple[Any, ...], float | None],
) -> bool | None:
    """Whether a moment lies in the lap after those completed; none where no clock tells."""
    began = 0.0 if completed < 1 else ended.get((*driver, completed), float("inf"))
    end = ended.get((*driver, completed + 1), float("inf"))  # without it, the car's last lap
    if began is None or end is None:
        return None
    return began - CLOCK_TOLERANCE_S <= moment <= end + CLOCK_TOLERANCE_S


def _skew(placed: list[bool | None], what: str, file: str, column: str) -> list[Problem]:
    known = [fits for fits in placed if fits is not None]
    off = known.count(False)
    if 2 * off <= len(known):
        return []
    reason = (
        f"{off} of {len(known)} {what} lie in other laps by the clock than by their count of laps: "
        "another race's file, or its clock is off (clock skew)"
    )
    return [problem(file, reason, column)]


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise RefusedFile(problems)
