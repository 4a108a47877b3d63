"""What a race's feed file must be to be landed: whole JSON of the right form and race."""

from __future__ import annotations

from typing import Any

from nascar_assets.feed.parse_loop_stats import parse_loop_stats
from nascar_assets.feed.paths import RACE_FILES, SERIES_NUMBERS, FeedFile
from nascar_assets.feed.payload import (
    FeedFormatError,
    Payload,
    decoded,
    integer,
    records,
    required,
)


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
    key = "results" if kind == "weekend" else next(iter(RACE_FILES[kind].lists), None)
    return all(
        part is None or (isinstance(part, dict) and key in part and not part[key])
        for part in (value if isinstance(value, list) else [value])
    )


def check_race_file(data: Payload, file: FeedFile, path: str) -> None:
    """Refuses a file that is not what its path says.

    Looks at the outer form only; what the rows hold is the parsers' matter. Loop statistics of no
    driver are refused here, so that the last good ones stay: results are made without them too.

    Args:
        data: The file's content, as bytes or decoded.
        file: What the path says that it holds.
        path: The feed's path, for the error.

    Raises:
        FeedFormatError: If the file is no whole JSON file, or has another form or another race, or
            is of loop statistics and no driver has any.
    """
    value = decoded(data, path)
    form = RACE_FILES[file.kind]
    parts = records(value, path) if form.many else [value]
    if file.kind == "loop_stats" and len(parts) != 1:
        raise FeedFormatError(f"One race was expected, not {len(parts)}.", file=path)
    held = [_list_in(part, name, path) for part in parts for name in form.lists]
    if file.kind == "weekend":
        if not held[0]:
            raise FeedFormatError("The weekend feed holds no race.", file=path)
        _same_race(held[0][0], file, path)
        where = "weekend_race[0]"
        rows = required(held[0][0], "results", path, where)
        records(rows or [], path, f"{where}.results")
    elif file.kind == "loop_stats":
        _same_race(parts[0], file, path)
        race = {"season": file.season, "series": file.series, "race_id": file.race_id}
        if held[0] and parse_loop_stats(parts, race).frame.is_empty():
            raise FeedFormatError("No driver has an id.", file=path, field="[0].drivers")
    elif parts and file.kind == "pit_data" and not any("pit_in_race_time" in s for s in parts):
        required(parts[0], "pit_in_race_time", path)


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
