"""Fit of the rank mixture to past races: least ranked probability score, drawn to a start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nascar_assets.errors import EnvironmentFault
from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.history.levels_ranks import START_MIXTURES, RankMixture, mixture_distribution

Floats = NDArray[np.float64]

OWN_SD = (0.3, 0.3, 0.5)
"""Prior spread of log k, log s and logit pi of a track type about the start."""

SHARED_SD = (0.2, 0.5, 0.3, 0.3)
"""Prior spread of skew, trouble's mean, its share of the level and its log noise."""

PRIOR_WEIGHT = 0.02
"""Score points of a race that half a squared standard deviation from the start is worth, doubled:
a season's score changes by about as much by chance."""


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
