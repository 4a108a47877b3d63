"""Jobs as runs in Dagster's run storage. What is not public in Dagster stays in this file.

A job is a run of one of `JOB_NAMES`, added to the run storage as it is (milliseconds, where
`create_run_for_job` takes a tenth of a second) and claimed by one server with one conditional
update. `nascar_assets_tests/service/test_run_store.py` holds everything that is relied on here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.errors import DagsterRunAlreadyExists
from dagster._core.execution.api import execute_run
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._serdes import serialize_value

from nascar_assets.orchestration.runs import origin_of
from nascar_assets.orchestration.storage.postgres_runs import SerialRunStorage
from nascar_assets.orchestration.tags import API_CLIENT, API_JOB, filters_of
from nascar_assets.service.contracts import ENDED, JobStatus, OptimizationStatus
from nascar_assets.service.run_log import asked_to_stop, progress_of, reason_of

JOB_NAME = "api_optimize"
JOB_NAMES = (JOB_NAME, "api_portfolio", "api_entries", "api_slate", "api_view")
"""The jobs of the service; what is submitted without a name is of the first."""
RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""How ids of jobs are written."""

SLATE, CLIENT, REQUEST_HASH = "slate_id", API_CLIENT, "request_hash"
SERVER, ATTEMPTS, WEBHOOK = "api_server", "api_attempts", "api_webhook"

_WAITING = (DagsterRunStatus.NOT_STARTED, DagsterRunStatus.QUEUED)
_IN_FLIGHT = (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)
_STATUS: Mapping[DagsterRunStatus, JobStatus] = {
    **dict.fromkeys(_WAITING, JobStatus.PENDING),
    **dict.fromkeys(_IN_FLIGHT, JobStatus.RUNNING),
    DagsterRunStatus.SUCCESS: JobStatus.COMPLETED,
    DagsterRunStatus.FAILURE: JobStatus.FAILED,
    DagsterRunStatus.CANCELED: JobStatus.CANCELLED,
}
ON_REQUEST = "Cancelled on request."
_STATUS_OF_RUN = db.select(RunsTable.c.status).where(RunsTable.c.run_id == db.bindparam("run_id"))
_UNFINISHED = (
    db.select(db.func.count())
    .select_from(RunsTable.join(RunTagsTable, RunTagsTable.c.run_id == RunsTable.c.run_id))
    .where(
        RunsTable.c.pipeline_name.in_(JOB_NAMES),
        RunsTable.c.status.in_([status.value for status in (*_WAITING, *_IN_FLIGHT)]),
        RunTagsTable.c.key == CLIENT,
        RunTagsTable.c.value == db.bindparam("client"),
    )
)
_OLDEST = (
    db.select(db.func.coalesce(RunTagsTable.c.value, ""), db.func.min(RunsTable.c.id))
    .select_from(
        RunsTable.outerjoin(
            RunTagsTable,
            db.and_(RunTagsTable.c.run_id == RunsTable.c.run_id, RunTagsTable.c.key == CLIENT),
        )
    )
    .where(
        RunsTable.c.pipeline_name.in_(JOB_NAMES),
        RunsTable.c.status == DagsterRunStatus.NOT_STARTED.value,
    )
    .group_by(db.func.coalesce(RunTagsTable.c.value, ""))
)
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class AlreadySubmitted(Exception):
    """A job of this id is there already."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the run storage holds it."""

    run: dg.DagsterRun
    created_at: datetime

    @property
    def run_id(self) -> str:
        """The job's id."""
        return self.run.run_id

    @property
    def status(self) -> JobStatus:
        """Where it stands."""
        return _STATUS.get(self.run.status, JobStatus.PENDING)

    @property
    def finished(self) -> bool:
        """Whether it has ended, however."""
        return self.run.is_finished

    @property
    def cancelling(self) -> bool:
        """Whether it was asked to stop and has not stopped yet."""
        return self.run.status == DagsterRunStatus.CANCELING

    @property
    def attempts(self) -> int:
        """How often a worker took it up."""
        return int(self.run.tags.get(ATTEMPTS, "0"))

    def tag(self, name: str) -> str | None:
        """One of its tags."""
        return self.run.tags.get(name)


class RunStore:
    """Everything that the service does with Dagster's run storage and event log."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        storage = instance.run_storage
        assert isinstance(storage, SqlRunStorage), "runs are claimed by a conditional update"
        self._storage: SqlRunStorage = storage
        self._snapshots: dict[str, str] = {}

    # --- what the server does ---

    def ping(self) -> None:
        """Has the run storage note something small; raises where it does not."""
        self._storage.set_cursor_values({"nascar_api_ping": str(time.time())})

    def register(self, job: dg.JobDefinition) -> None:
        """Stores what the UI draws of the job, so that every run can point to it."""
        snapshot = job.get_job_snapshot()
        if not self._storage.has_job_snapshot(snapshot.snapshot_id):
            self._storage.add_job_snapshot(snapshot)
        self._snapshots[job.name] = snapshot.snapshot_id

    def submit(
        self, run_id: str, tags: Mapping[str, str], now: datetime, *, name: str = JOB_NAME
    ) -> Job:
        """Stores a job that no worker has taken up yet.

        Args:
            tags: What it is found by.
            name: Which of `JOB_NAMES` it is.

        Raises:
            AlreadySubmitted: If there is a job of this id.
        """
        run = dg.DagsterRun(
            job_name=name,
            run_id=run_id,
            run_config=_QUIET,
            tags={**filters_of(tags.get(SLATE)), **tags},
            job_snapshot_id=self._snapshots.get(name),
            remote_job_origin=origin_of(name),
        )
        try:
            self._storage.add_historical_run(run, now)
        except DagsterRunAlreadyExists as error:
            raise AlreadySubmitted(run_id) from error
        return Job(run, now)

    def find(self, run_id: str) -> Job | None:
        """A job of the service by its id; other runs of the platform are not its jobs."""
        record = self.instance.get_run_record_by_id(run_id)
        if record is None or record.dagster_run.job_name not in JOB_NAMES:
            return None
        return _job(record)

    def refreshed(self, job: Job) -> Job | None:
        """The job as it stands now, from one indexed read; read whole only where it moved on.

        Its tags are those of the moment when its status last changed.
        """
        with self._storage.connect() as connection:
            row = connection.execute(_STATUS_OF_RUN, {"run_id": job.run_id}).first()
        if row is None:
            return None
        return job if row[0] == job.run.status.value else self.find(job.run_id)

    def unfinished(self, client: str) -> int:
        """How many jobs of a client have not ended."""
        with self._storage.connect() as connection:
            return int(connection.execute(_UNFINISHED, {"client": client}).scalar_one())

    def jobs(
        self,
        *,
        statuses: Sequence[JobStatus] = (),
        tags: Mapping[str, str] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> list[Job]:
        """Optimisations in the order in which they were accepted, the newest first."""
        wanted = RunsFilter(
            job_name=JOB_NAME, statuses=_of_runs(statuses) or None, tags=dict(tags or {})
        )
        found = self.instance.get_run_records(wanted, limit=limit, cursor=cursor)
        return [_job(record) for record in found]

    def count(self, status: JobStatus) -> int:
        """How many jobs of every kind stand so."""
        return sum(self.instance.get_runs_count(wanted) for wanted in _of_every_kind(status))

    def describe(self, job: Job) -> OptimizationStatus:
        """The job's status with its progress, from the steps that began and ended."""
        progress, stage, error, done = 0.0, None, None, None
        if job.status is JobStatus.COMPLETED:
            progress = 1.0
        elif job.status is not JobStatus.PENDING:
            progress, stage, done = progress_of(self.instance, job.run_id)
            if job.finished:
                stage = None
                cancelled = job.status is JobStatus.CANCELLED
                error = ON_REQUEST if cancelled else reason_of(self.instance, job.run_id)
        return OptimizationStatus(
            run_id=job.run_id,
            status=job.status,
            progress=progress,
            stage="cancelling" if job.cancelling else stage,
            error=error,
            scenarios_done=done,
            slate_id=job.tag(SLATE),
            created_at=job.created_at,
        )

    def cancel(self, job: Job) -> JobStatus:
        """Stops a job: at once where no worker has it, else the worker is asked to."""
        if self._move(job.run, _WAITING, DagsterRunStatus.CANCELED):
            self.instance.report_run_canceled(job.run, message=ON_REQUEST)
            return JobStatus.CANCELLED
        current = self.find(job.run_id)
        if current is None:  # it ended and was deleted at this very moment
            return job.status
        if not current.finished and not current.cancelling:
            self.instance.report_run_canceling(current.run)
            # What ended in the meantime keeps the end that it had.
            after = self.find(job.run_id)
            current = after or current
        return current.status

    def asked_to_stop(self, job: Job) -> bool:
        """Whether a job was asked to stop, whatever its status says."""
        return job.cancelling or asked_to_stop(self.instance, job.run_id)

    def note(self, run_id: str, **tags: str) -> None:
        """Adds tags to a job."""
        self.instance.add_run_tags(run_id, tags)

    def materialisation(self, run_id: str, asset: str) -> dict[str, Any] | None:
        """The metadata of what a job materialised, by name; none where it did not."""
        records = self.instance.get_records_for_run(
            run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION, ascending=False
        ).records
        for record in records:
            made = record.event_log_entry.asset_materialization
            if made is not None and made.asset_key == dg.AssetKey(asset):
                return {name: value.value for name, value in made.metadata.items()}
        return None

    # --- what is kept ---

    def outlived(self, before: datetime, keep: int, limit: int) -> list[str]:
        """Ended jobs that are past their time, or more than are kept of their client.

        Args:
            before: What ended earlier is past its time.
            keep: Jobs kept of each client, the newest.
            limit: How many are given at most. Jobs whose webhook is still due are not.
        """
        mine = db.and_(RunTagsTable.c.run_id == RunsTable.c.run_id, RunTagsTable.c.key == CLIENT)
        ended = (
            db.select(
                RunsTable.c.run_id,
                RunsTable.c.update_timestamp.label("ended"),
                db.func.row_number()
                .over(partition_by=RunTagsTable.c.value, order_by=RunsTable.c.id.desc())
                .label("place"),
            )
            .select_from(RunsTable.outerjoin(RunTagsTable, mine))
            .where(
                RunsTable.c.pipeline_name.in_(JOB_NAMES),
                RunsTable.c.status.in_([status.value for status in _of_runs(ENDED)]),
                ~db.exists()
                .where(
                    RunTagsTable.c.run_id == RunsTable.c.run_id,
                    RunTagsTable.c.key == WEBHOOK,
                    RunTagsTable.c.value == "pending",
                )
                .correlate(RunsTable),
            )
            .subquery()
        )
        past = ended.c.ended < before.astimezone(UTC).replace(tzinfo=None)
        query = db.select(ended.c.run_id).where(db.or_(past, ended.c.place > keep)).limit(limit)
        with self._storage.connect() as connection:
            return [str(row[0]) for row in connection.execute(query)]

    # --- what workers do ---

    def claim(
        self, server_id: str, choose: Callable[[Mapping[str, int]], str | None] | None = None
    ) -> Job | None:
        """A job that waits, now this server's own; none where none waits or none is chosen.

        One conditional update: of many servers that ask at once, one gets the job.

        Args:
            choose: Given every client who waits with the row of his oldest job, says whose turn
                it is; the one who waits longest where none is given.
        """
        while True:
            with self._storage.connect() as connection:
                waiting = {str(row[0]): int(row[1]) for row in connection.execute(_OLDEST)}
                client = (choose or _longest)(waiting)
                if client is None:
                    return None
                row = connection.execute(
                    db.select(RunsTable.c.run_id).where(RunsTable.c.id == waiting[client])
                ).first()
            job = None if row is None else self.find(str(row[0]))
            if job is None:  # deleted in the meantime
                continue
            tags = {SERVER: server_id, ATTEMPTS: str(job.attempts + 1)}
            if self._move(job.run, _WAITING, DagsterRunStatus.STARTING, tags):
                return self.find(job.run_id)

    def execute(self, definition: dg.JobDefinition, job: Job) -> bool:
        """Executes a claimed job in this process; returns whether it completed.

        What fails inside is recorded in the run and not raised.
        """
        if self.asked_to_stop(job):
            self.end_cancelled(job)
            return False
        return execute_run(InMemoryJob(definition), job.run, self.instance).success

    def without_compute_logs(self) -> None:
        """Leaves standard output and error of steps where they are, in this process."""
        self.instance._compute_log_manager = NoOpComputeLogManager()

    # --- what the supervisor does ---

    def in_flight(self) -> list[Job]:
        """Jobs that a worker has, or had when it died."""
        return [
            _job(record)
            for wanted in _of_every_kind(JobStatus.RUNNING)
            for record in self.instance.get_run_records(wanted, ascending=True)
        ]

    def requeue(self, job: Job, why: str) -> bool:
        """Puts a job whose worker died back into the queue, at its old place.

        Not one that has been taken up again since it was read.
        """
        inner = self._inner(job)  # before another server can take it up and begin its own
        moved = self._move(job.run, _IN_FLIGHT[:2], DagsterRunStatus.NOT_STARTED, same=True)
        if moved:
            self.instance.report_engine_event(why, job.run)
            self._end_all(inner, why)
        return moved

    def fail(self, job: Job, why: str) -> None:
        """Ends a job as failed with a reason; not one that was taken up again since it was read."""
        if self._is_same(job.run):
            self.instance.report_run_failed(job.run, message=why)
            self._end_all(self._inner(job), why)

    def end_cancelled(self, job: Job) -> None:
        """Ends a job that was asked to stop and whose worker is gone."""
        if self._is_same(job.run):
            self.instance.report_run_canceled(job.run, message=ON_REQUEST)
            self._end_all(self._inner(job), ON_REQUEST)

    def _inner(self, job: Job) -> list[dg.DagsterRun]:
        """The slate's runs that a job carried out and that have not ended."""
        unended = [*_WAITING, *_IN_FLIGHT]
        return list(
            self.instance.get_runs(RunsFilter(tags={API_JOB: job.run_id}, statuses=unended))
        )

    def _end_all(self, runs: Sequence[dg.DagsterRun], why: str) -> None:
        """Ends runs whose worker died: they would stay begun."""
        for run in runs:
            self.instance.report_run_canceled(run, message=why)

    def beat(self, server_id: str, content: Mapping[str, Any]) -> None:
        """Says that a server lives."""
        self._storage.set_cursor_values({_beat_key(server_id): json.dumps(dict(content))})

    def last_beat(self, server_id: str) -> dict[str, Any] | None:
        """What a server said last; none where it never said anything."""
        key = _beat_key(server_id)
        text = self._storage.get_cursor_values({key}).get(key)
        return None if text is None else dict(json.loads(text))

    def _move(
        self,
        run: dg.DagsterRun,
        before: Sequence[DagsterRunStatus],
        after: DagsterRunStatus,
        tags: Mapping[str, str] | None = None,
        same: bool = False,
    ) -> bool:
        """Changes a run's status if it still is what it was; returns whether it was.

        Args:
            same: Whether it also has to be in the hands of the server that it was read in.
        """
        tags = tags or {}
        moved = run.with_status(after).with_tags({**run.tags, **tags})
        with self._alone(run.run_id):
            if same and not self._is_same(run):
                return False
            with self._storage.connect() as connection:
                changed = connection.execute(
                    RunsTable.update()
                    .where(
                        RunsTable.c.run_id == run.run_id,
                        RunsTable.c.status.in_([status.value for status in before]),
                    )
                    .values(
                        status=after.value,
                        run_body=serialize_value(moved),
                        update_timestamp=datetime.now(UTC).replace(tzinfo=None),
                    )
                ).rowcount
                if changed and tags:
                    connection.execute(
                        RunTagsTable.delete().where(
                            RunTagsTable.c.run_id == run.run_id, RunTagsTable.c.key.in_(list(tags))
                        )
                    )
                    connection.execute(
                        RunTagsTable.insert(),
                        [{"run_id": run.run_id, "key": k, "value": v} for k, v in tags.items()],
                    )
            return bool(changed)

    def _alone(self, run_id: str) -> AbstractContextManager[None]:
        """No server on another host changes the run meanwhile."""
        storage = self._storage
        return storage.alone(run_id) if isinstance(storage, SerialRunStorage) else nullcontext()

    def _is_same(self, run: dg.DagsterRun) -> bool:
        """Whether a run has not ended, nor gone to another server or attempt since it was read."""
        now = self.instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished:
            return False
        return all(now.tags.get(name) == run.tags.get(name) for name in (SERVER, ATTEMPTS))


def _of_runs(statuses: Sequence[JobStatus]) -> list[DagsterRunStatus]:
    """What Dagster calls these statuses."""
    return [own for own, status in _STATUS.items() if status in statuses]


def _of_every_kind(status: JobStatus) -> list[RunsFilter]:
    return [RunsFilter(job_name=name, statuses=_of_runs([status])) for name in JOB_NAMES]


def _longest(waiting: Mapping[str, int]) -> str | None:
    return min(waiting, key=lambda client: waiting[client], default=None)


def _beat_key(server_id: str) -> str:
    return f"nascar_api_server/{server_id}"


def _job(record: dg.RunRecord) -> Job:
    created = record.create_timestamp
    if created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    return Job(record.dagster_run, created.astimezone(UTC))
