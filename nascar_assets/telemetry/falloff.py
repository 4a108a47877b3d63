"""Falloff: how lap times degrade over a green-flag run, slow laps, long runs, restarts.

Lap times are not corrected for fuel or traffic. Fuel burns off over a run, which makes a car
faster by a few hundredths of a second a lap, so tyres wear somewhat faster than the slope says;
the burn is much the same for every car, so drivers compare. Traffic slows single laps, which the
robust slope shrugs off, but a car that spends a whole run in traffic looks as it looked.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from nascar_assets.telemetry.laps import (
    Frame,
    columns_of,
    counted,
    driver_keys,
    on_lazy,
    require_columns,
)

FIRST_FITTED_LAP = 2
"""The first lap of a run begins slow (restart, pit exit), so slopes start with the second."""

FEWEST_FITTED_LAPS = 5
"""Laps that a slope needs at least."""

LONG_RUN_LAP = 10
"""Laps into a green run from which on a lap counts towards long-run speed."""

RESTART_LAPS = 2
"""Green laps after which a restart's places are counted."""

LOST_LAP_S = 12.0
"""Seconds over the driver's best lap from which a green lap holds a stop, a spin or damage.

The quickest green-flag stops of the feed's pit data cost more than twice that with the drive
down the pit road; falloff on the hardest tracks stays below 6 s.
"""

GREEN_PACE_SHARE = 0.15
"""Where a source gives no flag: laps within this share of the driver's best count as green."""

SLOW_LAP_WINDOW = 10
"""Green laps in the window against which a lap is slow."""

SLOW_LAP_DEVIATIONS = 2.0
"""Rolling standard deviations over the rolling mean from which on a lap is slow."""

_FEWEST_FOR_SLOW = 5

FALLOFF_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "green_run": pl.Int32,
    "run_lap": pl.Int32,
    "lap_time_change_s": pl.Float64,
    "falloff_s_per_lap": pl.Float64,
    "falloff_se_s_per_lap": pl.Float64,
    "falloff_laps": pl.Int32,
    "slow_lap": pl.Boolean,
    "long_run_speed_mph": pl.Float64,
    "restart_gained": pl.Int32,
    "restart_lost": pl.Int32,
}
"""Columns that `compute_falloff_metrics` adds."""

_MADE_FROM = {
    "position": ("restart_gained", "restart_lost"),
    "lap_speed_mph": ("long_run_speed_mph",),
}
"""Columns that laps may lack, and what cannot be made without them."""


def compute_falloff_metrics(laps: Frame) -> Frame:
    """Falloff, slow laps, long-run speed and restarts, for every lap, looking back only.

    A green run is a driver's consecutive laps under green; a caution, red or pit lap ends it, and
    so does, where the source does not mark pit laps, a lap `LOST_LAP_S` over the driver's best.
    Lap 0 belongs to no run. Added columns:

    - `green_run`, `run_lap`: number of the run and lap within it, from 1; null outside.
    - `lap_time_change_s`: seconds over the previous lap of the same run.
    - `falloff_s_per_lap`, `falloff_se_s_per_lap`, `falloff_laps`: Theil-Sen slope of lap time over
      the run so far (from its second lap, given from 5 laps on), its standard error by Sen's
      interval, and the laps it rests on.
    - `slow_lap`: lap time over rolling mean + 2 rolling standard deviations of the driver's last
      10 green-run laps, this one included; null outside of runs or with fewer than 5.
    - `long_run_speed_mph`: mean speed of the driver's laps from the 10th of a run on, so far in
      the race.
    - `restart_gained`, `restart_lost`: places won and lost between the last line before a restart
      and the second green lap, on that lap; null elsewhere.

    Args:
        laps: Canonical laps, in any order; `flag` and `pit` may be absent (unknown). Without
            `position` no restarts are counted, without `lap_speed_mph` there is no long-run
            speed: their columns are left out.

    Returns:
        The laps in the order given with the columns added; lazy where the laps are.

    Raises:
        InputError: For laps without `driver_id`, `lap` or `lap_time_s`.
    """
    require_columns(laps, ("driver_id", "lap", "lap_time_s"))
    columns = columns_of(laps)
    absent: list[str] = sorted(set(_MADE_FROM).difference(columns))
    if absent:
        unknown = [pl.lit(None, pl.Float64).alias(name) for name in absent]
        without = [*absent, *(made for name in absent for made in _MADE_FROM[name])]
        return on_lazy(
            laps,
            lambda frame: compute_falloff_metrics(frame.with_columns(unknown)).drop(without),
        )
    keys = driver_keys(columns)
    schema = laps.collect_schema()
    added = pl.Schema(dict(FALLOFF_COLUMNS))
    whole = pl.Schema({**schema, **added})
    return on_lazy(
        laps,
        lambda frame: frame.map_batches(
            lambda batch: _with_falloff(batch, keys),
            schema=whole,
            predicate_pushdown=False,
            projection_pushdown=False,
            validate_output_schema=True,
        ),
    )


def _with_falloff(laps: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """`compute_falloff_metrics` of laps in memory."""
    # Numba takes half a second to import, which no one pays who only reads laps.
    from nascar_assets.telemetry import falloff_kernels as kernels

    columns = laps.columns
    ordered = (
        laps.lazy()
        .select(
            *keys,
            "lap",
            pl.col("position").cast(pl.Float64).fill_null(float("nan")),
            time=counted("lap_time_s", columns).cast(pl.Float64).fill_null(float("nan")),
            flag=_flag_code(columns),
            pit=_pit_code(columns),
            row=pl.int_range(pl.len(), dtype=pl.Int64),
        )
        .sort(*keys, "lap", "row")
        .collect()
    )
    starts = kernels.driver_starts(
        *(ordered[key].rank("dense").fill_null(0).to_numpy() for key in keys)
    )
    lap = ordered["lap"].cast(pl.Int32).to_numpy()
    time = ordered["time"].to_numpy()
    flag, pit = ordered["flag"].to_numpy(), ordered["pit"].to_numpy()
    run, place = kernels.green_runs(starts, lap, time, flag, pit, LOST_LAP_S, GREEN_PACE_SHARE)
    slope, error, fitted = kernels.run_slopes(
        starts, run, place, time, FIRST_FITTED_LAP, FEWEST_FITTED_LAPS
    )
    position = ordered["position"].to_numpy()
    moved = kernels.restart_moves(starts, lap, position, flag, run, place, RESTART_LAPS)
    back = np.empty(laps.height, np.int64)
    back[ordered["row"].to_numpy()] = np.arange(laps.height)
    found = pl.DataFrame(
        {
            "green_run": run[back],
            "run_lap": place[back],
            "falloff_s_per_lap": slope[back],
            "falloff_se_s_per_lap": error[back],
            "falloff_laps": fitted[back],
            "moved": moved[back],
        }
    ).with_columns(
        pl.col("falloff_s_per_lap", "falloff_se_s_per_lap", "moved").fill_nan(None),
        pl.when(pl.col("green_run") > 0).then(pl.col("green_run", "run_lap", "falloff_laps")),
    )
    frame = pl.concat([laps.drop(found.columns, strict=False), found], how="horizontal")
    return (
        frame.lazy()
        .with_columns(_run_columns(keys, columns))
        .select(*[name for name in columns if name not in FALLOFF_COLUMNS], *FALLOFF_COLUMNS)
        .with_columns(pl.col(name).cast(kind) for name, kind in FALLOFF_COLUMNS.items())
        .select(list(dict.fromkeys([*columns, *FALLOFF_COLUMNS])))
        .collect()
    )


def _run_columns(keys: list[str], columns: list[str]) -> list[pl.Expr]:
    in_run = pl.col("green_run").is_not_null()
    run_time = pl.when(in_run).then(counted("lap_time_s", columns))
    long_speed = pl.when(pl.col("run_lap") >= LONG_RUN_LAP).then(counted("lap_speed_mph", columns))
    n = SLOW_LAP_WINDOW
    # The window runs over the driver's green-run laps alone, so a caution takes no place in it.
    green = [*keys, in_run]
    limit = run_time.rolling_mean(
        n, min_samples=_FEWEST_FOR_SLOW
    ) + SLOW_LAP_DEVIATIONS * run_time.rolling_std(n, min_samples=_FEWEST_FOR_SLOW)
    long_count = long_speed.is_not_null().cum_sum()
    return [
        run_time.diff().over(*keys, "green_run", order_by="lap").alias("lap_time_change_s"),
        pl.when(in_run).then((run_time > limit).over(green, order_by="lap")).alias("slow_lap"),
        pl.when(long_count.over(keys, order_by="lap") > 0)
        .then((long_speed.fill_null(0.0).cum_sum() / long_count).over(keys, order_by="lap"))
        .alias("long_run_speed_mph"),
        pl.col("moved").clip(lower_bound=0).cast(pl.Int32).alias("restart_gained"),
        (-pl.col("moved")).clip(lower_bound=0).cast(pl.Int32).alias("restart_lost"),
    ]


def _flag_code(columns: list[str]) -> pl.Expr:
    from nascar_assets.telemetry.falloff_kernels import GREEN, NOT_GREEN, UNKNOWN

    if "flag" not in columns:
        return _constant(UNKNOWN)
    # The white flag is shown on the last lap of a race under green.
    return (
        pl.when(pl.col("flag").is_in(["green", "white"]))
        .then(pl.lit(GREEN, pl.Int8))
        .when(pl.col("flag").is_null())
        .then(pl.lit(UNKNOWN, pl.Int8))
        .otherwise(pl.lit(NOT_GREEN, pl.Int8))
    )


def _pit_code(columns: list[str]) -> pl.Expr:
    from nascar_assets.telemetry.falloff_kernels import NO_PIT, PIT, PIT_UNKNOWN

    if "pit" not in columns:
        return _constant(PIT_UNKNOWN)
    return (
        pl.when(pl.col("pit"))
        .then(pl.lit(PIT, pl.Int8))
        .when(pl.col("pit").is_null())
        .then(pl.lit(PIT_UNKNOWN, pl.Int8))
        .otherwise(pl.lit(NO_PIT, pl.Int8))
    )


def _constant(code: int) -> pl.Expr:
    return pl.repeat(code, pl.len(), dtype=pl.Int8)
