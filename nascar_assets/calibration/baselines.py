"""Forecasts that any model must beat: uniform, starts, a driver's past, Plackett-Luce.

Each is a pure function of what was known, the race, a number of scenarios and a seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.calibration.borrowed import complete_rows, forecast_of_order
from nascar_assets.calibration.forecasts import (
    Forecaster,
    KnownHistory,
    RaceForecast,
    RaceToForecast,
    assemble,
)
from nascar_assets.calibration.metrics_input import Floats
from nascar_assets.calibration.plackett_luce import fit_scale, ranks, sample_orders
from nascar_assets.feed.status import status_codes

NEAREST_STARTS = 120
"""Past starts that the start climatology of a driver rests on."""
DRIVER_RACES = 40
"""Past races that a driver's history holds."""
RATE_PRIOR = 120.0
"""Starts' worth by which a track type's rate of retirements is drawn to that of all types."""
SMOOTHING_PLACES = 1.5
"""Standard deviation, in places, by which resampled finishes are spread."""


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every order equally likely; dominators from past races of the track type."""

    name: str = "uniform"
    version: str = "1"

    def forecast(
        self, history: KnownHistory, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """See `Forecaster.forecast`."""
        rng = np.random.default_rng(seed)
        finish = ranks(rng.random((n, len(race.driver_ids))))
        return forecast_of_order(history, race, finish, rng)


@dataclass(frozen=True, slots=True)
class StartClimatology:
    """What became of the 120 past cars of the track type that started nearest."""

    name: str = "start_climatology"
    version: str = "2"
    nearest: int = NEAREST_STARTS

    def forecast(
        self, history: KnownHistory, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """See `Forecaster.forecast`."""
        rng = np.random.default_rng(seed)
        pool = PastStarts.of(history.results, race.track_type)
        if pool.finish.size == 0:
            return Uniform().forecast(history, race, n, seed)
        size = len(race.driver_ids)
        picks = np.stack(
            [
                stratified(pool.nearest((start - 0.5) / size, self.nearest), n, rng)
                for start in race.starts
            ],
            axis=1,
        )
        return _resampled(pool, picks, race, rng)


@dataclass(frozen=True, slots=True)
class DriverHistory:
    """A driver's own last 40 races; what is missing of them comes from his start's climatology."""

    name: str = "driver_history"
    version: str = "2"
    races: int = DRIVER_RACES

    def forecast(
        self, history: KnownHistory, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """See `Forecaster.forecast`."""
        rng = np.random.default_rng(seed)
        pool = PastStarts.of(history.results, None)
        if pool.finish.size == 0:
            return Uniform().forecast(history, race, n, seed)
        size = len(race.driver_ids)
        columns = []
        for driver, start in zip(race.driver_ids, race.starts, strict=True):
            own = np.flatnonzero(pool.driver == driver)[-self.races :]
            lacking = self.races - own.size
            if lacking > 0:
                near = pool.nearest((start - 0.5) / size, NEAREST_STARTS, race.track_type)
                filled = near[np.linspace(0, near.size - 1, lacking).astype(np.int64)]
                own = np.concatenate([own, filled])
            columns.append(stratified(own, n, rng))
        return _resampled(pool, np.stack(columns, axis=1), race, rng)


@dataclass(frozen=True, slots=True)
class PlackettLuce:
    """Plackett-Luce on the ratings' levels, its scale fitted on past races of the track type.

    With `attrition`, cars first retire at the type's rate and then fill the back of the field;
    the order of those that finish is Plackett-Luce, and the scale is fitted on finishers alone.
    """

    attrition: bool = False
    version: str = "1"

    @property
    def name(self) -> str:
        """Short name."""
        return "attrition_plackett_luce" if self.attrition else "plackett_luce"

    def forecast(
        self, history: KnownHistory, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """See `Forecaster.forecast`."""
        rng = np.random.default_rng(seed)
        past = history.results.join(
            history.ratings.select("race_id", "driver_id", "level"),
            on=["race_id", "driver_id"],
            how="inner",
        ).filter(pl.col("finish").is_not_null(), pl.col("race_type") == "points")
        scale = fit_scale(past, race.track_type, finishers_only=self.attrition)
        strength = scale * race.levels
        if not self.attrition:
            return forecast_of_order(history, race, sample_orders(strength, n, rng), rng)
        rates = retirement_rates(history.results, race.track_type)
        drawn = rng.random((n, len(race.driver_ids)))
        status = np.where(drawn < rates[0], 1, np.where(drawn < rates.sum(), 2, 0))
        finish = sample_orders(strength, n, rng, behind=status > 0)
        return forecast_of_order(history, race, finish, rng, status)


def standard_baselines() -> tuple[Forecaster, ...]:
    """The baselines that ship with the project, the weakest first."""
    return (
        Uniform(),
        StartClimatology(),
        DriverHistory(),
        PlackettLuce(),
        PlackettLuce(attrition=True),
    )


def retirement_rates(results: pl.DataFrame, track_type: str) -> Floats:
    """Chances of an accident and of a mechanical retirement at a track type [2].

    Args:
        results: RESULTS rows that were known.
        track_type: The type.
    """
    rows = results.filter(pl.col("status").is_not_null(), pl.col("race_type") == "points")
    alike = rows.filter(pl.col("track_type") == track_type)
    rates = []
    for status, default in (("accident", 0.10), ("mechanical", 0.03)):
        overall = float((rows["status"] == status).mean()) if rows.height else default  # type: ignore[arg-type]
        hits = int((alike["status"] == status).sum())
        rates.append((hits + RATE_PRIOR * overall) / (alike.height + RATE_PRIOR))
    return np.array(rates)


@dataclass(frozen=True, slots=True)
class PastStarts:
    """Past cars as shares of their field and race, in order of time.

    Attributes:
        driver: Driver ids [k].
        track_type: Types [k].
        start: Start as a share of the field, (place - 1/2) / cars [k].
        finish: Finish likewise [k].
        led: Share of laps led [k].
        fastest: Fastest laps over the race's laps [k].
        completed: Laps completed over the race's laps [k].
        status: Status codes [k].
    """

    driver: npt.NDArray[np.str_]
    track_type: npt.NDArray[np.str_]
    start: Floats
    finish: Floats
    led: Floats
    fastest: Floats
    completed: Floats
    status: npt.NDArray[np.int8]

    @classmethod
    def of(cls, results: pl.DataFrame, track_type: str | None) -> PastStarts:
        """Past cars of one track type, or of all."""
        rows = complete_rows(results).filter(pl.col("start").is_not_null())
        if track_type is not None:
            rows = rows.filter(pl.col("track_type") == track_type)
        field_size = pl.len().over("race_id")
        laps = pl.max_horizontal(pl.col("laps_led").sum().over("race_id"), 1)
        rows = rows.sort("start_time", "race_id", "driver_id")
        rows = rows.select(
            "driver_id",
            "track_type",
            start=(pl.col("start") - 0.5) / field_size,
            finish=(pl.col("finish") - 0.5) / field_size,
            led=pl.col("laps_led") / laps,
            fastest=pl.col("fastest_laps") / laps,
            completed=(pl.col("laps_completed") / laps).clip(0.0, 1.0),
            status=pl.Series(status_codes(rows["status"])),
        )
        columns = [rows[name].to_numpy() for name in rows.columns[2:]]
        return cls(
            rows["driver_id"].to_numpy().astype(str),
            rows["track_type"].to_numpy().astype(str),
            *columns,
        )

    def nearest(
        self, start: float, count: int, track_type: str | None = None
    ) -> npt.NDArray[np.int64]:
        """Indices of the cars that started nearest; of two equally near, the later race's."""
        index = np.arange(self.start.size)
        if track_type is not None and (self.track_type == track_type).any():
            index = index[self.track_type == track_type]
        distance = np.round(np.abs(self.start[index] - start), 12)
        return index[np.lexsort((-index, distance))[:count]]


def stratified(
    members: npt.NDArray[np.int64], n: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """n draws in which every member comes as often as any other, give or take one."""
    order = rng.permutation(members)
    return rng.permutation(order[np.arange(n) % order.size])


def _resampled(
    pool: PastStarts, picks: npt.NDArray[np.int64], race: RaceToForecast, rng: np.random.Generator
) -> RaceForecast:
    """A forecast whose margins are resampled past cars; the cars of a row are independent."""
    n = picks.shape[1]
    laps = race.scheduled_laps
    places = pool.finish[picks] * n + 0.5 + SMOOTHING_PLACES * rng.standard_normal(picks.shape)
    # Reflect at both ends of the field, so that smoothing does not pile up there.
    places = np.abs(places - 0.5)
    places = np.where(places > n, 2.0 * n - places, places)
    finish = np.clip(np.ceil(places), 1, n).astype(np.int64)
    led = np.rint(pool.led[picks] * laps).astype(np.int64)
    return assemble(
        race,
        finish=finish,
        laps_led=led,
        fastest_laps=np.rint(pool.fastest[picks] * laps).astype(np.int64),
        laps_completed=np.maximum(np.rint(pool.completed[picks] * laps).astype(np.int64), led),
        status=pool.status[picks],
        joint=False,
    )
