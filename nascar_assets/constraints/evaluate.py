"""Evaluates constraints in order, in full or as a precheck, with the same logic."""

from __future__ import annotations

from collections.abc import Iterable

from nascar_assets.constraints.contract import (
    Allow,
    Constraint,
    ConstraintContext,
    ConstraintResult,
    MissingRequirementError,
    StateView,
    Unknown,
    known,
)


def evaluate_constraints(
    constraints: Iterable[Constraint], context: ConstraintContext, view: StateView
) -> ConstraintResult:
    """The first result that is not `Allow`; `Allow` where every constraint holds.

    Args:
        constraints: In the order in which they count.
        context: What is being asked about, and the mode.
        view: What is at hand; load the plan first (`ConstraintPlanner`).

    Raises:
        MissingRequirementError: In full mode, if something required is not at hand. In precheck
            mode that is `Unknown`.
    """
    for constraint in constraints:
        result = _evaluate(constraint, context, view, raises=context.mode == "full")
        if not isinstance(result, Allow):
            return result
    return Allow()


def explain_constraints(
    constraints: Iterable[Constraint], context: ConstraintContext, view: StateView
) -> tuple[tuple[str, ConstraintResult], ...]:
    """Every constraint's name and result, for people; what is not at hand is `Unknown`."""
    return tuple(
        (constraint.name, _evaluate(constraint, context, view, raises=False))
        for constraint in constraints
    )


def _evaluate(
    constraint: Constraint, context: ConstraintContext, view: StateView, *, raises: bool
) -> ConstraintResult:
    missing = tuple(key for key in constraint.requires(context) if not known(key, context, view))
    if missing and raises:
        raise MissingRequirementError(constraint.name, missing)
    return Unknown(missing) if missing else constraint.test(context, view)
