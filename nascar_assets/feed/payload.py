"""Reading the feed's JSON: decoding, typed fields, and errors that name file and field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from nascar_assets.errors import InputError

Payload = bytes | str | list[Any] | dict[str, Any]
"""A feed file as it came, or already decoded."""


class FeedFormatError(InputError):
    """A feed file does not have the form that the feed's files have."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A table made from feed files, and what a person should know about how it was made.

    Attributes:
        frame: The table.
        notices: One sentence for each row left out, value set aside or text not known.
    """

    frame: pl.DataFrame
    notices: tuple[str, ...] = ()


def decoded(payload: Payload, file: str) -> Any:
    """The JSON value of a payload.

    Raises:
        FeedFormatError: If the bytes are no JSON, or nothing but `null`.
    """
    if isinstance(payload, (bytes, str)):
        try:
            payload = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise FeedFormatError(f"This is no whole JSON file: {error}.", file=file) from error
    if payload is None:
        raise FeedFormatError("The feed answered with a bare null.", file=file)
    return payload


def records(value: Any, file: str, field: str) -> list[dict[str, Any]]:
    """A list of JSON objects.

    Raises:
        FeedFormatError: If it is no list, or an element is no object.
    """
    if not isinstance(value, list):
        raise FeedFormatError(
            f"A list was expected, not {_type_name(value)}.", file=file, field=field
        )
    for number, item in enumerate(value):
        if not isinstance(item, dict):
            raise FeedFormatError(
                f"An object was expected, not {_type_name(item)}.",
                file=file,
                field=f"{field}[{number}]",
            )
    return value


def required(row: Mapping[str, Any], key: str, file: str, where: str = "") -> Any:
    """A field that must be there.

    Raises:
        FeedFormatError: If the object lacks the field.
    """
    if key not in row:
        raise FeedFormatError("The field is missing.", file=file, field=_path(where, key))
    return row[key]


def integer(
    row: Mapping[str, Any],
    key: str,
    file: str,
    where: str = "",
    *,
    none: Iterable[int] = (),
) -> int | None:
    """A whole number; none for null, `""`, `"NA"`, an absent field and the values in `none`.

    Raises:
        FeedFormatError: If there is something that is no whole number.
    """
    value = number(row, key, file, where)
    if value is None:
        return None
    if value != int(value):
        raise FeedFormatError(
            f"A whole number was expected, not {row[key]!r}.", file=file, field=_path(where, key)
        )
    return None if int(value) in none else int(value)


def number(
    row: Mapping[str, Any],
    key: str,
    file: str,
    where: str = "",
    *,
    none: Iterable[float] = (),
) -> float | None:
    """A number, also where it is written as text; none as for `integer`.

    Raises:
        FeedFormatError: If there is something that is no finite number.
    """
    value = row.get(key)
    if value is None or value == "" or value == "NA":
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not abs(value) < 1e15  # also refuses NaN and infinities
    ):
        raise FeedFormatError(
            f"A number was expected, not {row[key]!r}.", file=file, field=_path(where, key)
        )
    return None if value in none else value


def text(row: Mapping[str, Any], key: str) -> str | None:
    """A text without blanks around it; none for null, `""` and `"NA"`."""
    value = row.get(key)
    if value is None:
        return None
    stripped = " ".join(str(value).split())
    return None if stripped in ("", "NA") else stripped


def _path(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _type_name(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", type(None): "null", bool: "a truth"}
    return names.get(type(value), "a number")
