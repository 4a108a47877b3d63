"""Jobs about slates as the API takes them and tells of them, without HTTP."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from anyio import to_thread

from nascar_assets.errors import InputError
from nascar_assets.lineups.entries_file import filled_name
from nascar_assets.lineups.problem import check_settings
from nascar_assets.lineups.settings_toml import settings_toml
from nascar_assets.orchestration.assets.slate import resolve_as_of
from nascar_assets.orchestration.automation.clock import clock_now
from nascar_assets.orchestration.inputs.views import drop_view
from nascar_assets.service.contracts import ENDED, JobStatus
from nascar_assets.service.jobs import job_folder, request_path, result_path
from nascar_assets.service.optimizer import Optimizer, check_same, id_of_key, store_first
from nascar_assets.service.problems import (
    RequestRefused,
    ended_without,
    invalid,
    of_input_error,
    result_gone,
    unknown_job,
)
from nascar_assets.service.run_store import (
    CLIENT,
    REQUEST_HASH,
    SLATE,
    AlreadySubmitted,
    RunStore,
)
from nascar_assets.service.slate_contracts import (
    JobKind,
    PortfolioRequest,
    RunRequest,
    SettingsChecked,
    SettingsText,
    SlateDetail,
    SlateJob,
    SlateProblem,
)
from nascar_assets.service.slate_jobs import file_path, problem_path, sent_path
from nascar_assets.service.slate_reads import SlateReads
from nascar_assets.service.slate_work import SHOWN
from nascar_assets.service.view_contracts import SlateView
from nascar_assets.storage import DataRoot

FOLLOW_SECONDS = 0.1
"""How often a job is looked at for those who follow it."""
_NEW = "(new)"
"""The slate of a job that has yet to find out which one a salary file makes."""
AS_BODY = "Send the file's bytes as the body: curl --data-binary @FILE."
_AGAIN = "Send the request again."
_ANY_LOCK = datetime.max.replace(tzinfo=UTC)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sender:
    """Who sends a request, and what makes it the same one when it is sent again.

    Attributes:
        key: His Idempotency-Key: the same key and request give the same job.
    """

    client: str
    key: str | None = None
    request_hash: str = ""

    @property
    def run_id(self) -> str:
        """The id of the job; a key that also came with an optimisation is another one there."""
        return str(uuid.uuid4()) if self.key is None else id_of_key(self.client, self.key, "slate")


class SlateOrders:
    """Takes requests for jobs about slates and tells of those jobs.

    What it does not take it refuses by `RequestRefused`, with the code, the field and the status.

    Args:
        optimizer: Follows every job of the service, and holds clients to their queue.
        check_space: Refuses where the disk has no room for one more job.
        ending: Set once the server is to end: no answer waits for its job any more.
    """

    def __init__(
        self,
        root: DataRoot,
        store: RunStore,
        optimizer: Optimizer,
        reads: SlateReads,
        wake: Callable[[], None],
        check_space: Callable[[], None],
        ending: asyncio.Event,
    ) -> None:
        self._root, self._store, self._optimizer = root, store, optimizer
        self._reads, self._wake, self._check_space = reads, wake, check_space
        self._ending = ending

    def check(self, slate_id: str, sent: SettingsText) -> SettingsChecked:
        """Settings found sound, as values and as TOML.

        Raises:
            RequestRefused: 422 with the setting at fault, 404 or 409 for the slate.
        """
        plan = self._reads.ready(slate_id)
        try:
            if sent.settings is not None:
                text = settings_toml(sent.settings)
            else:
                text = plan.settings if sent.toml is None else sent.toml
            settings = check_settings(self._reads.slate(slate_id), text)
        except InputError as error:
            raise of_input_error(error, "SETTINGS_INVALID") from error
        return SettingsChecked(settings=settings, toml=text or settings_toml(settings))

    def portfolio(self, slate_id: str, sent: PortfolioRequest, sender: Sender) -> SlateJob:
        """Takes a request for a portfolio."""
        checked = self.check(slate_id, sent)
        order = {"toml": checked.toml, "keep": sent.keep}
        return self._submit("portfolio", slate_id, sender, order)

    def entries(
        self,
        slate_id: str,
        content: bytes,
        sender: Sender,
        *,
        filename: str,
        swap: bool,
        contest: str | None,
        out: Sequence[str],
        portfolio: str | None,
    ) -> SlateJob:
        """Takes an entries file."""
        self._reads.ready(slate_id)
        if portfolio is not None:
            job = self._optimizer.followed(portfolio, sender.client)
            if job.run.job_name != "api_portfolio" or job.tag(SLATE) != slate_id:
                raise unknown_job()
        order = {
            "filename": filename,
            "swap": swap,
            "contest": contest,
            "out": list(out),
            "portfolio": portfolio,
        }
        return self._submit("entries", slate_id, sender, order, content)

    def salaries(
        self,
        content: bytes,
        sender: Sender,
        *,
        filename: str,
        race: str | None,
        wanted: RunRequest,
    ) -> SlateJob:
        """Takes a salary file: its slate is registered and run."""
        _refuse_as_of(wanted.as_of, _ANY_LOCK)  # its race, and so its lock, is yet to be found
        order = {"filename": filename, "race": race, **wanted.model_dump()}
        return self._submit("slate", _NEW, sender, order, content)

    def run(self, slate_id: str, wanted: RunRequest, sender: Sender) -> SlateJob:
        """Takes a request to run a slate again."""
        slate = self._reads.detail(slate_id).model  # 404 where there is none
        assert isinstance(slate, SlateDetail)
        _refuse_as_of(wanted.as_of, slate.lock)
        order = {"filename": None, "race": None, **wanted.model_dump()}
        return self._submit("slate", slate_id, sender, order)

    def view(
        self, slate_id: str, view: Mapping[str, Any], sender: Sender, content: bytes | None = None
    ) -> SlateJob:
        """Takes a view: a file, or a start at the rear.

        Args:
            view: `author`, `why`, and of a file `filename`, `confidence`, `options`, of a start at
                the rear `driver`, `scored`.
            sender: Who sends it; the author where none is named.
        """
        self._reads.detail(slate_id)  # 404 where there is none
        client = sender.client
        named = client.removeprefix("key:") if client.startswith("key:") else "api"
        order = {"view": {**view, "author": view["author"] or named}}
        return self._submit("view", slate_id, sender, order, content)

    def drop_view(self, slate_id: str, view_id: str) -> SlateView:
        """Takes a view back from now on.

        Raises:
            RequestRefused: 404 where the slate has none of this id, 409 where it was dropped
                before.
        """
        self._refuse_dropped(slate_id, view_id)
        try:
            drop_view(self._root, slate_id, view_id, clock_now())
        except InputError:
            self._refuse_dropped(slate_id, view_id)  # another one took it back just now
            raise
        _log.info("view dropped", slate_id=slate_id, view_id=view_id)
        return SlateView(**self._reads.view(slate_id, view_id).model_dump(exclude={"statements"}))

    def _refuse_dropped(self, slate_id: str, view_id: str) -> None:
        if self._reads.view(slate_id, view_id).dropped_at is not None:
            raise RequestRefused(409, "VIEW_DROPPED", "The view was dropped before.", field="view")

    def repeated(self, sender: Sender) -> SlateJob | None:
        """The job of an earlier request with the sender's Idempotency-Key; none without one.

        Raises:
            RequestRefused: 422 where that was another request.
        """
        earlier = None if sender.key is None else self._store.find(sender.run_id)
        if earlier is None:
            return None
        check_same(earlier.tag(REQUEST_HASH), sender.request_hash)
        return self.status(earlier.run_id, sender.client)

    def _submit(
        self,
        kind: JobKind,
        slate_id: str,
        sender: Sender,
        order: Mapping[str, Any],
        content: bytes | None = None,
    ) -> SlateJob:
        client, run_id, asked = sender.client, sender.run_id, sender.request_hash
        self._check_space()
        self._optimizer.check_queue(client)
        if content is not None and not content:
            raise invalid(
                "FILE_EMPTY", "No file came with the request.", field="body", remedy=AS_BODY
            )
        tags = {SLATE: slate_id, CLIENT: client}
        if sender.key is not None:
            tags[REQUEST_HASH] = asked
        try:
            store_first(
                self._root,
                run_id,
                json.dumps({"slate": slate_id, **order, REQUEST_HASH: asked}).encode(),
                lambda there: check_same(json.loads(there).get(REQUEST_HASH), asked),
            )
            if content is not None:
                self._root.write(sent_path(run_id), content)
            stored = self._store.submit(run_id, tags, datetime.now(UTC), name=f"api_{kind}")
        except AlreadySubmitted:  # the same key, at the same moment
            again = self.repeated(sender)
            assert again is not None
            return again
        except Exception:
            if sender.key is None:  # else another request with the key may go on with the files
                try:
                    self._root.delete_folder(job_folder(run_id))
                except Exception as error:  # the sweep finds what is left
                    _log.warning("storage fault", during="take back", error=type(error).__name__)
            raise
        self._optimizer.know(stored)
        self._wake()
        _log.info("job accepted", run_id=run_id, kind=kind, slate_id=slate_id, client=client)
        return self.status(run_id, client)

    def status(self, run_id: str, client: str) -> SlateJob:
        """Where a job stands.

        Raises:
            RequestRefused: 404 for an id that no job of the client has.
        """
        status = self._optimizer.status(run_id, client)
        kind = self._optimizer.job_name(run_id, client).removeprefix("api_")
        early = kind == "portfolio" and status.progress >= SHOWN
        done = status.status is JobStatus.COMPLETED or (
            early and status.status is JobStatus.RUNNING
        )
        base = "/api/v1/optimize" if kind == "optimize" else "/api/v1/jobs"
        return SlateJob(
            **status.model_dump(),
            kind=cast(JobKind, kind),
            result=f"{base}/{run_id}/result" if done else None,
        )

    def cancel(self, run_id: str, client: str) -> SlateJob:
        """Stops a job.

        Raises:
            RequestRefused: 404 for an unknown job, 409 for one that has ended.
        """
        self._optimizer.cancel(run_id, client)
        return self.status(run_id, client)

    async def follow(self, run_id: str, client: str) -> AsyncIterator[SlateJob]:
        """A job's status, and again whenever it is another one, until it has ended.

        Raises:
            RequestRefused: 404 for an id that no job of the client has.
        """
        before: SlateJob | None = None
        while True:
            now = await to_thread.run_sync(self.status, run_id, client)
            if now != before:
                yield now
            if now.status in ENDED:
                return
            before = now
            await asyncio.sleep(FOLLOW_SECONDS)

    async def waited(self, job: SlateJob, client: str, seconds: float) -> SlateJob:
        """The job as it is once it has ended, or once so many seconds have passed.

        Raises:
            RequestRefused: Where it failed by the request's own fault.
        """
        end = time.monotonic() + seconds
        while job.status not in ENDED and time.monotonic() < end and not self._ending.is_set():
            await asyncio.sleep(FOLLOW_SECONDS / 2)
            job = await to_thread.run_sync(self.status, job.run_id, client)
        if job.status is JobStatus.FAILED:
            await to_thread.run_sync(self._raise_fault, job)
        return job

    def result(self, run_id: str, client: str) -> bytes | SlateJob:
        """A job's result as JSON; its status while there is none yet.

        A portfolio's lineups are there before its contests are worked out.

        Raises:
            RequestRefused: 404 for an unknown job; 422 or 409 with the details where it failed by
                the request's fault, 409 where it failed otherwise or was cancelled.
        """
        job = self._completed(run_id, client)
        if job.status is not JobStatus.COMPLETED:
            early = self._root.read(result_path(run_id)) if job.result else None
            return early or job
        return self._optimizer.stored(run_id, f"api_{job.kind}_result", _AGAIN)

    def file(self, run_id: str, client: str) -> tuple[bytes, str] | SlateJob:
        """The file that a completed job made, with its name; its status while there is none yet.

        Raises:
            RequestRefused: As for `result`; 404 for a job that makes none.
        """
        job = self._completed(run_id, client)
        if job.result is None:
            return job
        if job.kind in ("slate", "view"):
            raise RequestRefused(404, "NOT_FOUND", "A job of this kind makes no file.")
        data, request = (self._root.read(at) for at in (file_path(run_id), request_path(run_id)))
        if data is None or request is None:
            raise result_gone(run_id, _AGAIN)
        if job.kind == "entries":
            return data, filled_name(json.loads(request)["filename"])
        return data, f"lineups-{run_id[:8]}.csv"

    def _completed(self, run_id: str, client: str) -> SlateJob:
        job = self.status(run_id, client)
        if job.kind == "optimize":
            raise unknown_job()
        if job.status in (JobStatus.FAILED, JobStatus.CANCELLED):
            self._raise_fault(job)
        return job

    def _raise_fault(self, job: SlateJob) -> None:
        data = self._root.read(problem_path(job.run_id))
        if data is not None and job.status is JobStatus.FAILED:
            content = json.loads(data)
            problem = SlateProblem.model_validate(content["problem"])
            refused = RequestRefused(content["status"], problem.code, problem.message)
            refused.problem = problem
            raise refused
        raise ended_without(job)


def _refuse_as_of(asked: str | None, lock: datetime) -> None:
    """Refuses an as-of time that the job would refuse.

    Raises:
        RequestRefused: 422 if it is no time, has no zone, or lies after lock.
    """
    try:
        resolve_as_of(asked, lock, datetime.now(UTC), field="as_of")
    except InputError as error:
        raise of_input_error(error) from error
