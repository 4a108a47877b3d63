"""What a person should know of a set of scenarios before trusting it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LawRecord:
    """How one law fared.

    Attributes:
        law: Short name.
        statement: What the law says.
        checked: Scenarios checked.
        broken: Scenarios that break it; the simulation keeps it at 0 by construction.
        examples: Up to five row numbers of scenarios that break it.
    """

    law: str
    statement: str
    checked: int
    broken: int
    examples: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class MarginalShift:
    """How far rejecting scenarios moved the forecast of the driver whom it moved most.

    Attributes:
        finish: Change of a mean finish; `finish_driver` is whose.
        laps_led: Change of mean laps led.
        win_probability: Change of a chance to win.
    """

    finish: float = 0.0
    finish_driver: str = ""
    laps_led: float = 0.0
    laps_led_driver: str = ""
    win_probability: float = 0.0
    win_probability_driver: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """How a set of scenarios came about.

    Attributes:
        n_generated: Scenarios simulated, up to the last one kept.
        n_valid: Scenarios kept.
        rejection_rate: Share rejected by veto rules and bounds on laps led; never by a law.
        rejected_by_rule: Scenarios each rule rejects; one scenario may break several.
        marginal_shift: How far the rejection moved the marginals.
        conservation: One record for each law of the race.
        regime_frequencies: Share of each regime.
        seed: The seed.
        parameters_hash: Hash of the race-process parameters.
        spec_hash: Hash of the constraint spec; empty without one.
        notices: Fallbacks that were used.
    """

    n_generated: int
    n_valid: int
    rejection_rate: float
    rejected_by_rule: Mapping[str, int]
    marginal_shift: MarginalShift
    conservation: tuple[LawRecord, ...]
    regime_frequencies: Mapping[str, float]
    seed: int
    parameters_hash: str
    spec_hash: str = ""
    notices: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)
