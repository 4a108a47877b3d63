"""Ranks without laps: a two-part mixture that turns levels into finishing orders.

With probability pi a car has trouble (wreck, failure, penalty) and runs on another scale; else its
race-day score is its level plus noise. It is the reference that the lap-by-lap race must reach.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from types import MappingProxyType

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nascar_assets.errors import InputError

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


START_MIXTURES: Mapping[str, RankMixture] = MappingProxyType(
    {
        "superspeedway": RankMixture(0.95, 0.90, 0.20),
        "short": RankMixture(1.34, 0.64, 0.18),
        "intermediate": RankMixture(1.24, 0.61, 0.24),
        "road": RankMixture(1.18, 0.58, 0.21),
    }
)
"""Where a fit starts from, and what it is drawn to."""

MIXTURES: Mapping[str, RankMixture] = MappingProxyType(
    {
        "superspeedway": RankMixture(0.81, 0.78, 0.26, 0.21, -1.70, 0.0, 0.65),
        "short": RankMixture(1.16, 0.70, 0.09, 0.21, -1.70, 0.0, 0.65),
        "intermediate": RankMixture(1.43, 0.73, 0.27, 0.21, -1.70, 0.0, 0.65),
        "road": RankMixture(1.06, 0.60, 0.18, 0.21, -1.70, 0.0, 0.65),
    }
)
"""Fitted by `fit_mixtures` to the levels of the Cup races of 2022 to June 2025; a backtest fits its
own from the races before each season."""


def _density(value: Floats, mean: Floats, sd: Floats) -> Floats:
    z = (value - mean) / sd
    return np.exp(-0.5 * z * z) / sd


def _checked(
    levels: Floats, track_type: str, mixtures: Mapping[str, RankMixture]
) -> tuple[Floats, RankMixture]:
    levels = np.asarray(levels, np.float64)
    if not np.isfinite(levels).all():
        raise InputError("a level is not a finite number", field="level")
    if track_type not in mixtures:
        raise InputError(f"no mixture for track type {track_type!r}", field="track_type")
    return levels, mixtures[track_type]


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
    levels, mixture = _checked(levels, track_type, mixtures)
    shape = (n, len(levels))
    noise = rng.standard_normal(shape)
    trouble = rng.random(shape) < mixture.pi
    center = mixture.k * levels
    score = np.where(
        trouble,
        mixture.trouble_mean + mixture.trouble_share * center + mixture.trouble_sd * noise,
        center + mixture.s * np.exp(mixture.skew * levels) * noise,
    )
    order = np.argsort(-score, axis=1)
    ranks = np.empty(shape, np.int32)
    np.put_along_axis(ranks, order, np.arange(1, shape[1] + 1, dtype=np.int32)[None, :], axis=1)
    return ranks


def rank_distribution(
    levels: Floats, track_type: str, *, mixtures: Mapping[str, RankMixture] = MIXTURES
) -> Floats:
    """Distribution of each car's finish under the mixture, without sampling.

    Given a car's own score the number of cars ahead is a sum of independent indicators; its
    distribution is taken as normal with their mean and variance (Poisson binomial, continuity
    corrected) and averaged over the car's score on a grid.

    Args:
        levels: [N].
        track_type: One of the four types.
        mixtures: Parameters by track type.

    Returns:
        [N, N]: P(finish <= r) of car i in row i, column r - 1; the last column is 1.

    Raises:
        InputError: As `sample_ranks`.
    """
    levels, mixture = _checked(levels, track_type, mixtures)
    return mixture_distribution(levels, np.array(astuple(mixture)))


@njit(cache=True)
def mixture_distribution(levels: Floats, parameters: Floats) -> Floats:
    """`rank_distribution` for the parameters of `RankMixture` in the order of its fields, [7]."""
    k, s, pi, skew, t_mean, t_share, t_sd = parameters
    n, grid = len(levels), 65
    low, high = math.inf, -math.inf  # scores that any car can have, to four standard deviations
    for i in range(n):
        center = k * levels[i]
        spread = s * math.exp(skew * levels[i])
        trouble = t_mean + t_share * center
        low = min(low, center - 4.0 * spread, trouble - 4.0 * t_sd)
        high = max(high, center + 4.0 * spread, trouble + 4.0 * t_sd)
    step = (high - low) / (grid - 1)
    ahead = np.empty((n, grid))  # P(score of i above the grid point)
    weight = np.empty((n, grid))
    for i in range(n):
        center = k * levels[i]
        spread = s * math.exp(skew * levels[i])
        trouble = t_mean + t_share * center
        total = 0.0
        for g in range(grid):
            z = low + step * g
            a = (z - center) / spread
            b = (z - trouble) / t_sd
            ahead[i, g] = (1.0 - pi) * 0.5 * math.erfc(a / math.sqrt(2.0))
            ahead[i, g] += pi * 0.5 * math.erfc(b / math.sqrt(2.0))
            weight[i, g] = (1.0 - pi) * math.exp(-0.5 * a * a) / spread
            weight[i, g] += pi * math.exp(-0.5 * b * b) / t_sd
            total += weight[i, g]
        for g in range(grid):
            weight[i, g] /= total
    out = np.zeros((n, n))
    for g in range(grid):
        mean, variance = 0.0, 0.0
        for i in range(n):
            mean += ahead[i, g]
            variance += ahead[i, g] * (1.0 - ahead[i, g])
        for i in range(n):
            if weight[i, g] < 1e-9:
                continue
            own = ahead[i, g]
            sd = math.sqrt(2.0 * max(variance - own * (1.0 - own), 1e-6))
            for r in range(n):
                out[i, r] += weight[i, g] * 0.5 * math.erfc((mean - own - r - 0.5) / sd)
    for i in range(n):
        out[i, n - 1] = 1.0
    return out
