"""Where a backtest's model comes from: fixed, or fitted again at every refit on what was known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import polars as pl

from nascar_assets.calibration.archive import Prepared
from nascar_assets.calibration.forecasts import Forecaster, RaceToForecast
from nascar_assets.calibration.race_forecast import NAME, CarriesParameters, RunningOrder
from nascar_assets.calibration.recalibration import LatentEmos, fit_latent_emos
from nascar_assets.errors import InputError
from nascar_assets.scenarios import STARTING_VALUES, ProcessParameters
from nascar_assets.scenarios.estimation import FitError, fit_parameters

PAST_RACES_FOR_RECALIBRATION = 24
"""Past out-of-sample races of a track type on which latent EMOS is fitted."""

FIT_SCENARIOS = (48, 128)
"""Simulated races per real one in a fit; the second where the first does not converge."""


@dataclass(frozen=True, slots=True)
class KnownForFit:
    """What may be used to fit a model at a refit.

    Attributes:
        next_race: The first race that the model will forecast, with all that was known by then:
            results of every series, ratings, and past races as they stood.
        schedule: SCHEDULE; a fit reads names, lengths and stage ends of it.
    """

    next_race: Prepared
    schedule: pl.DataFrame


class ModelSource(Protocol):
    """Makes the forecaster of the races up to the next refit."""

    @property
    def name(self) -> str:
        """Short name, the key in every table."""
        ...

    @property
    def values(self) -> bool:
        """Whether its forecasts need the ontology's driver and track values."""
        ...

    def fit(self, known: KnownForFit) -> Forecaster:
        """The forecaster as of a refit; a pure function of what was known."""
        ...


@dataclass(frozen=True)
class RunningOrderModel(CarriesParameters):
    """The running-order process, fitted and recalibrated on past races at every refit.

    Attributes:
        fit_process: Whether the race process is fitted; its starting values otherwise.
        recalibrate: Whether latent EMOS is fitted on past out-of-sample races, and used where
            it helped on those held back.
        values: Whether the ontology's values enter.
        series: The series that is forecast.
        name: Short name.
        seed: Seed of fits.
        start: Where fits begin.
    """

    fit_process: bool = True
    recalibrate: bool = True
    values: bool = True
    series: str = "cup"
    name: str = NAME
    seed: int = 20220220
    start: ProcessParameters = field(default_factory=lambda: STARTING_VALUES)

    def fit(self, known: KnownForFit) -> RunningOrder:
        """See `ModelSource.fit`."""
        parameters, notes = self._process(known)
        if self.recalibrate:
            emos = self.recalibration(known, parameters)
            parameters = emos.apply(parameters)
            notes["latent_emos"] = {kind: asdict(found) for kind, found in emos.by_type.items()}
        return RunningOrder(parameters=parameters, values=self.values, name=self.name, notes=notes)

    def _process(self, known: KnownForFit) -> tuple[ProcessParameters, dict[str, Any]]:
        if not self.fit_process:
            return self.start, {"fit": "starting values, by setting"}
        prepared = known.next_race
        reason = ""
        for scenarios in FIT_SCENARIOS:
            try:
                fitted = fit_parameters(
                    prepared.everything,
                    prepared.history.ratings,
                    known.schedule,
                    prepared.race.as_of,
                    series=self.series,
                    start=self.start,
                    seed=self.seed,
                    scenarios=scenarios,
                    threads=1,
                )
            except FitError as error:
                reason = str(error)
            except InputError as error:
                return self.start, {"fit": f"starting values: {error}"}
            else:
                return fitted, {"fit": f"fitted with {scenarios} scenarios a race"}
        return self.start, {"fit": f"starting values: {reason}"}

    def recalibration(self, known: KnownForFit, parameters: ProcessParameters) -> LatentEmos:
        """Latent EMOS on the past races of each track type.

        Args:
            known: What was known.
            parameters: The race process that is corrected.
        """
        history = known.next_race.history.results
        return fit_latent_emos(
            recent_by_type(known.next_race.past, history),
            parameters,
            seed=self.seed,
            values=self.values,
        )


def recent_by_type(
    past: Sequence[RaceToForecast], results: pl.DataFrame
) -> dict[str, list[tuple[RaceToForecast, pl.DataFrame]]]:
    """The latest past races of each track type with their outcomes, for a recalibration.

    Args:
        past: Past races in order, as they stood at their own starts.
        results: RESULTS that were known.
    """
    outcomes = results.partition_by("race_id", as_dict=True)
    by_type: dict[str, list[tuple[RaceToForecast, pl.DataFrame]]] = {}
    for race in past:
        rows = outcomes.get((race.race_id,))
        if rows is not None:
            by_type.setdefault(race.track_type, []).append((race, rows))
    return {kind: races[-PAST_RACES_FOR_RECALIBRATION:] for kind, races in by_type.items()}
