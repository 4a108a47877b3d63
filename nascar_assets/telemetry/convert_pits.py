"""Pit data of the public feed (`live-pit-data.json`): which laps were pit laps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from nascar_assets.telemetry.clean_lap_times import clean_lap_times
from nascar_assets.telemetry.feed_values import feed_number, parse_json, race_seconds
from nascar_assets.telemetry.laps import Frame, is_racing_lap, on_lazy
from nascar_assets.telemetry.problems import RefusedFile, problem


def car_numbers(lap_times: Any, *, file: str = "lap-times.json") -> dict[str, str]:
    """Driver id by car number, from a body of lap times: pit data know cars alone."""
    body, _ = clean_lap_times(parse_json(lap_times, file), file, forgiving=True)
    return {
        str(entry["Number"]): str(entry["NASCARDriverID"])
        for entry in body["laps"]
        if entry.get("Number") not in (None, "")
    }


class Stop(NamedTuple):
    """One time that a car was on the pit road.

    Attributes:
        car_number: As the feed writes it.
        lap_count: Laps that the car had completed when it came in; none where unknown.
        into: Seconds of race time at which it came in; none where unknown.
        out: Seconds at which it left; infinite for a car that never did.
    """

    car_number: str
    lap_count: int | None
    into: float | None
    out: float


def read_stops(payload: Any, file: str, notes: list[str] | None = None) -> list[Stop]:
    """The stops of a body of pit data; what the feed lists at 0 s is the grid and left out.

    A time or a count of laps that is null, negative, text or after the car had left is not known.
    A stop of which neither the time nor the laps are known is left out.

    Args:
        payload: The body, as bytes or parsed.
        file: Name used in notes and errors.
        notes: Gets a sentence where stops are left out.

    Raises:
        RefusedFile: If the body is not of this shape, or holds stops and not one that is known.
    """
    body = parse_json(payload, file)
    if not isinstance(body, list):
        raise RefusedFile([problem(file, "no list of stops: these are no pit data")])
    wrong: list[int] = []
    stops: list[Stop] = []
    for row, item in enumerate(body, 1):
        stop = item if isinstance(item, dict) else {}
        into, out, count = (
            found if (found := feed_number(stop.get(key))) is not None and found >= 0 else None
            for key in ("pit_in_race_time", "pit_out_race_time", "lap_count")
        )
        if into == 0:
            continue
        if stop.get("vehicle_number") in (None, "") or (into is None and not count):
            wrong.append(row)
            continue
        # A car that retires in the pits never leaves them.
        left = out if out is not None and out > (into or 0) else float("inf")
        car, laps = str(stop["vehicle_number"]), None if count is None else int(count)
        stops.append(Stop(car, laps, into, left))
    if wrong and len(wrong) == len(body):
        raise RefusedFile([problem(file, "not a number", "pit_in_race_time", wrong)])
    if wrong and notes is not None:
        why = "a stop without a car, or without a time and a lap, is left out"
        notes.append(str(problem(file, why, "pit_in_race_time", wrong)))
    return stops


def mark_pit_laps(
    laps: Frame,
    payload: Any,
    driver_ids: Mapping[str, str],
    race: Mapping[str, Any],
    *,
    file: str = "live-pit-data.json",
) -> Frame:
    """Fill the column `pit` of a race's laps from the feed's pit data.

    A lap is a pit lap where the car was on the pit road during it, by race time. The pit road runs
    past the line, so most stops touch two laps; none touches more, for a car on the pit road
    cannot pass the line twice. Where the feed has a later time of leaving, or none, the car's exit
    was missed. Where the lap's or the stop's time is unknown, the lap after the laps completed at
    pit entry counts (`lap_count` + 1).

    Args:
        laps: Canonical laps of one race.
        payload: The body, as bytes or parsed.
        driver_ids: Driver id by car number.
        race: The race's `start_time` (with zone).
        file: Name used in errors.

    Returns:
        The laps with `pit` true or false for every driver whose car number is given, null on the
        grid and for others; lazy where the laps are.

    Raises:
        RefusedFile: If the body is not of this shape.
    """
    stops = [
        (driver_ids[stop.car_number], stop.lap_count, stop.into, stop.out)
        for stop in read_stops(payload, file)
        if stop.car_number in driver_ids
    ]
    seconds = race_seconds(race)
    table = pl.LazyFrame(
        stops,
        schema={"driver_id": pl.String, "count": pl.Int64, "into": pl.Float64, "out": pl.Float64},
        orient="row",
    )
    listed = sorted(set(driver_ids.values()))

    def marked(frame: pl.LazyFrame) -> pl.LazyFrame:
        columns = frame.collect_schema().names()
        timed = frame.select("driver_id", "lap", seconds.alias("ended")).with_columns(
            pl.col("ended").shift(1).over("driver_id", order_by="lap").alias("began"),
            pl.col("ended").shift(2).over("driver_id", order_by="lap").alias("began_before"),
        )
        overlaps = (
            pl.when(pl.all_horizontal(pl.col("began", "ended", "into").is_not_null()))
            .then(
                (pl.col("into") < pl.col("ended"))
                & (pl.col("out") > pl.col("began"))
                & (pl.col("into") >= pl.col("began_before").fill_null(0.0))
            )
            .otherwise(pl.col("lap") == pl.col("count") + 1)
        )
        pit_laps = (
            timed.join(table, on="driver_id", how="inner")
            .filter(overlaps)
            .select("driver_id", "lap", pl.lit(True).alias("stopped"))
            .unique(["driver_id", "lap"])
        )
        pit = (
            pl.when(is_racing_lap() & pl.col("driver_id").is_in(listed))
            .then(pl.col("stopped").fill_null(False))
            .alias("pit")
        )
        return (
            frame.join(pit_laps, on=["driver_id", "lap"], how="left", maintain_order="left")
            .with_columns(pit)
            .select(columns)
        )

    return on_lazy(laps, marked)
