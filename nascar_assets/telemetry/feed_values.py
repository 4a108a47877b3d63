"""How the public feed writes laps: its flag codes, its sentinels, its JSON bodies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.payload import LARGEST, FeedFormatError, decoded
from nascar_assets.telemetry.problems import RefusedFile, problem

FLAG_NAMES: dict[int, str | None] = {
    1: "green",
    2: "yellow",
    3: "red",
    4: "checkered",
    5: "white",
    8: None,  # warm-up before the start
    9: None,  # track not active
}
"""Flag states by the feed's number. 1 to 4 and 8 occur in its race files; the rest is as the
feed's readers agree on (pynascar's code table among them)."""

MAX_LAPS = 2_000
"""No race has a quarter of it; arrays are as long as the last lap, so none beyond it is read."""

MAX_SECONDS = 100_000.0
"""Seconds that no lap's field can hold: more than a day."""

CLOCK_FULL_S = 9999.999
"""A lap time at which the feed's clock field is full: the true time is longer and unknown."""


IMPOSSIBLE_SPEED_MPH = 250.0
"""Average speed of a lap that no stock car can drive.

The fastest qualifying lap of the Cup series is 212.809 mph (Bill Elliott, Talladega, 1987).
"""


def parse_json(payload: Any, file: str) -> Any:
    """The parsed body of a feed file; a body that was parsed already is handed back.

    Raises:
        RefusedFile: For an empty body, a body that is no JSON, or a body that is `null`.
    """
    if isinstance(payload, (bytes, bytearray, memoryview, str)):
        text = payload if isinstance(payload, str) else bytes(payload)
        if not text.strip():
            raise RefusedFile([problem(file, "the file is empty")])
        try:
            payload = None if text.strip() in ("null", b"null") else decoded(text, file)
        except FeedFormatError as error:
            reason = f"the body is no JSON, cut short or damaged: {error.message}"
            raise RefusedFile([problem(file, reason)]) from error
    if payload is None:
        raise RefusedFile([problem(file, "the body is null: the feed has no data here")])
    return payload


def race_fact(race: Mapping[str, Any], name: str) -> Any:
    """One fact of the race that a converter needs.

    Raises:
        InputError: If the race does not hold it.
    """
    value = race.get(name)
    if value is None:
        raise InputError(f"The race lacks {name}, which its laps need.", field=name)
    return value


def race_start(race: Mapping[str, Any]) -> datetime:
    """The race's start, which must carry a time zone.

    Raises:
        InputError: If it is missing or names no zone.
    """
    start = race_fact(race, "start_time")
    if not isinstance(start, datetime) or start.tzinfo is None:
        raise InputError("The race's start_time is no time with a zone.", field="start_time")
    return start


def race_seconds(race: Mapping[str, Any]) -> pl.Expr:
    """Seconds of race time at which laps ended, by their `timestamp`."""
    start = race_start(race).astimezone(UTC)
    return (pl.col("timestamp") - pl.lit(start)).dt.total_microseconds() / 1e6


def number(value: Any) -> float | None:
    """A JSON number as a float; none for anything else, NaN and numbers without bound included."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < LARGEST else None


def feed_number(value: Any) -> float | None:
    """A number as the feed writes it: a number or, as lap times write speeds, a string of one."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return number(value)
