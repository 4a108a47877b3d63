"""Features from the official results of past races, as of an as-of time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from nascar_assets.telemetry.catalogue import FORM_RACES, HISTORY_RACES, TRACK_TYPE_RACES

DNF_STATUSES: tuple[str, ...] = ("accident", "mechanical")
"""Statuses of a car that did not finish."""


def known_past_races(table: pl.LazyFrame, race: Mapping[str, Any], as_of: datetime) -> pl.LazyFrame:
    """Rows of earlier points races of the race's series that were known by the as-of time.

    Args:
        table: One row per race and driver, with `race_id`, `driver_id`, `series`, `race_type`,
            `start_time` and `results_at`; several versions of a row differ in `results_at`.
        race: The race to come.
        as_of: Moment of knowledge (UTC).

    Returns:
        The last version known of each row, ordered by date, race and driver, so that what follows
        does not depend on the order of the source.
    """
    return (
        table.filter(
            pl.col("results_at") <= as_of,
            pl.col("start_time") < race["start_time"],
            pl.col("race_id") != str(race["race_id"]),
            pl.col("series") == race["series"],
            pl.col("race_type") == "points",
        )
        .sort("start_time", "race_id", "driver_id", "results_at")
        .unique(["race_id", "driver_id"], keep="last", maintain_order=True)
    )


def result_features(
    sources: Mapping[str, pl.LazyFrame],
    entrants: pl.LazyFrame,
    race: Mapping[str, Any],
    as_of: datetime,
) -> pl.LazyFrame:
    """Averages over each entrant's last races.

    Args:
        sources: `results` (`RESULTS`), possibly with more than was known.
        entrants: One row per entrant, with `driver_id`.
        race: The race to come.
        as_of: Moment of knowledge (UTC).

    Returns:
        `driver_id`, the features of results, `known_results` (when the last row used became
        known); a row per entrant with a past race.
    """
    past = known_past_races(
        sources["results"].select(
            "race_id",
            "driver_id",
            "series",
            "race_type",
            "track_type",
            "start_time",
            "results_at",
            "finish",
            "laps_led",
            "status",
        ),
        race,
        as_of,
    ).join(entrants.select("driver_id"), on="driver_id", how="semi", maintain_order="left")
    recent = past.group_by("driver_id", maintain_order=True).tail(HISTORY_RACES)
    overall = recent.group_by("driver_id", maintain_order=True).agg(
        pl.col("finish").mean().alias("avg_finish_position"),
        pl.col("laps_led").mean().alias("avg_laps_led"),
        (pl.col("finish") == 1).mean().alias("win_rate"),
        pl.col("status").is_in(DNF_STATUSES).mean().alias("dnf_rate"),
        pl.col("finish").tail(FORM_RACES).mean().alias("recent_form"),
        pl.len().alias("past_races"),
        pl.col("results_at").max().alias("known_results"),
    )
    same_type = (
        past.filter(pl.col("track_type") == race["track_type"])
        .group_by("driver_id", maintain_order=True)
        .tail(TRACK_TYPE_RACES)
        .group_by("driver_id", maintain_order=True)
        .agg(
            pl.col("finish").mean().alias("track_type_avg_finish"),
            pl.len().alias("track_type_races"),
            pl.col("results_at").max().alias("known_track_type"),
        )
    )
    return overall.join(same_type, on="driver_id", how="left", maintain_order="left")
