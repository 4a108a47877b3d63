"""The schedules of race week, in the time of New York: when open slates are run again."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from nascar_assets.orchestration.automation.clock import refresh_cron
from nascar_assets.orchestration.automation.run_state import (
    RunState,
    ever_run,
    newest_slate_run,
    races_in_flight,
    run_state,
)
from nascar_assets.orchestration.jobs import slate_job
from nascar_assets.orchestration.partitions import SLATES, keys_of
from nascar_assets.orchestration.resources import Platform

ZONE = "America/New_York"


@dg.schedule(
    name="race_week",
    cron_schedule=refresh_cron(),
    execution_timezone=ZONE,
    job=slate_job,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Runs open slates again after the entry list, after practice and qualifying, and "
    "an hour before lock; never after lock.",
)
def race_week(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Asks `due_refreshes`; races that are being run come first, and ratings of what landed."""
    from nascar_assets.orchestration.automation.clock import clock_now
    from nascar_assets.orchestration.automation.sensor_salaries import (
        slate_request,
        slate_weeks,
        without_ratings_to_come,
    )
    from nascar_assets.orchestration.automation.week import due_refreshes

    now = clock_now()
    root, instance = platform.root, context.instance
    weeks = slate_weeks(root)
    runs = {
        slate: run
        for slate, week in weeks.items()
        if week.is_open(now) and (run := newest_slate_run(instance, slate)) is not None
    }
    due = due_refreshes(now, weeks.values(), {slate: run.at for slate, run in runs.items()})
    if due and races_in_flight(instance):
        yield dg.SkipReason("Slates wait for the races that are being run.")
        return
    ready = without_ratings_to_come(
        root, instance, [refresh.slate_id for refresh in due], datetime.now(UTC), now
    )
    known = set(keys_of(instance, SLATES))
    for refresh in due:
        slate = refresh.slate_id
        # A new slate's first run is the sensor's of salary files: two would ask for it at once.
        waits = slate not in ready or slate not in known or not ever_run(instance, slate)
        waits = waits or (slate in runs and runs[slate].in_flight)
        if not waits and run_state(instance, refresh.run_key) is RunState.NONE:
            yield slate_request(root, slate, refresh.run_key, now, refresh.milestone.name)
    if due and not ready:
        yield dg.SkipReason("Slates wait for the ratings of what has landed.")
    if not due:
        yield dg.SkipReason("No open slate is due.")


SCHEDULES = [race_week]
