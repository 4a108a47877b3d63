"""A probe for leaks: would the forecast change if the future had been another one?

A forecast that knows only the past is the same, byte for byte, whatever happens later. The probe
forecasts a race twice, once with the real tables and once with tables whose future is scrambled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from nascar_assets.calibration.archive import WalkForward
from nascar_assets.calibration.feed_tables import FeedTables
from nascar_assets.calibration.forecasts import Forecaster
from nascar_assets.errors import InputError
from nascar_assets.telemetry.contract import KEY_COLUMNS

_SCHEDULE_OUTCOMES = (
    "actual_laps",
    "winner_driver_id",
    "cautions",
    "caution_laps",
    "lead_changes",
    "leaders",
)
_RESULT_OUTCOMES = (
    "finish",
    "finish_on_track",
    "laps_completed",
    "laps_led",
    "fastest_laps",
    "status",
    "mid_position",
    "closing_position",
    "average_position",
    "passes",
    "passed",
    "quality_passes",
    "top15_laps",
    "driver_rating",
)


@dataclass(frozen=True, slots=True)
class LeakProbe:
    """What the probe found.

    Attributes:
        race_key: The race that was forecast twice.
        real: Content hash of the forecast.
        scrambled: Content hash with the future scrambled.
    """

    race_key: str
    real: str
    scrambled: str

    @property
    def leaks(self) -> bool:
        """Whether the forecast depended on what came after its as-of time."""
        return self.real != self.scrambled


def scramble_future(tables: FeedTables, as_of: datetime) -> FeedTables:
    """The same tables with another future: outcomes known after a time are turned upside down.

    Args:
        tables: Schedule, results and features.
        as_of: Everything known up to it stays as it is.
    """
    late = pl.col("results_at") > as_of
    outcomes = [name for name in _RESULT_OUTCOMES if name in tables.results.columns]
    results = tables.results.sort("race_id", "driver_id").with_columns(
        pl.when(late)
        .then(pl.col(name).reverse().over("race_id"))
        .otherwise(pl.col(name))
        .alias(name)
        for name in outcomes
    )
    schedule = tables.schedule.with_columns(
        pl.when(late).then(None).otherwise(pl.col(name)).alias(name) for name in _SCHEDULE_OUTCOMES
    )
    table = tables.features.sort("race_id", "driver_id")
    features = table.with_columns(
        pl.when(pl.col("available_at") > as_of)
        .then(pl.col(name).reverse().over("race_id"))
        .otherwise(pl.col(name))
        .alias(name)
        for name in table.columns
        if name not in KEY_COLUMNS
    )
    return FeedTables(schedule, results, tables.problems, features)


def probe_leak(
    tables: FeedTables,
    race_id: str,
    make: Callable[[FeedTables], Forecaster],
    *,
    series: str = "cup",
    scenarios: int = 50,
    seed: int = 1,
) -> LeakProbe:
    """Forecast a race with the real and with a scrambled future.

    Args:
        tables: Schedule, results and features.
        race_id: The race.
        make: Makes the forecaster from the tables that it would have; whatever it keeps of them
            is put to the test.
        series: The race's series.
        scenarios: Scenarios of both forecasts.
        seed: Seed of both.

    Raises:
        InputError: If the race cannot be prepared.
    """
    rows = tables.schedule.filter(pl.col("race_id") == race_id)
    if rows.is_empty():
        raise InputError(f"The schedule holds no race {race_id}.", field="race_id")
    futures = (tables, scramble_future(tables, rows["start_time"][0]))
    hashes = []
    for known in futures:
        walker = WalkForward(known.schedule, known.results, series, features=known.features)
        prepared = next(walker.prepare(rows), None)
        if prepared is None:
            raise InputError(f"Race {race_id} cannot be prepared.", field="race_id")
        made = make(known).forecast(prepared.history, prepared.race, scenarios, seed)
        hashes.append(made.content_hash())
    return LeakProbe(str(rows["race_key"][0]), hashes[0], hashes[1])
