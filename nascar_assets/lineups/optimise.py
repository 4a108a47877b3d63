"""The search for a portfolio: candidates, a set, prices from its bound, better candidates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from nascar_assets.lineups.bounds import Prices, bound_from, reduced_worth, search_prices
from nascar_assets.lineups.candidates import Features, spread
from nascar_assets.lineups.objectives import ROUGH, Objective, top
from nascar_assets.lineups.ownership import expected_field
from nascar_assets.lineups.problem import Problem
from nascar_assets.lineups.selection import Candidates, Selection, select

Ints = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint64]

# How long is searched: each of these trades time for a better set or a tighter bound.
_ROUNDS = 4  # most rounds of candidates, set, prices and bound
_ROUGH_TURNS = 2  # first rounds that look for candidates alone and prove nothing
_CLOSE = 0.01  # share of the set's worth between set and bound at which the search ends
_CLOSE_FEW = 0.02  # the same for fewer than `_MANY` lineups, where each weighs more
_MANY = 60  # lineups
_FIRST_STEPS = 60  # steps of the price search in the first round, which starts from nothing
_STEPS = 240  # and in every later one, which goes on from the prices before
_SAMPLE = 2_000  # lineups drawn around the mix that meets the bounds
_SAMPLE_SEED = 43  # any number: it is fixed so that the same run gives the same set
_LOOSE_SALARY = 1_500.0  # of a cap of 50,000: leaving so much more is 2.7 times rarer there


@dataclass(frozen=True, slots=True)
class Solution:
    """A set and the most that any set could be worth.

    Attributes:
        selection: The set; its violation is not 0 where no set was found that keeps the bounds.
        bound: Integer worth that no set of the searched lineups can exceed; none without a set.
        searched: Lineups that the bound covers.
    """

    selection: Selection
    bound: int | None
    searched: int


def optimise(
    problem: Problem,
    features: Features,
    objective: Objective,
    space: Masks,
    mix: Masks,
    *,
    start: Masks | None = None,
    prove: bool = True,
) -> Solution:
    """The best set found among all legal lineups, and the bound proven for it.

    Every round solves the set over the candidates, searches for prices that make the set look
    optimal, and evaluates them over the whole space: that gives a bound, and the lineups that
    those prices find missing become candidates.

    Args:
        problem: Bounds.
        features: What is counted over the set.
        objective: What a set is worth on the scenarios to optimise on.
        space: Every legal lineup.
        mix: Lineups of which some mix meets the bounds over the set.
        start: A set that keeps every bound, where one is known: the search sets out from it.
        prove: Whether to go on until a bound is proven; the first set found otherwise.
    """
    count = max(1_200, 8 * problem.lineups)
    space, own, pool = objective.first_pool(space, count, partial(spread, problem))
    pool = np.union1d(pool, _scattered(problem, features, objective, space, mix))
    close = _CLOSE if problem.lineups >= _MANY else _CLOSE_FEW
    best: Selection | None = None
    if start is not None:
        pool = np.union1d(pool, start)
        best = Selection(np.sort(start), _worth(objective, start), 0)
    bound: int | None = None
    prices: Prices | None = None
    for turn in range(_ROUNDS):
        candidates = Candidates(features, objective, pool)
        bias = candidates.alone
        if prices is not None:
            bias = reduced_worth(problem, features, objective, pool, prices)
        afresh = turn < 2
        selection = select(problem, candidates, bias, best, afresh=afresh)
        if best is None or _better(selection, best):
            best = selection
        if best.violation or not prove:
            return Solution(best, None, space.shape[0])
        prices = search_prices(
            problem,
            features,
            pool,
            candidates.value,
            candidates.own,
            np.searchsorted(pool, best.masks),
            best.worth,
            steps=_STEPS if turn else _FIRST_STEPS,
            start=prices,
        )
        if turn < _ROUGH_TURNS and objective.by_scenario:
            # Only a search for candidates yet: a part of the scenarios will do.
            reduced = _rough_worth(problem, features, objective, space, prices)
        else:
            reduced = reduced_worth(problem, features, objective, space, prices, own)
            proven = bound_from(features, prices, reduced, problem.lineups)
            tighter = bound is None or proven < bound
            bound = min(proven, bound) if bound is not None else proven
            reached = objective.natural(best.worth, problem.lineups)
            if objective.natural(bound, problem.lineups) - reached <= close * abs(reached):
                break
            if turn > _ROUGH_TURNS and selection is not best and not tighter:
                break
        keep = pool[top(reduced_worth(problem, features, objective, pool, prices), 2 * count)]
        pool = np.unique(np.concatenate([best.masks, keep, spread(problem, space, reduced, count)]))
    assert best is not None
    return Solution(best, bound, space.shape[0])


def _scattered(
    problem: Problem, features: Features, objective: Objective, space: Masks, mix: Masks
) -> Masks:
    """Lineups for bounds over the set: a mix that meets them, and a sample around that mix.

    The sample is of the distribution of largest entropy that has the least exposures, so it is
    as varied as they allow; its random numbers are fixed.
    """
    spread_out = problem.max_shared < problem.roster_size - 1
    if not problem.exposures and not spread_out:
        return np.empty(0, np.uint64)
    given = np.full(problem.salary.shape[0], np.nan)
    if problem.exposures:
        lower = features.lower[: given.shape[0]] / problem.lineups
        given[lower > 0] = np.minimum(lower[lower > 0] + 0.01, 1.0)
    mean = objective.columns.mean(axis=1) / problem.slate.rules.points_scale
    used = int(np.bitwise_or.reduce(space))
    racing = np.array([bool(used >> i & 1) for i in range(mean.shape[0])])
    given[~racing] = np.nan
    rest = problem.roster_size - float(np.nansum(given))
    free = racing & np.isnan(given)
    if rest < 1e-6:
        return mix
    if rest > 0.95 * int(free.sum()):
        # Nearly all have a minimum: what is left goes to where there is room below the maximum.
        upper = np.minimum(features.upper[: given.shape[0]] / problem.lineups, 1.0)
        room = np.where(racing, upper - np.nan_to_num(given), 0.0)
        if rest > room.sum() - 1e-9:
            return mix
        given = np.where(racing, np.nan_to_num(given) + rest * room / room.sum(), np.nan)
    model = expected_field(
        mean,
        problem.salary,
        problem.cap,
        problem.roster_size,
        given=given,
        racing=racing,
        salary_left=_LOOSE_SALARY,
    )
    rng = np.random.Generator(np.random.Philox(_SAMPLE_SEED))
    drawn = model.sample(_SAMPLE, rng).astype(np.uint64)
    sample = np.unique(np.bitwise_or.reduce(np.uint64(1) << drawn, axis=1))
    # The sample is small and sorted, the space is millions: each of those looks itself up in it.
    place = np.minimum(np.searchsorted(sample, space), sample.shape[0] - 1)
    return np.union1d(mix, space[sample[place] == space])


def _worth(objective: Objective, masks: Masks) -> int:
    """What a set is worth: its best in each scenario, and what each is worth by itself."""
    return int(objective.value(masks).max(axis=0).sum(dtype=np.int64) + objective.own(masks).sum())


def _better(one: Selection, other: Selection) -> bool:
    return (one.violation, -one.worth) < (other.violation, -other.worth)


def _rough_worth(
    problem: Problem, features: Features, objective: Objective, space: Masks, prices: Prices
) -> Ints:
    fewer = Prices(
        np.ascontiguousarray(prices.scenario[::ROUGH]),
        prices.feature // ROUGH,
        prices.subset,
        prices.subset_price // ROUGH,
    )
    return reduced_worth(problem, features, objective.part(0, ROUGH), space, fewer)
