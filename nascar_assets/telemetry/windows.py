"""Rolling windows over a driver's own laps, looking back only.

A window of N laps at lap n holds the driver's last N laps up to and including n, as the source
has them; the first laps use what there is, and `n_laps_in_window` says how many that was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

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

DEFAULT_WINDOWS: tuple[str, ...] = ("10l", "20l", "50l")
_WINDOW = re.compile(r"[1-9][0-9]*l")
_AGGREGATES: tuple[tuple[str, str, Callable[[pl.Expr, int], pl.Expr]], ...] = (
    ("avg_position", "position", lambda value, n: value.rolling_mean(n, min_samples=1)),
    ("best_position", "position", lambda value, n: value.rolling_min(n, min_samples=1)),
    ("laps_led", "laps_led", lambda value, n: value.rolling_sum(n, min_samples=1)),
    ("avg_lap_time", "lap_time_s", lambda value, n: value.rolling_mean(n, min_samples=1)),
    ("best_lap_time", "lap_time_s", lambda value, n: value.rolling_min(n, min_samples=1)),
    ("avg_speed", "lap_speed_mph", lambda value, n: value.rolling_mean(n, min_samples=1)),
    ("best_speed", "lap_speed_mph", lambda value, n: value.rolling_max(n, min_samples=1)),
)
"""Aggregates over a window: name, the column that it needs, how it is made."""


def window_laps(window: str) -> int:
    """Number of laps of a window string.

    Args:
        window: `<positive integer>l`, for example `10l`.

    Raises:
        InputError: If the string is anything else.
    """
    if not isinstance(window, str) or not _WINDOW.fullmatch(window):
        raise InputError(
            f"{window!r} is no window of laps.",
            field="time_windows",
            remedy="Write a positive whole number and the letter l, such as 10l.",
        )
    return int(window[:-1])


def compute_aggregate_features(laps: Frame, time_windows: Iterable[str] = DEFAULT_WINDOWS) -> Frame:
    """Aggregates of a driver's last N laps, for every lap and every window.

    For each window `<N>l` the columns `avg_position_last_<N>l`, `best_position_last_<N>l`,
    `laps_led_last_<N>l` (laps), `avg_lap_time_last_<N>l`, `best_lap_time_last_<N>l` (seconds),
    `avg_speed_last_<N>l` and `best_speed_last_<N>l` (miles per hour) are added, and
    `n_laps_in_window`, the laps that the longest window holds; a window of N laps holds the
    smaller of that and N. What needs a column that the laps lack is left out.

    Args:
        laps: Canonical laps, in any order, of any number of races; beyond `driver_id` and `lap`
            any column may be absent.
        time_windows: Window strings.

    Returns:
        The laps with the columns added, in the order given; lazy where the laps are.

    Raises:
        InputError: For a string that is no window, or laps without `driver_id` or `lap`.
    """
    if isinstance(time_windows, str):
        time_windows = (time_windows,)
    sizes = list(dict.fromkeys(window_laps(window) for window in time_windows))
    if not sizes:
        raise InputError("No window is given.", field="time_windows")
    require_columns(laps, ("driver_id", "lap"))
    columns = columns_of(laps)
    keys = driver_keys(columns)

    def own(expression: pl.Expr) -> pl.Expr:
        return expression.over(keys, order_by="lap")

    added = [
        own(aggregate(counted(needed, columns), n)).alias(f"{name}_last_{n}l")
        for n in sizes
        for name, needed, aggregate in _AGGREGATES
        if needed in columns
    ]
    added.append(own(_laps_in_window(max(sizes))).alias("n_laps_in_window"))
    return on_lazy(laps, lambda frame: frame.with_columns(added))


def rolling_statistics(laps: Frame, metric: str, window: int | str) -> Frame:
    """Rolling mean, standard deviation, minimum and maximum of one column over a driver's laps.

    Args:
        laps: Canonical laps, in any order.
        metric: Numeric column, for example `lap_time_s`.
        window: Laps, as a positive whole number or a window string (`10l`).

    Returns:
        The laps with `<metric>_mean_<n>l`, `_std_`, `_min_`, `_max_` (units of the metric) and
        `n_laps_in_window` added. The standard deviation is the sample's (n - 1) and null for a
        single value. Lazy where the laps are.

    Raises:
        InputError: For a window below one lap, a missing column, or one that is not numeric.
    """
    if isinstance(window, bool) or not isinstance(window, (int, str)):
        raise InputError(f"{window!r} is no window of laps.", field="window")
    n = window_laps(window if isinstance(window, str) else f"{window}l")
    require_columns(laps, ("driver_id", "lap", metric))
    kind = laps.collect_schema()[metric]
    if not kind.is_numeric():
        raise InputError(f"The column {metric} holds {kind}, not numbers.", field="metric")
    columns = columns_of(laps)
    keys = driver_keys(columns)
    value = counted(metric, columns)
    added = [
        expression.over(keys, order_by="lap").alias(name)
        for name, expression in {
            f"{metric}_mean_{n}l": value.rolling_mean(n, min_samples=1),
            f"{metric}_std_{n}l": value.rolling_std(n, min_samples=2),
            f"{metric}_min_{n}l": value.rolling_min(n, min_samples=1),
            f"{metric}_max_{n}l": value.rolling_max(n, min_samples=1),
            "n_laps_in_window": _laps_in_window(n),
        }.items()
    ]
    return on_lazy(laps, lambda frame: frame.with_columns(added))


def _laps_in_window(n: int) -> pl.Expr:
    return is_racing_lap().cast(pl.Int32).cum_sum().clip(upper_bound=n).cast(pl.Int32)
