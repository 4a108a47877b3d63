"""One row per race and driver: what a race's laps say about pace, wear and restarts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from nascar_assets.feed.schemas import LAP_SUMMARY, RACE_OF_SUMMARY
from nascar_assets.telemetry.falloff import FEWEST_FITTED_LAPS, compute_falloff_metrics
from nascar_assets.telemetry.feed_values import race_fact
from nascar_assets.telemetry.laps import Frame, counted, is_racing_lap, on_lazy, require_columns


def summarise_laps(laps: Frame, race: Mapping[str, Any] | None = None) -> Frame:
    """Summarise laps per race and driver.

    The falloff of a run is its fit at the last lap before the run was over; where a caution ended
    the run, the lap on which it came out is left out, for it was slowed. Runs are pooled with the
    weights n (n^2 - 1) of a straight line through n laps with equal noise, and the standard error
    follows from the runs' own.

    Args:
        laps: Canonical laps of whole races, in any order.
        race: A row of the schedule; its series, race_type, track_type, start_time and results_at
            are added as columns. All laps must then be of this race.

    Returns:
        `LAP_SUMMARY` (and `RACE_OF_SUMMARY` where the race is given), ordered by race and driver;
        lazy where the laps are.

    Raises:
        InputError: For laps that lack a column, or a race that lacks a fact.
    """
    require_columns(laps, ("race_id", "laps_led", "position", "lap_speed_mph"))
    facts = (
        [
            pl.lit(race_fact(race, name)).cast(kind).alias(name)
            for name, kind in RACE_OF_SUMMARY.items()
        ]
        if race is not None
        else []
    )
    return on_lazy(laps, lambda frame: _summary(compute_falloff_metrics(frame)).with_columns(facts))


def _summary(laps: pl.LazyFrame) -> pl.LazyFrame:
    columns = laps.collect_schema().names()
    keys = ["race_id", "driver_id"]
    if "flag" not in columns:
        laps = laps.with_columns(pl.lit(None, pl.String).alias("flag"))
        columns = [*columns, "flag"]
    racing, in_run = is_racing_lap(), pl.col("green_run").is_not_null()
    speed, time = counted("lap_speed_mph", columns), counted("lap_time_s", columns)
    long_run = in_run & (pl.col("run_lap") >= 10)
    by_driver = (
        laps.sort(*keys, "lap")
        .group_by(keys, maintain_order=True)
        .agg(
            racing.sum().alias("laps"),
            pl.col("laps_led").filter(racing).sum(),
            in_run.sum().alias("green_laps"),
            pl.col("green_run").max().fill_null(0).alias("green_runs"),
            pl.col("slow_lap").sum().alias("slow_laps"),
            speed.filter(long_run).alias("long_run_speed_mph"),
            speed.filter(long_run).count().alias("long_run_laps"),
            speed.filter(in_run).alias("green_speed_mph"),
            pl.col("restart_gained").count().alias("restarts"),
            pl.col("restart_gained").sum(),
            pl.col("restart_lost").sum(),
            (racing & pl.col("lap_time_s").is_null()).sum().alias("missing_times"),
            time.count().alias("timed"),
        )
        # Lists keep the laps' order, so sums come out the same whatever the number of threads.
        .with_columns(pl.col("long_run_speed_mph", "green_speed_mph").list.mean())
        .with_columns(
            pl.col("green_speed_mph")
            .rank("min", descending=True)
            .over("race_id")
            .alias("green_speed_rank"),
            pl.col("green_speed_mph").count().over("race_id").alias("green_speed_cars"),
        )
    )
    return (
        by_driver.join(_pooled_falloff(laps, keys), on=keys, how="left", maintain_order="left")
        .with_columns(pl.col("falloff_runs").fill_null(0))
        .select(pl.col(name).cast(kind) for name, kind in LAP_SUMMARY.items())
    )


def _pooled_falloff(laps: pl.LazyFrame, keys: list[str]) -> pl.LazyFrame:
    next_flag = pl.col("flag").shift(-1).over(keys, order_by="lap")
    # Known not to be green: the caution came out on this lap and slowed it.
    cut = next_flag.is_not_null() & ~next_flag.is_in(["green", "white", "checkered"])
    n = pl.col("falloff_laps").cast(pl.Float64)
    return (
        laps.with_columns(cut.fill_null(False).alias("cut"))
        .filter(
            pl.col("green_run").is_not_null(),
            ~pl.col("cut"),
            pl.col("falloff_laps") >= FEWEST_FITTED_LAPS,
        )
        .sort(*keys, "lap")
        .group_by([*keys, "green_run"], maintain_order=True)
        .agg(pl.col("falloff_s_per_lap", "falloff_se_s_per_lap", "falloff_laps").last())
        .with_columns((n * (n * n - 1.0)).alias("weight"))
        .group_by(keys, maintain_order=True)
        .agg(
            (pl.col("weight") * pl.col("falloff_s_per_lap")).alias("total"),
            (pl.col("weight") * pl.col("falloff_se_s_per_lap")).pow(2).alias("error"),
            pl.col("weight"),
            pl.len().alias("falloff_runs"),
        )
        .with_columns(pl.col("total", "error", "weight").list.sum())
        .select(
            *keys,
            "falloff_runs",
            (pl.col("total") / pl.col("weight")).alias("falloff_s_per_lap"),
            (pl.col("error").sqrt() / pl.col("weight")).alias("falloff_se_s_per_lap"),
        )
    )
