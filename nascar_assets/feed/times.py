"""When a race starts and when its data become known, from the schedule's own fields.

The feed's dates say neither their time zone nor what exactly they date. What its schedules show:

- `date_scheduled` and `tunein_date` (the broadcast) are US Eastern; a race put off keeps its old
  `date_scheduled` sometimes and takes the new day at other times.
- `race_date` is US Eastern too, but in 2022, in the autumn of 2023 and now and then since it is
  the track's local time (Las Vegas 2022: 12:30 for a race of 15:30 Eastern).
- A race moved forward on its day keeps the old time in one of the three (Daytona 2025 and 2026).
- A race stopped by rain and finished the next day has the first day as its `race_date`.
- The schedule's race event, where there is one, agrees with these dates (in 96 of 97 races of
  2023), but a race put off to another day may keep its old event.

So a race starts at the schedule's own race event (its times are UTC), unless `race_date` and
`tunein_date` both lie on a later day, or agree on an earlier moment. Without an event it starts at
`race_date`, read as the track's local time where this makes it equal to `date_scheduled` or
`tunein_date`, and as Eastern time if not; or at `tunein_date` where that is earlier on the same
day. A lock that is too early by the length of a pre-race show does no harm; one that is too late
would let the race itself leak into its own forecast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nascar_assets.feed.payload import FeedFormatError
from nascar_assets.rules.race_day import EASTERN, race_day

PRACTICE_RUN, QUALIFYING_RUN, RACE_RUN = 1, 2, 3
"""Values of an event's `run_type`."""

_ENTRIES_BEFORE = timedelta(days=5)
_QUALIFYING_AFTER = timedelta(hours=2)
_QUALIFYING_WINDOW = timedelta(days=4)
_RESULTS_AFTER = timedelta(hours=8)
_INTERRUPTION = timedelta(hours=36)
# The feed writes 1900-01-01 where no date is set, other programs their first or last one.
_UNSET_BEFORE, _UNSET_FROM = 1950, 2200


def race_start(race: Mapping[str, Any], zone: ZoneInfo, file: str) -> datetime:
    """When a race starts (UTC); also the lock of its slates.

    Args:
        race: One race of the feed's schedule.
        zone: The track's time zone; Eastern where it is not known.
        file: Name of the schedule file, for errors.

    Raises:
        FeedFormatError: If no field tells the date.
    """
    tune_in = _local(_date(race, "tunein_date", file), EASTERN)
    dated = _dated_start(race, tune_in, zone, file)
    events = _event_times(race, file, (RACE_RUN,))
    if not events:
        if dated is None:
            raise FeedFormatError("The race has no date.", file=file, field="race_date")
        return dated
    event = min(events)  # a race stopped by rain may have a second event for its end
    if (
        dated is not None
        and tune_in is not None
        and race_day(event) < min(race_day(dated), race_day(tune_in))
    ):
        return dated
    # Brought forward: no race of the feed has both dates before its event otherwise. A midnight is
    # a day without a time, and no start.
    naive = _date(race, "race_date", file)
    agreed = tune_in is not None and tune_in in (_local(naive, EASTERN), _local(naive, zone))
    if tune_in is not None and agreed and tune_in.astimezone(EASTERN).time() != time():
        return min(event, tune_in)
    return event


def _dated_start(
    race: Mapping[str, Any], tune_in: datetime | None, zone: ZoneInfo, file: str
) -> datetime | None:
    """The start by the race's dates alone; none where it has none."""
    scheduled = _local(_date(race, "date_scheduled", file), EASTERN)
    naive = _date(race, "race_date", file)
    start = _local(naive, EASTERN) or scheduled or tune_in
    at_track = _local(naive, zone)
    if at_track is not None and at_track in (scheduled, tune_in):
        start = at_track
    if (
        start is not None
        and tune_in is not None
        and tune_in < start
        and race_day(tune_in) == race_day(start)
    ):
        start = tune_in
    return start


def with_readable_dates(
    race: Mapping[str, Any], file: str, where: str, notices: list[str]
) -> dict[str, Any]:
    """A race of the schedule without dates and events that cannot be read, which are reported."""
    kept = dict(race)
    for key in ("date_scheduled", "race_date", "tunein_date", "qualifying_date"):
        try:
            _date(kept, key, file)
        except FeedFormatError as error:
            notices.append(f"{error} The date of {where} is left out.")
            kept[key] = None
    events = kept.get("schedule")
    kept["schedule"] = []
    for event in events if isinstance(events, list) else ():
        try:
            _event_times({"schedule": [event]}, file, (PRACTICE_RUN, QUALIFYING_RUN, RACE_RUN))
        except FeedFormatError as error:
            notices.append(f"{error} The event of {where} is left out.")
        else:
            kept["schedule"].append(event)
    return kept


def entries_known(start: datetime) -> datetime:
    """When the entry list is known: 5 days before the start."""
    return start - _ENTRIES_BEFORE


def qualifying_known(
    race: Mapping[str, Any], start: datetime, zone: ZoneInfo, file: str
) -> datetime:
    """When practice, qualifying and starting positions are known, at the latest at the start.

    Two hours after the last practice or qualifying event of the schedule; where it has none, two
    hours after `qualifying_date`, which is in the track's local time, and at midnight where only
    the day is known: then the end of that day counts. An event or date that does not lie within
    4 days before the start says nothing: where a race was put off by days, the schedule does not
    tell whether that qualifying was held or is to come. Then the start counts.
    """
    events = [
        event
        for event in _event_times(race, file, (PRACTICE_RUN, QUALIFYING_RUN))
        if event <= start
    ]
    if events:
        held: datetime | None = max(events)
    else:
        naive = _date(race, "qualifying_date", file)
        if naive is not None and naive.time() == time(0):
            naive += timedelta(days=1)
        held = _local(naive, zone)
    if held is None or not start - _QUALIFYING_WINDOW <= held:
        return start
    return min(held + _QUALIFYING_AFTER, start)


def known_after_qualifying_races(
    known: datetime, start: datetime, races: Iterable[datetime]
) -> datetime:
    """When a grid is known that qualifying races set: two hours after the last of them began.

    Args:
        known: When the grid would be known without them.
        start: The race's start, at which it is known at the latest.
        races: Starts of the exhibitions of its series at its track; those within 4 days before
            the start are taken for its qualifying races (the Duels, the All-Star Open).
    """
    held = [race for race in races if start - _QUALIFYING_WINDOW <= race < start]
    return min(start, max([known, *(race + _QUALIFYING_AFTER for race in held)]))


def results_known(race: Mapping[str, Any], start: datetime, file: str) -> datetime:
    """When results, loop statistics and laps are known: 8 hours after the start.

    Where another date of the race lies up to 36 hours later, the race was stopped and finished
    then, and its results came 8 hours after that.
    """
    others = [
        *_event_times(race, file, (RACE_RUN,)),
        *(
            _local(_date(race, key, file), EASTERN)
            for key in ("race_date", "date_scheduled", "tunein_date")
        ),
    ]
    later = [
        other for other in others if other is not None and start <= other <= start + _INTERRUPTION
    ]
    return max([start, *later]) + _RESULTS_AFTER


def _date(race: Mapping[str, Any], key: str, file: str) -> datetime | None:
    value = race.get(key)
    if value is None or value == "":
        return None
    return _parsed(value, key, file)


def _parsed(value: Any, key: str, file: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise FeedFormatError(
            f"A date such as 2026-03-15T16:00:00 was expected, not {value!r}.",
            file=file,
            field=key,
        ) from None
    if not _UNSET_BEFORE < found.year < _UNSET_FROM:
        return None
    return found if found.tzinfo is None else found.astimezone(EASTERN).replace(tzinfo=None)


def _event_times(race: Mapping[str, Any], file: str, run_types: tuple[int, ...]) -> list[datetime]:
    found = []
    for event in race.get("schedule") or ():
        if isinstance(event, dict) and event.get("run_type") in run_types:
            value = event.get("start_time_utc")
            when = _event_time(value, file) if value else None
            if when is not None:
                found.append(when)
    return found


def _event_time(value: Any, file: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise FeedFormatError(
            f"A UTC time such as 2026-03-15T20:00:00 was expected, not {value!r}.",
            file=file,
            field="schedule.start_time_utc",
        ) from None
    if not _UNSET_BEFORE < found.year < _UNSET_FROM:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _local(naive: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if naive is None else naive.replace(tzinfo=zone).astimezone(UTC)
