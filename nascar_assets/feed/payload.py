"""Reading the feed's JSON: decoding, typed fields, and errors that name file and field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from nascar_assets.errors import InputError

LARGEST_JSON_BYTES = 16 * 1024**2
"""The feed's largest file has a tenth of it; parsed, JSON takes up to thirty times its bytes."""

MAX_PARTS, MAX_RECORDS = 200_000, 5_000
"""Objects and lists of a file, and entries of one list; the largest have a tenth of these."""

Payload = bytes | str | list[Any] | dict[str, Any]
"""A feed file as it came, or already decoded."""


LARGEST = 1e15
"""No number of the feed is as large."""


class FeedFormatError(InputError):
    """A feed file does not have the form that the feed's files have."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A table made from feed files, and what a person should know about how it was made.

    Attributes:
        frame: The table.
        notices: One sentence for each row left out, value left out or text not known.
    """

    frame: pl.DataFrame
    notices: tuple[str, ...] = ()


def decoded(payload: Payload, file: str) -> Any:
    """The JSON value of a payload.

    Raises:
        FeedFormatError: If the bytes are no JSON, or nothing but `null`.
    """
    if isinstance(payload, (bytes, str)):
        if (fault := too_large(payload)) is not None:
            raise FeedFormatError(fault, file=file)
        try:
            if isinstance(payload, bytes):  # `json` itself lets halves of letters through
                payload = payload.decode(json.detect_encoding(payload))
            text, payload = payload, json.loads(payload)
            if "\\ud" in text.lower():  # half a letter, that no table takes, is no reason to refuse
                whole = json.dumps(payload, ensure_ascii=False).encode(errors="replace")
                payload = json.loads(whole)
        except (ValueError, RecursionError) as error:
            raise FeedFormatError(f"This is no whole JSON file: {error}.", file=file) from error
    if payload is None:
        raise FeedFormatError("The feed answered with a bare null.", file=file)
    return payload


def too_large(payload: bytes | str) -> str | None:
    """Why a body is not even parsed; none where it is."""
    if len(payload) > LARGEST_JSON_BYTES:
        return f"It has {len(payload):,} bytes; no more than {LARGEST_JSON_BYTES:,} are read."
    if isinstance(payload, str):
        parts = payload.count("{") + payload.count("[")
    else:
        parts = payload.count(b"{") + payload.count(b"[")
    if parts > MAX_PARTS:
        return f"It has more than {MAX_PARTS:,} objects and lists, the most that are read."
    return None


def records(value: Any, file: str, field: str | None = None) -> list[dict[str, Any]]:
    """A list of JSON objects; what is none is an empty one, which the rows' own rules report.

    Args:
        value: What should be the list.
        file: The file, for errors.
        field: Where it stands in the file; none where it is the file's whole content.

    Raises:
        FeedFormatError: If it is no list, or holds things and not one object.
    """
    if not isinstance(value, list):
        raise FeedFormatError(
            f"A list was expected, not {_type_name(value)}.", file=file, field=field
        )
    if len(value) > MAX_RECORDS:
        raise FeedFormatError(
            f"It has {len(value):,} entries; no more than {MAX_RECORDS:,} are read.",
            file=file,
            field=field,
        )
    if value and not any(isinstance(item, dict) for item in value):
        raise FeedFormatError(
            f"An object was expected, not {_type_name(value[0])}.",
            file=file,
            field=f"{field or ''}[0]",
        )
    return [item if isinstance(item, dict) else {} for item in value]


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
    none: Iterable[float] = (),
    between: tuple[float, float] = (-LARGEST, LARGEST),
    notices: list[str] | None = None,
) -> int | None:
    """A whole number; as for `number`."""
    value = number(row, key, file, where, none=none, between=between, notices=notices)
    if value is None or value == int(value):
        return None if value is None else int(value)
    _notice_fault("A whole number", row, key, file, where, notices)
    return None


def number(
    row: Mapping[str, Any],
    key: str,
    file: str,
    where: str = "",
    *,
    none: Iterable[float] = (),
    between: tuple[float, float] = (-LARGEST, LARGEST),
    notices: list[str] | None = None,
) -> float | None:
    """A number, also where it is written as text.

    None for null, `""`, `"NA"`, an absent field and the values in `none`.

    Args:
        row: The object that holds it.
        key: Its field.
        file: The file, for errors.
        where: The object's place in the file, for errors.
        none: What the feed writes where it has no value.
        between: The least and the largest value that is possible.
        notices: Where given, a value at fault costs itself and a sentence here, not the file.

    Raises:
        FeedFormatError: If there is something else, and no `notices` for it.
    """
    value = row.get(key)
    if isinstance(value, str):
        if value.strip() in ("", "NA"):
            return None
        try:
            value = float(value)
        except ValueError:
            value = float("nan")
    if value is None:
        return None
    low, high = between
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < LARGEST:
        _notice_fault("A number", row, key, file, where, notices)  # NaN and infinities as well
    elif value in none:
        return None
    elif low <= value <= high:
        return value
    else:
        expected = f"A number from {low:g} " + (f"to {high:g}" if high < LARGEST else "up")
        _notice_fault(expected, row, key, file, where, notices)
    return None


def truth(row: Mapping[str, Any], key: str) -> bool:
    """A truth, also where it is written as a number or as text."""
    return str(row.get(key)).strip().casefold() in ("true", "1", "1.0", "yes")


def text(row: Mapping[str, Any], key: str) -> str | None:
    """A text without blanks around it; none for null, `""` and `"NA"`."""
    value = row.get(key)
    if value is None:
        return None
    stripped = " ".join(str(value).split())
    return None if stripped in ("", "NA") else stripped


def _notice_fault(
    expected: str,
    row: Mapping[str, Any],
    key: str,
    file: str,
    where: str,
    notices: list[str] | None,
) -> None:
    """Tells or raises that a value is not what was expected."""
    shown = repr(row[key])
    message = f"{expected} was expected, not {shown if len(shown) <= 40 else shown[:37] + '...'}."
    error = FeedFormatError(message, file=file, field=_path(where, key))
    if notices is None:
        raise error
    notices.append(f"{error} The value is left out.")


def _path(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _type_name(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", type(None): "null", bool: "a truth"}
    return names.get(type(value), "a number")
