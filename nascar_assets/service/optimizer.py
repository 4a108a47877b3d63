"""What the API does, without HTTP: takes requests, stores them as jobs, tells of them."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock

import structlog

from nascar_assets.constraints import RunConfig
from nascar_assets.errors import EnvironmentFault
from nascar_assets.ontology.canonical import content_hash
from nascar_assets.orchestration.resources import Platform
from nascar_assets.rules.race_day import EASTERN
from nascar_assets.service.compiled import CompiledRequest
from nascar_assets.service.contracts import (
    JobList,
    JobStatus,
    OptimizationStatus,
    OptimizeRequest,
    OptimizeResponse,
)
from nascar_assets.service.jobs import job_folder, request_path
from nascar_assets.service.known_graph import GraphReader
from nascar_assets.service.precheck import precheck
from nascar_assets.service.problems import (
    RequestRefused,
    ended_without,
    invalid,
    result_gone,
    unknown_job,
)
from nascar_assets.service.request_race import compile_request, parameters_of
from nascar_assets.service.run_configs import parameters_of_run, read_run_config
from nascar_assets.service.run_store import (
    CLIENT,
    JOB_NAME,
    REQUEST_HASH,
    RUN_ID,
    SLATE,
    WEBHOOK,
    AlreadySubmitted,
    Job,
    RunStore,
)
from nascar_assets.service.settings import ServiceSettings
from nascar_assets.service.stored_slates import StoredSlates
from nascar_assets.service.track_names import catalogue
from nascar_assets.service.webhook_targets import check_webhook_url
from nascar_assets.storage import DataRoot

_IDEMPOTENT = uuid.UUID("6f3a4bb1-5d0c-4a3e-9b57-2c1f8f4c9a10")
_DRAWN_SEEDS = 2**53 - 1
"""Drawn seeds are below this, so that every JSON reader holds them exactly."""
_FINISHED_KEPT = 4_096
_KNOWN_KEPT = 1_024
_FRESH_SECONDS = 0.05
"""How old a status may be that is given to many who ask at once."""

_COMPARED = {
    "race_hash": "The slate's field, ratings or race have",
    "parameters_hash": "The parameters of the race process have",
}
"""What else decides the scenarios, by its name in a RunConfig."""

_log = structlog.get_logger(__name__)


class Optimizer:
    """Takes requests and tells of jobs.

    Args:
        wake: Called when there is a new job.
        stop_job: Called with the id of a job that was asked to stop.
        ended: Called with the id of a job that was cancelled before it began.
    """

    def __init__(
        self,
        store: RunStore,
        platform: Platform,
        settings: ServiceSettings,
        *,
        wake: Callable[[], None],
        stop_job: Callable[[str], None],
        ended: Callable[[str], None],
    ) -> None:
        self._store = store
        self._platform = platform
        self._root = platform.root
        self._settings = settings
        self._wake = wake
        self._stop_job = stop_job
        self._ended = ended
        self.slates = StoredSlates(self._root)
        self.graph = GraphReader(platform)
        self._owned = settings.keys_file is not None
        # What was shown to a client, by client and id: nobody is shown what is kept for another.
        self._finished: OrderedDict[tuple[str, str], OptimizationStatus] = OrderedDict()
        self._fresh: dict[tuple[str, str], tuple[float, OptimizationStatus]] = {}
        self._known: OrderedDict[str, Job] = OrderedDict()
        self._lock = Lock()

    def submit(
        self, request: OptimizeRequest, *, client: str, key: str | None = None
    ) -> OptimizationStatus:
        """Validates, prechecks and stores a request; its job begins when a worker is free.

        Args:
            key: The client's Idempotency-Key: the same key and body give the same job.

        Raises:
            RequestRefused: With the code, the field and the HTTP status.
        """
        now = datetime.now(UTC)
        body_hash = _hash_of(request)
        run_id = str(uuid.uuid4())
        if key is not None:
            run_id = id_of_key(client, key)
            earlier = self._store.find(run_id)
            if earlier is not None:
                return self._repeated(earlier, body_hash)
        if request.webhook_url is not None:
            check_webhook_url(request.webhook_url, self._settings)
        job = self._compiled(request, run_id, now, client)
        self.check_queue(client)
        tags = {SLATE: request.slate_id, CLIENT: client, REQUEST_HASH: body_hash}
        if request.webhook_url is not None:
            tags[WEBHOOK] = "pending"
        written = store_first(
            self._root,
            run_id,
            job.to_json(),
            lambda there: check_same(_hash_of(CompiledRequest.from_json(there).request), body_hash),
        )
        try:
            stored = self._store.submit(run_id, tags, now)
        except AlreadySubmitted:  # the same key, at the same moment
            earlier = self._store.find(run_id)
            assert earlier is not None
            return self._repeated(earlier, body_hash)
        except Exception:
            if written:
                self._take_back(run_id, job)
            raise
        self.know(stored)
        self._wake()
        _log.info("job accepted", run_id=run_id, slate_id=request.slate_id, client=client)
        return self._store.describe(stored)

    def check_queue(self, client: str) -> None:
        """Refuses one more job of a client who has too many that are not finished.

        Raises:
            RequestRefused: 429.
        """
        unfinished = self._store.unfinished(client)
        if unfinished >= self._settings.max_queued:
            raise RequestRefused(
                429,
                "QUEUE_FULL",
                f"{unfinished} jobs of this client are not finished; "
                f"{self._settings.max_queued} may be.",
                remedy="Wait for some of them.",
                retry_after=5,
            )

    def _take_back(self, run_id: str, job: CompiledRequest) -> None:
        """Removes the file of a request that was not taken, so that refusals fill no disk."""
        try:
            self._root.delete_folder(job_folder(run_id))
            if self._store.find(run_id) is not None:  # the same key was taken at this very moment
                self._root.create(request_path(run_id), job.to_json())
        except Exception as error:  # the sweep finds what is left
            _log.warning("storage fault", during="take back", error=type(error).__name__)

    def _repeated(self, earlier: Job, body_hash: str) -> OptimizationStatus:
        check_same(earlier.tag(REQUEST_HASH), body_hash)
        return self._store.describe(earlier)

    def _compiled(
        self, request: OptimizeRequest, run_id: str, now: datetime, client: str
    ) -> CompiledRequest:
        config: RunConfig | None = None
        if request.run_config is not None:
            config, earlier = read_run_config(
                request.run_config,
                self._root,
                self.slates,
                lambda earlier_id: not self._owned or self._seen_by(client, earlier_id) is not None,
            )
            if earlier is not None:
                return self._again(request, earlier, run_id, now)
        slate = self.slates.get(request.slate_id)
        if config is not None:
            of_slate = slate is not None and slate.spec.hash == config.constraint_spec_hash
            parameters = replace(parameters_of_run(config), graph_values=of_slate)
        else:
            seed = request.random_seed
            drawn = 1 + secrets.randbelow(_DRAWN_SEEDS)
            parameters = parameters_of(request, drawn if seed is None else seed)
        tracks = [*self.slates.scheduled_tracks(), *catalogue(now.astimezone(EASTERN).year)]
        graph = self.graph.lookup(request, tracks) if slate is None else None
        job = compile_request(
            request, parameters, run_id=run_id, now=now, slate=slate, tracks=tracks, graph=graph
        )
        precheck(job, slate)
        if config is not None:
            _same_constraints(config, job)
        return job

    @staticmethod
    def _again(
        request: OptimizeRequest, earlier: CompiledRequest, run_id: str, now: datetime
    ) -> CompiledRequest:
        """The work of an earlier job once more; what the slate's run did since does not matter."""
        before = earlier.request
        for name in ("slate_id", "drivers", "salary_cap", "portfolio"):
            if getattr(before, name) != getattr(request, name):
                raise invalid(
                    "RUN_CONFIG_MISMATCH",
                    f"The request's {name} differs from the one of run "
                    f"{earlier.run_config.run_id}: it would not be the same run.",
                    field=name,
                    remedy="Send the run's own request, or leave run_config out.",
                )
        return replace(earlier.as_run(run_id, now), request=request)

    def status(self, run_id: str, client: str) -> OptimizationStatus:
        """Where a job stands.

        Where keys are needed, a job is there for the key that made it alone.

        Raises:
            RequestRefused: 404 for an id that no job of the client has.
        """
        asked = time.monotonic()
        shown = (client, run_id)
        with self._lock:
            if shown in self._finished:
                return self._finished[shown]
            when, fresh = self._fresh.get(shown, (float("-inf"), None))
            if fresh is not None and asked - when < _FRESH_SECONDS:
                return fresh
        job = self.followed(run_id, client)
        status = self._store.describe(job)
        with self._lock:
            if len(self._fresh) > _FINISHED_KEPT:
                self._fresh.clear()
            self._fresh[shown] = (asked, status)
        if job.finished:  # it will never change again
            with self._lock:
                self._finished[shown] = status
                while len(self._finished) > _FINISHED_KEPT:
                    self._finished.popitem(last=False)
        return status

    def result(self, run_id: str, client: str) -> bytes | OptimizationStatus:
        """A completed job's result as JSON; its status while there is none yet.

        Raises:
            RequestRefused: 404 for an unknown job, 409 for one that failed or was cancelled.
        """
        status = self.status(run_id, client)
        if self.job_name(run_id, client) != JOB_NAME:
            raise unknown_job()
        if status.status in (JobStatus.PENDING, JobStatus.RUNNING):
            return status
        if status.status is not JobStatus.COMPLETED:
            raise ended_without(status)
        return self.stored(
            run_id, "api_result", "Send the request again with the run's run_config."
        )

    def stored(self, run_id: str, asset: str, remedy: str) -> bytes:
        """The result that a completed job wrote, byte for byte.

        Args:
            asset: What of it says where the result lies.
            remedy: What to do where it is no longer there.

        Raises:
            RequestRefused: 410 where it is no longer there.
            EnvironmentFault: If it is another one than was written.
        """
        made = self._store.materialisation(run_id, asset)
        data = None if made is None else self._root.read(str(made["path"]))
        if made is None or data is None:
            raise result_gone(run_id, remedy)
        if hashlib.sha256(data).hexdigest() != made["sha256"]:
            raise EnvironmentFault(f"The result of job {run_id} was changed after it was written.")
        return data

    def response(self, run_id: str, client: str) -> OptimizeResponse:
        """A completed job's result as a value.

        Raises:
            RequestRefused: As for `result`; 409 where the job has not ended.
        """
        found = self.result(run_id, client)
        if isinstance(found, OptimizationStatus):
            raise RequestRefused(409, "JOB_NOT_FINISHED", "The job has not ended.", run_id=run_id)
        return OptimizeResponse.model_validate_json(found)

    def cancel(self, run_id: str, client: str) -> OptimizationStatus:
        """Stops a job; one that has ended stays as it is.

        Raises:
            RequestRefused: 404 for an unknown job, 409 for one that has completed or failed.
        """
        job = self._job(run_id, client)
        if job.finished and job.status is not JobStatus.CANCELLED:
            raise RequestRefused(
                409, "JOB_FINISHED", f"The job has {job.status} already.", run_id=run_id
            )
        if not job.finished:
            after = self._store.cancel(job)
            if after is JobStatus.RUNNING:
                self._stop_job(run_id)
            else:
                self._ended(run_id)
            with self._lock:
                self._fresh.clear()
        return self.status(run_id, client)

    def list_jobs(
        self,
        *,
        client: str,
        slate_id: str | None,
        status: JobStatus | None,
        limit: int,
        cursor: str | None,
    ) -> JobList:
        """A page of jobs, the newest first.

        Raises:
            RequestRefused: 422 for a cursor that no page gave.
        """
        if cursor is not None and self._seen_by(client, cursor) is None:
            raise invalid("CURSOR_UNKNOWN", "No page gave this cursor.", field="cursor")
        found = self._store.jobs(
            statuses=[status] if status else (),
            tags=({SLATE: slate_id} if slate_id else {})
            | ({CLIENT: client} if self._owned else {}),
            limit=limit + 1,
            cursor=cursor,
        )
        page = found[:limit]
        return JobList(
            jobs=tuple(self._described(job, client) for job in page),
            next_cursor=page[-1].run_id if len(found) > limit else None,
        )

    def _described(self, job: Job, client: str) -> OptimizationStatus:
        with self._lock:
            held = self._finished.get((client, job.run_id))
        return held if held is not None else self._store.describe(job)

    def _seen_by(self, client: str, run_id: str) -> Job | None:
        """A job that is there for a client: with keys, one of his own."""
        job = self._store.find(run_id) if RUN_ID.fullmatch(run_id) else None
        return None if job is None or self._is_foreign(job, client) else job

    def _is_foreign(self, job: Job, client: str) -> bool:
        return self._owned and job.tag(CLIENT) != client

    def _job(self, run_id: str, client: str) -> Job:
        job = self._seen_by(client, run_id)
        if job is None:
            raise unknown_job()
        return job

    def forget(self) -> None:
        """Jobs were deleted: what is kept of jobs is read again."""
        with self._lock:
            self._finished.clear()
            self._fresh.clear()
            self._known.clear()

    def know(self, job: Job) -> None:
        """Keeps what is known of a job, so that the next question of it reads little."""
        with self._lock:
            self._known[job.run_id] = job
            self._known.move_to_end(job.run_id)
            # The id of an Idempotency-Key comes again once its job was deleted.
            for kept in (self._finished, self._fresh):
                kept.pop((job.tag(CLIENT) or "", job.run_id), None)
            while len(self._known) > _KNOWN_KEPT:
                self._known.popitem(last=False)

    def followed(self, run_id: str, client: str) -> Job:
        """The job as it stands now; of one that was asked for before, only its status is read.

        Raises:
            RequestRefused: 404 for an id that no job of the client has.
        """
        with self._lock:
            known = self._known.get(run_id)
        if known is not None and self._is_foreign(known, client):
            raise unknown_job()
        job = self._store.refreshed(known) if known is not None else None
        if job is None:
            job = self._job(run_id, client)
        if job is not known:
            self.know(job)
        return job

    def job_name(self, run_id: str, client: str) -> str:
        """Which of the service's jobs it is: that never changes, and is not read again.

        Raises:
            RequestRefused: 404 for an id that no job of the client has.
        """
        with self._lock:
            known = self._known.get(run_id)
        if known is None or self._is_foreign(known, client):
            known = self.followed(run_id, client)
        return known.run.job_name

    def queued(self) -> int:
        """Jobs that wait for a worker."""
        return self._store.count(JobStatus.PENDING)


def _hash_of(request: OptimizeRequest) -> str:
    return content_hash(request.model_dump(mode="json", by_alias=True, exclude_unset=True))


def id_of_key(*parts: str) -> str:
    """The job's id that a client's Idempotency-Key stands for."""
    return str(uuid.uuid5(_IDEMPOTENT, "\n".join(parts)))


def store_first(root: DataRoot, run_id: str, data: bytes, check: Callable[[bytes], None]) -> bool:
    """Stores a job's request, unless an earlier one with the same key has: then that one stays.

    Args:
        check: Refuses it where the earlier one, which it is given, asked for something else.

    Returns:
        Whether this is the first that is there.
    """
    path = request_path(run_id)
    if root.create(path, data):
        return True
    there = root.read(path)
    if there is not None:  # else its own request took it back just now, or the sweep did
        check(there)
    # Written anew: the sweep goes by age, and the first try may be long ago.
    root.write(path, there or data)
    return there is None


def check_same(before: str | None, body_hash: str) -> None:
    """Refuses another request with a key that came before.

    Raises:
        RequestRefused: 422.
    """
    if before != body_hash:
        raise invalid(
            "IDEMPOTENCY_KEY_REUSED",
            "This Idempotency-Key came with another request before.",
            field="Idempotency-Key",
            remedy="Use a new key for a new request.",
        )


def _same_constraints(config: RunConfig, job: CompiledRequest) -> None:
    if job.spec.hash != config.constraint_spec_hash:
        raise invalid(
            "RUN_CONFIG_MISMATCH",
            f"The request compiles to constraints {job.spec.hash[:12]}; the run config was made "
            f"of {config.constraint_spec_hash[:12]}.",
            field="run_config.constraint_spec_hash",
            remedy="Send the run's own drivers and slate, or leave run_config out.",
        )
    for name, what in _COMPARED.items():
        wanted = config.sim_params.get(name)
        if wanted is not None and wanted != job.run_config.sim_params[name]:
            raise invalid(
                "RUN_CONFIG_MISMATCH",
                f"{what} changed since the run config was made.",
                field=f"run_config.sim_params.{name}",
                remedy="Leave run_config out to compute with what is known now.",
            )
