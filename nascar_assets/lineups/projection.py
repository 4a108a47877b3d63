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
        parameters = self.rivals.parameters[kind]
        scale, given = parameters.choice_scale, ~np.isnan(self.problem.ownership)
        settled = scale if sharper is None else parameters.sharper(sharper).choice_scale
        if not given.any():
            return self._fit(kind, settled)
        if kind not in self._given:
            self._given[kind] = self._fit(kind, scale)
        return rescaled_field(self._given[kind], self._public_means, scale, settled)

    @cached_property
    def _given(self) -> dict[str, FieldModel]:
        """The expected field of each kind that was asked for, where ownerships are given."""
        return {}

    def _fit(self, kind: str, choice_scale: float) -> FieldModel:
        return expected_field(
            self._public_means,
            self.problem.salary,
            self.problem.cap,
            self.problem.roster_size,
            given=self.problem.ownership,
            choice_scale=choice_scale,
            salary_left=self.rivals.parameters[kind].salary_left,
        )


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
