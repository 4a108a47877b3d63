"""The sensor of late news: tells once, before lock, who of entered lineups no longer races."""

import json

import dagster as dg

from nascar_assets.orchestration.automation.notify import notify_new
from nascar_assets.orchestration.resources import Platform

INTERVAL_SECONDS = 15


@dg.sensor(
    name="late_scratches",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Drivers of lineups and entries who left the entry list or the salary file before "
    "lock: how many they are in, why, and where the mended files lie. Starts no run.",
)
def late_scratches(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Tells what the slates' runs noted; the cursor keeps what was told."""
    from nascar_assets.orchestration.automation.clock import clock_now
    from nascar_assets.orchestration.automation.sensor_salaries import slate_weeks
    from nascar_assets.orchestration.inputs.late_news import load_news

    root, now = platform.root, clock_now()
    before: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    notices = {
        f"{slate} {driver}": text
        for slate, week in slate_weeks(root).items()
        if now < week.lock
        for driver, text in load_news(root, slate).drivers.items()
    }
    notified = notify_new(context.log, "late_scratches", before, notices)
    return dg.SensorResult(
        run_requests=[],
        skip_reason=dg.SkipReason("; ".join(notices.values()) or "Everyone in lineups races."),
        cursor=json.dumps(notified, sort_keys=True),
    )
