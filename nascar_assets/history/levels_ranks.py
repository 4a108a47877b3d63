"""The chance that a car had no trouble in a race, from its level and its finish.

With probability pi a car has trouble (wreck, failure, penalty) and runs on another scale; else its
race-day score is its level plus noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RankMixture:
    """Parameters of one track type.

    A car of level x scores `k x + s exp(skew x) e` without trouble and `trouble_mean +
    trouble_share k x + trouble_sd e` with it, e standard normal; the higher score finishes ahead.

    Attributes:
        k: Scale of the level.
        s: Noise of a race without trouble.
        pi: Probability of trouble.
        skew: How much wider the noise of good cars is.
        trouble_mean: Mean score with trouble.
        trouble_share: How much of the level is left with trouble.
        trouble_sd: Noise with trouble.
    """

    k: float
    s: float
    pi: float
    skew: float = 0.15
    trouble_mean: float = -1.6
    trouble_share: float = 0.3
    trouble_sd: float = 0.7

    def clean_probability(self, score: Floats, level: Floats) -> Floats:
        """Probability that a car had no trouble, given its finish.

        Args:
            score: [n] normal scores of the finish.
            level: [n] levels it was expected at.

        Returns:
            [n] in [0, 1].
        """
        center = self.k * level
        clean = _density(score, center, self.s * np.exp(self.skew * level))
        lost = _density(
            score,
            self.trouble_mean + self.trouble_share * center,
            np.full(level.shape, self.trouble_sd),
        )
        weight = (1.0 - self.pi) * clean
        return weight / np.maximum(weight + self.pi * lost, 1e-300)


MIXTURES: Mapping[str, RankMixture] = MappingProxyType(
    {
        "superspeedway": RankMixture(0.81, 0.78, 0.26, 0.21, -1.70, 0.0, 0.65),
        "short": RankMixture(1.16, 0.70, 0.09, 0.21, -1.70, 0.0, 0.65),
        "intermediate": RankMixture(1.43, 0.73, 0.27, 0.21, -1.70, 0.0, 0.65),
        "road": RankMixture(1.06, 0.60, 0.18, 0.21, -1.70, 0.0, 0.65),
    }
)
"""Fitted to the levels of the Cup races of 2022 to June 2025 (`benchmarks/rank_mixture.py`)."""


def _density(value: Floats, mean: Floats, sd: Floats) -> Floats:
    z = (value - mean) / sd
    return np.exp(-0.5 * z * z) / sd
