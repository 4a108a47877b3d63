"""The tables that parsers make and every other package reads, as schemas; `columns.feed` says what
each column means."""

from __future__ import annotations

from nascar_assets.columns import feed, views
from nascar_assets.columns.column import UTC_TIME, types_of

__all__ = [
    "ENTRIES",
    "LAPS",
    "LAP_SUMMARY",
    "PRACTICE",
    "RACE_COLUMNS",
    "RACE_OF_SUMMARY",
    "RESULTS",
    "SCHEDULE",
    "SERIES",
    "TRACK_TYPES",
    "UTC_TIME",
    "VIEWS",
]

SERIES: dict[int, str] = {1: "cup", 2: "xfinity", 3: "trucks"}
"""Series names by the feed's own number."""

TRACK_TYPES: tuple[str, ...] = ("superspeedway", "intermediate", "short", "road")

RACE_COLUMNS = types_of(feed.RACE_FACTS)
"""What identifies and describes a race; repeated in every table of races."""

SCHEDULE = types_of(feed.SCHEDULE)
ENTRIES = types_of(feed.ENTRIES)
RESULTS = types_of(feed.RESULTS)
PRACTICE = types_of(feed.PRACTICE)
LAPS = types_of(feed.LAPS)

LAP_SUMMARY = types_of(feed.LAP_SUMMARY)
"""What `summarise_laps` gives; times in seconds, speeds in miles per hour."""

RACE_OF_SUMMARY = types_of(feed.RACE_OF_SUMMARY)
"""Columns of the race that a summary carries where the race is given."""

VIEWS = types_of(views.VIEWS)
"""One row for each statement of each view of a slate."""
