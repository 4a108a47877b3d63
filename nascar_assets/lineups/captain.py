"""Exact best lineups of a captain format: each captain tried, the other places filled exactly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups.optimal import (
    BestLineups,
    Integers,
    NoLegalLineup,
    OptimalLineups,
    best_lineups,
    optimal_lineups,
)

Ints = npt.NDArray[np.int64]


def optimal_captain_lineups(
    points: Integers, salaries: Integers, cap: int, roster_size: int, captain_percent: int
) -> OptimalLineups:
    """The best legal lineup of every scenario where one driver counts and costs more.

    Among lineups of equal points the one with the captain of smallest index is the answer, then
    the one whose other drivers are lexicographically smallest.

    Args:
        points: [S, N] contest points as integers in a unit in which a captain's are whole
            (40 to the point for half points over Classic's 0.05).
        salaries: [N] whole dollars.
        cap: Dollars that a lineup may cost.
        roster_size: Drivers in a lineup, the captain among them; two at least.
        captain_percent: What a captain's points and salary count, in percent; 100 or more.

    Returns:
        The lineups, each with its captain first and the others ascending; a driver's optimal
        share counts him in either place.

    Raises:
        NoLegalLineup: If no lineup fits under the cap.
        InputError: If shapes, types or values are not as described.
    """
    table = np.asarray(points)
    salary = np.asarray(salaries)
    _check(table, salary, roster_size, captain_percent)
    n_scenarios, n_drivers = table.shape
    best = np.full(n_scenarios, np.iinfo(np.int64).min)
    drivers = np.zeros((n_scenarios, roster_size), np.int32)
    for captain in range(n_drivers):
        others = np.delete(np.arange(n_drivers, dtype=np.int32), captain)
        left = _left(cap, int(salary[captain]), captain_percent)
        try:
            rest = optimal_lineups(table[:, others], salary[others], left, roster_size - 1)
        except NoLegalLineup:
            continue
        total = _raised(table[:, captain], captain_percent) + rest.points_x20
        better = total > best
        best[better] = total[better]
        drivers[better, 0] = captain
        drivers[better, 1:] = others[rest.drivers[better]]
    if best[0] == np.iinfo(np.int64).min:
        raise _no_lineup(cap, roster_size)
    share = np.bincount(drivers.ravel(), minlength=n_drivers) / n_scenarios
    return OptimalLineups(drivers, best, share, np.sqrt(share * (1.0 - share) / n_scenarios))


def best_captain_lineups(
    values: Integers, salaries: Integers, cap: int, roster_size: int, captain_percent: int, k: int
) -> BestLineups:
    """The k best lineups by a sum of values where one driver counts and costs more.

    Args:
        values: [N] integers; a captain's share of them has to be whole.
        salaries: [N] whole dollars.
        cap: Dollars that a lineup may cost.
        roster_size: Drivers in a lineup, the captain among them; two at least.
        captain_percent: What a captain's value and salary count, in percent; 100 or more.
        k: Lineups wanted; all that exist come back where they are fewer.

    Returns:
        Best first, each with its captain first and the others ascending; equal sums by captain,
        then lexicographically.

    Raises:
        NoLegalLineup: If no lineup fits under the cap.
        InputError: If shapes, types or values are not as described.
    """
    given = np.asarray(values)
    salary = np.asarray(salaries)
    _check(given[None, :], salary, roster_size, captain_percent)
    sums: list[Ints] = []
    rows: list[npt.NDArray[np.int32]] = []
    for captain in range(given.shape[0]):
        others = np.delete(np.arange(given.shape[0], dtype=np.int32), captain)
        left = _left(cap, int(salary[captain]), captain_percent)
        try:
            rest = best_lineups(given[others], salary[others], left, roster_size - 1, k)
        except NoLegalLineup:
            continue
        first = np.full((rest.drivers.shape[0], 1), captain, np.int32)
        rows.append(np.concatenate([first, others[rest.drivers]], axis=1))
        own = int(_raised(given[captain : captain + 1], captain_percent)[0])
        sums.append(own + np.asarray(rest.values, np.int64))
    if not rows:
        raise _no_lineup(cap, roster_size)
    drivers, total = np.concatenate(rows), np.concatenate(sums)
    # Captains come in order and each one's ties are sorted, so a stable order is canonical.
    order = np.argsort(-total, kind="stable")[:k]
    return BestLineups(drivers=drivers[order], values=total[order])


def _check(
    table: npt.NDArray[np.generic],
    salary: npt.NDArray[np.generic],
    roster_size: int,
    captain_percent: int,
) -> None:
    if table.ndim != 2 or table.shape[0] == 0 or not np.issubdtype(table.dtype, np.integer):
        raise InputError(
            "points must be a table of integers, scenarios by drivers.", field="points"
        )
    if salary.shape != (table.shape[1],) or not np.issubdtype(salary.dtype, np.integer):
        raise InputError(
            f"salaries must be {table.shape[1]} whole dollars, one for each driver.",
            field="salaries",
        )
    if captain_percent < 100 or roster_size < 2:
        raise InputError(
            f"a captain format has two places at least and a captain who counts 100% or more, not "
            f"{roster_size} and {captain_percent}%.",
            field="captain_percent",
        )
    if (table.astype(np.int64) * captain_percent % 100).any():
        raise InputError(
            f"{captain_percent}% of some points is not a whole number of units.",
            field="points",
            remedy="Give points in a finer unit: 40 to the point for Classic's scoring.",
        )


def _raised(points: npt.NDArray[np.integer], captain_percent: int) -> Ints:
    return points.astype(np.int64) * captain_percent // 100


def _left(cap: int, salary: int, captain_percent: int) -> int:
    """Whole dollars left for the others; they cost whole dollars, so a fraction buys nothing."""
    return max(cap - -(-salary * captain_percent // 100), 0)


def _no_lineup(cap: int, roster_size: int) -> NoLegalLineup:
    return NoLegalLineup(
        f"No lineup of {roster_size} with a captain fits under the cap of {cap:,}.",
        field="salaries",
    )
