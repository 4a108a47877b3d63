"""Ranks without laps: the rank mixture drawn, in full, and fitted to past races.

The reference that the lap-by-lap race must reach; `MIXTURES` of the product came from this fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from types import MappingProxyType

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.history.levels_ranks import MIXTURES, RankMixture

Floats = NDArray[np.float64]

START_MIXTURES: Mapping[str, RankMixture] = MappingProxyType(
    {
        "superspeedway": RankMixture(0.95, 0.90, 0.20),
        "short": RankMixture(1.34, 0.64, 0.18),
        "intermediate": RankMixture(1.24, 0.61, 0.24),
        "road": RankMixture(1.18, 0.58, 0.21),
    }
)
"""Where a fit starts from, and what it is drawn to."""

OWN_SD = (0.3, 0.3, 0.5)
"""Prior spread of log k, log s and logit pi of a track type about the start."""

SHARED_SD = (0.2, 0.5, 0.3, 0.3)
"""Prior spread of skew, trouble's mean, its share of the level and its log noise."""

PRIOR_WEIGHT = 0.02
"""Score points of a race that half a squared standard deviation from the start is worth, doubled:
a season's score changes by about as much by chance."""


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


@dataclass(frozen=True, slots=True)
class RankedRace:
    """One past race.

    Attributes:
        track_type: Its type.
        levels: [N] levels before it.
        finish: [N] finishing positions.
    """

    track_type: str
    levels: Floats
    finish: NDArray[np.int64]


@njit(cache=True)
def ranked_probability_score(distribution: Floats, finish: NDArray[np.int64]) -> float:
    """Mean over cars of sum over ranks r of (P(finish <= r) - [finish <= r])^2.

    Args:
        distribution: [N, N] from `rank_distribution`.
        finish: [N] positions from 1.
    """
    n = len(finish)
    total = 0.0
    for i in range(n):
        for r in range(distribution.shape[1]):
            error = distribution[i, r] - (1.0 if finish[i] <= r + 1 else 0.0)
            total += error * error
    return total / n


def fit_mixtures(
    races: Sequence[RankedRace], *, start: Mapping[str, RankMixture] = START_MIXTURES
) -> dict[str, RankMixture]:
    """Parameters of the mixture by least ranked probability score of past races.

    k, s and pi are each track type's own; the four others are shared. All are drawn to the start,
    so that a type without races keeps its own three.

    Args:
        races: Past races with the levels that were known before each.
        start: Where to start from, and what to be drawn to.

    Returns:
        Mixtures by track type.

    Raises:
        EnvironmentFault: The fit did not converge.
    """
    from scipy.optimize import minimize

    origin = _packed(start)
    spread = np.r_[np.tile(OWN_SD, len(TRACK_TYPES)), SHARED_SD]
    by_type = {kind: [r for r in races if r.track_type == kind] for kind in TRACK_TYPES}

    def score(vector: Floats, kinds: Sequence[str]) -> float:
        mixtures = _unpacked(vector)
        return sum(
            ranked_probability_score(
                mixture_distribution(race.levels, _row(mixtures[kind])), race.finish
            )
            for kind in kinds
            for race in by_type[kind]
        )

    def objective(vector: Floats) -> tuple[float, Floats]:
        away = (vector - origin) / spread
        parts = {kind: score(vector, [kind]) for kind in TRACK_TYPES}
        value = sum(parts.values()) + PRIOR_WEIGHT * float(away @ away)
        gradient = 2.0 * PRIOR_WEIGHT * away / spread
        step = 1e-4
        for j in range(len(vector)):
            # A type's own parameter moves the scores of its own races only.
            own = j // len(OWN_SD)
            kinds = [TRACK_TYPES[own]] if own < len(TRACK_TYPES) else list(TRACK_TYPES)
            moved = vector.copy()
            moved[j] += step
            gradient[j] += (score(moved, kinds) - sum(parts[kind] for kind in kinds)) / step
        return value, gradient

    bounds = [(-2.5, 1.5), (-2.5, 1.0), (-5.0, 2.0)] * len(TRACK_TYPES)
    bounds += [(-0.5, 1.0), (-4.0, 0.0), (-0.5, 1.0), (-2.0, 0.7)]
    fit = minimize(
        objective,
        origin,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 60, "ftol": 1e-6},
    )
    if not fit.success:
        raise EnvironmentFault(f"The fit of the rank mixture did not converge: {fit.message}")
    return _unpacked(fit.x)


def _row(mixture: RankMixture) -> Floats:
    return np.array([getattr(mixture, name) for name in mixture.__slots__])


def _packed(mixtures: Mapping[str, RankMixture]) -> Floats:
    own = [
        (np.log(m.k), np.log(m.s), np.log(m.pi / (1.0 - m.pi)))
        for m in (mixtures[kind] for kind in TRACK_TYPES)
    ]
    first = mixtures[TRACK_TYPES[0]]
    shared = (first.skew, first.trouble_mean, first.trouble_share, np.log(first.trouble_sd))
    return np.r_[np.ravel(own), shared]


def _unpacked(vector: Floats) -> dict[str, RankMixture]:
    own = len(OWN_SD)
    skew, mean, share, log_sd = vector[own * len(TRACK_TYPES) :]
    out = {}
    for i, kind in enumerate(TRACK_TYPES):
        log_k, log_s, logit = vector[own * i : own * (i + 1)]
        out[kind] = RankMixture(
            k=float(np.exp(log_k)),
            s=float(np.exp(log_s)),
            pi=float(1.0 / (1.0 + np.exp(-logit))),
            skew=float(skew),
            trouble_mean=float(mean),
            trouble_share=float(share),
            trouble_sd=float(np.exp(log_sd)),
        )
    return out
