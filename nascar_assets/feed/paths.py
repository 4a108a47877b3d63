"""Paths of the feed's tree: what lies where, and what a path means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import SERIES

SERIES_NUMBERS: dict[str, int] = {name: number for number, name in SERIES.items()}
"""The feed's numbers by series name."""


class RaceFile(NamedTuple):
    """A file that the feed has for each race.

    Attributes:
        path: Where it lies, with `{season}`, `{series}` (the feed's number) and `{race_id}`.
        lists: Keys of the lists that its object holds, the one that it is there for first.
        many: Whether it is a list of such objects.
    """

    path: str
    lists: tuple[str, ...] = ()
    many: bool = False


_FOLDER = "cacher/{season}/{series}/{race_id}"

RACE_FILES: Mapping[str, RaceFile] = {
    # Entries, starting order, official result.
    "weekend": RaceFile(f"{_FOLDER}/weekend-feed.json", ("weekend_race",)),
    # Loop statistics of the race.
    "loop_stats": RaceFile("loopstats/prod/{season}/{series}/{race_id}.json", ("drivers",), True),
    # Practice averages.
    "lap_averages": RaceFile(f"{_FOLDER}/lap-averages.json", ("Items",), True),
    # The race lap by lap.
    "lap_times": RaceFile(f"{_FOLDER}/lap-times.json", ("laps", "flags")),
    # The race's stops; the feed keeps them beside its laps once it was run.
    "pit_data": RaceFile(f"{_FOLDER}/live-pit-data.json", many=True),
}
"""The files of a race by kind: what is synced, checked, listed and watched for follows from it."""

RACE_KINDS: tuple[str, ...] = tuple(RACE_FILES)


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


def race_path(kind: str, season: int, series: str, race_id: str | int) -> str:
    """The path of one of `RACE_KINDS`."""
    number = series_number(series)
    return RACE_FILES[kind].path.format(season=season, series=number, race_id=race_id)


weekend_path = partial(race_path, "weekend")
loop_stats_path = partial(race_path, "loop_stats")
lap_averages_path = partial(race_path, "lap_averages")
lap_times_path = partial(race_path, "lap_times")
pit_data_path = partial(race_path, "pit_data")


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
        return FeedFile(kind, int(parts["season"]), series, parts.get("race_id"))
    return None


def _pattern(path: str) -> re.Pattern[str]:
    parts = {"season": r"\d{4}", "series": r"\d", "race_id": r"\d+"}
    named = {name: f"(?P<{name}>{form})" for name, form in parts.items()}
    return re.compile(path.replace(".", r"\.").format(**named))


_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_pattern("cacher/{season}/race_list_basic.json"), "schedule"),
    *((_pattern(file.path), kind) for kind, file in RACE_FILES.items()),
)
