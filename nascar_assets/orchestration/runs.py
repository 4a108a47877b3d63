"""Runs that the command line starts: the same jobs, partitions and instance as the UI's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.events import RunFailureReason
from dagster._core.execution.api import execute_run
from dagster._core.execution.execute_in_process import merge_run_tags
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from nascar_assets.errors import EnvironmentFault
from nascar_assets.orchestration.hosts.presence import host_tags, present
from nascar_assets.orchestration.partitions import RACES, SLATES, keys_of, range_tags, stretches
from nascar_assets.orchestration.stage_times import StageTimes
from nascar_assets.orchestration.tags import RUN_KEY, filters_of, skipped_by

Progress = Callable[[int, int, str], None]
"""Notified of a run's steps as they end: how many are done, of how many, and which starts next."""

LOCATION = "nascar_assets.definitions"
"""The code location's name in the UI: that of its module, which is Dagster's own choice."""

_QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def register(
    instance: dg.DagsterInstance, partitions: dg.DynamicPartitionsDefinition, keys: Sequence[str]
) -> list[str]:
    """Adds partition keys that are not there yet, and returns them."""
    assert partitions.name is not None
    known = set(keys_of(instance, partitions))
    new = [key for key in dict.fromkeys(keys) if key not in known]
    if new:
        instance.add_dynamic_partitions(partitions.name, new)
    return new


def register_races(instance: dg.DagsterInstance, keys: Sequence[str]) -> list[str]:
    """Adds race partitions that are not there yet, and returns them."""
    return register(instance, RACES, keys)


def register_slates(instance: dg.DagsterInstance, keys: Sequence[str]) -> list[str]:
    """Adds slate partitions that are not there yet, and returns them."""
    return register(instance, SLATES, keys)


def run_job(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    partition: str | None = None,
    run_config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    times: StageTimes | None = None,
    go_on: bool = False,
) -> dg.JobExecutionResult:
    """Runs a job in this process; `times` gets what each of its stages took.

    The first asset that fails ends the run. With `go_on` those that do not rest on it are made all
    the same, as in a run of the daemon.

    Raises:
        Exception: What the failing asset raised, as it raised it; a group of what several did.
    """
    failed: list[BaseException] = []
    if go_on:
        job = job.with_hooks({_kept_in(failed)})
    config = {**_QUIET, **(run_config or {})}
    run_id = str(uuid4())
    if progress is not None:
        instance.add_event_listener(run_id, _steps_reported(progress, len(job.nodes)))
    if times is not None:
        instance.add_event_listener(run_id, times)
    try:
        run = instance.create_run_for_job(
            job_def=job,
            run_config=config,
            tags=merge_run_tags(
                job,
                partition,
                {**filters_of(partition), **(tags or {}), **host_tags()},
                None,
                instance,
                config,
            ),
            run_id=run_id,
            remote_job_origin=origin_of(job.name),
        )
        with present(instance):
            result = execute_run(InMemoryJob(job), run, instance, raise_on_error=not go_on)
        if not result.success:
            raise _what_ended(result, failed)
        return result
    except BaseException:
        # One that is stored and never begins would count as in flight: it ends here.
        with suppress(Exception):  # what stopped it is what is said
            stored = instance.get_run_by_id(run_id)
            if stored is not None and stored.status is dg.DagsterRunStatus.NOT_STARTED:
                instance.report_run_canceled(stored, message="It was stopped before it began.")
        raise


def _kept_in(failed: list[BaseException]) -> dg.HookDefinition:
    """Keeps what assets raise, of which the run's events hold the text alone."""

    @dg.failure_hook(name="kept")
    def keep(context: dg.HookContext) -> None:
        if context.op_exception is not None:
            failed.append(context.op_exception)

    return keep


def _what_ended(result: dg.JobExecutionResult, failed: Sequence[BaseException]) -> BaseException:
    """What is to be raised for a run that went on behind failures and has ended without success."""
    ends = [event.job_failure_data for event in result.all_events if event.is_run_failure]
    if not ends or ends[-1].failure_reason is RunFailureReason.UNEXPECTED_TERMINATION:
        return dg.DagsterExecutionInterruptedError()
    if failed and ends[-1].failure_reason is RunFailureReason.STEP_FAILURE:
        several = len(failed) > 1
        return BaseExceptionGroup("Several assets failed.", failed) if several else failed[0]
    error = ends[-1].error  # of Dagster's own doing, such as a record that could not be stored
    return EnvironmentFault(error.message.strip() if error else "The run failed.")


def origin_of(job: str) -> RemoteJobOrigin:
    """Where a job comes from, as runs of the UI and the daemon say: its page lists runs by this."""
    module = LoadableTargetOrigin(executable_path=sys.executable, module_name=LOCATION)
    location = ManagedGrpcPythonEnvCodeLocationOrigin(module, LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job)


def _steps_reported(progress: Progress, total: int) -> Callable[[dg.EventLogEntry], None]:
    done = 0

    def report(entry: dg.EventLogEntry) -> None:
        nonlocal done
        event = entry.dagster_event
        if event is None:
            return
        if event.is_step_start:
            progress(done, total, event.step_key or "")
        elif event.is_step_success:
            done += 1
            progress(done, total, "")

    return report


def run_races(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    keys: Sequence[str],
    run_keys: Mapping[str, str] | None = None,
) -> dict[str, Exception]:
    """Materialises races, as few runs as their order allows; returns what failed.

    Races that stand next to each other in the partitions' order go into one run. What such a run
    skips is run by itself, and so are all its races where it failed by no fault of the
    machine, so that one bad race does not stop the others, nor one bad table those of its race
    that do not rest on it.

    Args:
        keys: Partition keys of races.
        run_keys: The run key of each race's files, by which the daemon knows what failed already.
    """
    failures: dict[str, Exception] = {}
    for members in stretches(keys, keys_of(instance, RACES)):
        left: Sequence[str] = members
        if len(members) > 1:
            try:
                run = run_job(job, instance, tags=range_tags(members))
                left = skipped_by(run.dagster_run.tags, members)
            except (EnvironmentFault, OSError, MemoryError) as error:
                failures |= dict.fromkeys(members, error)
                continue
            except Exception:
                left = members
        for key in left:
            tags = {RUN_KEY: run_keys[key]} if run_keys and key in run_keys else {}
            try:
                run_job(job, instance, partition=key, tags=tags, go_on=True)
            except Exception as error:
                failures[key] = error
    return failures
