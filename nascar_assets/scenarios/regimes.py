"""What kind of race it was: one deterministic classifier for simulated and real races.

It reads only what both have: laps, cautions, green laps, laps led, accidents. The first rule that
holds gives the label, in the order chaos, fuel_mileage, dominator, long_green, standard:

- chaos: a fifth of the field retired by accident, or 28% of the laps were under caution.
- fuel_mileage: nobody's speed decided it. The winner led at most 8% of the laps while another car
  led at least 25%, with at most 18% of the laps under caution and at most a tenth of the field
  wrecked. A stand-in: fuel itself is in no result, so a late pass for the win counts as well.
- dominator: one car led at least half of the laps.
- long_green: at most 12% of the laps were under caution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.scenarios.strategies import PitStrategy

REGIMES: tuple[str, ...] = ("dominator", "chaos", "fuel_mileage", "long_green", "standard")
"""Labels, in the order of their codes."""

CHAOS_ACCIDENT_SHARE = 0.20
CHAOS_CAUTION_SHARE = 0.28
FUEL_WINNER_SHARE = 0.08
FUEL_TOP_SHARE = 0.25
FUEL_CAUTION_SHARE = 0.18
FUEL_ACCIDENT_SHARE = 0.10
DOMINATOR_SHARE = 0.50
LONG_GREEN_CAUTION_SHARE = 0.12

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class RaceFlowRegime:
    """The skeleton of one scenario.

    Attributes:
        label: dominator, chaos, fuel_mileage, long_green or standard.
        cautions: Number of cautions, stage ends included.
        pit_strategy: How the field treated its stops.
        fuel_window_risk: Share of the field that stretched its fuel to the end.
        late_race_chaos: Cautions in the last fifth of the race and in overtime.
    """

    label: str
    cautions: int
    pit_strategy: PitStrategy
    fuel_window_risk: float
    late_race_chaos: int


def classify(
    *,
    race_laps: Array,
    green_laps: Array,
    top_laps_led: Array,
    winner_laps_led: Array,
    accidents: Array,
    field_size: Array | int,
) -> npt.NDArray[np.int8]:
    """Regime codes (places in `REGIMES`) of races.

    Args:
        race_laps: [n] laps run.
        green_laps: [n] laps not under caution.
        top_laps_led: [n] laps led by the car that led the most.
        winner_laps_led: [n] laps led by the winner.
        accidents: [n] cars that retired by accident.
        field_size: Cars that started, [n] or one number.
    """
    laps = np.asarray(race_laps, np.float64)
    caution = 1.0 - np.asarray(green_laps, np.float64) / laps
    top = np.asarray(top_laps_led, np.float64) / laps
    winner = np.asarray(winner_laps_led, np.float64) / laps
    wrecked = np.asarray(accidents, np.float64) / np.asarray(field_size, np.float64)
    rules = [
        (wrecked >= CHAOS_ACCIDENT_SHARE) | (caution >= CHAOS_CAUTION_SHARE),
        (winner <= FUEL_WINNER_SHARE)
        & (top >= FUEL_TOP_SHARE)
        & (caution <= FUEL_CAUTION_SHARE)
        & (wrecked <= FUEL_ACCIDENT_SHARE),
        top >= DOMINATOR_SHARE,
        caution <= LONG_GREEN_CAUTION_SHARE,
    ]
    labels = ("chaos", "fuel_mileage", "dominator", "long_green")
    codes = [REGIMES.index(label) for label in labels]
    return np.select(rules, codes, REGIMES.index("standard")).astype(np.int8)
