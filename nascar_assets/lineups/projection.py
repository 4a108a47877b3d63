"""A slate's points as a person takes them: own factors applied, means, and the field expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nascar_assets.lineups.field import FieldModel
from nascar_assets.lineups.objectives import check_points
from nascar_assets.lineups.ownership import Rivals, expected_field, rescaled_field
from nascar_assets.lineups.problem import CountRule, Problem, resolve
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.slates.slate import Slate


@dataclass(frozen=True)
class Projection:
    """What a portfolio, its contests and all that shows them take every player for.

    Attributes:
        problem: The slate under the settings.
        simulated: [S, N] points as they were simulated, in units of 1 / `rules.points_scale`.
        rivals: What is expected of the rivals.
    """

    problem: Problem
    simulated: npt.NDArray[np.integer]
    rivals: Rivals = field(default_factory=Rivals)

    @cached_property
    def points(self) -> npt.NDArray[np.int32]:
        """[S, N] points in the same units, the person's factors applied."""
        return self.problem.scaled(self.simulated)

    @cached_property
    def mean_points(self) -> npt.NDArray[np.float64]:
        """[N] mean contest points."""
        return self.points.mean(axis=0) / self.problem.slate.rules.points_scale

    @cached_property
    def _public_means(self) -> npt.NDArray[np.float64]:
        """[N] mean contest points without the person's factors, which rivals do not know."""
        return self.simulated.mean(axis=0) / self.problem.slate.rules.points_scale

    @cached_property
    def field(self) -> FieldModel:
        """The field expected in tournaments."""
        return self.field_of("tournament")

    def field_of(self, kind: str, sharper: float | None = None) -> FieldModel:
        """The field expected in a kind of contest, with its ownerships [N].

        Ownerships of the settings hold, the rest is the model's. They are of the field that is
        expected: sharper and duller ones lie around them.

        Args:
            kind: One of `ownership.KINDS`.
            sharper: By how many standard deviations the field that is settled against is sharper
                than expected; none for the field by its ownerships.
        """
        problem = self.problem
        parameters = self.rivals.parameters[kind]
        settled = parameters if sharper is None else parameters.sharper(sharper)
        free = bool(np.isnan(problem.ownership).all())
        scale = settled.choice_scale if free else parameters.choice_scale
        found = expected_field(
            self._public_means,
            problem.salary,
            problem.cap,
            problem.roster_size,
            given=problem.ownership,
            choice_scale=scale,
            salary_left=parameters.salary_left,
        )
        return rescaled_field(found, self._public_means, scale, settled.choice_scale)


def project(
    scenario_points: npt.NDArray[np.integer],
    slate: Slate,
    settings: PortfolioSettings,
    vetoes: Sequence[CountRule] = (),
    rivals: Rivals | None = None,
) -> Projection:
    """A slate's simulated points under a person's settings.

    Args:
        scenario_points: [S, N] contest points in units of 1 / `slate.rules.points_scale`, columns
            in the order of `slate.players`.
        slate: The slate.
        settings: The settings.
        vetoes: Rules on each lineup that hold besides, as `veto_rules` gives them.
        rivals: What is expected of the rivals; what is assumed of any where none is given.

    Raises:
        InputError: If points or settings are at fault.
    """
    points = np.asarray(scenario_points)
    check_points(points, len(slate.players))
    problem = resolve(slate, settings, vetoes)
    return Projection(problem, points, rivals or Rivals())
