from datetime import timedelta

import polars as pl
import pytest

from nascar_assets.feed.schemas import LAPS
from nascar_assets.telemetry.check_loop_statistics import compare_with_loop_statistics
from nascar_assets.telemetry.clean_lap_times import clean_lap_times
from nascar_assets.telemetry.convert_flags import mark_flags, read_flag_states
from nascar_assets.telemetry.convert_lap_times import laps_from_lap_times
from nascar_assets.telemetry.convert_live_feed import laps_from_live_feed
from nascar_assets.telemetry.convert_pits import car_numbers, mark_pit_laps, read_stops
from nascar_assets.telemetry.problems import RefusedFile
from nascar_assets_tests.telemetry.lap_frames import (
    RACE,
    START,
    as_json,
    clean_race,
    driver_laps,
    lap_times_body,
)


def of(frame, driver):
    return frame.filter(pl.col("driver_id") == driver).sort("lap")


def test_lap_times_become_canonical_laps():
    out = laps_from_lap_times(as_json(lap_times_body(3)), RACE)
    assert dict(out.schema) == LAPS
    assert out.equals(laps_from_lap_times(lap_times_body(3), RACE))
    leader = of(out, "11")
    assert leader["lap"].to_list() == [0, 1, 2, 3]
    assert leader["lap_time_s"].to_list() == [None, 30.1, 30.11, 30.12]
    assert leader["lap_speed_mph"][1] == pytest.approx(5400 / 30.1, abs=1e-3)
    assert leader["laps_led"].to_list() == [0, 1, 1, 1]
    assert leader["flag"].to_list() == [None, "green", "green", "green"]
    assert leader["pit"].null_count() == 4
    assert leader["timestamp"].to_list() == [
        START,
        START + timedelta(seconds=30.1),
        START + timedelta(seconds=60.21),
        START + timedelta(seconds=90.33),
    ]
    assert set(out["race_id"]) == {"9100"}
    assert set(out["track_id"]) == {"42"}


def test_a_time_on_the_grid_moves_the_clock_alone():
    body = lap_times_body(2)
    body["laps"][0]["Laps"][0]["LapTime"] = 0.9
    leader = of(laps_from_lap_times(body, RACE), "11")
    assert leader["lap_time_s"][0] is None
    assert leader["timestamp"][1] == START + timedelta(seconds=31.0)


def test_a_full_clock_field_is_an_unknown_time_and_ends_the_drivers_clock():
    body = lap_times_body(4)
    body["laps"][0]["Laps"][2] |= {"LapTime": 9999.999, "LapSpeed": "0.540"}
    leader = of(laps_from_lap_times(body, RACE), "11")
    assert leader["lap_time_s"].is_null().to_list() == [True, False, True, False, False]
    assert leader["lap_speed_mph"][2] is None
    assert leader["timestamp"].is_null().to_list() == [False, False, True, True, True]


def test_a_missing_lap_ends_the_drivers_clock():
    body = lap_times_body(4)
    del body["laps"][0]["Laps"][2]
    leader = of(laps_from_lap_times(body, RACE), "11")
    assert leader["lap"].to_list() == [0, 1, 3, 4]
    assert leader["timestamp"].is_null().to_list() == [False, False, True, True]


def test_a_lap_that_no_car_can_drive_has_no_time():
    body = lap_times_body(4)
    body["laps"][0]["Laps"][2] |= {"LapTime": 12.789, "LapSpeed": "422.2"}
    assert of(laps_from_lap_times(body, RACE), "11")["lap_time_s"][2] is None


def test_the_flag_of_a_lap_is_the_entry_of_the_lap_before():
    body = lap_times_body(6)
    for entry in body["flags"]:
        if entry["LapsCompleted"] in (3, 4):
            entry["FlagState"] = 2
    leader = of(laps_from_lap_times(body, RACE), "11")
    # Entries 3 and 4 are the flags of laps 4 and 5; the warm-up entry 0 is lap 1 under green.
    assert leader["flag"].to_list() == [
        None,
        "green",
        "green",
        "green",
        "yellow",
        "yellow",
        "green",
    ]


def test_a_lapped_car_has_the_flag_of_the_race_lap_in_which_it_drove():
    body = lap_times_body(12)
    for entry in body["flags"]:
        if entry["LapsCompleted"] in (7, 8):
            entry["FlagState"] = 2
    for driver in body["laps"]:
        slow = 2 if driver["NASCARDriverID"] == 13 else 0
        rows = driver["Laps"]
        if slow:  # two laps lost in the pits on lap 2
            rows[2] |= {"LapTime": 92.0, "LapSpeed": "58.7"}
            del rows[-2:]
        for row in rows:
            if row["Lap"] in (8 - slow, 9 - slow):
                row |= {"LapTime": 80.0, "LapSpeed": "67.5"}
    out = laps_from_lap_times(body, RACE)
    assert [
        lap for lap, flag in of(out, "11").select("lap", "flag").iter_rows() if flag == "yellow"
    ] == [8, 9]
    assert [
        lap for lap, flag in of(out, "13").select("lap", "flag").iter_rows() if flag == "yellow"
    ] == [6, 7]


def test_a_lap_on_which_the_field_stood_still_is_red():
    body = lap_times_body(6)
    for driver in body["laps"]:
        driver["Laps"][4] |= {"LapTime": 1681.0, "LapSpeed": "3.212"}
    out = laps_from_lap_times(body, RACE)
    assert out.filter(pl.col("flag") == "red")["lap"].to_list() == [4, 4, 4]
    assert out.filter(pl.col("lap") == 4)["lap_time_s"].to_list() == [1681.0] * 3


def test_one_car_in_the_garage_is_no_red_flag():
    body = lap_times_body(6)
    body["laps"][0]["Laps"][4] |= {"LapTime": 1681.0, "LapSpeed": "3.212"}
    assert "red" not in laps_from_lap_times(body, RACE)["flag"].to_list()


def snapshot(lap, elapsed, flag=1, race_id=9100, **first):
    cars = [
        {
            "driver": {"driver_id": 11},
            "laps_completed": lap,
            "last_lap_time": 30.0,
            "last_lap_speed": 180.0,
            "running_position": 1,
            "vehicle_elapsed_time": 30.0 * lap,
            "laps_led": [{"start_lap": 1, "end_lap": 2}],
            "pit_stops": [
                {"pit_in_elapsed_time": 0.0, "pit_out_elapsed_time": 0.0},
                {"pit_in_elapsed_time": 85.0, "pit_out_elapsed_time": 100.0},
            ],
        }
    ]
    cars[0] |= first
    return {
        "race_id": race_id,
        "lap_number": lap,
        "elapsed_time": elapsed,
        "flag_state": flag,
        "vehicles": cars,
    }


def test_snapshots_of_the_live_feed_become_laps():
    shots = [
        snapshot(0, 0),
        snapshot(1, 31),
        snapshot(1, 45, flag=2),
        snapshot(2, 61, flag=2),
        snapshot(4, 121),
    ]
    out = laps_from_live_feed([as_json(shot) for shot in reversed(shots)], RACE)
    assert dict(out.schema) == LAPS
    assert out["lap"].to_list() == [1, 2, 4]
    # Lap 2 began at 30 s: the last snapshot before it, at 0 s, showed green; lap 4's showed yellow.
    assert out["flag"].to_list() == ["green", "green", "yellow"]
    assert out["laps_led"].to_list() == [1, 1, 0]
    # On the pit road from 85 to 100 s: during lap 3 (60 to 90) and lap 4 (90 to 120).
    assert out["pit"].to_list() == [False, False, True]
    assert out["timestamp"][2] == START + timedelta(seconds=120)


def test_one_snapshot_says_nothing_of_the_flag_when_its_laps_began():
    assert laps_from_live_feed([snapshot(3, 91)], RACE)["flag"].to_list() == [None]


@pytest.mark.parametrize(
    ("body", "column"),
    [
        (snapshot(3, 91, race_id=9101), "race_id"),
        (snapshot(3, 91, last_lap_time="30.0"), "last_lap_time"),
        ({**snapshot(3, 91), "lap_number": "3"}, "lap_number"),
        ({"vehicles": None}, "vehicles"),
        (snapshot(3, 91, driver=None), "driver"),
        ({**snapshot(3, 91), "run_type": 2}, "run_type"),
    ],
)
def test_a_bad_live_feed_is_refused_with_its_column(body, column):
    with pytest.raises(RefusedFile) as caught:
        laps_from_live_feed([body], RACE)
    assert column in [problem.column for problem in caught.value.problems]


def pit_stop(car, laps, into, out):
    return {
        "vehicle_number": car,
        "lap_count": laps,
        "pit_in_race_time": into,
        "pit_out_race_time": out,
    }


def test_pit_data_mark_the_laps_on_the_pit_road():
    laps = laps_from_lap_times(lap_times_body(6), RACE)
    cars = car_numbers(as_json(lap_times_body(6)))
    assert cars == {"1": "11", "2": "12", "3": "13"}
    # Car 1 is on the pit road from 85 to 100 s, over the line at 90.33 s: laps 3 and 4.
    stops = as_json([pit_stop("1", 2, 85.0, 100.0), pit_stop("99", 2, 85.0, 100.0)])
    out = mark_pit_laps(laps, stops, cars, RACE)
    assert of(out, "11")["pit"].to_list() == [None, False, False, True, True, False, False]
    assert of(out, "12")["pit"].to_list() == [None] + [False] * 6
    assert out.drop("pit").equals(laps.drop("pit"))
    lazy = mark_pit_laps(laps.lazy(), stops, cars, RACE)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(out)


def test_where_the_time_is_unknown_the_lap_count_marks_the_pit_lap():
    laps = driver_laps("11", [30.0] * 5).with_columns(timestamp=pl.lit(None, LAPS["timestamp"]))
    out = mark_pit_laps(laps, [pit_stop("1", 2, 85.0, 100.0)], {"1": "11"}, RACE)
    assert out["pit"].to_list() == [False, False, True, False, False]


def test_drivers_whose_car_is_unknown_have_no_pit_marks():
    out = mark_pit_laps(clean_race(3), [pit_stop("1", 1, 35.0, 50.0)], {"1": "11"}, RACE)
    assert of(out, "12")["pit"].null_count() == 3


@pytest.mark.parametrize("out", [0, None, 131.0, 10_000.0])
def test_a_stop_touches_two_laps_at_most_whatever_became_of_its_end(out):
    laps = driver_laps("11", [30.0] * 6)
    marked = mark_pit_laps(laps, [pit_stop("1", 2, 65.0, out)], {"1": "11"}, RACE)
    assert marked["pit"].to_list() == [False, False, True, True, False, False]
    first = mark_pit_laps(laps, [pit_stop("1", 0, 5.0, out)], {"1": "11"}, RACE)
    assert [n for n, pit in enumerate(first["pit"], 1) if pit] == [1, 2]


def test_flag_data_give_the_flag_that_was_shown_when_the_lap_began():
    states = [(0, 8, 0.0), (0, 1, 0.0), (2, 2, 61.0), (4, 1, 149.0)]
    body = {
        "FlagStates": [{"lap_number": n, "flag_state": s, "elapsed_time": t} for n, s, t in states]
    }
    grid = driver_laps("11", [None], first=0)
    laps = pl.concat([grid, driver_laps("11", [30.0] * 6)]).with_columns(
        flag=pl.lit(None, pl.String)
    )
    out = mark_flags(laps, as_json(body), RACE)
    # Laps begin at 0, 30, ..., 150 s; yellow is shown from 61 to 149 s.
    assert out["flag"].to_list() == [None, "green", "green", "green", "yellow", "yellow", "green"]
    unknown = laps.with_columns(timestamp=pl.lit(None, LAPS["timestamp"]))
    # By number: the last flag shown at or before lap n - 1 of the leader.
    by_number = mark_flags(unknown, body, RACE)["flag"].to_list()
    assert by_number == [None, "green", "green", "yellow", "yellow", "green", "green"]
    lazy = mark_flags(laps.lazy(), body, RACE)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(out)


def test_a_red_flag_within_a_lap_makes_it_red():
    states = [(0, 1, 0.0), (1, 2, 40.0), (1, 3, 55.0), (1, 2, 500.0), (3, 1, 640.0)]
    body = {
        "FlagStates": [{"lap_number": n, "flag_state": s, "elapsed_time": t} for n, s, t in states]
    }
    out = mark_flags(driver_laps("11", [30.0, 520.0, 90.0, 30.0]), body, RACE)
    assert out["flag"].to_list() == ["green", "red", "yellow", "green"]


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b'{"FlagStates": []}', b'{"FlagStates": [{"lap_number": "1"}]}', b"null", b""],
)
def test_bad_flag_data_are_refused(body):
    with pytest.raises(RefusedFile):
        mark_flags(clean_race(), body, RACE)


@pytest.mark.parametrize("body", [b"{}", b"null", b"", b'[{"lap_count": "3"}]', b"[3]"])
def test_bad_pit_data_are_refused(body):
    with pytest.raises(RefusedFile):
        mark_pit_laps(clean_race(), body, {"1": "11"}, RACE)


def test_laps_held_against_loop_statistics():
    laps = laps_from_lap_times(lap_times_body(10), RACE)
    drivers = [
        {"driver_id": 11, "laps": 10, "lead_laps": 10, "fast_laps": 10},
        {"driver_id": 12, "laps": 7, "lead_laps": 0, "fast_laps": 0},
        {"driver_id": 99, "laps": 10, "lead_laps": 0, "fast_laps": 0},
    ]
    out = compare_with_loop_statistics(laps, as_json([{"race_id": 9100, "drivers": drivers}]))
    assert out["driver_id"].to_list() == ["11", "12", "13", "99"]
    assert out["agrees"].to_list() == [True, False, False, False]
    assert out["fastest_laps"].to_list() == [10, 0, 0, None]
    assert out["laps_by_loops"].to_list() == [10, 7, None, 10]
    with pytest.raises(RefusedFile):
        compare_with_loop_statistics(laps, b'[{"drivers": [{"driver_id": 11}]}]')


@pytest.mark.parametrize("out", [-1, 0, None, "", "NA", -1.0, 64.0, "late"])
def test_an_exit_that_is_not_known_loses_no_pit_lap(out):
    laps = driver_laps("11", [30.0] * 6)
    marked = mark_pit_laps(laps, [pit_stop("1", 2, 65.0, out)], {"1": "11"}, RACE)
    assert marked["pit"].to_list() == [False, False, True, True, False, False]


@pytest.mark.parametrize("nothing", [None, "", "NA", -1, "x"])
def test_a_stop_lacks_what_it_lacks_and_the_others_stand(nothing):
    laps = driver_laps("11", [30.0] * 6)
    whole = pit_stop("1", 4, 125.0, 140.0)
    timed = pit_stop("1", nothing, 35.0, 50.0)
    counted = pit_stop("1", 2, nothing, nothing)
    lost, nobody = pit_stop("1", nothing, nothing, 9.0), pit_stop(None, 1, 35.0, 50.0)
    notes: list[str] = []
    stops = read_stops([whole, timed, counted, lost, nobody, 3], "pits.json", notes)
    assert len(stops) == 3
    assert len(notes) == 1
    assert "row 4, 5, 6" in notes[0]
    marked = mark_pit_laps(laps, [whole, timed, counted, lost], {"1": "11"}, RACE)
    assert marked["pit"].to_list() == [False, True, True, False, True, False]


@pytest.mark.parametrize("nothing", [None, "", "NA", -1, "x", 999])
def test_a_flag_without_its_numbers_is_left_out_and_told(nothing):
    good = [{"lap_number": n, "flag_state": s, "elapsed_time": t} for n, s, t in
            [(0, 1, 0.0), (2, 2, 61.0), (4, 1, 149.0)]]  # fmt: skip
    keys = ["flag_state"] if nothing == 999 else ["lap_number", "flag_state", "elapsed_time"]
    for key in keys:
        notes: list[str] = []
        bad = {**good[1], key: nothing}
        assert len(read_flag_states([*good, bad, None], "flags.json", notes)) == 3
        assert len(notes) == 1
        laps = driver_laps("11", [30.0] * 6)
        assert mark_flags(laps, [*good, bad], RACE).equals(mark_flags(laps, good, RACE))


@pytest.mark.parametrize("nothing", [None, "", "NA", -1])
def test_a_lap_or_driver_that_lacks_something_costs_itself_alone(nothing):
    plain = laps_from_lap_times(lap_times_body(6), RACE)
    body = lap_times_body(6)
    body["laps"][1]["Laps"][3] |= {"LapTime": nothing, "LapSpeed": nothing, "RunningPos": nothing}
    del body["laps"][2]["Laps"][4]["LapSpeed"]
    del body["laps"][2]["Laps"][4]["LapTime"]
    body["laps"][2]["Laps"][5]["Lap"] = nothing
    body["laps"].append({**body["laps"][0], "NASCARDriverID": nothing})
    laps = laps_from_lap_times(body, RACE)
    assert of(laps, "11").equals(of(plain, "11"))
    known = ("lap_time_s", "lap_speed_mph", "position")
    assert of(laps, "12").filter(lap=3).select(known).row(0) == (None,) * 3
    assert (
        of(laps, "12").filter(pl.col("lap") < 3).equals(of(plain, "12").filter(pl.col("lap") < 3))
    )
    assert of(laps, "13")["lap"].to_list() == [0, 1, 2, 3, 4, 6]
    assert laps["driver_id"].n_unique() == 3
    _, notes = clean_lap_times(body, "lap-times.json")
    assert len(notes) == 7


@pytest.mark.parametrize("wrong", ["fast", -30.0, [1], True, 1e9])
def test_the_feeds_own_laps_are_read_without_what_cannot_be(wrong):
    body = lap_times_body(6)
    body["laps"][1]["Laps"][3] |= {"LapTime": wrong, "LapSpeed": wrong, "RunningPos": wrong}
    body["laps"][2]["Laps"][5]["Lap"] = wrong
    body["laps"] += [{**body["laps"][0], "NASCARDriverID": "x"}, 7, dict(body["laps"][0])]
    body["laps"][0]["Laps"].reverse()
    body["flags"] += [{"LapsCompleted": wrong, "FlagState": 1}, None]
    cleaned, notes = clean_lap_times(body, "lap-times.json", forgiving=True)
    laps = laps_from_lap_times(cleaned, RACE)
    plain = laps_from_lap_times(lap_times_body(6), RACE)
    assert of(laps, "11").equals(of(plain, "11"))
    known = ("lap_time_s", "lap_speed_mph", "position")
    assert of(laps, "12").filter(lap=3).select(known).row(0) == (None,) * 3
    assert of(laps, "13")["lap"].to_list() == [0, 1, 2, 3, 4, 6]
    assert len(notes) == 9


@pytest.mark.parametrize("forgiving", [False, True])
@pytest.mark.parametrize("key", ["LapTime", "LapSpeed", "RunningPos"])
def test_a_column_that_no_lap_has_is_refused(key, forgiving):
    body = lap_times_body(6)
    for driver in body["laps"]:
        for lap in driver["Laps"][1:]:
            lap[f"{key}s"] = lap.pop(key)
    with pytest.raises(RefusedFile, match=f"column {key}: none of the 18 laps has it"):
        clean_lap_times(body, "lap-times.json", forgiving=forgiving)


def test_times_in_other_units_are_refused():
    body = lap_times_body(6)
    for driver in body["laps"]:
        for lap in driver["Laps"][1:]:
            lap["LapTime"] *= 1000
    with pytest.raises(RefusedFile, match="column LapTime: 18 of 18 laps have what cannot be"):
        clean_lap_times(body, "lap-times.json", forgiving=True)


def test_cars_of_a_live_feed_that_lack_something_are_left_out_of_its_laps():
    body = snapshot(3, 91)
    (car,) = body["vehicles"]
    stints = [{"start_lap": None, "end_lap": 3}, {"start_lap": 2, "end_lap": 3}]
    whole = {**car, "running_position": -1, "last_lap_time": None, "laps_led": stints}
    for bad in ({}, None, {**car, "driver": {}}, {**car, "laps_completed": "NA"}):
        laps = laps_from_live_feed([{**body, "vehicles": [whole, bad]}], RACE)
        assert laps.select("lap", "position", "lap_time_s", "laps_led").row(0) == (3, None, None, 1)
        assert laps.height == 1


def test_a_driver_without_statistics_is_none_of_the_others_matter():
    laps = laps_from_lap_times(lap_times_body(10), RACE)
    good = {"driver_id": 11, "laps": 10, "lead_laps": 10, "fast_laps": 10}
    body = [{"race_id": 9100, "drivers": [good, {**good, "driver_id": 12, "laps": None}, None]}]
    out = compare_with_loop_statistics(laps, body)
    assert out["agrees"].to_list() == [True, False, False]
