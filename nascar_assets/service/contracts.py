"""The API's contracts: what a request may hold and what comes back, with working examples."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
    model_validator,
)

from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.scenarios import PitStrategy

Text = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=200,
        # No control characters; something that is not blank.
        pattern=r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*$",
    ),
]
"""An id or a name from outside: never empty, never long, no control characters."""


def in_words_of_the_api(text: str) -> str:
    """A message with the API's parameters in the place of the command's options.

    A whole command (`nascar ...`) stays as it is.

    Example:
        >>> in_words_of_the_api("Say which with --odds american or --odds decimal.")
        'Say which with odds=american or odds=decimal.'
    """

    def named(words: str) -> str:
        words = re.sub(r"--(odds|unit|column) ([A-Za-z]+)", r"\1=\2", words)
        option = r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)\b"
        return re.sub(option, lambda found: found[1].replace("-", "_"), words)

    parts = re.split(r"(\bnascar [^.,;:()]*)", text)  # every second one is a command
    words = "".join(part if at % 2 else named(part) for at, part in enumerate(parts))
    return re.sub(r"^(field )?DRIVER(?=:|$)", r"\1driver", words)


Notice = Annotated[str, AfterValidator(in_words_of_the_api)]
"""What a person should know, whoever asked: the command line's options are the API's parameters."""

LARGEST_SEED = 2**63 - 1

LONGEST, MAX_ALL = 10_000, 50_000
"""Values in one list or object of a request, and in one field of it; no limit is as large."""


class Contract(BaseModel):
    """A contract: immutable, and a field that it does not know is refused by name.

    One that answers with columns of stored tables names these (`class Row(Contract,
    tables=("slate",))`): the document then says of each field what the data dictionary says.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra=lambda schema, model: _with_columns(schema, model),
    )
    _tables: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, tables: tuple[str, ...] = (), **kwargs: Any) -> None:
        """Keeps which tables the fields are columns of, the first that has one counting."""
        super().__init_subclass__(**kwargs)
        cls._tables = tables or cls._tables


def _with_columns(schema: dict[str, Any], model: Any) -> None:
    """Gives fields without a description that of the column that they are."""
    if not model._tables:
        return
    from nascar_assets.orchestration.dictionary import TABLES

    for name, field in schema.get("properties", {}).items():
        tables = [TABLES[table].columns for table in model._tables]
        found = [columns[name] for columns in tables if name in columns]
        if found and "description" not in field:
            unit = f" Unit: {found[0].unit}." if found[0].unit else ""
            field["description"] = f"{found[0].meaning}{unit}"


Unit = Annotated[float, Field(ge=0, le=1, strict=True)]
Laps = Annotated[int, Field(ge=0, le=1_000, strict=True)]


class DriverConstraintsRequest(Contract):
    """One driver of a request, with the modeller's own view of him."""

    driver_id: Text = Field(
        description="The feed's id as text, a known spelling of the name, or any id of your own "
        "where the slate is not known.",
        examples=["4030"],
    )
    name: Text | None = Field(default=None, description="The name shown in the answer.")
    salary: Annotated[int, Field(ge=1, le=100_000, strict=True)] | None = Field(
        default=None, description="Dollars; left out: the slate's."
    )
    skill: Unit = Field(description="Strength within the field; 0.5 is neutral.")
    aggression: Unit = Field(description="How often he is part of accidents; 0.5 is neutral.")
    shadow_risk: Unit = Field(description="Hidden risk: failures and spread; 0.5 is neutral.")
    min_laps_led: Laps = Field(
        default=0, description="Races in which he leads fewer laps are left out."
    )
    max_laps_led: Laps | None = Field(
        default=None, description="Races in which he leads more laps are left out; none: no bound."
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
        default=1_000, ge=10, le=10_000, multiple_of=10, strict=True, description="Races, in tens."
    )
    track_id: Text = Field(
        description="The feed's id of the track, its name or a known short form.",
        examples=["42", "Las Vegas Motor Speedway", "daytona"],
    )
    race_length: Annotated[int, Field(ge=50, le=500, strict=True)] | None = Field(
        default=None,
        description="Laps; left out: the race's own length, 200 where no race is known.",
    )
    field_size: int = Field(
        default=40,
        ge=6,
        le=50,
        strict=True,
        description="Cars, at least as many as drivers. Where no slate is known, the field is "
        "filled up to it with average cars; a known slate brings its own field.",
    )
    calibration_enabled: bool = Field(
        default=True,
        strict=True,
        description="Whether the answer carries the measured calibration.",
    )
    pit_strategy_mix: dict[PitStrategy, Unit] | None = Field(
        default=None,
        description="Share of races by pit strategy, adding up to 1; left out: a quarter "
        "aggressive, half standard, a quarter conservative.",
        examples=[{"AGGRESSIVE": 0.25, "STANDARD": 0.5, "CONSERVATIVE": 0.25}],
    )

    @model_validator(mode="after")
    def _mix_adds_up(self) -> ScenarioConfig:
        mix = self.pit_strategy_mix
        if mix is not None and abs(sum(mix.values()) - 1.0) > 1e-6:
            raise ValueError(f"pit_strategy_mix adds up to {sum(mix.values()):g}, not to 1")
        return self


def _of_our_time(moment: datetime) -> datetime:
    if not 1970 <= moment.year < 3000:
        raise ValueError("no run was made at this time")
    return moment


class RunConfigModel(Contract):
    """What repeats a run exactly: the hash of its constraints, its parameters and its seed."""

    run_id: Text
    constraint_spec_hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    sim_params: dict[str, JsonValue] = Field(
        description="n_scenarios, race_length, field_size, ..."
    )
    created_at: Annotated[datetime, AfterValidator(_of_our_time)]
    random_seed: int = Field(ge=1, le=LARGEST_SEED, strict=True)
    checksum: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="Over the rest of it; where it is given it is checked."
    )


class OptimizeRequest(Contract):
    """Drivers, constraints and settings of one optimisation."""

    slate_id: Text = Field(description="The slate's key, or a name of your own for a new one.")
    drivers: tuple[DriverConstraintsRequest, ...] = Field(
        min_length=6, max_length=50, description="The drivers that a lineup may hold."
    )
    scenario_config: ScenarioConfig
    salary_cap: int = Field(
        default=50_000, ge=10_000, le=100_000, strict=True, description="Dollars."
    )
    random_seed: Annotated[int, Field(ge=0, le=LARGEST_SEED, strict=True)] | None = Field(
        default=None,
        description="The same request with the same seed gives the same lineups; none: one is "
        "drawn. 0 is stored as 2^32, since stored seeds are positive.",
    )
    run_config: RunConfigModel | Text | None = Field(
        default=None,
        description="A RunConfig, or the run_id of one, to repeat exactly. Its seed, number of "
        "scenarios, length, field and pit strategies then hold, whatever else the request says.",
    )
    portfolio: PortfolioSettings | None = Field(
        default=None,
        description="Settings of the set of lineups; left out: the one lineup with the most "
        "projected points.",
    )
    webhook_url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] | None = Field(
        default=None, description="Called once the job has ended, completed or failed."
    )

    @field_validator("drivers", "scenario_config", "run_config", "portfolio", mode="before")
    @classmethod
    def _of_some_length(cls, value: Any) -> Any:
        """Refuses what is far too long before each part of it is found at fault.

        A megabyte of `{}` is 300,000 drivers with four fields missing each: gigabytes of errors.
        """
        waiting, held = [value], 0
        while waiting:
            part = waiting.pop()
            if isinstance(part, (list, dict)):
                held += len(part)
                if len(part) > LONGEST or held > MAX_ALL:
                    raise ValueError(
                        f"{LONGEST:,} values are the most in one list or object, {MAX_ALL:,} in all"
                    )
                waiting.extend(part if isinstance(part, list) else part.values())
        return value

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


ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
"""Statuses after which a job changes no more."""


class OptimizationStatus(Contract):
    """A job's status."""

    run_id: str
    status: JobStatus
    progress: float = Field(ge=0, le=1, description="Share of the work done.")
    stage: str | None = Field(default=None, description="What is being done.")
    scenarios_done: int | None = Field(
        default=None, description="Scenarios simulated so far, while they are."
    )
    error: Notice | None = Field(default=None, description="Why it failed or was cancelled.")
    slate_id: str | None = None
    created_at: datetime | None = None


class JobList(Contract):
    """A page of jobs, the newest first."""

    jobs: tuple[OptimizationStatus, ...]
    next_cursor: str | None = Field(
        default=None, description="Give it as `cursor` to get the next page; none: the last page."
    )


class DriverSelection(Contract, tables=("slate",)):
    """One driver of a lineup."""

    driver_id: str
    name: str
    salary: int
    projected_points: float = Field(description="Mean contest points over the scenarios.")
    position: str = Field(description="The roster slot: D for every driver of a classic lineup.")


class LineupSelection(Contract):
    """One lineup of several."""

    drivers: tuple[DriverSelection, ...]
    total_projected_points: float
    total_salary: int


class CalibrationMetrics(Contract):
    """How past forecasts of the same model were calibrated, measured walk-forward."""

    crps: float | None
    log_score: float | None
    coverage_50: float | None
    coverage_80: float | None
    coverage_95: float | None
    races: int = Field(description="Past races that were measured.")


class LawRecord(Contract):
    """One law of the race, and how many scenarios were checked and broke it."""

    law: str
    statement: str
    checked: int
    broken: int


class ScenarioDiagnostics(Contract):
    """What the simulation did."""

    n_scenarios_generated: int
    n_valid: int
    rejection_rate: float
    avg_laps_led: float = Field(description="Mean over the lineup's drivers.")
    avg_position_differential: float = Field(
        description="Start minus finish, mean over the lineup's drivers."
    )
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
    run_config: RunConfigModel
    notices: tuple[Notice, ...] = Field(default=(), description="What was assumed on the way.")


class Problem(Contract):
    """Why a request was not taken or not answered."""

    code: str = Field(description="A stable code that programs may compare.")
    message: str
    field: str | None = Field(default=None, description="The request's field at fault.")
    remedy: str | None = Field(default=None, description="What to do about it.")
    run_id: str | None = Field(default=None, description="The job in question, where there is one.")


class Health(Contract):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(Contract):
    """Whether everything that a job needs answers."""

    ready: bool
    graph: str = Field(description="`ok`, or what is wrong.")
    storage: str = Field(description="`ok`, or what is wrong.")
    workers: str = Field(description="`ok`, or what is wrong.")
