"""A host's worker: takes runs from the broker's queues, each into a process of its own.

The process is ended where the run is cancelled, where this worker ends, and where this host could
not be heard for so long that others are about to start its runs again. A run asked for by another
version of the code is refused and says so.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import metadata
from typing import Any

import dagster as dg
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import serialize_value, unpack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.make_app import make_app

from nascar_assets.orchestration.hosts.celery_launcher import SETTINGS
from nascar_assets.orchestration.hosts.presence import Presence, host_name
from nascar_assets.orchestration.hosts.queues import RACES
from nascar_assets.orchestration.inputs.provenance import PACKAGE, source_hash
from nascar_assets.orchestration.launchers import BROKER
from nascar_assets.orchestration.storage.postgres_runs import SerialRunStorage
from nascar_assets.orchestration.tags import CODE, HOST, LOST
from nascar_assets.processes import signal_on_parents_end

POLL_SECONDS = 0.25
ASK_SECONDS = 3.0
"""How often the records are asked whether a run was cancelled."""

GRACE_SECONDS = 20.0
"""How long a run's process may take to end by itself."""

_log = logging.getLogger(__name__)


def code_on_disk() -> str:
    """The version of the code that a process started now would run (`code_version`, read anew)."""
    return f"{metadata.version('nascar-assets')}+{source_hash(PACKAGE)[:12]}"


class RunWorker:
    """Carries out runs, one a call, on any number of threads.

    Args:
        instance: The records that all hosts share.
        presence: Says that this host lives.
        command: Makes the command that carries a run out, by its id.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        presence: Presence,
        command: Callable[[dg.DagsterRun], Sequence[str]] | None = None,
    ) -> None:
        self._instance, self._presence = instance, presence
        storage = instance.run_storage
        assert isinstance(storage, SerialRunStorage), "a broker needs records on PostgreSQL"
        self._storage = storage
        self._command = command or execute_command
        # Records that do not answer hold up whoever asks: never the one who watches the run.
        self._asking = ThreadPoolExecutor(thread_name_prefix="asking")

    def carry_out(self, run_id: str) -> str:
        """Carries a run out to its end; says what came of it, in a word or two."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or HOST in run.tags:
            return "not to be run any more"  # handed out again after another one took it
        if run.status == dg.DagsterRunStatus.CANCELING:
            self._instance.report_run_canceled(run)
            return "cancelled"
        if not self._storage.claim(run_id, {HOST: host_name()}):
            return "not to be run any more"
        asked, here = run.tags.get(CODE), code_on_disk()
        if asked is not None and asked != here:
            self._instance.add_run_tags(run_id, {LOST: "machine"})
            self._instance.report_run_failed(run, refusal(asked, here))
            return "refused"
        process = subprocess.Popen(
            self._command(run),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            preexec_fn=signal_on_parents_end if sys.platform == "linux" else None,
        )
        try:
            self._watch(process, run_id)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        return self._account(run_id)

    def _watch(self, process: subprocess.Popen[bytes], run_id: str) -> None:
        """Waits for a run's process, and ends it where it must not go on."""
        asked, killed_at = time.monotonic(), float("inf")
        answer = self._asking.submit(self._to_end, run_id)
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            now = time.monotonic()
            if self._presence.unheard() or now > killed_at:
                process.kill()
            elif answer.done() and now - asked > ASK_SECONDS:
                if answer.result():
                    killed_at = min(killed_at, now + GRACE_SECONDS)
                    process.send_signal(signal.SIGTERM)
                asked, answer = now, self._asking.submit(self._to_end, run_id)

    def _to_end(self, run_id: str) -> bool:
        """Whether a run that goes on here is to end; not known where the records are away."""
        with suppress(Exception):
            run = self._instance.get_run_by_id(run_id)
            return run is None or run.is_finished or run.status == dg.DagsterRunStatus.CANCELING
        return False

    def _account(self, run_id: str) -> str:
        """What became of a run whose process has ended; one without an end of its own is lost."""
        with suppress(Exception):  # away: this host's next look after its own runs finds it
            run = self._instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                return "ended"
            if run.status == dg.DagsterRunStatus.CANCELING:
                self._instance.report_run_canceled(run)
                return "cancelled"
            self._instance.add_run_tags(run_id, {LOST: "true"})
            self._instance.report_run_failed(
                run, f"The run's process on {host_name()} is gone. It is run again."
            )
        return "lost"


def refusal(asked: str, here: str) -> str:
    """What a run says that a worker of another version of the code refused."""
    return (
        f"The worker on {host_name()} has the code {here}, and this run was asked for by {asked}. "
        "Nothing was run. Install the same version on every host and restart its worker; the run "
        "is started again by itself (docs/operations.md)."
    )


def execute_command(run: dg.DagsterRun) -> Sequence[str]:
    """The command that carries out a run in a process of its own."""
    assert run.job_code_origin is not None
    arguments = ExecuteRunArgs(
        job_origin=run.job_code_origin,
        run_id=run.run_id,
        instance_ref=None,  # by this host's own settings
        set_exit_code_on_failure=False,
    )
    return [sys.executable, "-m", "dagster", "api", "execute_run", serialize_value(arguments)]


def run_worker(
    instance: dg.DagsterInstance,
    queues: Sequence[str],
    hands: int,
    look_after: Callable[[], object],
) -> None:
    """Takes runs until it is stopped; after SIGTERM it takes no more and ends with its last one.

    Args:
        instance: The records that all hosts share.
        queues: The queues to take from.
        hands: How many runs go on at once.
        look_after: Called every 20 seconds: looks after this host's own runs.
    """
    presence = Presence(instance, look_after)
    presence.start()
    worker = RunWorker(instance, presence)
    app = make_app(
        app_args={
            "broker": os.environ[BROKER],
            "config_source": SETTINGS,
            "task_default_queue": RACES,
        }
    )

    @app.task(name=TASK_EXECUTE_JOB_NAME)
    def execute_job(execute_job_args_packed: Any) -> None:
        run_id = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs).run_id
        _log.info("run %s taken", run_id)
        outcome = worker.carry_out(run_id)
        _log.info(json.dumps({"run_id": run_id, "outcome": outcome}))

    arguments = ["--pool", "threads", "--concurrency", str(hands), "--queues", ",".join(queues)]
    arguments += ["--hostname", f"{os.getpid()}@{host_name()}", "--loglevel", "INFO"]
    arguments += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    try:
        app.worker_main(["--quiet", "worker", *arguments])
    finally:
        presence.stop()
