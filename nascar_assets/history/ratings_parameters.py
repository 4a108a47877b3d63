"""Hyperparameters of the rating model: variances, time constants and noise, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

TARGETS: tuple[str, ...] = ("finish", "driver_rating", "fast_laps", "start")
"""What each car is scored on: normal scores within the race, one column each."""


def _by_type(
    superspeedway: float, short: float, intermediate: float, road: float
) -> Mapping[str, float]:
    return MappingProxyType(
        {
            "superspeedway": superspeedway,
            "short": short,
            "intermediate": intermediate,
            "road": road,
        }
    )


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The prior of the ratings.

    Variances are in squared normal scores, times in days (infinity: no decay).

    Attributes:
        driver: Variance of a driver's effect.
        driver_type: Variance of a driver's own deviation at a track type.
        driver_track: Variance of a driver's own deviation at a track; 0 leaves it out.
        team: Variance of a team's effect.
        car: Variance of one car (series and number).
        make_type: Variance of a manufacturer at a track type in a series.
        race: Variance of what all cars of a race share.
        series_share: Correlation of a driver's (or team's) effect between two series.
    """

    driver: float = 0.206
    driver_type: float = 0.074
    driver_track: float = 0.0
    team: float = 0.725
    car: float = 0.031
    make_type: float = 0.023
    race: float = 1.0
    series_share: float = 0.7
    driver_days: float = float("inf")
    team_days: float = float("inf")
    car_days: float = 127.0
    make_days: float = 200.0
    track_days: float = 1855.0
    scale: Mapping[str, float] = field(default_factory=lambda: _by_type(0.71, 0.90, 1.0, 0.61))
    noise: Mapping[str, float] = field(default_factory=lambda: _by_type(0.58, 0.38, 0.41, 0.56))
    retired_noise: float = 4.0
    forget_days: float = 1461.0


DEFAULT = Hyperparameters()
