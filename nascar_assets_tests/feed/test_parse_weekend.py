"""Weekend feeds to entries and official results, with every rule for rows that are odd."""

from __future__ import annotations

import json

import polars as pl
import pytest

from nascar_assets.feed.parse_weekend import (
    OFFICIAL_RESULTS,
    laps_run,
    parse_entries,
    parse_official_results,
)
from nascar_assets.feed.payload import FeedFormatError
from nascar_assets.feed.schemas import ENTRIES
from nascar_assets_tests.feed.feed_files import (
    four_results,
    race,
    ran,
    result,
    schedule_row,
    weekend,
)

FILE = "cacher/2026/1/7001/weekend-feed.json"
ROW = schedule_row(ran())
BEFORE = schedule_row(race())


def entries(rows, row=ROW):
    return parse_entries(weekend(rows), row)


def official(rows, **changes):
    return parse_official_results(weekend(rows, ran(**changes)), ROW)


def test_the_tables_have_the_shared_schemas():
    assert entries(four_results()).frame.schema == pl.Schema(ENTRIES)
    assert official(four_results()).frame.schema == pl.Schema(OFFICIAL_RESULTS)
    assert entries([]).frame.schema == pl.Schema(ENTRIES)


def test_a_plain_weekend_gives_no_notice():
    assert entries(four_results()).notices == ()
    assert official(four_results()).notices == ()
    assert official(four_results()).frame["finish"].to_list() == [1, 2, 3, 4]


def test_bytes_and_decoded_json_are_read_alike():
    payload = weekend(four_results())
    parsed = parse_entries(json.dumps(payload).encode(), ROW)
    assert parsed.frame.equals(parse_entries(payload, ROW).frame)


def test_more_cars_than_any_race_has_are_not_read():
    with pytest.raises(FeedFormatError, match="It has 5,001 entries; no more than 5,000"):
        entries([{}] * 5_001)
    many = json.dumps(weekend([{}] * 200_000)).encode()
    with pytest.raises(FeedFormatError, match="more than 200,000 objects and lists"):
        parse_entries(many, ROW)


def test_half_a_letter_in_a_name_costs_that_letter_alone():
    payload = json.dumps(weekend(four_results())).encode()
    name = parse_entries(payload, ROW).frame["driver_name"][0]
    for half in (b"\\ud83c", b"\\uDFC1"):
        halved = payload.replace(name.encode(), half + name.encode())
        assert parse_entries(halved, ROW).frame["driver_name"][0] == f"?{name}"
    whole = payload.replace(name.encode(), b"\\ud83c\\udfc1" + name.encode())
    assert parse_entries(whole, ROW).frame["driver_name"][0] == f"\U0001f3c1{name}"
    with pytest.raises(FeedFormatError, match="no whole JSON file"):
        parse_entries(payload.replace(name.encode(), b"\xed\xa0\x80" + name.encode()), ROW)


def test_entries_hold_what_is_known_before_the_race_only():
    outcome = {
        "finishing_position": 9,
        "laps_completed": 3,
        "laps_led": 1,
        "finishing_status": None,
        "disqualified": True,
    }
    changed = [{**row, **outcome} for row in four_results()]
    assert entries(changed).frame.equals(entries(four_results()).frame)


def test_before_qualifying_there_is_no_start():
    unset = {
        "starting_position": 0,
        "qualifying_position": 0,
        "qualifying_speed": 0,
        "finishing_position": 0,
    }
    found = entries([{**row, **unset} for row in four_results()], BEFORE).frame
    for column in ("start", "qualifying_position", "qualifying_speed_mph"):
        assert found[column].null_count() == 4
    assert found["car_number"].to_list() == ["11", "12", "13", "14"]


def test_texts_are_cleaned():
    row = result(
        11,
        1,
        driver_fullname="* Jose  Fictional #",
        team_name="Rick Hendrick",
        car_make="Chevy",
        crew_chief_fullname="  ",
    )
    found = entries([row]).frame.row(0, named=True)
    assert found["driver_name"] == "Jose Fictional"
    assert found["team"] == "Hendrick Motorsports"
    assert found["manufacturer"] == "Chevrolet"
    assert found["crew_chief"] is None


def test_a_dash_is_no_team():
    assert entries([result(11, 1, team_name="–")]).frame["team"].to_list() == [None]


@pytest.mark.parametrize("missing", [None, -1, 0])
def test_a_car_without_a_driver_is_left_out_and_told(missing):
    rows = [*four_results(), result(missing, 5, driver_fullname=None, car_number="44")]
    for parsed in (entries(rows), official(rows)):
        assert parsed.frame.height == 4
        assert parsed.notices == (f"{FILE}: car 44 has no driver and is left out.",)


def test_a_driver_without_an_id_is_carried_by_name_and_told():
    rows = [*four_results(), result(0, 5, driver_fullname="Gary Newcomer # (i)")]
    for parsed in (entries(rows), official(rows)):
        assert "name:gary-newcomer" in parsed.frame["driver_id"].to_list()
        assert "Gary Newcomer" in parsed.notices[0]


def test_who_starts_beyond_a_full_field_did_not_qualify():
    rows = [*four_results(), result(15, 41, car_number="66")]
    parsed = entries(rows)
    assert parsed.frame["start"].to_list() == [1, 2, 3, 4, None]
    assert "did not qualify" in parsed.notices[0]
    large = schedule_row(ran(number_of_cars_in_field=41))
    assert parse_entries(weekend(rows), large).frame["start"].to_list() == [1, 2, 3, 4, 41]


def test_who_has_neither_laps_nor_a_status_did_not_start():
    row = result(15, 5, laps_completed=0, finishing_status=None)
    parsed = official([*four_results(), row])
    assert parsed.frame.height == 4
    assert "did not start" in parsed.notices[0]


def test_who_crashed_before_the_first_lap_did_start():
    row = result(15, 5, laps_completed=0, finishing_status="Accident")
    assert official([*four_results(), row]).frame.height == 5


def test_of_two_result_rows_for_one_driver_the_one_with_more_laps_is_kept():
    rows = [*four_results(), result(13, 5, laps_completed=100, car_number="99")]
    parsed = official(rows)
    kept = parsed.frame.filter(driver_id="13").row(0, named=True)
    assert (kept["laps_completed"], kept["car_number"], kept["finish"]) == (100, "99", 5)
    assert "two rows" in parsed.notices[0]
    assert "car 13 left out" in parsed.notices[0]


def test_of_two_result_rows_with_the_same_laps_the_better_finish_is_kept():
    parsed = official([*four_results(), result(11, 5)])
    assert parsed.frame.filter(driver_id="11")["finish"].to_list() == [1]


def test_of_two_entries_for_one_driver_the_better_start_is_kept():
    rows = [
        result(11, 0, car_number="1"),
        result(11, 7, car_number="2"),
        result(11, 3, car_number="3"),
    ]
    parsed = entries(rows)
    assert parsed.frame["car_number"].to_list() == ["3"]
    assert len(parsed.notices) == 2


def test_a_disqualified_car_keeps_its_text_and_its_official_place():
    rows = four_results()
    rows[0] = result(11, 1)
    rows[3] = result(14, 4, disqualified=True, finishing_status="Running")
    kept = official(rows).frame.row(3, named=True)
    assert (kept["status"], kept["status_text"], kept["finish"]) == ("disqualified", "Running", 4)


def test_an_unknown_status_is_reported():
    parsed = official([*four_results(), result(15, 5, finishing_status="Abducted")])
    assert parsed.frame["status"].to_list()[-1] == "mechanical"
    assert "Abducted" in parsed.notices[0]


def test_two_cars_in_one_place_are_refused():
    with pytest.raises(FeedFormatError, match="both finished in place 2"):
        official([*four_results(), result(15, 2)])


def grid():
    """The rows of a weekend feed before its race."""
    outcome = {"finishing_position": 0, "laps_completed": 0, "finishing_status": ""}
    return [{**row, **outcome, "laps_led": 0} for row in four_results()]


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        (BEFORE, {}),
        (BEFORE, {"actual_laps": 100}),
        (BEFORE, {"winner_driver_id": 11}),
        (ROW, {}),
        (ROW, {"winner_driver_id": 11}),
    ],
)
def test_a_grid_is_no_result(row, changes):
    """Also where the schedule knows more than the weekend feed."""
    for rows in (grid(), [{**car, "finishing_position": 3} for car in grid()], []):
        payload = weekend(rows, race(**changes))
        assert laps_run(payload, row) is None
        with pytest.raises(FeedFormatError, match="not been run"):
            parse_official_results(payload, row)


@pytest.mark.parametrize("key", ["finishing_position", "laps_completed"])
@pytest.mark.parametrize("value", [None, 0])
def test_a_race_that_was_run_without_any_finish_or_laps_is_refused(key, value):
    """Not taken for one that was not run, which would empty its stored results."""
    payload = weekend([{**row, key: value} for row in four_results()], ran())
    with pytest.raises(FeedFormatError, match=f"No car has a usable {key}"):
        laps_run(payload, ROW)
    with pytest.raises(FeedFormatError) as error:
        laps_run(weekend(grid(), race(actual_laps=100)), ROW)
    assert FILE in str(error.value)
    assert "stays as it was" in str(error.value)
    assert laps_run(weekend(payload["weekend_race"][0]["results"], race()), BEFORE) is None


@pytest.mark.parametrize("value", [None, 0])
def test_a_file_that_lost_all_ids_of_drivers_is_refused(value):
    rows = [{**row, "driver_id": value} for row in four_results()]
    for parse in (entries, official):
        with pytest.raises(FeedFormatError, match="No car has a usable driver_id"):
            parse(rows)


def test_a_race_that_is_on_its_way_has_no_result():
    rows = [{**row, "laps_completed": 60, "finishing_status": "Running"} for row in four_results()]
    assert laps_run(weekend(rows, race()), BEFORE) is None
    assert laps_run(weekend(rows, race(actual_laps=60)), BEFORE) is None


@pytest.mark.parametrize(
    ("listed", "laps"),
    [
        (race(), 100),  # all scheduled laps were run
        (race(actual_laps=104), 104),
        (race(scheduled_laps=150, actual_laps=100, winner_driver_id=11), 100),  # rain
        (race(scheduled_laps=150, actual_laps=100, total_race_time="2:00:01"), 100),
    ],
)
def test_results_that_the_schedule_does_not_know_yet_are_results(listed, laps):
    before = schedule_row({**race(), "scheduled_laps": listed["scheduled_laps"]})
    frame = parse_official_results(weekend(four_results(), listed), before).frame
    assert frame["finish"].to_list() == [1, 2, 3, 4]
    assert frame["actual_laps"].unique().to_list() == [laps]
    assert frame["results_at"].unique().to_list() == [before["results_at"]]


def test_cautions_are_unknown_where_nothing_was_counted():
    found = official(four_results(), number_of_leaders=0, number_of_cautions=0).frame
    assert found["cautions"].null_count() == 4


@pytest.mark.parametrize(
    "key",
    [
        "starting_position",
        "qualifying_position",
        "qualifying_speed",
        "laps_completed",
        "laps_led",
    ],
)
@pytest.mark.parametrize("value", [None, "", "NA", -1, 999, "fast", -7, 1e9, [1], True])
def test_a_number_that_cannot_be_costs_itself_alone(key, value):
    rows = four_results()
    plain = official(rows).frame
    rows[2][key] = value
    parsed = official(rows)
    columns = {"starting_position": "start", "qualifying_speed": "qualifying_speed_mph"}
    column = columns.get(key, key)
    changed = parsed.frame.with_columns(plain[column])
    assert changed.equals(plain)
    assert parsed.frame[column][2] is None
    assert bool(parsed.notices) >= (value in ("fast", -7, 1e9, [1], True))
    assert all(FILE in notice for notice in parsed.notices)


@pytest.mark.parametrize("value", [None, "", "NA", 0, -1, 999, "first", 400, True])
def test_a_row_without_a_finish_is_left_out_of_the_results_alone(value):
    rows = four_results()
    rows[2]["finishing_position"] = value
    parsed = official(rows)
    assert parsed.frame["driver_id"].to_list() == ["11", "12", "14"]
    assert "Number13 (car 13) has no finishing place" in parsed.notices[-1]
    assert entries(rows).frame.equals(entries(four_results()).frame)


@pytest.mark.parametrize("value", ["x", True, -5, [3]])
def test_a_driver_whose_id_cannot_be_is_carried_by_name(value):
    parsed = entries([*four_results()[:2], {**four_results()[2], "driver_id": value}, 7])
    assert parsed.frame["driver_id"].to_list() == ["11", "12", "name:driver-number13"]
    assert len(parsed.notices) == 3


def test_two_rows_of_one_driver_with_one_finish_are_no_shared_place():
    assert official([*four_results(), result(11, 1, car_number="9")]).frame.height == 4


def test_a_shared_place_names_race_cars_and_what_to_do():
    with pytest.raises(FeedFormatError) as error:
        official([*four_results(), result(15, 2)])
    notify = str(error.value)
    assert "Race 7001 (Fictional 150)" in notify
    assert "Driver Number12 (12) and Driver Number15 (15) both finished in place 2" in notify
    assert "Sync again" in notify
    assert f"landing/feed/{FILE}" in notify


@pytest.mark.parametrize(
    "payload",
    [
        b"null",
        b'{"weekend_race": [{"race_id": 7001, "results": [',
        [],
        {"weekend_race": []},
        {"weekend_race": [3]},
        {"other": 1},
        {"weekend_race": [{"race_id": 7002, "results": []}]},
        {"weekend_race": [{"race_id": 7001, "results": {}}]},
        {"weekend_race": [{"race_id": 7001}]},
    ],
)
def test_what_is_no_weekend_feed_is_refused(payload):
    with pytest.raises(FeedFormatError) as error:
        parse_entries(payload, ROW)
    assert error.value.file == FILE
