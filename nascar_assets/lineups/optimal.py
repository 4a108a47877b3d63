"""Exact best lineups: of every scenario, and the k best by a sum of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups import best_kernel, optimal_kernel

Integers = npt.NDArray[np.integer]

MAX_DRIVERS = 64
"""Drivers that a slate may hold: lineups are kept as 64-bit masks."""

_NODE_CAP = 3_000
# Beyond this many salary units the dynamic programme costs more than a long search.
_FINE_UNITS = 2_000
_LONG_NODE_CAP = 200_000
# Sums of values and their fractions stay below 2**54, prices are worked out on 36 bits.
_SUM_BITS = 54
_PRICE_BITS = 36


class NoLegalLineup(InputError):
    """The salaries, the cap and the roster size allow no lineup at all."""


@dataclass(frozen=True, slots=True)
class OptimalLineups:
    """The best lineup of each scenario and what share of them each driver is in.

    Attributes:
        drivers: [S, roster_size] driver indices, ascending in each row.
        points: [S] the lineup's points, in the units of the input.
        optimal_share: [N] share of scenarios whose best lineup holds the driver.
        optimal_share_se: [N] its Monte Carlo standard error, sqrt(p (1 - p) / S).
    """

    drivers: npt.NDArray[np.int32]
    points: npt.NDArray[np.int64]
    optimal_share: npt.NDArray[np.float64]
    optimal_share_se: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BestLineups:
    """The best lineups by a sum of values, best first.

    Attributes:
        drivers: [m, roster_size] driver indices, ascending in each row.
        values: [m] sums of values, in the units of the input (floats where it held floats).
    """

    drivers: npt.NDArray[np.int32]
    values: npt.NDArray[np.int64] | npt.NDArray[np.float64]


def optimal_lineups(
    points: Integers, salaries: Integers, cap: int, roster_size: int
) -> OptimalLineups:
    """The best legal lineup of every scenario, exactly.

    Dominance pruning, then branch and bound under the dual price of a dollar; a scenario that
    needs too many nodes is solved by a dynamic programme over salary. Among lineups of equal
    points the one whose ascending driver indices are lexicographically smallest is the answer,
    on any number of threads.

    Args:
        points: [S, N] contest points as integers (20 to the point for DraftKings Classic;
            any integer unit will do). Negative points are allowed.
        salaries: [N] whole dollars, positive.
        cap: Dollars that a lineup may cost.
        roster_size: Drivers in a lineup.

    Raises:
        NoLegalLineup: If no lineup fits under the cap.
        InputError: If shapes, types or values are not as described.
    """
    points = np.asarray(points)
    if points.ndim != 2:
        raise InputError(
            f"points must be a table of scenarios by drivers, not of {points.ndim} dimensions.",
            field="points",
        )
    if points.shape[0] == 0:
        raise InputError("There are no scenarios.", field="points")
    salary = check_salaries(salaries, cap, roster_size, n_drivers=points.shape[1])
    points = np.ascontiguousarray(_whole(points, "points"))
    n_scenarios, n_drivers = points.shape
    lowest, highest = int(points.min()), int(points.max())
    if n_drivers + (n_drivers * (highest - lowest)).bit_length() <= 61:
        unit = max(int(np.gcd.reduce(salary)), 1)
        node_cap = _NODE_CAP if cap // unit <= _FINE_UNITS else _LONG_NODE_CAP
        drivers, total, _ = optimal_kernel.solve(
            points, lowest, salary, salary // unit, cap, cap // unit, roster_size, node_cap
        )
    else:
        # Points and tie-break do not fit one word: rank by the two of them instead.
        rows = [best_lineups(row, salary, cap, roster_size, 1) for row in points]
        drivers = np.concatenate([row.drivers for row in rows])
        total = np.concatenate([row.values for row in rows])
    share = np.bincount(drivers.ravel(), minlength=n_drivers) / n_scenarios
    return OptimalLineups(
        drivers=drivers,
        points=total,
        optimal_share=share,
        optimal_share_se=np.sqrt(share * (1.0 - share) / n_scenarios),
    )


def best_lineups(
    values: npt.ArrayLike, salaries: Integers, cap: int, roster_size: int, k: int
) -> BestLineups:
    """The k best legal lineups by a sum of values, exactly, best first.

    Equal sums are ordered by ascending driver indices, lexicographically. To rank by mean points,
    pass the sums over scenarios, which are exact integers. Floats are taken on a binary grid of
    about 2**-48 of the largest sum, finer than the rounding of their own addition.

    Args:
        values: [N] integers, any sign, or finite floats.
        salaries: [N] whole dollars, positive.
        cap: Dollars that a lineup may cost.
        roster_size: Drivers in a lineup.
        k: Lineups wanted; all that exist come back where they are fewer.

    Raises:
        NoLegalLineup: If no lineup fits under the cap.
        InputError: If shapes, types or values are not as described.
    """
    given = np.asarray(values)
    if given.ndim != 1:
        raise InputError("values must hold one number for each driver.", field="values")
    if k < 1:
        raise InputError(f"k is {k}; it must be at least 1.", field="k")
    salary = check_salaries(salaries, cap, roster_size, n_drivers=given.shape[0])
    value, grid = _on_grid(given)
    width = (given.shape[0] * int(np.abs(value).max())).bit_length()
    if width > _SUM_BITS:
        raise InputError(
            f"values reach {int(np.abs(value).max())}; their sums do not fit {_SUM_BITS} bits.",
            field="values",
        )
    shift = min(_SUM_BITS - width, 24)
    sums, masks = best_kernel.k_best(
        value, salary, cap, roster_size, k, shift, max(width - _PRICE_BITS, 0)
    )
    order = np.lexsort((~masks, -sums))
    lexicographic = np.arange(63, 63 - given.shape[0], -1, dtype=np.uint64)
    held = (masks[order, None] >> lexicographic[None, :]) & np.uint64(1)
    drivers = np.nonzero(held)[1].reshape(-1, roster_size).astype(np.int32)
    ranked = sums[order]
    return BestLineups(drivers=drivers, values=ranked if grid is None else np.ldexp(ranked, -grid))


def _on_grid(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], int | None]:
    """Values as integers, and the binary places that floats were shifted by."""
    if not np.issubdtype(values.dtype, np.floating):
        return _whole(values, "values").astype(np.int64), None
    if not bool(np.isfinite(values).all()):
        raise InputError("values hold a number that is not finite.", field="values")
    largest = float(np.abs(values).max()) * values.shape[0]
    places = _SUM_BITS - 1 - (int(np.ceil(np.log2(largest))) if largest > 0 else 0)
    return np.rint(np.ldexp(values.astype(np.float64), places)).astype(np.int64), places


def check_salaries(
    salaries: Integers, cap: int, roster_size: int, *, n_drivers: int
) -> npt.NDArray[np.int64]:
    """Salaries as int64, checked for shape, type, sign and for one legal lineup at least."""
    salary = _whole(np.asarray(salaries), "salaries").astype(np.int64)
    if salary.shape != (n_drivers,):
        raise InputError(
            f"there are {n_drivers} drivers but salaries of shape {salary.shape}.",
            field="salaries",
        )
    if roster_size < 1:
        raise InputError(f"roster_size is {roster_size}; it must be 1 or more.")
    if n_drivers > MAX_DRIVERS:
        raise InputError(f"{n_drivers} drivers; a slate may hold at most {MAX_DRIVERS}.")
    if n_drivers < roster_size:
        raise NoLegalLineup(f"{n_drivers} drivers cannot fill a lineup of {roster_size}.")
    if int(salary.min()) <= 0:
        raise InputError(
            f"driver {int(salary.argmin())} has a salary of {int(salary.min())}; "
            "salaries are positive whole dollars.",
            field="salaries",
        )
    lower = int(np.sort(salary)[:roster_size].sum())
    if lower > cap:
        raise NoLegalLineup(
            f"the {roster_size} cheapest drivers cost {lower}, over the cap of {cap}.",
            field="salaries",
            remedy="Check the salaries and the cap.",
        )
    return np.minimum(salary, cap + 1)


def _whole(array: npt.NDArray[Any], field: str) -> npt.NDArray[np.integer]:
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"{field} are of type {array.dtype}; they must be integers.",
            field=field,
            remedy="Pass points in units of 1/20 point, salaries in whole dollars.",
        )
    return array
