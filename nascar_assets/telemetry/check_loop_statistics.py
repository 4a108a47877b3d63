"""Laps held against the feed's loop statistics.

Loop statistics hold totals per race and driver, no laps, so no laps can be made from them. They
were counted apart from the lap times, which makes them the check of laps, laps led and fastest
laps.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from nascar_assets.telemetry.feed_values import number, parse_json
from nascar_assets.telemetry.laps import is_racing_lap
from nascar_assets.telemetry.problems import RefusedFile, problem

_KEYS = {"laps": "laps", "lead_laps": "laps_led", "fast_laps": "fastest_laps"}


def compare_with_loop_statistics(
    laps: pl.DataFrame | pl.LazyFrame, payload: Any, *, file: str = "loopstats.json"
) -> pl.DataFrame:
    """Totals by the laps beside totals by the loop statistics, per driver.

    A fastest lap is a green lap on which no other car was faster on the same lap number; cars that
    share it share the count in neither source, so ties go to both here. Small differences in laps
    led are common: loop statistics count the leader at loops around the track as corrected later,
    lap times the first car at the line.

    Args:
        laps: Canonical laps of one race.
        payload: The body of the race's loop statistics, as bytes or parsed.
        file: Name used in errors.

    Returns:
        Per driver of either source, ordered by id: `laps`, `laps_led`, `fastest_laps` by the laps,
        the same with `_by_loops` (null where a source lacks the driver), and `agrees`, true where
        laps differ by one at most and laps led by less than 5% of the race and one lap.

    Raises:
        RefusedFile: If the body is not of this shape.
    """
    body = parse_json(payload, file)
    race = body[0] if isinstance(body, list) and body else body
    drivers = race.get("drivers") if isinstance(race, dict) else None
    if not isinstance(drivers, list):
        raise RefusedFile([problem(file, "no list `drivers`: no loop statistics", "drivers")])
    known = [
        item
        for item in drivers
        if isinstance(item, dict)
        and all(number(item.get(key)) is not None for key in ("driver_id", *_KEYS))
    ]
    if drivers and not known:
        rows = range(1, len(drivers) + 1)
        raise RefusedFile([problem(file, "a driver without numbers", "drivers", rows)])
    counted = pl.LazyFrame(
        [
            {
                "driver_id": str(item["driver_id"]),
                **{f"{name}_by_loops": int(item[key]) for key, name in _KEYS.items()},
            }
            for item in known
        ],
        schema={
            "driver_id": pl.String,
            **{f"{name}_by_loops": pl.Int32 for name in _KEYS.values()},
        },
    )
    # A fastest time is compared as the feed writes it, to the thousandth.
    green = pl.col("flag").is_in(["green", "white"]) & pl.col("lap_time_s").is_not_null()
    quickest = pl.when(green).then("lap_time_s").min().over("lap")
    ours = (
        laps.lazy()
        .filter(is_racing_lap())
        .with_columns((green & (pl.col("lap_time_s") == quickest)).alias("fastest"))
        .group_by("driver_id")
        .agg(
            pl.len().cast(pl.Int32).alias("laps"),
            pl.col("laps_led").sum().cast(pl.Int32),
            pl.col("fastest").sum().cast(pl.Int32).alias("fastest_laps"),
        )
    )
    slack = 1 + 0.05 * pl.col("laps").max()
    laps_agree = (pl.col("laps") - pl.col("laps_by_loops")).abs() <= 1
    led_agree = (pl.col("laps_led") - pl.col("laps_led_by_loops")).abs() < slack
    return (
        ours.join(counted, on="driver_id", how="full", coalesce=True)
        .sort("driver_id")
        .with_columns((laps_agree & led_agree).fill_null(False).alias("agrees"))
        .collect()
    )
