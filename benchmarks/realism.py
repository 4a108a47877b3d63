"""Do simulated races look like real ones? Means of the same statistics, walk-forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.scenarios.generation import simulate_rows
from nascar_assets.scenarios.inputs import prepare
from nascar_assets.scenarios.moments import of_scenarios, race_moments
from nascar_assets.scenarios.parameters import ProcessParameters
from nascar_assets.scenarios.past_races import PastRace

REALISM_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "track_type": pl.String,
    "statistic": pl.String,
    "races": pl.Int32,
    "real": pl.Float64,
    "standard_error": pl.Float64,
    "simulated": pl.Float64,
    "z": pl.Float64,
}

DISPERSIONS: dict[str, str] = {
    "accidents_dispersion": "accidents",
    "mechanical_dispersion": "mechanical",
}
"""Variance over mean of a count of retirements."""


def realism_table(
    races: Sequence[PastRace],
    parameters_of: Callable[[PastRace], ProcessParameters],
    *,
    scenarios: int = 200,
    seed: int = 1,
    threads: int = 1,
) -> pl.DataFrame:
    """Real means beside simulated ones, by track type.

    Args:
        races: Real races.
        parameters_of: Parameters that were known before a race.
        scenarios: Simulated races for each real one.
        seed: Of the simulation.
        threads: Threads.

    Returns:
        One row per track type and statistic (those of `race_moments` and the dispersions): real
        mean with its standard error over races (of a dispersion by the jackknife), simulated
        mean, and their difference in standard errors (null where the error is 0).
    """
    real: dict[tuple[str, str], list[float]] = {}
    made: dict[tuple[str, str], list[np.ndarray]] = {}
    for race in races:
        kind = race.setup.track_type
        inputs = prepare(None, race.setup, parameters_of(race))
        rows = simulate_rows(inputs, race.setup.driver_ids, seed, 0, scenarios, threads)
        simulated = of_scenarios(
            rows, race.setup.scheduled_laps, race.outcome.level, race.outcome.team
        )
        for name, values in race_moments(race.outcome).items():
            real.setdefault((kind, name), []).append(float(values[0]))
        for name, values in race_moments(simulated).items():
            made.setdefault((kind, name), []).append(values)
    table = []
    for kind in TRACK_TYPES:
        names = [name for one, name in real if one == kind]
        for name in names:
            values = np.array(real[kind, name])
            values = values[np.isfinite(values)]
            simulated_values = np.concatenate(made[kind, name])
            error = _standard_error(values)
            mean = float(values.mean()) if len(values) else float("nan")
            table.append((kind, name, len(values), mean, error, np.nanmean(simulated_values)))
        for name, counted in DISPERSIONS.items():
            if (kind, counted) in real:
                counts = np.array(real[kind, counted])
                simulated_counts = np.concatenate(made[kind, counted])
                table.append(
                    (kind, name, len(counts), *_dispersion(counts), _ratio(simulated_counts))
                )
    rows_with_z = [
        (*row[:5], float(row[5]), (float(row[5]) - row[3]) / row[4] if row[4] > 0.0 else None)
        for row in table
    ]
    return pl.DataFrame(rows_with_z, schema=REALISM_SCHEMA, orient="row")


def _standard_error(values: np.ndarray) -> float:
    """Of a mean over races; of a share that no or every race has, by adding four (Agresti)."""
    n = len(values)
    if n < 2:
        return 0.0
    if values.min() == values.max() and values[0] in (0.0, 1.0):
        share = (values.sum() + 2.0) / (n + 4.0)
        return float(np.sqrt(share * (1.0 - share) / (n + 4.0)))
    return float(values.std(ddof=1) / np.sqrt(n))


def _ratio(counts: np.ndarray) -> float:
    mean = float(counts.mean())
    return float(counts.var(ddof=1)) / mean if mean > 0.0 and len(counts) > 1 else float("nan")


def _dispersion(counts: np.ndarray) -> tuple[float, float]:
    """Variance over mean and its jackknife standard error."""
    n = len(counts)
    if n < 3:
        return _ratio(counts), 0.0
    left_out = np.array([_ratio(np.delete(counts, row)) for row in range(n)])
    error = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    return _ratio(counts), float(error)
