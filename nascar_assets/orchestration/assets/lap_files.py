"""From the landed files of a race to its laps: which file gives them, which files mark them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.landing import read_landed
from nascar_assets.feed.schemas import LAPS
from nascar_assets.orchestration.assets.feed import (
    dropped_folder,
    dropped_laps_path,
    listed_file,
    race_payload,
)
from nascar_assets.orchestration.assets.race_tables import RaceInputs
from nascar_assets.orchestration.inputs.schedule import Race
from nascar_assets.orchestration.storage.quarantine import put_in_quarantine
from nascar_assets.orchestration.storage.store import scan_table, stored_partitions
from nascar_assets.storage import DataRoot
from nascar_assets.telemetry.artifacts import artifact_info
from nascar_assets.telemetry.check_laps import clock_problems
from nascar_assets.telemetry.check_loop_statistics import compare_with_loop_statistics
from nascar_assets.telemetry.clean_lap_times import clean_lap_times
from nascar_assets.telemetry.convert_pits import car_numbers
from nascar_assets.telemetry.feed_values import parse_json
from nascar_assets.telemetry.marks import join_flag_data, join_pit_data
from nascar_assets.telemetry.problems import RefusedFile, quarantine_report
from nascar_assets.telemetry.validate import (
    Validation,
    content_hash,
    validate_landed,
    validate_snapshots,
)

QUARANTINE = "quarantine/laps"


@dataclass(frozen=True)
class LandedLaps:
    """What the files of a race give.

    Attributes:
        laps: Canonical laps with their marks; none where no file gives laps or it is refused.
        sources: SHA-256 of every file that they were made from, by name.
        notices: What was met, mended or left out.
        failures: Why the file that should give the laps is refused.
    """

    laps: pl.DataFrame | None
    sources: Mapping[str, str]
    notices: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def flag_data_path(inputs: RaceInputs) -> str:
    """Where a race's flag data lie that were dropped in `landing/telemetry`."""
    return f"{dropped_folder(inputs)}/live-flag-data.json"


def snapshot_path(inputs: RaceInputs, data: bytes) -> str:
    """Where one snapshot of a race's live feed lies: named by its content, so each lies once."""
    return f"{dropped_folder(inputs)}/live-feed-{content_hash(data)[:16]}.json"


def with_entrants(root: DataRoot, race: Race) -> dict[str, Any]:
    """A race's row with `driver_ids` and `driver_of_car` where its entries are stored."""
    known = dict(race)
    if known["race_key"] in stored_partitions(root, "entries"):
        entries = scan_table(root, "entries", known["race_key"])
        cars = entries.select("car_number", "driver_id").collect()
        if cars.height:
            known["driver_ids"] = cars["driver_id"].to_list()
            known["driver_of_car"] = dict(cars.drop_nulls().iter_rows())
    return known


def landed_laps(inputs: RaceInputs) -> LandedLaps:
    """A race's laps from the files that `race_files` lists.

    Laps that a person dropped go before the feed's lap times, and these before snapshots of the
    live feed. Pit and flag data then mark what the laps do not say themselves; one that is at
    fault goes to quarantine, and the laps stay as they are without it.
    """
    race = with_entrants(inputs.root, inputs.race)
    dropped = listed_file(inputs, dropped_laps_path(inputs))
    times = race_payload(inputs, "lap_times")
    data = times if dropped is None else dropped
    dirt: list[str] = []
    if data is not None:
        name = f"{inputs.key}-{'lap-times.json' if dropped is None else 'laps.parquet'}"
        body, dirt = (data, dirt) if dropped is not None else _cleaned(data, name)
        found = validate_landed(body, name, race)
        sources = {name: content_hash(data)}
    else:
        snapshots = _snapshots(inputs)
        if not snapshots:
            return LandedLaps(None, {}, _waiting(inputs))
        name = f"{inputs.key}-live-feed.json"
        found = validate_snapshots(list(snapshots.values()), name, race)
        sources = {path: content_hash(shot) for path, shot in snapshots.items()}
    if found.laps is None:
        if data is not None:  # snapshots were looked at one by one when they landed
            report = quarantine_report(name, content_hash(data), found.problems, found.notes)
            put_in_quarantine(inputs.root, f"{QUARANTINE}/{name}", data, report)
        return LandedLaps(None, {}, failures=tuple(str(problem) for problem in found.problems))
    notices = [*dirt, *found.notes]
    if dropped is not None and times is not None:
        notices += _other_clock(found, validate_landed(times, "lap-times.json", race))
    if found.kind == "lap_times":
        race["driver_of_car"] = {**race.get("driver_of_car", {}), **car_numbers(data)}
    laps = found.laps.collect().select(list(LAPS)).cast(dict(LAPS))  # type: ignore[arg-type]
    return _marked(inputs, laps, race, sources, notices)


def accepted_laps(inputs: RaceInputs, name: str) -> dict[str, pl.LazyFrame]:
    """Laps of a race's files that were accepted before another one landed, by name.

    Args:
        name: The file that landed; what came of an earlier version of it is left out, for a
            correction may correct its clock.
    """
    root, race = inputs.root, inputs.race
    found = {}
    dropped = root.read(dropped_laps_path(inputs))
    if dropped is not None:
        try:
            (source,) = artifact_info(dropped).sources
        except (InputError, ValueError):  # put there by hand
            source = dropped_laps_path(inputs)
        checked = validate_landed(dropped, source, race)
        if checked.laps is not None and source != name:
            found[source] = checked.laps
    times = read_landed(root, "lap_times", race["season"], race["series"], race["race_id"])
    if times is not None:
        checked = validate_landed(times, "lap-times.json", race)
        if checked.laps is not None:
            found["lap-times.json"] = checked.laps
    return found


def agreement_with_loops(inputs: RaceInputs, laps: pl.DataFrame) -> str:
    """For how many drivers the laps agree with the race's loop statistics, in words."""
    data = race_payload(inputs, "loop_stats")
    if data is None:
        return "no loop statistics"
    try:
        agrees = compare_with_loop_statistics(laps, data)["agrees"]
    except RefusedFile as refused:
        return str(refused)
    return f"{agrees.sum()} of {len(agrees)} drivers agree"


def _cleaned(data: bytes, name: str) -> tuple[bytes, list[str]]:
    """The feed's lap times, ids and numbers as such, without laps and drivers that lack what they
    need; and notices."""
    try:
        body, dirt = clean_lap_times(parse_json(data, name), name, forgiving=True)
    except RefusedFile:
        return data, []  # validation says what is wrong with it
    return json.dumps(body).encode(), dirt


def _snapshots(inputs: RaceInputs) -> dict[str, bytes]:
    """The listed snapshots of the race's live feed, by path."""
    listed = inputs.table("race_files").filter(pl.col("kind") == "live_feed")["path"]
    found = {path: listed_file(inputs, path) for path in listed}
    return {path: data for path, data in found.items() if data is not None}


def _other_clock(dropped: Validation, times: Validation) -> list[str]:
    """A word where dropped laps, which go first, disagree with lap times that came after them."""
    if dropped.laps is None or times.laps is None:
        return []
    found = clock_problems(dropped.laps, times.laps, dropped.file, times.file)
    return [str(problem) for problem in found]


def _mark_files(inputs: RaceInputs) -> dict[str, bytes]:
    """The listed pit and flag files of the race, by name."""
    files = {
        f"{inputs.key}-live-pit-data.json": race_payload(inputs, "pit_data"),
        f"{inputs.key}-live-flag-data.json": listed_file(inputs, flag_data_path(inputs)),
    }
    return {name: data for name, data in files.items() if data is not None}


def _waiting(inputs: RaceInputs) -> tuple[str, ...]:
    return tuple(f"{name} waits for the race's laps." for name in _mark_files(inputs))


def _marked(
    inputs: RaceInputs,
    laps: pl.DataFrame,
    race: Mapping[str, Any],
    sources: dict[str, str],
    notices: list[str],
) -> LandedLaps:
    """The laps with what pit and flag files say of them."""
    for name, data in _mark_files(inputs).items():
        try:
            if name.endswith("live-pit-data.json"):
                joined = join_pit_data(
                    laps, data, race.get("driver_of_car", {}), race, file=name, notes=notices
                )
            else:
                joined = join_flag_data(laps, data, race, file=name, notes=notices)
        except RefusedFile as refused:
            report = quarantine_report(name, content_hash(data), refused.problems)
            put_in_quarantine(inputs.root, f"{QUARANTINE}/{name}", data, report)
            notices.append(f"{refused} The laps go without it; it lies in {QUARANTINE}.")
            continue
        if joined.equals(laps):
            notices.append(f"{name} says nothing that the laps do not say themselves.")
            continue
        laps, sources[name] = joined, content_hash(data)
    return LandedLaps(laps, sources, tuple(notices))
