"""Any set of lineups that keeps every bound, found driver by driver where no choice had one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nascar_assets.lineups.candidates import Features
from nascar_assets.lineups.problem import CountRule, Problem, SumRule

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

Masks = npt.NDArray[np.uint64]

_MAX_LINEUPS = 40
_DETERMINISTIC_SECONDS = 8.0


def find_set(
    problem: Problem,
    features: Features,
    sum_rules: tuple[SumRule, ...],
    seconds: float = _DETERMINISTIC_SECONDS,
) -> tuple[Masks | None, bool]:
    """A set that keeps every rule and bound, by CP-SAT over the places of all lineups at once.

    A choice from candidates can miss sets whose lineups have to fit each other, as lineups without
    a common driver have to; this search leaves no legal lineup out. It has one worker, a fixed
    seed and a limit in deterministic time, so it gives the same answer on any machine.

    Args:
        problem: The settings.
        features: The bounds over the set.
        sum_rules: Rules on each lineup that add up weights.
        seconds: The limit, in seconds of deterministic time.

    Returns:
        [lineups] masks, ascending, or none; and whether it is proven that there is no such set.
        Above 40 lineups nothing is searched: neither found nor proven.
    """
    if problem.lineups > _MAX_LINEUPS:
        return None, False
    # Imported where it is needed: most portfolios do without it.
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    n = problem.salary.shape[0]
    picks = [[model.new_bool_var(f"l{i}d{d}") for d in range(n)] for i in range(problem.lineups)]
    for row in picks:
        model.add(sum(row) == problem.roster_size)
        model.add(sum(int(s) * x for s, x in zip(problem.salary, row, strict=True)) <= problem.cap)
        for rule in problem.count_rules:
            _add_count_rule(model, rule, row)
        for weighed in sum_rules:
            total = sum(w * x for w, x in zip(weighed.weights, row, strict=True))
            model.add_linear_constraint(total, weighed.lower, weighed.upper)
    _add_bounds_over_the_set(model, problem, features, picks)
    _add_sharing(model, problem, picks)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = seconds
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None, status == cp_model.INFEASIBLE
    masks = [sum(1 << d for d, x in enumerate(row) if solver.value(x)) for row in picks]
    return np.sort(np.array(masks, np.uint64)), False


def _add_count_rule(model: cp_model.CpModel, rule: CountRule, row: list[cp_model.IntVar]) -> None:
    held = sum(x for d, x in enumerate(row) if rule.target >> d & 1)
    condition = [x for d, x in enumerate(row) if rule.condition >> d & 1]
    bound = model.add_linear_constraint(held, rule.lower, rule.upper)
    if condition:
        bound.only_enforce_if(condition)


def _add_bounds_over_the_set(
    model: cp_model.CpModel,
    problem: Problem,
    features: Features,
    picks: list[list[cp_model.IntVar]],
) -> None:
    for d in range(len(picks[0])):
        lower, upper = int(features.lower[d]), int(features.upper[d])
        model.add_linear_constraint(sum(row[d] for row in picks), lower, upper)
    for g, target in enumerate(int(t) for t in features.targets):
        holding = []
        for i, row in enumerate(picks):
            holds = model.new_bool_var(f"l{i}g{g}")
            model.add_max_equality(holds, [x for d, x in enumerate(row) if target >> d & 1])
            holding.append(holds)
        lower, upper = int(features.lower[64 + g]), int(features.upper[64 + g])
        model.add_linear_constraint(sum(holding), lower, min(upper, problem.lineups))


def _add_sharing(
    model: cp_model.CpModel, problem: Problem, picks: list[list[cp_model.IntVar]]
) -> None:
    """At most `max_shared` drivers in common, two by two; distinct lineups where that is all."""
    if problem.max_shared == 0:
        for d in range(len(picks[0])):
            model.add_at_most_one([row[d] for row in picks])
        return
    for i, one in enumerate(picks):
        for j, other in enumerate(picks[:i]):
            common = []
            for d, (x, y) in enumerate(zip(one, other, strict=True)):
                both = model.new_bool_var(f"l{j}l{i}d{d}")
                model.add_bool_or([x.negated(), y.negated(), both])
                common.append(both)
            model.add(sum(common) <= problem.max_shared)
