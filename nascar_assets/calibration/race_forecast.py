"""The platform's own forecast of a race: ratings and values to a setup, a spec, scenarios."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.calibration.forecasts import (
    KnownHistory,
    RaceForecast,
    RaceToForecast,
    assemble,
)
from nascar_assets.constraints import ConstraintSpec, DriverConstraints, TrackConstraints
from nascar_assets.scenarios import (
    STARTING_VALUES,
    Entry,
    ProcessParameters,
    RaceSetup,
    Scenarios,
    generate_scenarios,
)
from nascar_assets.telemetry.race_state import RaceState

NAME = "running_order"
"""Name of the running-order process in every table."""


class CarriesParameters:
    """Lets objects that hold `ProcessParameters` travel between processes.

    Their read-only mappings cannot; their plain form can.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {
            key: (True, value.to_dict()) if isinstance(value, ProcessParameters) else (False, value)
            for key, value in vars(self).items()
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for key, (is_parameters, value) in state.items():
            content = ProcessParameters.from_dict(value) if is_parameters else value
            object.__setattr__(self, key, content)


@dataclass(frozen=True)
class RunningOrder(CarriesParameters):
    """The lap-by-lap running-order process on ratings and ontology values as of the as-of time.

    Attributes:
        parameters: The race process.
        values: Whether driver and track values of the ontology enter; neutral ones otherwise.
        name: Short name.
        threads: Threads of the simulation; results do not depend on it.
        notes: How the parameters came about, for people; no part of the version.
    """

    parameters: ProcessParameters = field(default_factory=lambda: STARTING_VALUES)
    values: bool = True
    name: str = NAME
    threads: int = 1
    notes: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def describe(self) -> dict[str, Any]:
        """The parameters and how they came about, for JSON."""
        return {"process": self.parameters.to_dict(), **self.notes}

    @property
    def version(self) -> str:
        """Hash of everything that the forecast depends on besides its arguments."""
        content = {"process": self.parameters.hash, "values": self.values, "format": 1}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def forecast(
        self, history: KnownHistory, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """See `Forecaster.forecast`."""
        return self.forecast_from(None, race, n, seed)

    def forecast_from(
        self, state: RaceState | None, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """The forecast of a race that goes on from a state; none for the whole race."""
        return forecast_of(race, self.scenarios(race, n, seed, state))

    def scenarios(
        self,
        race: RaceToForecast,
        n: int,
        seed: int,
        state: RaceState | None = None,
        trace: Sequence[int] = (),
    ) -> Scenarios:
        """Scenarios of a race with drivers in the order of its entries."""
        return generate_scenarios(
            constraint_spec(race) if self.values else None,
            race_setup(race),
            n,
            seed,
            parameters=self.parameters,
            state=state,
            trace=trace,
            threads=self.threads,
        )


def forecast_of(race: RaceToForecast, made: Scenarios) -> RaceForecast:
    """The forecast that scenarios of a race are."""
    return assemble(
        race,
        finish=made.finish,
        laps_led=made.laps_led,
        fastest_laps=made.fastest_laps,
        laps_completed=made.laps_completed,
        status=made.status,
        start=None if race.entries["start"].is_not_null().any() else made.start,
    )


def race_setup(race: RaceToForecast) -> RaceSetup:
    """The simulation's setup of a race.

    Gaps that withdrawn cars leave in the starting order are closed; without any starting order
    each scenario draws its own.

    Args:
        race: The race as of its as-of time.
    """
    qualified = race.entries["start"].is_not_null().any()
    order = np.argsort(np.argsort(race.starts, kind="stable"), kind="stable") + 1
    rated = {row["driver_id"]: row for row in race.ratings.iter_rows(named=True)}
    skill = _values(race.drivers, "driver_id", "skill")
    return RaceSetup(
        race_id=race.race_id,
        track_id=race.track_id,
        track_type=race.track_type,
        scheduled_laps=race.scheduled_laps,
        stage_ends=race.stage_ends,
        track_length=race.track_length_miles,
        entries=tuple(
            Entry(
                driver_id=row["driver_id"],
                name=row["driver_name"] or "",
                team=row["team"] or "",
                manufacturer=row["manufacturer"] or "",
                start=int(place) if qualified else None,
                level=float(rated[row["driver_id"]]["level"]) if rated else 0.0,
                level_sd=float(rated[row["driver_id"]]["level_sd"]) if rated else 0.5,
                skill_reference=skill.get(row["driver_id"], 0.5),
            )
            for place, row in zip(order, race.entries.iter_rows(named=True), strict=True)
        ),
    )


def constraint_spec(race: RaceToForecast) -> ConstraintSpec:
    """Constraints of a race straight from the estimated values, without people's overrides.

    Args:
        race: The race as of its as-of time; a driver or track without values gets neutral ones.
    """
    columns = ("skill", "psyche_aggression", "shadow_risk")
    skill, aggression, shadow = (_values(race.drivers, "driver_id", name) for name in columns)
    track = race.tracks.filter(pl.col("track_id") == race.track_id)
    row = track.row(0, named=True) if track.height else {}
    return ConstraintSpec(
        slate_id=f"backtest-{race.race_key}",
        compiled_at=race.as_of,
        drivers=[
            DriverConstraints(
                driver_id=driver,
                skill=skill.get(driver, 0.5),
                aggression=aggression.get(driver, 0.5),
                shadow_risk=shadow.get(driver, 0.5),
            )
            for driver in race.driver_ids
        ],
        tracks=[
            TrackConstraints(
                track_id=race.track_id,
                difficulty=row.get("difficulty", 0.5),
                aggression_factor=row.get("aggression_factor", 0.5),
                caution_rate=row.get("caution_rate", 0.5),
                pit_window_laps=tuple(row.get("pit_window_laps") or ()),
            )
        ],
    )


def _values(table: pl.DataFrame, key: str, column: str) -> dict[str, float]:
    known = table.filter(pl.col(column).is_not_null()) if table.height else table
    return dict(zip(known[key], known[column], strict=True))
