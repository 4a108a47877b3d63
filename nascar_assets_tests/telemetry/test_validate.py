import io
import json
from datetime import timedelta

import polars as pl
import pytest

from nascar_assets.telemetry.validate import content_hash, validate_landed
from nascar_assets_tests.telemetry.lap_frames import (
    RACE,
    START,
    as_json,
    clean_race,
    lap_times_body,
)


def parquet(frame):
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def refused(source, column=None, reason="", rows=None, file="laps.parquet", race=RACE, others=None):
    """The file is refused for this column, reason and rows, and the report says so."""
    found = validate_landed(source, file, race, others)
    assert not found.accepted
    assert found.laps is None
    report = json.loads(json.dumps(found.report()))
    assert report["file"] == file
    assert report["sha256"] == content_hash(source)
    match = [p for p in report["problems"] if p["column"] == column and reason in p["reason"]]
    assert match, report
    if rows is not None:
        assert match[0]["rows"] == rows
        assert match[0]["count"] == len(rows)
    return found


def changed(row, **values):
    """The clean race with other values in one row (counted from 1)."""
    frame = clean_race()
    here = pl.int_range(1, pl.len() + 1) == row
    return frame.with_columns(
        pl.when(here)
        .then(pl.lit(value))
        .otherwise(pl.col(name))
        .cast(frame.schema[name])
        .alias(name)
        for name, value in values.items()
    )


def test_clean_files_are_accepted():
    frame = clean_race()
    found = validate_landed(parquet(frame), "laps.parquet", RACE)
    assert found.accepted
    assert found.laps.collect().equals(frame)
    body = validate_landed(as_json(lap_times_body()), "lap-times.json", RACE)
    assert (body.accepted, body.kind, body.problems) == (True, "lap_times", ())


def test_a_parquet_file_is_validated_from_its_path_too(tmp_path):
    path = tmp_path / "laps.parquet"
    clean_race().write_parquet(path)
    assert validate_landed(path, path.name, RACE).laps.collect().equals(clean_race())
    path.write_bytes(path.read_bytes()[:-40])
    refused(path, None, "cut short")


def test_columns_that_no_lap_has_are_told():
    frame = clean_race().rename({"lap_time_s": "lap_time"})
    found = validate_landed(parquet(frame), "laps.parquet", RACE)
    assert found.accepted
    assert found.notes == ("Columns that no lap has are left out: lap_time.",)


def test_narrower_integers_and_other_time_units_are_the_same_laps():
    other = clean_race().with_columns(
        pl.col("lap").cast(pl.Int16), pl.col("timestamp").dt.cast_time_unit("ms")
    )
    found = validate_landed(parquet(other), "laps.parquet", RACE)
    assert found.laps.collect().schema == clean_race().schema


@pytest.mark.parametrize("missing", ["lap", "driver_id", "timestamp", "track_id"])
def test_missing_metadata_columns(missing):
    refused(parquet(clean_race().drop(missing)), missing, "missing")


def test_every_missing_column_is_listed():
    found = refused(parquet(clean_race().drop("lap", "track_id")), "lap", "missing")
    assert [problem.column for problem in found.problems] == ["lap", "track_id"]


def test_a_wrong_schema():
    refused(parquet(pl.DataFrame({"a": [1], "b": [2]})), "timestamp", "missing")
    naive = clean_race().with_columns(pl.col("timestamp").dt.replace_time_zone(None))
    refused(parquet(naive), "timestamp", "expected")
    refused(
        parquet(clean_race().with_columns(pl.col("driver_id").cast(pl.Int64))),
        "driver_id",
        "String",
    )


def test_a_forbidden_column():
    frame = clean_race().with_columns(race_finish_position=1, race_dnf_lap=2)
    found = refused(parquet(frame), "race_finish_position", "forbidden")
    assert {problem.column for problem in found.problems} == {
        "race_finish_position",
        "race_dnf_lap",
    }


def test_strings_where_numbers_belong():
    text = clean_race().with_columns(pl.col("lap_time_s").cast(pl.String))
    refused(parquet(text), "lap_time_s", "String where Float64")
    body = lap_times_body()
    body["laps"][0]["Laps"][3]["LapTime"] = "30.1"
    body["laps"][1]["Laps"][2]["LapTime"] = "fast"
    # Row numbers count laps over all drivers: 13 a driver, grid included.
    refused(as_json(body), "LapTime", "not a number", [4, 16], "lap-times.json")


def test_truncated_parquet():
    whole = parquet(clean_race())
    for size in (4, 10, len(whole) // 2, len(whole) - 8, len(whole) - 1):
        refused(whole[:size], None, "cut short")


def test_damaged_pages_are_found():
    data = bytearray(parquet(clean_race(200)))
    data[200:400] = bytes(200)
    found = validate_landed(bytes(data), "laps.parquet", {**RACE, "scheduled_laps": 200})
    assert not found.accepted


def test_truncated_and_broken_json():
    refused(as_json(lap_times_body())[:500], None, "cut short", file="lap-times.json")
    refused(b"\xff\xfe\x00garbage", None, "no JSON", file="lap-times.json")


def test_a_body_that_is_just_null():
    refused(b"null", None, "null", file="lap-times.json")


def test_an_empty_file():
    refused(b"", None, "empty", file="lap-times.json")
    refused(b"", None, "empty")
    refused(b"  \n", None, "empty", file="lap-times.json")
    refused(parquet(clean_race().clear()), None, "no lap")
    refused(
        as_json({"laps": [], "flags": []}), "laps", "no driver has a lap", file="lap-times.json"
    )


def test_duplicate_laps():
    frame = pl.concat([clean_race(), clean_race().slice(4, 2)])
    refused(parquet(frame), "lap", "twice", [37, 38])


def test_a_driver_with_two_rows():
    body = lap_times_body()
    body["laps"].append(body["laps"][1])
    refused(as_json(body), "laps", "driver 12 has a second entry", [4], "lap-times.json")


def test_laps_out_of_order():
    frame = clean_race()
    swapped = pl.concat([frame[:4], frame[5:6], frame[4:5], frame[6:]])
    refused(parquet(swapped), "lap", "out of order", [6])


def test_a_lap_number_that_jumps_back():
    refused(parquet(changed(8, lap=0)), "lap", "jumps back", [8])
    body = lap_times_body()
    body["laps"][0]["Laps"][7]["Lap"] = 2
    refused(as_json(body), "lap", "twice", [8], "lap-times.json")


@pytest.mark.parametrize(
    ("values", "column", "reason"),
    [
        ({"lap_time_s": -30.0}, "lap_time_s", "not above 0"),
        ({"lap_time_s": 0.0}, "lap_time_s", "not above 0"),
        ({"lap_time_s": float("nan")}, "lap_time_s", "not above 0"),
        ({"lap_time_s": float("inf")}, "lap_time_s", "longer than any red flag"),
        ({"lap_time_s": 90_000.0}, "lap_time_s", "longer than any red flag"),
        ({"lap_speed_mph": 900.0}, "lap_speed_mph", "mph"),
        ({"lap_speed_mph": -1.0}, "lap_speed_mph", "mph"),
        ({"lap": -1}, "lap", "negative"),
        ({"position": 0}, "position", "1 to 100"),
        ({"laps_led": 7}, "laps_led", "0 or 1"),
        ({"flag": "purple"}, "flag", "none of"),
        ({"driver_id": None}, "driver_id", "missing"),
        ({"lap": None}, "lap", "missing"),
        ({"race_id": "9101"}, "race_id", "another race"),
        ({"race_id": None}, "race_id", "another race"),
        ({"track_id": "43"}, "track_id", "another track"),
        ({"lap": 300}, "lap", "another race's file"),
    ],
)
def test_impossible_values_are_refused_with_their_row(values, column, reason):
    refused(parquet(changed(5, **values)), column, reason, [5])


def test_negative_times_in_lap_times():
    body = lap_times_body()
    body["laps"][0]["Laps"][3]["LapTime"] = -30.1
    refused(as_json(body), "LapTime", "not above 0", [4], "lap-times.json")


def test_the_red_flag_of_1681_seconds_is_real():
    body = lap_times_body()
    for driver in body["laps"]:
        driver["Laps"][6] |= {"LapTime": 1681.0, "LapSpeed": "3.212"}
    found = validate_landed(as_json(body), "lap-times.json", RACE)
    assert found.accepted
    assert 1681.0 in found.laps.collect()["lap_time_s"].to_list()
    assert validate_landed(parquet(changed(5, lap_time_s=1681.0)), "laps.parquet", RACE).accepted


def test_a_timing_fault_is_mended_and_noted_but_wrong_units_are_not():
    body = lap_times_body()
    body["laps"][0]["Laps"][6] |= {"LapTime": 9999.999, "LapSpeed": "0.5"}
    body["laps"][1]["Laps"][6] |= {"LapTime": 12.0, "LapSpeed": "450.0"}
    found = validate_landed(as_json(body), "lap-times.json", RACE)
    assert found.accepted
    assert len(found.notes) == 2
    for driver in body["laps"]:
        for lap in driver["Laps"][1:]:
            lap["LapSpeed"] = "289.6"  # kilometres an hour
    refused(as_json(body), "LapSpeed", "units", file="lap-times.json")
    for driver in body["laps"]:
        for lap in driver["Laps"][1:]:
            lap["LapTime"] = 30_000.0  # milliseconds
    refused(as_json(body), "LapTime", "units", file="lap-times.json")


def test_a_file_of_another_race_under_this_races_name():
    refused(parquet(clean_race().with_columns(race_id=pl.lit("8000"))), "race_id", "another race")
    body = as_json(lap_times_body())
    strangers = {**RACE, "driver_ids": ["11", "70", "71", "72"]}
    refused(body, "driver_id", "only 1 of 3 drivers", file="lap-times.json", race=strangers)
    short_track = {**RACE, "track_length_miles": 0.533}
    refused(body, "lap_speed_mph", "miles", file="lap-times.json", race=short_track)
    fewer_laps = {**RACE, "scheduled_laps": 5}
    refused(body, "lap", "another race's file", file="lap-times.json", race=fewer_laps)


def test_another_layout_of_a_road_course_is_noted_only():
    road = {**RACE, "track_length_miles": 2.4, "track_type": "road"}
    found = validate_landed(as_json(lap_times_body()), "lap-times.json", road)
    assert found.accepted
    assert "another layout" in found.notes[0]


def test_clock_skew_within_a_file():
    refused(
        parquet(changed(5, timestamp=START - timedelta(days=1))), "timestamp", "before the race"
    )
    refused(parquet(changed(5, timestamp=START + timedelta(days=30))), "timestamp", "clock skew")
    refused(parquet(changed(5, timestamp=START)), "timestamp", "earlier than", [5])


def test_clock_skew_between_files():
    first = clean_race()
    shifted = first.with_columns(pl.col("timestamp") + timedelta(seconds=42))
    others = {"first.parquet": first.lazy()}
    found = refused(
        parquet(shifted), "timestamp", "+42.000 s off that of first.parquet", others=others
    )
    assert len(found.problems) == 1
    near = first.with_columns(pl.col("timestamp") + timedelta(seconds=0.2))
    assert validate_landed(parquet(near), "laps.parquet", RACE, others).accepted


def test_a_report_lists_some_rows_and_counts_all():
    frame = clean_race(20).with_columns(position=pl.lit(0, pl.Int32))
    found = validate_landed(parquet(frame), "laps.parquet", RACE)
    assert found.problems[0].count == 60
    assert len(found.problems[0].rows) == 20
    assert "and 55 more" in str(found.problems[0])


def test_the_rest_goes_on():
    """One bad file of three: its problems come back as a value, the others' laps come through."""
    files = {"a": parquet(clean_race()), "b": b"null", "c": as_json(lap_times_body())}
    found = {name: validate_landed(data, name, RACE) for name, data in files.items()}
    assert {name: one.accepted for name, one in found.items()} == {"a": True, "b": False, "c": True}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"FlagStates": [{"lap_number": 0, "flag_state": 1, "elapsed_time": 0.0}]}, "flag_data"),
        (
            [{"drivers": [{"driver_id": 1, "laps": 2, "lead_laps": 0, "fast_laps": 0}]}],
            "loop_statistics",
        ),
        (
            [
                {
                    "vehicle_number": "1",
                    "lap_count": 3,
                    "pit_in_race_time": 60.0,
                    "pit_out_race_time": 80.0,
                }
            ],
            "pit_data",
        ),
    ],
)
def test_bodies_without_laps_are_known(body, kind):
    found = validate_landed(as_json(body), "x.json", RACE)
    assert (found.kind, found.accepted, found.laps) == (kind, True, None)


def test_a_body_that_has_nothing_to_do_with_laps_is_refused():
    refused(b'{"weather": 1}', None, "none of the feed's bodies", file="x.json")
