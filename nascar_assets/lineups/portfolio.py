"""Portfolios: a set of lineups chosen together for what the set as a whole is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups import space_kernel
from nascar_assets.lineups.candidates import features_of, legal_space, mean_scores, spread
from nascar_assets.lineups.objectives import BestObjective, Estimate, OwnObjective, check_points
from nascar_assets.lineups.problem import Problem, resolve
from nascar_assets.lineups.selection import Selection, select
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.slates.slate import Slate

Ints32 = npt.NDArray[np.int32]
Masks = npt.NDArray[np.uint64]

HELD_BACK_EVERY = 4
"""Every fourth scenario is held back from optimising and used to report."""


class InfeasiblePortfolio(InputError):
    """The settings cannot hold together.

    Attributes:
        conflict: The user's settings that cannot hold together, in plain words.
        proven: Whether no portfolio exists, or none was found.
    """

    def __init__(self, message: str, conflict: tuple[str, ...], *, proven: bool = True) -> None:
        super().__init__(message, field="settings", remedy="Loosen one of them.")
        self.conflict = list(conflict)
        self.proven = proven


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A set of distinct legal lineups and what it is worth.

    Attributes:
        slate_id: The slate.
        settings: The settings that it keeps.
        drivers: [n, roster_size] indices into the slate's players, ascending in each row; the
            lineup of most mean points first.
        driver_ids: The same by driver id.
        salaries: [n] dollars.
        mean_points: [n] contest points, over all scenarios.
        objective: Name of the objective.
        value: The objective on held-back scenarios, with its standard error.
        optimised_value: The objective on the scenarios that were optimised on.
        exposures: Share of lineups with each driver of the slate.
        notices: What was applied on top of the scenarios, and what a person should know.
    """

    slate_id: str
    settings: PortfolioSettings
    drivers: Ints32
    driver_ids: tuple[tuple[str, ...], ...]
    salaries: npt.NDArray[np.int64]
    mean_points: npt.NDArray[np.float64]
    objective: str
    value: Estimate
    optimised_value: float
    exposures: Mapping[str, float]
    notices: tuple[str, ...]


def build_portfolio(
    scenario_points_x20: npt.NDArray[np.integer],
    slate: Slate,
    settings: PortfolioSettings | Mapping[str, Any] | None = None,
) -> Portfolio:
    """The best portfolio found for the settings, all of them kept at once.

    Args:
        scenario_points_x20: [S, N] contest points in units of 1 / `slate.rules.points_scale`,
            columns in the order of `slate.players`.
        slate: The slate.
        settings: What is asked of the portfolio; the defaults where none.

    Raises:
        InfeasiblePortfolio: If the settings cannot hold together; `.conflict` says which.
        InputError: If points or settings are at fault.
    """
    if settings is None:
        settings = PortfolioSettings()
    elif not isinstance(settings, PortfolioSettings):
        settings = PortfolioSettings.from_mapping(settings)
    points = np.asarray(scenario_points_x20)
    check_points(points, len(slate.players))
    problem = resolve(slate, settings)
    scaled = np.rint(points * problem.scale).astype(np.int32)
    held_back = np.arange(points.shape[0]) % HELD_BACK_EVERY == HELD_BACK_EVERY - 1
    if not held_back.any():
        held_back[-1] = True
    train = _objective(problem, np.ascontiguousarray(scaled[~held_back].T))
    held = _objective(problem, np.ascontiguousarray(scaled[held_back].T))
    space = legal_space(problem, problem.count_rules, problem.sum_rules)
    if space.shape[0] < problem.lineups:
        raise InfeasiblePortfolio(
            f"{problem.lineups} lineups are wanted but only {space.shape[0]} exist.",
            (f"lineups = {problem.lineups}",),
        )
    selection = _solve(problem, train, space)
    return _portfolio(problem, selection, train, held, scaled)


def _objective(problem: Problem, columns: Ints32) -> BestObjective | OwnObjective:
    settings = problem.settings
    scale = problem.slate.rules.points_scale
    roster = problem.roster_size
    if settings.objective == "mean":
        return OwnObjective(columns, roster, scale, "mean")
    if settings.objective == "expected_max":
        return BestObjective(columns, roster, scale)
    raise InputError(f"objective {settings.objective!r} is not known.", field="objective")


def _solve(problem: Problem, objective: BestObjective | OwnObjective, space: Masks) -> Selection:
    count = max(1_500, 10 * problem.lineups)
    features = features_of(problem)
    pool = spread(problem, space, mean_scores(objective, space), count)
    if isinstance(objective, BestObjective):
        # What beats the best of the highest means in some scenarios adds to the set.
        prices = objective.value(pool).max(axis=0)
        for _ in range(2):
            excess = objective.excess(space, prices)
            pool = np.union1d(pool, spread(problem, space, excess, count))
            selection = select(problem, features, objective, pool)
            prices = objective.value(selection.masks).max(axis=0)
        return selection
    return select(problem, features, objective, pool)


def _portfolio(
    problem: Problem,
    selection: Selection,
    train: BestObjective | OwnObjective,
    held: BestObjective | OwnObjective,
    scaled: Ints32,
) -> Portfolio:
    slate = problem.slate
    roster = problem.roster_size
    totals = space_kernel.additive(selection.masks, scaled.sum(axis=0, dtype=np.int64))
    drivers = space_kernel.unpack(selection.masks, roster)
    order = np.lexsort((*drivers.T[::-1], -totals))
    drivers, totals = drivers[order], totals[order]
    share = np.bincount(drivers.ravel(), minlength=len(slate.players)) / problem.lineups
    return Portfolio(
        slate_id=slate.slate_id,
        settings=problem.settings,
        drivers=drivers,
        driver_ids=tuple(tuple(slate.players[i].driver_id for i in row) for row in drivers),
        salaries=problem.salary[drivers].sum(axis=1),
        mean_points=totals / (scaled.shape[0] * slate.rules.points_scale),
        objective=problem.settings.objective,
        value=held.estimate(selection.masks),
        optimised_value=train.natural(selection.worth, problem.lineups),
        exposures={p.driver_id: float(share[i]) for i, p in enumerate(slate.players)},
        notices=problem.notices,
    )
