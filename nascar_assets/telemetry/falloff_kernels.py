"""Compiled loops behind falloff: green runs, robust slopes and restarts, one pass over the laps.

Every value at a lap uses that lap and earlier ones of the same driver alone.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Whole = npt.NDArray[np.int32]

UNKNOWN, GREEN, NOT_GREEN = 0, 1, 2
"""Flag codes."""

NO_PIT, PIT, PIT_UNKNOWN = 0, 1, 2
"""Pit codes."""


@nb.njit(cache=True)
def theil_sen(slopes: Floats, count: int, n: int) -> tuple[float, float]:
    """Median of sorted pairwise slopes and its standard error.

    The error is half the width of Sen's interval at one standard normal deviation: of N pairwise
    slopes of n laps, the order statistics at (N -+ C) / 2 with C^2 = n (n - 1) (2n + 5) / 18, the
    variance of Kendall's S under independence (P. K. Sen, "Estimates of the regression
    coefficient based on Kendall's tau", JASA 63, 1968).

    Args:
        slopes: Pairwise slopes, ascending in the first `count` places.
        count: Number of slopes.
        n: Number of laps that they come from.

    Returns:
        Slope and its standard error, in the slopes' units.
    """
    middle = count // 2
    slope = slopes[middle] if count % 2 else 0.5 * (slopes[middle - 1] + slopes[middle])
    spread = np.sqrt(n * (n - 1.0) * (2.0 * n + 5.0) / 18.0)
    low = _order_statistic(slopes, count, 0.5 * (count - spread))
    high = _order_statistic(slopes, count, 0.5 * (count + spread))
    return slope, 0.5 * (high - low)


@nb.njit(cache=True)
def _order_statistic(slopes: Floats, count: int, place: float) -> float:
    """The order statistic at a fractional place, counted from 1 as Sen does, cut to the ends."""
    at = min(max(place - 0.5, 0.0), count - 1.0)
    below = int(np.floor(at))
    above = min(below + 1, count - 1)
    share = at - below
    return slopes[below] * (1.0 - share) + slopes[above] * share


@nb.njit(cache=True)
def _merge(slopes: Floats, count: int, fresh: Floats, new: int) -> None:
    """Merge `new` ascending slopes into the first `count` ascending ones, in place from the end."""
    i, j, k = count - 1, new - 1, count + new - 1
    while j >= 0:
        if i >= 0 and slopes[i] > fresh[j]:
            slopes[k] = slopes[i]
            i -= 1
        else:
            slopes[k] = fresh[j]
            j -= 1
        k -= 1


@nb.njit(cache=True)
def green_runs(
    starts: npt.NDArray[np.int64],
    lap: Whole,
    time: Floats,
    flag: Codes,
    pit: Codes,
    lost_lap_s: float,
    pace_share: float,
) -> tuple[Whole, Whole]:
    """Number the green runs of every driver, and the laps within each.

    Args:
        starts: Row at which each driver begins, and the number of rows at the end.
        lap: Lap numbers, ascending within a driver.
        time: Lap times in seconds, NaN where unknown.
        flag: Flag codes.
        pit: Pit codes.
        lost_lap_s: Seconds over the driver's best lap so far from which a lap is lost to a stop,
            spin or damage, where the source does not mark pit laps.
        pace_share: Share over the driver's best lap so far within which a lap of unknown flag
            counts as green.

    Returns:
        Run number (from 1; 0 outside of runs) and lap within the run (from 1; 0 outside).
    """
    run = np.zeros(len(lap), np.int32)
    place = np.zeros(len(lap), np.int32)
    for driver in range(len(starts) - 1):
        runs, length, best, before = 0, 0, np.inf, -1
        for row in range(starts[driver], starts[driver + 1]):
            known = not np.isnan(time[row])
            green = flag[row] == GREEN
            if flag[row] == UNKNOWN:
                green = known and time[row] <= (1.0 + pace_share) * min(best, time[row])
            racing = lap[row] >= 1 and green and pit[row] != PIT
            if racing and pit[row] == PIT_UNKNOWN and known and time[row] >= best + lost_lap_s:
                racing = False
            if not racing:
                length = 0
            else:
                if length == 0 or lap[row] != before + 1:
                    runs += 1
                    length = 0
                length += 1
                run[row], place[row] = runs, length
                if known and time[row] < best:
                    best = time[row]
            before = lap[row]
    return run, place


@nb.njit(cache=True)
def run_slopes(
    starts: npt.NDArray[np.int64],
    run: Whole,
    place: Whole,
    time: Floats,
    first_lap: int,
    fewest: int,
) -> tuple[Floats, Floats, Whole]:
    """Theil-Sen slope of lap time on lap within the run, of the run's laps so far.

    Args:
        starts: Row at which each driver begins, and the number of rows at the end.
        run: Run numbers of `green_runs`.
        place: Laps within the run.
        time: Lap times in seconds, NaN where unknown.
        first_lap: First lap of a run that is fitted (the lap of a restart is not at pace).
        fewest: Laps from which on a slope is given.

    Returns:
        Slope and its standard error (seconds per lap; NaN where there is none), laps fitted.
    """
    rows = len(run)
    slope = np.full(rows, np.nan)
    error = np.full(rows, np.nan)
    fitted = np.zeros(rows, np.int32)
    longest = 0
    for row in range(rows):
        longest = max(longest, place[row])
    slopes = np.empty(longest * max(longest - 1, 1) // 2 + 1)
    fresh = np.empty(longest + 1)
    xs = np.empty(longest + 1)
    ys = np.empty(longest + 1)
    for driver in range(len(starts) - 1):
        n, count, current = 0, 0, 0
        for row in range(starts[driver], starts[driver + 1]):
            if run[row] == 0:
                continue
            if run[row] != current:
                n, count, current = 0, 0, run[row]
            if place[row] >= first_lap and not np.isnan(time[row]):
                for i in range(n):
                    fresh[i] = (time[row] - ys[i]) / (place[row] - xs[i])
                fresh[:n].sort()
                _merge(slopes, count, fresh, n)
                xs[n], ys[n] = place[row], time[row]
                count += n
                n += 1
            fitted[row] = n
            if n >= fewest:
                slope[row], error[row] = theil_sen(slopes, count, n)
    return slope, error, fitted


@nb.njit(cache=True)
def restart_moves(
    starts: npt.NDArray[np.int64],
    lap: Whole,
    position: Floats,
    flag: Codes,
    run: Whole,
    place: Whole,
    laps_after: int,
) -> Floats:
    """Places won (positive) or lost at each restart, on the lap that ends it.

    A restart is a green lap after a lap under another flag; the start of the race is none. Its
    balance is the place at the last line before the green less the place `laps_after` laps later,
    counted only for a car that raced through.

    Returns:
        Places won on the row `laps_after` laps into the run, NaN on all others.
    """
    moved = np.full(len(lap), np.nan)
    for driver in range(len(starts) - 1):
        first = starts[driver]
        for row in range(first + laps_after, starts[driver + 1]):
            before = row - laps_after
            if place[row] != laps_after or run[row] == 0 or lap[before] < 1:
                continue
            if lap[row] - lap[before] == laps_after and flag[before] == NOT_GREEN:
                moved[row] = position[before] - position[row]
    return moved


def driver_starts(*keys: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Rows at which the keys change, with 0 before and the number of rows after them.

    Args:
        keys: Arrays of one length, sorted together.
    """
    size = len(keys[0])
    if size == 0:
        return np.zeros(1, np.int64)
    change = np.zeros(size, np.bool_)
    change[0] = True
    for key in keys:
        change[1:] |= key[1:] != key[:-1]
    return np.append(np.flatnonzero(change), size).astype(np.int64)
