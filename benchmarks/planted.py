"""Forecasters with a planted fault, to show that the numbers and plots find it.

Each bends an honest forecaster's scenarios. Over-confident and leaking ones reorder each race, the
finish pulled towards its expectation or towards what happened; the laps of a place go with the
place, so that every scenario is still a race that could happen. The under-confident one stretches
each car's finish about its expectation and gives up the race: as long as every place is taken
once, a forecast can at worst be uniform, and a uniform forecast covers what it says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from nascar_assets.calibration.baselines import ranks
from nascar_assets.calibration.forecasts import (
    Forecaster,
    KnownHistory,
    RaceForecast,
    RaceToForecast,
    assemble,
)
from nascar_assets.calibration.metrics_input import Floats, Numbers
from nascar_assets.calibration.models import KnownForFit


@dataclass(frozen=True)
class Pulled:
    """An over-confident forecaster: finishes are pulled towards their expectation.

    Attributes:
        base: The honest forecaster.
        pull: From 0, which leaves it as it is, to 1, which forecasts one order.
        name: Short name.
    """

    base: Forecaster
    pull: float = 0.5
    name: str = "over-confident"

    @property
    def version(self) -> str:
        """The base's version and the pull."""
        return f"{self.base.version}*{self.pull:g}"

    def forecast(
        self, history: KnownHistory, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """See `Forecaster.forecast`."""
        made = self.base.forecast(history, race, n, seed)
        expected = made.finish.mean(axis=0)
        return _reordered(race, made, (1.0 - self.pull) * made.finish + self.pull * expected)


@dataclass(frozen=True)
class Stretched:
    """An under-confident forecaster: finishes are stretched about their expectation.

    Attributes:
        base: The honest forecaster.
        factor: 1 leaves it as it is; above, places pile up at both ends of the field.
        name: Short name.
    """

    base: Forecaster
    factor: float = 1.8
    name: str = "under-confident"

    @property
    def version(self) -> str:
        """The base's version and the factor."""
        return f"{self.base.version}*{self.factor:g}"

    def forecast(
        self, history: KnownHistory, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """See `Forecaster.forecast`."""
        made = self.base.forecast(history, race, n, seed)
        expected = made.finish.mean(axis=0)
        places = np.rint(expected + self.factor * (made.finish - expected))
        return assemble(
            race,
            finish=np.clip(places, 1, len(race.driver_ids)).astype(np.int64),
            laps_led=made.laps_led,
            fastest_laps=made.fastest_laps,
            laps_completed=made.laps_completed,
            status=made.status,
            joint=False,
        )


@dataclass(frozen=True)
class Peeking:
    """A forecaster that kept the results and looks at them.

    Attributes:
        base: The honest forecaster.
        results: RESULTS of the races that it forecasts.
        pull: Weight of the finish that it should not know.
        name: Short name.
    """

    base: Forecaster
    results: pl.DataFrame
    pull: float = 0.3
    name: str = "leaking"

    @property
    def version(self) -> str:
        """The base's version and the pull."""
        return f"{self.base.version}+peek{self.pull:g}"

    def forecast(
        self, history: KnownHistory, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """See `Forecaster.forecast`."""
        made = self.base.forecast(history, race, n, seed)
        rows = self.results.filter(pl.col("race_id") == race.race_id)
        finish = dict(zip(rows["driver_id"], rows["finish"], strict=True))
        truth = np.array([finish.get(driver) or len(finish) for driver in race.driver_ids])
        return _reordered(race, made, (1.0 - self.pull) * made.finish + self.pull * truth)


def _reordered(race: RaceToForecast, made: RaceForecast, key: Floats) -> RaceForecast:
    """The scenarios with the cars in another order; what a place got, it keeps."""
    finish = ranks(key)
    by_place = np.argsort(made.finish, axis=1)

    def moved(values: Numbers) -> Numbers:
        ordered = np.take_along_axis(values, by_place, axis=1)
        return np.take_along_axis(ordered, finish.astype(np.int64) - 1, axis=1)

    return assemble(
        race,
        finish=finish,
        laps_led=moved(made.laps_led),
        fastest_laps=moved(made.fastest_laps),
        laps_completed=moved(made.laps_completed),
        status=moved(made.status),
    )


@dataclass(frozen=True)
class FixedModel:
    """One forecaster throughout."""

    forecaster: Forecaster

    @property
    def name(self) -> str:
        """The forecaster's name."""
        return self.forecaster.name

    @property
    def values(self) -> bool:
        """Whether the forecaster says that it needs them."""
        return bool(getattr(self.forecaster, "values", False))

    def fit(self, known: KnownForFit) -> Forecaster:
        """The forecaster as it is."""
        return self.forecaster
