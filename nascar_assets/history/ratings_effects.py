"""The effects that add up to a car's expected scores: driver, team, car and manufacturer."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.feed.teams import team_key
from nascar_assets.history.ratings_parameters import Hyperparameters

DRIVER_PARTS = frozenset({"driver", "driver_series", "driver_type", "driver_track"})
"""Parts that belong to the person; the others are team and equipment. Those at a track are kept by
`TrackRecords`."""

MAKES = {"chevy": "chevrolet"}
"""Manufacturers that the feed spells in two ways."""


class Effect(NamedTuple):
    """One Gaussian effect of one car.

    Attributes:
        part: Which term of the model (`driver`, `team`, `car`, ...).
        key: Identity: two cars share the effect where the keys are equal.
        weight: How strongly it acts at this track type.
        variance: Its prior variance.
        days: Time constant of its decay; infinity for none.
    """

    part: str
    key: str
    weight: float
    variance: float
    days: float


def car_effects(cars: pl.DataFrame, parameters: Hyperparameters) -> list[list[Effect]]:
    """The effects of each car of a race.

    Args:
        cars: ENTRIES or RESULTS rows.
        parameters: The model's variances and time constants.

    Returns:
        One list per row; an unknown team or manufacturer is left out of it (the prior mean).

    Raises:
        InputError: A row has an unknown track type.
    """
    p = parameters
    shared, own = p.series_share, 1.0 - p.series_share
    columns = ["driver_id", "series", "track_type", "team", "car_number", "manufacturer"]
    out: list[list[Effect]] = []
    for driver, series, kind, team_name, number, make in cars.select(columns).rows():
        if kind not in TRACK_TYPES:
            raise InputError(
                f"track type {kind!r} is none of {', '.join(TRACK_TYPES)}",
                field="track_type",
                remedy="Give the track a type in the track catalogue.",
            )
        scale = p.scale[kind]
        who = f"driver|{driver}"
        row = [
            Effect("driver", who, scale, p.driver * shared, p.driver_days),
            Effect("driver_series", f"{who}|{series}", scale, p.driver * own, p.driver_days),
            Effect("driver_type", f"{who}|{kind}", 1.0, p.driver_type, p.driver_days),
        ]
        team = team_key(team_name, series)
        if team is not None:
            key = f"team|{team}"
            row.append(Effect("team", key, scale, p.team * shared, p.team_days))
            row.append(Effect("team_series", f"{key}|{series}", scale, p.team * own, p.team_days))
        if number is not None:
            row.append(Effect("car", f"car|{series}|{number}", 1.0, p.car, p.car_days))
        if make is not None:
            brand = make.strip().casefold()
            brand = MAKES.get(brand, brand)
            key = f"make|{series}|{brand}|{kind}"
            row.append(Effect("make_type", key, 1.0, p.make_type, p.make_days))
        out.append([effect for effect in row if effect.variance > 0.0])
    return out
