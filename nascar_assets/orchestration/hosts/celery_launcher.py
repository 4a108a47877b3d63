"""Runs by dagster-celery: handed to a broker, each in its queue, and taken by any host's worker.

No results are kept at the broker: whether a run lives is asked of the records that all share, so
that any broker serves.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from celery.exceptions import DuplicateTaskNameWarning
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import LaunchRunContext
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_QUEUE_TAG
from kombu import Connection
from kombu.exceptions import OperationalError

from nascar_assets.errors import EnvironmentFault
from nascar_assets.orchestration.hosts.queues import RACES, queue_of
from nascar_assets.orchestration.inputs.provenance import code_version
from nascar_assets.orchestration.launchers import BROKER, broker_name
from nascar_assets.orchestration.tags import CODE, QUEUE
from nascar_assets.redaction import redacted

SETTINGS = {
    # A host takes as many runs as it has hands for: what more it took would wait for it alone.
    "worker_prefetch_multiplier": 1,
    "task_acks_late": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_transport_options": {
        "max_retries": 2,
        "interval_start": 0,
        "interval_step": 0.5,
        "interval_max": 1,
        "socket_connect_timeout": 5,
        # Redis hands out again what a host that is gone had taken; by then the run has ended.
        "visibility_timeout": 43_200,
    },
}


class BrokerAway(DagsterUserCodeUnreachableError):
    """The broker does not answer: Dagster puts the run back into its queue and tries again."""


def broker_fault(error: BaseException) -> str:
    """What to say of a broker that does not answer: which one, why, what to do."""
    reason = " ".join(redacted(str(error)).split()).rstrip(".") or type(error).__name__
    return (
        f"The broker on {broker_name()} does not answer: {reason}. Start it, or correct {BROKER}."
    )


class CeleryLauncher(CeleryRunLauncher):
    """Dagster's own launcher of Celery on the broker of `NASCAR_BROKER`."""

    def __init__(self, inst_data: Any = None) -> None:
        super().__init__(
            default_queue=RACES,
            broker=os.environ[BROKER],
            config_source=SETTINGS,
            inst_data=inst_data,
        )

    def launch_run(self, context: LaunchRunContext) -> None:
        """Hands a run to the broker.

        Raises:
            BrokerAway: If the broker does not answer.
        """
        run = context.dagster_run
        queue = queue_of(run.job_name, run.tags)
        tags = {QUEUE: queue, DAGSTER_CELERY_QUEUE_TAG: queue, CODE: code_version()}
        self._instance.add_run_tags(run.run_id, tags)
        tagged = run.with_tags({**run.tags, **tags})
        handed = LaunchRunContext(dagster_run=tagged, workspace=context.workspace)
        try:
            with warnings.catch_warnings():  # Dagster registers its task anew at each run
                warnings.simplefilter("ignore", DuplicateTaskNameWarning)
                super().launch_run(handed)
        except (OperationalError, ConnectionError, TimeoutError) as error:
            raise BrokerAway(broker_fault(error)) from None

    def terminate(self, run_id: str) -> bool:
        """Asks for a run's end; the worker that has it sees so in the records."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """The sensor `lost_runs` looks after runs, on whatever host."""
        return False

    @property
    def supports_resume_run(self) -> bool:
        """A run begins anew, as another one."""
        return False

    def get_run_worker_debug_info(
        self, run: Any, include_container_logs: bool | None = True
    ) -> str | None:
        """Nothing beyond the run's tags."""
        return None


def waiting(queue: str) -> int:
    """How many runs wait at the broker in a queue.

    Raises:
        EnvironmentFault: If the broker does not answer.
    """
    try:
        with Connection(os.environ[BROKER], connect_timeout=5) as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
            channel = connection.default_channel
            try:
                return int(channel.queue_declare(queue, passive=True).message_count)
            except connection.channel_errors:
                return 0  # a queue that nobody ever put anything into
    except (OperationalError, OSError) as error:
        raise EnvironmentFault(broker_fault(error)) from None
