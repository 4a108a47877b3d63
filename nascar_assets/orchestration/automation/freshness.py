"""Freshness: what a slate needs is new enough, and a slate locked with old data shows as such."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from nascar_assets.feed.sources import OF_THE_RACE
from nascar_assets.orchestration.automation.week import SlateWeek
from nascar_assets.orchestration.inputs.slate_change import mixture, taken_away
from nascar_assets.orchestration.inputs.slate_files import upload_path
from nascar_assets.orchestration.inputs.slate_lineups import has_lineups
from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan
from nascar_assets.orchestration.inputs.views import changed_at
from nascar_assets.orchestration.metadata import shown
from nascar_assets.orchestration.partitions import SLATES
from nascar_assets.orchestration.previews import pinned_previews
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.storage import DataRoot

WEEKLY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=15), warn_window=timedelta(days=8)
)
"""In the season there is a race a week, and no pause is longer than two."""

CHECKED, CHECK = "slate", "knows_what_was_known"

POLICIES: Mapping[str, dg.FreshnessPolicy] = {
    "schedule": WEEKLY,
    "race_files": WEEKLY,
    "entries": WEEKLY,
    "race_results": WEEKLY,
    "ontology_graph": WEEKLY,
}
"""By asset: what a slate is made from."""


def stale_inputs(
    week: SlateWeek,
    as_of: datetime,
    run_at: datetime,
    changed: Mapping[str, tuple[datetime, datetime]],
    now: datetime,
) -> list[str]:
    """What a slate's newest run does not know and could have known at lock, in words.

    Args:
        as_of: The as-of time of its newest run.
        run_at: When that run was made.
        changed: By input: since when it is what it is, and from when on it counts as known.
        now: The time of the question.

    Returns:
        One sentence for each; empty where the slate knows everything.
    """
    until = min(now, week.lock)
    found = [
        f"It was run as of {as_of:%Y-%m-%d %H:%M} UTC, before {_WHAT[milestone.name]} of "
        f"{milestone.at:%Y-%m-%d %H:%M} UTC."
        for milestone in week.milestones()
        if milestone.name in _WHAT and as_of < milestone.at <= until
    ]
    found += [
        f"{name} changed at {since:%Y-%m-%d %H:%M} UTC, after its newest run."
        for name, (since, known) in changed.items()
        if run_at < since < week.lock and known <= until
    ]
    return found


_WHAT = {"entries": "the entry list", "qualifying": "practice and qualifying"}


def slate_staleness(root: DataRoot, slate: str, now: datetime, real: datetime) -> list[str]:
    """What the newest run of a stored slate does not know; see `stale_inputs`.

    Raises:
        InputError: If the slate was never added.
    """
    from nascar_assets.orchestration.automation.seen_races import (
        OF_PAST_RACES,
        past_since,
        since,
        table_lists,
        unknown_to_run,
    )
    from nascar_assets.orchestration.automation.sensor_salaries import slate_weeks

    plan = SlatePlan.find(root, slate)
    registration = Registration.load(root, slate)
    week = slate_weeks(root, [slate]).get(slate)
    if week is None:
        return ["The schedule no longer has its race."]
    path = table_path("slate", slate)
    made = next((item for item in root.list("store/slate") if item.path == path), None)
    if plan is None or made is None:
        return ["No run of it has come to its players."]
    race = registration.race_key
    tables = table_lists(root, OF_PAST_RACES.union(source.table for source in OF_THE_RACE))
    changed = {
        f"The {source.label} of {race}": (moment, week.known_at(source))
        for source in OF_THE_RACE
        if (moment := since(root, tables, source.table, real).get(race)) is not None
    }
    found = stale_inputs(week, plan.as_of, made.modified, changed, now)
    past = past_since(root, tables, min(now, week.lock), real)
    unknown = unknown_to_run(root, past, race, plan.as_of, made.modified)
    newer = sorted(key for key, moment in unknown.items() if moment < week.lock)
    if newer:
        more = f" and {len(newer) - 3} more" if len(newer) > 3 else ""
        found.append(
            "Results of earlier races, or what is made of them, are newer than its newest run: "
            f"{', '.join(newer[:3])}{more}."
        )
    if plan.source.sha256 != registration.source.sha256:
        found.append("A newer salary file was registered after its newest run.")
    stated = changed_at(root, slate, week.lock)
    if stated is not None and stated > made.modified:
        found.append("Views were added or taken back after its newest run.")
    return found


def unfinished(root: DataRoot, slate: str) -> list[str]:
    """Says so where the newest run of a slate did not come to its upload file.

    The file that lies there is then of an older run.
    """
    plan = SlatePlan.find(root, slate)
    if plan is None:
        return []
    lineups, upload = table_path("lineups", slate), upload_path(slate)
    times = {
        item.path: item.modified
        for folder in ("store/lineups", f"slates/{slate}")
        for item in root.list(folder)
    }
    whole = has_lineups(root, plan) and not mixture(root, slate, taken_away(slate))
    if whole and upload in times and times[upload] >= times[lineups]:
        return []
    there = "the one there is of an older run" if upload in times else "there is none"
    return [f"Its newest run did not come to its upload file; {there}."]


def judged(
    root: DataRoot, slate: str, now: datetime, real: datetime, *, ended: bool = False
) -> dict[str, Any]:
    """What the check says of a slate: passed, severity and metadata.

    Args:
        now: The time of the question, by the sensors' clock.
        real: The same by the machine's clock.
        ended: Whether its newest run must have come to its end, as at lock; while a run is on its
            way it has not.
    """
    stale = slate_staleness(root, slate, now, real) + (unfinished(root, slate) if ended else [])
    return {
        "passed": not stale,
        "severity": dg.AssetCheckSeverity.WARN,
        "metadata": shown(
            stale=stale or "nothing",
            remedy="Before lock: nascar slate run, or wait for the next refresh."
            if stale
            else "none",
        ),
    }


with pinned_previews():

    @dg.asset_check(
        asset=CHECKED,
        name=CHECK,
        description="Everything that had become known by now, or by lock, was known to the "
        "slate's newest run. A warning: a slate that was locked with old data shows as such.",
        partitions_def=SLATES,
    )
    def knows_what_was_known(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> dg.AssetCheckResult:
        """Compares the newest run with the week's milestones and with what changed since."""
        from nascar_assets.orchestration.automation.clock import clock_now

        return dg.AssetCheckResult(
            **judged(platform.root, context.partition_key, clock_now(), datetime.now(UTC))
        )
