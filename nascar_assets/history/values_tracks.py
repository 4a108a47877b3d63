"""Values of tracks for the ontology: difficulty, size of accidents, cautions and fuel windows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nascar_assets.history.ratings_state import known_results
from nascar_assets.history.schemas import TRACK_VALUES
from nascar_assets.history.values_rates import cell_rates, log_ratio

Floats = NDArray[np.float64]

FUEL_RANGE_MILES: Mapping[str, float] = MappingProxyType(
    {"superspeedway": 105.0, "intermediate": 93.0, "short": 90.0, "road": 80.0}
)
"""Green-flag miles on a full tank: an assumption, not an estimate, since the feed has no fuel
readings and cautions end most tanks early. Race broadcasts give a Cup car 100 to 110 miles at
Daytona, 90 to 96 at Las Vegas and 92 to 98 at Phoenix (dailydownforce.com, "How Much Fuel Does a
NASCAR Stock Car Burn During a Race?"); the shorter ovals and the road courses burn more a mile by a
rule of thumb."""

DISPERSION = 2.5
"""Variance over mean of accident retirements and of cautions a race: wrecks come in clusters."""

RATE_SD = 0.25
"""Between-track standard deviation of a log rate within a type: one normal score of a value."""


def track_values(
    results: pl.DataFrame,
    schedule: pl.DataFrame,
    as_of: datetime,
    race: Mapping[str, Any] | None = None,
) -> pl.DataFrame:
    """Ontology values of every track of the schedule, from races known by a time.

    Each value is Phi of a standardised departure of the track from the mean of its series and
    type, shrunk by how little its races say:

    - difficulty: rank correlation of the running order, start with mid-race and that with the
      finish (mean of the two Fisher z): how slowly the order changes; normal prior, its variance
      estimated.
    - aggression_factor: accident retirements a caution beyond the stage ends; gamma prior.
    - caution_rate: cautions beyond the stage ends a mile; gamma prior.

    A track that changed its type counts with the races of its present type only. A race whose
    cautions were not counted takes no part in the two rates. A track without races gets 0.5 with
    the prior's standard error.

    Args:
        results: RESULTS of any series.
        schedule: SCHEDULE rows that name the tracks and the stage ends.
        as_of: Races known later are left out.
        race: The race to come, a row of the schedule: the pit windows of its track end with it.
            Those of other tracks end with the season's longest race there.

    Returns:
        TRACK_VALUES, by track id.
    """
    from scipy.special import ndtr

    tracks = _tracks(schedule, as_of)
    if race is not None:
        own = pl.when(track_id=race["track_id"]).then(pl.lit(race["scheduled_laps"]))
        tracks = tracks.with_columns(scheduled_laps=own.otherwise("scheduled_laps"))
    races = _race_measures(known_results(results, as_of), schedule)
    races = races.join(tracks.select("track_id", "track_type"), on=["track_id", "track_type"])
    values: dict[str, pl.Series] = {}
    slot = np.searchsorted(tracks["track_id"].to_numpy(), races["track_id"].to_numpy())
    count = np.bincount(slot, minlength=tracks.height)
    scores = {
        "difficulty": _stability(races, slot, tracks.height),
        "aggression_factor": _rate(races, "accidents", "cautions", slot, tracks.height),
        "caution_rate": _rate(races, "cautions", "miles", slot, tracks.height),
    }
    for name, (score, sd) in scores.items():
        values[name] = pl.Series(name, ndtr(score))
        density = np.exp(-0.5 * score**2) / np.sqrt(2.0 * np.pi)
        values[f"{name}_se"] = pl.Series(f"{name}_se", density * sd)
    through = races["start_time"].max() if races.height else None
    table = tracks.with_columns(
        *values.values(),
        pl.Series("races", count, dtype=pl.Int32),
        pl.Series("pit_window_laps", _pit_windows(tracks), dtype=pl.List(pl.Int32)),
        pl.lit(through).cast(TRACK_VALUES["data_through"]).alias("data_through"),
    )
    return table.select(list(TRACK_VALUES)).cast(pl.Schema(TRACK_VALUES))


def _tracks(schedule: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Tracks by id, described as in the last season that had begun; laps of their longest race."""
    current = schedule.filter(pl.col("season") <= as_of.year)
    laps = pl.col("scheduled_laps").filter(pl.col("season") == pl.col("season").max()).max()
    return (
        (current if current.height else schedule)
        .sort("start_time", "race_id")
        .group_by("track_id")
        .agg(
            pl.col("track_name").last().alias("name"),
            pl.col("track_type").last(),
            pl.col("track_length_miles").last().alias("length_miles"),
            laps.alias("scheduled_laps"),
        )
        .sort("track_id")
    )


def _race_measures(known: pl.DataFrame, schedule: pl.DataFrame) -> pl.DataFrame:
    """One row per race: what its order, its accidents and its cautions were."""
    stages = schedule.select("race_id", pl.col("stage_ends").list.len().alias("stages"))
    races = known.group_by(
        "race_id", "series", "track_id", "track_type", "start_time", maintain_order=True
    ).agg(
        (pl.col("status") == "accident").sum().cast(pl.Float64).alias("accidents"),
        pl.col("cautions").first(),
        (pl.col("actual_laps").first() * pl.col("track_length_miles").first()).alias("miles"),
        pl.struct("start", "mid_position", "finish").alias("order"),
    )
    stability = [_order_stability(order.struct.unnest()) for order in races["order"]]
    return (
        races.drop("order")
        .with_columns(pl.Series("stability", stability, dtype=pl.Float64))
        .join(stages.unique("race_id"), on="race_id", how="left", maintain_order="left")
        .with_columns((pl.col("cautions") - pl.col("stages").fill_null(2)).clip(0).cast(pl.Float64))
    )


def _order_stability(order: pl.DataFrame) -> float | None:
    """Mean Fisher z of the rank correlations of start with mid-race and of mid-race with finish."""
    complete = order.drop_nulls()
    if complete.height < 5:
        return None
    start, middle, finish = complete.columns
    pairs = [("early", start, middle), ("late", middle, finish)]
    rho = complete.select(
        pl.corr(one, other, method="spearman").alias(name) for name, one, other in pairs
    ).to_numpy()
    return float(np.arctanh(np.clip(np.nan_to_num(rho), -0.95, 0.95)).mean())


def _stability(races: pl.DataFrame, slot: NDArray[np.int64], tracks: int) -> tuple[Floats, Floats]:
    """Standardised departure of each track's stability from its cell, and its sd: [tracks]."""
    known = races["stability"].is_not_null().to_numpy()
    values = races["stability"].fill_null(0.0).to_numpy()[known]
    at = slot[known]
    cells = races.filter(pl.Series(known)).select("series", "track_type")
    departure = values - cell_rates(cells, values, np.ones(len(values)), prior=4.0)
    count = np.bincount(at, minlength=tracks).astype(np.float64)
    total = np.bincount(at, departure, minlength=tracks)
    mean = total / np.maximum(count, 1.0)
    # Variance within and between tracks by one-way analysis of variance, with a weak prior.
    within = (np.sum((departure - mean[at]) ** 2) + 10.0 * 0.04) / (
        len(values) - np.count_nonzero(count) + 10.0
    )
    seen = count > 0
    raw = np.sum(count[seen] * (mean[seen] ** 2 - within / count[seen])) / max(count.sum(), 1.0)
    between = max(float(raw), 0.05 * within)
    share = count * between / (count * between + within)
    return share * mean / np.sqrt(between), np.sqrt(1.0 - share)


def _rate(
    races: pl.DataFrame, events: str, exposure: str, slot: NDArray[np.int64], tracks: int
) -> tuple[Floats, Floats]:
    """Standardised log ratio of each track's rate to its cell's, and its sd: [tracks].

    From the races in which both were counted: no count is not a count of zero.
    """
    known = races[events].is_not_null() & races[exposure].is_not_null()
    races, slot = races.filter(known), slot[known.to_numpy()]
    seen = races[events].to_numpy() / DISPERSION
    expected = cell_rates(races, seen, races[exposure].to_numpy(), prior=0.0)
    ratio, sd = log_ratio(
        np.bincount(slot, seen, minlength=tracks).astype(np.float64),
        np.bincount(slot, expected, minlength=tracks).astype(np.float64),
        1.0 / RATE_SD**2,
    )
    return ratio / RATE_SD, sd / RATE_SD


def _pit_windows(tracks: pl.DataFrame) -> list[list[int]]:
    """Laps by which each full tank is used up, short of the race's end."""
    out = []
    columns = tracks.select("track_type", "length_miles", "scheduled_laps")
    for kind, length, laps in columns.iter_rows():
        tank = int(FUEL_RANGE_MILES[kind] / length) if length else 0
        out.append(list(range(tank, laps or 0, tank)) if tank > 0 else [])
    return out
