"""Portfolios: a set of lineups chosen together for what the set as a whole is worth."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups import space_kernel
from nascar_assets.lineups.balanced_set import balanced_set
from nascar_assets.lineups.candidates import Features, features_of, legal_space
from nascar_assets.lineups.conflict import (
    Conflict,
    barred,
    explain,
    most_lineups,
)
from nascar_assets.lineups.legality import check_lineups
from nascar_assets.lineups.mix import feasible_mix, kinds_of
from nascar_assets.lineups.objectives import (
    OBJECTIVES,
    Estimate,
    Measure,
    Objective,
)
from nascar_assets.lineups.optimise import Solution, optimise
from nascar_assets.lineups.ownership import Rivals, kind_of_prizes
from nascar_assets.lineups.problem import (
    CountRule,
    Problem,
    Standing,
    beside,
    ownership_rule,
)
from nascar_assets.lineups.projection import Projection, project
from nascar_assets.lineups.set_search import find_set
from nascar_assets.lineups.settings import PortfolioSettings, SettingsError
from nascar_assets.slates.slate import Slate

_NOTHING = Standing()

Ints32 = npt.NDArray[np.int32]
Masks = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

HELD_BACK_EVERY = 4
"""Every fourth scenario is held back from optimising and used to report."""

FIELD_ENTRIES = 5_000
"""Rivals drawn where nothing says how many there are; always the same for the same inputs."""

_TIGHT = 2
_FIELD_SEED = 20_150_801
# A set that varies like fewer than 15% of its lineups, or like fewer than three, has collapsed.
_FEW_LINEUPS = 0.15
_FEW_AT_MOST = 3.0


class InfeasiblePortfolio(InputError):
    """The settings cannot hold together.

    Attributes:
        conflict: The user's settings that cannot hold together, in plain words.
        reason: Why, in one sentence.
        proven: Whether no portfolio exists, or merely none was found.
    """

    def __init__(self, conflict: Conflict) -> None:
        listed = "; ".join(conflict.settings)
        super().__init__(
            f"{conflict.reason}: {listed}.",
            field="settings",
            remedy="Loosen one of them.",
        )
        self.conflict = list(conflict.settings)
        self.reason = conflict.reason
        self.proven = conflict.proven


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A set of distinct legal lineups and what it is worth.

    Attributes:
        projection: What it took every player for.
        settings: The settings that it keeps.
        drivers: [n, roster_size] indices into the slate's players, ascending in each row; the
            lineup of most mean points first.
        driver_ids: The same by driver id.
        salaries: [n] dollars.
        scores: [S, n] contest points in each scenario, a user's own adjustments applied.
        mean_points: [n] their means.
        objective: Name of the objective.
        value: The objective on held-back scenarios, with its standard error.
        optimised_value: The objective on the scenarios that were optimised on.
        bound: The most that any portfolio could reach on those; none where none was proven.
        bound_statement: What the bound says, or that there is none.
        exposures: Share of lineups with each driver of the slate, by driver id.
        overlap: Pairs of lineups by the number of drivers that they share, 0 to roster size.
        effective_lineups: How many independent lineups would spread the score as much: the
            participation ratio of the correlations of the lineups' scores.
        warnings: What should make a person look twice.
        notices: What was applied on top of the scenarios.
    """

    projection: Projection
    settings: PortfolioSettings
    drivers: Ints32
    driver_ids: tuple[tuple[str, ...], ...]
    salaries: npt.NDArray[np.int64]
    scores: Floats
    mean_points: Floats
    objective: str
    value: Estimate
    optimised_value: float
    bound: float | None
    bound_statement: str
    exposures: Mapping[str, float]
    overlap: tuple[int, ...]
    effective_lineups: float
    warnings: tuple[str, ...]
    notices: tuple[str, ...]


def build_portfolio(
    scenario_points: npt.NDArray[np.integer],
    slate: Slate,
    settings: PortfolioSettings | Mapping[str, Any] | None = None,
    *,
    vetoes: Sequence[CountRule] = (),
    field: npt.NDArray[np.integer] | None = None,
    prizes_cents: npt.NDArray[np.integer] | None = None,
    entries: int | None = None,
    prove: bool = True,
    rivals: Rivals | None = None,
    standing: Standing = _NOTHING,
) -> Portfolio:
    """The best portfolio found for the settings, all of them kept at once.

    Three of four scenarios are optimised on; the value reported is of the fourth. The same inputs
    give the same portfolio on any number of threads.

    Args:
        scenario_points: [S, N] contest points in units of 1 / `slate.rules.points_scale`,
            columns in the order of `slate.players`.
        slate: The slate.
        settings: What is asked of the portfolio; the defaults where none.
        vetoes: Rules on each lineup that hold besides, as `veto_rules` gives them.
        field: [F, roster_size] rivals' lineups for the objectives `top_fraction` and `payout`;
            where none are given, they are drawn from the expected ownerships.
        prizes_cents: Prize of each place, first place first, for the objective `payout`.
        entries: Entries that the contest takes, own ones included: so many rivals are drawn as
            they leave room for; 5,000 where it is not known.
        prove: Whether to search on until a bound says how far from the best the set can be;
            without it the first set found is taken, in about a tenth of the time.
        rivals: What is expected of the rivals; what is assumed of any where none is given.
        standing: Lineups of other sets, and those of this one that stay.

    Raises:
        InfeasiblePortfolio: If the settings cannot hold together; `.conflict` says which.
        InputError: If points or settings are at fault.
    """
    settings = PortfolioSettings.of(settings)
    projection = project(scenario_points, slate, settings, vetoes, rivals)
    projection = replace(projection, problem=beside(projection.problem, list(standing.locked)))
    problem, scaled = projection.problem, projection.points
    require_prizes(settings, prizes_cents is not None)
    drawn = rivals_in(entries, settings)
    sum_rules = problem.sum_rules
    if settings.ownership_max is not None:
        sum_rules += (ownership_rule(settings.ownership_max, projection.field.ownership),)
    space = legal_space(problem, problem.count_rules, sum_rules)
    taken, stay = masks_of(slate, standing.taken), masks_of(slate, standing.locked)
    bars = [out for _, out in barred(problem, space, taken, stay)]
    if bars:
        space = space[~np.any(bars, axis=0)]
    features = features_of(problem)
    mix = _possible_mix(problem, features, space)
    if mix is None:
        raise InfeasiblePortfolio(explain(problem, sum_rules, taken, stay))
    kind = OBJECTIVES[settings.objective]
    if kind.has_rivals and field is None:
        rng = np.random.Generator(np.random.Philox(_FIELD_SEED))
        kind_of_field = "tournament" if prizes_cents is None else kind_of_prizes(prizes_cents)
        field = projection.field_of(kind_of_field).sample(drawn, rng)
    held_back = np.arange(scaled.shape[0]) % HELD_BACK_EVERY == HELD_BACK_EVERY - 1
    if not held_back.any():
        held_back[-1] = True
    train, held = (
        kind.of(
            settings,
            Measure(
                np.ascontiguousarray(scaled[scenarios].T),
                problem.roster_size,
                slate.rules.points_scale,
                None if field is None else np.asarray(field, np.int32),
                None if prizes_cents is None else np.asarray(prizes_cents, np.int64),
            ),
        )
        for scenarios in (~held_back, held_back)
    )
    # Where lineups may share few drivers, an even set is what the search has to set out from.
    tight = problem.max_shared <= _TIGHT
    start = balanced_set(problem, features, space) if tight else None
    solution = optimise(problem, features, train, space, mix, start=start, prove=prove)
    if solution.selection.violation:
        impossible = False
        start = None if tight else balanced_set(problem, features, space)
        if start is None:
            start, impossible = find_set(problem, features, sum_rules)
        if start is None or not np.isin(start, space).all():
            raise InfeasiblePortfolio(explain(problem, sum_rules, taken, stay, proven=impossible))
        solution = optimise(problem, features, train, space, mix, start=start, prove=prove)
    return _portfolio(projection, solution, train, held)


def masks_of(slate: Slate, lineups: Collection[Sequence[int]]) -> Masks:
    """One word of bits for each lineup; who does not race is no bit of it."""
    racing = len(slate.players)
    return np.array([sum(1 << i for i in row if i < racing) for row in lineups], np.uint64)


def rivals_in(entries: int | None, settings: PortfolioSettings) -> int:
    """How many rivals a contest of so many entries has.

    Raises:
        SettingsError: If the wanted lineups leave no room for any.
    """
    if entries is None:
        return FIELD_ENTRIES
    if entries <= settings.lineups:
        raise SettingsError(
            f"{settings.lineups} lineups are wanted but the contest takes {entries} entries of all "
            "people together.",
            field="lineups",
            remedy="Ask for fewer lineups, or name the payout table of a larger contest.",
        )
    return entries - settings.lineups


def require_prizes(
    settings: PortfolioSettings,
    known: bool,
    remedy: str = "Name the contest's payout file in the setting payout.",
) -> None:
    """Raises `SettingsError` where an objective of prizes has no payout table."""
    if OBJECTIVES[settings.objective].has_prizes and not known:
        raise SettingsError(
            f"objective {settings.objective!r} needs a payout table.", field="payout", remedy=remedy
        )


def _possible_mix(problem: Problem, features: Features, space: Masks) -> Masks | None:
    """Lineups of which a mix meets the bounds; none where those are known not to hold together."""
    if space.shape[0] < problem.lineups or bool((features.lower > features.upper).any()):
        return None
    if most_lineups(problem, space) < problem.lineups:
        return None
    if not problem.exposures:
        return np.empty(0, np.uint64)
    kinds = kinds_of(features, problem.lineups, space)
    mix = feasible_mix(features, kinds, problem.lineups)
    return mix.columns if mix.certificate is None else None


def _portfolio(
    projection: Projection, solution: Solution, train: Objective, held: Objective
) -> Portfolio:
    problem, scaled = projection.problem, projection.points
    slate = problem.slate
    roster = problem.roster_size
    masks = solution.selection.masks
    totals = space_kernel.additive(masks, scaled.sum(axis=0, dtype=np.int64))
    drivers = space_kernel.unpack(masks, roster)
    order = np.lexsort((*drivers.T[::-1], -totals))
    masks, drivers = masks[order], drivers[order]
    check_lineups(slate, drivers)
    scores = scaled[:, drivers].sum(axis=2) / slate.rules.points_scale
    share = np.bincount(drivers.ravel(), minlength=len(slate.players)) / problem.lineups
    optimised = train.natural(solution.selection.worth, problem.lineups)
    effective = effective_lineups(masks, scaled, roster)
    return Portfolio(
        projection=projection,
        settings=problem.settings,
        drivers=drivers,
        driver_ids=tuple(tuple(slate.players[i].driver_id for i in row) for row in drivers),
        salaries=problem.salary[drivers].sum(axis=1),
        scores=scores,
        mean_points=scores.mean(axis=0),
        objective=problem.settings.objective,
        value=held.estimate(masks),
        optimised_value=optimised,
        bound=None if solution.bound is None else train.natural(solution.bound, problem.lineups),
        bound_statement=_statement(problem, solution, train),
        exposures={p.driver_id: float(share[i]) for i, p in enumerate(slate.players)},
        overlap=_overlap(masks, roster),
        effective_lineups=effective,
        warnings=_warnings(problem, effective, share),
        notices=problem.notices,
    )


def effective_lineups(masks: Masks, points: Ints32, roster_size: int) -> float:
    """Participation ratio n**2 / sum of squared correlations of the lineups' scores."""
    if masks.shape[0] == 1:
        return 1.0
    scores = space_kernel.scores(masks, np.ascontiguousarray(points.T), roster_size)
    centred = scores - scores.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred * centred).sum(axis=1))
    if not bool((spread > 0).all()):
        return 1.0
    unit = centred / spread[:, None]
    return float(masks.shape[0] ** 2 / np.square(unit @ unit.T).sum())


def _overlap(masks: Masks, roster_size: int) -> tuple[int, ...]:
    shared = np.bitwise_count(masks[:, None] & masks[None, :])
    upper = shared[np.triu_indices(masks.shape[0], k=1)]
    return tuple(int(c) for c in np.bincount(upper, minlength=roster_size + 1))


def _statement(problem: Problem, solution: Solution, objective: Objective) -> str:
    if solution.bound is None:
        return "No bound was proven on how far this is from the best."
    bound = objective.natural(solution.bound, problem.lineups)
    reached = objective.natural(solution.selection.worth, problem.lineups)
    gap = (bound - reached) / abs(reached) if reached else math.inf
    over = "all" if objective.whole_space else "the"
    return (
        f"Proven over {over} {solution.searched:,} lineups searched, on the scenarios optimised "
        f"on: no portfolio under these settings is worth more than {objective.show(bound)}"
        f"{objective.unit}; this one is worth {objective.show(reached)}, {gap:.2%} less."
    )


def _warnings(problem: Problem, effective: float, share: Floats) -> tuple[str, ...]:
    """What is unlike a portfolio: lineups that win and lose together, a driver in all of them."""
    n = problem.lineups
    if n < 3:
        return ()
    out = []
    if effective < max(1.5, min(_FEW_LINEUPS * n, _FEW_AT_MOST)):
        out.append(
            f"The {n} lineups vary together like {effective:.1f} independent ones: most of them "
            "win or lose at once. A lower max_shared or tighter exposures spread them."
        )
    asked = 0
    for rule in problem.count_rules:
        asked |= rule.target if rule.lower and not rule.condition else 0
    for exposure in problem.exposures:
        asked |= exposure.target if exposure.lower == n else 0
    everywhere = [
        player.name
        for i, player in enumerate(problem.slate.players)
        if share[i] == 1.0 and not asked >> i & 1
    ]
    if everywhere:
        out.append(
            f"Every lineup holds {' and '.join(everywhere)}, though no setting asks for it. "
            "A max_exposure spreads the risk."
        )
    return tuple(out)
