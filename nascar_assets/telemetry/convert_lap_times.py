"""Lap times of the public feed (`lap-times.json`) as canonical laps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.feed.payload import LARGEST
from nascar_assets.feed.schemas import LAPS
from nascar_assets.telemetry.clean_lap_times import clean_lap_times
from nascar_assets.telemetry.feed_values import (
    CLOCK_FULL_S,
    FLAG_NAMES,
    IMPOSSIBLE_SPEED_MPH,
    MAX_LAPS,
    MAX_SECONDS,
    feed_number,
    number,
    parse_json,
    race_fact,
    race_start,
)
from nascar_assets.telemetry.laps import STOPPED_LAP_S
from nascar_assets.telemetry.problems import Problem, RefusedFile, problem

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def laps_from_lap_times(
    payload: Any, race: Mapping[str, Any], *, file: str = "lap-times.json"
) -> pl.DataFrame:
    """Canonical laps of a race from the feed's lap times.

    Rules: lap 0 is the grid and has no lap time (the feed's small number there is the delay to
    the start line and only moves the car's clock). `timestamp` is the race's start plus the car's
    own elapsed time, null from the first lap without a time on. A time of 9,999.999 s is a full
    clock field, and a speed above `IMPOSSIBLE_SPEED_MPH` a timing fault, so both are null.
    `laps_led` is 1 where the car was first at the line. `pit` is null: lap times do not say. The
    flag of race lap n is the entry with `LapsCompleted` n - 1; a car that is laps down drives its
    lap n later than the leader's, so its flag is read at the race lap in which its lap began,
    where that explains its slow laps better. A lap on which the field stood still is red. A lap
    without a number, and a driver without an id, is left out.

    Args:
        payload: The body, as bytes or parsed.
        race: `race_id`, `track_id` and `start_time` (with zone); a row of the schedule will do.
        file: Name used in errors.

    Returns:
        `LAPS`, one row per driver and lap, drivers in the file's order, laps ascending.

    Raises:
        RefusedFile: If the body is null, empty, no JSON or not of this shape.
    """
    body, _ = clean_lap_times(parse_json(payload, file), file)
    problems = lap_times_problems(body, file)
    if problems:
        raise RefusedFile(problems)
    table = _read(body)
    completed = {int(item["LapsCompleted"]): int(item["FlagState"]) for item in body["flags"]}
    flags = _flags(table, completed)
    start = race_start(race).astimezone(UTC)
    elapsed = _elapsed(table)
    micros = np.where(np.isnan(elapsed), 0.0, np.rint(elapsed * 1e6)).astype(np.int64)
    frame = pl.DataFrame(
        {
            "race_id": pl.repeat(str(race_fact(race, "race_id")), table.size, eager=True),
            "track_id": pl.repeat(str(race_fact(race, "track_id")), table.size, eager=True),
            "driver_id": pl.Series(table.driver_ids).gather(table.driver),
            "lap": table.lap,
            "elapsed": pl.Series(micros).cast(pl.Duration("us")),
            "known": ~np.isnan(elapsed),
            "position": pl.Series(table.position).replace(0, None),
            "lap_time_s": pl.Series(table.time).fill_nan(None),
            "lap_speed_mph": pl.Series(table.speed).fill_nan(None),
            "flag": pl.Series(flags, dtype=pl.String),
            "pit": pl.repeat(None, table.size, dtype=pl.Boolean, eager=True),
        }
    )
    return frame.with_columns(
        pl.when("known")
        .then(pl.lit(start).cast(LAPS["timestamp"]) + pl.col("elapsed"))
        .alias("timestamp"),
        ((pl.col("position") == 1) & (pl.col("lap") >= 1)).cast(pl.Int32).alias("laps_led"),
    ).select(pl.col(name).cast(kind) for name, kind in LAPS.items())


def lap_times_problems(body: Any, file: str) -> list[Problem]:
    """What is wrong with the types in a body that was cleaned; empty where nothing is.

    Rows are laps counted from 1 in the file's order, over all drivers.
    """
    found: list[Problem] = []
    bad_flags = [
        index
        for index, item in enumerate(body["flags"], 1)
        if not isinstance(item, dict)
        or not _is_whole(item.get("LapsCompleted"))
        or not _is_whole(item.get("FlagState"))
    ]
    if bad_flags:
        found.append(problem(file, "a flag without whole-number keys", "flags", bad_flags))
    wrong: dict[tuple[str, str], list[int]] = {}
    row = 0
    for index, driver in enumerate(body["laps"], 1):
        if not _is_whole(driver.get("NASCARDriverID")):
            found.append(problem(file, f"driver {index} has no whole number", "NASCARDriverID"))
        for lap in driver["Laps"]:
            row += 1
            if not isinstance(lap, dict):
                wrong.setdefault(("Laps", "a lap is no object"), []).append(row)
                continue
            for key in ("Lap", "RunningPos"):
                value: Any = lap.get(key)
                if key == "RunningPos" and value is None:
                    continue
                if not _is_whole(value) or not 0 <= value <= MAX_LAPS:
                    reason = f"not a whole number from 0 to {MAX_LAPS}"
                    wrong.setdefault((key, reason), []).append(row)
            time = lap.get("LapTime")
            seconds = number(time)
            if time is not None and (seconds is None or abs(seconds) > MAX_SECONDS):
                wrong.setdefault(("LapTime", "not a number"), []).append(row)
            speed = lap.get("LapSpeed")
            if speed is not None and feed_number(speed) is None:
                wrong.setdefault(("LapSpeed", "neither a number nor text of one"), []).append(row)
    found += [problem(file, reason, key, rows) for (key, reason), rows in wrong.items()]
    return found


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST


@dataclass(frozen=True, slots=True)
class _Table:
    """The body as flat arrays, one entry per lap; times are NaN where the feed has none."""

    driver_ids: list[str]
    driver: Whole  # index into driver_ids
    lap: Whole
    position: Whole  # 0 where the feed has none
    time: Floats  # lap time; NaN on the grid, where the clock field was full, or impossible
    clock: Floats  # what the lap added to the car's clock, full fields included
    speed: Floats

    @property
    def size(self) -> int:
        return len(self.lap)


def _read(body: Any) -> _Table:
    driver: list[int] = []
    laps: list[int] = []
    positions: list[int] = []
    clocks: list[float] = []
    speeds: list[float] = []
    for index, entry in enumerate(body["laps"]):
        for item in entry["Laps"]:
            driver.append(index)
            laps.append(item["Lap"])
            positions.append(item["RunningPos"] or 0)
            time = item["LapTime"]
            clocks.append(np.nan if time is None else float(time))
            speed = feed_number(item["LapSpeed"])
            speeds.append(np.nan if speed is None else speed)
    lap = np.asarray(laps, np.int64)
    clock = np.asarray(clocks, np.float64)
    speed_array = np.asarray(speeds, np.float64)
    # A crossing credited to the wrong car makes a lap that no car can drive.
    untimed = (lap == 0) | (clock >= CLOCK_FULL_S) | (speed_array > IMPOSSIBLE_SPEED_MPH)
    clock[(lap == 0) & np.isnan(clock)] = 0.0
    return _Table(
        driver_ids=[str(entry["NASCARDriverID"]) for entry in body["laps"]],
        driver=np.asarray(driver, np.int64),
        lap=lap,
        position=np.asarray(positions, np.int64),
        time=np.where(untimed, np.nan, clock),
        clock=clock,
        speed=np.where(untimed, np.nan, speed_array),
    )


def _elapsed(table: _Table) -> Floats:
    """Seconds since the start at each line crossing; NaN after a gap in laps or times."""
    elapsed = np.full(table.size, np.nan)
    clock = np.where(table.clock >= CLOCK_FULL_S, np.nan, table.clock)
    for rows in _rows_of_drivers(table):
        # A driver's clock can be followed only from the grid, or from lap 1, through every lap.
        whole = np.cumprod(table.lap[rows] == table.lap[rows][0] + np.arange(len(rows))) > 0
        if table.lap[rows][0] > 1:
            continue
        elapsed[rows] = np.where(whole, np.cumsum(clock[rows]), np.nan)
    return elapsed


def _rows_of_drivers(table: _Table) -> list[Whole]:
    edges = np.flatnonzero(np.diff(table.driver)) + 1
    return [rows for rows in np.split(np.arange(table.size), edges) if len(rows)]


def _flags(table: _Table, completed: Mapping[int, int]) -> list[str | None]:
    """The flag of every row, by the rules of `laps_from_lap_times`."""
    last = int(max(table.lap.max(initial=0), 0))
    code = np.zeros(last + 2, np.int64)  # code[n]: the flag of race lap n; 0 is unknown
    for done, shown in completed.items():
        if 0 <= done <= last:
            code[done + 1] = shown
    if last >= 1 and code[1] == 8:
        code[1] = 1  # the entry before the start is the warm-up; lap 1 begins with the green flag
    by_number = np.where(table.lap >= 1, code[np.clip(table.lap, 0, last)], 0)
    state = by_number.copy()
    race_lap = _race_laps(table, last)
    by_time = np.where(table.lap >= 1, code[np.clip(race_lap, 0, last)], 0)
    green = (by_number == 1) & (table.time < STOPPED_LAP_S)
    if green.any():
        slow = table.time > 1.5 * np.median(table.time[green])
        for rows in _rows_of_drivers(table):
            differ = rows[(by_number[rows] != by_time[rows]) & ~np.isnan(table.time[rows])]
            right_by_number = int((slow[differ] == (by_number[differ] != 1)).sum())
            right_by_time = int((slow[differ] == (by_time[differ] != 1)).sum())
            if right_by_time > right_by_number:
                state[rows] = by_time[rows]
    state[_field_stood_still(table, last)] = 3
    return [FLAG_NAMES.get(int(value)) for value in state]


def _race_laps(table: _Table, last: int) -> Whole:
    """The race's lap (leader's count) in which each car's lap began; the own lap where unknown.

    Cars on the lead lap cross after the leader, so theirs is the lap's own number.
    """
    crossing = np.full(last + 1, np.inf)
    elapsed = np.full(table.size, np.nan)
    for rows in _rows_of_drivers(table):
        elapsed[rows] = np.cumsum(table.clock[rows])
    known = ~np.isnan(elapsed) & (table.lap >= 0)
    np.minimum.at(crossing, table.lap[known], elapsed[known])
    began = np.full(table.size, np.nan)
    began[1:] = np.where(np.diff(table.driver) == 0, elapsed[:-1], np.nan)
    return race_laps_at(crossing, began, table.lap)


def race_laps_at(
    crossing: npt.NDArray[np.float64], began: npt.NDArray[np.float64], own: Whole
) -> Whole:
    """The race's lap at each moment at which a car's lap began; the own lap where none is known.

    Args:
        crossing: [L] when the first car ended each lap from 0 on.
        began: The moments, NaN where not known.
        own: The cars' own laps, of the same shape; the race is never behind them.
    """
    ascending = np.minimum.accumulate(crossing[::-1])[::-1]  # whatever the clocks did
    race_lap = np.searchsorted(ascending, began + 1e-6, side="right")
    return np.where(np.isnan(began), own, np.maximum(race_lap, own))


def _field_stood_still(table: _Table, last: int) -> npt.NDArray[np.bool_]:
    """Rows of a red flag: stopped laps of a stoppage that at least half of the field shared.

    Cars on different laps stop on different lap numbers, so a lap and its neighbours count as one
    stoppage.
    """
    stopped = (table.clock > STOPPED_LAP_S) & (table.lap >= 1)
    cars = np.bincount(table.lap, minlength=last + 1)[: last + 1]
    halted = np.bincount(table.lap[stopped], minlength=last + 1)[: last + 1]
    edged, field = np.pad(halted, 1), np.pad(cars, 1)
    around = edged[:-2] + edged[1:-1] + edged[2:]
    greatest = np.maximum(np.maximum(field[:-2], field[1:-1]), field[2:])
    shared = 2 * around >= np.maximum(greatest, 1)
    return np.asarray(stopped & shared[np.clip(table.lap, 0, last)])
