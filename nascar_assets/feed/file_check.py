"""What a race's feed file must be to be landed: whole JSON of the right form and race."""

from __future__ import annotations

from typing import Any

from nascar_assets.feed.paths import FeedFile
from nascar_assets.feed.payload import FeedFormatError, decoded, integer, records, required


def check_race_file(data: bytes, file: FeedFile, path: str) -> None:
    """Refuses a file that is not what its path says.

    Looks at the outer form only; what the rows hold is the parsers' matter.

    Args:
        data: The file's content.
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
        for stop in records(value, path, ""):  # empty where the feed lists no stops of the race
            required(stop, "pit_in_race_time", path)
    else:
        _list_in(value, "laps", path)
        _list_in(value, "flags", path)


def _list_in(value: Any, key: str, path: str) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        raise FeedFormatError("An object was expected.", file=path, field=key)
    return records(required(value, key, path), path, key)


def _same_race(race: dict[str, Any], file: FeedFile, path: str) -> None:
    found = integer(race, "race_id", path)
    if str(found) != file.race_id:
        raise FeedFormatError(
            f"The file holds race {found}, not {file.race_id}.", file=path, field="race_id"
        )
