"""What a fit of the race process matches: real moments by track type, pooled across series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.scenarios.moments import GROUPS, SHARES, Races, finish_shares, race_moments
from nascar_assets.scenarios.past_races import PastRace

Floats = npt.NDArray[np.float64]

MOMENTS: tuple[str, ...] = (
    "accidents",
    "accidents_spread",
    "mechanical",
    "clustered",
    "led_first",
    "led_second",
    "leaders",
    "winner_led_most",
    "led_level",
    "fastest_first",
    "fastest_level",
    "fastest_awarded",
    "start_finish",
    "level_finish",
    "level_finish_running",
    "start_mid",
    "mid_finish",
    "accident_level",
    "mechanical_level",
    "green_share",
    "cautions",
    "cautions_spread",
    "caution_laps",
    "overtime",
    "lead_lap",
    "laps_down",
    "teammates",
    *(f"fifth_{group}_within_{share}" for group in range(1, GROUPS + 1) for share in SHARES),
)
"""What the fit matches; the last ones are `finish_shares`."""

OWN_SERIES: tuple[str, ...] = (
    "start_finish",
    "level_finish",
    "level_finish_running",
    *(name for name in MOMENTS if name.startswith("fifth_")),
)
"""Moments that other series do not draw in: how much a rating says about the finish depends on how
even a series' field is."""

SPREADS: dict[str, str] = {"accidents_spread": "accidents", "cautions_spread": "cautions"}
"""Moments that are squared distances from the real mean of another, so that the fit tells a
variance from a mean."""


GROUP_CARS = 7
"""Cars in a fifth of a field."""
OVERLAP = 2.0
"""Factor on the variances of the shares, which repeat each other."""
HALF_LIFE_DAYS = 730.0
"""Age at which a race counts half: rules packages, cars and cautions change over the years."""


def race_weights(races: Sequence[PastRace], as_of: datetime) -> Floats:
    """[races] weight of each race by its age."""
    days = np.array([(as_of - race.start_time).total_seconds() / 86_400.0 for race in races])
    return np.asarray(0.5 ** (days / HALF_LIFE_DAYS), np.float64)


def pooled_targets(
    races: Sequence[PastRace], series: str, as_of: datetime
) -> dict[str, tuple[Floats, Floats]]:
    """Target moments of a series by track type, shrunk towards the other series, and variances.

    With m and s the mean and its variance in the series, m' and s' in the others together, and w
    the variance between series beyond sampling (from the squared differences of all types), the
    target weighs m by 1/s and m' by 1/(s' + w).
    """
    means: dict[tuple[str, bool], tuple[Floats, Floats]] = {}
    for kind in TRACK_TYPES:
        of_series = [r for r in races if r.series == series and r.setup.track_type == kind]
        centres = real_centres(of_series, as_of)
        for own in (True, False):
            chosen = [
                race
                for race in races
                if race.setup.track_type == kind and (race.series == series) == own
            ]
            rows = [moment_rows(race.outcome, centres) for race in chosen]
            means[kind, own] = _mean_and_variance(
                np.concatenate([np.empty((0, len(MOMENTS))), *rows]), race_weights(chosen, as_of)
            )
    # Between-series variance relative to the sampling scale of the moment, over all types.
    excess = np.zeros((len(TRACK_TYPES), len(MOMENTS)))
    scale = np.ones_like(excess)
    for row, kind in enumerate(TRACK_TYPES):
        (m, s), (other, t) = means[kind, True], means[kind, False]
        scale[row] = np.maximum(np.abs(m) + np.abs(other), 1e-6) / 2.0
        excess[row] = ((m - other) ** 2 - s - t) / scale[row] ** 2
    usable = np.isfinite(excess)
    between = np.where(usable, excess, 0.0).sum(axis=0) / np.maximum(usable.sum(axis=0), 1)
    between = np.maximum(between, 0.01)
    between[[MOMENTS.index(name) for name in OWN_SERIES]] = np.inf
    targets = {}
    for row, kind in enumerate(TRACK_TYPES):
        (m, s), (other, t) = means[kind, True], means[kind, False]
        away = t + between * scale[row] ** 2
        weight = np.where(np.isfinite(other), s / (s + away), 0.0)
        pooled = np.where(weight > 0.0, (1.0 - weight) * m + weight * np.nan_to_num(other), m)
        targets[kind] = (pooled, s * (1.0 - weight))
    return targets


def real_centres(races: Sequence[PastRace], as_of: datetime) -> dict[str, float]:
    """Real means about which `SPREADS` are taken; 0 where there is no race."""
    weights = race_weights(races, as_of)
    chosen = [race_moments(race.outcome) for race in races]
    return {
        name: float(np.average([m[name][0] for m in chosen], weights=weights)) if chosen else 0.0
        for name in SPREADS.values()
    }


def moment_rows(races: Races, centres: Mapping[str, float]) -> Floats:
    """[n, moments] `MOMENTS` of each race."""
    values = race_moments(races)
    for spread, name in SPREADS.items():
        values[spread] = (values[name] - centres[name]) ** 2
    named = [values[name] for name in MOMENTS if name in values]
    return np.column_stack([*named, finish_shares(races)])


PIT_MOMENTS: tuple[str, ...] = (
    "weaker_pit_width",
    "weaker_pit_tails",
    "stronger_pit_width",
    "stronger_pit_tails",
)
"""What the fit matches besides: calibration of the finishes of the weaker and the stronger half."""
PIT_TAIL = 0.9
"""|2 PIT - 1| beyond which an outcome lies in the forecast's tails."""


def pit_moments(
    finish: npt.NDArray[np.integer], real: npt.NDArray[np.integer], level: Floats
) -> Floats:
    """[4] `PIT_MOMENTS` of one race: how far its outcomes are from calibrated, 0 if they are.

    The PIT of a finish is its place among the simulated ones, which is uniform if both come from
    the same distribution (Dawid 1984). With v = |2 PIT - 1|, the moments are the means of
    v - 1/2 and of [v > 0.9] - 0.1: a forecast that is too narrow has both above 0.

    Args:
        finish: [m, N] simulated finishes.
        real: [N] finishes.
        level: [N] ratings.
    """
    below = (finish < real).sum(axis=0) + 0.5 * (finish == real).sum(axis=0)
    v = np.abs(2.0 * (below + 0.5) / (len(finish) + 1.0) - 1.0)
    strong = np.argsort(np.argsort(level, kind="stable"), kind="stable") >= len(level) // 2
    tails = v > PIT_TAIL
    moments = [
        statistic
        for half in (~strong, strong)
        for statistic in (v[half].mean() - 0.5, tails[half].mean() - (1.0 - PIT_TAIL))
    ]
    return np.array(moments, np.float64)


def pit_variances(races: Sequence[PastRace], weights: Floats) -> Floats:
    """[4] sampling variance of the weighted means of `PIT_MOMENTS` over calibrated races."""
    cars = float(np.mean([len(race.ratings) for race in races])) / 2.0
    count = weights.sum() ** 2 / (weights**2).sum()
    tail = PIT_TAIL * (1.0 - PIT_TAIL)
    return np.array([1.0 / 12.0, tail, 1.0 / 12.0, tail]) / cars / count


def weighted_means(rows: Floats, weights: Floats) -> Floats:
    """[moments] weighted mean over races of each column; NaN where no race has the moment."""
    held = np.isfinite(rows) * weights[:, None]
    total = held.sum(axis=0)
    summed = np.where(np.isfinite(rows), rows, 0.0) * weights[:, None]
    return np.where(total > 0.0, summed.sum(axis=0) / np.maximum(total, 1e-12), np.nan)


def _mean_and_variance(rows: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Mean of each moment over races and the mean's variance, with two pseudo-races of spread.

    The variance is that of as many equal races as the weights amount to, (sum w)^2 / sum w^2.
    """
    if not len(rows):
        return np.full(len(MOMENTS), np.nan), np.full(len(MOMENTS), np.inf)
    held = np.isfinite(rows) * weights[:, None]
    total = held.sum(axis=0)
    count = total**2 / np.maximum((held**2).sum(axis=0), 1e-12)
    mean = weighted_means(rows, weights)
    apart = np.where(np.isfinite(rows), (rows - mean) ** 2, 0.0) * weights[:, None]
    spread = apart.sum(axis=0) / np.maximum(total, 1e-12)
    pseudo = (0.25 * np.abs(mean) + 0.02) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (count * spread + 2.0 * pseudo) / (count + 1.0) / count
        # Shares of a few cars may be 0 by chance, race after race: at least binomial variance
        # (Laplace's rule); they overlap, so that each counts less than a moment of its own.
        shares = slice(len(MOMENTS) - GROUPS * len(SHARES), None)
        share = (count[shares] * mean[shares] + 1.0) / (count[shares] + 2.0)
        binomial = share * (1.0 - share) / GROUP_CARS / count[shares]
        variance[shares] = OVERLAP * np.maximum(variance[shares], binomial)
    return mean, np.where(count > 0.0, variance, np.inf)
