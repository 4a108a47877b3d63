"""Checks that every constraint model shares: ids, numbers in a range, times."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from numbers import Integral, Real
from typing import Any

from nascar_assets.errors import InputError


class ConstraintValueError(InputError):
    """A value that a constraint model refuses: names the model, the field and what is allowed."""


class MissingConstraintError(InputError, KeyError):
    """A driver or track that a compiled spec does not hold."""

    def __str__(self) -> str:
        # KeyError would quote the message.
        return self._text()


def text_id(model: str, field: str, value: Any) -> str:
    """A non-empty id as text."""
    if not isinstance(value, str) or not value.strip():
        raise ConstraintValueError(
            f"{model} needs a non-empty text here, got {value!r}.", field=field
        )
    return value


def number(model: str, field: str, value: Any) -> float:
    """A finite number as a float; text and booleans are refused."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ConstraintValueError(f"{model} needs a finite number, got {value!r}.", field=field)
    return float(value)


def unit_interval(model: str, field: str, value: Any) -> float:
    """A number in [0, 1]."""
    result = number(model, field, value)
    if not 0.0 <= result <= 1.0:
        raise ConstraintValueError(f"{model} needs a value in [0, 1], got {value!r}.", field=field)
    # Minus zero would equal zero and hash otherwise.
    return result + 0.0


def integer(model: str, field: str, value: Any, *, at_least: int) -> int:
    """A whole number that is not below a bound."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < at_least:
        raise ConstraintValueError(
            f"{model} needs a whole number of at least {at_least}, got {value!r}.", field=field
        )
    return int(value)


def texts(model: str, field: str, value: Any) -> tuple[str, ...]:
    """Distinct non-empty texts, sorted."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConstraintValueError(f"{model} needs a list of texts, got {value!r}.", field=field)
    return tuple(sorted({text_id(model, field, item) for item in value}))


def utc_time(model: str, field: str, value: Any) -> datetime:
    """A time with its zone, or its ISO text, in UTC."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # a first or last day may lie beyond in UTC
        moment = None
    if not isinstance(moment, datetime):
        raise ConstraintValueError(
            f"{model} needs {field} as a time or its ISO text, got {value!r}.",
            field=field,
            remedy="Write it such as 2026-03-15T19:30:00+00:00.",
        )
    raise ConstraintValueError(
        f"{model} needs {field} with its time zone, got {value!r}, which names none.",
        field=field,
        remedy="Add the offset from UTC, such as +00:00.",
    )
