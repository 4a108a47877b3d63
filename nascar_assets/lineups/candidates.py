"""Candidates: the lineups out of the whole legal space that a portfolio is chosen from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.lineups import space_kernel
from nascar_assets.lineups.objectives import top
from nascar_assets.lineups.problem import CountRule, Problem, SumRule, rule_arrays

Ints = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint64]


# How far down the ranking candidates for bounds over the set are looked for first.
_AHEAD = 60


@dataclass(frozen=True, slots=True)
class Features:
    """What is counted over the set: words of bits, and bounds on each bit's count.

    Word 0 holds the drivers, the words after it the groups.
    """

    targets: Masks
    lower: Ints
    upper: Ints

    def words(self, masks: Masks) -> Masks:
        """[M, W] feature words of lineups."""
        groups = self.targets.shape[0]
        words = np.zeros((masks.shape[0], 1 + -(-groups // 64)), np.uint64)
        words[:, 0] = masks
        for g in range(groups):
            held = (masks & self.targets[g]) != 0
            words[:, 1 + g // 64] |= held.astype(np.uint64) << np.uint64(g % 64)
        return words


def features_of(problem: Problem) -> Features:
    """The bounds over the set as features."""
    n = problem.salary.shape[0]
    lower = np.zeros(64, np.int64)
    upper = np.full(64, problem.lineups, np.int64)
    groups = []
    for exposure in problem.exposures:
        if exposure.target.bit_count() == 1:
            driver = exposure.target.bit_length() - 1
            lower[driver] = max(lower[driver], exposure.lower)
            upper[driver] = min(upper[driver], exposure.upper)
        else:
            groups.append(exposure)
    lower[n:] = 0
    return Features(
        targets=np.array([g.target for g in groups], np.uint64),
        lower=np.concatenate([lower, np.array([g.lower for g in groups], np.int64)]),
        upper=np.concatenate([upper, np.array([g.upper for g in groups], np.int64)]),
    )


_spaces: dict[tuple[Any, ...], Masks] = {}
"""The last space that was listed, by what makes it."""


def legal_space(
    problem: Problem, count_rules: tuple[CountRule, ...], sum_rules: tuple[SumRule, ...]
) -> Masks:
    """Every lineup under the cap that keeps the rules, in lexicographic order; not to be written.

    The last one is kept: a slate is asked for many sets, and most settings are bounds over the set.
    """
    arrays = rule_arrays(count_rules, sum_rules, problem.salary.shape[0])
    salary = np.minimum(problem.salary, problem.cap + 1)
    parts = (salary, *arrays)
    key = (problem.cap, problem.roster_size, *((part.shape, part.tobytes()) for part in parts))
    masks = _spaces.get(key)
    if masks is None:
        masks, _ = space_kernel.enumerate_space(
            salary, problem.cap, problem.roster_size, arrays, False
        )
        _spaces.clear()
        _spaces[key] = masks
    return masks


def packing(masks: Masks, count: int, max_shared: int) -> Masks:
    """Lineups taken in turn, each sharing no more drivers than allowed with those before."""
    taken = np.zeros(count, np.uint64)
    size = 0
    for mask in masks:
        if size and int(np.bitwise_count(taken[:size] & mask).max()) > max_shared:
            continue
        taken[size] = mask
        size += 1
        if size == count:
            break
    return taken[:size]


def spread(problem: Problem, space: Masks, scores: Ints, count: int) -> Masks:
    """Candidates by a score: the best, the best of each bounded feature, and a loose packing.

    Bounds over the set need candidates on both sides of them; a limit on shared drivers needs
    candidates far from one another.
    """
    best = top(scores, min(space.shape[0], _AHEAD * count))
    parts = [space[best[:count]]]
    share = max(count // 24, problem.lineups // 4)
    for exposure in problem.exposures:
        held = (space[best] & np.uint64(exposure.target)) != 0
        for wanted, side in ((exposure.lower > 0, True), (exposure.upper < problem.lineups, False)):
            if not wanted:
                continue
            ahead = best[held == side][:share]
            if ahead.shape[0] < share:
                everywhere = np.flatnonzero(((space & np.uint64(exposure.target)) != 0) == side)
                ahead = everywhere[top(scores[everywhere], share)]
            parts.append(space[ahead])
    if problem.max_shared < problem.roster_size - 1:
        parts.append(packing(space[best], 2 * problem.lineups, problem.max_shared))
    return np.unique(np.concatenate(parts))


def shared_subsets(masks: Masks, size: int, roster_size: int) -> Masks:
    """[M, C] masks of every subset of `size` drivers of each lineup.

    Of a lineup with a driver who does not race, who is no bit of it, some have fewer.
    """
    drivers = space_kernel.unpack(masks, roster_size)
    one = np.uint64(1) << np.maximum(drivers, 0).astype(np.uint64)
    bits = np.where(drivers < 0, np.uint64(0), one)
    return np.stack(
        [
            np.bitwise_or.reduce(bits[:, subset], axis=1)
            for subset in combinations(range(roster_size), size)
        ],
        axis=1,
    )
