"""A call of the API as a value, which the blocking and the asynchronous client send alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from nascar_assets.service.slate_contracts import SlateProblem

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


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


def value_of(model: type[M]) -> Callable[[httpx.Response], M]:
    """Reads an answer as a value of a contract."""
    return lambda answer: model.model_validate_json(answer.content)


def bytes_of(answer: httpx.Response) -> bytes:
    """An answer's bytes, as of a file."""
    return answer.content


def refusal(answer: httpx.Response) -> Refused:
    """What an answer of 400 or more says."""
    try:
        problem = SlateProblem.model_validate_json(answer.content)
    except ValidationError:
        problem = SlateProblem(code="NO_PROBLEM", message=f"Status {answer.status_code}.")
    after = answer.headers.get("Retry-After", "")
    kind = Unavailable if answer.status_code in (502, 503, 504) else Refused
    return kind(
        answer.status_code, problem, float(after) if after.isascii() and after.isdigit() else None
    )


def unreachable(error: httpx.TransportError) -> Unavailable:
    """What a connection that failed says."""
    problem = SlateProblem(code="UNREACHABLE", message=f"The service: {error}.")
    return Unavailable(0, problem)
