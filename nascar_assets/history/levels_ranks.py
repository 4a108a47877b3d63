"""Ranks without laps: a two-part mixture that turns levels into finishing orders.

With probability pi a car has trouble (wreck, failure, penalty) and runs on another scale; else its
race-day score is its level plus noise. It is the reference that the lap-by-lap race must reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nascar_assets.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RankMixture:
    """Parameters of one track type.

    A car of level x scores `k x + s exp(.15 x) e` without trouble and `-1.6 + .3 k x + .7 e` with
    it, e standard normal; the higher score finishes ahead.

    Attributes:
        k: Scale of the level.
        s: Noise of a race without trouble.
        pi: Probability of trouble.
    """

    k: float
    s: float
    pi: float

    def clean_probability(self, score: Floats, level: Floats) -> Floats:
        """Probability that a car had no trouble, given its finish.

        Args:
            score: [n] normal scores of the finish.
            level: [n] levels it was expected at.

        Returns:
            [n] in (0, 1).
        """
        spread = self.s * np.exp(0.15 * level)
        clean = (1.0 - self.pi) * _density(score, self.k * level, spread)
        trouble = self.pi * _density(
            score, TROUBLE_MEAN + TROUBLE_SHARE * self.k * level, np.full(level.shape, TROUBLE_SD)
        )
        return clean / (clean + trouble)


TROUBLE_MEAN, TROUBLE_SHARE, TROUBLE_SD = -1.6, 0.3, 0.7

MIXTURES: Mapping[str, RankMixture] = MappingProxyType(
    {
        "superspeedway": RankMixture(0.95, 0.90, 0.20),
        "short": RankMixture(1.34, 0.64, 0.18),
        "intermediate": RankMixture(1.24, 0.61, 0.24),
        "road": RankMixture(1.18, 0.58, 0.21),
    }
)


def _density(value: Floats, mean: Floats, sd: Floats) -> Floats:
    z = (value - mean) / sd
    return np.exp(-0.5 * z * z) / sd


def sample_ranks(
    levels: Floats,
    track_type: str,
    n: int,
    rng: np.random.Generator,
    *,
    mixtures: Mapping[str, RankMixture] = MIXTURES,
) -> NDArray[np.int32]:
    """Finishing orders drawn from the mixture.

    Args:
        levels: [N] levels of the cars (`RATINGS.level`).
        track_type: One of the four types.
        n: Number of orders.
        rng: Source of randomness.
        mixtures: Parameters by track type.

    Returns:
        [n, N] finishing positions from 1; each row is a permutation.

    Raises:
        InputError: A level is not finite, or the track type is unknown.
    """
    levels = np.asarray(levels, np.float64)
    if not np.isfinite(levels).all():
        raise InputError("a level is not a finite number", field="level")
    if track_type not in mixtures:
        raise InputError(f"no mixture for track type {track_type!r}", field="track_type")
    mixture = mixtures[track_type]
    shape = (n, len(levels))
    noise = rng.standard_normal(shape)
    trouble = rng.random(shape) < mixture.pi
    center = mixture.k * levels
    score = np.where(
        trouble,
        TROUBLE_MEAN + TROUBLE_SHARE * center + TROUBLE_SD * noise,
        center + mixture.s * np.exp(0.15 * levels) * noise,
    )
    order = np.argsort(-score, axis=1)
    ranks = np.empty(shape, np.int32)
    np.put_along_axis(ranks, order, np.arange(1, shape[1] + 1, dtype=np.int32)[None, :], axis=1)
    return ranks
