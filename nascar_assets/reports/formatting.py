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


OBJECTIVES = {
    "mean": "mean points of a lineup",
    "quantile": "a high or low quantile of a lineup's points",
    "cvar": "mean points in the worst races",
    "expected_max": "mean points of the best lineup",
    "probability": "chance that a lineup reaches the points asked for",
    "top_fraction": "chance that a lineup is in the top of the field",
    "payout": "money won by an entry",
}
"""What an objective of the portfolio is, in plain words."""


def worth(objective: str, value: float, error: float | None) -> str:
    """What a portfolio is worth, in its objective's own unit, with the standard error."""
    if objective in ("probability", "top_fraction"):
        shown, unit = "{:.1%}", ""
    elif objective == "payout":
        shown, unit = "${:,.2f}", ""
    else:
        shown, unit = "{:.2f}", " points"
    known = error is not None and error == error
    spread = shown.format(error) if known else "not known: too few scenarios"
    return f"{shown.format(value)}{unit} (standard error {spread})"
