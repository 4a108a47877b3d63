"""After the race: the forecast against what happened, by driver and by lineup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.calibration.assess import Metrics, compute_all_metrics
from nascar_assets.calibration.inputs import pair
from nascar_assets.calibration.metrics_input import Floats
from nascar_assets.calibration.metrics_intervals import ensemble_quantiles, pit_bounds
from nascar_assets.errors import InputError
from nascar_assets.rules import RuleSet

DRIVER_COLUMNS: dict[str, Any] = {
    "driver_id": pl.String,
    "name": pl.String,
    "expected_finish": pl.Float64,
    "finish": pl.Int32,
    "expected_points": pl.Float64,
    "points": pl.Float64,
    "low_80": pl.Float64,
    "high_80": pl.Float64,
    "percentile": pl.Float64,
    "surprise": pl.Float64,
}
"""Columns of a replay's table of drivers."""

LINEUP_COLUMNS: dict[str, Any] = {
    "lineup": pl.Int32,
    "drivers": pl.List(pl.String),
    "expected_points": pl.Float64,
    "points": pl.Float64,
    "percentile": pl.Float64,
    "forecast_rank": pl.Int32,
    "rank": pl.Int32,
}
"""Columns of a replay's table of lineups."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A race forecast against its outcome.

    Attributes:
        metrics: All metrics of the forecast.
        drivers: One row per driver, the most surprising first. `percentile` is where the points
            fell in the forecast (middle of the PIT); `surprise` is -log2 of the probability of a
            result at least so far out, in bits: 0 for the median, 5 for one race in 32.
        lineups: One row per lineup in their given order: real score, forecast, where the real
            score fell in the forecast of that lineup, rank by forecast mean and by real score;
            null where the lineup holds an excluded driver.
        best: The best of the lineups after the race: its number, real score, forecast rank and
            percentile; none without lineups.
        optimum: The same of the best legal lineup in hindsight, where the caller gave it.
        excluded: Drivers left out, with the reason.
    """

    metrics: Metrics
    drivers: pl.DataFrame
    lineups: pl.DataFrame
    best: Mapping[str, float] | None
    optimum: Mapping[str, float] | None
    excluded: Mapping[str, str]


def replay(
    scenarios: Any,
    outcomes: Any,
    *,
    rules: RuleSet | None = None,
    lineups: Sequence[Sequence[str]] = (),
    optimum: Sequence[str] | None = None,
    names: Mapping[str, str] | None = None,
    absent: Mapping[str, str] | None = None,
    multipliers: Mapping[str, float] | None = None,
) -> Replay:
    """Compare a sealed forecast with what happened.

    Args:
        scenarios: The forecast, in any form that `compute_all_metrics` takes.
        outcomes: The race's results, likewise.
        rules: The contest's rules; DraftKings Classic if left out.
        lineups: Driver ids of each lineup.
        optimum: Driver ids of the best legal lineup in hindsight, from the optimiser.
        names: Driver names by id.
        absent: Why drivers who were neither forecast nor raced did not, by id; a lineup may hold
            them.
        multipliers: A person's own factors on drivers' points, by id: lineups are forecast under
            them, as they were chosen; drivers are not.

    Raises:
        InputError: If forecast and outcome do not fit, or a lineup holds a driver of
            whom neither knows anything.
    """
    pairing = pair(scenarios, outcomes, rules=rules, missing="exclude")
    if "points" not in pairing.variables:
        raise InputError(
            "A replay needs contest points on both sides.",
            field="outcomes",
            remedy="The results lack starts, laps led or fastest laps; sync the loop statistics.",
        )
    values, truth = (np.asarray(array, np.float64) for array in pairing.variables["points"])
    metrics = compute_all_metrics(scenarios, outcomes, rules=rules, missing="exclude")
    held = {driver for lineup in lineups for driver in lineup}
    gone = {driver: why for driver, why in (absent or {}).items() if driver in held}
    excluded = {**gone, **pairing.excluded}
    known = (pairing.driver_ids, excluded)
    factors = np.array([(multipliers or {}).get(driver, 1.0) for driver in pairing.driver_ids])
    taken = values * factors
    table = _lineups(lineups, *known, taken, truth)
    best = None
    if table["points"].count():
        order = table.sort("points", "lineup", descending=[True, False], nulls_last=True)
        row = order.row(0, named=True)
        best = {
            name: float(row[name])
            for name in ("lineup", "points", "expected_points", "forecast_rank", "percentile")
        }
    hindsight = None
    if optimum is not None:
        row = _lineups([optimum], *known, taken, truth).row(0, named=True)
        hindsight = {name: float(row[name]) for name in ("points", "expected_points", "percentile")}
    return Replay(
        metrics=metrics,
        drivers=_drivers(pairing.driver_ids, pairing.variables, values, truth, names or {}),
        lineups=table,
        best=best,
        optimum=hindsight,
        excluded=excluded,
    )


def surprise(lower: Floats, upper: Floats) -> Floats:
    """-log2 of the two-sided tail probability of outcomes with these PIT bounds, in bits."""
    tail = 2.0 * np.minimum(upper, 1.0 - lower)
    return np.asarray(-np.log2(np.clip(tail, 1e-12, 1.0)), np.float64)


def _drivers(
    ids: Sequence[str],
    variables: Mapping[str, tuple[Any, Any]],
    points: Floats,
    truth: Floats,
    names: Mapping[str, str],
) -> pl.DataFrame:
    lower, upper = pit_bounds(points, truth)
    low, high = ensemble_quantiles(points, [0.1, 0.9])
    finish = variables.get("finish")
    none = [None] * len(ids)
    return pl.DataFrame(
        {
            "driver_id": list(ids),
            "name": [names.get(driver) for driver in ids],
            "expected_finish": none if finish is None else finish[0].mean(axis=0),
            "finish": none if finish is None else finish[1].astype(np.int32),
            "expected_points": points.mean(axis=0),
            "points": truth,
            "low_80": low,
            "high_80": high,
            "percentile": 50.0 * (lower + upper),
            "surprise": surprise(lower, upper),
        },
        schema=DRIVER_COLUMNS,
    ).sort("surprise", "driver_id", descending=[True, False])


def _lineups(
    lineups: Sequence[Sequence[str]],
    ids: Sequence[str],
    excluded: Mapping[str, str],
    points: Floats,
    truth: Floats,
) -> pl.DataFrame:
    place = {driver: index for index, driver in enumerate(ids)}
    rows: list[dict[str, Any]] = []
    for number, lineup in enumerate(lineups, start=1):
        absent = [driver for driver in lineup if driver not in place]
        if absent and excluded.keys() >= set(absent):
            rows.append({"lineup": number, "drivers": list(lineup)})
            continue
        if absent:
            raise InputError(
                f"Lineup {number} holds driver {absent[0]}, of whom forecast and results "
                "know nothing.",
                field="lineups",
            )
        chosen = [place[driver] for driver in lineup]
        forecast, real = points[:, chosen].sum(axis=1), float(truth[chosen].sum())
        lower, upper = pit_bounds(np.round(forecast, 6), np.round(real, 6))
        rows.append(
            {
                "lineup": number,
                "drivers": list(lineup),
                "expected_points": float(forecast.mean()),
                "points": real,
                "percentile": 50.0 * float(lower + upper),
                "forecast_rank": 0,
                "rank": 0,
            }
        )
    table = pl.DataFrame(rows, schema=LINEUP_COLUMNS)
    return table.with_columns(
        forecast_rank=pl.col("expected_points").rank("min", descending=True).cast(pl.Int32),
        rank=pl.col("points").rank("min", descending=True).cast(pl.Int32),
    )
