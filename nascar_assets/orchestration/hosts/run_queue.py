"""Dagster's queue of runs: so many at once on one machine, so many of each queue on several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._serdes import serialize_value

from nascar_assets.orchestration.hosts.queues import QUEUES, queue_of
from nascar_assets.orchestration.launchers import launcher, runs_at_once
from nascar_assets.orchestration.storage.records import connected
from nascar_assets.orchestration.tags import QUEUE, of_one_run

PATIENCE = 100_000
"""How often a run goes back into the queue while the broker is away; a pause is between."""

PAUSE_SECONDS = 15


class RunQueue(QueuedRunCoordinator):
    """Dagster's own queue with the limits of the settings."""

    @classmethod
    def config_type(cls) -> Any:
        """Dagster's own, for those who set its limits themselves."""
        return QueuedRunCoordinator.config_type()

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> RunQueue:
        """Made by Dagster whenever an instance is opened; by the environment if it sets no limit.

        Raises:
            InputError: If a setting is of no use.
        """
        if config_value.get("tag_concurrency_limits"):
            return super().from_config_value(inst_data, config_value)
        at_once = runs_at_once()
        if not launcher().elsewhere:
            return cls(inst_data=inst_data, max_concurrent_runs=at_once)
        return cls(
            inst_data=inst_data,
            max_concurrent_runs=-1,
            tag_concurrency_limits=[
                {"key": QUEUE, "value": name, "limit": at_once} for name in QUEUES
            ],
            max_user_code_failure_retries=PATIENCE,
            user_code_failure_retry_delay=PAUSE_SECONDS,
        )

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Puts a run into its queue.

        "Re-execute" in the UI copies the tags of the run that it repeats: those that tell of that
        run alone are taken off, else the new one would pass for carried out, or lost, already.
        """
        run = context.dagster_run
        fresh = run.parent_run_id is not None and run.status is dg.DagsterRunStatus.NOT_STARTED
        if fresh and any(map(of_one_run, run.tags)):
            run = _without_tags_of_another(self._instance, run)
            context = context._replace(dagster_run=run)
        if launcher().elsewhere and QUEUE not in run.tags:
            queue = queue_of(run.job_name, run.tags)
            self._instance.add_run_tags(run.run_id, {QUEUE: queue})
        return super().submit_run(context)


def _without_tags_of_another(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    """Takes off what tells of another run; nobody has begun to carry this one out."""
    gone = [name for name in run.tags if of_one_run(name)]
    left = run.with_tags({name: text for name, text in run.tags.items() if name not in gone})
    of_run, tags = RunsTable.c.run_id == run.run_id, RunTagsTable.c
    with connected(instance, "runs") as connection:
        connection.execute(
            RunTagsTable.delete().where(tags.run_id == run.run_id, tags.key.in_(gone))
        )
        connection.execute(RunsTable.update().where(of_run).values(run_body=serialize_value(left)))
    return left
