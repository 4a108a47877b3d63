"""Means, skill and differences over races, with race-clustered bootstrap intervals.

Drivers of one race share its luck, so that the race is the unit: every race counts as one draw,
weighted by its drivers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.calibration.metrics_input import Floats, dot
from nascar_assets.errors import InputError

TAIL = (1.0 - 0.95) / 2.0
"""Share of the resamples beyond each end of an interval; by this sum, whose last bits count."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number over races with its uncertainty.

    Attributes:
        value: The estimate.
        standard_error: Standard error, clustered by race; none for fewer than two races.
        lower: Lower end of the interval; none where there is none.
        upper: Upper end.
        races: Number of races.
    """

    value: float
    standard_error: float | None
    lower: float | None
    upper: float | None
    races: int

    def as_dict(self) -> dict[str, float | int | None]:
        """The estimate for JSON."""
        return asdict(self)


def clustered_mean(means: npt.ArrayLike, sizes: npt.ArrayLike) -> Estimate:
    """Mean over all drivers of all races with its race-clustered standard error.

    The interval is 1.96 standard errors to each side.

    Args:
        means: Mean score of each race [R].
        sizes: Drivers in each race [R].

    Raises:
        InputError: If there are no races.
    """
    x, n = _races(means, sizes)
    value = float((x * n).sum() / n.sum())
    races = x.size
    if races < 2:
        return Estimate(value, None, None, None, races)
    # Linearised ratio estimator with the usual small-sample factor R / (R - 1).
    residual = n * (x - value)
    error = float(np.sqrt((residual**2).sum() * races / (races - 1)) / n.sum())
    return Estimate(value, error, value - 1.96 * error, value + 1.96 * error, races)


def resampled_races(races: int, rng: np.random.Generator, resamples: int = 2000) -> Floats:
    """How often each race is drawn in each bootstrap sample [resamples, R].

    Args:
        races: Number of races.
        rng: Source of the resampling.
        resamples: Bootstrap samples.
    """
    drawn = rng.multinomial(races, np.full(races, 1.0 / races), size=resamples)
    return drawn.astype(np.float64)


def skill(
    scores: npt.ArrayLike,
    baseline: npt.ArrayLike,
    sizes: npt.ArrayLike,
    rng: np.random.Generator | Floats,
) -> Estimate:
    """Skill against a baseline, 1 - score / baseline score, by resampling whole races.

    Args:
        scores: Mean score of the forecast in each race [R]; lower is better.
        baseline: Mean score of the baseline in the same races [R].
        sizes: Drivers in each race [R].
        rng: Source of the resampling, or `resampled_races` drawn before.

    Raises:
        InputError: If there are no races, lengths differ, or the baseline scores 0.
    """
    a, n = _races(scores, sizes)
    b, _ = _races(baseline, sizes)
    if not float((b * n).sum()) > 0.0:
        raise InputError("Skill needs a baseline score above 0.", field="baseline")

    def of(counts: Floats) -> Floats:
        weight = counts * n
        return np.asarray(1.0 - dot(weight, a) / dot(weight, b))

    return _bootstrap(of, a.size, rng)


def mean_difference(
    scores: npt.ArrayLike,
    baseline: npt.ArrayLike,
    sizes: npt.ArrayLike,
    rng: np.random.Generator | Floats,
) -> Estimate:
    """Forecast's mean score minus the baseline's on the same races; below 0 is better.

    Args and errors as for `skill`; the baseline may score 0 here.
    """
    a, n = _races(scores, sizes)
    b, _ = _races(baseline, sizes)

    def of(counts: Floats) -> Floats:
        weight = counts * n
        return np.asarray(dot(weight, a - b) / weight.sum(axis=-1))

    return _bootstrap(of, a.size, rng)


def _bootstrap(
    statistic: Callable[[Floats], Floats], races: int, rng: np.random.Generator | Floats
) -> Estimate:
    """The statistic with its 95% percentile interval."""
    value = float(statistic(np.ones(races)))
    if races < 2:
        return Estimate(value, None, None, None, races)
    drawn = resampled_races(races, rng) if isinstance(rng, np.random.Generator) else rng
    if drawn.shape[1] != races:
        raise InputError(f"Resamples of {drawn.shape[1]} races, not of {races}.", field="rng")
    sample = statistic(drawn)
    lower, upper = np.quantile(sample, [TAIL, 1.0 - TAIL])
    return Estimate(value, float(sample.std(ddof=1)), float(lower), float(upper), races)


def _races(values: npt.ArrayLike, sizes: npt.ArrayLike) -> tuple[Floats, Floats]:
    x, n = np.asarray(values, np.float64), np.asarray(sizes, np.float64)
    if x.ndim != 1 or x.shape != n.shape:
        raise InputError(
            f"There are {x.shape} race scores and {n.shape} race sizes.", field="races"
        )
    if x.size == 0:
        raise InputError("There are no races to average over.", field="races")
    if not (np.isfinite(x).all() and np.isfinite(n).all() and (n > 0).all()):
        raise InputError("A race's score or size is not a finite number.", field="races")
    return x, n
