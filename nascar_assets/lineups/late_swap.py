"""After a scratch: the fewest changed drivers after which a portfolio keeps every setting again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.lineups import space_kernel
from nascar_assets.lineups.candidates import features_of, legal_space
from nascar_assets.lineups.conflict import explain
from nascar_assets.lineups.legality import check_lineups
from nascar_assets.lineups.mix import has_feature
from nascar_assets.lineups.objectives import check_points, top
from nascar_assets.lineups.portfolio import InfeasiblePortfolio, masks_of
from nascar_assets.lineups.problem import (
    CountRule,
    Problem,
    SumRule,
    beside,
    find_driver,
    ownership_rule,
    resolve,
)
from nascar_assets.lineups.projection import Projection
from nascar_assets.lineups.selection import shared_cliques
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.slates.slate import Slate

Ints = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint64]

_UNKEPT = "set aside, the file does not keep it as it is"
"""What is said of a setting that lineups of one's own did not keep before they are mended."""

_NEAR = 600
_OPTIONS = 60
_DETERMINISTIC_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Change:
    """One driver replaced in one lineup.

    Attributes:
        lineup: Number of the lineup, from 1.
        out: Who goes, by name.
        into: Who comes, by name.
    """

    lineup: int
    out: str
    into: str


@dataclass(frozen=True, slots=True)
class Swap:
    """A mended portfolio.

    Attributes:
        drivers: [n, roster_size] indices into the slate's players, in the old order of lineups.
        changes: Every driver replaced.
        notices: Settings that no longer apply because they are about a scratched driver.
    """

    drivers: npt.NDArray[np.int32]
    changes: tuple[Change, ...]
    notices: tuple[str, ...]


def late_swap(
    scenario_points: npt.NDArray[np.integer],
    slate: Slate,
    settings: PortfolioSettings | Mapping[str, Any] | None,
    lineups: npt.ArrayLike | Sequence[Sequence[int]],
    scratched: Sequence[str],
    *,
    vetoes: Sequence[CountRule] = (),
    fixed: Sequence[int] = (),
    without: Collection[Sequence[int]] = (),
    own: bool = False,
) -> Swap:
    """The smallest change to a portfolio after drivers were scratched.

    Replaces as few drivers as possible, in lineups without a scratched driver too where that takes
    fewer. Where more change than were scratched, that it is the smallest change is not proven, and
    a notice says so. Among the smallest changes it takes the one with the most mean points.

    Args:
        scenario_points: [S, N] contest points, as for `build_portfolio`.
        slate: The slate; who is absent by it is replaced too.
        settings: The settings of the portfolio.
        lineups: [n, roster_size] the portfolio, indices into `slate.everyone`.
        scratched: Names, site ids or driver ids of drivers besides who will not race.
        vetoes: Rules on each lineup that hold besides, as for `build_portfolio`.
        fixed: Rows of lineups that can no longer change; bounds over the set count them.
        without: Lineups that none may become, indices into `slate.everyone`.
        own: Whether rules on a lineup that these do not keep anyway are set aside with a notice.

    Raises:
        InfeasiblePortfolio: If no change keeps every setting.
        InputError: If a driver is unknown or the lineups are illegal.
    """
    settings = PortfolioSettings.of(settings)
    points = np.asarray(scenario_points)
    check_points(points, len(slate.players))
    rows = np.asarray(lineups, np.int64)
    check_lineups(slate, rows, entered=True)
    n = len(slate.players)
    named = {find_driver(slate, text, field="scratched") for text in scratched}
    out = sorted(i for i in named if i < n)
    problem, notices = _without(slate, settings, vetoes, rows.shape[0], out)
    projection = Projection(problem, points)
    scaled = projection.points
    sum_rules = problem.sum_rules
    if settings.ownership_max is not None:
        sum_rules += (ownership_rule(settings.ownership_max, projection.field.ownership),)
    now = masks_of(slate, rows.tolist())
    fixed = list(fixed)
    movable = np.ones(now.shape[0], np.bool_)
    movable[fixed] = False
    if own:
        staying = now[movable] & ~np.uint64(sum(1 << i for i in out))
        firm = {veto.label for veto in vetoes}
        costs = np.array([player.salary for player in slate.everyone], np.int64)[rows]
        spent = costs.sum(axis=1)[movable]
        problem, sum_rules, broken = _kept(problem, sum_rules, staying, spent, firm)
        notices += broken
    space = legal_space(problem, problem.count_rules, sum_rules)
    taken = masks_of(slate, without)
    space = space[~np.isin(space, taken)]
    worth = space_kernel.additive(space, scaled.sum(axis=0, dtype=np.int64))
    affected = movable & ((rows >= n) | np.isin(rows, out)).any(axis=1)
    chosen = None
    needed = int(((rows >= n) | np.isin(rows, out))[movable].sum())
    if space.shape[0] >= int(movable.sum()):
        chosen = _choose(problem, space, worth, now, affected, fixed)
        if chosen is None or _changed(now, chosen) > needed:
            # Lineups without a scratched driver may have to give way.
            other = _choose(problem, space, worth, now, movable, fixed, near=True)
            if other is None:
                other = _choose(problem, space, worth, now, movable, fixed)
            if other is not None and (
                chosen is None or _changed(now, other) < _changed(now, chosen)
            ):
                chosen = other
    if chosen is None:
        raise InfeasiblePortfolio(
            explain(beside(problem, rows[fixed].tolist()), sum_rules, taken, now[fixed])
        )
    drivers = rows.astype(np.int32)
    drivers[movable] = space_kernel.unpack(chosen[movable], problem.roster_size)
    check_lineups(slate, drivers[movable])
    changes = []
    for number, (before, after) in enumerate(zip(rows.tolist(), drivers.tolist(), strict=True), 1):
        leaving = sorted(set(before) - set(after))
        coming = sorted(set(after) - set(before))
        changes += [
            Change(number, slate.everyone[a].name, slate.players[b].name)
            for a, b in zip(leaving, coming, strict=True)
        ]
    if len(changes) > needed:
        notices.append(
            f"{len(changes)} drivers change for {needed} scratched places, as the settings ask for "
            "it; that fewer would not do was searched for among the likeliest lineups, not proven."
        )
    return Swap(drivers, tuple(changes), (*problem.notices, *notices))


def _changed(now: Masks, then: Masks) -> int:
    return int(np.bitwise_count(then & ~now).sum())


def _without(
    slate: Slate,
    settings: PortfolioSettings,
    vetoes: Sequence[CountRule],
    lineups: int,
    out: list[int],
) -> tuple[Problem, list[str]]:
    """The problem with scratched drivers left out, and the settings that this sets aside."""
    if lineups != settings.lineups:
        settings = settings.model_copy(update={"lineups": lineups})
    problem = resolve(slate, settings, vetoes)
    gone = sum(1 << i for i in out)
    notices = []
    rules = []
    for rule in problem.count_rules:
        left = (rule.target & ~gone).bit_count()
        # A conditional rule that too few are left for would throw out whom its condition names.
        if left < rule.lower and (rule.target & gone if rule.condition else not left):
            notices.append(f"{rule.label}: set aside, the driver does not race.")
        else:
            rules.append(rule)
    rules += [CountRule(f"{slate.players[i].name} is scratched", 0, 1 << i, 0, 0) for i in out]
    exposures = []
    for exposure in problem.exposures:
        if exposure.lower > 0 and not exposure.target & ~gone:
            notices.append(f"{exposure.lower_label}: set aside, the driver does not race.")
            exposure = replace(exposure, lower=0)
        exposures.append(exposure)
    return replace(problem, count_rules=tuple(rules), exposures=tuple(exposures)), notices


def _kept(
    problem: Problem,
    sum_rules: tuple[SumRule, ...],
    staying: Masks,
    spent: Ints,
    firm: Collection[str],
) -> tuple[Problem, tuple[SumRule, ...], list[str]]:
    """The rules on a lineup that some lineups may keep, and what is said of the others.

    Whom a person excludes he wants out, and so it is with a veto: these hold in any case.

    Args:
        problem: The settings.
        sum_rules: Rules on each lineup that add up weights.
        staying: Who of each lineup races; others come in for the rest.
        spent: Dollars that each lineup costs as it is.
        firm: Labels of the vetoes.
    """
    places = problem.roster_size - np.bitwise_count(staying).astype(np.int64)
    notices = []
    counts = []
    for rule in problem.count_rules:
        condition = np.uint64(rule.condition)
        held = np.bitwise_count(staying & np.uint64(rule.target)).astype(np.int64)
        misses = (held > rule.upper) | (held + places < rule.lower)
        broken = bool((misses & (staying & condition == condition)).any())
        holds = rule.label in firm or (rule.upper == 0 and not rule.condition)
        if holds or not broken:
            counts.append(rule)
        if broken:
            then = "lineups that do not keep it are changed" if holds else _UNKEPT
            notices.append(f"{rule.label}: {then}.")
    sums = []
    for weighed in sum_rules:
        total = space_kernel.additive(staying, np.array(weighed.weights, np.int64))
        # Only salaries have a floor: it is kept or not by the lineup as it is, with who is out.
        if bool((total > weighed.upper).any() or (spent < weighed.lower).any()):
            notices.append(f"{weighed.label}: {_UNKEPT}.")
        else:
            sums.append(weighed)
    return replace(problem, count_rules=tuple(counts)), tuple(sums), notices


def _choose(
    problem: Problem,
    space: Masks,
    worth: Ints,
    now: Masks,
    movable: npt.NDArray[np.bool_],
    fixed: Sequence[int],
    *,
    near: bool = False,
) -> Masks | None:
    """One lineup for each place, by CP-SAT: fewest changed drivers first, then mean points.

    Args:
        near: Whether a lineup may change by one driver more than it has to, chosen from many, and
            changes are settled before points: where it is hard to change few. By any number
            otherwise, chosen from few, and both at once.
    """
    features = features_of(problem)
    known = np.sort(space)
    options: list[Masks] = []
    changed: list[Ints] = []
    gains: list[Ints] = []
    for row, (mask, moves) in enumerate(zip(now, movable, strict=True)):
        at = np.searchsorted(known, mask)
        stays = at < known.shape[0] and known[at] == mask
        if not moves:
            if not stays and row not in fixed:
                return None
            options.append(np.array([mask], np.uint64))
            changed.append(np.zeros(1, np.int64))
            gains.append(np.zeros(1, np.int64))
            continue
        distance = problem.roster_size - np.bitwise_count(space & mask).astype(np.int64)
        fewest = int(distance.min())
        far, wide = (problem.roster_size, _OPTIONS) if not stays else (2, _OPTIONS // 3)
        picks = []
        for step in (fewest, fewest + 1) if near else range(far + 1):
            at_step = np.flatnonzero(distance == step)
            picks.append(at_step[top(worth[at_step], _NEAR if near else wide)])
        pick = np.concatenate(picks)
        options.append(space[pick])
        changed.append(distance[pick])
        gains.append(worth[pick])
    # Imported where it is needed: most portfolios do without it.
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    masks = np.concatenate(options)
    variables = [model.new_bool_var(f"x{i}") for i in range(masks.shape[0])]
    start = 0
    for option in options:
        model.add_exactly_one(variables[start : start + option.shape[0]])
        start += option.shape[0]
    for feature in range(features.lower.shape[0]):
        lower, upper = int(features.lower[feature]), int(features.upper[feature])
        if lower <= 0 and upper >= problem.lineups:
            continue
        held = np.flatnonzero(has_feature(features, masks, feature))
        model.add_linear_constraint(sum(variables[i] for i in held), lower, upper)
    # Lineups must differ, and share no more drivers than allowed: no subset is held twice.
    for clique in shared_cliques(masks, problem.max_shared, problem.roster_size):
        model.add_at_most_one(variables[i] for i in clique)
    gain = np.concatenate(gains)
    low, high = int(gain.min()), int(gain.max())
    fine = (gain - low) * 1_000 // max(high - low, 1)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = _DETERMINISTIC_SECONDS
    taken = None
    cost = np.concatenate(changed)
    changes = cp_model.LinearExpr.weighted_sum(variables, cost.tolist())
    for weights in (cost, -fine) if near else (cost * (1_000 * len(options) + 1) - fine,):
        model.minimize(cp_model.LinearExpr.weighted_sum(variables, weights.tolist()))
        if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            break
        chosen = [solver.value(x) for x in variables]
        taken = np.flatnonzero(chosen)
        model.add(changes <= int(cost[taken].sum()))
        model.clear_hints()
        for x, value in zip(variables, chosen, strict=True):
            model.add_hint(x, value)
    return None if taken is None else masks[taken]
