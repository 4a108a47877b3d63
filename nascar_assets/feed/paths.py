"""Paths of the feed's tree: what lies where, and what a path means."""

from __future__ import annotations

import re
from typing import NamedTuple

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import SERIES

SERIES_NUMBERS: dict[str, int] = {name: number for number, name in SERIES.items()}
"""The feed's numbers by series name."""

RACE_KINDS: tuple[str, ...] = ("weekend", "loop_stats", "lap_averages", "lap_times", "pit_data")
"""The kinds of files that the feed has for a race."""


class FeedFile(NamedTuple):
    """What one path of the feed holds.

    Attributes:
        kind: `schedule` or one of `RACE_KINDS`.
        season: Year.
        series: `cup`, `xfinity` or `trucks`; none for a schedule.
        race_id: The feed's id of the race; none for a schedule.
    """

    kind: str
    season: int
    series: str | None
    race_id: str | None


def series_number(series: str) -> int:
    """The feed's number of a series.

    Raises:
        InputError: If the series is unknown.
    """
    try:
        return SERIES_NUMBERS[series]
    except KeyError:
        raise InputError(
            f"No series is called {series!r}.", remedy=f"Known series: {', '.join(SERIES_NUMBERS)}."
        ) from None


def schedule_path(season: int) -> str:
    """The schedule of all series of a season, with results in brief."""
    return f"cacher/{season}/race_list_basic.json"


def weekend_path(season: int, series: str, race_id: str | int) -> str:
    """The weekend feed of a race: entries, starting order, official result."""
    return f"cacher/{season}/{series_number(series)}/{race_id}/weekend-feed.json"


def loop_stats_path(season: int, series: str, race_id: str | int) -> str:
    """The loop statistics of a race."""
    return f"loopstats/prod/{season}/{series_number(series)}/{race_id}.json"


def lap_averages_path(season: int, series: str, race_id: str | int) -> str:
    """The practice averages of a race."""
    return f"cacher/{season}/{series_number(series)}/{race_id}/lap-averages.json"


def lap_times_path(season: int, series: str, race_id: str | int) -> str:
    """The race lap by lap."""
    return f"cacher/{season}/{series_number(series)}/{race_id}/lap-times.json"


def pit_data_path(season: int, series: str, race_id: str | int) -> str:
    """The stops of a race; the feed keeps them beside the race's laps once it was run."""
    return f"cacher/{season}/{series_number(series)}/{race_id}/live-pit-data.json"


def race_path(kind: str, season: int, series: str, race_id: str | int) -> str:
    """The path of one of `RACE_KINDS`."""
    return _RACE_PATHS[kind](season, series, race_id)


def parse_path(path: str) -> FeedFile | None:
    """What a path of the feed's tree holds; none for a path of another form."""
    for pattern, kind in _PATTERNS:
        found = pattern.fullmatch(path)
        if found is None:
            continue
        parts = found.groupdict()
        number = parts.get("series")
        if number is not None and int(number) not in SERIES:
            return None
        series = SERIES[int(number)] if number is not None else None
        name = parts.get("name")
        return FeedFile(
            _FILE_KINDS.get(name or "", kind), int(parts["season"]), series, parts.get("race_id")
        )
    return None


_RACE_PATHS = {
    "weekend": weekend_path,
    "loop_stats": loop_stats_path,
    "lap_averages": lap_averages_path,
    "lap_times": lap_times_path,
    "pit_data": pit_data_path,
}

_FILE_KINDS = {
    "weekend-feed": "weekend",
    "lap-averages": "lap_averages",
    "lap-times": "lap_times",
    "live-pit-data": "pit_data",
}

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"cacher/(?P<season>\d{4})/race_list_basic\.json"), "schedule"),
    (
        re.compile(
            r"cacher/(?P<season>\d{4})/(?P<series>\d)/(?P<race_id>\d+)/"
            r"(?P<name>weekend-feed|lap-averages|lap-times|live-pit-data)\.json"
        ),
        "weekend",
    ),
    (
        re.compile(r"loopstats/prod/(?P<season>\d{4})/(?P<series>\d)/(?P<race_id>\d+)\.json"),
        "loop_stats",
    ),
)
