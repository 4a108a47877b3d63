"""What a job's event log says: how far it is, why it ended, how long its stages took."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
from dagster import DagsterEventType
from dagster._core.events import EngineEventData

STAGES: Mapping[str, tuple[float, float]] = {
    "api_request": (0.0, 0.05),
    "api_scenarios": (0.05, 0.75),
    "api_lineups": (0.75, 0.95),
    "api_result": (0.95, 1.0),
}
"""Share of the work that is done when a step begins and when it has ended."""

_DONE, _WANTED = "scenarios_done", "scenarios_wanted"
_SHARE, _STAGE = "share_done", "stage"


def report_scenarios(instance: dg.DagsterInstance, run: dg.DagsterRun, done: int, n: int) -> None:
    """Notes in a run's log how many of its scenarios are simulated, for its status and the UI."""
    instance.report_engine_event(
        f"{done:,} scenarios simulated; {n:,} valid ones are wanted.",
        run,
        EngineEventData({_DONE: done, _WANTED: n}),
        step_key="api_scenarios",
    )


def report_stage(
    instance: dg.DagsterInstance, run: dg.DagsterRun, step_key: str, share: float, stage: str
) -> None:
    """Notes in a run's log what a job of one step is doing, and how much of it is done."""
    instance.report_engine_event(
        f"{stage}: {share:.0%} done.",
        run,
        EngineEventData({_SHARE: share, _STAGE: stage}),
        step_key=step_key,
    )


def asked_to_stop(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a job was asked to stop.

    Its status says so too, until the start of the run at that very moment sets another one; the
    log forgets nothing.
    """
    found = instance.get_records_for_run(run_id, of_type=DagsterEventType.RUN_CANCELING, limit=1)
    return bool(found.records)


def progress_of(instance: dg.DagsterInstance, run_id: str) -> tuple[float, str | None, int | None]:
    """Share of the work done, the stage, and the scenarios reported while it is theirs."""
    records = instance.get_records_for_run(
        run_id,
        of_type={
            DagsterEventType.STEP_START,
            DagsterEventType.STEP_SUCCESS,
            DagsterEventType.ENGINE_EVENT,
        },
        ascending=False,
        limit=4,
    ).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None or event.step_key is None:
            continue
        begun, ended = STAGES.get(event.step_key, (0.0, 1.0))  # else it is the only step
        share, done = 0.0, None
        if event.event_type == DagsterEventType.ENGINE_EVENT:
            metadata = event.engine_event_data.metadata
            if _SHARE in metadata:
                share = min(0.99, float(metadata[_SHARE].value))  # type: ignore[arg-type]
                return share, str(metadata[_STAGE].value), None
            if _DONE not in metadata:
                continue
            done = int(metadata[_DONE].value)  # type: ignore[arg-type]
            share = min(1.0, done / int(metadata[_WANTED].value))  # type: ignore[arg-type]
        elif event.event_type == DagsterEventType.STEP_SUCCESS:
            share = 1.0
        # A job is at 1.0 when it has completed, and only then.
        progress = min(begun + share * (ended - begun), 0.99)
        return progress, event.step_key.removeprefix("api_"), done
    return 0.0, None, None


def reason_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why a job failed."""
    records = instance.get_records_for_run(
        run_id, of_type={DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}
    ).records
    messages = []
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        if event.event_type == DagsterEventType.STEP_FAILURE:
            found = event.step_failure_data
            if found.user_failure_data is not None and found.user_failure_data.description:
                return str(found.user_failure_data.description)
            cause = found.error
            while cause is not None and cause.cause is not None:  # Dagster's own words come first
                cause = cause.cause
            if cause is not None:
                return f"It failed by a fault of the program: {cause.message.strip()}"
        elif event.message:
            messages.append(event.message)
    return messages[-1] if messages else "The job failed."


def stage_seconds(instance: dg.DagsterInstance, run_id: str) -> dict[str, float]:
    """How long each stage of a job took."""
    begun: dict[str, float] = {}
    taken: dict[str, float] = {}
    records = instance.get_records_for_run(
        run_id, of_type={DagsterEventType.STEP_START, DagsterEventType.STEP_SUCCESS}
    ).records
    for record in records:
        entry = record.event_log_entry
        event = entry.dagster_event
        if event is None:
            continue
        step = str(event.step_key)
        if event.event_type == DagsterEventType.STEP_START:
            begun[step] = entry.timestamp
        elif step in begun:
            taken[step.removeprefix("api_")] = entry.timestamp - begun[step]
    return taken
