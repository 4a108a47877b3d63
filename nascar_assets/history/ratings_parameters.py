"""Hyperparameters of the rating model: variances, time constants and noise, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import TRACK_TYPES

TARGETS: tuple[str, ...] = ("finish", "driver_rating", "fast_laps", "start")
"""What each car is scored on: normal scores within the race, one column each."""

FOREVER = float("inf")


def _by_type(**values: float) -> Mapping[str, float]:
    return MappingProxyType(values)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The prior of the ratings. Variances are in squared normal scores, times in days.

    The values come from coordinate searches on three series of 2022 to 2026 by the skill of the
    finish forecast. That skill is flat around them (a variance halved or doubled moves it by less
    than a tenth of a point), with two exceptions: any decay of drivers or teams within the years
    at hand costs skill, and so do smaller variances of drivers and teams.

    Attributes:
        driver: Variance of a driver's effect.
        driver_type: Variance of his own deviation at a track type.
        driver_track: Variance of his own deviation at a track.
        team: Variance of a team's effect.
        team_track: Variance of its own deviation at a track.
        car: Variance of one car (series and number).
        make_type: Variance of a manufacturer at a track type in a series.
        race: Variance of what all cars of a race share.
        series_share: Correlation of a driver's or team's effect between two series.
        driver_days: Time constant of a driver's effects (exponential decay); infinity for none.
        driver_track_days: The same at a track.
        team_days: The same of a team's effects.
        team_track_days: The same at a track.
        car_days: The same of a car.
        make_days: The same of a manufacturer.
        scale: Factor of driver and team effects by track type.
        noise: Variance of one race's score by track type.
        retired_noise: Factor of that variance for a car that retired.
        forget_days: Effects not seen for so long are dropped (their owner returns as a newcomer).
    """

    driver: float = 0.28
    driver_type: float = 0.074
    driver_track: float = 0.06
    team: float = 1.0
    team_track: float = 0.04
    car: float = 0.02
    make_type: float = 0.023
    race: float = 1.0
    series_share: float = 0.6
    driver_days: float = FOREVER
    driver_track_days: float = 1855.0
    team_days: float = FOREVER
    team_track_days: float = 1500.0
    car_days: float = 127.0
    make_days: float = 200.0
    scale: Mapping[str, float] = field(
        default_factory=lambda: _by_type(
            superspeedway=0.71, short=0.90, intermediate=1.0, road=0.61
        )
    )
    noise: Mapping[str, float] = field(
        default_factory=lambda: _by_type(
            superspeedway=0.58, short=0.38, intermediate=0.41, road=0.56
        )
    )
    retired_noise: float = 4.0
    forget_days: float = 1461.0

    def __post_init__(self) -> None:
        for name in ("scale", "noise"):
            by_type = getattr(self, name)
            if set(by_type) != set(TRACK_TYPES) or min(by_type.values()) <= 0.0:
                raise InputError("needs a positive value for each track type", field=name)
        for name in self.__slots__:
            value = getattr(self, name)
            if not isinstance(value, Mapping) and not value >= 0.0:
                raise InputError(f"{value} is not a number from 0 up", field=name)
        if not self.series_share <= 1.0:
            raise InputError("is a correlation and at most 1", field="series_share")


DEFAULT = Hyperparameters()
