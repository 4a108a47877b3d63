"""Scores of the joint forecast: energy, variogram, and functionals of whole races.

Energy and variogram score hardly tell a joint forecast from shuffled margins in fields of forty
cars. The functionals do: each boils a whole race down to one number that depends on how the cars
hang together, and is then scored like any number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from nascar_assets.calibration.metrics_input import (
    Floats,
    Numbers,
    checked,
    dot,
    normalised_weights,
)
from nascar_assets.errors import InputError


def energy_score(
    ensemble: npt.ArrayLike,
    outcome: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    fair: bool = False,
) -> float:
    """Energy score of a joint forecast of N values; lower is better.

    E|X - y| - 1/2 E|X - X'| in the Euclidean norm (Gneiting and Raftery 2007, eq. 22). Every
    pair of scenarios counts, so that it costs m^2 N / 2.

    Args:
        ensemble: Scenarios [m, N].
        outcome: What happened [N].
        weights: Weight of each scenario [m].
        fair: Whether pairs of a scenario with itself are left out of the mean.

    Raises:
        InputError: If the arrays do not fit, or a fair score has one scenario alone.
    """
    values, truth = _joint(ensemble, outcome)
    size = values.shape[0]
    scaled = normalised_weights(weights, size)
    w = np.full(size, 1.0 / size) if scaled is None else scaled
    remaining = 1.0 - float(np.square(w).sum()) if fair else 1.0
    if remaining <= 0.0:
        raise InputError("A fair score needs two scenarios or more.", field="ensemble")
    rows = np.ascontiguousarray((values - truth).T, dtype=np.float64)
    distance = float((w * np.sqrt(np.square(rows).sum(axis=0))).sum())
    return distance - float(_half_pair_sum(rows, w)) / remaining


@njit(cache=True, nogil=True)
def _half_pair_sum(rows: Floats, weights: Floats) -> float:  # pragma: no cover - compiled
    """Sum over i < j of w_i w_j |x_i - x_j|; `rows` is [N, m]."""
    dimensions, size = rows.shape
    total = 0.0
    buffer = np.empty(size)
    for i in range(1, size):
        buffer[:i] = 0.0
        for d in range(dimensions):
            centre = rows[d, i]
            for j in range(i):
                step = rows[d, j] - centre
                buffer[j] += step * step
        inner = 0.0
        for j in range(i):
            inner += weights[j] * np.sqrt(buffer[j])
        total += weights[i] * inner
    return total


def variogram_score(
    ensemble: npt.ArrayLike,
    outcome: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Variogram score over all pairs of values; lower is better.

    sum_ij (|y_i - y_j|^p - E|X_i - X_j|^p)^2, p = 1/2, with equal pair weights (Scheuerer and
    Hamill 2015, doi:10.1175/MWR-D-14-00269.1).

    Args:
        ensemble: Scenarios [m, N].
        outcome: What happened [N].
        weights: Weight of each scenario [m].
    """
    values, truth = _joint(ensemble, outcome)
    scaled = normalised_weights(weights, values.shape[0])
    rows = np.ascontiguousarray(values.T, dtype=np.float64)
    total = 0.0
    for i in range(1, rows.shape[0]):
        spread = np.abs(rows[:i] - rows[i])
        powered = np.sqrt(spread)
        expected = powered.mean(axis=1) if scaled is None else dot(powered, scaled)
        total += float(np.square(np.abs(truth[:i] - truth[i]) ** 0.5 - expected).sum())
    return 2.0 * total


def _joint(ensemble: npt.ArrayLike, outcome: npt.ArrayLike) -> tuple[Floats, Floats]:
    values, truth = checked(ensemble, outcome)
    if values.ndim != 2:
        raise InputError(f"A joint forecast is [m, N], found {values.shape}.", field="ensemble")
    return values, np.asarray(truth, np.float64)


def best_sum(points: Numbers, count: int = 6) -> Floats:
    """Sum of the best `count` drivers' points of each race.

    Args:
        points: Points [..., N].
        count: How many drivers; all of them where the field is smaller.
    """
    size = points.shape[-1]
    if size <= count:
        return np.asarray(points.sum(axis=-1), np.float64)
    best = np.partition(points, size - count, axis=-1)[..., size - count :]
    return np.asarray(best.sum(axis=-1), np.float64)


def most_laps_led(laps_led: Numbers) -> Floats:
    """Laps led by the driver who led most, of each race [..., N]."""
    return np.asarray(laps_led.max(axis=-1), np.float64)


def leaders(laps_led: Numbers) -> Floats:
    """Number of drivers who led a lap, of each race [..., N]."""
    return np.asarray((laps_led > 0).sum(axis=-1), np.float64)


def teammate_correlation(finish: Numbers, teams: Sequence[str | None]) -> Floats:
    """How alike teammates finish: the mean over pairs of teammates of z_i z_j, of each race.

    z is the finish less the field's mean, over the field's standard deviation. Independent
    drivers give -1 / (N - 1) on average.

    Args:
        finish: Finishing places [..., N].
        teams: Team of each driver [N]; none where unknown.

    Returns:
        One number per race; NaN where no team has two cars.
    """
    if len(teams) != finish.shape[-1]:
        raise InputError(
            f"There are {finish.shape[-1]} drivers and {len(teams)} teams.", field="teams"
        )
    values = np.asarray(finish, np.float64)
    spread = values.std(axis=-1, keepdims=True)
    z = (values - values.mean(axis=-1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    total = np.zeros(values.shape[:-1])
    pairs = 0
    for team in sorted({team for team in teams if team is not None}):
        members = [index for index, name in enumerate(teams) if name == team]
        if len(members) < 2:
            continue
        own = z[..., members]
        total = total + (np.square(own.sum(axis=-1)) - np.square(own).sum(axis=-1)) / 2.0
        pairs += len(members) * (len(members) - 1) // 2
    if pairs == 0:
        return np.full(values.shape[:-1], np.nan)
    return np.asarray(total / pairs, np.float64)
