"""Within-race normal scores: what a race's results say about each car, on one scale."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def normal_scores(values: Floats) -> Floats:
    """Blom's normal scores of values of which higher is better.

    Phi^-1((r - 3/8) / (n + 1/4)) of the rank r from below, ties at their mean rank (Blom 1958).

    Args:
        values: [n], NaN where unknown.

    Returns:
        [n]; NaN where unknown. Mean zero over the known ones.
    """
    from scipy.special import ndtri

    out = np.full(values.shape, np.nan)
    known = np.isfinite(values)
    count = int(known.sum())
    if count:
        _, place, ties = np.unique(values[known], return_inverse=True, return_counts=True)
        rank = (np.cumsum(ties) - (ties - 1) / 2.0)[place]
        scores = ndtri((rank - 0.375) / (count + 0.25))
        out[known] = scores - scores.mean()
    return out


def floats(values: pl.Series) -> Floats:
    """Numbers as an array, NaN where null.

    Hundreds of races of forty cars go through here: a Polars expression would take longer to be
    set up than to work.
    """
    return values.to_numpy().astype(np.float64)


def finish_scores(race: pl.DataFrame) -> Floats:
    """Normal scores of the finish, a disqualified car where it ran on track.

    A disqualification says nothing about speed, so such a car counts just ahead of the car that
    was next behind it, whose official place is better by each disqualified car ahead; where its
    place on track is unknown, the official one counts.
    """
    finish, on_track = floats(race["finish"]), floats(race["finish_on_track"])
    disqualified = np.array([status == "disqualified" for status in race["status"]], dtype=bool)
    moved = disqualified & np.isfinite(on_track)
    ahead = (on_track[moved, None] > on_track[moved]).sum(axis=1)
    # A little less than one for each ahead, so that two in a row stay in their order.
    finish[moved] = on_track[moved] - 0.5 - 0.99 * ahead
    return normal_scores(-finish)


def start_scores(start: Floats) -> Floats:
    """Normal scores of starting positions; 0, the field's mean, where a position is unknown."""
    return np.nan_to_num(normal_scores(-start), nan=0.0)


def target_scores(race: pl.DataFrame) -> Floats:
    """The four scores of each car of one race, in the order of `TARGETS`.

    Args:
        race: RESULTS rows of one race.

    Returns:
        [n, 4] without gaps: a car without loop statistics takes its finish score for them, and one
        without a starting position the field's mean.
    """
    finish = finish_scores(race)
    laps = np.maximum(floats(race["laps_completed"]), 1.0)
    rating = normal_scores(floats(race["driver_rating"]))
    fast = normal_scores(floats(race["fastest_laps"]) / laps)
    return np.column_stack(
        [
            finish,
            np.where(np.isfinite(rating), rating, finish),
            np.where(np.isfinite(fast), fast, finish),
            start_scores(floats(race["start"])),
        ]
    )


def robust_scores(values: Floats) -> Floats:
    """Robust z of a field's values.

    Args:
        values: [n], NaN where unknown.

    Returns:
        [n] value less the median over 1.4826 times the median absolute deviation, clipped at 3;
        0 where unknown, and everywhere if fewer than five are known or most are the same.
    """
    known = np.isfinite(values)
    z = np.zeros(values.shape)
    if known.sum() >= 5:
        middle = np.median(values[known])
        spread = 1.4826 * np.median(np.abs(values[known] - middle))
        if spread > 0:
            z[known] = np.clip((values[known] - middle) / spread, -3.0, 3.0)
    return z


def qualifying_scores(speed: Floats) -> tuple[Floats, Floats]:
    """Robust z of qualifying speeds, and which cars have one.

    Args:
        speed: [n] miles per hour, NaN where unknown.

    Returns:
        (`robust_scores` of the speeds; 1 where known less the known share), both [n].
    """
    known = np.isfinite(speed) & (np.nan_to_num(speed) > 0)
    return robust_scores(np.where(known, speed, np.nan)), known - known.mean()
