"""Pit and flag files joined to laps: what they mark, and what is refused instead."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.telemetry.convert_lap_times import laps_from_lap_times
from nascar_assets.telemetry.convert_pits import car_numbers
from nascar_assets.telemetry.marks import CLOCK_TOLERANCE_S, join_flag_data, join_pit_data
from nascar_assets.telemetry.problems import RefusedFile
from nascar_assets.telemetry.summary import summarise_laps
from nascar_assets.telemetry.validate import validate_landed
from nascar_assets_tests.telemetry.lap_frames import RACE, as_json, lap_times_body

CARS = {"1": "11", "2": "12", "3": "13"}


def stop(car, laps, into, out):
    return {
        "vehicle_number": car,
        "lap_count": laps,
        "pit_in_race_time": into,
        "pit_out_race_time": out,
    }


def stops(shift=0.0):
    """Each car stops once; lap n of car k ends at n (30 + 0.1 k + 0.005 (n - 1)) s.

    Cars 1, 2 and 3 come in at 85 s with two laps done (laps end at 60.2 s and 90.3 s or later).
    """
    return [stop(car, 2, 85.0 + shift, 100.0 + shift) for car in ("1", "2", "3")]


def flag(after_lap, state, since):
    return {"lap_number": after_lap, "flag_state": state, "elapsed_time": since}


@pytest.fixture
def laps():
    return laps_from_lap_times(lap_times_body(), RACE)


def marked(laps, driver="11"):
    return [lap for lap, pit in laps.filter(driver_id=driver).select("lap", "pit").rows() if pit]


def test_pit_laps_are_marked_and_leave_the_green_runs(laps):
    joined = join_pit_data(laps, as_json(stops()), CARS, RACE)
    assert marked(joined) == [3, 4]  # over the line at 90.33 s
    assert joined.drop("pit").equals(laps.drop("pit"))
    before, after = summarise_laps(laps), summarise_laps(joined)
    assert before["green_laps"].to_list() == [12, 12, 12]
    assert after["green_laps"].to_list() == [10, 10, 10]
    assert after["green_runs"].to_list() == [2, 2, 2]


def test_what_the_laps_say_themselves_stays(laps):
    said = laps.with_columns(
        pit=pl.when(pl.col("driver_id") == "11").then(pl.col("lap") == 7),
        flag=pl.when(pl.col("driver_id") == "11").then(pl.lit("yellow")),
    )
    joined = join_pit_data(said, stops(), CARS, RACE)
    assert marked(joined, "11") == [7]
    assert marked(joined, "12") == [3, 4]
    states = {"FlagStates": [flag(0, 1, 0.0), flag(2, 2, 61.0), flag(4, 1, 125.0)]}
    flags = join_flag_data(said, as_json(states), RACE)
    assert set(flags.filter(driver_id="11")["flag"]) == {"yellow"}
    # Car 2's laps begin at 0, 30.2, 60.4, 90.6, 120.8, 151 s; yellow shows from 61 to 125 s.
    others = flags.filter(driver_id="12").sort("lap")["flag"].to_list()
    assert others[:7] == [None, "green", "green", "green", "yellow", "yellow", "green"]
    bare = join_flag_data(said, states["FlagStates"], RACE)  # as the feed writes it since 2024
    assert bare.equals(flags)


def test_a_body_without_stops_marks_nothing(laps):
    assert join_pit_data(laps, b"[]", CARS, RACE).equals(laps)


@pytest.mark.slow
@given(st.floats(-84, 3000), st.permutations(range(3)))
def test_stops_by_another_clock_are_refused_and_those_by_the_same_are_not(shift, order):
    laps = laps_from_lap_times(lap_times_body(), RACE)
    rows = [stops(shift)[index] for index in order]
    # Lap 3 lasts from 60.2 to 90.3 s for car 1, to 90.9 s for car 3: two of three must fit.
    fits = 60.41 - CLOCK_TOLERANCE_S <= 85.0 + shift <= 90.63 + CLOCK_TOLERANCE_S
    if fits:
        assert join_pit_data(laps, rows, CARS, RACE)["pit"].sum() >= 3
        return
    if min(abs(85.0 + shift - edge) for edge in (59.2, 91.9)) < 1.0:
        return  # between the cars' own laps
    with pytest.raises(RefusedFile, match="3 of 3 stops lie in other laps"):
        join_pit_data(laps, rows, CARS, RACE)


def test_stops_of_another_race_are_refused_by_cars_and_by_laps(laps):
    foreign = [stop(car, 2, 85.0, 100.0) for car in ("1", "71", "72")]
    with pytest.raises(RefusedFile, match=r"vehicle_number: only 1 of 3 cars are entered"):
        join_pit_data(laps, foreign, CARS, RACE)
    longer = [stop(car, 40, 1300.0, 1330.0) for car in CARS]
    with pytest.raises(RefusedFile, match="3 of 3 stops"):
        join_pit_data(laps, longer, CARS, RACE)


def test_flags_by_another_clock_are_refused(laps):
    states = [flag(0, 1, 0.0), flag(2, 2, 61.0), flag(4, 1, 125.0), flag(12, 4, 366.0)]
    assert join_flag_data(laps, states, RACE).equals(laps)  # lap times carry flags
    late = [{**state, "elapsed_time": state["elapsed_time"] + 70.0} for state in states]
    with pytest.raises(RefusedFile, match=r"elapsed_time: 2 of 3 changes of the flag"):
        join_flag_data(laps, late, RACE)


def test_laps_without_a_clock_take_marks_by_lap_count(laps):
    timeless = laps.with_columns(timestamp=pl.lit(None, laps.schema["timestamp"]))
    assert marked(join_pit_data(timeless, stops(500.0), CARS, RACE)) == [3]


def test_a_landed_pit_or_flag_file_is_held_against_the_races_cars_and_laps(laps):
    race = {**RACE, "driver_of_car": CARS}
    others = {"lap-times.json": laps.lazy()}
    name = "live-pit-data.json"
    good = validate_landed(as_json(stops()), name, race, others)
    assert (good.accepted, good.kind, good.laps) == (True, "pit_data", None)
    assert validate_landed(as_json(stops(500.0)), name, race).accepted  # no laps to hold it against
    late = validate_landed(as_json(stops(500.0)), name, race, others)
    assert [problem.column for problem in late.problems] == ["pit_in_race_time"]
    foreign = validate_landed(as_json([stop("9", 2, 85.0, 99.0)]), name, race)
    assert [problem.column for problem in foreign.problems] == ["vehicle_number"]
    flags = validate_landed(as_json([flag(3, 2, 600.0)]), "live-flag-data.json", race, others)
    assert (flags.kind, [problem.column for problem in flags.problems]) == (
        "flag_data",
        ["elapsed_time"],
    )


def test_lap_times_have_no_clock_to_be_held_against(laps):
    shifted = laps.with_columns(pl.col("timestamp") + timedelta(seconds=42))
    body = as_json(lap_times_body())
    assert validate_landed(body, "lap-times.json", RACE, {"own.parquet": shifted.lazy()}).accepted


@pytest.mark.real_data
def test_real_stops_and_flags_lie_in_the_laps_that_they_name():
    folder = Path(os.environ.get("NASCAR_REAL_DATA", "nowhere"), "feed-samples")
    if not folder.exists():
        pytest.skip("NASCAR_REAL_DATA names no folder with feed-samples")
    race = {
        "race_id": "5314",
        "track_id": "111",
        "start_time": datetime(2023, 3, 18, 21, tzinfo=UTC),
    }
    body = (folder / "lap-times.json").read_bytes()
    laps = laps_from_lap_times(body, race)
    pits = json.loads((folder / "live-pit-data.json").read_bytes())
    joined = join_pit_data(laps, pits, car_numbers(body), race)
    # Most stops touch two laps: into the pits before the line, out after it; no exit that the
    # feed missed marks more.
    assert 1.8 * len(pits) < joined["pit"].sum() <= 2 * len(pits)
    flagless = laps.with_columns(flag=pl.lit(None, pl.String))
    flags = join_flag_data(flagless, (folder / "live-flag-data.json").read_bytes(), race)
    assert flags["flag"].eq_missing(laps["flag"]).mean() > 0.99
    late = [{**row, "pit_in_race_time": row["pit_in_race_time"] + 120} for row in pits]
    with pytest.raises(RefusedFile, match="other laps by the clock"):
        join_pit_data(laps, late, car_numbers(body), race)
