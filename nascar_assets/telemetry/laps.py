"""What every function over laps shares: keys, frame kinds, rules for laps that do not race.

The rules, stated once:

- Lap 0 is the grid. Its position is the order before the start; it is no lap, so it counts in no
  window, sum or run.
- A lap that the clock ran through while the cars stood still (`flag` is `red`, or a time above
  `STOPPED_LAP_S`) keeps its position and its laps led, but its time and speed say nothing about
  pace: windows, falloff and long runs leave them out.
- Caution laps and pit laps are laps of the race: windows keep them. Falloff, long runs and slow
  laps are measured on green-flag racing laps alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import LAPS

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
"""A DataFrame or a LazyFrame: functions over laps return the kind that they are given."""

STOPPED_LAP_S = 300.0
"""Seconds beyond which a lap holds a red flag, a stay in the garage or a stop for repairs.

The slowest caution lap with a pit stop in the public feed's lap times (Mexico City, 2.4 miles,
2025) takes less; red flags make laps of 317 to 5,100 seconds there.
"""

METADATA_COLUMNS: tuple[str, ...] = ("lap", "driver_id", "timestamp", "track_id")
"""Columns without which a lap cannot be placed; a file that lacks one is refused."""

LAP_COLUMNS: frozenset[str] = frozenset(LAPS)
"""Names of the canonical lap. They are no features."""


def driver_keys(columns: Iterable[str]) -> list[str]:
    """Columns that tell one driver's laps of one race from all others."""
    present = set(columns)
    return [name for name in ("race_id", "driver_id") if name in present]


def columns_of(laps: pl.DataFrame | pl.LazyFrame) -> list[str]:
    """Column names of a frame of either kind."""
    if isinstance(laps, pl.DataFrame):
        return laps.columns
    return laps.collect_schema().names()


def require_columns(laps: pl.DataFrame | pl.LazyFrame, needed: Iterable[str]) -> None:
    """Refuse laps that lack a column which a computation needs.

    Raises:
        InputError: Names every missing column.
    """
    present = set(columns_of(laps))
    missing = [name for name in needed if name not in present]
    if missing:
        raise InputError(
            f"The laps lack the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}.",
            remedy="Give laps in the canonical schema.",
        )


def on_lazy(laps: Frame, work: Callable[[pl.LazyFrame], pl.LazyFrame]) -> Frame:
    """Run lazy work on a frame of either kind and hand back the same kind."""
    if isinstance(laps, pl.LazyFrame):
        return work(laps)
    return work(laps.lazy()).collect()


def is_racing_lap() -> pl.Expr:
    """True for laps of the race, false for the grid (lap 0)."""
    return pl.col("lap") >= 1


def is_stopped_lap(columns: Iterable[str]) -> pl.Expr:
    """True where the lap's time holds a stop of the car: a red flag, garage or repairs."""
    present = set(columns)
    stopped = pl.lit(False)
    if "flag" in present:
        stopped = stopped | (pl.col("flag") == "red").fill_null(False)
    if "lap_time_s" in present:
        stopped = stopped | (pl.col("lap_time_s") > STOPPED_LAP_S).fill_null(False)
    return stopped


def counted(metric: str, columns: Iterable[str]) -> pl.Expr:
    """The metric where it counts in a window, null elsewhere (grid; stopped clocks for pace)."""
    counts = is_racing_lap()
    if metric in {"lap_time_s", "lap_speed_mph"}:
        counts = counts & ~is_stopped_lap(columns)
    return pl.when(counts).then(pl.col(metric))
