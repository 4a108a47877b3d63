"""The library of constraints, in the order in which they count."""

from __future__ import annotations

from nascar_assets.constraints.contract import Constraint
from nascar_assets.constraints.rules_lineup import (
    DriversInSlate,
    DriverVetoes,
    NobodyWithdrawn,
    NoDuplicates,
    RosterSize,
    SalaryCap,
    TrackVetoes,
)
from nascar_assets.constraints.rules_request import (
    ExposureFeasible,
    FeaturesAvailable,
    LapsLedFeasible,
    LineupFeasible,
    SalariesKnown,
    SlateOpen,
)


def lineup_constraints() -> tuple[Constraint, ...]:
    """What every lineup must meet, whenever it is evaluated."""
    return (
        NoDuplicates(),
        RosterSize(),
        DriversInSlate(),
        NobodyWithdrawn(),
        SalaryCap(),
        DriverVetoes(),
        TrackVetoes(),
    )


def request_constraints(*, must_be_open: bool = False) -> tuple[Constraint, ...]:
    """What every request must meet before any work starts.

    Args:
        must_be_open: Whether a slate that has locked is refused. Lineups for a race that was run
            can be studied; they cannot be entered.
    """
    rules: tuple[Constraint, ...] = (
        SalariesKnown(),
        LineupFeasible(),
        LapsLedFeasible(),
        ExposureFeasible(),
        FeaturesAvailable(),
    )
    return (SlateOpen(), *rules) if must_be_open else rules
