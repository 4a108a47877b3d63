"""Features from the race's own weekend: practice and qualifying, null until they are known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

_SECONDS_PER_HOUR = 3600.0


def weekend_features(
    sources: Mapping[str, pl.LazyFrame],
    entrants: pl.LazyFrame,
    race: Mapping[str, Any],
    as_of: datetime,
) -> pl.LazyFrame:
    """Practice and qualifying of the race's entrants as known by the as-of time.

    Args:
        sources: `practice` (`PRACTICE` of any races) may be absent.
        entrants: `ENTRIES` of the race, one row per driver.
        race: The race to come, with `track_length_miles` where known.
        as_of: Moment of knowledge (UTC).

    Returns:
        `driver_id`, the features of practice and qualifying, `known_qualifying` and
        `known_practice` (null where nothing of them is used); a row per entrant.
    """
    length = pl.lit(race.get("track_length_miles"), pl.Float64)
    out = pl.col("qualifying_at") <= as_of
    speed = pl.when(out & (pl.col("qualifying_speed_mph") > 0)).then("qualifying_speed_mph")
    position = pl.when(out).then("qualifying_position")
    qualifying = (
        entrants.select(
            "driver_id",
            position.alias("qualifying_position"),
            speed.alias("qualifying_speed"),
            pl.when(out).then("qualifying_at").alias("known_qualifying"),
        )
        .with_columns(
            (
                _SECONDS_PER_HOUR * length / pl.col("qualifying_speed")
                - _SECONDS_PER_HOUR * length / pl.col("qualifying_speed").max()
            ).alias("qualifying_gap")
        )
        .with_columns(
            pl.when(
                pl.any_horizontal(pl.col("qualifying_position", "qualifying_speed").is_not_null())
            )
            .then("known_qualifying")
            .alias("known_qualifying")
        )
    )
    if "practice" not in sources:
        return qualifying
    sessions = sources["practice"]
    if "laps_complete" not in sessions.collect_schema().names():
        sessions = sessions.with_columns(pl.lit(None, pl.Int32).alias("laps_complete"))
    best = (
        sessions.filter(pl.col("race_id") == str(race["race_id"]), pl.col("qualifying_at") <= as_of)
        .sort("driver_id", "session", "qualifying_at")
        .group_by("driver_id", maintain_order=True)
        .agg(
            pl.col("best_lap_time_s").min().alias("practice_lap_time"),
            pl.col("best_10_lap_time_s").min().alias("best_10"),
            pl.when(pl.col("laps_complete").is_not_null().any())
            .then(pl.col("laps_complete").sum())
            .alias("practice_laps_complete"),
            pl.col("qualifying_at").max().alias("known_practice"),
        )
        .with_columns(
            (_SECONDS_PER_HOUR * length / pl.col("practice_lap_time")).alias("practice_speed"),
            (_SECONDS_PER_HOUR * length / pl.col("best_10")).alias("practice_10_lap_speed"),
        )
        .drop("best_10")
    )
    return qualifying.join(best, on="driver_id", how="left", maintain_order="left")
