"""Missing values of a driver's own laps: filled by a stated rule, counted, never across drivers."""

from __future__ import annotations

import logging

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.telemetry.laps import (
    Frame,
    columns_of,
    counted,
    driver_keys,
    is_racing_lap,
    on_lazy,
    require_columns,
)

log = logging.getLogger(__name__)

COUNTERS: tuple[str, ...] = ("laps_led",)
"""Columns that count: nothing recorded means that nothing happened, so they fill with 0."""

METHODS: tuple[str, ...] = ("forward", "interpolate")

# Filling these would invent an identity, a moment or an observation rather than carry one on.
_NEVER_FILLED = frozenset({"race_id", "track_id", "driver_id", "lap", "timestamp", "flag", "pit"})


def handle_missing_data(laps: Frame, method: str = "forward") -> Frame:
    """Fill missing numbers inside each driver's own laps, and log how many per column.

    `forward` carries the driver's last value on, and so uses nothing later than the lap itself.
    `interpolate` draws a straight line between the laps before and after and so uses the later
    one: it is for races that lie wholly before the as-of time. With both, counters (`laps_led`)
    fill with 0 and what is missing before a driver's first value stays null; so does what is
    missing after the last one under `interpolate`. Time stamps, flags and pit marks are never
    filled; the grid (lap 0) neither gives nor takes a lap time or a speed, and a lap on which the
    car stood (a red flag, the garage) gives none, since the windows leave such laps out.

    Args:
        laps: Canonical laps, in any order. A lazy frame is read once more for the counts.
        method: `forward` or `interpolate`.

    Returns:
        The laps, filled; lazy where the laps are. `fill_counts` gives the numbers that are logged.

    Raises:
        InputError: For another method, or laps without `driver_id` or `lap`.
    """
    counts = fill_counts(laps, method)
    filled = {name: count for name, count in counts.items() if count}
    log.info(
        "filled %d missing values (%s): %s",
        sum(filled.values()),
        method,
        ", ".join(f"{name} {count}" for name, count in filled.items()) or "nothing was missing",
        extra={"filled": counts, "method": method},
    )
    added = [expression.alias(name) for name, expression in _fills(laps, method).items()]
    return on_lazy(laps, lambda frame: frame.with_columns(added))


def fill_counts(laps: pl.DataFrame | pl.LazyFrame, method: str = "forward") -> dict[str, int]:
    """How many values `handle_missing_data` fills, per column that it may fill.

    Args:
        laps: Canonical laps.
        method: `forward` or `interpolate`.

    Returns:
        Column name to number of values filled.
    """
    fills = _fills(laps, method)
    if not fills:
        return {}
    counts = (
        laps.lazy()
        .select(
            (pl.col(name).is_null() & expression.is_not_null()).sum().alias(name)
            for name, expression in fills.items()
        )
        .collect(engine="streaming")
    )
    return {name: int(counts.item(0, name)) for name in fills}


def _fills(laps: pl.DataFrame | pl.LazyFrame, method: str) -> dict[str, pl.Expr]:
    if method not in METHODS:
        raise InputError(
            f"{method!r} is no way to fill missing laps.",
            field="method",
            remedy=f"Use one of {', '.join(METHODS)}.",
        )
    require_columns(laps, ("driver_id", "lap"))
    schema = laps.collect_schema()
    keys = driver_keys(columns_of(laps))
    fills: dict[str, pl.Expr] = {}
    for name, kind in schema.items():
        if name in _NEVER_FILLED or not kind.is_numeric():
            continue
        if name in COUNTERS:
            fills[name] = pl.col(name).fill_null(0)
            continue
        value = pl.col(name)
        if name in {"lap_time_s", "lap_speed_mph"}:
            value = counted(name, schema)
        if method == "forward":
            own = value.forward_fill().over(keys, order_by="lap")
        else:
            # Between two laps the weight is the lap number, not the row: laps may be absent.
            own = _interpolated(value, kind).over(keys, order_by="lap")
        fills[name] = pl.when(is_racing_lap() | pl.col(name).is_not_null()).then(
            pl.coalesce(pl.col(name), own)
        )
    return fills


def _interpolated(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    known_lap = pl.when(value.is_not_null()).then(pl.col("lap").cast(pl.Float64))
    number = value.cast(pl.Float64)
    before, after = number.forward_fill(), number.backward_fill()
    lap_before, lap_after = known_lap.forward_fill(), known_lap.backward_fill()
    share = (pl.col("lap") - lap_before) / (lap_after - lap_before)
    # At a known lap both neighbours are the lap itself and the share is 0 / 0: no line there.
    line = pl.when(lap_after > lap_before).then(before + (after - before) * share)
    return line.round().cast(kind) if kind.is_integer() else line.cast(kind)
