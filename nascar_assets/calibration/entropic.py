"""Weights of scenarios closest to equal ones under which some quantities have wanted means.

Weights p_k proportional to exp(lambda . g(x_k)) minimise the Kullback-Leibler divergence to equal
ones under E[g] = target (Robertson, Tallman and Whiteman 2005, doi:10.1353/mcb.2005.0035). The
multipliers minimise log mean exp(lambda . (g - target)), which is convex; a ridge on lambda keeps
it strictly so where quantities depend on each other, and softens targets that cannot all be met.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nascar_assets.calibration.metrics_input import Floats

_ITERATIONS = 60
_SMALLEST_STEP = 1e-6
_TOLERANCE = 1e-4
"""Largest miss of a mean, in its standard deviations, at which the search ends."""
_SEARCHES = 12
_FAR = 2.0
"""Times what may be lost that targets must ask for to be approached from below."""
_NEAR_FLOOR = 0.02
"""How close to the floor the search for the largest share of the way ends."""


@dataclass(frozen=True)
class Moments:
    """Quantities of scenarios on a common scale: [m, K], each with mean 0 and spread 1.

    Attributes:
        values: The scaled quantities [m, K].
        mean: Their means over the scenarios as they are [K].
        spread: Their standard deviations [K]; 1 where a quantity never varies.
    """

    values: Floats
    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, quantities: Floats) -> Moments:
        """The quantities [m, K], scaled."""
        raw = np.asarray(quantities, np.float64)
        mean, spread = raw.mean(axis=0), raw.std(axis=0)
        spread = np.where(spread > 0.0, spread, 1.0)
        return cls(np.ascontiguousarray((raw - mean) / spread), mean, spread)


@dataclass(frozen=True)
class EntropicWeights:
    """Weights, and how far towards the targets they go.

    Attributes:
        weights: [m], summing to one.
        effective: How many equal scenarios they are worth, 1 / sum of squares.
        share: Share of the way from the quantities' own means to the targets, 0 to 1.
    """

    weights: Floats
    effective: float
    share: float


def entropic_weights(
    moments: Moments, targets: Floats, *, floor: float, ridge: float
) -> EntropicWeights:
    """Weights that bring the quantities' means to the targets, or as far as the floor lets them.

    Args:
        moments: The quantities.
        targets: Wanted means, in the quantities' own units [K].
        floor: Least effective share of the scenarios.
        ridge: The variance allowed to each mean, in squared standard deviations.

    Returns:
        The weights; `share` is below 1 where the targets themselves would leave too few scenarios.
    """
    m = moments.values.shape[0]
    wanted = (np.asarray(targets, np.float64) - moments.mean) / moments.spread
    best = EntropicWeights(np.full(m, 1.0 / m), float(m), 0.0)
    keeps = np.log(1.0 / (floor + _NEAR_FLOOR / 2))
    # Were the quantities normal, exp(-share^2 asked) of the scenarios would count, the multipliers
    # share * along. Targets that ask for far too much are approached from there: where they
    # contradict each other, the search for multipliers that meet them whole has no end.
    spread = moments.values.T @ moments.values / m + ridge * np.eye(wanted.size)
    along = np.linalg.solve(spread, wanted)
    asked = float(wanted @ along)
    low, high, share = 0.0, 1.0, float(np.sqrt(keeps / asked)) if asked > _FAR * keeps else 1.0
    at = share * along if share < 1.0 else np.zeros(wanted.size)
    whole = share == 1.0  # whether the targets themselves were tried
    for _ in range(_SEARCHES):
        at = _multipliers(moments.values, share * wanted, ridge, at)
        weights = _weights(moments.values, at)
        effective = float(1.0 / np.square(weights).sum())
        if effective >= floor * m:
            low, best = share, EntropicWeights(weights, effective, share)
            if share == 1.0 or effective <= (floor + _NEAR_FLOOR) * m:
                break
        else:
            high = share
        if high - low < 1e-4:
            break
        # The logarithm of what is lost grows with about the square of the way.
        lost = np.log(m / effective)
        aimed = share * np.sqrt(keeps / lost) if lost else high
        before = share
        if low < aimed < high:
            share = float(aimed)
        elif aimed >= high and not whole:
            share, whole = 1.0, True
        else:
            share = 0.5 * (low + high)
        at = at * share / before
    return best


def _weights(values: Floats, at: Floats) -> Floats:
    exponent = values @ at
    weights = np.exp(exponent - exponent.max())
    return np.asarray(weights / weights.sum(), np.float64)


def _multipliers(values: Floats, target: Floats, ridge: float, at: Floats) -> Floats:
    """The multipliers, by Newton's method with step halving from `at`."""
    loss, weights = _loss(values, target, ridge, at)
    for _ in range(_ITERATIONS):
        gradient = weights @ values - target + ridge * at
        if np.abs(gradient).max() < _TOLERANCE:
            break
        mean = weights @ values
        rooted = values * np.sqrt(weights)[:, None]
        hessian = rooted.T @ rooted - np.outer(mean, mean)
        hessian[np.diag_indices(at.size)] += ridge
        move = np.linalg.solve(hessian, gradient)
        step = 1.0
        while step > _SMALLEST_STEP:
            found, there = _loss(values, target, ridge, at - step * move)
            if found < loss - 1e-4 * step * float(gradient @ move):
                break
            step *= 0.5
        else:
            break
        at, loss, weights = at - step * move, found, there
    return at


def _loss(values: Floats, target: Floats, ridge: float, at: Floats) -> tuple[float, Floats]:
    exponent = values @ at
    top = float(exponent.max())
    weights = np.exp(exponent - top)
    total = float(weights.sum())
    loss = top + np.log(total / weights.size) - float(at @ target) + 0.5 * ridge * float(at @ at)
    return float(loss), weights / total
