"""Starts and times of knowledge, by the feed's several dates."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.payload import FeedFormatError
from nascar_assets.feed.times import (
    EASTERN,
    entries_known,
    qualifying_known,
    race_start,
    results_known,
)
from nascar_assets_tests.feed.feed_files import race
from nascar_assets_tests.feed.real_feed import real_data

PACIFIC = ZoneInfo("America/Los_Angeles")
PHOENIX = ZoneInfo("America/Phoenix")


def start(zone: ZoneInfo = EASTERN, **dates: object) -> datetime:
    return race_start(race(**dates), zone, "file")


def eastern(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=EASTERN)


def dated(scheduled: str, ran_on: str, tune_in: str) -> dict[str, str]:
    return {"date_scheduled": scheduled, "race_date": ran_on, "tunein_date": tune_in}


def test_dates_are_eastern_in_winter_and_in_summer():
    # 15:30 EST is 20:30 UTC; 15:30 EDT is 19:30 UTC.
    winter, summer = "2026-03-01T15:30:00", "2026-03-15T15:30:00"
    assert start(**dated(winter, winter, winter)) == datetime(2026, 3, 1, 20, 30, tzinfo=UTC)
    assert start(**dated(summer, summer, summer)) == datetime(2026, 3, 15, 19, 30, tzinfo=UTC)


def test_the_schedules_own_race_event_goes_first_and_is_utc():
    events = [
        {"event_name": "Practice", "run_type": 1, "start_time_utc": "2026-02-28T19:00:00"},
        {"event_name": "Race", "run_type": 3, "start_time_utc": "2026-03-01T21:00:00"},
    ]
    found = start(schedule=events, tunein_date="2026-03-01T15:00:00")
    assert found == datetime(2026, 3, 1, 21, 0, tzinfo=UTC)


def test_the_event_of_a_race_put_off_to_another_day_is_stale():
    events = [{"run_type": 3, "start_time_utc": "2026-03-01T20:30:00"}]
    monday, sunday = "2026-03-02T12:00", "2026-03-01T15:30"
    assert start(schedule=events, **dated(sunday, monday, monday)) == eastern(monday)
    # Stopped on Sunday and finished on Monday: it began on Sunday.
    assert start(schedule=events, **dated(sunday, sunday, monday)) == eastern(sunday)


@pytest.mark.parametrize(
    ("zone", "ran_on", "tune_in"),
    [
        (EASTERN, "2026-03-01T12:00", "2026-03-01T12:00"),
        (EASTERN, "2026-02-28T15:00", "2026-02-28T15:00"),
        (PACIFIC, "2026-03-01T09:00", "2026-03-01T12:00"),
    ],
)
def test_the_event_of_a_race_brought_forward_is_stale(zone, ran_on, tune_in):
    events = [{"run_type": 3, "start_time_utc": "2026-03-01T20:30:00"}]
    found = start(zone, schedule=events, **dated("2026-03-01T15:30", ran_on, tune_in))
    assert found == eastern(tune_in)
    # One date alone may be that of the broadcast before the race, or an old one.
    for dates in ((ran_on, "2026-03-01T15:30"), ("2026-03-01T15:30", tune_in)):
        assert start(zone, schedule=events, **dated(ran_on, *dates)) == eastern("2026-03-01T15:30")


def test_days_without_a_time_are_no_earlier_start():
    events = [{"run_type": 3, "start_time_utc": "2026-03-01T20:30:00"}]
    day = "2026-03-01T00:00:00"
    assert start(schedule=events, **dated(day, day, day)) == eastern("2026-03-01T15:30")


@pytest.mark.parametrize(
    ("zone", "scheduled", "ran_on", "tune_in", "expected"),
    [
        # Las Vegas, March 2022: race_date is the track's local time.
        (PACIFIC, "2022-03-06T15:30", "2022-03-06T12:30", "2022-03-06T15:30", "2022-03-06T15:30"),
        # Phoenix, November 2022: Arizona has no summer time; 13:00 there is 15:00 EST.
        (PHOENIX, "2022-11-06T15:00", "2022-11-06T13:00", "2022-11-06T15:00", "2022-11-06T15:00"),
        # Dover 2023: put off from Sunday to Monday noon.
        (EASTERN, "2023-04-30T14:00", "2023-05-01T12:00", "2023-05-01T12:00", "2023-05-01T12:00"),
        # Michigan 2023: begun on Sunday, stopped by rain, finished on Monday.
        (EASTERN, "2023-08-07T12:00", "2023-08-06T14:30", "2023-08-07T12:00", "2023-08-06T14:30"),
        # Daytona 500 of 2025 and 2026: moved forward by an hour for the weather.
        (EASTERN, "2025-02-16T14:30", "2025-02-16T14:30", "2025-02-16T13:30", "2025-02-16T13:30"),
        (EASTERN, "2026-02-15T13:30", "2026-02-15T14:30", "2026-02-15T13:30", "2026-02-15T13:30"),
        # Nashville 2024: the schedule's time is hours too late.
        (EASTERN, "2024-06-30T19:30", "2024-06-30T15:30", "2024-06-30T15:30", "2024-06-30T15:30"),
    ],
)
def test_starts_of_races_whose_dates_disagree(zone, scheduled, ran_on, tune_in, expected):
    assert start(zone, **dated(scheduled, ran_on, tune_in)) == eastern(expected)


def test_a_local_time_that_fits_no_other_date_counts_as_eastern():
    found = start(PACIFIC, **dated("2026-03-01T15:30", "2026-03-01T14:00", "2026-03-01T15:30"))
    assert found == eastern("2026-03-01T14:00")


def test_an_unset_race_date_gives_way_to_the_schedules():
    unset = "1900-01-01T00:00:00"
    found = start(**dated("2026-03-01T15:30:00", unset, unset))
    assert found == eastern("2026-03-01T15:30")
    with pytest.raises(FeedFormatError, match="race_date"):
        start(**dated(unset, unset, unset))


def test_a_date_that_is_none_is_told_with_its_field():
    with pytest.raises(FeedFormatError, match=r"field race_date.*tomorrow"):
        start(race_date="tomorrow")


def test_entries_are_known_five_days_before_and_results_eight_hours_after():
    begin = start()
    assert begin - entries_known(begin) == timedelta(days=5)
    assert results_known(race(), begin, "file") - begin == timedelta(hours=8)


def test_results_of_a_race_finished_the_next_day_are_known_after_its_end():
    listed = race(**dated("2023-08-07T12:00", "2023-08-06T14:30", "2023-08-07T12:00"))
    begin = race_start(listed, EASTERN, "file")
    assert results_known(listed, begin, "file") == eastern("2023-08-07T20:00")


@pytest.mark.parametrize(
    ("qualifying", "expected"),
    [
        ("2026-02-28T13:00:00", "2026-02-28T15:00"),  # two hours after it
        ("2026-02-28T00:00:00", "2026-03-01T02:00"),  # the day alone: two hours after its end
        ("2026-03-01T00:00:00", "2026-03-01T15:30"),  # the race's own day: at the start
        ("2026-03-01T15:00:00", "2026-03-01T15:30"),  # would end after the start
        ("2026-02-20T13:00:00", "2026-03-01T15:30"),  # more than 4 days before: says nothing
        ("1900-01-01T00:00:00", "2026-03-01T15:30"),  # not set
        (None, "2026-03-01T15:30"),
    ],
)
def test_when_qualifying_is_known(qualifying, expected):
    listed = race(qualifying_date=qualifying)
    assert qualifying_known(listed, start(), EASTERN, "file") == eastern(expected)


def test_qualifying_dates_are_the_tracks_local_time():
    # 10:00 in Las Vegas is 13:00 Eastern.
    listed = race(qualifying_date="2026-02-28T10:00:00")
    assert qualifying_known(listed, start(), PACIFIC, "file") == eastern("2026-02-28T15:00")


def test_the_last_event_before_the_race_goes_before_the_qualifying_date():
    events = [
        {"run_type": 2, "start_time_utc": "2026-02-27T20:00:00"},
        {"run_type": 1, "start_time_utc": "2026-02-28T22:00:00"},
        {"run_type": 3, "start_time_utc": "2026-03-01T20:30:00"},
    ]
    known = qualifying_known(race(schedule=events), start(), EASTERN, "file")
    assert known == datetime(2026, 3, 1, 0, 0, tzinfo=UTC)
    # A race put off by a week that keeps its events: that qualifying may still be to come.
    later = start() + timedelta(days=7)
    assert qualifying_known(race(schedule=events), later, EASTERN, "file") == later


def test_a_grid_is_known_after_the_qualifying_races_that_set_it():
    # Sunday's race with qualifying on Wednesday and the Duels on Thursday evening.
    def duel(race_id, begins, **changes):
        day = {"race_type_id": 2, "qualifying_date": begins, **dated(begins, begins, begins)}
        return race(race_id, **day, **changes)

    listed = [
        race(qualifying_date="2026-02-25T00:00:00"),
        duel(1, "2026-02-26T19:00:00"),
        duel(2, "2026-02-26T20:45:00"),
        duel(3, "2026-02-27T19:00:00", track_id=105),  # elsewhere
        duel(4, "2026-02-27T19:00:00", series_id=2),  # another series'
        duel(5, "2026-02-22T19:00:00"),  # the week before
    ]

    def known(races):
        table = parse_schedule({2026: races})
        return table.row(by_predicate=pl.col("race_type") == "points", named=True)["qualifying_at"]

    assert known(listed[:1]) == eastern("2026-02-26T05:00")  # midnight in Las Vegas and two hours
    assert known(listed) == eastern("2026-02-26T22:45")
    # On the race's own day: at its start.
    late = duel(6, "2026-03-01T14:00:00")
    assert known([*listed, late]) == eastern("2026-03-01T15:30")


@pytest.mark.real_data
def test_dates_alone_give_the_starts_of_the_real_events():
    payload = json.loads((real_data() / "feed-samples/race_list_basic.json").read_bytes())
    by_event = parse_schedule({2023: payload})
    for races in payload.values():
        for listed in races:
            listed["schedule"] = []
    by_date = parse_schedule({2023: payload})
    assert by_event.height == 97
    assert by_event["start_time"].equals(by_date["start_time"])
