"""Runs that the command line starts: the same jobs, partitions and instance as the UI's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import dagster as dg

from nascar_assets.orchestration.partitions import RACES, SLATES, range_tags
from nascar_assets.orchestration.stage_times import StageTimes

Progress = Callable[[int, int, str], None]
"""Told of a run's steps as they end: how many are done, of how many, and which starts next."""

_QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def register(
    instance: dg.DagsterInstance, partitions: dg.DynamicPartitionsDefinition, keys: Sequence[str]
) -> list[str]:
    """Adds partition keys that are not there yet, and returns them."""
    assert partitions.name is not None
    known = set(instance.get_dynamic_partitions(partitions.name))
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
    quiet: bool = True,
    progress: Progress | None = None,
    times: StageTimes | None = None,
) -> dg.ExecuteInProcessResult:
    """Runs a job in this process; `times` gets what each of its stages took.

    Raises:
        Exception: What the failing asset raised, as it raised it.
    """
    config = dict(run_config or {})
    if quiet:
        config = {**_QUIET, **config}
    run_id = str(uuid4())
    if progress is not None:
        instance.add_event_listener(run_id, _steps_told(progress, len(job.nodes)))
    if times is not None:
        instance.add_event_listener(run_id, times)
    return job.execute_in_process(
        run_config=config,
        instance=instance,
        partition_key=partition,
        tags=dict(tags or {}),
        run_id=run_id,
    )


def _steps_told(progress: Progress, total: int) -> Callable[[dg.EventLogEntry], None]:
    done = 0

    def tell(entry: dg.EventLogEntry) -> None:
        nonlocal done
        event = entry.dagster_event
        if event is None:
            return
        if event.is_step_start:
            progress(done, total, event.step_key or "")
        elif event.is_step_success:
            done += 1
            progress(done, total, "")

    return tell


def run_races(
    job: dg.JobDefinition, instance: dg.DagsterInstance, keys: Sequence[str]
) -> dict[str, Exception]:
    """Materialises races, as few runs as their order allows; returns what failed.

    Races that stand next to each other in the partitions' order go into one run. Where a run of
    many fails, its races are run one by one, so that one bad race does not stop the others.
    """
    failures: dict[str, Exception] = {}
    for members in _stretches(instance, keys):
        try:
            run_job(job, instance, tags=range_tags(members))
        except Exception as error:
            if len(members) == 1:
                failures[members[0]] = error
                continue
            for key in members:
                try:
                    run_job(job, instance, partition=key)
                except Exception as single:
                    failures[key] = single
    return failures


def _stretches(instance: dg.DagsterInstance, keys: Sequence[str]) -> list[list[str]]:
    """The wanted partitions as unbroken stretches of the order in which they are registered."""
    wanted = set(keys)
    assert RACES.name is not None
    stretches: list[list[str]] = []
    open_stretch = False
    for key in instance.get_dynamic_partitions(RACES.name):
        if key not in wanted:
            open_stretch = False
        elif open_stretch:
            stretches[-1].append(key)
        else:
            stretches.append([key])
            open_stretch = True
    return stretches
