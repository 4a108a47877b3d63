"""Weekend feed of one race: the entry list before it, and the official result after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from nascar_assets.feed.names import clean_name, normalise_name
from nascar_assets.feed.paths import weekend_path
from nascar_assets.feed.payload import (
    LARGEST,
    FeedFormatError,
    Parsed,
    Payload,
    decoded,
    integer,
    number,
    records,
    required,
    text,
    truth,
)
from nascar_assets.feed.schemas import ENTRIES, RACE_COLUMNS, RESULTS
from nascar_assets.feed.status import car_status
from nascar_assets.feed.teams import team_name

OFFICIAL_RESULTS: dict[str, pl.DataType | type[pl.DataType]] = {
    **ENTRIES,
    **{name: RESULTS[name] for name in ("results_at", "actual_laps", "cautions", "caution_laps")},
    **{name: RESULTS[name] for name in ("finish", "laps_completed", "laps_led")},
    **{name: RESULTS[name] for name in ("status", "status_text")},
}
"""The part of `RESULTS` that the weekend feed tells."""

FULL_FIELDS: dict[str, int] = {"cup": 40, "xfinity": 38, "trucks": 36}
"""Cars in a full field; a place beyond it and beyond the race's own field is not on the grid."""

_NO_PLACE = (0, -1, 999)
"""What the feed writes where there is no place."""

_MAKES = {"chevy": "Chevrolet", "chv": "Chevrolet", "frd": "Ford", "tyt": "Toyota"}

_KEPT = (
    "What is stored of the race stays as it was. Sync again when the feed has corrected the file, "
    "or correct it under landing/feed/{file}."
)

_ENTRY_RACE_COLUMNS = (*RACE_COLUMNS, "entries_at", "qualifying_at")


def parse_entries(payload: Payload, race: Mapping[str, Any]) -> Parsed:
    """The cars of a race with what is known of them before it.

    Rules, all of which look at what is known before the race only:

    - A car without a driver is left out. A driver whom the feed gives no id (0, -1 or null) is
      carried as `name:<normalised name>`.
    - Of two rows for one driver the one with the better starting position is kept, the first one
      where neither has any.
    - A starting position beyond a full field and beyond the race's own field is none: the car did
      not qualify.

    Args:
        payload: The weekend feed.
        race: The race's row of `SCHEDULE`.

    Returns:
        A table `ENTRIES` in starting order, or by car number before qualifying; and notices.

    Raises:
        FeedFormatError: If the file does not have the feed's form, or no driver has an id; names
            file and field.
    """
    file, _, rows = _weekend(payload, race)
    entries, notices = _identified(rows, race, file)
    limit = max(race["field_size"] or 0, FULL_FIELDS[race["series"]])
    for entry in entries:
        if entry["start"] is not None and entry["start"] > limit:
            notices.append(
                f"{file}: {entry['driver_name']} (car {entry['car_number']}) did not qualify: "
                f"place {entry['start']} of a field of {limit}."
            )
            entry["start"] = None
    kept = _one_row_each(
        entries, file, notices, lambda entry: (entry["start"] is None, entry["start"] or 0)
    )
    kept.sort(
        key=lambda entry: (
            entry["start"] is None,
            entry["start"] or 0,
            _car_order(entry["car_number"]),
        )
    )
    frame = pl.DataFrame(kept, schema=list(ENTRIES), schema_overrides=ENTRIES, orient="row")
    return Parsed(frame.select(list(ENTRIES)), tuple(notices))


def laps_run(payload: Payload, race: Mapping[str, Any]) -> int | None:
    """The laps that a race had by its weekend feed; none where that holds no final result.

    The schedule may learn later of a race that was run, and earlier. What the weekend feed says
    counts: laps of the race, a winner with laps, and that it is over (by the schedule, a winner, a
    time of the race, or all scheduled laps). A grid has none of these.

    Args:
        payload: The weekend feed.
        race: The race's row of `SCHEDULE`.

    Raises:
        FeedFormatError: If the file does not have the feed's form, or tells of a race that was run
            and of no car's finish and laps.
    """
    file, weekend, rows = _weekend(payload, race)
    left_out: list[str] = []  # the parsers of the rows report them
    placed = [row for row in rows if _place(row, "finishing_position", file, "", left_out)]
    ahead = max(
        (_laps(row, "laps_completed", file, "", left_out) or 0 for row in placed), default=0
    )
    run = _laps(weekend, "actual_laps", file, "", left_out)
    whole_distance = 0 < (race["scheduled_laps"] or 0) <= ahead
    over = (
        race["status"] == "complete"
        or whole_distance
        or text(weekend, "total_race_time") is not None
        or integer(weekend, "winner_driver_id", file, none=(0, -1), notices=left_out) is not None
    )
    raced = run or any(_started(row, file, "") for row in rows)
    if raced and not ahead and race["status"] == "complete":
        # A lost column is no grid, which would empty the stored results.
        raise _without("laps_completed" if placed else "finishing_position", file)
    if not ahead or not over or not (run or whole_distance or race["status"] == "complete"):
        return None
    return run or race["actual_laps"] or ahead


def parse_official_results(payload: Payload, race: Mapping[str, Any]) -> Parsed:
    """The official result of a finished race: order after disqualification, laps, status.

    Rules:

    - A row without laps and without a status did not start (did not qualify, or withdrew) and is
      left out, as is a car without a driver, or without a finishing place.
    - Of two rows for one driver the one with more laps is kept, and with the better finish where
      the laps are the same.
    - A status text that is not known counts as mechanical.
    - Where the race counts no leaders, its cautions are not known either.
    - A number that cannot be is left out with a notice.

    Args:
        payload: The weekend feed.
        race: The race's row of `SCHEDULE`.

    Returns:
        A table `OFFICIAL_RESULTS` by finish, and notices.

    Raises:
        FeedFormatError: If the file does not have the feed's form, no driver has an id, the race
            was not run, or two cars have the same finish.
    """
    file, weekend, rows = _weekend(payload, race)
    run = laps_run(payload, race)
    if run is None:
        raise FeedFormatError(
            "The race has not been run.", file=file, field="weekend_race[0].actual_laps"
        )
    entries, notices = _identified(rows, race, file, started_only=True)

    where = "weekend_race[0]"
    counted = _laps(weekend, "number_of_leaders", file, where, notices)
    shared = {
        "results_at": race["results_at"],
        "actual_laps": run,
        **{
            column: _laps(weekend, f"number_of_{column}", file, where, notices) if counted else None
            for column in ("cautions", "caution_laps")
        },
    }
    results = []
    for entry in entries:
        outcome = _outcome(entry, file, notices)
        if outcome["finish"] is None:
            notices.append(
                f"{file}: {entry['driver_name']} (car {entry['car_number']}) has no finishing "
                "place and is left out of the results."
            )
        else:
            results.append({**entry, **shared, **outcome})
    kept = _one_row_each(
        results, file, notices, lambda result: (-(result["laps_completed"] or 0), result["finish"])
    )
    _check_distinct_finishes(kept, race, file)
    kept.sort(key=lambda result: result["finish"])
    frame = pl.DataFrame(
        kept, schema=list(OFFICIAL_RESULTS), schema_overrides=OFFICIAL_RESULTS, orient="row"
    )
    return Parsed(frame, tuple(notices))


def _weekend(
    payload: Payload, race: Mapping[str, Any]
) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    file = weekend_path(race["season"], race["series"], race["race_id"])
    value = decoded(payload, file)
    if not isinstance(value, dict):
        raise FeedFormatError("A weekend feed is an object.", file=file)
    weekends = records(required(value, "weekend_race", file), file, "weekend_race")
    if not weekends:
        raise FeedFormatError("The weekend feed holds no race.", file=file, field="weekend_race")
    weekend = weekends[0]
    found = integer(weekend, "race_id", file, "weekend_race[0]")
    if str(found) != race["race_id"]:
        raise FeedFormatError(
            f"The file holds race {found}, not {race['race_id']}.",
            file=file,
            field="weekend_race[0].race_id",
        )
    where = "weekend_race[0]"
    rows = required(weekend, "results", file, where)  # empty before there are any, never left out
    return file, weekend, records(rows if rows is not None else [], file, f"{where}.results")


def _place(row: dict[str, Any], key: str, file: str, where: str, notices: list[str]) -> int | None:
    return integer(row, key, file, where, none=_NO_PLACE, between=(1, 100), notices=notices)


def _laps(row: dict[str, Any], key: str, file: str, where: str, notices: list[str]) -> int | None:
    return integer(row, key, file, where, none=(-1, 999), between=(0, 2000), notices=notices)


def _identified(
    rows: Iterable[dict[str, Any]],
    race: Mapping[str, Any],
    file: str,
    *,
    started_only: bool = False,
) -> tuple[list[dict[str, Any]], list[str]]:
    """The columns of `ENTRIES` for each row with a driver, the feed's row under `_row`."""
    shared = {column: race[column] for column in _ENTRY_RACE_COLUMNS}
    entries: list[dict[str, Any]] = []
    notices: list[str] = []
    for position, row in enumerate(rows):
        where = f"weekend_race[0].results[{position}]"
        car = text(row, "car_number")
        name = clean_name(text(row, "driver_fullname") or "")
        number_of_driver = integer(
            row, "driver_id", file, where, none=(0, -1), between=(1, LARGEST), notices=notices
        )
        if started_only and not _started(row, file, where):
            notices.append(f"{file}: {name or 'a car without a driver'} (car {car}) did not start.")
            continue
        if number_of_driver is None and not name:
            notices.append(f"{file}: car {car} has no driver and is left out.")
            continue
        if number_of_driver is None:
            driver_id = "name:" + normalise_name(name).replace(" ", "-")
            notices.append(f"{file}: {name} (car {car}) has no id and is carried as {driver_id}.")
        else:
            driver_id = str(number_of_driver)
        make = text(row, "car_make")
        entries.append(
            {
                **shared,
                "driver_id": driver_id,
                "driver_name": name or f"Driver {driver_id}",
                "car_number": car,
                "team": team_name(text(row, "team_name"), race["series"]),
                "manufacturer": _MAKES.get(make.casefold(), make) if make else None,
                "crew_chief": _person(text(row, "crew_chief_fullname")),
                "start": _place(row, "starting_position", file, where, notices),
                "qualifying_position": _place(row, "qualifying_position", file, where, notices),
                "qualifying_speed_mph": number(
                    row,
                    "qualifying_speed",
                    file,
                    where,
                    none=_NO_PLACE,
                    between=(0, 300),
                    notices=notices,
                ),
                "_row": row,
                "_where": where,
            }
        )
    if entries and all(entry["driver_id"].startswith("name:") for entry in entries):
        raise _without("driver_id", file)
    return entries, notices


def _outcome(entry: dict[str, Any], file: str, notices: list[str]) -> dict[str, Any]:
    row, where = entry["_row"], entry["_where"]
    status_text = text(row, "finishing_status")
    status, known = car_status(status_text, disqualified=truth(row, "disqualified"))
    if not known:
        notices.append(
            f"{file}: the status {status_text!r} of {entry['driver_name']} is not known "
            f"and counts as {status}."
        )
    return {
        "finish": _place(row, "finishing_position", file, where, notices),
        "laps_completed": _laps(row, "laps_completed", file, where, notices),
        "laps_led": _laps(row, "laps_led", file, where, notices),
        "status": status,
        "status_text": status_text,
    }


def _started(row: dict[str, Any], file: str, where: str) -> bool:
    laps = _laps(row, "laps_completed", file, where, [])
    return bool(laps) or text(row, "finishing_status") is not None


def _without(key: str, file: str) -> FeedFormatError:
    return FeedFormatError(
        f"No car has a usable {key}.",
        file=file,
        field=f"weekend_race[0].results.{key}",
        remedy=_KEPT.format(file=file),
    )


def _check_distinct_finishes(
    results: list[dict[str, Any]], race: Mapping[str, Any], file: str
) -> None:
    places: dict[int, list[dict[str, Any]]] = {}
    for result in results:
        places.setdefault(result["finish"], []).append(result)
    found = "; ".join(
        f"{_all_of(rows)} finished in place {place}"
        for place, rows in sorted(places.items())
        if len(rows) > 1
    )
    if found:
        raise FeedFormatError(
            f"Race {race['race_id']} ({race['race_name']}): {found}.",
            file=file,
            field="weekend_race[0].results.finishing_position",
            remedy=_KEPT.format(file=file),
        )


def _all_of(rows: list[dict[str, Any]]) -> str:
    *others, last = (f"{row['driver_name']} ({row['car_number']})" for row in rows)
    return f"{', '.join(others)} and {last}{' both' if len(rows) == 2 else ''}"


def _one_row_each(
    rows: list[dict[str, Any]], file: str, notices: list[str], rank: Any
) -> list[dict[str, Any]]:
    """One row for each driver, the best by rank; the others are reported."""
    best: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=rank):
        first = best.setdefault(row["driver_id"], row)
        if first is not row:
            notices.append(
                f"{file}: {row['driver_name']} ({row['driver_id']}) has two rows; car "
                f"{first['car_number']} is kept and car {row['car_number']} left out."
            )
    hidden = ("_row", "_where")
    return [{key: row[key] for key in row if key not in hidden} for row in best.values()]


def _person(name: str | None) -> str | None:
    return clean_name(name) or None if name else None


def _car_order(car: str | None) -> tuple[int, str]:
    return (int(car) if car and car.isdigit() else 1000, car or "")
