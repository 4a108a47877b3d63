"""How far a portfolio can be from the best: a proven bound by Lagrangian duality.

Every set of n legal lineups X is worth at most, for any prices u >= 0 of scenarios, m of the bounds
over the set and p >= 0 of the subsets of drivers that two lineups may not share,

    sum_s u_s + sum_f max(m_f least_f, m_f most_f) + sum_q p_q
        + sum of the n largest r(x), x over all legal lineups,
    r(x) = sum_s max(0, worth(x, s) - u_s) - sum_{f in x} m_f - sum_{q in x} p_q,

because the set's worth in a scenario is at most u_s plus what its lineups exceed u_s by. Good
prices are searched for over the candidates (a deflected subgradient method with Polyak's step); the
bound is then evaluated over the whole space in exact integers, so it holds whatever the search
found. See Fisher (1981), doi:10.1287/mnsc.27.1.1, and Cornuejols, Fisher and Nemhauser (1977),
doi:10.1287/mnsc.23.8.789, for the same relaxation of location problems.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from nascar_assets.lineups import selection_kernel, space_kernel
from nascar_assets.lineups.candidates import Features, shared_subsets
from nascar_assets.lineups.objectives import Ints16or32, Objective
from nascar_assets.lineups.problem import Problem

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Masks = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


# The price search looks at few candidates in most of its steps, to save time.
_REFRESH = 6  # every so many steps it looks at all candidates again
_ACTIVE = 4  # in between at so many times the set's lineups (and 300 more), the nearest to the top


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of scenarios, of bounds over the set, and of subsets that only one lineup may hold.

    Attributes:
        scenario: [S] in units of worth, not negative; empty where the objective is of lineups by
            themselves.
        feature: [F] in units of summed worth.
        subset: Subsets of `max_shared + 1` drivers that have a price, ascending.
        subset_price: Their prices, not negative.
    """

    scenario: Ints32
    feature: Ints
    subset: Masks
    subset_price: Ints


@njit(cache=True, nogil=True, parallel=True)
def _subset_prices(drivers: Ints32, places: Ints, subset: Masks, price: Ints, out: Ints) -> None:
    """Takes from `out` the prices of the subsets that each lineup holds."""
    for lineup in prange(drivers.shape[0]):
        total = np.int64(0)
        for row in range(places.shape[0]):
            key = np.uint64(0)
            for column in range(places.shape[1]):
                key |= np.uint64(1) << np.uint64(drivers[lineup, places[row, column]])
            at = np.searchsorted(subset, key)
            if at < subset.shape[0] and subset[at] == key:
                total += price[at]
        out[lineup] -= total


def feature_cost(features: Features, price: Ints, masks: Masks) -> Ints:
    """[M] summed prices of the features that each lineup has."""
    cost = space_kernel.additive(masks, price[:64])
    for group in range(features.targets.shape[0]):
        if price[64 + group]:
            cost += ((masks & features.targets[group]) != 0) * price[64 + group]
    return cost


def reduced_worth(
    problem: Problem,
    features: Features,
    objective: Objective,
    masks: Masks,
    prices: Prices,
    own: Ints | None = None,
) -> Ints:
    """r(x) of every lineup, exactly; where `own` is given, with that for its worth by itself."""
    worth = objective.above(masks, prices.scenario, own)
    worth = worth - feature_cost(features, prices.feature, masks)
    if prices.subset.shape[0]:
        places = np.array(
            list(combinations(range(problem.roster_size), problem.max_shared + 1)), np.int64
        )
        drivers = space_kernel.unpack(masks, problem.roster_size)
        _subset_prices(drivers, places, prices.subset, prices.subset_price, worth)
    return worth


def bound_from(features: Features, prices: Prices, reduced: Ints, lineups: int) -> int:
    """The bound that prices prove, given r(x) of every legal lineup."""
    largest = np.partition(reduced, reduced.shape[0] - lineups)[reduced.shape[0] - lineups :]
    bounds = np.maximum(prices.feature * features.lower, prices.feature * features.upper)
    return (
        int(prices.scenario.sum(dtype=np.int64))
        + int(bounds.sum())
        + int(prices.subset_price.sum())
        + int(largest.sum())
    )


def search_prices(
    problem: Problem,
    features: Features,
    pool: Masks,
    value: Ints16or32,
    own: Ints,
    members: Ints,
    worth: int,
    *,
    steps: int,
    start: Prices | None = None,
) -> Prices:
    """Good prices over the candidates, beginning between each scenario's best two members.

    Args:
        problem: Bounds.
        features: What is counted over the set.
        pool: [M] candidates.
        value: [M, S] their worth in scenarios.
        own: [M] their worth by themselves.
        members: [n] the best set known.
        worth: What it is worth.
        steps: Steps of the search.
        start: Prices to begin from.
    """
    n = problem.lineups
    n_scenarios = value.shape[1]
    bound_features = np.flatnonzero((features.lower > 0) | (features.upper < n))
    words = features.words(pool)
    has = (
        np.stack(
            [(words[:, f // 64] >> np.uint64(f % 64)) & np.uint64(1) for f in bound_features],
            axis=1,
        ).astype(np.float64)
        if bound_features.size
        else np.zeros((pool.shape[0], 0))
    )
    lower, upper = features.lower[bound_features], features.upper[bound_features]
    subset, index = _pool_subsets(problem, pool)
    u = np.zeros(n_scenarios)
    if n_scenarios:
        ranked = np.sort(value[members], axis=0)
        u = (ranked[-1].astype(np.float64) + ranked[-2 if n > 1 else -1]) / 2
    m = np.zeros(bound_features.size)
    p = np.zeros(subset.shape[0] + 1)
    if start is not None:
        u = start.scenario.astype(np.float64)
        m = start.feature[bound_features].astype(np.float64)
        at = np.minimum(np.searchsorted(start.subset, subset), max(start.subset.shape[0] - 1, 0))
        if start.subset.shape[0]:
            p[:-1] = np.where(start.subset[at] == subset, start.subset_price[at], 0)
    # Prices of bounds are sums over the scenarios that one lineup of n decides, prices of scenarios
    # are of one each: their steps differ by that scale.
    weight = max(4 * n_scenarios / n**2, 1e-3)
    best, best_at = np.inf, (u, m, p)
    pace, idle = 1.0, 0
    du, dm, dp = np.zeros_like(u), np.zeros_like(m), np.zeros_like(p)
    active = np.arange(pool.shape[0])
    active_value: Any = value
    active_has, active_index = has, index
    for step_number in range(steps):
        # Only candidates near the top decide a step; every few steps all are looked at again, and
        # only those steps say how good the prices are.
        full = step_number % _REFRESH == 0
        if full:
            active_value, active_has, active_index = value, has, index
            active = np.arange(pool.shape[0])
        whole = np.rint(u).astype(np.int32)
        reduced = own[active] - active_has @ m - p[active_index].sum(axis=1)
        if n_scenarios:
            reduced += selection_kernel.gains_above(active_value, whole)
        chosen = np.argpartition(reduced, reduced.shape[0] - n)[reduced.shape[0] - n :]
        bound = (
            float(whole.sum(dtype=np.int64))
            + float(np.maximum(m * lower, m * upper).sum())
            + float(p.sum())
            + float(reduced[chosen].sum())
        )
        if full:
            if bound < best:
                best, best_at, idle = bound, (u, m, p), 0
            else:
                pace, idle = pace * 0.6, idle + 1
                if idle > 1:
                    u, m, p = best_at
                    idle = 0
                    du, dm, dp = np.zeros_like(u), np.zeros_like(m), np.zeros_like(p)
            if bound - worth <= 0.5:
                break
            exceeding = selection_kernel.count_above(value, chosen, whole)
            chosen_has, chosen_index = has[chosen], index[chosen]
            near = np.argpartition(-reduced, min(_ACTIVE * n + 300, reduced.shape[0] - 1))
            active = np.sort(near[: _ACTIVE * n + 300])
            active_value = value[active]
            active_has, active_index = has[active], index[active]
        else:
            exceeding = selection_kernel.count_above(active_value, chosen, whole)
            chosen_has, chosen_index = active_has[chosen], active_index[chosen]
        gu = 1.0 - exceeding
        count = chosen_has.sum(axis=0)
        # At a price of zero either side of a bound is a subgradient: take the one that is broken.
        gm = np.where(m > 0, upper, lower) - count
        gm = np.where(m == 0, np.clip(count, lower, upper) - count, gm)
        gp = 1.0 - np.bincount(chosen_index.ravel(), minlength=p.shape[0])
        gp[-1] = 0.0
        gp[(p <= 0) & (gp > 0)] = 0.0
        du, dm, dp = gu + 0.5 * du, gm + 0.5 * dm, gp + 0.5 * dp
        norm = float((du * du).sum() + weight * ((dm * dm).sum() + (dp * dp).sum()))
        if norm == 0.0:
            break
        step = pace * max(bound - worth, 0.0) / norm
        u = np.maximum(u - step * du, 0.0)
        m = m - step * weight * dm
        p = np.maximum(p - step * weight * dp, 0.0)
        p[-1] = 0.0
    u, m, p = best_at
    feature = np.zeros(features.lower.shape[0], np.int64)
    feature[bound_features] = np.rint(m)
    price = np.rint(p[:-1]).astype(np.int64)
    priced = price > 0
    return Prices(np.rint(u).astype(np.int32), feature, subset[priced], price[priced])


def _pool_subsets(problem: Problem, pool: Masks) -> tuple[Masks, Ints]:
    """Subsets that two candidates or more hold, and [M, C] where each candidate's are.

    The index after the last stands for a subset that nobody else holds.
    """
    if problem.max_shared >= problem.roster_size - 1:
        return np.empty(0, np.uint64), np.zeros((pool.shape[0], 1), np.int64)
    keys = shared_subsets(pool, problem.max_shared + 1, problem.roster_size)
    unique, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shared = counts > 1
    position = np.where(shared, np.cumsum(shared) - 1, int(shared.sum()))
    return unique[shared], position[inverse].reshape(keys.shape)
