"""Track profiles: how races on each track have gone, from what was known at a time."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from nascar_assets.columns import history
from nascar_assets.columns.column import types_of

TRACK_PROFILES = types_of(history.TRACK_PROFILES)
"""One row per track."""


def track_profiles(
    results: pl.DataFrame, as_of: datetime, schedule: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Profiles of the tracks from the points races whose results were known at a time.

    A track's races under another type than its latest one (Atlanta before its rebuilding) are left
    out; so are exhibition races everywhere. Races whose cautions, caution laps or laps led were not
    counted take no part in the means of these.

    Args:
        results: A table `RESULTS`, of one series or of several.
        as_of: The time (UTC); a race takes part if its `results_at` is not later.
        schedule: A table `SCHEDULE`, for lead changes.

    Returns:
        A table `TRACK_PROFILES`, by track id; tracks without a past race are not in it.
    """
    past = results.lazy().filter(
        (pl.col("race_type") == "points") & (pl.col("results_at") <= as_of)
    )
    races = past.group_by("race_id").agg(
        pl.col(
            "track_id",
            "track_name",
            "track_type",
            "track_length_miles",
            "start_time",
            "actual_laps",
            "cautions",
            "caution_laps",
        ).first(),
        pl.len().alias("cars"),
        (pl.col("laps_led") > 0).sum().alias("leaders"),
        (pl.col("status") == "accident").sum().alias("accidents"),
        (pl.col("status") == "mechanical").sum().alias("breakdowns"),
        pl.corr("start", "finish", method="spearman").alias("correlation"),
    )
    if schedule is not None:
        changes = schedule.lazy().select("race_id", "lead_changes")
        races = races.join(changes, on="race_id", how="left")
    else:
        races = races.with_columns(lead_changes=pl.lit(None, pl.Int32))
    races = races.sort("start_time", "race_id")
    latest_type = pl.col("track_type").last().over("track_id")
    counted, timed = pl.col("cautions").is_not_null(), pl.col("caution_laps").is_not_null()
    miles = pl.col("actual_laps") * pl.col("track_length_miles")
    return (
        races.filter(pl.col("track_type") == latest_type)
        .group_by("track_id")
        .agg(
            pl.col("track_name", "track_type", "track_length_miles").last(),
            pl.len().alias("races"),
            pl.col("actual_laps").mean().alias("laps"),
            miles.mean().alias("miles"),
            pl.col("cars").mean(),
            pl.col("cautions").mean(),
            (100 * pl.col("cautions").sum() / miles.filter(counted).sum()).alias(
                "cautions_per_100_miles"
            ),
            (pl.col("caution_laps").sum() / pl.col("actual_laps").filter(timed).sum()).alias(
                "caution_share"
            ),
            # A race has a leader: without one its laps led were not counted.
            pl.col("leaders").filter(pl.col("leaders") > 0).mean(),
            pl.col("lead_changes").mean(),
            pl.col("correlation").drop_nans().mean().alias("start_finish_correlation"),
            (pl.col("accidents").sum() / pl.col("cars").sum()).alias("accident_share"),
            (pl.col("breakdowns").sum() / pl.col("cars").sum()).alias("mechanical_share"),
            pl.col("start_time").max().alias("data_through"),
        )
        .with_columns(pl.col("cautions_per_100_miles", "caution_share").fill_nan(None))
        .sort("track_id")
        .select(list(TRACK_PROFILES))
        .cast(pl.Schema(TRACK_PROFILES))
        .collect()
    )
