"""The FastAPI application: routes, answers to errors, start-up and shut-down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Annotated, Any, TypeVar

import sqlalchemy.exc
import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import Body, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.instance import dagster_home, open_instance
from nascar_assets.orchestration.storage.postgres_storage import (
    connection_faults,
)
from nascar_assets.orchestration.storage.sqlite_storage import wait_at_most
from nascar_assets.service.admission import Gate
from nascar_assets.service.clients import ApiKeys
from nascar_assets.service.compiled import CompiledRequest
from nascar_assets.service.contracts import (
    Health,
    JobList,
    JobStatus,
    OptimizationStatus,
    OptimizeRequest,
    OptimizeResponse,
    Problem,
    Readiness,
    Text,
)
from nascar_assets.service.docs_pages import add_docs_pages
from nascar_assets.service.examples import REQUEST_EXAMPLES
from nascar_assets.service.jobs import request_path
from nascar_assets.service.live_routes import TAG as RACES
from nascar_assets.service.live_routes import add_live_routes
from nascar_assets.service.metrics import ServiceMetrics
from nascar_assets.service.optimizer import Optimizer
from nascar_assets.service.problems import (
    UNKNOWN,
    RequestRefused,
    of_input_error,
    plain,
    problem_answers,
)
from nascar_assets.service.readiness import Watch, check_space, storage_fault
from nascar_assets.service.retention import Retention
from nascar_assets.service.run_store import CLIENT, Job, RunStore
from nascar_assets.service.settings import ServiceSettings
from nascar_assets.service.slate_job_routes import (
    IdempotencyKey,
    RunId,
    add_slate_job_routes,
    not_ended,
)
from nascar_assets.service.slate_jobs import resolved_jobs
from nascar_assets.service.slate_orders import SlateOrders
from nascar_assets.service.slate_reads import SlateReads
from nascar_assets.service.slate_routes import TAG as SLATES
from nascar_assets.service.slate_routes import add_slate_routes
from nascar_assets.service.supervisor import Supervisor
from nascar_assets.service.view_routes import add_view_routes
from nascar_assets.service.webhooks import Webhooks

_log = structlog.get_logger(__name__)
T = TypeVar("T")

RETRY_SECONDS = 5
WRITE_SECONDS = 5.0
"""How long a write waits for its turn, and for another program that holds the database."""
WRITERS = 8
"""Requests that write at once."""
TAG = "optimization"


class Service:
    """The parts of a running service, in the order in which they start."""

    def __init__(self, home: str, settings: ServiceSettings) -> None:
        self.settings = settings
        self.ending = asyncio.Event()
        """Set once the server is to end: nobody is kept waiting for what comes later."""
        self.metrics = ServiceMetrics()
        self.platform = Platform(home=home)
        self._dagster = dagster_home(home)
        wait_at_most(WRITE_SECONDS)
        self.store = RunStore(open_instance(home))
        for job in resolved_jobs(self.platform).values():
            self.store.register(job)
        self.webhooks = Webhooks(
            self.store, self._response, self._webhook_url, settings, self.metrics
        )
        self.supervisor = Supervisor(
            self.store, home, settings, self.metrics, self.webhooks.job_ended
        )
        self.optimizer = Optimizer(
            self.store,
            self.platform,
            settings,
            wake=self.supervisor.wake,
            stop_job=self.supervisor.cancelled,
            ended=self.webhooks.job_ended,
        )
        self.reads = SlateReads(self.platform.root, self.store.instance)
        self.orders = SlateOrders(
            self.platform.root,
            self.store,
            self.optimizer,
            self.reads,
            self.supervisor.wake,
            self.check_space,
            self.ending,
        )
        self.retention = Retention(self.store, self.platform.root, settings, self.optimizer.forget)
        self.watch = Watch(
            self.optimizer.graph.state, self._storage_answers, lambda: self.supervisor.ready_workers
        )

    def _response(self, job: Job) -> OptimizeResponse:
        return self.optimizer.response(job.run_id, job.tag(CLIENT) or "")

    def _webhook_url(self, run_id: str) -> str | None:
        data = self.platform.root.read(request_path(run_id))
        return None if data is None else CompiledRequest.from_json(data).request.webhook_url

    def check_space(self) -> None:
        """Refuses where the disk has no room for one more job.

        Raises:
            OSError: `ENOSPC`.
        """
        root = self.platform.root
        check_space(self._dagster, *([root.local_path("")] if root.is_local else []))

    def _storage_answers(self) -> None:
        self.check_space()
        self.store.ping()
        self.platform.root.write("api/.ready", bytes(4_096))

    def start(self) -> None:
        """Starts workers, deliveries and sweeps, and says what does not answer."""
        self.watch.start()
        self.supervisor.start()
        self.webhooks.start()
        self.retention.start()
        threading.Thread(target=self._read_ahead, name="read ahead", daemon=True).start()
        found = self.watch.readiness()
        _log.info("service started", graph=found.graph, storage=found.storage)

    def _read_ahead(self) -> None:
        try:
            self.reads.read_ahead()
        except Exception as error:  # whoever asks for it is told
            _log.info("not read ahead", reason=plain(f"{type(error).__name__}: {error}"))

    def stop(self) -> None:
        """Ends everything; jobs in hand go back into the queue."""
        self.watch.stop()
        self.retention.stop()
        self.webhooks.stop()
        self.supervisor.stop()
        self.optimizer.graph.close()


def create_app(home: str, settings: ServiceSettings | None = None) -> FastAPI:
    """The application on a data root.

    Args:
        home: The data root.
        settings: The service's settings; the environment's where none are given.

    Raises:
        InputError: If a setting is at fault.
        EnvironmentFault: If the storage or the file of keys cannot be opened.
    """
    settings = settings or ServiceSettings.from_environment()
    keys = None if settings.keys_file is None else ApiKeys.read(settings.keys_file)
    service = Service(home, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.stop()

    app = FastAPI(
        title="nascar_assets",
        version=metadata.version("nascar-assets"),
        summary="Lineups for NASCAR daily fantasy contests from simulated races.",
        description="Send drivers and constraints, get a job; ask for its status and its result.",
        openapi_tags=[
            {"name": TAG, "description": "Requests, jobs and results."},
            {"name": SLATES, "description": "Slates: what their runs stored."},
            {"name": RACES, "description": "Races while they are run."},
        ],
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    app.state.service = service
    _add_routes(app, service)
    _add_operations(app, service)
    add_docs_pages(app)
    _answer_head(app)
    _describe_keys(app, needed=keys is not None)
    _add_error_answers(app, service)
    app.add_middleware(Gate, settings=settings, keys=keys, metrics=service.metrics)
    # Around the gate: a page may read what the gate refuses as well.
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["Content-Type", "X-API-Key", "Idempotency-Key", "If-None-Match"],
            expose_headers=["ETag", "Location", "Retry-After", "X-Request-ID"],
        )
    return app


def _answer_head(app: FastAPI) -> None:
    """HEAD is answered wherever GET is, but for streams; the server leaves the body out."""
    for route in [route for route in app.routes if isinstance(route, APIRoute)]:
        if "GET" in (route.methods or ()) and route.response_class is not StreamingResponse:
            app.add_api_route(
                route.path,
                route.endpoint,
                methods=["HEAD"],
                response_model=route.response_model,
                response_class=route.response_class,
                include_in_schema=False,
            )


def _describe_keys(app: FastAPI, *, needed: bool) -> None:
    """Says in the document how a key is sent, and whether this server wants one."""
    without = app.openapi

    def openapi() -> dict[str, Any]:
        document = without()
        document["components"]["securitySchemes"] = {
            "key": {
                "type": "apiKey",
                "in": "header",
                "name": "X-API-Key",
                "description": "Whoever runs the server makes it: nascar serve --new-key NAME.",
            }
        }
        asked: list[dict[str, list[str]]] = [{"key": []}] if needed else [{}, {"key": []}]
        for path, methods in document["paths"].items():
            if path.startswith("/api/"):
                for operation in methods.values():
                    operation["security"] = asked
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _add_routes(app: FastAPI, service: Service) -> None:
    optimizer = service.optimizer
    # Writes wait for the disk and for other writers, in threads of their own: reads go on.
    writers, turn = CapacityLimiter(WRITERS), asyncio.Semaphore(WRITERS)

    async def written(work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await turn.acquire()
        except TimeoutError as error:
            raise RequestRefused(
                503,
                "BUSY",
                "The storage takes too long to take what is sent.",
                remedy="Try again later; /ready says what does not answer.",
                retry_after=RETRY_SECONDS,
            ) from error
        try:
            return await to_thread.run_sync(work, limiter=writers)
        finally:
            turn.release()

    @app.post(
        "/api/v1/optimize",
        tags=[TAG],
        summary="Optimise lineups",
        response_description="The job, pending; Location says where its status is.",
        responses=problem_answers(401, 403, 413, 422, 429, 503),
    )
    async def optimize(
        request: Request,
        response: Response,
        body: Annotated[OptimizeRequest, Body(openapi_examples=REQUEST_EXAMPLES)],
        key: IdempotencyKey = None,
    ) -> OptimizationStatus:
        """Validates, prechecks and stores the request, and answers at once."""
        client = request.state.client

        def submit() -> OptimizationStatus:
            service.check_space()
            return optimizer.submit(body, client=client, key=key)

        status = await written(submit)
        response.headers["Location"] = f"/api/v1/optimize/{status.run_id}/status"
        return status

    @app.get(
        "/api/v1/optimize",
        tags=[TAG],
        summary="List jobs",
        responses=problem_answers(401, 403, 422, 429, 503),
    )
    def list_jobs(
        request: Request,
        slate_id: Annotated[Text | None, Query()] = None,
        status: Annotated[JobStatus | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[
            str | None, Query(max_length=200, description="`next_cursor` of the page before.")
        ] = None,
    ) -> JobList:
        """The jobs of a slate, of a status, or all, the newest first."""
        return optimizer.list_jobs(
            client=request.state.client,
            slate_id=slate_id,
            status=status,
            limit=limit,
            cursor=cursor,
        )

    @app.get(
        "/api/v1/optimize/{run_id}/status",
        tags=[TAG],
        summary="A job's status",
        responses=problem_answers(401, 403, 404, 422, 429, 503),
    )
    def status(request: Request, run_id: RunId) -> OptimizationStatus:
        """Where the job stands and how much of it is done."""
        return optimizer.status(run_id, request.state.client)

    @app.get(
        "/api/v1/optimize/{run_id}/result",
        tags=[TAG],
        summary="A job's result",
        response_model=OptimizeResponse,
        responses={
            202: {"model": OptimizationStatus, "description": "The job has not ended."},
            **problem_answers(401, 403, 404, 409, 410, 422, 429, 503),
        },
    )
    def result(request: Request, run_id: RunId) -> Response:
        """The lineups and what the simulation did."""
        found = optimizer.result(run_id, request.state.client)
        if isinstance(found, bytes):
            return Response(found, media_type="application/json")
        return not_ended(found)

    @app.delete(
        "/api/v1/optimize/{run_id}",
        tags=[TAG],
        summary="Cancel a job",
        responses=problem_answers(401, 403, 404, 409, 422, 429, 503),
    )
    async def cancel(request: Request, run_id: RunId) -> OptimizationStatus:
        """Stops the job: at once where it waits, within two seconds where it runs."""
        client = request.state.client
        return await written(lambda: optimizer.cancel(run_id, client))

    add_slate_routes(app, service.reads)
    add_live_routes(app, service.platform.root, service.ending)
    add_slate_job_routes(app, service.orders, written, service.ending)
    add_view_routes(app, service.reads, service.orders, written)


def _add_operations(app: FastAPI, service: Service) -> None:
    @app.get("/health", tags=["operations"], summary="Whether the process lives")
    async def health() -> Health:
        """Always ok."""
        return Health()

    @app.get(
        "/ready",
        tags=["operations"],
        summary="Whether graph, storage and workers answer",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "A part does not answer."}},
    )
    async def ready() -> JSONResponse:
        """503 with the part that does not answer."""
        found = service.watch.readiness()
        headers = None if found.ready else {"Retry-After": str(RETRY_SECONDS)}
        return JSONResponse(found.model_dump(), 200 if found.ready else 503, headers)

    @app.get(
        "/metrics",
        tags=["operations"],
        summary="Metrics for Prometheus",
        response_class=PlainTextResponse,
    )
    def metrics() -> Response:
        """Requests, latency, queue and time of jobs by stage."""
        text = service.metrics.text(service.optimizer.queued, service.supervisor.ready_workers)
        return Response(text, media_type=service.metrics.content_type)


def _add_error_answers(app: FastAPI, service: Service) -> None:
    def answer(status: int, problem: Problem, headers: dict[str, str] | None = None) -> Response:
        service.metrics.refused.labels(problem.code).inc()
        return JSONResponse(problem.model_dump(mode="json"), status, headers)

    def refused(_: Request, error: RequestRefused) -> Response:
        after = error.retry_after
        return answer(
            error.status, error.problem, {"Retry-After": str(after)} if after is not None else None
        )

    def no_json() -> Response:
        return answer(422, Problem(code="NOT_JSON", message="The body is no JSON.", field="body"))

    def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        if first["loc"][0] == "path":  # an id written so is nobody's
            return refused(request, UNKNOWN[first["loc"][1]]())
        where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
        if where and where[0] == "header":
            where = [where[-1]]
        if first["type"] == "json_invalid":
            return no_json()
        if first["loc"] == ("body",):
            where = ["body"]
            kind = request.headers.get("content-type", "").partition(";")[0].strip()
            if first["type"] != "missing" and kind and not kind.lower().endswith("json"):
                problem = Problem(
                    code="NOT_JSON",
                    message=plain(f"The body was sent as {kind}, not as JSON.", 200),
                    field="body",
                    remedy="Send it with the header Content-Type: application/json.",
                )
                return answer(422, problem)
        return answer(422, _problem_of(first, where))

    def of_http(_: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # FastAPI's word for a body that it cannot read at all
            return no_json()
        codes = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "BODY_TOO_LARGE", 503: "BUSY"}
        code = codes.get(error.status_code, "REFUSED")
        headers = dict(error.headers) if error.headers else None
        return answer(
            error.status_code, Problem(code=code, message=plain(str(error.detail))), headers
        )

    def of_input(request: Request, error: InputError) -> Response:
        return refused(request, of_input_error(error))

    def of_environment(_: Request, error: Exception) -> Response:
        _log.warning("storage fault", error=plain(f"{type(error).__name__}: {error}"))
        message = storage_fault(error)
        service.watch.storage_failed(message)
        problem = Problem(
            code="STORAGE_UNAVAILABLE",
            message=message,
            remedy="Try again later; /ready says what does not answer.",
        )
        return answer(503, problem, {"Retry-After": str(RETRY_SECONDS)})

    def unexpected(_: Request, error: Exception) -> Response:
        _log.error("defect", error=plain(f"{type(error).__name__}: {error}"), exc_info=error)
        problem = Problem(code="DEFECT", message="The service failed; its log says how.")
        return answer(500, problem)

    handlers: list[tuple[type[Exception], Callable[..., Response]]] = [
        (RequestRefused, refused),
        (RequestValidationError, malformed),
        (HTTPException, of_http),
        (InputError, of_input),
        (EnvironmentFault, of_environment),
        (sqlalchemy.exc.SQLAlchemyError, of_environment),
        (OSError, of_environment),
        (Exception, unexpected),
        *((kind, of_environment) for kind in connection_faults()),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


def _problem_of(first: Any, where: list[str]) -> Problem:
    """The first thing that is wrong with a request, in words, without repeating what was sent."""
    message = plain(str(first["msg"]).removeprefix("Value error, "), 500)
    codes = {
        "extra_forbidden": ("UNKNOWN_FIELD", "This field is not known."),
        "missing": ("FIELD_MISSING", "This field is needed."),
    }
    code, text = codes.get(first["type"], ("INVALID_VALUE", message))
    return Problem(code=code, message=text, field=plain(".".join(where), 500) or None)
