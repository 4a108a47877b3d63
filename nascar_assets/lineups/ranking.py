"""The best single lineups by a figure of their score, exactly over the whole lineup space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups import space_kernel
from nascar_assets.lineups.candidates import top
from nascar_assets.lineups.objectives import OwnObjective, check_points
from nascar_assets.lineups.optimal import check_salaries
from nascar_assets.lineups.problem import rule_arrays

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RankedLineups:
    """The best lineups by one figure, best first.

    Attributes:
        drivers: [m, roster_size] driver indices, ascending in each row.
        values: [m] the figure: units of the points, or a probability.
    """

    drivers: npt.NDArray[np.int32]
    values: npt.NDArray[np.float64]


def rank_lineups(
    points_x20: npt.NDArray[np.integer],
    salaries: npt.NDArray[np.integer],
    cap: int,
    roster_size: int,
    k: int,
    *,
    by: Literal["mean", "quantile", "probability", "cvar"],
    level: float = 0.9,
) -> RankedLineups:
    """The k best lineups by a figure of their own score, out of every legal lineup.

    Lineups that cannot be among them are left out by upper bounds, the others are worked out over
    all scenarios, so the answer is exact. Equal figures are ordered by ascending driver indices.

    Args:
        points_x20: [S, N] points as integers.
        salaries: [N] dollars.
        cap: Dollars.
        roster_size: Drivers in a lineup.
        k: Lineups wanted; all that exist come back where they are fewer.
        by: `mean`; `quantile`, the smallest score that a share `level` of scenarios does not
            exceed; `probability` of a score of `level` units or more; `cvar`, the mean score of
            the best share `level` of scenarios.
        level: See `by`.

    Raises:
        InputError: If points, salaries or the level are at fault.
    """
    points = np.asarray(points_x20)
    check_points(points, points.shape[-1])
    salary = check_salaries(np.asarray(salaries), cap, roster_size, n_drivers=points.shape[1])
    if k < 1:
        raise InputError(f"k is {k}; it must be at least 1.", field="k")
    if by in ("quantile", "cvar") and not 0.0 < level <= 1.0:
        raise InputError(f"a {by} needs a level between 0 and 1, not {level}.", field="level")
    columns = np.ascontiguousarray(points.T, dtype=np.int32)
    arrays = rule_arrays((), (), points.shape[1])
    space, _ = space_kernel.enumerate_space(salary, cap, roster_size, *arrays, False)
    n_scenarios = points.shape[0]
    if by == "probability":
        limit = np.full(n_scenarios, math.ceil(level - 1e-9), np.int32)
        once = np.ones(n_scenarios, np.int32)
        worth = space_kernel.sweep(space, columns, limit, once, roster_size, True)
        per = n_scenarios
    else:
        objective = OwnObjective(columns, roster_size, 1, by, level)
        worth = objective.most(space)
        per = 1 if by == "quantile" else objective.tail
        if by != "mean":
            worth = _exact(objective, space, worth, k)
    best = top(worth, k)
    # The space is listed in lexicographic order, so ties come in that order too.
    return RankedLineups(space_kernel.unpack(space[best], roster_size), worth[best] / per)


def _exact(objective: OwnObjective, space: npt.NDArray[np.uint64], most: Ints, k: int) -> Ints:
    """Worths where a lineup may be among the k best, least possible values elsewhere."""
    worth = np.full(space.shape[0], np.iinfo(np.int64).min)
    order = top(most, space.shape[0])
    done = 0
    step = max(2 * k, 2_000)
    while done < order.shape[0]:
        part = order[done : done + step]
        worth[part] = objective.own(space[part])
        done += part.shape[0]
        known = np.sort(worth[order[:done]])[::-1]
        enough = known.shape[0] >= k
        # Bounds fall along the order: once the next one cannot reach the k-th best, no other can.
        if enough and (done == order.shape[0] or most[order[done]] < known[k - 1]):
            break
    return worth
