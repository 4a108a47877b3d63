"""Checks of canonical laps, row by row: what no race can have produced."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

import polars as pl

from nascar_assets.feed.schemas import LAPS
from nascar_assets.telemetry.contract import FeatureAvailabilityContract
from nascar_assets.telemetry.feed_values import (
    IMPOSSIBLE_SPEED_MPH,
    MAX_LAPS,
    race_fact,
    race_start,
)
from nascar_assets.telemetry.laps import METADATA_COLUMNS
from nascar_assets.telemetry.problems import ROWS_SHOWN, Problem, problem

LONGEST_LAP_S = 6 * 3600.0
"""Seconds beyond which no lap can last: no red flag has been as long within one day's race."""

CLOCK_SLACK = timedelta(hours=1)
"""How far before the scheduled start a lap's time stamp may lie."""

LATEST_RUN = timedelta(days=7)
"""How long after the scheduled start a race may have been run (rain)."""

LAP_SLACK = 1.25
"""Laps over the scheduled ones, as a factor, that overtime can add."""

LENGTH_TOLERANCE = 0.03
"""Share by which time times speed may differ from an oval's length."""

CLOCK_TOLERANCE_S = 1.0
"""Seconds by which the times of two files of one race may differ."""

FLAGS: tuple[str, ...] = ("green", "yellow", "red", "white", "checkered")
"""Flags of the canonical lap."""


def schema_problems(schema: pl.Schema, file: str) -> list[Problem]:
    """What is wrong with a file's columns: missing, forbidden, or of another type.

    Integers may be of any width and times of any unit; text where numbers belong is refused, for a
    silent conversion would hide what went wrong where the file was written.
    """
    found = [
        problem(file, "the metadata column is missing", name)
        for name in METADATA_COLUMNS
        if name not in schema
    ]
    found += [
        problem(file, "the column is a result of the race itself, forbidden by contract", name)
        for name in schema.names()
        if name in FeatureAvailabilityContract.FORBIDDEN
    ]
    for name, expected in LAPS.items():
        kind = schema.get(name)
        if kind is not None and not _may_stand_for(kind, expected):
            found.append(problem(file, f"holds {kind} where {expected} is expected", name))
    return found


def _may_stand_for(kind: pl.DataType, expected: pl.DataType | type[pl.DataType]) -> bool:
    if kind == expected:
        return True
    if isinstance(kind, pl.Datetime):
        return isinstance(expected, pl.Datetime) and kind.time_zone is not None
    if expected == pl.Float64:
        return kind.is_numeric()
    return expected == pl.Int32 and kind.is_integer()


def row_problems(laps: pl.LazyFrame, race: Mapping[str, Any], file: str) -> list[Problem]:
    """What is wrong with the rows of laps whose schema is right.

    Args:
        laps: Laps with the metadata columns at least, in the file's order.
        race: `race_id`, `track_id`, `start_time`; `scheduled_laps` and `driver_ids` where known.
        file: Name for the problems. Rows count from 1.

    Returns:
        One problem per rule that is broken, with the rows that break it.
    """
    columns = laps.collect_schema().names()
    rules = [rule for rule in _rules(race) if set(rule[0]).issubset(columns)]
    if not rules:
        return []
    flagged = laps.with_row_index("row", offset=1).select(
        pl.col("row"),
        *(broken.fill_null(False).alias(str(index)) for index, (_, broken, _) in enumerate(rules)),
    )
    totals, firsts = pl.collect_all(
        [
            flagged.select(pl.len().alias("rows"), pl.exclude("row").sum()),
            flagged.select(
                pl.col("row")
                .filter(pl.col(str(index)))
                .head(ROWS_SHOWN)
                .implode()
                .alias(str(index))
                for index in range(len(rules))
            ),
        ],
        engine="streaming",
    )
    if totals.item(0, "rows") == 0:
        return [problem(file, "the file holds no lap")]
    found: list[Problem] = []
    for index, (needed, _, reason) in enumerate(rules):
        count = int(totals.item(0, str(index)))
        if count:
            rows = tuple(int(row) for row in firsts.item(0, str(index)))
            found.append(Problem(file, needed[0], rows, count, reason))
    return found + _wrong_drivers(laps, race, file)


_Rule = tuple[tuple[str, ...], pl.Expr, str]


def _rules(race: Mapping[str, Any]) -> list[_Rule]:
    """(columns, what breaks it, reason); the first column is the one at fault."""
    lap, time, speed = pl.col("lap"), pl.col("lap_time_s"), pl.col("lap_speed_mph")
    stamp = pl.col("timestamp")
    start = race_start(race).astimezone(UTC)
    race_id, track_id = str(race_fact(race, "race_id")), str(race_fact(race, "track_id"))
    before = lap.shift(1).over("driver_id")
    highest = lap.cum_max().shift(1).over("driver_id")
    seen_before = pl.struct("driver_id", "lap").is_first_distinct().not_()
    rules: list[_Rule] = [
        (("driver_id",), pl.col("driver_id").is_null(), "the driver is missing"),
        (("lap", "driver_id"), lap.is_null(), "the lap number is missing"),
        (("lap", "driver_id"), lap < 0, "the lap number is negative"),
        (("lap", "driver_id"), lap > MAX_LAPS, f"the lap number is above {MAX_LAPS}"),
        (
            ("lap", "driver_id"),
            seen_before & lap.is_not_null(),
            "the driver has this lap twice (two rows for one lap)",
        ),
        (
            ("lap", "driver_id"),
            (lap < before) & (lap < highest) & ~seen_before,
            "the lap number jumps back: the driver's laps are out of order",
        ),
        (
            ("race_id",),
            pl.col("race_id").is_null() | (pl.col("race_id") != race_id),
            f"the lap is of another race than {race_id}",
        ),
        (
            ("track_id",),
            pl.col("track_id") != track_id,
            f"the lap is of another track than {track_id}",
        ),
        (
            ("lap_time_s", "lap"),
            (time < 0) | (time.is_not_nan().not_()) | ((time == 0) & (lap >= 1)),
            "the lap time is not above 0 s",
        ),
        (
            ("lap_time_s", "lap"),
            time > LONGEST_LAP_S,
            f"the lap time is over {LONGEST_LAP_S:.0f} s, longer than any red flag",
        ),
        (
            ("lap_speed_mph",),
            (speed < 0) | (speed > IMPOSSIBLE_SPEED_MPH) | speed.is_not_nan().not_(),
            f"the speed is not between 0 and {IMPOSSIBLE_SPEED_MPH:.0f} mph",
        ),
        (("position",), ~pl.col("position").is_between(1, 100), "the position is not 1 to 100"),
        (("laps_led",), ~pl.col("laps_led").is_in([0, 1]), "laps led of one lap are not 0 or 1"),
        (("flag",), ~pl.col("flag").is_in(FLAGS), f"the flag is none of {', '.join(FLAGS)}"),
        (
            ("timestamp", "driver_id"),
            (stamp < start - CLOCK_SLACK) | (stamp > start + LATEST_RUN),
            f"the time lies before the race's start {start.isoformat()} or over "
            f"{LATEST_RUN.days} days after it (clock skew)",
        ),
        (
            ("timestamp", "driver_id", "lap"),
            (stamp < stamp.shift(1).over("driver_id")) & (lap > before),
            "the time is earlier than that of the driver's lap before (clock skew)",
        ),
    ]
    scheduled = race.get("scheduled_laps")
    if scheduled:
        upper = int(LAP_SLACK * scheduled) + 1
        rules.append(
            (
                ("lap",),
                lap > upper,
                f"more laps than the race's {scheduled} and overtime allow: another race's file",
            )
        )
    return rules


def _wrong_drivers(laps: pl.LazyFrame, race: Mapping[str, Any], file: str) -> list[Problem]:
    entered = race.get("driver_ids")
    if not entered:
        return []
    drivers = laps.select(pl.col("driver_id").cast(pl.String).unique()).collect()["driver_id"]
    known = int(drivers.is_in(list(map(str, entered))).sum())
    if 2 * known >= len(drivers):
        return []
    reason = f"only {known} of {len(drivers)} drivers are entered in this race: another race's file"
    return [problem(file, reason, "driver_id")]


def length_problems(
    laps: pl.LazyFrame, race: Mapping[str, Any], file: str
) -> tuple[list[Problem], list[str]]:
    """Whether times and speeds fit the race's track: their product is the track's length.

    Args:
        laps: Laps with times and speeds.
        race: `track_length_miles` and `track_type`, where known.
        file: Name for the problem.

    Returns:
        Problems, and notes. A road course is raced in more than one layout, so there another
        length is only noted.
    """
    expected = race.get("track_length_miles")
    columns = laps.collect_schema().names()
    if not expected or not {"lap_time_s", "lap_speed_mph"}.issubset(columns):
        return [], []
    product = (pl.col("lap_time_s") * pl.col("lap_speed_mph") / 3600.0).drop_nulls()
    length = laps.select(product.median()).collect(engine="streaming").item()
    if length is None or abs(length / expected - 1.0) <= LENGTH_TOLERANCE:
        return [], []
    reason = f"times and speeds are of a track of {length:.3f} miles, the race's has {expected:.3f}"
    if race.get("track_type") == "road":
        return [], [f"{reason}: another layout"]
    return [problem(file, f"{reason}: another race's file", "lap_speed_mph")], []


def clock_problems(
    laps: pl.LazyFrame, other: pl.LazyFrame, file: str, other_file: str
) -> list[Problem]:
    """Whether two files of one race agree about when laps ended.

    Args:
        laps: Laps of the file in question.
        other: Laps of a file of the same race that was accepted before.
        file: Name of the file in question.
        other_file: Name of the other file.

    Returns:
        A problem where the median difference over the laps that both hold is larger.
    """
    difference = (pl.col("timestamp") - pl.col("timestamp_right")).dt.total_microseconds() / 1e6
    skew = (
        laps.select("driver_id", "lap", "timestamp")
        .join(other.select("driver_id", "lap", "timestamp"), on=["driver_id", "lap"])
        .select(difference.median())
        .collect(engine="streaming")
        .item()
    )
    if skew is None or abs(skew) <= CLOCK_TOLERANCE_S:
        return []
    reason = f"the clock is {skew:+.3f} s off that of {other_file} for the same laps (clock skew)"
    return [problem(file, reason, "timestamp")]
