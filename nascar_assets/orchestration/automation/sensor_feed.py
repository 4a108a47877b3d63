"""The sensor of landed feed files: the schedule, the races they touch, ratings after them."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.orchestration.automation.race_decisions import (
    Batch,
    LandedRace,
    batches,
    singles,
    stale_races,
)
from nascar_assets.orchestration.automation.run_state import (
    IN_FLIGHT,
    RunState,
    races_in_flight,
    races_of,
    ratings_in_flight,
    run_state,
)
from nascar_assets.orchestration.jobs import as_of_job, race_job, schedule_job
from nascar_assets.orchestration.partitions import (
    RACES,
    RANGE_START,
    keys_of,
    range_tags,
)
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.runs import register_races
from nascar_assets.orchestration.storage.quarantine import report_strays
from nascar_assets.orchestration.tables import RACE_TABLES
from nascar_assets.orchestration.tags import (
    BACKFILL,
    BATCH,
    LOST,
    OF_BACKFILL,
    SKIPPED,
    filters_of,
    skipped_by,
)
from nascar_assets.processes import no_collection
from nascar_assets.storage import DataRoot, StorageFault

INTERVAL_SECONDS = 15
SCHEDULES = "cacher/"
"""What is notified of a schedule's file and its races goes by its path in the feed's tree."""

TAKEN_APART_FOR = timedelta(days=1)
"""A run over several races that failed longer ago is left as it is."""


@dataclass
class FeedTick:
    """What one scan of the landing folder decided.

    Attributes:
        requests: Runs to start.
        register: Race partitions to add.
        notices: What a person should know, by path or race.
        schedules: Content of the landed schedules that the stored table is known to agree with.
        waiting: What keeps something from being started now.
        apart: Ids of failed runs over several races whose races were all run one by one.
    """

    requests: list[dg.RunRequest]
    register: list[str]
    notices: dict[str, str]
    schedules: str
    waiting: list[str]
    apart: list[str]


@dg.sensor(
    name="landing_feed",
    jobs=[schedule_job, race_job, as_of_job],
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Feed files that landed: reads the schedule again, runs the races whose files are "
    "not those that their tables were made from, then the ratings of the races after them.",
)
def landing_feed(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """One scan; the cursor keeps what the schedule was compared with and what was notified."""
    from nascar_assets.orchestration.automation.notify import notify_new

    before = read_cursor(context.cursor)
    tick = decide_feed(
        platform.root,
        context.instance,
        str(before.get("schedules", "")),
        datetime.now(UTC),
        apart=before.get("apart", ()),
    )
    notified_before = before.get("notified", {})
    if tick.schedules and tick.schedules == before.get("schedules"):
        # The schedule was not read again, so what was notified of its races stands.
        tick.notices |= {k: v for k, v in notified_before.items() if k.startswith(SCHEDULES)}
    notified = notify_new(context.log, "landing_feed", notified_before, tick.notices)
    register_races(context.instance, tick.register)  # before a run of theirs is asked for
    kept = {"version": 1, "schedules": tick.schedules, "notified": notified, "apart": tick.apart}
    cursor = json.dumps(kept, sort_keys=True)
    reasons = [*tick.waiting, *(f"{path}: {text}" for path, text in tick.notices.items())]
    return dg.SensorResult(
        run_requests=tick.requests,
        skip_reason=None
        if tick.requests
        else dg.SkipReason("; ".join(reasons)[:2000] or "Everything that landed is up to date."),
        cursor=cursor,
    )


def read_cursor(text: str | None) -> dict[str, Any]:
    """The cursor; empty for none or for text of another version, which costs a scan more."""
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) and value.get("version") == 1 else {}


@no_collection()
def decide_feed(
    root: DataRoot,
    instance: dg.DagsterInstance,
    agreed: str,
    now: datetime,
    *,
    apart: Collection[str] = (),
) -> FeedTick:
    """Compares the landing folder with the store and says what to start.

    Args:
        instance: Tells the partitions and the runs there are.
        agreed: Content of the landed schedules that agreed with the stored table at the last scan.
        now: The time by the machine's clock.
        apart: Ids of failed runs over several races that were taken apart already.

    Raises:
        StorageFault: If a folder cannot be listed: then nothing is decided.
    """
    from nascar_assets.feed.landing import QUARANTINE
    from nascar_assets.orchestration.automation.seen_races import (
        WAITS,
        faults,
        rating_runs,
        see_races,
    )
    from nascar_assets.orchestration.automation.sensor_runs import to_be_repeated

    lost = to_be_repeated(instance, now)
    # Asked before the tables are listed: what ended before it was asked is in the lists.
    rated = ratings_under_way(instance, lost)
    seen = see_races(root, now)
    writing = [f"{path} is being written" for path in {*seen.unsettled} - {*seen.unread}]
    waiting = [*sorted(writing), *map(WAITS.format, seen.waiting)]
    tick = FeedTick([], [], {**seen.unread, **seen.strays}, agreed, waiting, sorted(apart))
    report_strays(root, seen.strays, QUARANTINE)
    for path in seen.unknown:
        tick.notices[path] = (
            "belongs to no race of the schedule, and waits for a schedule that has it"
        )
    if (
        seen.schedules
        and seen.schedules != agreed
        and _schedule_pending(root, instance, seen.schedules, tick)
    ):
        return tick
    stale = [
        race
        for race in stale_races(seen.landed, seen.materialised)
        if race.race_key not in seen.unsettled_races
    ]
    bad = faults(root, stale, seen.schedule)
    tick.notices |= bad
    held = _held(stale, bad, seen.schedule)
    order = keys_of(instance, RACES)
    on_their_way = _on_their_way(instance, order, lost)
    stale = [race for race in stale if race.race_key not in held | on_their_way]
    known = set(order)
    by_date = seen.schedule.sort("start_time", "race_id")["race_key"].to_list()
    landed = [key for key in by_date if key in seen.landed and key not in known]
    tick.register = landed
    if rated:
        tick.waiting.append("Races wait for the ratings that are being made.")
        return tick
    pending = _request_races(instance, stale, [*order, *landed], tick) or bool(on_their_way)
    pending |= _take_apart(instance, seen.landed, held, order, tick, now - TAKEN_APART_FOR)
    if pending or races_in_flight(instance):
        tick.waiting.append("Ratings wait for the races that are being run.")
        return tick
    for batch, _ in rating_runs(root, seen.tables, seen.schedule, order, now):
        state = run_state(instance, batch.run_key)
        if state is RunState.NONE:
            tick.requests.append(_request("as_of_job", batch))
        elif state is RunState.FAILED:
            tick.waiting.append(f"The run of the ratings from {batch.keys[0]} failed.")
        elif state is RunState.LOST:
            tick.waiting.append(f"The run of the ratings from {batch.keys[0]} is to be repeated.")
    return tick


def ratings_under_way(instance: dg.DagsterInstance, lost: Sequence[dg.DagsterRun]) -> bool:
    """Whether ratings are being made, or are about to be made again after their run was lost.

    They read all results when they begin and are written when they end: a result that changed in
    between would look older than they are, and would never reach them.
    """
    return ratings_in_flight(instance) or any(run.job_name == "as_of_job" for run in lost)


def _on_their_way(
    instance: dg.DagsterInstance, order: Sequence[str], lost: Sequence[dg.DagsterRun]
) -> set[str]:
    """Races that a run is making, or that a run which lost its process is about to make again.

    A change that comes meanwhile is seen at the first scan after that run.
    """
    running = instance.get_runs(dg.RunsFilter(job_name="race_job", statuses=list(IN_FLIGHT)))
    again = [run for run in lost if run.job_name == "race_job"]
    return {key for run in (*running, *again) for key in races_of(run, order)}


def _schedule_pending(
    root: DataRoot, instance: dg.DagsterInstance, schedules: str, tick: FeedTick
) -> bool:
    """Whether the races must wait for the schedule to be read again."""
    from nascar_assets.orchestration.inputs.schedule import landed_schedule, stored_schedule

    try:
        landed = landed_schedule(root)
    except StorageFault as error:
        tick.notices["schedule"] = f"{error} The schedule read before is kept."
        return False
    for notice in landed.notices:
        tick.notices[notice.split(":")[0]] = notice
    if landed.frame.equals(stored_schedule(root)):
        tick.schedules = schedules
        return False
    key = f"schedule:{schedules}"
    state = run_state(instance, key)
    if state is RunState.NONE:
        tick.requests.append(dg.RunRequest(run_key=key, job_name="schedule_job"))
    if state is RunState.FAILED:
        tick.waiting.append("The schedule's run failed; the one read before is kept.")
    return state is not RunState.FAILED


def _held(stale: list[LandedRace], bad: Mapping[str, str], schedule: pl.DataFrame) -> set[str]:
    """Races with a file that cannot be read: their tables stay as they are until it is mended."""
    from nascar_assets.feed.landing import LANDING
    from nascar_assets.feed.paths import parse_path

    ids = {
        file.race_id
        for path in bad
        if (file := parse_path(path.removeprefix(f"{LANDING}/"))) is not None
    }
    keys = schedule.filter(pl.col("race_id").is_in(list(ids)))["race_key"].to_list()
    return {race.race_key for race in stale} & set(keys)


def _request_races(
    instance: dg.DagsterInstance,
    stale: list[LandedRace],
    order: list[str],
    tick: FeedTick,
) -> bool:
    """Adds the runs of races to the tick; returns whether some have not come to an end."""
    pending = False
    todo = batches(stale, order)
    while todo:
        batch = todo.pop(0)
        state = run_state(instance, batch.run_key)
        if state is RunState.NONE:
            tick.requests.append(_request("race_job", batch))
            pending = True
        elif state in (RunState.IN_FLIGHT, RunState.LOST):
            pending = True
        elif len(batch.keys) > 1:
            todo += singles(batch, stale)
        elif state is RunState.FAILED:
            tick.waiting.append(_failed(batch.keys[0]))
    return pending


def _failed(key: str) -> str:
    """Said in the tick alone: the failed run itself is notified (`failed_runs`)."""
    return f"The run of {key} failed; the next change of its files runs it."


def _take_apart(
    instance: dg.DagsterInstance,
    landed: Mapping[str, LandedRace],
    held: Collection[str],
    order: list[str],
    tick: FeedTick,
    since: datetime,
) -> bool:
    """Runs the races that a run over several left undone; returns whether some are to end.

    These are those that it skipped; all of them where it failed, for it may have made some tables
    of a race and not the others, so that the race looks as if it were up to date. A person's
    backfill over a range is taken apart too.
    """
    from nascar_assets.orchestration.automation.sensor_runs import (
        is_fault_of_the_machine,
        job_that_repeats,
    )

    failed, done = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS
    left = [
        run
        for asked_for in (
            dg.RunsFilter(statuses=[failed], updated_after=since),
            dg.RunsFilter(statuses=[done], updated_after=since, tags={SKIPPED: "yes"}),
        )
        for run in instance.get_runs(asked_for, limit=200)
        if (BATCH in run.tags and run.job_name == "race_job") or _is_backfill_of_races(run)
    ]
    asked = {str(request.run_key) for request in tick.requests}
    pending = False
    for run in left:
        if run.run_id in tick.apart or (LOST in run.tags and job_that_repeats(run)):
            continue
        if (
            not run.is_success
            and LOST not in run.tags
            and is_fault_of_the_machine(instance, run.run_id)
        ):
            tick.apart.append(run.run_id)  # its races would meet the same fault one by one
            continue
        unfinished = False
        races = races_of(run, order)
        for key in skipped_by(run.tags, races) if run.is_success else races:
            race = landed.get(key)
            if race is None or key in held:
                continue
            # A backfill makes again what was made of this very content before.
            run_key = race.run_key if BATCH in run.tags else f"apart:{run.run_id}:{key}"
            state = run_state(instance, run_key)
            if state is RunState.NONE and run_key not in asked:
                tick.requests.append(_request("race_job", Batch((key,), run_key)))
                asked.add(run_key)
            unfinished |= state not in (RunState.DONE, RunState.FAILED)
            if state is RunState.FAILED:
                tick.waiting.append(_failed(key))
        if not unfinished:
            tick.apart.append(run.run_id)
        pending |= unfinished
    return pending


def _is_backfill_of_races(run: dg.DagsterRun) -> bool:
    """Whether a person's backfill started a run over a range of races for their tables."""
    if RANGE_START not in run.tags or not {BACKFILL, OF_BACKFILL} & run.tags.keys():
        return False
    made = {key.path[-1] for key in run.asset_selection or ()}
    return run.job_name == "race_job" or bool(made & RACE_TABLES)


def _request(job: str, batch: Batch) -> dg.RunRequest:
    if len(batch.keys) == 1:
        key = batch.keys[0]
        return dg.RunRequest(
            run_key=batch.run_key, job_name=job, partition_key=key, tags=filters_of(key)
        )
    return dg.RunRequest(
        run_key=batch.run_key, job_name=job, tags={**range_tags(batch.keys), BATCH: "yes"}
    )
