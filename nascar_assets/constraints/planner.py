"""Collects what many constraints require, so that a view can load it in one batch."""

from __future__ import annotations

from collections.abc import Iterable

from nascar_assets.constraints.contract import (
    Constraint,
    ConstraintContext,
    RequirementKey,
    StateView,
)


class ConstraintPlanner:
    """Plans the evaluation of a set of constraints.

    Args:
        constraints: The constraints.
    """

    def __init__(self, constraints: Iterable[Constraint]) -> None:
        self.constraints = tuple(constraints)

    def plan(self, context: ConstraintContext) -> tuple[RequirementKey, ...]:
        """All requirements of all constraints, each once, sorted."""
        return tuple(sorted({key for one in self.constraints for key in one.requires(context)}))

    def load(self, context: ConstraintContext, view: StateView) -> tuple[RequirementKey, ...]:
        """Has a view load the plan in one batch.

        Returns:
            The plan.
        """
        plan = self.plan(context)
        view.load(plan)
        return plan
