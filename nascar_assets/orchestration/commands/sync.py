"""What a person asks for in one command: bring feed files in and materialise what they touch."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.errors import DagsterAssetCheckFailedError

from nascar_assets.errors import EnvironmentFault, InputError, causes
from nascar_assets.feed.landing import sync_from
from nascar_assets.feed.sources import TABLES
from nascar_assets.orchestration.automation.race_decisions import stale_races
from nascar_assets.orchestration.automation.seen_races import (
    NO_SETTLING,
    WAITS,
    see_races,
    stale_tables,
    table_lists,
)
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.runs import Progress, register_races, run_job, run_races
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.store import (
    table_path,
)
from nascar_assets.orchestration.tables import AS_OF_TABLES

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
        found = asdict(self)
        del found["input_at_fault"]
        found["seconds"] = {name: round(value, 3) for name, value in self.seconds.items()}
        return found


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
        feed: The feed's base URL or a folder that mirrors it.
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
        *report.notices,
        *(
            f"{item.path} was refused and lies in quarantine/: {item.reason}"
            for item in report.quarantined
        ),
    ]
    outcome.input_at_fault = bool(report.quarantined)
    outcome.seconds["feed"] = time.perf_counter() - started
    outcome.races, outcome.failures, waiting, faults = materialise_races(
        home,
        report.touched,
        series,
        seasons,
        location=location,
        schedule_changed=bool(report.schedules),
        seconds=outcome.seconds,
    )
    outcome.notices += map(WAITS.format, waiting)
    outcome.input_at_fault |= faults
    return outcome


def materialise_races(
    home: str,
    race_ids: Iterable[str],
    series: Collection[str],
    seasons: Collection[int],
    *,
    location: Location,
    schedule_changed: bool,
    seconds: dict[str, float],
) -> tuple[list[str], dict[str, str], list[str], bool]:
    """Materialises races by id, races whose tables are behind their files, and what follows.

    What is behind is found as the daemon's sensor finds it: so a sync that was stopped anywhere is
    taken up by the next one of its series and seasons. Races of others are left to theirs, so that
    what fails there is none of this sync's failures; ratings are made wherever they are behind.

    Returns:
        Keys done, what failed and why, keys of races that wait for their weekend feed, and whether
        the input is at fault for a failure.
    """
    root = Platform(home=home).root
    definitions = cache(location)
    started = time.perf_counter()
    if schedule_changed or not root.exists(table_path("schedule")):
        run_job(definitions().resolve_job_def("schedule_job"), open_instance(home))
    seconds["schedule"] = time.perf_counter() - started
    started = time.perf_counter()
    now = datetime.now(UTC)
    seen = see_races(root, now, settle=NO_SETTLING)
    wanted = {race.race_key for race in stale_races(seen.landed, seen.materialised)}
    touched = pl.col("race_id").is_in(sorted(race_ids)) | pl.col("race_key").is_in(sorted(wanted))
    asked = pl.col("series").is_in(list(series)) & pl.col("season").is_in(list(seasons))
    of_series = seen.schedule.filter(asked).sort("start_time", "race_id")
    unread = {
        key: seen.unread[path]
        for key in of_series["race_key"]
        if (path := seen.unsettled_races.get(key, "")) in seen.unread
    }
    waiting = [key for key in of_series["race_key"] if key in seen.waiting and key not in unread]
    touched_keys = of_series.filter(touched)["race_key"]
    keys = [key for key in touched_keys if key not in waiting and key not in unread]
    failures: dict[str, Exception] = {}
    if keys:
        instance = open_instance(home)
        register_races(instance, keys)
        run_keys = {key: race.run_key for key, race in seen.landed.items()}
        failures = run_races(definitions().resolve_job_def("race_job"), instance, keys, run_keys)
    seconds["races"] = time.perf_counter() - started
    started = time.perf_counter()
    made = table_lists(root, TABLES | AS_OF_TABLES)
    if behind := list(stale_tables(root, made, seen.schedule, datetime.now(UTC))):
        failures |= run_races(
            definitions().resolve_job_def("as_of_job"), open_instance(home), behind
        )
    seconds["ratings"] = time.perf_counter() - started
    done = [key for key in keys if key not in failures]
    reasons = {**unread, **{key: reason(error) for key, error in failures.items()}}
    return done, reasons, waiting, any(is_input_fault(error) for error in failures.values())


def reason(error: BaseException) -> str:
    """What a person sees of a failure: the innermost error that speaks of the input; of several
    failures of a run each once."""
    if isinstance(error, BaseExceptionGroup):
        return " ".join(dict.fromkeys(map(reason, error.exceptions)))
    found = _root_fault(error)
    return " ".join(str(found).split()) or type(found).__name__


def is_input_fault(error: BaseException) -> bool:
    """Whether a failure is the input's fault: a bad file, or a check that refused its table."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_input_fault, error.exceptions))
    fault = _root_fault(error)
    return isinstance(fault, InputError | DagsterAssetCheckFailedError)


def _root_fault(error: BaseException) -> BaseException:
    known = [cause for cause in causes(error) if isinstance(cause, InputError | EnvironmentFault)]
    return known[-1] if known else error
