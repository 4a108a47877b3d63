"""What a race's feed file must be to be landed: whole JSON of the right form and race."""

from __future__ import annotations

from typing import Any

from nascar_assets.feed.paths import SERIES_NUMBERS, FeedFile
from nascar_assets.feed.payload import (
    FeedFormatError,
    Payload,
    decoded,
    integer,
    records,
    required,
)

_HELD_IN = {
    "weekend": "results",
    "loop_stats": "drivers",
    "lap_averages": "Items",
    "lap_times": "laps",
}
"""Where a file of a kind holds what it is for."""


def holds_nothing_yet(value: Any, kind: str) -> bool:
    """Whether a body is what the feed sends where it has nothing yet: null, or empty lists.

    Args:
        value: The decoded body.
        kind: `schedule` or one of the kinds of a race's files.
    """
    if not value:
        return value is None or isinstance(value, list | dict)
    if kind == "schedule":
        return isinstance(value, dict) and not any(value.values())
    if kind == "weekend" and isinstance(value, dict) and "weekend_race" in value:
        if not value["weekend_race"]:
            return True
        value = value["weekend_race"]
    key = _HELD_IN.get(kind)
    return all(
        part is None or (isinstance(part, dict) and key in part and not part[key])
        for part in (value if isinstance(value, list) else [value])
    )


def check_race_file(data: Payload, file: FeedFile, path: str) -> None:
    """Refuses a file that is not what its path says.

    Looks at the outer form only; what the rows hold is the parsers' matter.

    Args:
        data: The file's content, as bytes or decoded.
        file: What the path says that it holds.
        path: The feed's path, for the error.

    Raises:
        FeedFormatError: If the file is no whole JSON file, or has another form or another race.
    """
    value = decoded(data, path)
    if file.kind == "weekend":
        races = _list_in(value, "weekend_race", path)
        if not races:
            raise FeedFormatError("The weekend feed holds no race.", file=path)
        _same_race(races[0], file, path)
    elif file.kind == "loop_stats":
        races = records(value, path, "")
        if len(races) != 1:
            raise FeedFormatError(f"One race was expected, not {len(races)}.", file=path)
        _list_in(races[0], "drivers", path)
        _same_race(races[0], file, path)
    elif file.kind == "lap_averages":
        for session in records(value, path, ""):
            _list_in(session, "Items", path)
    elif file.kind == "pit_data":
        stops = records(value, path, "")
        if stops and not any("pit_in_race_time" in stop for stop in stops):
            required(stops[0], "pit_in_race_time", path)
    else:
        _list_in(value, "laps", path)
        _list_in(value, "flags", path)


def _list_in(value: Any, key: str, path: str) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        raise FeedFormatError("An object was expected.", file=path, field=key)
    return records(required(value, key, path) or [], path, key)


def _same_race(race: dict[str, Any], file: FeedFile, path: str) -> None:
    required(race, "race_id", path)
    for key, what, expected in (
        ("race_id", "race", file.race_id),
        ("series_id", "series", SERIES_NUMBERS.get(file.series or "")),
        ("race_season", "season", file.season),
    ):
        found = integer(race, key, path)
        if str(found) != str(expected) and (key == "race_id" or found is not None):
            raise FeedFormatError(
                f"The file holds {what} {found}, not {expected}.", file=path, field=key
            )
