"""Sensors of runs: those that the machine lost are run again, those that failed are reported."""

import hashlib
import time
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.launcher import DefaultRunLauncher

from nascar_assets.errors import EnvironmentFault, causes
from nascar_assets.orchestration import jobs
from nascar_assets.orchestration.automation.notify import Notice, notifiers, notify_all, ui_link
from nascar_assets.orchestration.automation.run_state import (
    IN_FLIGHT,
    attempts_left,
    races_in_flight,
)
from nascar_assets.orchestration.hosts.presence import Lookout, host_name, say_alive, shared
from nascar_assets.orchestration.launchers import Launcher, launcher
from nascar_assets.orchestration.partitions import (
    RACES,
    RANGE_END,
    RANGE_START,
    SLATES,
    keys_of,
)
from nascar_assets.orchestration.previews import pinned_previews
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.tables import GRAPH_TABLES, RACE_TABLES
from nascar_assets.orchestration.tags import (
    API_CLIENT,
    API_JOB,
    AT,
    ATTEMPT,
    BACKFILL,
    FOR,
    HOST,
    JUDGED,
    LOST,
    NOTIFIED,
    OF_BACKFILL,
    PARTITION,
    QUEUE,
    RUN_KEY,
    SLATE,
    of_one_run,
)
from nascar_assets.processes import SLACK_SECONDS, born
from nascar_assets.storage import DataRoot

INTERVAL_SECONDS = 20
START_GRACE = timedelta(seconds=120)
"""A run that was created so long ago and has said nothing has no process."""

NEVER_BEGUN = timedelta(hours=1)
"""A run that a container was to begin, or that was made and never handed on, is lost after this."""

PAUSE = timedelta(minutes=1)
"""After a fault of the machine the next attempt waits so long, each one after it twice as long."""

LEFT = {JUDGED: "left"}
"""The tag of a lost run that is not to be repeated any more: it was, a newer run made up for it, or
it is too late or too often."""

LONGEST_SLATE_PAUSE = timedelta(minutes=5)
"""A slate waits no longer than this: the hour before lock is short."""

FAULTS_OF_THE_MACHINE = frozenset(
    {
        "EnvironmentFault",
        "StorageFault",
        "UnreadableFile",
        "GraphFault",
        "FeedReadError",
        "OSError",
        "ConnectionError",  # of an object store, as Polars reads it
        "ConnectionRefusedError",
        "ConnectionResetError",
        "TimeoutError",
        "MemoryError",
        "OperationalError",  # of Dagster's database
        "InterfaceError",
        "DagsterPostgresException",
        "DagsterExecutionInterruptedError",  # the machine was shut down
    }
)
"""Errors that a full disk or a server that is down raises; a later attempt may succeed."""

FOLLOWED = "dagster/from_automation_condition"
"""Dagster's tag of a run that a condition asked for, which has no run key."""

OF_API = "api_"
"""How the names of the API's jobs begin."""

MISSED_SECONDS = 15.0
"""A run that neither the broker nor a worker has for so long is lost."""

_LOOKOUT = Lookout()
_MISSED: dict[str, float] = {}
"""Since when the broker has had nothing of a run that no worker took, by this process's clock."""

_JOBS = frozenset(job.name for job in jobs.JOBS)
_FOLLOWERS = {jobs.race_job.name: RACE_TABLES, jobs.ontology_job.name: GRAPH_TABLES}


@dg.sensor(
    name="lost_runs",
    jobs=jobs.JOBS,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Runs whose process was killed, or that failed by the machine's fault (a full "
    "disk, a server that is down): starts them again, the latter after a pause that grows.",
)
def lost_runs(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Looks at every run that has not ended, on this machine and on others."""
    from nascar_assets.orchestration.automation.clock import clock_now

    if shared():
        say_alive(context.instance)
    now = datetime.now(UTC)
    for run in notify_lost(context.instance):
        context.log.warning("The process of run %s (%s) is gone.", run.run_id, run.job_name)
    last = context.last_tick_completion_time
    looked = datetime.fromtimestamp(last, UTC) if last else None
    mark_faults_of_the_machine(context.instance, looked)
    leave_old(context.instance, now, looked)
    requests = []
    for run in lost_and_not_repeated(context.instance, now, looked):
        if run.job_name == "as_of_job" and races_in_flight(context.instance):
            continue
        known = _has_partitions(context.instance, run)
        request = again(platform.root, run, clock_now()) if known else None
        if request is not None:
            requests.append(request)
        else:
            context.instance.add_run_tags(run.run_id, LEFT)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason("No run lost its process."),
    )


def notify_lost(instance: dg.DagsterInstance, *, own: bool = False) -> list[dg.DagsterRun]:
    """Marks the runs whose process is gone as lost and failed, and returns them.

    One that was being cancelled is cancelled, and not run again; so is one that a job of the API
    carried out: its server takes that job up. Looking may take a while: what has moved on in the
    meantime is left as it is.

    Args:
        own: Whether only those are looked at that this machine says it carries out.
    """
    now = datetime.now(UTC)
    lost = []
    for record in unfinished(instance, now, host_name() if own else None):
        seen = record.dagster_run
        if not is_lost(instance, record, now):
            continue
        run = instance.get_run_by_id(seen.run_id)
        if run is None or run.is_finished or run.tags.get(HOST) != seen.tags.get(HOST):
            continue
        if run.status is dg.DagsterRunStatus.CANCELING or API_JOB in run.tags:
            instance.report_run_canceled(run)
            continue
        instance.add_run_tags(run.run_id, {LOST: "true"})
        instance.report_run_failed(
            run, "The run's process is gone: killed, or the machine went down. It is run again."
        )
        lost.append(run)
    return lost


def unfinished(
    instance: dg.DagsterInstance, now: datetime, host: str | None = None
) -> list[dg.RunRecord]:
    """Records of the runs that were to begin and have not ended; the API's servers see to theirs.

    Among those that were made and not handed on are a backfill's whose daemon was killed in
    between: the next daemon goes on behind them, and waits for their end. Other runs are handed on
    by whoever made them, unless he was killed in between: those are found after an hour.

    Args:
        host: Only runs that this machine carries out; all where none is named.
    """
    waiting = dg.DagsterRunStatus.NOT_STARTED
    begun = [s for s in IN_FLIGHT if s not in (waiting, dg.DagsterRunStatus.QUEUED)]
    tags = {HOST: host} if host is not None else None
    found = list(instance.get_run_records(dg.RunsFilter(statuses=begun, tags=tags)))
    if host is None:
        found += [
            record
            for record in instance.get_run_records(dg.RunsFilter(statuses=[waiting]))
            if BACKFILL in record.dagster_run.tags
            or now - record.create_timestamp.astimezone(UTC) > NEVER_BEGUN
        ]
    return [record for record in found if not record.dagster_run.job_name.startswith(OF_API)]


def is_lost(instance: dg.DagsterInstance, record: dg.RunRecord, now: datetime) -> bool:
    """Whether the process of a run that has not ended is no longer there.

    Of a run of another machine, whether that machine has gone silent; of one that was handed to a
    broker and that no machine has taken, whether it waits there no more.
    """
    run = record.dagster_run
    host = run.tags.get(HOST)
    if host is not None and host != host_name():
        return _LOOKOUT.silent(instance, host)
    old = now - record.create_timestamp.astimezone(UTC) > START_GRACE and not _younger(record, now)
    if run.status is dg.DagsterRunStatus.NOT_STARTED:
        return old
    if host is None and QUEUE in run.tags and launcher() is Launcher.CELERY:
        return old and _left_the_broker(instance, run)
    if host is None and (
        QUEUE in run.tags or not isinstance(instance.run_launcher, DefaultRunLauncher)
    ):
        # In a container. Dagster looks after one that has begun, and not after one that cannot.
        silence = now - record.update_timestamp.astimezone(UTC)
        return run.status is dg.DagsterRunStatus.STARTING and silence > NEVER_BEGUN
    process = process_of(instance, run.run_id)
    if process is None:
        return old
    pid, seen = process
    return not is_alive(pid, seen)


def _younger(record: dg.RunRecord, now: datetime) -> bool:
    """Whether a run that waited in the queue was started a moment ago."""
    return now - record.update_timestamp.astimezone(UTC) <= START_GRACE


def _left_the_broker(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the broker has lost a run: it has none in that queue, and no worker took it.

    A worker that has just taken it says so a moment later: it must be missing in two looks.
    """
    if run.status != dg.DagsterRunStatus.STARTING:
        return False
    from nascar_assets.orchestration.hosts.celery_launcher import waiting

    try:
        waits = waiting(run.tags[QUEUE]) > 0
    except EnvironmentFault:  # the broker is away
        waits = True
    now = None if waits else instance.get_run_by_id(run.run_id)
    if now is None or HOST in now.tags or now.status != dg.DagsterRunStatus.STARTING:
        _MISSED.pop(run.run_id, None)
        return False
    return time.monotonic() - _MISSED.setdefault(run.run_id, time.monotonic()) >= MISSED_SECONDS


def process_of(instance: dg.DagsterInstance, run_id: str) -> tuple[int, datetime] | None:
    """The process that wrote a run's newest event with a process id, and when it did."""
    events = instance.get_records_for_run(run_id, limit=20, ascending=False).records
    for record in events:
        entry = record.event_log_entry
        event = entry.dagster_event
        if event is not None and event.pid is not None and event.step_key is not None:
            return event.pid, datetime.fromtimestamp(entry.timestamp, UTC)
    for record in events:
        event = record.event_log_entry.dagster_event
        if event is not None and event.is_engine_event:
            found = event.engine_event_data.metadata.get("pid")
            if found is not None:
                stamp = datetime.fromtimestamp(record.event_log_entry.timestamp, UTC)
                return int(str(found.value)), stamp
    return None


def is_alive(pid: int, seen: datetime) -> bool:
    """Whether a process that was seen at a time is still the one of that number."""
    began = born(pid)
    return began is not None and began <= seen.timestamp() + SLACK_SECONDS


def mark_faults_of_the_machine(
    instance: dg.DagsterInstance, looked: datetime | None = None
) -> None:
    """Marks failed runs that the machine was at fault for.

    A killed run is often found by Dagster first, which fails it from outside. A run that failed
    before it began could not be launched: a machine under load answers too late. By its errors a
    run is judged only where nobody waits for it: of a sensor, a schedule or a backfill.

    Args:
        looked: When the sensor looked last; what failed since or in the day before now is looked
            at, so that neither a week without a daemon hides a run nor an old home's are judged.
    """
    failed = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE],
            updated_after=_since(datetime.now(UTC), looked),
        ),
        limit=2_000,
    )
    for record in failed:
        run = record.dagster_run
        if {LOST, JUDGED} & run.tags.keys() or job_that_repeats(run) is None:
            continue
        by_itself = bool({RUN_KEY, FOLLOWED, BACKFILL} & run.tags.keys())
        tag = {JUDGED: "true"}
        if was_ended_from_outside(instance, run.run_id) or (by_itself and not record.start_time):
            tag = {LOST: "true"}
        elif by_itself and is_fault_of_the_machine(instance, run.run_id):
            tag = {LOST: "machine"}
        instance.add_run_tags(run.run_id, tag)


def is_fault_of_the_machine(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run failed by an error that a later attempt may not meet."""
    return bool(FAULTS_OF_THE_MACHINE & set(error_names(instance, run_id)))


def was_ended_from_outside(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run failed without a word of its own: its process was killed or crashed."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    records = instance.get_records_for_run(run_id, of_type=kinds).records
    events = [record.event_log_entry.dagster_event for record in records]
    return bool(events) and all(
        event is not None and event.is_run_failure and event.event_specific_data is None
        for event in events
    )


def error_names(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Names of the errors that a run and its steps failed by, the causes of each included."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    names = []
    for record in instance.get_records_for_run(run_id, of_type=kinds).records:
        event = record.event_log_entry.dagster_event
        error = None
        if event is not None and event.is_step_failure:
            error = event.step_failure_data.error
        elif event is not None and event.is_run_failure and event.event_specific_data is not None:
            error = event.job_failure_data.error
        names += [cause.cls_name or "" for cause in causes(error)]
    return names


def _since(now: datetime, looked: datetime | None) -> datetime:
    """From when on runs are looked at: for a day, and for as long as no daemon did."""
    day = now - timedelta(days=1)
    return min(day, looked or day)


def leave_old(instance: dg.DagsterInstance, now: datetime, looked: datetime | None) -> None:
    """Marks lost runs that were looked at for a day and not repeated: nothing waits for them."""
    old = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={LOST: ["true", "machine"]},
        updated_before=_since(now, looked),
    )
    for run in instance.get_runs(old):
        if JUDGED not in run.tags:
            instance.add_run_tags(run.run_id, LEFT)


def _has_partitions(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the races or slates of a run are still there; Dagster refuses a request without."""
    return set(_partition(run).values()) <= {
        key for of in (RACES, SLATES) for key in keys_of(instance, of)
    }


def lost_and_not_repeated(
    instance: dg.DagsterInstance, now: datetime, looked: datetime | None = None
) -> list[dg.DagsterRun]:
    """Runs that were lost, are due again, and have not been started again.

    One that was started again, or that a newer run made up for, is marked, and not looked at again.

    Args:
        looked: When `lost_runs` looked last, as for `mark_faults_of_the_machine`.
    """
    lost = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE],
            tags={LOST: ["true", "machine"]},
            updated_after=_since(now, looked),
        )
    )
    due = []
    for record in lost:
        run = record.dagster_run
        if JUDGED in run.tags or job_that_repeats(run) is None or not _pause_is_over(record, now):
            continue
        repeated = dg.RunsFilter(tags={RUN_KEY: f"lost:{run.run_id}"})
        if instance.get_runs(repeated, limit=1) or _superseded(instance, record):
            instance.add_run_tags(run.run_id, LEFT)
        else:
            due.append(run)
    return due


def to_be_repeated(instance: dg.DagsterInstance, now: datetime) -> list[dg.DagsterRun]:
    """Runs that lost their process and are about to be started again."""
    return [
        run
        for run in lost_and_not_repeated(instance, now)
        if run.tags[LOST] == "true" and attempts_left(run)
    ]


def _pause_is_over(record: dg.RunRecord, now: datetime) -> bool:
    run = record.dagster_run
    if run.tags[LOST] != "machine" or record.end_time is None:
        return True
    pause = PAUSE * 2 ** (int(run.tags.get(ATTEMPT, "1")) - 1)
    if run.job_name == "slate_job":
        pause = min(pause, LONGEST_SLATE_PAUSE)
    return now >= datetime.fromtimestamp(record.end_time, UTC) + pause


def job_that_repeats(run: dg.DagsterRun) -> str | None:
    """A run's own job; of a run that a condition asked for, the job that makes its tables."""
    if run.job_name in _JOBS:
        return run.job_name
    asked = {key.path[-1] for key in run.asset_selection or ()}
    if FOLLOWED not in run.tags or not asked:
        return None
    return next((job for job, tables in _FOLLOWERS.items() if asked <= tables), None)


def _superseded(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether a newer run has made what the lost one was to make."""
    run = record.dagster_run
    job, partition = job_that_repeats(run), _partition(run)
    newer = dg.RunsFilter(
        tags=partition,
        statuses=[dg.DagsterRunStatus.SUCCESS],
        created_after=record.create_timestamp,
    )
    return any(
        job_that_repeats(other) == job
        and _partition(other) == partition
        and (partition or other.run_config == run.run_config)
        and _makes_all_of(other, run)
        for other in instance.get_runs(newer, limit=200)
    )


def _partition(run: dg.DagsterRun) -> dict[str, str]:
    """The tags that say of which partitions a run is."""
    return {
        name: run.tags[name] for name in (PARTITION, RANGE_START, RANGE_END) if name in run.tags
    }


def _makes_all_of(other: dg.DagsterRun, run: dg.DagsterRun) -> bool:
    if other.asset_selection is None or run.asset_selection is None:
        return other.asset_selection is None  # the whole of its job
    return other.asset_selection >= run.asset_selection


def again(root: DataRoot, run: dg.DagsterRun, now: datetime) -> dg.RunRequest | None:
    """The request that repeats a lost run; none where it is too late or too often.

    A slate's run that a sensor or schedule started is repeated as of now, with the salaries of now.
    """
    from nascar_assets.orchestration.automation.sensor_salaries import slate_request, slate_weeks

    if not attempts_left(run):
        return None
    key = f"lost:{run.run_id}"
    tags = {
        ATTEMPT: str(int(run.tags.get(ATTEMPT, "1")) + 1),
        FOR: run.tags.get(FOR, run.tags.get(RUN_KEY, key)),
    }
    slate = run.tags.get(PARTITION) if SLATE in run.tags or run.job_name == "slate_job" else None
    if slate is not None:
        week = slate_weeks(root, [slate]).get(slate)
        if week is None or not week.is_open(now):
            return None
        if run.job_name == "slate_job" and AT in run.tags:
            why = run.tags.get("nascar/why", "inputs")
            fresh = slate_request(root, slate, key, now, why)
            return fresh.with_replaced_attrs(job_name=run.job_name, tags={**fresh.tags, **tags})
    old = {
        name: value
        for name, value in run.tags.items()
        if name in (RANGE_START, RANGE_END) or name.startswith("nascar/")
        if not of_one_run(name)
    }
    if BACKFILL in run.tags:
        old[OF_BACKFILL] = run.tags[BACKFILL]
    return dg.RunRequest(
        run_key=key,
        job_name=job_that_repeats(run),
        partition_key=run.tags.get(PARTITION),
        asset_selection=sorted(run.asset_selection) if run.asset_selection else None,
        run_config=run.run_config,
        tags={**old, **tags},
    )


def failure_notice(context: dg.RunFailureSensorContext) -> Notice:
    """What is notified of a failed run: job, partition, step, the input's own message."""
    run = context.dagster_run
    where = run.tags.get(PARTITION) or run.tags.get(RANGE_START) or ""
    lines = [str(context.failure_event.message or "").strip(), *_causes_notified(context)]
    lines.append(f"Run {run.run_id}; remedies: docs/operations.md.")
    subject = f"{run.job_name} failed{f' for {where}' if where else ''}"
    text = "\n".join(line for line in lines if line)
    return Notice(subject, text, run.run_id, ui_link("runs", run.run_id))


def _causes_notified(context: dg.RunFailureSensorContext) -> list[str]:
    """The innermost message of every step that failed."""
    return [step_cause(event) for event in context.get_step_failure_events()]


def step_cause(event: dg.DagsterEvent) -> str:
    """A failed step with the innermost message of its error."""
    *_, innermost = (None, *causes(event.step_failure_data.error))
    text = innermost.message.strip() if innermost is not None else "no message"
    return f"{event.step_key}: {text}"


def was_notified(context: dg.RunFailureSensorContext) -> bool:
    """Whether the same failure of the same race or slate was notified in the last day.

    A lost run is repeated, and a person runs again what the daemon ran: what failed for the same
    reason, with no success in between, is one failure. Remembers this one, where it is new.
    """
    run, instance = context.dagster_run, context.instance
    where = {key: run.tags[key] for key in (PARTITION, RANGE_START, RANGE_END) if key in run.tags}
    about = [*sorted(where.values()), *_causes_notified(context)]
    if not where or len(about) == len(where):
        return False
    name = hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]
    day = datetime.now(UTC) - timedelta(days=1)
    notified = instance.get_run_records(
        dg.RunsFilter(tags={NOTIFIED: name}, updated_after=day), limit=1
    )
    done = dg.DagsterRunStatus.SUCCESS
    if notified and not instance.get_runs(
        dg.RunsFilter(tags=where, statuses=[done], created_after=notified[0].create_timestamp),
        limit=1,
    ):
        return True
    instance.add_run_tags(run.run_id, {NOTIFIED: name})
    return False


def _notify_failure(context: dg.RunFailureSensorContext) -> None:
    """One notice for each race or slate and cause.

    A backfill has one of its own (`alerts`), and a client of the API gets his job's answer.
    """
    tags = context.dagster_run.tags
    if BACKFILL not in tags and API_CLIENT not in tags and not was_notified(context):
        notify_all(notifiers(own_log=context.log), failure_notice(context))


with pinned_previews():
    failed_runs = dg.run_failure_sensor(
        name="failed_runs",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of failed runs: in the log, by webhook or mail (docs/operations.md).",
    )(_notify_failure)
