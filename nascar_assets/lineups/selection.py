"""Choosing a set from candidates: greedy, repair and swaps, CP-SAT where bounds are tight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.lineups import selection_kernel
from nascar_assets.lineups.candidates import Features, shared_subsets
from nascar_assets.lineups.objectives import Objective
from nascar_assets.lineups.problem import Problem

Ints = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint64]

_PASSES = 30
_REPAIRS = 400
_DETERMINISTIC_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Selection:
    """A set of candidates.

    Attributes:
        masks: [n] lineups.
        worth: The objective as an integer sum.
        violation: Places by which bounds over the set are missed; 0 where all hold.
    """

    masks: Masks
    worth: int
    violation: int


class Candidates:
    """Candidates with their worth worked out once.

    Attributes:
        pool: [M] lineups, ascending and distinct.
        value: [M, S] worth in each scenario.
        own: [M] worth by themselves.
        words: [M, W] features.
        features: What is counted over the set.
        alone: [M] summed worth over scenarios and by itself.
    """

    def __init__(self, features: Features, objective: Objective, pool: Masks) -> None:
        self.pool = pool
        self.features = features
        self.value = objective.value(pool)
        self.own = objective.own(pool)
        self.words = features.words(pool)
        nothing = np.zeros(self.value.shape[1], np.int32)
        self.alone = selection_kernel.gains_above(self.value, nothing) + self.own


def select(
    problem: Problem,
    candidates: Candidates,
    bias: Ints,
    start: Selection | None,
    *,
    afresh: bool = True,
) -> Selection:
    """The best set found: every bound kept first, then the objective.

    Args:
        problem: Bounds.
        candidates: What to choose from.
        bias: [M] what speaks for a candidate besides its worth where bounds have to be met:
            its worth net of the prices of the bounds over the set.
        start: A set to better as well, all of it among the candidates.
        afresh: Whether to build a set from nothing even where there is one to start from.
    """
    found = []
    if afresh or start is None or start.violation:
        known = start is not None and not start.violation
        found.append(_from_scratch(problem, candidates, bias, known))
    if start is not None and not start.violation:
        found.append(_improved(problem, candidates, np.searchsorted(candidates.pool, start.masks)))
    return min(found, key=lambda s: (s.violation, -s.worth, s.masks.tolist()))


def _from_scratch(problem: Problem, candidates: Candidates, bias: Ints, known: bool) -> Selection:
    pool, features = candidates.pool, candidates.features
    members = np.full(problem.lineups, -1, np.int64)
    selection_kernel.greedy(
        candidates.value,
        candidates.own,
        pool,
        candidates.words,
        features.upper,
        problem.max_shared,
        candidates.alone,
        members,
    )
    scores = bias
    violation = -1
    if (members >= 0).all():
        violation = selection_kernel.repair(
            scores,
            pool,
            candidates.words,
            features.lower,
            features.upper,
            problem.max_shared,
            members,
            _REPAIRS,
        )
    if violation != 0:
        if known:
            # There is a set that keeps the bounds already: it will do to go on from.
            return Selection(pool[members[members >= 0]], 0, max(int(violation), 1))
        covered = cover_bounds(problem, features, pool, scores)
        if covered is None:
            return Selection(pool[members[members >= 0]], 0, max(int(violation), 1))
        members = covered
    return _improved(problem, candidates, members)


def _improved(problem: Problem, candidates: Candidates, members: Ints) -> Selection:
    worth, _ = selection_kernel.improve(
        candidates.value,
        candidates.own,
        candidates.pool,
        candidates.words,
        candidates.features.lower,
        candidates.features.upper,
        problem.max_shared,
        members,
        _PASSES,
    )
    return Selection(np.sort(candidates.pool[members]), int(worth), 0)


def cover_bounds(problem: Problem, features: Features, pool: Masks, scores: Ints) -> Ints | None:
    """A set of candidates that keeps every bound, by CP-SAT; none where it finds none.

    One worker, a fixed seed and a limit in deterministic time: the same set on any machine.
    """
    # Imported where it is needed: most portfolios do without it.
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    chosen = [model.new_bool_var(f"x{i}") for i in range(pool.shape[0])]
    model.add(sum(chosen) == problem.lineups)
    words = features.words(pool)
    for feature in range(features.lower.shape[0]):
        lower, upper = int(features.lower[feature]), int(features.upper[feature])
        if lower <= 0 and upper >= problem.lineups:
            continue
        held = (words[:, feature // 64] >> np.uint64(feature % 64)) & np.uint64(1)
        terms = [chosen[i] for i in np.flatnonzero(held)]
        model.add_linear_constraint(sum(terms), lower, upper)
    if problem.max_shared < problem.roster_size - 1:
        for clique in shared_cliques(pool, problem.max_shared, problem.roster_size):
            model.add_at_most_one([chosen[i] for i in clique])
    spread = max(int(scores.max()) - int(scores.min()), 1)
    coarse = (scores - int(scores.min())) * 10_000 // spread
    model.maximize(sum(int(c) * x for c, x in zip(coarse, chosen, strict=True)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = _DETERMINISTIC_SECONDS
    solver.parameters.relative_gap_limit = 0.02
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return np.flatnonzero([solver.value(x) for x in chosen]).astype(np.int64)


def shared_cliques(pool: Masks, max_shared: int, roster_size: int) -> list[Ints]:
    """Candidates that hold one same subset of `max_shared + 1` drivers: at most one can be in.

    Two lineups share more than `max_shared` drivers exactly when they hold such a subset together.
    """
    keys = shared_subsets(pool, max_shared + 1, roster_size)
    owner = np.repeat(np.arange(keys.shape[0]), keys.shape[1])
    whole = np.bitwise_count(keys.ravel()) == max_shared + 1
    flat, owner = keys.ravel()[whole], owner[whole]
    order = np.argsort(flat, kind="stable")
    flat, owner = flat[order], owner[order]
    groups = np.split(owner, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    return [group for group in groups if group.shape[0] > 1]
