"""Drift: whether skill has left the band in which it used to move.

An exponentially weighted moving average chart (Roberts 1959, doi:10.2307/1266443) of the gain of
each race over a baseline. Mean and spread come from a reference stretch of earlier races; beyond
three standard deviations of the average the forecast no longer does what it used to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.calibration.metrics_input import Floats
from nascar_assets.errors import InputError

SMOOTHING = 0.1
LIMIT = 3.0
"""Control limit in standard deviations of the rolling mean."""
REFERENCE_RACES = 40
"""Races of the reference stretch; half of all where there are fewer than twice as many."""


@dataclass(frozen=True, slots=True)
class DriftChart:
    """A control chart, race by race.

    Attributes:
        gain: (baseline - score) / mean baseline of each race [R].
        rolling: Exponentially weighted mean of the gains [R].
        centre: Mean gain of the reference stretch.
        lower: Lower control limit [R].
        upper: Upper control limit [R].
        reference: Number of races in the reference stretch; no race in it raises an alarm.
    """

    gain: Floats
    rolling: Floats
    centre: float
    lower: Floats
    upper: Floats
    reference: int

    @property
    def alarms(self) -> npt.NDArray[np.int64]:
        """Indices of races at which the rolling gain lies outside the limits."""
        outside = (self.rolling < self.lower) | (self.rolling > self.upper)
        outside[: self.reference] = False
        return np.flatnonzero(outside)


def drift_chart(
    scores: npt.ArrayLike,
    baseline: npt.ArrayLike,
    *,
    smoothing: float = SMOOTHING,
) -> DriftChart:
    """Control chart of the gain over a baseline.

    Args:
        scores: Mean score of each race in order [R]; lower is better.
        baseline: The baseline's on the same races [R].
        smoothing: Weight of the newest race in the rolling mean.

    Raises:
        InputError: If there are fewer than four races or lengths differ.
    """
    a, b = np.asarray(scores, np.float64), np.asarray(baseline, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(f"There are {a.shape} scores and {b.shape} of the baseline.")
    if a.size < 4:
        raise InputError("A control chart needs four races or more.", field="races")
    length = min(REFERENCE_RACES, a.size // 2)
    gain = (b - a) / b.mean()
    centre = float(gain[:length].mean())
    spread = float(gain[:length].std(ddof=1))
    rolling = np.empty(gain.size)
    level = centre
    for index, value in enumerate(gain):
        level = (1.0 - smoothing) * level + smoothing * value
        rolling[index] = level
    steps = np.arange(1, gain.size + 1)
    width = (
        LIMIT
        * spread
        * np.sqrt(smoothing / (2.0 - smoothing) * (1.0 - (1.0 - smoothing) ** (2 * steps)))
    )
    return DriftChart(gain, rolling, centre, centre - width, centre + width, length)
