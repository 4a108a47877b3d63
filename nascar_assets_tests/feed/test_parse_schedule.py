"""Schedules to races: keys, stages, status, and errors that name file and field."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.payload import FeedFormatError
from nascar_assets.feed.schemas import SCHEDULE
from nascar_assets_tests.feed.feed_files import race, ran, schedule_row


def on(day: str, race_id: int, **changes: object) -> dict[str, object]:
    when = f"2026-{day}T15:30:00"
    return race(race_id, date_scheduled=when, race_date=when, tunein_date=when, **changes)


def keys(races: list[dict[str, object]], known: dict[str, str] | None = None) -> dict[str, str]:
    frame = parse_schedule({2026: {"series_1": races}}, known)
    return dict(frame.select("race_id", "race_key").iter_rows())


def test_the_table_has_the_shared_schema():
    frame = parse_schedule({2026: {"series_1": [race()]}})
    assert dict(frame.schema) == {name: pl.Schema(SCHEDULE)[name] for name in SCHEDULE}


def test_bytes_an_object_and_a_bare_list_are_read_alike():
    whole = {"series_1": [race()], "series_2": [], "series_3": None}
    frame = parse_schedule({2026: whole})
    assert parse_schedule({2026: json.dumps(whole).encode()}).equals(frame)
    assert parse_schedule({2026: [race()]}).equals(frame)


def test_keys_count_points_races_and_exhibitions_apart_by_date():
    found = keys(
        [
            on("03-15", 3),
            on("02-15", 1),
            on("02-12", 9, race_type_id=2),
            on("02-22", 2),
            on("05-17", 8, race_type_id=2),
        ]
    )
    assert found == {
        "1": "2026-cup-01",
        "2": "2026-cup-02",
        "3": "2026-cup-03",
        "9": "2026-cup-x01",
        "8": "2026-cup-x02",
    }


def test_a_key_once_given_is_kept_when_the_race_moves():
    known = keys([on("02-15", 1), on("02-22", 2), on("03-01", 3)])
    moved = keys([on("05-15", 1), on("02-22", 2), on("03-01", 3)], known)
    assert moved == known


def test_an_added_race_gets_a_key_of_its_own_and_pushes_nobody():
    known = keys([on("02-15", 1), on("02-22", 2)])
    more = keys([on("02-15", 1), on("02-18", 7), on("02-22", 2), on("03-01", 3)], known)
    assert more["1"] == known["1"]
    assert more["2"] == known["2"]
    assert len(set(more.values())) == 4


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 27), min_size=1, max_size=12, unique=True),
    st.lists(st.integers(1, 27), min_size=1, max_size=12, unique=True),
)
def test_keys_are_distinct_and_stable_however_the_schedule_changes(before, after):
    known = keys([on(f"03-{day:02d}", 100 + day) for day in before])
    again = keys([on(f"04-{28 - day:02d}", 100 + day) for day in after], known)
    assert len(set(again.values())) == len(again)
    assert all(again[race_id] == known[race_id] for race_id in set(known) & set(again))
    assert not {again[race_id] for race_id in set(again) - set(known)} & set(known.values())


@pytest.mark.parametrize(
    ("stages", "laps", "expected"),
    [
        ((30, 30, 40, None), 100, [30, 60]),
        ((30, 30, 43, None), 100, [30, 60]),  # overtime: the last stage grew
        ((30, 30, 10, None), 100, [30, 60]),  # cut short in the last stage
        ((80, 185, -264, None), 450, [80, 265]),  # a negative last stage, before the race
        ((45, 45, 44, None), 200, [45, 90]),  # a last stage that is a wrong guess
        ((100, 100, 100, None), 400, [100, 200, 300]),  # the fourth stage is left out
        ((100, 100, 100, 100), 400, [100, 200, 300]),
        ((70, 160, 170, 0), 400, [70, 230]),
        ((0, 0, 0, None), 150, []),
    ],
)
def test_stage_ends(stages, laps, expected):
    lengths = {f"stage_{number}_laps": length for number, length in enumerate(stages, start=1)}
    assert schedule_row(race(scheduled_laps=laps, **lengths))["stage_ends"] == expected


@pytest.mark.parametrize("length", [1e12, 3e9, 5_000])
def test_a_stage_longer_than_any_race_is_told_and_none(length):
    notices: list[str] = []
    listed = race(stage_1_laps=length, stage_2_laps=length, scheduled_laps=None)
    frame = parse_schedule({2026: {"series_1": [listed]}}, notices=notices)
    assert frame["stage_ends"].to_list() == [[]]
    assert len(notices) == 2


def test_a_points_race_of_few_laps_is_a_points_race():
    """The type says what counts, not the length: road courses run 42 to 48 laps for points."""
    short = schedule_row(
        ran(scheduled_laps=42, actual_laps=46, stage_1_laps=12, stage_2_laps=14, stage_3_laps=16)
    )
    assert (short["race_type"], short["scheduled_laps"], short["actual_laps"]) == ("points", 42, 46)
    assert short["stage_ends"] == [12, 26]
    long = schedule_row(ran(race_type_id=2, scheduled_laps=200))
    assert long["race_type"] == "exhibition"


def test_before_the_race_nothing_of_its_outcome_is_there():
    row = schedule_row(race(winner_driver_id=0))
    outcome = ("actual_laps", "winner_driver_id", "cautions", "caution_laps", "leaders")
    assert row["status"] == "scheduled"
    assert all(row[column] is None for column in (*outcome, "lead_changes"))


def test_after_the_race_its_outcome_is_there():
    row = schedule_row(ran())
    assert row["status"] == "complete"
    assert (row["actual_laps"], row["winner_driver_id"]) == (100, "11")
    assert (row["cautions"], row["caution_laps"], row["lead_changes"]) == (2, 9, 5)


def test_a_race_that_was_run_but_not_counted_has_no_cautions_rather_than_zero():
    row = schedule_row(ran(number_of_leaders=0, number_of_cautions=0, number_of_caution_laps=0))
    assert row["status"] == "complete"
    assert row["cautions"] is None
    assert row["lead_changes"] is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"race_id": None}, "race_id"),
        ({"race_id": 0}, "race_id"),
        ({"race_id": "soon"}, "race_id"),
        ({"race_id": 1}, "series_1[1]"),
        ({"series_id": 9}, "series_id"),
        ({"race_type_id": 3}, "race_type_id"),
        ({"race_type_id": None}, "race_type_id"),
        ({"race_season": 2025}, "race_season"),
        ({"track_id": ""}, "track_id"),
        ({"race_date": None, "date_scheduled": "", "tunein_date": None}, "race_date"),
        ({"race_date": "TBA", "date_scheduled": "TBA", "tunein_date": 7}, "race_date"),
    ],
)
def test_a_race_that_cannot_be_placed_is_set_aside_and_the_season_is_read(changes, field):
    notices: list[str] = []
    races = [race(1), {**race(2), **changes}, race(3)]
    frame = parse_schedule({2026: {"series_1": races}}, notices=notices)
    assert frame["race_id"].to_list() == ["1", "3"]
    assert notices[-1].startswith("cacher/2026/race_list_basic.json, field ")
    assert field in notices[-1]
    assert notices[-1].endswith("The race is left out; the others are read.")


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"scheduled_laps": "many"}, "scheduled_laps"),
        ({"scheduled_laps": -5}, "scheduled_laps"),
        ({"actual_laps": 3.5}, "actual_laps"),
        ({"number_of_cars_in_field": [40]}, "field_size"),
        ({"winner_driver_id": "nobody"}, "winner_driver_id"),
    ],
)
def test_a_value_that_cannot_be_costs_itself(changes, column):
    notices: list[str] = []
    frame = parse_schedule({2026: {"series_1": [{**ran(), **changes}]}}, notices=notices)
    assert frame[column].to_list() == [None]
    assert len(notices) == 1


def test_a_date_that_cannot_be_read_leaves_the_others_to_tell_the_start():
    notices: list[str] = []
    listed = race(race_date="TBA", qualifying_date="Saturday", schedule=[{"run_type": 3}, 4])
    listed["schedule"].append({"run_type": 3, "start_time_utc": "soon"})
    frame = parse_schedule({2026: {"series_1": [listed]}}, notices=notices)
    assert frame["start_time"].equals(parse_schedule({2026: [race()]})["start_time"])
    assert len(notices) == 3


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
@pytest.mark.parametrize("zone", ["", "Z"])
def test_a_date_at_either_end_of_time_is_none(when, zone):
    plain = race(schedule=[{"run_type": 2, "start_time_utc": when + zone}])
    day = parse_schedule({2026: [race()]})["start_time"].dt.date()
    for key in ("race_date", "date_scheduled", "tunein_date", "qualifying_date"):
        listed = {**plain, key: when + zone}
        frame = parse_schedule({2026: {"series_1": [listed]}})
        assert frame["start_time"].dt.date().equals(day), key


def test_a_file_none_of_whose_races_can_be_placed_is_refused():
    """A schedule that lies at another season's path is such a file."""
    with pytest.raises(FeedFormatError, match="it is of 2025 and its file of 2026") as error:
        parse_schedule({2026: {"series_1": [race(race_season=2025)]}})
    assert error.value.file == "cacher/2026/race_list_basic.json"
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    "payload", [b"null", b'{"series_1": [', b"{}", b'{"series_1": 5}', b'{"series_1": [5]}', b"7"]
)
def test_what_is_no_schedule_is_refused(payload):
    with pytest.raises(FeedFormatError):
        parse_schedule({2026: payload})


def test_a_missing_field_is_told():
    listed = race()
    del listed["track_id"]
    with pytest.raises(FeedFormatError, match=r"track_id.*missing"):
        parse_schedule({2026: [listed]})
