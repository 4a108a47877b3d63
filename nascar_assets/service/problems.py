"""Why a request was not taken: an HTTP status, a stable code, and words for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nascar_assets.constraints import CODES
from nascar_assets.errors import InputError
from nascar_assets.service.contracts import (
    JobStatus,
    OptimizationStatus,
    Problem,
    in_words_of_the_api,
)


class RequestRefused(Exception):
    """A request that is answered with a problem.

    Args:
        field: The request's field at fault, as `drivers.3.salary`.
        remedy: What to do about it; the code's own where the table of codes has one.
        retry_after: Seconds after which trying again makes sense.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        remedy: str | None = None,
        retry_after: int | None = None,
        run_id: str | None = None,
    ) -> None:
        super().__init__(message)
        if remedy is None and code in CODES:
            remedy = CODES[code].remedy
        self.status = status
        self.retry_after = retry_after
        self.problem = Problem(
            code=code, message=plain(message), field=field, remedy=remedy, run_id=run_id
        )


def invalid(
    code: str, message: str, *, field: str | None = None, remedy: str | None = None
) -> RequestRefused:
    """A request whose content is at fault: 422."""
    return RequestRefused(422, code, message, field=field, remedy=remedy)


def unknown_job() -> RequestRefused:
    """An id that no job has: 404."""
    return RequestRefused(404, "JOB_UNKNOWN", "No job has this id.", field="run_id")


def unknown_race() -> RequestRefused:
    """A name that no race has: 404."""
    return RequestRefused(404, "RACE_UNKNOWN", "The schedule holds no such race.", field="race")


def unknown_slate() -> RequestRefused:
    """A key that no slate has: 404."""
    return RequestRefused(
        404,
        "SLATE_UNKNOWN",
        "No slate has this key.",
        field="slate",
        remedy="GET /api/v1/slates lists them; POST a salary file there for a new one.",
    )


def not_ready(slate_id: str, message: str, *, running: bool = False) -> RequestRefused:
    """A slate that has no lineups: 409; where it is being run, nothing is to be done."""
    return RequestRefused(
        409,
        "SLATE_NOT_READY",
        message,
        field="slate",
        remedy=None
        if running
        else f"Run it: POST /api/v1/slates/{slate_id}/runs, or nascar slate run {slate_id}.",
    )


def unknown_driver() -> RequestRefused:
    """An id that no player of the slate has: 404."""
    return RequestRefused(
        404,
        "DRIVER_UNKNOWN",
        "The slate has no player of this id.",
        field="driver",
        remedy="The forecast lists them.",
    )


def unknown_view(slate_id: str = "{slate}") -> RequestRefused:
    """An id that no view of the slate has: 404."""
    return RequestRefused(
        404,
        "VIEW_UNKNOWN",
        "The slate has no view of this id.",
        field="view",
        remedy=f"GET /api/v1/slates/{slate_id}/views lists them.",
    )


UNKNOWN: dict[str, Callable[[], RequestRefused]] = {
    "run_id": unknown_job,
    "race": unknown_race,
    "slate": unknown_slate,
    "driver": unknown_driver,
    "view": unknown_view,
}
"""What is said of each parameter of a path whose value nothing has."""


def ended_without(status: OptimizationStatus) -> RequestRefused:
    """A job that failed or was cancelled, asked for its result: 409."""
    failed = status.status is JobStatus.FAILED
    return RequestRefused(
        409,
        "JOB_FAILED" if failed else "JOB_CANCELLED",
        status.error or f"The job was {status.status}.",
        remedy=(
            "Send it again. If it fails again, give the job's id to whoever runs the server: "
            f"Dagster's page of the run {status.run_id} has the whole of it."
            if failed
            else None
        ),
        run_id=status.run_id,
    )


def result_gone(run_id: str, remedy: str) -> RequestRefused:
    """A job that completed and whose result was deleted: 410."""
    return RequestRefused(
        410,
        "RESULT_GONE",
        "The job completed and its result is no longer there.",
        remedy=remedy,
        run_id=run_id,
    )


def of_input_error(error: InputError, code: str = "INVALID_VALUE") -> RequestRefused:
    """The domain's own refusal of an input as an answer, in words of the API: 422."""
    message = error.message if error.file is None else f"{error.file}: {error.message}"
    field, remedy = (text and in_words_of_the_api(text) for text in (error.field, error.remedy))
    return invalid(code, in_words_of_the_api(message), field=field, remedy=remedy)


def plain(text: str, limit: int = 2_000) -> str:
    """Text that every encoding and every log can hold: no lone surrogates, not too long."""
    clean = text.encode("utf-8", "replace").decode()
    return clean if len(clean) <= limit else f"{clean[:limit]}..."


Answers = dict[int | str, dict[str, Any]]
"""What routes may answer by status, as FastAPI documents it."""


def problem_answers(*statuses: int, model: type[Problem] = Problem) -> Answers:
    """What a route may answer besides its own answer."""
    meanings = {
        401: "A key is needed.",
        403: "A web page of another origin sent it, or the server has no such name.",
        404: "There is nothing of this id.",
        405: "The route has no such method.",
        409: "The job has ended otherwise, or has not ended; the slate is not so far.",
        410: "The result is no longer there.",
        413: "The body is too large.",
        422: "The request is at fault: code and field say where.",
        429: "Too many requests; Retry-After says when to come back.",
        503: "A part that is needed does not answer; Retry-After says when to come back.",
    }
    return {status: {"model": model, "description": meanings[status]} for status in statuses}
