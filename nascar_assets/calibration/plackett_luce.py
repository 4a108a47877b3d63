"""Plackett-Luce: orders drawn one place after another in proportion to strength.

P(order) = product over places of s_i / (sum of s of those not yet placed), with s = exp(theta);
Plackett 1975, doi:10.2307/2346567. A Gumbel draw for each car gives the same orders (the largest
theta + Gumbel first), which is how they are sampled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.calibration.metrics_input import Floats

SCALE_BOUNDS = (0.0, 5.0)
POOLED_RACES = 8.0
"""Races' worth by which a track type's scale is drawn to the scale of all types."""


def sample_orders(
    strength: Floats,
    n: int,
    rng: np.random.Generator,
    behind: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.int16]:
    """Orders of finish.

    Args:
        strength: Log strengths theta [N].
        n: Number of orders.
        rng: Source of the draws.
        behind: Cars that finish behind all others, in random order [n, N].

    Returns:
        Places from 1 [n, N].
    """
    key = -(strength + rng.gumbel(size=(n, strength.size)))
    if behind is not None:
        # Whoever retires early falls further back, whatever his strength.
        key = np.where(behind, 1e6 + rng.random(key.shape), key)
    return ranks(key)


def ranks(keys: Floats) -> npt.NDArray[np.int16]:
    """Places from 1 by ascending key, row by row [m, N]."""
    order = np.argsort(keys, axis=1, kind="stable")
    places = np.empty(keys.shape, np.int16)
    np.put_along_axis(places, order, np.arange(1, keys.shape[1] + 1, dtype=np.int16)[None], axis=1)
    return places


def log_likelihood(strengths: Floats) -> float:
    """Log probability of one order.

    Args:
        strengths: Log strengths in the order of finish, the winner first [N].
    """
    backwards = np.logaddexp.accumulate(strengths[::-1])[::-1]
    return float((strengths - backwards).sum())


def fit_scale(past: pl.DataFrame, track_type: str, *, finishers_only: bool) -> float:
    """Scale of the levels that makes past orders most likely, drawn to that of all types.

    Args:
        past: RESULTS rows with `level`, the rating's level as of each race's start.
        track_type: The type of the race to come.
        finishers_only: Whether retired cars are left out of each order.

    Returns:
        The scale; 1 where there are no past races.
    """
    rows = past
    if finishers_only:
        rows = rows.filter(~pl.col("status").is_in(["accident", "mechanical"]))
    rows = rows.sort("start_time", "race_id", "finish")
    races = [
        (race["track_type"][0], race["level"].to_numpy())
        for race in rows.partition_by("race_id", maintain_order=True)
        if race.height > 1
    ]
    if not races:
        return 1.0
    pooled, curvature = _best_scale([levels for _, levels in races])
    alike = [levels for kind, levels in races if kind == track_type]
    weight = curvature / len(races) * POOLED_RACES
    return _best_scale(alike, pooled, weight)[0]


def _best_scale(
    races: Sequence[Floats], prior: float = 0.0, weight: float = 0.0
) -> tuple[float, float]:
    """The likeliest scale under a normal prior, and minus the second derivative there."""
    from scipy.optimize import minimize_scalar

    def loss(scale: float) -> float:
        likelihood = sum(log_likelihood(scale * levels) for levels in races)
        return 0.5 * weight * (scale - prior) ** 2 - likelihood

    found = minimize_scalar(loss, bounds=SCALE_BOUNDS, method="bounded", options={"xatol": 1e-3})
    best = float(found.x)
    step = 0.05
    second = (loss(best + step) - 2.0 * loss(best) + loss(best - step)) / step**2
    return best, max(second, 1e-6)
