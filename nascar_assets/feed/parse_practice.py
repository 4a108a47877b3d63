"""Practice averages of one race: best laps and means of laps in a row, by session and driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from nascar_assets.feed.names import clean_name, normalise_name
from nascar_assets.feed.paths import lap_averages_path
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
)
from nascar_assets.feed.schemas import PRACTICE

NO_TIME = 999.0
"""What the feed writes where there is no average."""

_LONGEST_S = 1_000.0
"""Beyond this and what the feed writes for none, a number is no lap's seconds."""

_RUNS = (5, 10, 15, 20, 25, 30)


def parse_practice(
    payload: Payload, race: Mapping[str, Any], entries: pl.DataFrame | None = None
) -> Parsed:
    """The practice sessions of a race.

    A row without a driver's id (0) is given the id of the entry with the same name or, failing
    that, left out with a notice. Of two rows for one driver in a session the faster is kept.
    Times of 0 or less and of 999 or more are no times; what is no number at all gets a
    notice as well.

    Args:
        payload: The file of practice averages: a list of sessions.
        race: The race's row of `SCHEDULE`.
        entries: The race's `ENTRIES`, for rows without an id.

    Returns:
        A table `PRACTICE`, sessions in the feed's order, fastest first; and notices.

    Raises:
        FeedFormatError: If the file does not have the feed's form, or no driver has a best lap, or
            most have one that no lap can take; names file and field.
    """
    file = lap_averages_path(race["season"], race["series"], race["race_id"])
    by_name = (
        {}
        if entries is None
        else {
            normalise_name(name): driver_id
            for name, driver_id in entries.select("driver_name", "driver_id").iter_rows()
        }
    )
    kept: dict[tuple[int, str], dict[str, Any]] = {}
    titles: set[str] = set()
    bests: list[float | None] = []
    notices: list[str] = []
    for index, session in enumerate(records(decoded(payload, file), file)):
        if not session:
            notices.append(f"{file}: session {index + 1} is empty.")
            continue
        given = title = text(session, "Title") or f"Session {index + 1}"
        again = 1
        while title in titles:  # a session is known by its title
            again += 1
            title = f"{given} ({again})"
        titles.add(title)
        if title != given:
            notices.append(f"{file}: session {index + 1} is {given} again and called {title}.")
        where = f"[{index}].Items"
        for position, item in enumerate(
            records(required(session, "Items", file, f"[{index}]") or [], file, where)
        ):
            at = f"{where}[{position}]"
            name = clean_name(text(item, "FullName") or "")
            bests.append(number(item, "BestLapTime", file, at, notices=[]))
            found = integer(
                item,
                "NASCARDriverID",
                file,
                at,
                none=(0, -1),
                between=(1, LARGEST),
                notices=notices,
            )
            driver_id = str(found) if found is not None else by_name.get(normalise_name(name))
            if driver_id is None:
                notices.append(f"{file}: {title}: {name or 'a row'} has no id and is left out.")
                continue
            row = {
                "race_id": race["race_id"],
                "session": title,
                "driver_id": driver_id,
                **_times(item, file, at, notices),
                "qualifying_at": race["qualifying_at"],
            }
            first = kept.setdefault((index, driver_id), row)
            if first is not row:
                slower = row
                if _pace(row) < _pace(first):
                    kept[index, driver_id], slower = row, first
                notices.append(
                    f"{file}: {title}: {name} ({driver_id}) has two rows; the one with a best lap "
                    f"of {slower['best_lap_time_s']} s is left out."
                )
    present = [best for best in bests if best is not None]
    if bests and (not present or 2 * sum(best > _LONGEST_S for best in present) > len(present)):
        reason = "is beyond any lap: the units are wrong" if present else "is missing"
        raise FeedFormatError(
            f"The best lap of most drivers {reason}.", file=file, field="BestLapTime"
        )
    ordered = sorted(kept, key=lambda key: (key[0], _pace(kept[key]), key[1]))
    frame = pl.DataFrame([kept[key] for key in ordered], schema=PRACTICE, orient="row")
    return Parsed(frame, tuple(notices))


def _times(
    item: dict[str, Any], file: str, where: str, notices: list[str]
) -> dict[str, float | None]:
    keys = {
        "best_lap_time_s": "BestLapTime",
        "average_lap_time_s": "OverAllAvg",
        **{f"best_{laps}_lap_time_s": f"Con{laps}Lap" for laps in _RUNS},
    }
    times = {
        column: number(item, key, file, where, notices=notices) for column, key in keys.items()
    }
    return {
        column: time if time is not None and 0 < time < NO_TIME else None
        for column, time in times.items()
    }


def _pace(row: dict[str, Any]) -> float:
    best: float | None = row["best_lap_time_s"]
    return NO_TIME if best is None else best
