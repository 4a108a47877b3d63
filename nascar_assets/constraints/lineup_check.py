"""Full evaluation of finished lineups before they are stored."""

from __future__ import annotations

from collections.abc import Iterable

from nascar_assets.constraints.contract import ConstraintContext, ConstraintResult
from nascar_assets.constraints.evaluate import evaluate_constraints
from nascar_assets.constraints.facts import SlateFact
from nascar_assets.constraints.models import ConstraintSpec
from nascar_assets.constraints.rules import lineup_constraints
from nascar_assets.constraints.views import InMemoryStateView
from nascar_assets.slates.slate import Slate


class LineupChecker:
    """Evaluates lineups of one slate in full, with everything in memory.

    Args:
        slate: The slate.
        spec: Its compiled constraints.
        track_id: The track, so that its vetoes count; the spec's where it holds only one.
        salary_cap: A cap of the person's own; the slate's where none is given.
    """

    def __init__(
        self,
        slate: Slate | SlateFact,
        spec: ConstraintSpec,
        *,
        track_id: str | None = None,
        salary_cap: int | None = None,
    ) -> None:
        if track_id is None and len(spec.tracks) == 1:
            track_id = next(iter(spec.tracks))
        self._slate_id = slate.slate_id
        self._track_id = track_id
        self._view = InMemoryStateView(spec, slate)
        self._constraints = lineup_constraints()
        self._args = {} if salary_cap is None else {"salary_cap": salary_cap}

    def check(self, driver_ids: Iterable[str], *, actor: str = "lineup") -> ConstraintResult:
        """The result for one lineup.

        Args:
            driver_ids: The lineup's drivers.
            actor: What the lineup is called.

        Raises:
            MissingRequirementError: If the spec does not hold one of the drivers.
        """
        context = ConstraintContext(
            actor=actor,
            slate_id=self._slate_id,
            track_id=self._track_id,
            args={"drivers": tuple(driver_ids), **self._args},
        )
        return evaluate_constraints(self._constraints, context, self._view)
