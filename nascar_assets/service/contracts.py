"""The API's contracts: what a request may hold and what comes back, with working examples."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.scenarios import PitStrategy

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""An id or a name from outside: never empty, never long."""


class Contract(BaseModel):
    """A contract: immutable, and a field that it does not know is refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DriverConstraintsRequest(Contract):
    """One driver of a request, with the modeller's own view of him."""

    driver_id: Text = Field(
        description="The feed's id as text, a known spelling of the name, or any id of your own "
        "where the slate is not known.",
        examples=["4030"],
    )
    name: Text | None = Field(default=None, description="The name shown in the answer.")
    salary: int | None = Field(
        default=None, ge=0, le=100_000, description="Dollars; left out: the slate's."
    )
    skill: float = Field(ge=0, le=1, description="Strength within the field; 0.5 is neutral.")
    aggression: float = Field(
        ge=0, le=1, description="How often he is part of accidents; 0.5 is neutral."
    )
    shadow_risk: float = Field(
        ge=0, le=1, description="Hidden risk: failures and spread; 0.5 is neutral."
    )
    min_laps_led: int = Field(
        default=0, ge=0, le=1_000, description="Races in which he leads fewer laps are left out."
    )
    max_laps_led: int | None = Field(
        default=None,
        ge=0,
        le=1_000,
        description="Races in which he leads more laps are left out; none: no bound.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> DriverConstraintsRequest:
        if self.max_laps_led is not None and self.max_laps_led < self.min_laps_led:
            raise ValueError(
                f"driver {self.driver_id}: min_laps_led {self.min_laps_led} is above "
                f"max_laps_led {self.max_laps_led}"
            )
        return self


class ScenarioConfig(Contract):
    """Which races to simulate, and how many."""

    n_scenarios: int = Field(
        default=1_000, ge=10, le=10_000, multiple_of=10, description="Races, in tens."
    )
    track_id: Text = Field(
        description="The feed's id of the track, its name or a known short form.",
        examples=["42", "Las Vegas Motor Speedway", "daytona"],
    )
    race_length: int | None = Field(
        default=None,
        ge=50,
        le=500,
        description="Laps; left out: the race's own length, 200 where no race is known.",
    )
    field_size: int = Field(
        default=40,
        ge=6,
        le=50,
        description="Cars; a field that is not known is filled up with average ones.",
    )
    calibration_enabled: bool = Field(
        default=True, description="Whether the answer carries the measured calibration."
    )
    pit_strategy_mix: dict[PitStrategy, Annotated[float, Field(ge=0, le=1)]] | None = Field(
        default=None,
        description="Share of races by pit strategy, adding up to 1; left out: as estimated.",
        examples=[{"AGGRESSIVE": 0.25, "STANDARD": 0.5, "CONSERVATIVE": 0.25}],
    )

    @model_validator(mode="after")
    def _mix_adds_up(self) -> ScenarioConfig:
        mix = self.pit_strategy_mix
        if mix is not None and abs(sum(mix.values()) - 1.0) > 1e-6:
            raise ValueError(f"pit_strategy_mix adds up to {sum(mix.values()):g}, not to 1")
        return self


class OptimizeRequest(Contract):
    """Drivers, constraints and settings of one optimisation."""

    slate_id: Text = Field(description="The slate's key, or a name of your own for a new one.")
    drivers: tuple[DriverConstraintsRequest, ...] = Field(min_length=6, max_length=50)
    scenario_config: ScenarioConfig
    salary_cap: int = Field(default=50_000, ge=10_000, le=100_000, description="Dollars.")
    random_seed: int | None = Field(
        default=None,
        ge=0,
        le=2**63 - 1,
        description="The same request with the same seed gives the same lineups; none: one is "
        "drawn. 0 is stored as 2^32, since stored seeds are positive.",
    )
    run_config: Text | dict[str, Any] | None = Field(
        default=None, description="A RunConfig, or the run_id of one, to repeat exactly."
    )
    portfolio: PortfolioSettings | None = Field(
        default=None, description="Settings of the set of lineups; left out: one lineup."
    )
    webhook_url: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(
        default=None, description="Called once the job has ended, completed or failed."
    )

    @model_validator(mode="after")
    def _consistent(self) -> OptimizeRequest:
        seen: set[str] = set()
        for driver in self.drivers:
            if driver.driver_id in seen:
                raise ValueError(f"driver_id {driver.driver_id!r} stands twice")
            seen.add(driver.driver_id)
        if len(self.drivers) > self.scenario_config.field_size:
            raise ValueError(
                f"{len(self.drivers)} drivers do not fit into a field_size of "
                f"{self.scenario_config.field_size}"
            )
        return self


class JobStatus(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class OptimizationStatus(Contract):
    """A job's status."""

    run_id: str
    status: JobStatus
    progress: float = Field(ge=0, le=1, description="Share of the work done.")
    stage: str | None = Field(default=None, description="What is being done.")
    error: str | None = None
    slate_id: str | None = None
    created_at: datetime | None = None


class DriverSelection(Contract):
    """One driver of a lineup."""

    driver_id: str
    name: str
    salary: int
    projected_points: float = Field(description="Mean contest points over the scenarios.")
    position: str = Field(description="The roster slot, D for every driver of a classic lineup.")


class LineupSelection(Contract):
    """One lineup of several."""

    drivers: tuple[DriverSelection, ...]
    total_projected_points: float
    total_salary: int


class CalibrationMetrics(Contract):
    """How past forecasts of the same model kept their word, measured walk-forward."""

    crps: float
    log_score: float
    coverage_50: float
    coverage_80: float
    coverage_95: float
    races: int = Field(description="Past races that were measured.")


class LawRecord(Contract):
    """One law of the race, and how many scenarios were checked and broke it."""

    law: str
    checked: int
    broken: int


class ScenarioDiagnostics(Contract):
    """What the simulation did."""

    n_scenarios_generated: int
    n_valid: int
    rejection_rate: float
    avg_laps_led: float = Field(description="Mean over the lineup's drivers.")
    avg_position_differential: float = Field(description="Mean over the lineup's drivers.")
    calibration_metrics: CalibrationMetrics | None
    calibration_reason: str | None = Field(
        default=None, description="Why there are no calibration metrics."
    )
    regime_frequencies: dict[str, float]
    conservation: tuple[LawRecord, ...]


class OptimizeResponse(Contract):
    """A finished job's result."""

    run_id: str
    status: Literal[JobStatus.COMPLETED] = JobStatus.COMPLETED
    lineup: tuple[DriverSelection, ...]
    total_projected_points: float
    total_salary: int
    lineups: tuple[LineupSelection, ...] = Field(description="All lineups, the first one first.")
    scenario_diagnostics: ScenarioDiagnostics
    constraint_spec_hash: str
    run_config: dict[str, Any]
    notices: tuple[str, ...] = ()


class Problem(Contract):
    """Why a request was not taken or not answered."""

    code: str
    message: str
    field: str | None = None
    remedy: str | None = None
