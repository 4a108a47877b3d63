"""Results of one race: the official order and the loop statistics, joined and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from nascar_assets.feed.parse_loop_stats import LOOP_STATS, parse_loop_stats
from nascar_assets.feed.parse_weekend import parse_official_results
from nascar_assets.feed.paths import loop_stats_path, weekend_path
from nascar_assets.feed.payload import Parsed, Payload
from nascar_assets.feed.schemas import RESULTS

_COUNTED_LAPS = ("laps_led", "fastest_laps", "top15_laps", "loop_laps_led", "loop_laps")
"""Laps of a driver, of which there are no more than the race had."""


def build_race_results(
    race: Mapping[str, Any], weekend: Payload, loop_stats: Payload | None = None
) -> Parsed:
    """The result of a finished race, one row per driver who started.

    `finish` is the official place, after disqualification; `finish_on_track` is the order of the
    loop statistics. Starting positions and laps completed are the weekend feed's; so are laps
    led, unless they do not add up to the race's laps and those of the loop statistics do. Where
    the weekend feed lacks a driver's laps, those of the loop statistics are taken. Laps led and the
    laps of the loop statistics are left out with a notice where they are more than the race's.

    What does not add up stands in the notices: places that are missing in the official order
    (of rows that were left out), laps led that differ from the race's laps, drivers who are in one
    file only, a car with more laps than the race, more fastest laps than laps.

    Args:
        race: The race's row of `SCHEDULE`; points and exhibition races alike.
        weekend: The weekend feed.
        loop_stats: The loop statistics, where there are any.

    Returns:
        A table `RESULTS` by finish, and notices.

    Raises:
        FeedFormatError: If a file does not have the feed's form, the race was not run, or two
            cars share a finish.
    """
    official = parse_official_results(weekend, race)
    notices = list(official.notices)
    if loop_stats is None:
        loop = pl.DataFrame(schema=LOOP_STATS)
    else:
        parsed = parse_loop_stats(loop_stats, race)
        notices += parsed.notices
        loop = parsed.frame
    joined = official.frame.join(loop, on="driver_id", how="left", maintain_order="left")
    file = weekend_path(race["season"], race["series"], race["race_id"])
    if loop_stats is not None:
        notices += _unmatched(official.frame, loop, file)
    joined, beyond = _within_the_race(joined, file, race)
    notices += beyond
    joined = joined.with_columns(
        laps_completed=pl.coalesce("laps_completed", "loop_laps"),
        laps_led=pl.coalesce("laps_led", "loop_laps_led"),
    )
    notices += [
        f"{file}: {name} has no laps completed and is left out of the results."
        for name in joined.filter(pl.col("laps_completed").is_null())["driver_name"]
    ]
    joined = joined.filter(pl.col("laps_completed").is_not_null())
    notices += [
        f"{file}: {name} has no laps led, which count as 0."
        for name in joined.filter(pl.col("laps_led").is_null())["driver_name"]
    ]
    joined = joined.with_columns(pl.col("laps_led").fill_null(0))
    joined, led = _laps_led(joined, file)
    notices += led
    notices += _laws(joined, file)
    return Parsed(joined.select(list(RESULTS)).cast(pl.Schema(RESULTS)), tuple(notices))


def _unmatched(official: pl.DataFrame, loop: pl.DataFrame, file: str) -> list[str]:
    without = official.join(loop, on="driver_id", how="anti")
    notices = [
        f"{file}: {name} ({driver_id}) has no loop statistics."
        for name, driver_id in without.select("driver_name", "driver_id").iter_rows()
    ]
    alone = loop.join(official, on="driver_id", how="anti")
    return notices + [
        f"{file}: driver {driver_id} is in the loop statistics only and is left out."
        for driver_id in alone["driver_id"]
    ]


def _within_the_race(
    joined: pl.DataFrame, file: str, race: Mapping[str, Any]
) -> tuple[pl.DataFrame, list[str]]:
    """The results without counts of laps beyond the race's laps, and notices."""
    if joined.is_empty():
        return joined, []
    # A race that went on past its distance may not yet be told so. Its winner's laps say it too,
    # or, where they are not known, those of the next: not the most, which may be one wrong number.
    laps = max([joined["actual_laps"][0], *joined["laps_completed"].drop_nulls().head(1)])
    loops = loop_stats_path(race["season"], race["series"], race["race_id"])
    notices = []
    for column in _COUNTED_LAPS:
        where = file if column == "laps_led" else loops
        for name, count, loop in (
            joined.filter(pl.col(column) > laps)
            .select("driver_name", column, pl.col("loop_laps_led").alias("loop"))
            .iter_rows()
        ):
            taken = column == "laps_led" and loop is not None and loop <= laps
            instead = f"; that of the loop statistics, {loop}, is taken" if taken else ""
            notices.append(
                f"{where}: {name} has {column} {count}, more than the race's {laps} laps. The "
                f"value is left out{instead}."
            )
    possible = [pl.when(pl.col(name) <= laps).then(name).alias(name) for name in _COUNTED_LAPS]
    joined = joined.with_columns(possible)
    fastest = joined["fastest_laps"].sum()
    if fastest > laps:
        notices.append(
            f"{loops}: the fastest laps add up to {fastest}, and the race had {laps} laps."
        )
    return joined, notices


def _laps_led(joined: pl.DataFrame, file: str) -> tuple[pl.DataFrame, list[str]]:
    """Laps led that add up to the race's laps, where one of the two files has such."""
    if joined.is_empty():
        return joined, []
    laps = joined["actual_laps"][0]
    official = joined["laps_led"].sum()
    if official == laps:
        return joined, []
    loop = joined["loop_laps_led"].sum()
    if loop == laps:
        notice = (
            f"{file}: the official laps led add up to {official} of {laps}; those of the loop "
            f"statistics, which add up, are taken."
        )
        return joined.with_columns(laps_led=pl.col("loop_laps_led").fill_null(0)), [notice]
    return joined, [f"{file}: the laps led add up to {official}, and the race had {laps} laps."]


def _laws(joined: pl.DataFrame, file: str) -> list[str]:
    if joined.is_empty():
        return [f"{file}: no car started."]
    notices: list[str] = []
    finishes = set(joined["finish"].to_list())
    missing = sorted(set(range(1, len(finishes) + 1)) - finishes)
    if missing:
        places = ", ".join(str(place) for place in missing)
        notices.append(f"{file}: no car is left in the official places {places}.")
    starts = joined["start"].drop_nulls()
    if starts.n_unique() < len(starts):
        notices.append(f"{file}: two cars have the same starting position.")
    over = joined.filter(pl.col("laps_completed") > pl.col("actual_laps"))
    notices += [
        f"{file}: {name} has {laps} laps, more than the race."
        for name, laps in over.select("driver_name", "laps_completed").iter_rows()
    ]
    return notices
