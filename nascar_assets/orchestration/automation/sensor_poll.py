"""The sensor that asks the feed for news, and its job: only where NASCAR_FEED names a feed.

`NASCAR_ODDS` names the host of NASCAR's own odds, a URL or a folder like it, asked as well.

The server is asked at most every `NASCAR_FEED_INTERVAL` seconds (15 minutes by default, never less
than one minute for a server), with the entity tags of what is here, and only for races that can
have changed. The job lands files and nothing else; the sensor of the landing folder does the rest.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from nascar_assets.errors import InputError
from nascar_assets.feed.paths import SERIES_NUMBERS
from nascar_assets.orchestration.automation.run_state import any_in_flight
from nascar_assets.orchestration.metadata import shown
from nascar_assets.orchestration.resources import Platform
from nascar_assets.visible import visible

LEAST_SECONDS = 60
DEFAULT_SECONDS = 900


def poll_interval(environment: Mapping[str, str] = os.environ) -> int:
    """Seconds between two looks at the feed.

    Raises:
        InputError: If the setting is no number.
    """
    text = environment.get("NASCAR_FEED_INTERVAL") or str(DEFAULT_SECONDS)
    try:
        seconds = int(text)
    except ValueError:
        raise InputError(
            f"{text!r} is no number of seconds.",
            field="NASCAR_FEED_INTERVAL",
            remedy="Write whole seconds, or unset it.",
        ) from None
    asked = (environment.get("NASCAR_FEED", ""), environment.get("NASCAR_ODDS", ""))
    server = any(place.startswith(("http://", "https://")) for place in asked)
    return max(seconds, LEAST_SECONDS if server else 1)


def polled_series(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The series that are asked for: `NASCAR_FEED_SERIES`, `cup` by default.

    Raises:
        InputError: If the setting names no series, or one that there is not.
    """
    text = environment.get("NASCAR_FEED_SERIES") or "cup"
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found or not SERIES_NUMBERS.keys() >= set(found):
        raise InputError(
            f"{text!r} are no series.",
            field="NASCAR_FEED_SERIES",
            remedy=f"Name some of {', '.join(SERIES_NUMBERS)}, with commas, or unset it.",
        )
    return found


def polled_seasons(now: datetime) -> list[int]:
    """The season of the day, and from December on the next one, whose schedule is out by then."""
    return [now.year, now.year + 1] if now.month == 12 else [now.year]


@dg.op(description="Brings new and changed files of the feed into the landing folder.")
def land_feed(context: dg.OpExecutionContext, platform: Platform) -> None:
    """One polite sync; a feed that cannot be reached fails the run, which is reported."""
    from nascar_assets.feed.landing import sync_from
    from nascar_assets.orchestration.automation.clock import clock_now

    feed = os.environ.get("NASCAR_FEED")
    if not feed:
        if os.environ.get("NASCAR_ODDS"):
            return
        raise InputError("NASCAR_FEED names no feed.", remedy="Set it, or stop the poll sensor.")
    now = clock_now()
    report = sync_from(feed, platform.root, polled_series(), polled_seasons(now), now=now)
    for item in report.quarantined:
        context.log.warning("%s was refused: %s", visible(item.path), visible(item.reason))
    context.add_output_metadata(
        shown(
            {
                "changed": len(report.changed),
                "unchanged": report.unchanged,
                "not there": report.missing,
                "refused": len(report.quarantined),
                "files": list(report.changed)[:200],
            }
        )
    )


@dg.op(description="Brings boards of NASCAR's own odds into the folder of people's views.")
def land_boards(context: dg.OpExecutionContext, platform: Platform) -> None:
    """A host of odds that cannot be read is said and fails nothing: no forecast needs it."""
    from nascar_assets.feed.client import FeedReadError, open_feed
    from nascar_assets.orchestration.automation.clock import clock_now
    from nascar_assets.orchestration.automation.odds_poll import asked_races, land_odds
    from nascar_assets.orchestration.automation.sensor_salaries import slate_weeks
    from nascar_assets.orchestration.inputs.slate_plan import registrations

    host = os.environ.get("NASCAR_ODDS")
    if not host:
        return
    now, root = clock_now(), platform.root
    race_ids = {slate: there.race_id for slate, there in registrations(root)[0].items()}
    asked = asked_races(race_ids, slate_weeks(root, sorted(race_ids)), now)
    try:
        report = land_odds(open_feed(host), root, asked, now)
    except (FeedReadError, InputError) as error:
        context.log.warning("The odds could not be read: %s", visible(str(error)))
        context.add_output_metadata(shown({"failed": visible(str(error))}))
        return
    for race_id, reason in report.refused.items():
        context.log.warning("The odds of race %s were refused: %s", race_id, visible(reason))
    context.add_output_metadata(
        shown(
            {
                "changed": list(report.changed),
                "unchanged": len(report.unchanged),
                "not there": len(report.missing),
                "refused": len(report.refused),
            }
        )
    )


@dg.job(
    name="poll_job",
    description="Asks the feed for new and changed files, and the host of odds for boards.",
    executor_def=dg.in_process_executor,
)
def poll_job() -> None:
    """One scan of the feed, and one of the odds: neither waits for the other."""
    land_feed()
    land_boards()


@dg.sensor(
    name="feed_poll",
    job=poll_job,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks NASCAR_FEED for news and NASCAR_ODDS for boards, politely; does nothing "
    "where neither is set.",
)
def feed_poll(context: dg.SensorEvaluationContext) -> dg.SkipReason | dg.RunRequest:
    """One run an interval, and none while one is on its way."""
    if not (os.environ.get("NASCAR_FEED") or os.environ.get("NASCAR_ODDS")):
        return dg.SkipReason("NASCAR_FEED is not set.")
    seconds = poll_interval()
    turn = int(datetime.now(UTC).timestamp()) // seconds
    if context.cursor == str(turn):
        return dg.SkipReason(f"The feed is asked every {seconds} seconds.")
    if any_in_flight(context.instance, ["poll_job"]):
        return dg.SkipReason("The feed is being asked.")
    context.update_cursor(str(turn))
    return dg.RunRequest(run_key=f"poll:{seconds}:{turn}")
