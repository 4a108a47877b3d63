"""Pit strategies: how a field treats its stops, and how often it treats them so."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from nascar_assets.errors import InputError


class PitStrategy(StrEnum):
    """How the field as a whole treats its stops in one scenario."""

    AGGRESSIVE = "AGGRESSIVE"
    """Short-pit under green, stay out under caution, stretch fuel to the end."""
    STANDARD = "STANDARD"
    CONSERVATIVE = "CONSERVATIVE"
    """Run the tank down, take every caution to stop, never stretch fuel."""


STRATEGIES: tuple[PitStrategy, ...] = tuple(PitStrategy)
"""Strategies in the order of their codes in `Scenarios.strategy`."""

STANDARD_MIX: Mapping[PitStrategy, float] = {
    PitStrategy.AGGRESSIVE: 0.25,
    PitStrategy.STANDARD: 0.5,
    PitStrategy.CONSERVATIVE: 0.25,
}

EARLIEST_STOP = (0.72, 0.85, 0.93)
"""Earliest green-flag stop as a share of a tank, by strategy."""
STAY_OUT = (0.20, 0.08, 0.03)
"""Chance that a car stays out under caution, by strategy."""
GAMBLE = (0.55, 0.25, 0.05)
"""Chance that a car a few laps short on fuel tries to reach the end, by strategy."""


def cumulative_mix(mix: Mapping[PitStrategy, float] | None) -> tuple[float, float, float]:
    """Cumulative chances of the strategies.

    Args:
        mix: Weight of each strategy, missing ones 0; none means a quarter, a half, a quarter.

    Raises:
        InputError: If a key is no strategy, a weight is negative or not a number, or all are 0.
    """
    weights = []
    given = dict(STANDARD_MIX if mix is None else mix)
    for strategy in STRATEGIES:
        weight = float(given.pop(strategy, 0.0))
        if not 0.0 <= weight < float("inf"):
            raise InputError(
                f"The pit strategy {strategy.value} has the weight {weight}; "
                "weights are numbers of at least 0.",
                field="pit_strategy_mix",
            )
        weights.append(weight)
    if given:
        raise InputError(
            f"Unknown pit strategies: {', '.join(map(str, given))}.",
            field="pit_strategy_mix",
            remedy=f"Known: {', '.join(strategy.value for strategy in STRATEGIES)}.",
        )
    total = sum(weights)
    if total <= 0.0:
        raise InputError("All pit strategies have the weight 0.", field="pit_strategy_mix")
    return weights[0] / total, (weights[0] + weights[1]) / total, 1.0
