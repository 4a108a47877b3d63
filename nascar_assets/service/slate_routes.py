"""The routes that read slates: JSON as a rule, CSV by `Accept`, each with an ETag."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers

from nascar_assets.service.problems import Answers, problem_answers
from nascar_assets.service.slate_contracts import (
    DriverDetail,
    RaceSummary,
    SlateContests,
    SlateDetail,
    SlateExposures,
    SlateForecast,
    SlateKey,
    SlateLineups,
    SlateList,
    SlateProvenance,
    SlateRecord,
)
from nascar_assets.service.slate_reads import Answer, SlateReads, etag_of

TAG = "slates"
CSV = "text/csv"
_CHECKED = {"Cache-Control": "private, no-cache"}
"""A browser may keep an answer and asks each time whether it is still the same."""
_KEPT = {**_CHECKED, "Vary": "Accept"}

SlatePath = Annotated[SlateKey, Path()]
DriverPath = Annotated[
    str, Path(min_length=1, max_length=200, description="The feed's id, or the site's own.")
]


NOT_CHANGED: Answers = {304: {"description": "It has not changed."}}


def text_of(kind: str) -> Answers:
    """An answer of 200 that is text of a media type."""
    return {200: {"content": {kind: {"schema": {"type": "string"}}}}}


def add_slate_routes(app: FastAPI, reads: SlateReads) -> None:
    """Adds the routes that read slates."""

    def route(
        path: str, summary: str, model: type[Any] | None, *, kind: str = ""
    ) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
        known = (404, 409) if "{slate}" in path else ()
        answers = {
            **problem_answers(401, 403, *known, 422, 429, 503),
            **NOT_CHANGED,
            **(text_of(kind) if kind else {}),
        }
        return app.get(
            f"/api/v1/slates{path}",
            tags=[TAG],
            summary=summary,
            response_model=model,
            response_class=JSONResponse if model else Response,
            responses=answers,
        )

    @route("", "Slates", SlateList)
    def slates(request: Request) -> Response:
        """Every slate with its race, its lock and the state of its data."""
        return answered(request, reads.slates())

    @route("/{slate}", "A slate", SlateDetail)
    def detail(request: Request, slate: SlatePath) -> Response:
        """One slate with its newest run: settings, checks, notices."""
        return answered(request, reads.detail(slate))

    @route("/{slate}/forecast", "A slate's forecast", SlateForecast, kind=CSV)
    def forecast(request: Request, slate: SlatePath) -> Response:
        """Every player: points, chances, ownership, leverage, how often he is optimal."""
        return answered(request, reads.of_run(slate, "forecast"), table=True)

    @route("/{slate}/scenarios/summary", "The race as simulated", RaceSummary)
    def race(request: Request, slate: SlatePath) -> Response:
        """Regimes, cautions, leaders, retirements, beside what this track has had."""
        return answered(request, reads.of_run(slate, "race"))

    @route("/{slate}/drivers/{driver}", "A player", DriverDetail)
    def driver(request: Request, slate: SlatePath, driver: DriverPath) -> Response:
        """Distributions of points, finish and laps led, what drives them, and the history."""
        return answered(request, reads.driver(slate, driver))

    @route("/{slate}/lineups", "A slate's lineups", SlateLineups, kind=CSV)
    def lineups(request: Request, slate: SlatePath) -> Response:
        """The portfolio of the slate's newest run."""
        return answered(request, reads.of_run(slate, "lineups"), table=True)

    @route("/{slate}/exposures", "Exposures of a slate's lineups", SlateExposures, kind=CSV)
    def exposures(request: Request, slate: SlatePath) -> Response:
        """Each player's share of the lineups, beside the bounds of the settings."""
        return answered(request, reads.of_run(slate, "exposures"), table=True)

    @route("/{slate}/contests", "What a slate's lineups win", SlateContests, kind=CSV)
    def contests(request: Request, slate: SlatePath) -> Response:
        """Returns and chances in contests of the usual shapes, with their errors."""
        return answered(request, reads.of_run(slate, "contests"), table=True)

    @route("/{slate}/record", "How forecasts kept their word", SlateRecord)
    def record(request: Request, slate: SlatePath) -> Response:
        """Coverage, PIT and reliability of past forecasts, by track type, in numbers and words."""
        return answered(request, reads.of_run(slate, "record"))

    @route("/{slate}/provenance", "Where a slate's numbers come from", SlateProvenance)
    def provenance(request: Request, slate: SlatePath) -> Response:
        """Seed, hashes of inputs and constraints, the code's version."""
        return answered(request, reads.of_run(slate, "provenance"))

    @route("/{slate}/upload.csv", "A slate's upload file", None, kind=CSV)
    def upload(request: Request, slate: SlatePath) -> Response:
        """The lineups as the contest site takes them."""
        name = {"Content-Disposition": f'attachment; filename="{slate}-upload.csv"'}
        data = reads.upload(slate)
        return _tagged(request, etag_of(data), lambda: data, CSV, _CHECKED | name)

    @route("/{slate}/report.html", "A slate's report", None, kind="text/html")
    def report(request: Request, slate: SlatePath) -> Response:
        """One page that opens offline."""
        policy = {
            # The page is self-contained; its own script and styles stand in it.
            "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; "
            "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'; sandbox allow-scripts allow-popups allow-downloads",
        }
        data = reads.report(slate)
        return _tagged(request, etag_of(data), lambda: data, "text/html", _CHECKED | policy)


def answered(request: Request, answer: Answer, *, table: bool = False) -> Response:
    """An answer as it was asked for: JSON, CSV where that is preferred, or 304."""
    as_csv = table and prefers_csv(request.headers)
    etag = f'{answer.etag[:-1]}c"' if as_csv else answer.etag
    if as_csv:
        return _tagged(request, etag, lambda: answer.csv, CSV, _KEPT)
    return _tagged(request, etag, lambda: answer.json, "application/json", _KEPT)


def _tagged(
    request: Request,
    etag: str,
    content: Callable[[], bytes],
    media_type: str,
    headers: Mapping[str, str],
) -> Response:
    """An answer with its ETag; 304 where the request has it already."""
    headers = {**headers, "ETag": etag}
    asked = request.headers.get("if-none-match", "")
    if {etag, "*"} & {item.strip().removeprefix("W/") for item in asked.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(content(), media_type=media_type, headers=headers)


def prefers_csv(headers: Headers) -> bool:
    """Whether a request prefers CSV over JSON: by weight, then by what stands first."""
    weights: dict[str, float] = {}
    for at, item in enumerate(headers.get("accept", "").lower().split(",")[:50]):
        kind, *parameters = (part.strip() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        weights.setdefault(kind, weight - at * 1e-6)
    as_json = max(weights.get(kind, -1.0) for kind in ("application/json", "application/*", "*/*"))
    return weights.get(CSV, 0.0) > max(as_json, 0.0)


def attachment(data: bytes, name: str) -> Response:
    """A file to be saved under a name of letters, digits, dots and dashes."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(data, media_type=CSV, headers=headers)
