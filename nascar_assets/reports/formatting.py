"""How numbers and times are written in reports."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from nascar_assets.rules.race_day import EASTERN

NONE = "–"
"""Stands for a value that is not known."""


def decimal(value: float | None, digits: int = 1) -> str:
    """A number with a proper minus sign."""
    if value is None or value != value:
        return NONE
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def percent(value: float | None) -> str:
    """A share as per cent; small ones are not rounded to nothing."""
    if value is None or value != value:
        return NONE
    if 0.0 < value < 0.0005:
        return "<0.1"
    return f"{100.0 * value:.1f}" if value < 0.0995 else f"{100.0 * value:.0f}"


def dollars(value: int | None) -> str:
    """A salary."""
    return NONE if value is None else f"${value:,.0f}"


def eastern(value: datetime) -> str:
    """A time in US Eastern, the feed's and the sites' time.

    Raises:
        ValueError: If the time has no zone.
    """
    return f"{_in_zone(value, EASTERN):%a %Y-%m-%d %H:%M %Z}"


def utc(value: datetime) -> str:
    """A time in UTC.

    Raises:
        ValueError: If the time has no zone.
    """
    return f"{_in_zone(value, UTC):%Y-%m-%d %H:%M} UTC"


def _in_zone(value: datetime, zone: tzinfo) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone.")
    return value.astimezone(zone)
