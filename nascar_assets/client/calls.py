"""A call of the API as a value, which the blocking and the asynchronous client send alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from nascar_assets.service.slate_contracts import SlateProblem

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_CHECK = "Check that the address is the service's own, and its version this client's."


class Refused(Exception):
    """The service refused a request.

    Attributes:
        status: HTTP status.
        problem: Code, message, field and remedy; of a slate's settings what conflicts, of a
            salary file the races that it may be for.
        retry_after: Seconds after which trying again makes sense, where the service said so.
    """

    def __init__(
        self, status: int, problem: SlateProblem, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{status} {problem.code}: {problem.message}")
        self.status = status
        self.problem = problem
        self.retry_after = retry_after


class Unavailable(Refused):
    """A part of the service, or the service itself, does not answer; trying again may help."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its answer is read.

    Attributes:
        method: HTTP method.
        path: Path with its parameters escaped.
        read: From the answer to its value.
        params: Query parameters; none values are left out.
        content: The body.
        headers: Headers.
        again: Whether it may be sent again where nobody knows whether it arrived.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    params: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    again: bool = True

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters as text."""
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self.params.items()
            if value is not None
        }

    @property
    def sent(self) -> dict[str, Any]:
        """What httpx is given besides method and path."""
        return {"params": self.query, "content": self.content, "headers": dict(self.headers)}


def value_of(model: type[M]) -> Callable[[httpx.Response], M]:
    """Reads an answer as a value of a contract; `Refused` where it is none, as a page is."""
    return lambda answer: read_by(model.model_validate_json, answer.content, answer)


def read_by(validate: Callable[[bytes | str], T], data: bytes | str, answer: httpx.Response) -> T:
    """The value of an answer, or of one event of those that it streams.

    Raises:
        Refused: If it is none of the service's own.
    """
    try:
        return validate(data)
    except ValidationError as error:
        raise _foreign(answer) from error


def bytes_of(kind: str) -> Callable[[httpx.Response], bytes]:
    """Reads an answer's bytes, as of a file; `Refused` where they are not of this media type."""

    def read(answer: httpx.Response) -> bytes:
        said = of_ended(answer).headers.get("Content-Type", "")
        if said.partition(";")[0].strip().lower() != kind:
            raise _foreign(answer)
        return answer.content

    return read


def of_ended(answer: httpx.Response) -> httpx.Response:
    """The answer of a job that has ended.

    Raises:
        Refused: If it has not: the answer is its status.
    """
    if answer.status_code == 202:
        problem = SlateProblem(code="JOB_NOT_FINISHED", message="The job has not ended.")
        raise Refused(202, problem, 1.0)
    return answer


def _foreign(answer: httpx.Response) -> Refused:
    """What an answer says that is none of the service's own, as a proxy's page is."""
    message = f"Status {answer.status_code} with an answer that is not the service's own."
    problem = SlateProblem(code="NO_ANSWER", message=message, remedy=_CHECK)
    return _kind(answer)(answer.status_code, problem)


def _kind(answer: httpx.Response) -> type[Refused]:
    return Unavailable if answer.status_code in (502, 503, 504) else Refused


def refusal(answer: httpx.Response) -> Refused:
    """What an answer says that is no success: of 300 or more."""
    try:
        problem = SlateProblem.model_validate_json(answer.content)
    except ValidationError:
        message = f"Status {answer.status_code}."
        remedy = None if _kind(answer) is Unavailable else _CHECK
        problem = SlateProblem(code="NO_PROBLEM", message=message, remedy=remedy)
    after = answer.headers.get("Retry-After", "")
    return _kind(answer)(
        answer.status_code, problem, float(after) if after.isascii() and after.isdigit() else None
    )


def unreachable(error: httpx.RequestError) -> Unavailable:
    """What a connection that failed says, or an answer that cannot be unpacked."""
    said = str(error) or type(error).__name__
    problem = SlateProblem(code="UNREACHABLE", message=f"The service: {said}.")
    return Unavailable(0, problem)
