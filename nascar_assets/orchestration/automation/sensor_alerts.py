"""The sensor of alerts: warning checks that fail, stale tables and failed backfills, told once."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill

from nascar_assets.orchestration.automation.freshness import POLICIES
from nascar_assets.orchestration.automation.notify import Notice, notifiers, notify_all, ui_link
from nascar_assets.orchestration.automation.sensor_runs import step_cause
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.tags import BACKFILL, PARTITION

INTERVAL_SECONDS = 30
FIRST_LOOK = timedelta(days=1)
"""A sensor that never looked takes up what happened so long before."""

AT_ONCE = 1_000
"""Results of checks read in one look; the next look goes on."""

REMEMBERED = 2_000
"""Failing checks that are remembered, the newest: all that a person still looks at."""

NAMED = 8
"""Partitions and causes that a notice names; the others are counted."""

_CELL = 300
_NOTHING = ("", "none", "nothing", "[]", "{}")
_FAILED = (BulkActionStatus.FAILED, BulkActionStatus.COMPLETED_FAILED)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One evaluation of a check.

    Attributes:
        asset: The asset's key as the UI writes it.
        check: The check's name.
        partition: The race or slate; empty where the check has none.
        alerts: Whether it failed and stopped nothing: what stops a run is told with that run.
        cause: What it says about it.
        run_id: Its run.
    """

    asset: str
    check: str
    partition: str
    alerts: bool
    cause: str = ""
    run_id: str | None = None

    @property
    def key(self) -> str:
        """What it is remembered by."""
        return f"{self.asset}|{self.check}|{self.partition}"


def newly_failing(
    standing: Sequence[str], results: Sequence[CheckResult]
) -> tuple[list[str], list[CheckResult]]:
    """Which checks fail by now, and which of them did not before.

    One that failed, recovered and failed again within the results is new.

    Args:
        standing: Keys of the checks that failed and were told, oldest first.
        results: Evaluations since, oldest first.
    """
    failing = dict.fromkeys(standing)
    new: dict[str, CheckResult] = {}
    for result in results:
        if not result.alerts:
            failing.pop(result.key, None)
            new.pop(result.key, None)
        elif result.key not in failing or result.key in new:
            failing[result.key] = None
            new[result.key] = result
    return list(failing)[-REMEMBERED:], list(new.values())


def check_notices(found: Sequence[CheckResult]) -> list[Notice]:
    """One notice for each check, whatever number of races or slates it failed for."""
    by_check: dict[tuple[str, str], list[CheckResult]] = {}
    for result in found:
        by_check.setdefault((result.asset, result.check), []).append(result)
    notices = []
    for (asset, check), results in by_check.items():
        where = [result.partition for result in results if result.partition]
        subject = f"The check {check} of {asset} failed{f' for {_named(where)}' if where else ''}"
        lines = [
            f"{result.partition}: {result.cause}" if len(results) > 1 else result.cause
            for result in results[:NAMED]
        ]
        link = ui_link("assets", *asset.split("/"), view="checks", checkDetail=check)
        text = "\n".join(["A warning: nothing was stopped by it.", *lines])
        notices.append(Notice(subject, text, results[-1].run_id, link))
    return notices


def stale_tables(
    made: Mapping[str, datetime | None],
    policies: Mapping[str, dg.FreshnessPolicy],
    raced: timedelta | None,
    now: datetime,
) -> dict[str, str]:
    """Tables that are older than their policy allows, each with the reason.

    Args:
        made: By asset: its newest materialisation; none where there was none yet.
        policies: By asset: how old it may be.
        raced: How long ago the newest race began, by the schedule; none where there was none.
        now: The time of the question.
    """
    stale = {}
    for asset, policy in policies.items():
        at, window = made.get(asset), _window(policy)
        # Between seasons nothing is due but the schedule of the next one.
        due = asset == "schedule" or (raced is not None and raced <= window)
        if at is not None and now - at > window and due:
            stale[asset] = (
                f"{asset} was made last at {at:%Y-%m-%d %H:%M} UTC, over {window.days} days ago."
            )
    return stale


def _window(policy: Any) -> timedelta:
    """The age at which a policy warns."""
    window: timedelta = (policy.warn_window or policy.fail_window).to_timedelta()
    return window


def stale_notice(new: Mapping[str, str]) -> Notice:
    """One notice of all tables that have gone stale since the last look."""
    remedy = (
        "Nothing new comes in: see that nascar ui runs with NASCAR_FEED set, or nascar sync; "
        "failed ticks and runs say why. It is told again only once they were made meanwhile."
    )
    return Notice(
        f"Stale: {', '.join(new)}",
        "\n".join([*new.values(), remedy]),
        link=ui_link("assets", next(iter(new))),
    )


def backfill_notice(backfill: PartitionBackfill, runs: Sequence[tuple[str, str]]) -> Notice:
    """What is told of a failed backfill.

    Args:
        runs: Its failed runs: where each failed, and why.
    """
    assets = [key.to_user_string() for key in backfill.asset_selection or ()]
    what = f" of {_named(sorted(assets))}" if assets else ""
    lines = []
    if backfill.error is not None:
        lines.append((backfill.error.cause or backfill.error).message.strip().splitlines()[0])
    if runs:
        lines.append(f"Failed: {_named([where for where, _ in runs])}.")
    causes = Counter(cause for _, cause in runs)
    lines += [
        f"{cause}{f' ({count} runs)' if count > 1 else ''}"
        for cause, count in causes.most_common(NAMED)
    ]
    lines.append("What was made stays; its page starts the failed partitions again.")
    return Notice(
        f"The backfill {backfill.backfill_id}{what} failed",
        "\n".join(lines),
        link=ui_link("runs", "b", backfill.backfill_id),
    )


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells once of each warning check that fails, table that has gone stale and "
    "backfill that failed, with cause and link (docs/operations.md); starts no run.",
)
def alerts(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Compares what stands with the cursor, which keeps what was told and still stands."""
    from nascar_assets.orchestration.automation.clock import clock_now

    instance, real = context.instance, datetime.now(UTC)
    before: dict[str, Any] = json.loads(context.cursor) if context.cursor else {}
    newest, results = evaluations(instance, before.get("event"), real)
    failing, found = newly_failing(before.get("checks", []), results)
    notices = check_notices(found)

    stale = stale_tables(_made(instance), POLICIES, _raced(platform, clock_now()), real)
    new = {asset: why for asset, why in stale.items() if asset not in before.get("stale", [])}
    notices += [stale_notice(new)] if new else []

    known, notified = set(before.get("backfills", [])), []
    for backfill in failed_backfills(instance):
        ended = backfill.backfill_end_timestamp or backfill.backfill_timestamp
        past = not before and real.timestamp() - ended > FIRST_LOOK.total_seconds()
        if backfill.backfill_id not in known and not past:
            runs = failed_runs_of(instance, backfill.backfill_id)
            notices.append(backfill_notice(backfill, runs))
        notified.append(backfill.backfill_id)

    ways = notifiers(own_log=context.log) if notices else []
    for notice in notices:
        notify_all(ways, notice)
    state = {"event": newest, "checks": failing, "stale": list(stale), "backfills": notified}
    said = "; ".join(notice.subject for notice in notices)
    return dg.SensorResult(
        run_requests=[],
        skip_reason=dg.SkipReason(said[:2000] or "Nothing new is the matter."),
        cursor=json.dumps(state, sort_keys=True),
    )


def evaluations(
    instance: dg.DagsterInstance, after: int | None, now: datetime
) -> tuple[int | None, list[CheckResult]]:
    """Results of checks after an event, oldest first, and the event that was read last.

    Results that a sensor reports without a run are told by that sensor (`locked_slates`).
    """
    asked = dg.EventRecordsFilter(
        event_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        after_cursor=after,
        after_timestamp=None if after is not None else (now - FIRST_LOOK).timestamp(),
    )
    records = instance.event_log_storage.get_event_records(asked, limit=AT_ONCE, ascending=True)
    found = []
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None or not record.run_id:
            continue
        made = event.asset_check_evaluation_data
        alerts = not made.passed and not made.blocking
        found.append(
            CheckResult(
                asset=made.asset_key.to_user_string(),
                check=made.check_name,
                partition=made.partition or "",
                alerts=alerts,
                cause=_cause(made) if alerts else "",
                run_id=record.run_id,
            )
        )
    return (records[-1].storage_id if records else after), found


def _cause(made: dg.AssetCheckEvaluation) -> str:
    """What a check says about its failure: its description and the metadata that holds something.

    Paths and pictures are left to its page.
    """
    said = [made.description] if made.description else []
    for name, value in made.metadata.items():
        if isinstance(value, (dg.MarkdownMetadataValue, dg.PathMetadataValue)):
            continue
        text = str(getattr(value, "value", value)).strip()
        if text not in _NOTHING:
            said.append(f"{name}: {text[:_CELL]}{'...' if len(text) > _CELL else ''}")
    return "; ".join(said) or "Its page says why."


def _made(instance: dg.DagsterInstance) -> dict[str, datetime | None]:
    """The newest materialisation of every asset that has a freshness policy."""
    records = instance.get_asset_records([dg.AssetKey(name) for name in POLICIES])
    return {
        record.asset_entry.asset_key.to_user_string(): datetime.fromtimestamp(
            record.asset_entry.last_materialization.timestamp, UTC
        )
        for record in records
        if record.asset_entry.last_materialization is not None
    }


def _raced(platform: Platform, now: datetime) -> timedelta | None:
    """How long ago the newest race began that has begun by now."""
    from nascar_assets.orchestration.inputs.schedule import stored_schedule

    begun = [at for at in stored_schedule(platform.root)["start_time"] if at <= now]
    return now - max(begun) if begun else None


def failed_backfills(instance: dg.DagsterInstance) -> Sequence[PartitionBackfill]:
    """The newest backfills that have failed, or of which runs have."""
    return instance.get_backfills(filters=BulkActionsFilter(statuses=list(_FAILED)), limit=100)


def failed_runs_of(instance: dg.DagsterInstance, backfill_id: str) -> list[tuple[str, str]]:
    """Where and why runs of a backfill failed."""
    asked = dg.RunsFilter(tags={BACKFILL: backfill_id}, statuses=[dg.DagsterRunStatus.FAILURE])
    found = []
    for run in instance.get_runs(asked, limit=200):
        kinds = {dg.DagsterEventType.STEP_FAILURE}
        events = [
            record.event_log_entry.dagster_event
            for record in instance.get_records_for_run(run.run_id, of_type=kinds).records
        ]
        causes = [step_cause(event) for event in events if event is not None]
        where = run.tags.get(PARTITION, f"run {run.run_id}")
        found.append((where, "; ".join(causes) or "Its process ended from outside."))
    return found
