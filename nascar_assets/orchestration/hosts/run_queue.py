"""Dagster's queue of runs: so many at once on one machine, so many of each queue on several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext

from nascar_assets.orchestration.hosts.queues import QUEUES, queue_of
from nascar_assets.orchestration.launchers import launcher, runs_at_once
from nascar_assets.orchestration.tags import QUEUE

PATIENCE = 100_000
"""How often a run goes back into the queue while the broker is away; a pause is between."""

PAUSE_SECONDS = 15


class RunQueue(QueuedRunCoordinator):
    """Dagster's own queue with the limits of the settings."""

    @classmethod
    def config_type(cls) -> Any:
        """None: the settings come from the environment."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> RunQueue:
        """Made by Dagster whenever an instance is opened.

        Raises:
            InputError: If a setting is of no use.
        """
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
        """Puts a run into its queue."""
        run = context.dagster_run
        if launcher().elsewhere and QUEUE not in run.tags:
            queue = queue_of(run.job_name, run.tags)
            self._instance.add_run_tags(run.run_id, {QUEUE: queue})
        return super().submit_run(context)
