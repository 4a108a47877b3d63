"""Central intervals and the probability integral transform (PIT) of discrete forecasts.

A whole interval of a discrete forecast covers more than its nominal share, because it cannot
split the probability of its end points. Coverage is therefore measured on the PIT: the outcome
counts as covered with the share of its own probability that lies inside the interval. This is
what randomised PIT values give on average, without their noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.calibration.metrics_input import (
    Floats,
    Numbers,
    checked,
    effective_size,
    mix,
    normalised_weights,
)
from nascar_assets.errors import InputError

LEVELS: tuple[float, ...] = (0.5, 0.8, 0.95)
"""Central intervals that every table shows."""


def pit_bounds(
    ensemble: npt.ArrayLike,
    outcome: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    exchangeable: bool = True,
) -> tuple[Floats, Floats]:
    """The forecast's distribution function just below and at the outcome.

    Args:
        ensemble: Members [m, ...].
        outcome: What happened [...].
        weights: Weight of each scenario [m].
        exchangeable: Count the outcome itself as one more member, (c_< , c_<= + 1) / (m + 1):
            then the randomised PIT of an outcome drawn like the members is exactly uniform at
            every ensemble size. Otherwise the empirical distribution function itself.

    Returns:
        (lower, upper), each [...], with 0 <= lower <= upper <= 1.
    """
    values, truth = checked(ensemble, outcome)
    size = values.shape[0]
    scaled = normalised_weights(weights, size)
    if scaled is None:
        below = (values < truth).mean(axis=0)
        at = (values <= truth).mean(axis=0)
    else:
        below = mix(scaled, values < truth)
        at = mix(scaled, values <= truth)
    own = 1.0 / effective_size(scaled, size) if exchangeable else 0.0
    lower = np.clip(below / (1.0 + own), 0.0, 1.0)
    upper = np.clip((at + own) / (1.0 + own), lower, 1.0)
    return np.asarray(lower, np.float64), np.asarray(upper, np.float64)


def pit_histogram(
    lower: Floats, upper: Floats, bins: int = 10, weights: npt.ArrayLike | None = None
) -> Floats:
    """Share of the non-random PIT in each of equal bins; 1 / bins each if calibrated.

    Czado, Gneiting and Held 2009 (doi:10.1111/j.1541-0420.2009.01191.x): each outcome spreads
    its mass evenly over [lower, upper].

    Args:
        lower: Distribution function just below each outcome.
        upper: Distribution function at each outcome.
        bins: Number of bins.
        weights: Weight of each outcome, of the same shape.

    Returns:
        Shares [bins], summing to one.

    Raises:
        InputError: If there are no outcomes.
    """
    low, high = np.ravel(lower), np.ravel(upper)
    if low.size == 0:
        raise InputError("There are no outcomes to take the PIT of.", field="pit")
    share = normalised_weights(None if weights is None else np.ravel(weights), low.size)
    edges = np.linspace(0.0, 1.0, bins + 1)
    reached = inside_share(low[:, None], high[:, None], 0.0, edges[None, 1:])
    mean = reached.mean(axis=0) if share is None else mix(share, reached)
    return np.diff(mean, prepend=0.0)


def inside_share(lower: Floats, upper: Floats, left: npt.ArrayLike, right: npt.ArrayLike) -> Floats:
    """Share of the mass spread over [lower, upper] that lies in [left, right].

    A point mass (lower equal to upper) counts whole where left < it <= right, or it is 0 = left.
    """
    a, b = np.asarray(left, np.float64), np.asarray(right, np.float64)
    width = upper - lower
    overlap = np.minimum(upper, b) - np.maximum(lower, a)
    point = ((lower > a) | ((lower == 0.0) & (a == 0.0))) & (lower <= b)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(overlap / width, 0.0, 1.0)
    return np.asarray(np.where(width > 0.0, share, point), np.float64)


def central_coverage(lower: Floats, upper: Floats, level: float) -> Floats:
    """Probability that the randomised PIT of each outcome falls in the central interval.

    Its mean over outcomes is the interval's coverage; `level` if calibrated.

    Args:
        lower: Distribution function just below each outcome.
        upper: Distribution function at each outcome.
        level: Nominal coverage, such as 0.8.
    """
    tail = (1.0 - level) / 2.0
    return inside_share(lower, upper, tail, 1.0 - tail)


@dataclass(frozen=True, slots=True)
class CentralInterval:
    """Central intervals of one level, one per forecast.

    Attributes:
        level: Nominal coverage.
        lower: Lower ends [...].
        upper: Upper ends [...].
        covered: Whether the outcome lies inside, ends included [...].
        score: Interval score, width plus 2 / (1 - level) for each unit outside [...].
    """

    level: float
    lower: Floats
    upper: Floats
    covered: npt.NDArray[np.bool_]
    score: Floats

    @property
    def width(self) -> Floats:
        """Upper end minus lower end."""
        return self.upper - self.lower


def central_intervals(
    ensemble: npt.ArrayLike,
    outcome: npt.ArrayLike,
    levels: tuple[float, ...] = LEVELS,
    weights: npt.ArrayLike | None = None,
) -> tuple[CentralInterval, ...]:
    """Central intervals with their interval score (Gneiting and Raftery 2007, eq. 43).

    An end is the smallest member x with F(x) >= p, the inverse of the empirical distribution
    function.

    Args:
        ensemble: Members [m, ...].
        outcome: What happened [...].
        levels: Nominal coverages.
        weights: Weight of each scenario [m].
    """
    values, truth = checked(ensemble, outcome)
    tails = np.array([(1.0 - level) / 2.0 for level in levels])
    ends = ensemble_quantiles(values, np.concatenate([tails, 1.0 - tails]), weights)
    result = []
    for i, level in enumerate(levels):
        low, high = ends[i], ends[len(levels) + i]
        outside = np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0)
        result.append(
            CentralInterval(
                level=level,
                lower=low,
                upper=high,
                covered=np.asarray((low <= truth) & (truth <= high)),
                score=np.asarray(high - low + 2.0 / (1.0 - level) * outside, np.float64),
            )
        )
    return tuple(result)


def ensemble_quantiles(
    values: Numbers,
    probabilities: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
) -> Floats:
    """Smallest member x with F(x) >= p, for each p.

    Args:
        values: Members [m, ...].
        probabilities: Probabilities [q] in (0, 1].
        weights: Weight of each scenario [m].

    Returns:
        Quantiles [q, ...].
    """
    p = np.atleast_1d(np.asarray(probabilities, np.float64))
    size = values.shape[0]
    scaled = normalised_weights(weights, size)
    flat = values.reshape(size, -1)
    # A tolerance, so that p = 0.1 of ten members is the first member whatever the rounding.
    slack = 1e-9
    result = np.empty((p.size, flat.shape[1]))
    if scaled is None:
        index = np.clip(np.ceil(p * size - slack).astype(np.int64) - 1, 0, size - 1)
        ordered = np.sort(np.ascontiguousarray(flat.T), axis=1)
        result[:] = ordered[:, index].T
    else:
        for column in range(flat.shape[1]):
            order = np.argsort(flat[:, column], kind="stable")
            reached = np.cumsum(scaled[order])
            index = np.clip(np.searchsorted(reached, p - slack), 0, size - 1)
            result[:, column] = flat[order[index], column]
    return result.reshape((p.size, *values.shape[1:]))
