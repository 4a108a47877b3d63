"""Validation of a landed file: its laps, or everything that is wrong with it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from nascar_assets.feed.schemas import LAPS
from nascar_assets.telemetry.check_laps import (
    clock_problems,
    length_problems,
    row_problems,
    schema_problems,
)
from nascar_assets.telemetry.check_loop_statistics import compare_with_loop_statistics
from nascar_assets.telemetry.clean_lap_times import clean_lap_times
from nascar_assets.telemetry.convert_flags import read_flag_states
from nascar_assets.telemetry.convert_lap_times import lap_times_problems, laps_from_lap_times
from nascar_assets.telemetry.convert_live_feed import laps_from_live_feed
from nascar_assets.telemetry.convert_pits import read_stops
from nascar_assets.telemetry.feed_values import (
    CLOCK_FULL_S,
    IMPOSSIBLE_SPEED_MPH,
    feed_number,
    parse_json,
)
from nascar_assets.telemetry.marks import flag_problems, stop_problems
from nascar_assets.telemetry.parquet_bounds import check_parquet
from nascar_assets.telemetry.problems import Problem, RefusedFile, problem, quarantine_report

IMPOSSIBLE_SHARE = 0.01
"""Share of impossible laps that a timing fault may explain; beyond it the units are wrong."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What came of a landed file.

    Attributes:
        file: Name of the file.
        content_hash: SHA-256 of its bytes.
        kind: `laps` (Parquet), `lap_times`, `live_feed`, `pit_data`, `flag_data`,
            `loop_statistics`, or `unknown`.
        laps: The canonical laps; none where the file is refused or holds no laps of its own.
        problems: Why the file is refused; empty where it is accepted.
        notes: What was met and mended, or is worth knowing.
    """

    file: str
    content_hash: str
    kind: str
    laps: pl.LazyFrame | None
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the file may be used."""
        return not self.problems

    def report(self) -> dict[str, Any]:
        """The quarantine report, as a value that JSON can hold."""
        return quarantine_report(self.file, self.content_hash, self.problems, self.notes)


def validate_landed(
    source: bytes | Path,
    file: str,
    race: Mapping[str, Any],
    others: Mapping[str, pl.LazyFrame] | None = None,
) -> Validation:
    """Validate one landed file against the race that it is said to belong to.

    Nothing is raised for a bad file: its problems come back, so that the rest goes on.

    Args:
        source: The file's bytes, or its path where it is too large for memory (Parquet).
        file: Its name.
        race: `race_id`, `track_id`, `start_time`; `track_length_miles`, `track_type`,
            `scheduled_laps`, `driver_ids` (ids of the entrants) and `driver_of_car` (ids by car
            number) where known.
        others: Laps of this race's files that were accepted before, by name, for clock skew. Lap
            times are not held against them: they have no clock of their own.

    Returns:
        The laps, or the problems.
    """
    digest = content_hash(source)
    if _size(source) == 0:
        return Validation(file, digest, "unknown", None, (problem(file, "the file is empty"),))
    return _validation(file, digest, "unknown", lambda: _found(source, file, race, others or {}))


def validate_snapshots(
    snapshots: Sequence[bytes], file: str, race: Mapping[str, Any]
) -> Validation:
    """Validate the snapshots of a race's live feed together, for together they make its laps.

    Args:
        snapshots: The bodies, in any order.
        file: Name for the problems.
        race: As for `validate_landed`.
    """
    digest = content_hash("".join(sorted(map(content_hash, snapshots))).encode())
    note = f"{len(snapshots)} snapshots of the live feed: laps between two of them are missing."

    def found() -> _Found:
        laps = laps_from_live_feed(snapshots, race, file=file).lazy()
        return "live_feed", laps, row_problems(laps, race, file), [note]

    return _validation(file, digest, "live_feed", found)


def _validation(
    file: str, digest: str, refused_kind: str, found: Callable[[], _Found]
) -> Validation:
    """What was found of a file, or why it is refused, of a kind by then known or not."""
    try:
        kind, laps, problems, notes = found()
    except RefusedFile as refused:
        return Validation(file, digest, refused_kind, None, refused.problems)
    except Exception as error:  # a stranger's file: what nobody foresaw is the file's fault
        reason = f"it cannot be read: {type(error).__name__}: {error}"
        return Validation(file, digest, refused_kind, None, (problem(file, reason),))
    return Validation(file, digest, kind, None if problems else laps, tuple(problems), tuple(notes))


def content_hash(source: bytes | Path) -> str:
    """SHA-256 of a file's content."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_Found = tuple[str, pl.LazyFrame | None, list[Problem], list[str]]
"""Kind, laps, problems, notes."""


def _found(
    source: bytes | Path, file: str, race: Mapping[str, Any], others: Mapping[str, pl.LazyFrame]
) -> _Found:
    if file.endswith(".parquet") or _starts_as_parquet(source):
        kind, laps, problems, notes = _parquet(source, race, file)
    else:
        kind, laps, problems, notes = _feed_body(_whole(source), race, file, others)
    if laps is not None and not problems:
        found, length_notes = length_problems(laps, race, file)
        problems, notes = [*problems, *found], [*notes, *length_notes]
        if kind != "lap_times" and "timestamp" in laps.collect_schema():
            for name, other in others.items():
                problems += clock_problems(laps, other, file, name)
    return kind, laps, problems, notes


def _size(source: bytes | Path) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def _whole(source: bytes | Path) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def _starts_as_parquet(source: bytes | Path) -> bool:
    if isinstance(source, bytes):
        return source[:4] == b"PAR1"
    with source.open("rb") as stream:
        return stream.read(4) == b"PAR1"


def _parquet(source: bytes | Path, race: Mapping[str, Any], file: str) -> _Found:
    if isinstance(source, bytes):
        check_parquet(source, file)
    scan = pl.scan_parquet(io.BytesIO(source) if isinstance(source, bytes) else source)
    try:
        schema = scan.collect_schema()
        problems = schema_problems(schema, file)
        if problems:
            return "laps", None, problems, []
        problems = row_problems(scan, race, file)
    except (PolarsError, OSError) as error:
        reason = f"no Parquet file, cut short or damaged: {error}"
        raise RefusedFile([problem(file, reason)]) from error
    race_id = pl.lit(str(race["race_id"]))
    given = {name: pl.col(name) for name in LAPS if name in schema}
    laps = scan.select(
        given.get(name, race_id if name == "race_id" else pl.lit(None)).cast(kind).alias(name)
        for name, kind in LAPS.items()
    )
    unknown = ", ".join(name for name in schema if name not in LAPS)
    notes = [f"Columns that no lap has are left out: {unknown}."] if unknown else []
    return "laps", laps, problems, notes


def _feed_body(
    data: bytes, race: Mapping[str, Any], file: str, others: Mapping[str, pl.LazyFrame]
) -> _Found:
    body = parse_json(data, file)
    if isinstance(body, dict) and "vehicles" in body:
        laps = laps_from_live_feed([body], race, file=file).lazy()
        return "live_feed", laps, row_problems(laps, race, file), []
    if isinstance(body, dict) and "laps" in body:
        return _lap_times(body, race, file)
    kind = _kind_without_laps(body)
    if kind is None:
        raise RefusedFile(
            [problem(file, "none of the feed's bodies that have to do with laps (keys unknown)")]
        )
    problems: list[Problem] = []
    for accepted in others.values() or (None,):
        if kind == "pit_data":
            stops = read_stops(body, file)
            problems += stop_problems(stops, race.get("driver_of_car", {}), accepted, race, file)
        elif kind == "flag_data":
            problems += flag_problems(read_flag_states(body, file), accepted, race, file)
    if kind == "loop_statistics":
        compare_with_loop_statistics(pl.DataFrame(schema=LAPS), body, file=file)
    return kind, None, problems, ["The file holds no laps of its own."]


def _kind_without_laps(body: Any) -> str | None:
    if isinstance(body, dict):
        if "FlagStates" in body:
            return "flag_data"
        return "loop_statistics" if "drivers" in body else None
    first = body[0] if isinstance(body, list) and body else None
    if isinstance(first, dict):
        if "pit_in_race_time" in first:
            return "pit_data"
        if "flag_state" in first:
            return "flag_data"
        if "drivers" in first:
            return "loop_statistics"
    return None


def _lap_times(body: Any, race: Mapping[str, Any], file: str) -> _Found:
    body, notes = clean_lap_times(body, file)
    problems = lap_times_problems(body, file)
    if problems:
        return "lap_times", None, problems, notes
    problems = _raw_lap_problems(body, file)
    laps = laps_from_lap_times(body, race, file=file).lazy()
    # Lap times carry no race and no clock of their own: what they are filled with cannot be wrong.
    problems += row_problems(laps.drop("race_id", "track_id", "timestamp"), race, file)
    if problems:
        return "lap_times", None, problems, []
    mended, full = _faulty_laps(body)
    if full:
        notes.append(f"{full} laps of {CLOCK_FULL_S} s (full clock field): their times are null.")
    if mended:
        notes.append(
            f"{mended} laps above {IMPOSSIBLE_SPEED_MPH:.0f} mph (timing faults): their times and "
            "speeds are null."
        )
    return "lap_times", laps, [], notes


def _raw_lap_problems(body: Any, file: str) -> list[Problem]:
    """What conversion would hide: a driver's second entry, times below zero, wrong units."""
    found: list[Problem] = []
    seen: set[int] = set()
    negative: list[int] = []
    row = 0
    for index, entry in enumerate(body["laps"], 1):
        driver = entry["NASCARDriverID"]
        if driver in seen:
            found.append(problem(file, f"driver {driver} has a second entry", "laps", [index]))
        seen.add(driver)
        for lap in entry["Laps"]:
            row += 1
            time = lap["LapTime"]
            if time is not None and (time < 0 or (time == 0 and lap["Lap"] >= 1)):
                negative.append(row)
    if negative:
        found.append(problem(file, "the lap time is not above 0 s", "LapTime", negative))
    faulty, full = _faulty_laps(body)
    if 2 * full > row:
        reason = f"{full} of {row} laps take {CLOCK_FULL_S} s or more: the units are wrong"
        found.append(problem(file, reason, "LapTime"))
    if faulty > IMPOSSIBLE_SHARE * max(row, 1) + 1:
        reason = (
            f"{faulty} of {row} laps are above {IMPOSSIBLE_SPEED_MPH:.0f} mph: the units are wrong"
        )
        found.append(problem(file, reason, "LapSpeed"))
    return found


def _faulty_laps(body: Any) -> tuple[int, int]:
    """Laps above any car's speed, and laps whose clock field was full."""
    fast = full = 0
    for entry in body["laps"]:
        for lap in entry["Laps"]:
            if lap["Lap"] < 1:
                continue
            speed, time = feed_number(lap["LapSpeed"]), lap["LapTime"]
            fast += speed is not None and speed > IMPOSSIBLE_SPEED_MPH
            full += time is not None and time >= CLOCK_FULL_S
    return fast, full
