"""What a person asks for in one command: bring feed files in and materialise what they touch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.errors import DagsterAssetCheckFailedError

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.feed.landing import LANDING, sync_from
from nascar_assets.feed.paths import parse_path
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.runs import register_races, run_job, run_races
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.store import (
    scan_all,
    scan_table,
    stored_partitions,
    table_path,
)
from nascar_assets.storage import DataRoot

Progress = Callable[..., None]

Location = Callable[[], dg.Definitions]
"""Loads the definitions of the code location; called when something has to be run."""


@dataclass
class SyncOutcome:
    """What a sync did."""

    changed: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    races: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    input_at_fault: bool = False

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "changed": self.changed,
            "quarantined": self.quarantined,
            "races": self.races,
            "failures": self.failures,
            "notices": self.notices,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }


def sync_races(
    home: str,
    feed: str,
    series: Sequence[str],
    seasons: Sequence[int],
    *,
    location: Location,
    progress: Progress | None = None,
) -> SyncOutcome:
    """Brings feed files into the landing folder and materialises the races that they touch.

    Args:
        home: The data root.
        feed: The feed's base URL or a folder that mirrors it.
        series: Series names.
        seasons: Seasons.
        location: Loads the definitions whose jobs are run.
        progress: Called with files done, files in all, and the file at hand.

    Raises:
        InputError: If a series is unknown or the feed's folder does not exist.
        EnvironmentFault: If the feed cannot be reached or the root not written.
    """
    outcome = SyncOutcome()
    root = Platform(home=home).root
    started = time.perf_counter()
    report = sync_from(feed, root, series, seasons, now=datetime.now(UTC), progress=progress)
    outcome.changed = list(report.changed)
    outcome.quarantined = [item.path for item in report.quarantined]
    outcome.notices = [
        f"{item.path} was refused and lies in quarantine/: {item.reason}"
        for item in report.quarantined
    ]
    outcome.input_at_fault = bool(report.quarantined)
    outcome.seconds["feed"] = time.perf_counter() - started
    behind = races_behind(root)
    outcome.races, outcome.failures, faults = materialise_races(
        home,
        sorted({*report.touched, *behind}),
        location=location,
        schedule_changed=bool(report.schedules),
        seconds=outcome.seconds,
    )
    outcome.input_at_fault |= faults
    return outcome


def races_behind(root: DataRoot) -> list[str]:
    """Races whose tables were not made from the files that lie in the landing folder.

    So a sync that was stopped half-way is taken up by the next one.

    Returns:
        Race ids, sorted.
    """
    made = {}
    if stored_partitions(root, "race_files"):
        stored = scan_all(root, "race_files", {}).select("path", "sha256").collect()
        made = dict(stored.iter_rows())
    results = set(stored_partitions(root, "race_results"))
    rated = set(stored_partitions(root, "track_profiles"))
    rated &= set(stored_partitions(root, "race_features"))
    keys = {}
    if root.exists(table_path("schedule")):
        schedule = scan_table(root, "schedule").select("race_id", "race_key").collect()
        keys = dict(schedule.iter_rows())
    behind = set()
    for item in root.list(LANDING):
        parsed = parse_path(item.path.removeprefix(f"{LANDING}/"))
        if parsed is None or parsed.race_id is None:
            continue
        data = root.read(item.path)
        key = keys.get(parsed.race_id)
        whole = key in results and key in rated
        if not whole or (data is not None and made.get(item.path) != sha256(data).hexdigest()):
            behind.add(parsed.race_id)
    return sorted(behind)


def materialise_races(
    home: str,
    race_ids: Sequence[str],
    *,
    location: Location,
    schedule_changed: bool,
    seconds: dict[str, float],
) -> tuple[list[str], dict[str, str], bool]:
    """Materialises races by id, and what depends on them.

    Returns:
        Keys done, what failed and why, and whether the input is at fault for a failure.
    """
    root = Platform(home=home).root
    if not race_ids and not schedule_changed and root.exists(table_path("schedule")):
        return [], {}, False
    definitions = location()
    instance = open_instance(home)
    started = time.perf_counter()
    if schedule_changed or not root.exists(table_path("schedule")):
        run_job(definitions.resolve_job_def("schedule_job"), instance)
    seconds["schedule"] = time.perf_counter() - started
    if not race_ids:
        return [], {}, False
    touched = (
        scan_table(root, "schedule")
        .filter(pl.col("race_id").is_in(list(race_ids)))
        .sort("start_time", "race_id")
        .select("race_key", "start_time")
        .collect()
    )
    keys: list[str] = touched["race_key"].to_list()
    started = time.perf_counter()
    register_races(instance, keys)
    failures = run_races(definitions.resolve_job_def("race_job"), instance, keys)
    seconds["races"] = time.perf_counter() - started
    started = time.perf_counter()
    if keys:
        later = _races_from(root, touched["start_time"].min())
        failures |= run_races(definitions.resolve_job_def("as_of_job"), instance, later)
    seconds["ratings"] = time.perf_counter() - started
    done = [key for key in keys if key not in failures]
    reasons = {key: reason(error) for key, error in failures.items()}
    return done, reasons, any(is_input_fault(error) for error in failures.values())


def _races_from(root: Any, moment: Any) -> list[str]:
    """The materialised races that start at a moment or later: what a correction then can move."""
    present = stored_partitions(root, "race_results")
    return (
        scan_table(root, "schedule")
        .filter((pl.col("start_time") >= moment) & pl.col("race_key").is_in(present))
        .sort("start_time", "race_id")
        .collect()["race_key"]
        .to_list()
    )


def reason(error: BaseException) -> str:
    """What a person is told of a failure: the innermost error that speaks of the input."""
    found = _root_fault(error)
    return str(found) or type(found).__name__


def is_input_fault(error: BaseException) -> bool:
    """Whether a failure is the input's fault: a bad file, or a check that refused its table."""
    fault = _root_fault(error)
    return isinstance(fault, InputError | DagsterAssetCheckFailedError)


def _root_fault(error: BaseException) -> BaseException:
    found: BaseException = error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError | EnvironmentFault):
            found = cause
        cause = cause.__cause__ or cause.__context__
    return found
