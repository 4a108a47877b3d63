"""The routes of a slate's views: list, one, a file taken, a start at the rear, one taken back."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body, Depends, FastAPI, Path, Query, Request, Response

from nascar_assets.service.problems import problem_answers
from nascar_assets.service.slate_contracts import SlateJob, SlateProblem
from nascar_assets.service.slate_job_routes import (
    FILE_BODY,
    FileName,
    IdempotencyKey,
    Wait,
    Written,
    accepted,
    sent_file,
)
from nascar_assets.service.slate_orders import SlateOrders
from nascar_assets.service.slate_reads import Answer, SlateReads
from nascar_assets.service.slate_routes import NOT_CHANGED, TAG, SlatePath, answered
from nascar_assets.service.view_contracts import (
    Confidence,
    RearStart,
    SlateView,
    SlateViewDetail,
    SlateViews,
    ViewText,
)

ViewId = Annotated[str, Path(max_length=100, description="The view's id.")]


def read_as(
    odds: Annotated[
        Literal["american", "decimal"] | None,
        Query(description="What odds without a sign are."),
    ] = None,
    column: Annotated[
        ViewText | None, Query(description="The column that holds your own mean points.")
    ] = None,
    unit: Annotated[
        Literal["percent", "share"] | None,
        Query(description="How ownership, exposures and chances are written."),
    ] = None,
) -> dict[str, str | None]:
    """How a file is read where it may be read in two ways."""
    return {"projection": column, "odds": odds, "unit": unit}


def add_view_routes(app: FastAPI, reads: SlateReads, orders: SlateOrders, written: Written) -> None:
    """Adds the routes."""
    base = "/api/v1/slates/{slate}/views"
    refusals = problem_answers(401, 403, 404, 409, 413, 422, 429, 503, model=SlateProblem)
    read = {**NOT_CHANGED, **problem_answers(401, 403, 404, 409, 422, 429, 503)}

    @app.get(base, tags=[TAG], summary="A slate's views", response_model=SlateViews, responses=read)
    def views(request: Request, slate: SlatePath) -> Response:
        """Who said what, when and why; each player's forecast without and with it."""
        return answered(request, reads.views(slate))

    @app.get(
        f"{base}/{{view}}",
        tags=[TAG],
        summary="A view",
        response_model=SlateViewDetail,
        responses=read,
    )
    def view(request: Request, slate: SlatePath, view: ViewId) -> Response:
        """One view with everything that it states."""
        return answered(request, Answer(reads.view(slate, view)))

    @app.post(
        base,
        tags=[TAG],
        summary="Take a file as a view",
        responses=refusals,
        openapi_extra=FILE_BODY,
    )
    async def add(
        request: Request,
        response: Response,
        slate: SlatePath,
        options: Annotated[dict[str, str | None], Depends(read_as)],
        filename: FileName = "views.csv",
        confidence: Annotated[
            Confidence | None,
            Query(description="How far it moves the forecast towards itself; 0.5, of odds 0."),
        ] = None,
        author: Annotated[
            ViewText | None, Query(description="Who says so; none: the key's name, or `api`.")
        ] = None,
        why: Annotated[ViewText, Query(description="The reason; it is kept with the view.")] = "",
        wait: Wait = 5.0,
        key: IdempotencyKey = None,
    ) -> SlateJob:
        """All of it or nothing: 422 names in `rows` each row that cannot be used."""
        content = await sent_file(request)
        wanted = {
            "filename": filename,
            "confidence": confidence,
            "author": author,
            "why": why,
            "options": options,
        }
        return await accepted(
            orders,
            written,
            request,
            response,
            lambda sender: orders.view(slate, wanted, sender, content),
            wait,
            key,
        )

    @app.post(f"{base}/rear", tags=[TAG], summary="A start at the rear", responses=refusals)
    async def rear(
        request: Request,
        response: Response,
        slate: SlatePath,
        body: Annotated[RearStart, Body()],
        wait: Wait = 5.0,
        key: IdempotencyKey = None,
    ) -> SlateJob:
        """A driver starts behind the field; `scored` says where his points count from."""
        wanted = body.model_dump()
        return await accepted(
            orders,
            written,
            request,
            response,
            lambda sender: orders.view(slate, wanted, sender),
            wait,
            key,
        )

    @app.delete(f"{base}/{{view}}", tags=[TAG], summary="Take a view back", responses=refusals)
    async def drop(slate: SlatePath, view: ViewId) -> SlateView:
        """It holds no more from now on; forecasts as of before still have it."""
        return await written(lambda: orders.drop_view(slate, view))
