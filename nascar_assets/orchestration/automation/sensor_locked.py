"""The sensor of locked slates: once after lock it says whether a slate knew what was known."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg

from nascar_assets.orchestration.automation.freshness import CHECK, CHECKED, judged
from nascar_assets.orchestration.automation.notify import notify_new
from nascar_assets.orchestration.resources import Platform
from nascar_assets.storage import DataRoot

INTERVAL_SECONDS = 60
UNJUDGED = "not judged: "
"""Begins the cursor's notes of what was notified of slates that could not be judged."""

LOOKBACK = timedelta(days=2)
"""Slates that locked longer ago are not asked about any more."""


@dg.sensor(
    name="locked_slates",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Evaluates slate.knows_what_was_known once when a slate has locked; starts no run.",
)
def locked_slates(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Reports the check's result; the cursor keeps which locks were reported."""
    from nascar_assets.orchestration.automation.clock import clock_now

    now = clock_now()
    before: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    notified = {what: text for what, text in before.items() if what.startswith(UNJUDGED)}
    root = platform.root
    locked = newly_locked(root, before, now)
    notices: dict[str, str] = {}
    unjudged: dict[str, str] = {}
    for slate in [*locked]:
        try:
            result = judged(root, slate, now, datetime.now(UTC), ended=True)
        except Exception as error:  # the others are judged all the same, this one at the next scan
            unjudged[f"{UNJUDGED}{slate}"] = f"It could not be judged: {error}"
            del locked[slate]
            continue
        context.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(CHECKED), check_name=CHECK, partition=slate, **result
            )
        )
        if not result["passed"]:
            notices[slate] = f"It was locked with old data. {result['metadata']['stale'].text}"
    notify_new(context.log, "locked_slates", {}, notices)
    notify_new(context.log, "locked_slates", notified, unjudged)  # once for as long as it stands
    reported = {slate: lock for slate, lock in before.items() if slate not in notified}
    said = ", ".join(locked)
    return dg.SensorResult(
        run_requests=[],
        skip_reason=dg.SkipReason(f"Locked: {said}." if said else "No slate has locked."),
        cursor=json.dumps({**reported, **locked, **unjudged}, sort_keys=True),
    )


def newly_locked(root: DataRoot, before: dict[str, str], now: datetime) -> dict[str, str]:
    """Slates that have locked since the last scan, with the time of their lock."""
    from nascar_assets.orchestration.automation.sensor_salaries import slate_weeks

    return {
        slate: week.lock.isoformat()
        for slate, week in slate_weeks(root).items()
        if week.lock <= now <= week.lock + LOOKBACK and before.get(slate) != week.lock.isoformat()
    }
