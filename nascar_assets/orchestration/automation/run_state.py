"""What the instance says of earlier runs: asked by sensors and schedules before they start more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

import dagster as dg

from nascar_assets.orchestration.partitions import RANGE_END, RANGE_START
from nascar_assets.orchestration.tables import AS_OF_TABLES, RACE_TABLES
from nascar_assets.orchestration.tags import (
    AT,
    ATTEMPT,
    FOR,
    JUDGED,
    LOST,
    PARTITION,
    RUN_KEY,
    SALARIES,
)

MAX_ATTEMPTS = {"true": 5, "machine": 9}
"""How often a lost run is attempted in all: what kills it each time would kill it again.

After a fault of the machine the pauses between nine attempts make four hours.
"""

MAX_SLATE_ATTEMPTS = 25
"""The same for a slate after a fault of the machine: two hours of it, or until lock."""

IN_FLIGHT = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


class RunState(Enum):
    """How far the run of a run key has come."""

    NONE = "none"
    IN_FLIGHT = "in flight"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class SlateRun:
    """A slate's newest run.

    Attributes:
        created: When it was created, by the machine's clock (UTC).
        at: When it was decided, by the sensors' clock (UTC).
        salaries: Hash of the salary file that it was started for, where a sensor or schedule
            started it.
        in_flight: Whether it has not ended.
    """

    created: datetime
    at: datetime
    salaries: str | None
    in_flight: bool


def run_state(instance: dg.DagsterInstance, run_key: str) -> RunState:
    """The state of the newest run of a run key; of a lost run, the state of its repetition."""
    runs = instance.get_runs(dg.RunsFilter(tags={RUN_KEY: run_key}), limit=1)
    if not runs:
        return RunState.NONE
    if LOST in runs[0].tags:
        runs = instance.get_runs(dg.RunsFilter(tags={FOR: run_key}), limit=1) or runs
    return _state(runs[0])


def attempts_left(run: dg.DagsterRun) -> bool:
    """Whether a lost run is attempted once more."""
    upper = MAX_ATTEMPTS.get(run.tags.get(LOST, "true"), MAX_ATTEMPTS["true"])
    if run.job_name == "slate_job" and run.tags.get(LOST) == "machine":
        upper = MAX_SLATE_ATTEMPTS
    return int(run.tags.get(ATTEMPT, "1")) < upper


def any_in_flight(instance: dg.DagsterInstance, jobs: Iterable[str]) -> bool:
    """Whether a run of one of some jobs has not ended."""
    return any(
        instance.get_runs(dg.RunsFilter(job_name=job, statuses=list(IN_FLIGHT)), limit=1)
        for job in jobs
    )


def races_in_flight(instance: dg.DagsterInstance) -> bool:
    """Whether a run that makes the schedule or tables of races has not ended, however started."""
    tables = {"schedule", "race_files", *RACE_TABLES}
    return _made_in_flight(instance, ("race_job", "schedule_job"), tables)


def ratings_in_flight(instance: dg.DagsterInstance) -> bool:
    """Whether a run that makes ratings, or what is made beside them, has not ended."""
    return _made_in_flight(instance, ("as_of_job",), AS_OF_TABLES)


def _made_in_flight(
    instance: dg.DagsterInstance, jobs: Collection[str], tables: Collection[str]
) -> bool:
    return any(
        run.job_name in jobs or any(key.path[-1] in tables for key in run.asset_selection or ())
        for run in instance.get_runs(dg.RunsFilter(statuses=list(IN_FLIGHT)))
    )


def newest_slate_run(instance: dg.DagsterInstance, slate_id: str) -> SlateRun | None:
    """A slate's newest run that was not lost; none where there is none."""
    asked = dg.RunsFilter(job_name="slate_job", tags={PARTITION: slate_id})
    found = instance.get_run_records(asked, limit=MAX_SLATE_ATTEMPTS + 1)
    for record in found:
        run = record.dagster_run
        if LOST in run.tags:
            continue
        created = record.create_timestamp.astimezone(UTC)
        at = run.tags.get(AT)
        return SlateRun(
            created=created,
            at=datetime.fromisoformat(at) if at else created,
            salaries=run.tags.get(SALARIES),
            in_flight=not run.is_finished,
        )
    return None


def ever_run(instance: dg.DagsterInstance, slate_id: str) -> bool:
    """Whether a run of a slate was ever asked for, lost ones among them."""
    asked = dg.RunsFilter(job_name="slate_job", tags={PARTITION: slate_id})
    return bool(instance.get_runs(asked, limit=1))


def races_of(run: dg.DagsterRun, order: Sequence[str]) -> Sequence[str]:
    """The races of a run over one race or over neighbours; none where they are not known.

    Args:
        run: A run of races.
        order: All partition keys in the order in which they are registered.
    """
    first = run.tags.get(PARTITION, run.tags.get(RANGE_START))
    last = run.tags.get(PARTITION, run.tags.get(RANGE_END))
    if first not in order or last not in order:
        return ()
    return order[order.index(first) : order.index(last) + 1]


def _state(run: dg.DagsterRun) -> RunState:
    if not run.is_finished:
        return RunState.IN_FLIGHT
    if run.is_success:
        return RunState.DONE
    waits = LOST in run.tags and JUDGED not in run.tags and attempts_left(run)
    return RunState.LOST if waits else RunState.FAILED
