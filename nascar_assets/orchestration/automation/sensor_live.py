"""The sensor of races under way: a forecast at most once in so many laps, from what landed."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.automation.landing_index import sha256
from nascar_assets.orchestration.automation.run_state import IN_FLIGHT
from nascar_assets.orchestration.inputs.live_continuity import check_goes_on
from nascar_assets.orchestration.inputs.live_forecast import (
    LANDING,
    keep_refusal,
    landed_state,
    live_files,
    live_series,
)
from nascar_assets.orchestration.inputs.schedule import stored_schedule
from nascar_assets.orchestration.jobs import live_job
from nascar_assets.orchestration.partitions import RACES, keys_of
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.tags import LAP, RACE, filters_of

INTERVAL_SECONDS = 5
EVERY_LAPS = 5
"""Laps between two forecasts of a race; the last lap is always forecast."""
LONGEST_RUN = timedelta(minutes=2)
"""After which a run of which nothing was heard holds no other up: its process may be gone."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a feed is forecast, and why not; `refused` where the feed is at fault."""

    forecast: bool
    reason: str = ""
    refused: bool = False


def decide(lap: int, scheduled: int, last: int | None) -> Decision:
    """Whether a race that has come to a lap is forecast again.

    Args:
        lap: Laps that its leader has completed, by the newest feed.
        scheduled: Laps of the race.
        last: Lap of the newest forecast; none before the first.
    """
    if lap < 1:
        return Decision(False, "the race has not begun")
    if last is not None and lap < last:
        return Decision(
            False,
            f"The feed goes backwards: it is at lap {lap}, and lap {last} was forecast.",
            refused=True,
        )
    if last is not None and lap == last:
        return Decision(False, f"nothing new since lap {last}")
    if last is None or lap - last >= EVERY_LAPS or lap >= scheduled:
        return Decision(True)
    return Decision(False, f"at lap {lap}; the next forecast comes at lap {last + EVERY_LAPS}")


def _at_work(instance: dg.DagsterInstance, race_key: str, now: datetime) -> bool:
    """Whether a forecast of the race waits or is made: a second one would only tell the same."""
    going = dg.RunsFilter(
        job_name="live_job",
        tags={RACE: race_key},
        statuses=[one for one in IN_FLIGHT if one is not dg.DagsterRunStatus.CANCELING],
        updated_after=now - LONGEST_RUN,
    )
    return bool(instance.get_run_ids(going, limit=1))


@dg.sensor(
    name="live_races",
    job=live_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Races under way: lap times or live feeds dropped in landing/live/<race>/ are "
    f"forecast from, at most once in {EVERY_LAPS} laps.",
)
def live_races(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Asks for a run of each race that has come far enough; the cursor keeps files seen."""
    from nascar_assets.orchestration.automation.notify import notify_new

    root, now = platform.root, datetime.now(UTC)
    before = json.loads(context.cursor) if context.cursor else {}
    seen: dict[str, str] = dict(before.get("files", {}))
    requests: list[dg.RunRequest] = []
    notices: dict[str, str] = {}
    reasons: list[str] = []
    files = live_files(root)
    races = {}
    if files:
        for row in stored_schedule(root).iter_rows(named=True):
            races[row["race_id"]] = races[row["race_key"]] = row
    for folder, found in files.items():
        path, tag = list(found.items())[-1]
        newest = f"{path} {tag}"
        race = races.get(folder)
        if race is None:
            notices[folder] = (
                f"The schedule knows no race {folder}; name the folder under {LANDING} by its "
                "feed id or its key, such as 2026-cup-05."
            )
            continue
        if seen.get(folder) == newest:
            if folder in before.get("notified", {}):
                notices[folder] = before["notified"][folder]
            continue
        key = str(race["race_key"])
        if _at_work(context.instance, key, now):
            reasons.append(f"{key}: a forecast is being made")
            if folder in before.get("notified", {}):
                notices[folder] = before["notified"][folder]
            continue  # what has come by then is looked at when it is done
        try:
            series = live_series(root, key)
            state = landed_state(root, race, path).state
            decision = decide(
                state.lap, int(race["scheduled_laps"]), series[-1]["lap"] if series else None
            )
            if not decision.refused:
                check_goes_on(series, state)
        except InputError as error:
            decision = Decision(False, str(error), refused=True)
        except EnvironmentFault as error:  # not the feed's: it is looked at again
            notices[folder] = str(error)
            continue
        except Exception as error:  # one race's file never stops the others
            context.log.exception(f"{path} could not be read.")
            reason = f"{path} could not be read ({type(error).__name__}: {error})."
            decision = Decision(False, reason, refused=True)
        if decision.refused:
            keep_refusal(root, key, decision.reason, now)
            notices[folder] = f"{decision.reason} The last good forecast stays."
        elif decision.forecast:
            requests.append(
                dg.RunRequest(
                    run_key=f"live-{key}-{state.lap}-{sha256(newest.encode())[:12]}",
                    partition_key=key,
                    run_config={"ops": {"live_forecast": {"config": {"path": path}}}},
                    tags={**filters_of(key), LAP: str(state.lap)},
                )
            )
        else:
            reasons.append(f"{key}: {decision.reason}")
        seen[folder] = newest
    notified = notify_new(context.log, "live_races", before.get("notified", {}), notices)
    known = set(keys_of(context.instance, RACES))
    missing = [str(one.partition_key) for one in requests if one.partition_key not in known]
    skipped = "; ".join([*reasons, *(f"{what}: {text}" for what, text in notices.items())])
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason(skipped[:2000] or "No race is under way."),
        dynamic_partitions_requests=[RACES.build_add_request(missing)] if missing else [],
        cursor=json.dumps(
            {"files": {k: v for k, v in seen.items() if k in files}, "notified": notified},
            sort_keys=True,
        ),
    )
