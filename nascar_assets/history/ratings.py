"""Ratings of a race's entrants from past races only, for one race or for all of history."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import polars as pl

from nascar_assets.history.ratings_parameters import DEFAULT, Hyperparameters
from nascar_assets.history.ratings_state import RESULT_ORDER, RatingState
from nascar_assets.history.schemas import RATINGS


def rate_race(
    results: pl.DataFrame,
    entries: pl.DataFrame,
    as_of: datetime,
    *,
    features: pl.DataFrame | None = None,
    hyperparameters: Hyperparameters = DEFAULT,
) -> pl.DataFrame:
    """Rate the entrants of one race from the results known by a time.

    To rate several races, or again after one more race, keep a `RatingState` instead: this builds
    it from nothing.

    Args:
        results: RESULTS of any series; races known after `as_of` and exhibitions are left out.
        entries: ENTRIES rows of the race.
        as_of: The as-of time; start and qualifying are used if they were known by then.
        features: FEATURE_TABLE rows of the race and of past ones; see `RatingState`.
        hyperparameters: The prior.

    Returns:
        RATINGS, one row per entry, in the order of `entries`.

    Raises:
        InputError: See `RatingState.rate` and `RatingState.extend`.
    """
    state = RatingState.empty(hyperparameters)
    state.extend(results, as_of, features)
    return state.rate(entries, as_of, features)


def rate_history(
    results: pl.DataFrame,
    race_ids: Collection[str] | None = None,
    *,
    features: pl.DataFrame | None = None,
    hyperparameters: Hyperparameters = DEFAULT,
) -> pl.DataFrame:
    """Rate the field of every points race of the results as it stood at its start.

    One pass over history: each race's ratings are those of `rate_race` with its start as the
    as-of time.

    Args:
        results: RESULTS of any series.
        race_ids: Races to return; all by default.
        features: FEATURE_TABLE rows, each race's as of its start.
        hyperparameters: The prior.

    Returns:
        RATINGS of those races, in order of start, race and driver.
    """
    state = RatingState.empty(hyperparameters)
    races = (
        results.filter(pl.col("race_type") == "points", pl.col("finish").is_not_null())
        .sort("start_time", "race_id", "driver_id")
        .partition_by("race_id", maintain_order=True)
    )
    pending = results.sort(RESULT_ORDER)
    tables = []
    for race in races:
        if race_ids is not None and race["race_id"][0] not in race_ids:
            continue
        started = race["start_time"][0]
        state.extend(pending, started, features)
        tables.append(state.rate(race, started, features))
    return pl.concat(tables) if tables else pl.DataFrame(schema=RATINGS)
