"""The day of a race: its date in US Eastern time, by which schedule and contests count days."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

EASTERN = ZoneInfo("America/New_York")


def race_day(start: datetime) -> date:
    """The Eastern date of a race's start: a race of a Saturday evening is on Sunday by UTC.

    Args:
        start: When the race starts, with a time zone.
    """
    return start.astimezone(EASTERN).date()
