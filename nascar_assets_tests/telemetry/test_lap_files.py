"""A race's laps from several landed files: which gives them, which mark them, which are refused."""

import io
import json
from datetime import timedelta

import polars as pl
import pytest

from nascar_assets.feed.paths import lap_times_path, loop_stats_path, pit_data_path
from nascar_assets.orchestration.assets import telemetry
from nascar_assets.orchestration.assets.feed import _race_files, dropped_laps_path
from nascar_assets.orchestration.assets.lap_files import flag_data_path, snapshot_path
from nascar_assets.orchestration.assets.race_tables import RaceInputs
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.storage import DataRoot
from nascar_assets.telemetry.validate import content_hash
from nascar_assets_tests.telemetry.lap_frames import RACE, as_json, clean_race, lap_times_body
from nascar_assets_tests.telemetry.test_convert import snapshot
from nascar_assets_tests.telemetry.test_marks import flag, marked, stops

KEY = "2026-cup-05"
TIMES = f"landing/feed/{lap_times_path(2026, 'cup', '9100')}"
PITS = f"landing/feed/{pit_data_path(2026, 'cup', '9100')}"
PIT_NAME, FLAG_NAME = f"{KEY}-live-pit-data.json", f"{KEY}-live-flag-data.json"


@pytest.fixture
def inputs(tmp_path):
    root = DataRoot.open(tmp_path)
    entries = pl.DataFrame({"car_number": ["1", "2", "3"], "driver_id": RACE["driver_ids"]})
    root.write_frame(table_path("entries", KEY), entries)
    return RaceInputs(root, {**RACE, "race_key": KEY, "season": 2026})


def run(inputs):
    """The race's files listed, and its tables of telemetry made from them, as its job does it."""
    _race_files(inputs).write(inputs.root, table_path("race_files", KEY))
    for name, compute in (("laps", telemetry._laps), ("lap_summaries", telemetry._lap_summaries)):
        output = compute(inputs)
        output.write(inputs.root, table_path(name, KEY))
        if name == "laps":
            laps = output
    return laps, inputs.table("lap_summaries")


def parquet(frame):
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def quarantined(inputs, name):
    assert inputs.root.read(f"quarantine/laps/{name}") is not None
    return json.loads(inputs.root.read(f"quarantine/laps/{name}.report.json"))


@pytest.mark.slow
def test_pit_data_that_land_before_the_laps_wait_and_are_joined_when_these_come(inputs):
    inputs.root.write(PITS, as_json(stops()))
    laps, _ = run(inputs)
    assert laps.frame.is_empty()
    assert laps.notices == [telemetry.NO_LAPS, f"{PIT_NAME} waits for the race's laps."]
    inputs.root.write(TIMES, as_json(lap_times_body()))
    laps, summaries = run(inputs)
    assert marked(laps.frame) == [3, 4]
    assert laps.metadata["pit_laps"] == 6
    assert laps.sources == {
        f"{KEY}-lap-times.json": content_hash(as_json(lap_times_body())),
        PIT_NAME: content_hash(as_json(stops())),
    }
    assert summaries["green_laps"].to_list() == [10, 10, 10]
    again, _ = run(inputs)
    assert again.frame.equals(laps.frame)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (stops(600.0), "other laps by the clock"),
        ([{**stop, "vehicle_number": "9"} for stop in stops()], "another race's file"),
        ([{"vehicle_number": "1", "pit_in_race_time": "x"}], "not a number"),
        ({"drivers": []}, "no list of stops"),
    ],
)
def test_bad_pit_data_are_quarantined_and_the_laps_stay_as_they_are(inputs, body, reason):
    inputs.root.write(TIMES, as_json(lap_times_body()))
    before, _ = run(inputs)
    inputs.root.write(PITS, as_json(body))
    after, _ = run(inputs)
    assert after.frame.equals(before.frame)
    assert (after.failures, after.sources) == ([], before.sources)
    assert any(reason in notice for notice in after.notices)
    report = quarantined(inputs, PIT_NAME)
    assert reason in report["problems"][0]["reason"]
    assert report["sha256"] == content_hash(as_json(body))


@pytest.mark.slow
def test_numbers_written_as_text_and_an_odd_grid_do_not_cost_the_laps(inputs):
    body = lap_times_body()
    first, second = body["laps"][:2]
    first["NASCARDriverID"] = str(first["NASCARDriverID"])
    second["Laps"][0] |= {"LapTime": "no", "LapSpeed": "x", "RunningPos": "2"}
    second["Laps"][3] |= {key: str(second["Laps"][3][key]) for key in ("Lap", "LapTime")}
    body["laps"][2]["Laps"].append({**second["Laps"][3], "Lap": 999})
    inputs.root.write(TIMES, as_json(body))
    laps, _ = run(inputs)
    assert not laps.failures
    inputs.root.write(TIMES, as_json(lap_times_body()))
    assert laps.frame.equals(run(inputs)[0].frame)


@pytest.mark.slow
def test_stops_that_are_corrected_away_leave_no_marks(inputs):
    inputs.root.write(TIMES, as_json(lap_times_body()))
    inputs.root.write(PITS, as_json(stops()))
    run(inputs)
    inputs.root.write(PITS, as_json(stops()[1:]))
    laps, _ = run(inputs)
    assert marked(laps.frame, "11") == []
    assert marked(laps.frame, "12") == [3, 4]
    inputs.root.write(PITS, b"[]")
    laps, _ = run(inputs)
    assert laps.frame["pit"].null_count() == laps.frame.height
    assert PIT_NAME not in laps.sources


@pytest.mark.slow
def test_flag_data_fill_laps_that_carry_no_flag_and_no_others(inputs):
    states = as_json([flag(0, 1, 0.0), flag(2, 2, 61.0), flag(4, 1, 125.0)])
    inputs.root.write(flag_data_path(inputs), states)
    inputs.root.write(TIMES, as_json(lap_times_body()))
    laps, _ = run(inputs)
    assert FLAG_NAME not in laps.sources  # lap times carry flags
    assert laps.metadata["flags"] == {"green": 36}
    bare = clean_race().with_columns(flag=pl.lit(None, pl.String))
    inputs.root.write(dropped_laps_path(inputs), parquet(bare))
    laps, summaries = run(inputs)
    assert laps.metadata["flags"] == {"green": 30, "yellow": 6}
    assert laps.sources[FLAG_NAME] == content_hash(states)
    assert summaries["green_runs"].to_list() == [2, 2, 2]


def test_snapshots_of_the_live_feed_give_laps_until_lap_times_land(inputs):
    shots = [snapshot(1, 31), snapshot(2, 61), snapshot(4, 121)]
    for shot in shots:
        inputs.root.write(snapshot_path(inputs, as_json(shot)), as_json(shot))
        inputs.root.write(snapshot_path(inputs, as_json(shot)), as_json(shot))  # the same again
    laps, _ = run(inputs)
    assert laps.frame["lap"].to_list() == [1, 2, 4]
    assert set(laps.sources.values()) == {content_hash(as_json(shot)) for shot in shots}
    assert laps.notices[0].startswith("3 snapshots of the live feed")
    inputs.root.write(TIMES, as_json(lap_times_body()))
    laps, _ = run(inputs)
    assert laps.frame.height == 39


@pytest.mark.slow
def test_laps_are_held_against_loop_statistics(inputs):
    inputs.root.write(TIMES, as_json(lap_times_body()))
    assert run(inputs)[0].metadata["loop_statistics"] == "no loop statistics"
    # Twelve laps each; driver 11 led them all and drove the fastest of each. For 13 the loops
    # count three fewer, where one may differ.
    totals = [("11", 12, 12, 12), ("12", 12, 0, 0), ("13", 9, 0, 0)]
    rows = [
        {"driver_id": int(driver), "laps": laps, "lead_laps": led, "fast_laps": fast}
        for driver, laps, led, fast in totals
    ]
    path = f"landing/feed/{loop_stats_path(2026, 'cup', '9100')}"
    inputs.root.write(path, as_json([{"race_id": 9100, "drivers": rows}]))
    assert run(inputs)[0].metadata["loop_statistics"] == "2 of 3 drivers agree"
    inputs.root.write(path, as_json([{"race_id": 9100, "drivers": [{"driver_id": 11}]}]))
    assert "a driver without numbers" in run(inputs)[0].metadata["loop_statistics"]


def test_dropped_laps_of_another_clock_than_later_lap_times_are_told(inputs):
    shifted = clean_race().with_columns(pl.col("timestamp") + timedelta(seconds=42))
    inputs.root.write(dropped_laps_path(inputs), parquet(shifted))
    laps, _ = run(inputs)
    assert laps.notices == ()
    inputs.root.write(TIMES, as_json(lap_times_body()))
    laps, _ = run(inputs)
    assert not laps.failures
    assert laps.notices == (
        f"{KEY}-laps.parquet, column timestamp: the clock is +42.000 s off that of lap-times.json "
        "for the same laps (clock skew)",
    )
