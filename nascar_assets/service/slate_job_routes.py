"""The routes that start jobs about slates, and those that follow any job."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Protocol, TypeVar

from anyio import to_thread
from fastapi import Body, FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from nascar_assets.ontology.canonical import content_hash
from nascar_assets.service.contracts import JobStatus, OptimizationStatus, Text
from nascar_assets.service.event_streams import EVENTS, Event, EventStreams
from nascar_assets.service.problems import RequestRefused, problem_answers
from nascar_assets.service.slate_contracts import (
    JobResult,
    PortfolioRequest,
    RunRequest,
    SettingsChecked,
    SettingsText,
    SlateJob,
    SlateProblem,
)
from nascar_assets.service.slate_orders import AS_BODY, Sender, SlateOrders
from nascar_assets.service.slate_routes import CSV, TAG, SlatePath, attachment, prefers_csv, text_of

T = TypeVar("T")

RunId = Annotated[str, Path(description="The job's id.", max_length=200)]
FileName = Annotated[
    Text, Query(description="The file's name: messages use it, and it may tell race and date.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key and body give the same job; the same key with another "
        "body is refused.",
    ),
]
Wait = Annotated[
    float,
    Query(ge=0, le=10, description="Seconds that the answer may wait for the job to end."),
]
FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {CSV: {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Written(Protocol):
    """Runs what writes to the storage in a thread of its own."""

    async def __call__(self, work: Callable[[], T], /) -> T:
        """What the work gives."""


def add_slate_job_routes(
    app: FastAPI, orders: SlateOrders, written: Written, ending: asyncio.Event
) -> None:
    """Adds the routes."""
    refusals = problem_answers(401, 403, 404, 409, 413, 422, 429, 503, model=SlateProblem)

    @app.post(
        "/api/v1/slates",
        tags=[TAG],
        summary="A salary file to its lineups",
        responses=refusals,
        openapi_extra=FILE_BODY,
    )
    async def salaries(
        request: Request,
        response: Response,
        filename: FileName = "salaries.csv",
        race: Annotated[
            Text | None, Query(description="The race's id, its key or a part of its name.")
        ] = None,
        as_of: Annotated[str | None, Query(max_length=60)] = None,
        n_scenarios: Annotated[int | None, Query(ge=10, le=200_000)] = None,
        seed: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
        wait: Wait = 1.0,
        key: IdempotencyKey = None,
    ) -> SlateJob:
        """Registers the file's slate and runs it; 409 with the races where several fit."""
        content = await sent_file(request)
        wanted = RunRequest(as_of=as_of, n_scenarios=n_scenarios, seed=seed)

        def work(sender: Sender) -> SlateJob:
            return orders.salaries(content, sender, filename=filename, race=race, wanted=wanted)

        return await accepted(orders, written, request, response, work, wait, key)

    @app.post(
        "/api/v1/slates/{slate}/runs", tags=[TAG], summary="Run a slate again", responses=refusals
    )
    async def run(
        request: Request,
        response: Response,
        slate: SlatePath,
        body: Annotated[RunRequest | None, Body()] = None,
        wait: Wait = 0.0,
        key: IdempotencyKey = None,
    ) -> SlateJob:
        """With what is known now; settings, scenarios and seed as before."""
        wanted = body or RunRequest()

        def work(sender: Sender) -> SlateJob:
            return orders.run(slate, wanted, sender)

        return await accepted(orders, written, request, response, work, wait, key)

    @app.post(
        "/api/v1/slates/{slate}/settings", tags=[TAG], summary="Check settings", responses=refusals
    )
    def check(slate: SlatePath, body: SettingsText) -> SettingsChecked:
        """Settings as values and as TOML, where every driver and team in them is known."""
        return orders.check(slate, body)

    @app.post(
        "/api/v1/slates/{slate}/portfolios",
        tags=[TAG],
        summary="Choose a portfolio",
        responses=refusals,
    )
    async def portfolio(
        request: Request,
        response: Response,
        slate: SlatePath,
        body: PortfolioRequest,
        wait: Wait = 1.0,
        key: IdempotencyKey = None,
    ) -> SlateJob:
        """Solves on the stored scenarios; 422 with the settings that cannot hold together."""

        def work(sender: Sender) -> SlateJob:
            return orders.portfolio(slate, body, sender)

        return await accepted(orders, written, request, response, work, wait, key)

    @app.post(
        "/api/v1/slates/{slate}/entries",
        tags=[TAG],
        summary="Fill or mend an entries file",
        response_model=SlateJob,
        responses={**text_of(CSV), **refusals},
        openapi_extra=FILE_BODY,
    )
    async def entries(
        request: Request,
        response: Response,
        slate: SlatePath,
        filename: FileName = "DKEntries.csv",
        swap: Annotated[
            bool, Query(description="Replace who does not race in a filled file.")
        ] = False,
        contest: Annotated[
            Text | None, Query(description="Fill the entries of this contest only.")
        ] = None,
        out: Annotated[
            list[Text] | None,
            Query(max_length=100, description="Who will not race besides those known."),
        ] = None,
        portfolio: Annotated[
            Text | None,
            Query(description="The job whose portfolio it is; else the slate's."),
        ] = None,
        wait: Wait = 5.0,
        key: IdempotencyKey = None,
    ) -> Response:
        """The job; with `Accept: text/csv` the file itself, where it is done within the wait."""
        content = await sent_file(request)

        def work(sender: Sender) -> SlateJob:
            return orders.entries(
                slate,
                content,
                sender,
                filename=filename,
                swap=swap,
                contest=contest,
                out=out or (),
                portfolio=portfolio,
            )

        job = await accepted(orders, written, request, response, work, wait, key)
        location = {"Location": response.headers["Location"]}
        if job.status is JobStatus.COMPLETED and prefers_csv(request.headers):
            made = await to_thread.run_sync(orders.file, job.run_id, request.state.client)
            if not isinstance(made, SlateJob):
                answer = attachment(*made)
                answer.headers.update(location)
                return answer
        return JSONResponse(job.model_dump(mode="json"), headers=location)

    @app.get("/api/v1/jobs/{run_id}", tags=[TAG], summary="A job", responses=refusals)
    def status(request: Request, run_id: RunId) -> SlateJob:
        """Where a job of any kind stands."""
        return orders.status(run_id, request.state.client)

    @app.delete(
        "/api/v1/jobs/{run_id}", tags=[TAG], summary="Cancel a job of any kind", responses=refusals
    )
    async def cancel(request: Request, run_id: RunId) -> SlateJob:
        """Stops the job: at once where it waits, within two seconds where it runs."""
        client = request.state.client
        return await written(lambda: orders.cancel(run_id, client))

    made = {
        202: {"model": SlateJob, "description": "The job has not ended."},
        **problem_answers(401, 403, 404, 409, 410, 422, 429, 503, model=SlateProblem),
    }

    @app.get(
        "/api/v1/jobs/{run_id}/result",
        tags=[TAG],
        summary="A job's result about a slate",
        response_model=JobResult,
        responses=made,
    )
    def result(request: Request, run_id: RunId) -> Response:
        """Lineups, exposures and returns; what became of an entries file; the slate's key."""
        found = orders.result(run_id, request.state.client)
        if isinstance(found, bytes):
            return Response(found, media_type="application/json")
        return not_ended(found)

    @app.get(
        "/api/v1/jobs/{run_id}/file.csv",
        tags=[TAG],
        summary="The file that a job made",
        response_class=Response,
        responses={**made, **text_of(CSV)},
    )
    def file(request: Request, run_id: RunId) -> Response:
        """The upload file of a portfolio, the entries file filled."""
        found = orders.file(run_id, request.state.client)
        return not_ended(found) if isinstance(found, SlateJob) else attachment(*found)

    streams = EventStreams("jobs", ending)

    @app.get(
        "/api/v1/jobs/{run_id}/events",
        tags=[TAG],
        summary="A job's progress as it goes",
        response_class=StreamingResponse,
        responses=EVENTS,
    )
    async def events(request: Request, run_id: RunId) -> Response:
        """Server-sent events: each holds the job's status, the last one how it ended."""
        client = request.state.client
        await to_thread.run_sync(orders.status, run_id, client)  # 404 before the stream begins

        async def found() -> AsyncIterator[Event]:
            async for job in orders.follow(run_id, client):
                yield "status", job

        return streams.answer(found(), client, request.state.known)


async def sent_file(request: Request) -> bytes:
    """The file that a request's body is.

    Raises:
        RequestRefused: 422 where it came in a form, with a head and other parts around it.
    """
    if request.headers.get("content-type", "").strip().lower().startswith("multipart/"):
        raise RequestRefused(
            422, "FILE_IN_FORM", "The file came in a form.", field="body", remedy=AS_BODY
        )
    return await request.body()


async def accepted(
    orders: SlateOrders,
    written: Written,
    request: Request,
    response: Response,
    work: Callable[[Sender], SlateJob],
    wait: float,
    key: str | None,
) -> SlateJob:
    """The job that the work makes, as it is after the wait; Location says where it is followed.

    A request that was sent before with the same Idempotency-Key has its job already.
    """
    client = request.state.client
    sender = Sender(client)
    if key is not None:
        asked = sorted(item for item in request.query_params.multi_items() if item[0] != "wait")
        sent = hashlib.sha256(await request.body()).hexdigest()
        sender = Sender(client, key, content_hash([request.url.path, asked, sent]))
    job = await written(lambda: orders.repeated(sender) or work(sender))
    job = await orders.waited(job, client, wait)
    response.headers["Location"] = f"/api/v1/jobs/{job.run_id}"
    return job


def not_ended(status: OptimizationStatus) -> JSONResponse:
    """202 with the status of a job that has no result yet."""
    return JSONResponse(status.model_dump(mode="json"), 202, {"Retry-After": "1"})
