"""Features from the laps of past races on the slate's track type, as of an as-of time.

Falloff and speed depend on the track, so each race's values are taken relative to its own median
car before races are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from nascar_assets.feed.schemas import RACE_OF_SUMMARY
from nascar_assets.history.feature_results import known_past_races
from nascar_assets.telemetry.catalogue import TRACK_TYPE_RACES


def lap_features(
    sources: Mapping[str, pl.LazyFrame],
    entrants: pl.LazyFrame,
    race: Mapping[str, Any],
    as_of: datetime,
) -> pl.LazyFrame:
    """Wear, pace and restarts of each entrant in past races on the track type.

    Args:
        sources: `lap_summaries` (`LAP_SUMMARY`, with or without `RACE_OF_SUMMARY`), and `results`
            (`RESULTS`) for the facts of races that the summaries do not carry.
        entrants: One row per entrant, with `driver_id`.
        race: The race to come.
        as_of: Moment of knowledge (UTC).

    Returns:
        `driver_id`, the features of lap summaries, `known_laps`; a row per entrant with a past
        race on the track type whose laps are known.
    """
    summaries = _with_races(sources["lap_summaries"], sources.get("results"))
    past = known_past_races(summaries, race, as_of).filter(
        pl.col("track_type") == race["track_type"]
    )
    cars = pl.col("green_speed_cars").cast(pl.Float64)
    relative = past.with_columns(
        # The median car is that of the whole field, so it is taken before entrants are picked.
        (pl.col(name) - pl.col(name).median().over("race_id")).alias(f"relative_{name}")
        for name in ("falloff_s_per_lap", "long_run_speed_mph")
    ).with_columns(
        pl.when(cars > 1)
        .then((pl.col("green_speed_rank") - 1) / (cars - 1))
        .alias("green_speed_share")
    )
    last = (
        relative.join(
            entrants.select("driver_id"), on="driver_id", how="semi", maintain_order="left"
        )
        .group_by("driver_id", maintain_order=True)
        .tail(TRACK_TYPE_RACES)
    )
    fitted = pl.col("falloff_s_per_lap").is_not_null()
    means = {
        "track_type_falloff": "relative_falloff_s_per_lap",
        "track_type_long_run_speed": "relative_long_run_speed_mph",
        "track_type_green_speed_rank": "green_speed_share",
    }
    squares = pl.col("track_type_falloff_se")
    return (
        last.group_by("driver_id", maintain_order=True)
        .agg(
            *(pl.col(source).drop_nulls().alias(name) for name, source in means.items()),
            pl.col("falloff_se_s_per_lap").filter(fitted).pow(2).alias("track_type_falloff_se"),
            _ratio(pl.col("restart_gained") - pl.col("restart_lost"), pl.col("restarts")).alias(
                "track_type_restart_gain"
            ),
            _ratio(pl.col("slow_laps"), pl.col("green_laps")).alias("track_type_slow_lap_rate"),
            pl.len().alias("track_type_lap_races"),
            pl.col("results_at").max().alias("known_laps"),
        )
        # Lists keep the races' order, so sums come out the same whatever the number of threads.
        .with_columns(
            pl.col(list(means)).list.mean(),
            pl.when(squares.list.len() > 0).then(squares.list.sum().sqrt() / squares.list.len()),
        )
    )


def _ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole.sum() > 0).then(part.sum() / whole.sum())


def _with_races(summaries: pl.LazyFrame, results: pl.LazyFrame | None) -> pl.LazyFrame:
    """The summaries with the facts of their races, taken from the results where they lack them.

    A race's laps are known when its first results are: a later correction of the results does
    not make the laps new.
    """
    columns = summaries.collect_schema().names()
    if all(name in columns for name in RACE_OF_SUMMARY):
        return summaries
    bare = summaries.drop([name for name in RACE_OF_SUMMARY if name in columns])
    if results is None:
        return bare.with_columns(
            pl.lit(None, kind).alias(name) for name, kind in RACE_OF_SUMMARY.items()
        )
    races = (
        results.select("race_id", *RACE_OF_SUMMARY)
        .sort("race_id", "results_at", "start_time")
        .unique("race_id", keep="first", maintain_order=True)
    )
    return bare.join(races, on="race_id", how="inner", maintain_order="left")
