"""What levels read of the guarded feature table: laps of past races, and practice."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nascar_assets.errors import InputError
from nascar_assets.history.ratings_scores import floats, robust_scores
from nascar_assets.telemetry.catalogue import FEATURES

Floats = NDArray[np.float64]

_RATED = [feature for feature in FEATURES if feature.rated]

FROM_PAST = tuple(item.name for item in _RATED if item.known_after == "previous_race")
"""Columns known before the weekend, from past races: their laps, as yet."""

FROM_WEEKEND = tuple(item.name for item in _RATED if item.known_after != "previous_race")
"""Columns known with the start: the best lap of practice and the best ten laps in a row."""

LEVEL_FEATURES = FROM_PAST + FROM_WEEKEND


def check_features(features: pl.DataFrame) -> None:
    """Refuse a table without the columns that levels read, or with two rows of a car.

    Raises:
        InputError: Names the column or the driver.
    """
    missing = [
        name
        for name in ("race_id", "driver_id", "available_at", *LEVEL_FEATURES)
        if name not in features.columns
    ]
    if missing:
        raise InputError(
            f"the feature table lacks {', '.join(missing)}",
            field=missing[0],
            remedy="Give rows of FEATURE_TABLE.",
        )
    twice = features.filter(pl.struct("race_id", "driver_id").is_duplicated())
    if twice.height:
        driver, race = twice.select("driver_id", "race_id").row(0)
        raise InputError(
            f"driver {driver} has two rows of features in race {race}",
            field="driver_id",
            remedy="Keep one row per race and driver.",
        )


def level_features(
    features: pl.DataFrame | None, cars: pl.DataFrame, as_of: datetime | None
) -> dict[str, Floats]:
    """Features of a race's cars, each a robust z within the field.

    Args:
        features: The race's rows of FEATURE_TABLE (`check_features`); none where nothing is known.
        cars: The race's cars, with `driver_id`.
        as_of: Rows that became known later count as unknown.

    Returns:
        `LEVEL_FEATURES` by name, [n] in the order of the cars; 0 where unknown.
    """
    if features is None or as_of is None:
        return {name: np.zeros(cars.height) for name in LEVEL_FEATURES}
    rows = features.filter(pl.col("available_at") <= as_of)
    # One row of unknowns at the end, which cars without a row of their own take.
    place = {driver: row for row, driver in enumerate(rows["driver_id"])}
    picked = [place.get(driver, rows.height) for driver in cars["driver_id"]]
    return {
        name: robust_scores(np.append(floats(rows[name]), np.nan)[picked])
        for name in LEVEL_FEATURES
    }
