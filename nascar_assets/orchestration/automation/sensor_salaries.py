"""The sensor of salary files: each registers its slate, and open slates are run."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.feed.sources import OF_THE_RACE, TABLES
from nascar_assets.files import BESIDE, SMALL, SourceFile, check_size
from nascar_assets.orchestration.automation.landing_index import scan, sha256, unread_size
from nascar_assets.orchestration.automation.run_state import (
    RunState,
    newest_slate_run,
    races_in_flight,
    ratings_in_flight,
    run_state,
)
from nascar_assets.orchestration.automation.slate_decisions import (
    Outcome,
    SalaryCursor,
    SalaryLanded,
    SlateInputs,
    decide_salaries,
    slates_to_run,
)
from nascar_assets.orchestration.automation.week import BEFORE_LOCK, SlateWeek
from nascar_assets.orchestration.inputs.slate_files import SALARY_FOLDER
from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan, registrations
from nascar_assets.orchestration.inputs.views import changed_at
from nascar_assets.orchestration.jobs import slate_job
from nascar_assets.orchestration.partitions import RACES, keys_of
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.runs import register_slates
from nascar_assets.orchestration.storage.quarantine import put_in_quarantine, report_strays
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.orchestration.tables import AS_OF_TABLES
from nascar_assets.orchestration.tags import AT, SALARIES, SLATE, filters_of
from nascar_assets.storage import DataRoot, StorageFault

QUARANTINE = "quarantine/salaries"
INTERVAL_SECONDS = 15

AWAITED = timedelta(minutes=15)
"""Slates wait so long for a run of ratings to begin."""


@dg.sensor(
    name="landing_salaries",
    job=slate_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Salary files that landed: registers their slates, and runs the slates that are "
    "open when their salaries or the results and entries behind them are new.",
)
def landing_salaries(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """One scan; the cursor keeps what came of each file."""
    from nascar_assets.orchestration.automation.clock import clock_now
    from nascar_assets.orchestration.automation.notify import notify_new

    root, now = platform.root, clock_now()
    cursor = SalaryCursor.from_text(context.cursor)
    real = datetime.now(UTC)
    cursor, notices, notified = register_landed(root, cursor, real, now)
    fresh = {path: text for path, text in notices.items() if path in notified}
    notify_new(context.log, "landing_salaries", {}, fresh)
    known, damaged = registrations(root)
    slates = sorted(known)
    register_slates(context.instance, slates)  # before a run of theirs is asked for
    requests: list[dg.RunRequest] = []
    waiting = [f"{path}: {text}" for path, text in notices.items()]
    waiting += [str(error) for error in damaged.values()]
    if races_in_flight(context.instance):
        waiting.insert(0, "Slates wait for the races that are being run.")
    else:
        asked = slate_requests(root, context.instance, slates, real, now)
        ready = without_ratings_to_come(
            root, context.instance, [str(request.partition_key) for request in asked], real, now
        )
        requests = [request for request in asked if request.partition_key in ready]
        if len(ready) < len(asked):
            waiting.insert(0, "Slates wait for the ratings of what has landed.")
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None
        if requests
        else dg.SkipReason("; ".join(waiting)[:2000] or "Every open slate is up to date."),
        cursor=cursor.to_text(),
    )


def register_landed(
    root: DataRoot, cursor: SalaryCursor, real: datetime, now: datetime
) -> tuple[SalaryCursor, dict[str, str], set[str]]:
    """Registers the slates of salary files that landed.

    Args:
        cursor: The cursor of the last scan.
        real: The time by the machine's clock, which files are dated by.
        now: The time by the sensors' clock, which races are found by.

    Returns:
        The next cursor, notices by path, and the paths whose notice is new.

    Raises:
        StorageFault: If the folder cannot be listed: then nothing is decided.
    """
    listed, strays = root.landed(SALARY_FOLDER)
    found = scan(root, listed, "landing/.index/salaries.parquet", real, upper=SMALL.size)
    files = [
        SalaryLanded(path, digest, modified)
        for path, digest, modified in found.files.select("path", "value", "modified").iter_rows()
        if path.lower().endswith((".csv", ".tsv", ".txt", ".zip")) and not BESIDE.search(path)
    ]
    registered = {slate: there.source for slate, there in registrations(root)[0].items()}
    made: dict[str, Registration] = {}
    decision = decide_salaries(
        files,
        registered,
        cursor,
        _schedule_stamp(root, now),
        lambda file: _read(root, file, now, made),
        found.unsettled,
    )
    hashes = {file.path: file.sha256 for file in files}
    for slate, path in decision.register.items():
        if path in made:
            _keep(root, path, replace(made[path], source=replace(made[path].source, path=path)))
        elif slate in registered:  # a file read at an earlier scan counts again
            before = Registration.load(root, slate)
            _keep(root, path, replace(before, source=SourceFile(path, hashes[path])))
    notices = {
        path: outcome.text
        for path, (_, _, outcome) in decision.cursor.outcomes.items()
        if outcome.state != "slate" and any(file.path == path for file in files)
    }
    notices |= found.unread
    notices |= {
        path: f"{other} stands for this slate: it is newer, or has the ids that this file lacks."
        for path, other in decision.superseded.items()
    }
    notices |= {
        path: made[path].race_notice or ""
        for path in decision.register.values()
        if path in made and made[path].race_notice
    }
    for path, outcome in decision.news.items():
        if outcome.state == "refused":
            _quarantine(root, path, hashes[path], outcome.text)
    notices |= strays
    fresh = report_strays(root, strays, QUARANTINE)
    fresh |= {path for path, outcome in decision.news.items() if path in notices}
    return decision.cursor, notices, fresh


def _as_seen(root: DataRoot, path: str, digest: str) -> bytes | None:
    """A file that still is what was looked at; one that was replaced since waits."""
    try:
        data = root.read(path)
    except StorageFault:
        return None
    return data if data is not None and sha256(data) == digest else None


def _read(
    root: DataRoot, file: SalaryLanded, now: datetime, made: dict[str, Registration]
) -> Outcome | None:
    from nascar_assets.orchestration.inputs.registering import RaceNotFound, place_slate
    from nascar_assets.orchestration.storage.store import MissingPartition
    from nascar_assets.slates.salaries import read_salaries

    path = file.path
    try:
        check_size(unread_size(file.sha256), path, SMALL)
        data = _as_seen(root, path, file.sha256)
        if data is None:
            return None
        salaries = read_salaries(data, path.removeprefix(f"{SALARY_FOLDER}/"))
        registration, _ = place_slate(root, salaries, None, now)
    except (RaceNotFound, MissingPartition) as error:
        return Outcome("waiting", f"It waits for its race. {error}")
    except InputError as error:
        return Outcome("refused", str(error))
    except EnvironmentFault:
        raise
    except Exception as error:  # one file that nobody foresaw must not keep all others out
        return Outcome("refused", f"It cannot be read: {type(error).__name__}: {error}")
    made[path] = registration
    return Outcome("slate", registration.slate_id, salaries.has_ids)


def _keep(root: DataRoot, path: str, registration: Registration) -> None:
    data = _as_seen(root, path, registration.source.sha256)
    if data is not None:
        registration.save(root, data)


def _quarantine(root: DataRoot, path: str, digest: str, reason: str) -> None:
    """Keeps a copy of a refused file beside the report; the file itself stays for its owner.

    One that was too large to be read has the report alone.
    """
    size, data = unread_size(digest), None
    if not size:
        data = _as_seen(root, path, digest)
        if data is None:
            return
    name = path.rsplit("/", 1)[-1]
    report = {
        "file": path,
        "reason": reason,
        "bytes": size or len(data or b""),
        "sha256": None if size else digest,
    }
    put_in_quarantine(root, f"{QUARANTINE}/{name}", data, report)


def _schedule_stamp(root: DataRoot, now: datetime) -> str:
    """Changes when a file that waits for its race may find it, or one that was refused may do.

    That is with the schedule's content and the entry lists, and once an hour: an entry list becomes
    known, and a race comes near.
    """
    data = root.read(table_path("schedule"))
    lists = [(file.path, file.size, file.modified) for file in root.list("store/entries")]
    seen = f"{'' if data is None else sha256(data)} {lists} {now:%Y-%m-%d %H}"
    return sha256(seen.encode())[:24]


def slate_weeks(root: DataRoot, slates: Iterable[str] | None = None) -> dict[str, SlateWeek]:
    """The weeks of slates by key, of all where none are named, by the schedule as it is now.

    Without those that it does not have, and those whose own record is damaged.
    """
    from nascar_assets.orchestration.inputs.schedule import stored_schedule

    known, _ = registrations(root, slates)
    races = {row["race_id"]: row for row in stored_schedule(root).iter_rows(named=True)}
    return {
        slate: SlateWeek(slate, race["start_time"], race["entries_at"], race["qualifying_at"])
        for slate, registration in known.items()
        if (race := races.get(registration.race_id)) is not None
    }


def slate_requests(
    root: DataRoot, instance: dg.DagsterInstance, slates: list[str], real: datetime, now: datetime
) -> list[dg.RunRequest]:
    """The runs of open slates whose salaries or other inputs are newer than their newest run.

    Args:
        instance: Dagster's own, which knows the runs.
        real: The time by the machine's clock, which files are dated by.
        now: The time by the sensors' clock, which slates open and lock by.
    """
    from nascar_assets.orchestration.automation.seen_races import (
        OF_PAST_RACES,
        past_since,
        since,
        table_lists,
        unknown_to_run,
    )

    weeks = {key: week for key, week in slate_weeks(root, slates).items() if week.is_open(now)}
    if not weeks:
        return []
    tables = table_lists(root, OF_PAST_RACES.union(source.table for source in OF_THE_RACE))
    past = past_since(root, tables, now, real)
    changed = {source: since(root, tables, source.table, real) for source in OF_THE_RACE}
    inputs = []
    for slate, week in weeks.items():
        registration = Registration.load(root, slate)
        run = newest_slate_run(instance, slate)
        if run is not None and run.in_flight:
            continue
        race = registration.race_key
        moments = [
            times[race]
            for source, times in changed.items()
            if race in times and now >= week.known_at(source)
        ]
        stated = changed_at(root, slate)
        moments += [] if stated is None else [stated]
        if run is not None:
            moments += unknown_to_run(root, past, race, run.at, run.created).values()
        inputs.append(
            SlateInputs(
                week=week,
                salary_sha256=registration.source.sha256,
                inputs_since=max(moments, default=None),
                run_salary=(run.salaries if run else None) or _planned_salaries(root, slate),
                run_at=run.created if run else None,
                refresh_due=run is not None and refresh_due(instance, week, run.at, now),
            )
        )
    return [
        slate_request(root, item.slate_id, item.run_key, now, item.why)
        for item in slates_to_run(now, inputs)
    ]


def without_ratings_to_come(
    root: DataRoot,
    instance: dg.DagsterInstance,
    slates: Iterable[str],
    real: datetime,
    now: datetime,
) -> set[str]:
    """The slates of some that need not wait for ratings and features of what has landed.

    A slate reads them with the results: one that ran before they are made would run again after
    them. From an hour before lock on none waits.
    """
    every = set(slates)
    weeks = slate_weeks(root, every) if every else {}
    wait = {key for key, week in weeks.items() if now < week.lock - BEFORE_LOCK}
    return every - wait if wait and ratings_to_come(root, instance, real) else every


def ratings_to_come(root: DataRoot, instance: dg.DagsterInstance, now: datetime) -> bool:
    """Whether ratings and features are being made, or are about to be made of what has landed.

    Not where their run failed, or has not begun long after what it is to be made of came: it may
    wait for a pause to end, or its sensor is off.

    Args:
        now: The time by the machine's clock.
    """
    from nascar_assets.orchestration.automation.seen_races import rating_runs, table_lists
    from nascar_assets.orchestration.inputs.schedule import stored_schedule

    if ratings_in_flight(instance):  # asked before the tables are listed
        return True
    tables = table_lists(root, TABLES | AS_OF_TABLES)
    order = keys_of(instance, RACES)
    return any(
        now - since < AWAITED
        and run_state(instance, batch.run_key) in (RunState.NONE, RunState.LOST)
        for batch, since in rating_runs(root, tables, stored_schedule(root), order, now)
    )


def refresh_due(
    instance: dg.DagsterInstance, week: SlateWeek, last_run: datetime, now: datetime
) -> bool:
    """Whether the schedule of the week is to run a slate and has not asked for it yet."""
    from nascar_assets.orchestration.automation.week import due_refreshes

    due = due_refreshes(now, [week], {week.slate_id: last_run})
    return any(run_state(instance, refresh.run_key) is RunState.NONE for refresh in due)


def slate_request(
    root: DataRoot, slate: str, run_key: str, now: datetime, why: str
) -> dg.RunRequest:
    """The request of a slate's run: as of now, with the settings of the run before."""
    plan = SlatePlan.find(root, slate)
    config = {"as_of": now.isoformat(), **(plan.kept() if plan else {})}
    return dg.RunRequest(
        run_key=run_key,
        partition_key=slate,
        run_config={"ops": {"slate_plan": {"config": config}}},
        tags={
            **filters_of(slate),
            SLATE: slate,
            AT: now.isoformat(),
            SALARIES: Registration.load(root, slate).source.sha256,
            "nascar/why": why,
        },
    )


def _planned_salaries(root: DataRoot, slate: str) -> str | None:
    plan = SlatePlan.find(root, slate)
    return plan.source.sha256 if plan else None
