"""Brier score of an event's probability and its CORP decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.calibration.metrics_input import Floats, checked
from nascar_assets.errors import InputError


def brier_score(probability: npt.ArrayLike, happened: npt.ArrayLike) -> Floats:
    """Squared difference of probability and event (1 or 0); lower is better.

    Args:
        probability: Forecast probabilities [...], in [0, 1].
        happened: Whether the event happened [...]; a share where it was shared.

    Raises:
        InputError: If shapes differ or a probability lies outside [0, 1].
    """
    p, y = _probabilities(probability, happened)
    return np.square(p - y)


@dataclass(frozen=True, slots=True)
class BrierDecomposition:
    """Mean Brier score = miscalibration - discrimination + uncertainty.

    Dimitriadis, Gneiting and Jordan 2021 (doi:10.1073/pnas.2016191118), "CORP": probabilities
    are recalibrated by isotonic regression (pool adjacent violators).

    Attributes:
        brier: Mean Brier score.
        miscalibration: What recalibration would win; 0 for a calibrated forecast.
        discrimination: What the recalibrated forecast wins over the base rate.
        uncertainty: Score of the base rate.
        probability: The distinct forecast probabilities, ascending: the reliability diagram's x.
        recalibrated: Event frequency by isotonic regression at each, the diagram's y.
        weight: Total weight of the forecasts at each.
    """

    brier: float
    miscalibration: float
    discrimination: float
    uncertainty: float
    probability: Floats
    recalibrated: Floats
    weight: Floats


def corp_decomposition(
    probability: npt.ArrayLike,
    happened: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
) -> BrierDecomposition:
    """CORP decomposition of the mean Brier score.

    Forecasts with the same probability are pooled before the regression, so that the result does
    not depend on the order of the rows.

    Args:
        probability: Forecast probabilities, any shape.
        happened: Whether each event happened, same shape.
        weights: Weight of each forecast, same shape.

    Raises:
        InputError: If there are no forecasts, shapes differ, or a value is out of range.
    """
    from scipy.optimize import isotonic_regression

    p, y = (array.ravel() for array in _probabilities(probability, happened))
    if p.size == 0:
        raise InputError("There are no forecasts to decompose.", field="probability")
    w = np.ones(p.size) if weights is None else np.ravel(np.asarray(weights, np.float64))
    if w.shape != p.shape or (w < 0).any() or not w.sum() > 0:
        raise InputError("Weights must fit the forecasts and not be negative.", field="weights")
    distinct, group = np.unique(p, return_inverse=True)
    weight = np.bincount(group, weights=w).astype(np.float64)
    events = np.bincount(group, weights=w * y)
    used = weight > 0
    distinct, weight, events = distinct[used], weight[used], events[used]
    frequency = events / weight
    recalibrated = np.asarray(isotonic_regression(frequency, weights=weight).x, np.float64)
    total = float(weight.sum())
    base = float(events.sum()) / total

    def mean_square(forecast: Floats) -> float:
        # sum w (f - y)^2 within a group of the same f, by its events and their squares
        return float((weight * forecast**2 - 2.0 * forecast * events).sum()) / total + squares

    squares = float((w * y * y).sum()) / total
    raw, best = mean_square(distinct), mean_square(recalibrated)
    climate = mean_square(np.full(distinct.size, base))
    return BrierDecomposition(
        brier=raw,
        miscalibration=raw - best,
        discrimination=climate - best,
        uncertainty=climate,
        probability=distinct,
        recalibrated=recalibrated,
        weight=weight,
    )


def _probabilities(probability: npt.ArrayLike, happened: npt.ArrayLike) -> tuple[Floats, Floats]:
    pair, truth = checked(np.asarray(probability)[None], happened, name="probability")
    p, y = pair[0].astype(np.float64), truth.astype(np.float64)
    for name, array in (("probability", p), ("event", y)):
        if array.size and (array.min() < -1e-12 or array.max() > 1.0 + 1e-12):
            raise InputError("A value lies outside [0, 1].", field=name)
    return np.clip(p, 0.0, 1.0), np.clip(y, 0.0, 1.0)
