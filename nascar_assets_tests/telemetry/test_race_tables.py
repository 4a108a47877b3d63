"""A race's tables of telemetry, from landed file to stored artifact, as the graph makes them."""

import hashlib
import io
import json

import polars as pl
import pytest

from nascar_assets.feed.paths import lap_times_path
from nascar_assets.orchestration.assets import telemetry
from nascar_assets.orchestration.assets.feed import _race_files
from nascar_assets.orchestration.assets.race_tables import RaceInputs, RaceOutput
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.storage import DataRoot
from nascar_assets.telemetry import load_telemetry_artifact
from nascar_assets.telemetry.artifacts import artifact_info
from nascar_assets_tests.telemetry.lap_frames import RACE, as_json, clean_race, lap_times_body

KEY = "2026-cup-05"
NAME = f"{KEY}-lap-times.json"
FEED = f"landing/feed/{lap_times_path(2026, 'cup', '9100')}"


@pytest.fixture
def inputs(tmp_path):
    root = DataRoot.open(tmp_path)
    entries = pl.DataFrame({"car_number": ["1", "2", "3"], "driver_id": RACE["driver_ids"]})
    root.write_frame(table_path("entries", KEY), entries)
    race = {**RACE, "race_key": KEY, "season": 2026}
    return RaceInputs(root, race)


def laps_of(inputs):
    """The race's files listed as they lie there, and its laps made from them and stored."""
    _race_files(inputs).write(inputs.root, table_path("race_files", KEY))
    return made(inputs, "laps", telemetry._laps)


def made(inputs, asset, compute):
    """The asset's table computed and stored; the output, and the artifact on disk."""
    output = compute(inputs)
    size = output.write(inputs.root, table_path(asset, KEY))
    assert size == len(inputs.root.read(table_path(asset, KEY)))
    return output, inputs.root.uri(table_path(asset, KEY)).removeprefix("file://")


def test_a_landed_file_becomes_artifacts_that_name_their_sources(inputs):
    body = lap_times_body()
    body["laps"][1]["Laps"][5] |= {"LapTime": None, "LapSpeed": None}
    data = as_json(body)
    inputs.root.write(FEED, data)

    output, path = laps_of(inputs)
    assert (output.failures, output.frame.height) == ([], 39)
    assert output.metadata["drivers"] == 3
    assert output.metadata["without_time"] == 1
    assert output.metadata["flags"] == {"green": 36}
    assert artifact_info(path).sources == {NAME: hashlib.sha256(data).hexdigest()}
    assert load_telemetry_artifact(path).collect().equals(output.frame)

    laps = hashlib.sha256(inputs.root.read(table_path("laps", KEY))).hexdigest()
    for asset, compute in (
        ("lap_features", telemetry._lap_features),
        ("lap_summaries", telemetry._lap_summaries),
    ):
        output, path = made(inputs, asset, compute)
        info = artifact_info(path)
        assert (list(output.failures), info.rows) == ([], output.frame.height)
        assert info.sources == {table_path("laps", KEY): laps}
        assert load_telemetry_artifact(path).collect().equals(output.frame)
        if asset == "lap_features":
            filled = {"position": 0, "lap_time_s": 1, "lap_speed_mph": 1, "laps_led": 0}
            assert output.metadata["filled"] == filled
        else:
            assert output.metadata["falloff"].value.startswith("![")


def test_a_refused_file_is_quarantined_with_its_report_and_stops_what_is_downstream(inputs):
    body = lap_times_body()
    body["laps"][0]["Laps"][4]["LapTime"] = "fast"
    inputs.root.write(FEED, as_json(body))
    output, _ = laps_of(inputs)
    assert (output.failures, output.frame.height) == ([], 39)  # one lap costs itself
    assert "a lap without a time" in output.notices[0]
    for driver in body["laps"]:
        for lap in driver["Laps"][1:]:
            lap["LapSpeed"] = "289.6"  # kilometres an hour
    inputs.root.write(FEED, as_json(body))
    output, _ = laps_of(inputs)
    assert output.frame.is_empty()
    assert all(f"{NAME}, column LapSpeed" in failure for failure in output.failures)
    assert "units are wrong" in output.failures[0]
    assert inputs.root.read(f"quarantine/laps/{NAME}") == as_json(body)
    report = json.loads(inputs.root.read(f"quarantine/laps/{NAME}.report.json"))
    assert report["problems"][0]["column"] == "LapSpeed"


def test_a_race_without_laps_has_empty_tables_that_say_so(inputs):
    laps_of(inputs)
    for asset, compute in (
        ("laps", telemetry._laps),
        ("lap_features", telemetry._lap_features),
        ("lap_summaries", telemetry._lap_summaries),
    ):
        output, path = made(inputs, asset, compute)
        assert output.notices == [telemetry.NO_LAPS]
        assert not output.failures
        assert artifact_info(path).rows == 0


def test_laps_dropped_by_a_person_go_before_the_feeds(inputs):
    inputs.root.write(FEED, as_json(lap_times_body()))
    buffer = io.BytesIO()
    clean_race(9).write_parquet(buffer)
    inputs.root.write(f"landing/laps/{KEY}.parquet", buffer.getvalue())
    output, path = laps_of(inputs)
    assert output.frame.height == 27
    assert list(artifact_info(path).sources) == [f"{KEY}-laps.parquet"]


def test_a_table_without_sources_is_a_plain_one(tmp_path):
    root = DataRoot.open(tmp_path)
    RaceOutput(pl.DataFrame({"a": [1]})).write(root, "store/x/y.parquet")
    kept = pl.read_parquet_metadata(root.local_path("store/x/y.parquet"))
    assert set(kept) <= {"ARROW:schema"}
