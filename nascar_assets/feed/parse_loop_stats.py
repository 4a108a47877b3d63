"""Loop statistics of one race: positions over the race, passes, fastest laps, rating."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from nascar_assets.feed.paths import loop_stats_path
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
)

LOOP_STATS: dict[str, pl.DataType | type[pl.DataType]] = {
    "driver_id": pl.String,
    "finish_on_track": pl.Int32,
    "mid_position": pl.Int32,
    "closing_position": pl.Int32,
    "best_position": pl.Int32,
    "worst_position": pl.Int32,
    "average_position": pl.Float64,
    "passes": pl.Int32,
    "passed": pl.Int32,
    "quality_passes": pl.Int32,
    "fastest_laps": pl.Int32,
    "top15_laps": pl.Int32,
    "loop_laps_led": pl.Int32,
    "loop_laps": pl.Int32,
    "driver_rating": pl.Float64,
}
"""Loop statistics by driver, in the order on track at the end."""

_POSITIONS = {
    "finish_on_track": "ps",
    "mid_position": "mid_ps",
    "closing_position": "closing_ps",
    "best_position": "best_ps",
    "worst_position": "worst_ps",
}
_COUNTS = {
    "passes": "passes_gf",
    "passed": "passed_gf",
    "quality_passes": "quality_passes",
    "fastest_laps": "fast_laps",
    "top15_laps": "top15_laps",
    "loop_laps_led": "lead_laps",
    "loop_laps": "laps",
}
_NEEDED = ("finish_on_track", "fastest_laps", "loop_laps_led", "loop_laps")


def parse_loop_stats(payload: Payload, race: Mapping[str, Any]) -> Parsed:
    """The loop statistics of a race.

    A driver without an id (0, -1 or null) is left out. Of two rows for one driver the one with
    more laps is kept, and with the better position where the laps are the same. A number that is
    missing or cannot be costs itself and a notice.

    Args:
        payload: The loop statistics file: a list with one object for the race.
        race: The race's row of `SCHEDULE`.

    Returns:
        A table `LOOP_STATS`, and notices.

    Raises:
        FeedFormatError: If the file does not have the feed's form, or no driver has any
            statistics; names file and field.
    """
    file = loop_stats_path(race["season"], race["series"], race["race_id"])
    races = records(decoded(payload, file), file)
    if len(races) != 1:
        raise FeedFormatError(f"One race was expected, not {len(races)}.", file=file)
    found = integer(races[0], "race_id", file)
    if str(found) != race["race_id"]:
        raise FeedFormatError(
            f"The file holds race {found}, not {race['race_id']}.", file=file, field="[0].race_id"
        )
    where = "[0].drivers"
    drivers = records(required(races[0], "drivers", file, "[0]"), file, where)
    rows: list[dict[str, Any]] = []
    notices: list[str] = []
    for position, driver in enumerate(drivers):
        at = f"{where}[{position}]"
        number_of_driver = integer(
            driver, "driver_id", file, at, none=(0, -1), between=(1, LARGEST), notices=notices
        )
        if number_of_driver is None:
            notices.append(f"{file}: row {position + 1} has no driver and is left out.")
            continue
        row = {"driver_id": str(number_of_driver), **_statistics(driver, file, at, notices)}
        lacking = [column for column in _NEEDED if row[column] is None]
        if lacking:
            notices.append(f"{file}: driver {number_of_driver} has no {', '.join(lacking)}.")
        rows.append(row)
    if rows and all(row[column] is None for row in rows for column in _NEEDED):
        raise FeedFormatError("No driver has any statistics.", file=file, field=where)
    best: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (-(row["loop_laps"] or 0), _order(row))):
        if best.setdefault(row["driver_id"], row) is not row:
            notices.append(
                f"{file}: driver {row['driver_id']} has two rows; the one with "
                f"{row['loop_laps']} laps is left out."
            )
    kept = sorted(best.values(), key=_order)
    return Parsed(pl.DataFrame(kept, schema=LOOP_STATS, orient="row"), tuple(notices))


def _order(row: dict[str, Any]) -> float:
    """The place on track; drivers without one come last."""
    return float(row["finish_on_track"] or "inf")


def _statistics(
    driver: dict[str, Any], file: str, where: str, notices: list[str]
) -> dict[str, Any]:
    places: dict[str, Any] = {"none": (0, -1, 999), "between": (1, 100), "notices": notices}
    counts: dict[str, Any] = {"none": (-1, 999), "between": (0, 10_000), "notices": notices}
    return {
        **{
            column: integer(driver, key, file, where, **places)
            for column, key in _POSITIONS.items()
        },
        **{column: integer(driver, key, file, where, **counts) for column, key in _COUNTS.items()},
        "average_position": number(driver, "avg_ps", file, where, **places),
        "driver_rating": number(
            driver, "rating", file, where, none=(-1, 999), between=(0, 150), notices=notices
        ),
    }
