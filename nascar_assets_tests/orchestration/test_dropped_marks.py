"""Pit files, flag files and second lap files dropped for a race: joined to its laps or refused."""

from __future__ import annotations

import io
import json
import shutil
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nascar_assets.cli.location import code_location
from nascar_assets.feed.paths import lap_times_path, pit_data_path, schedule_path, weekend_path
from nascar_assets.orchestration.automation.sensor_telemetry import FOLDER, scan_files
from nascar_assets.orchestration.commands.sync import sync_races
from nascar_assets.telemetry.landing import LandingCursor
from nascar_assets_tests.orchestration.test_dropped_laps import REAL, a_race_with_laps, drop
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

STOP_LAP = 20


def stops_of(lap_times: bytes, *, late: float = 0.0) -> bytes:
    """Pit data of a race in which every car comes in during the same lap, 2 s before its end."""
    rows = []
    for car in json.loads(lap_times)["laps"]:
        times = [lap["LapTime"] or 0.0 for lap in car["Laps"]]
        if len(times) <= STOP_LAP + 1:
            continue
        into = list(accumulate(times))[STOP_LAP] - 2.0 + late
        rows.append(
            {
                "vehicle_number": car["Number"],
                "lap_count": STOP_LAP - 1,
                "pit_in_race_time": into,
                "pit_out_race_time": into + 12.0,
            }
        )
    return json.dumps(rows).encode()


def table(home: Path, name: str, key: str) -> pl.DataFrame:
    return pl.read_parquet(home / "store" / name / f"{key}.parquet")


def pit_laps(home: Path, key: str) -> set[int]:
    return set(table(home, "laps", key).filter("pit")["lap"])


def take(ticker: Ticker) -> list[str]:
    """What landed in landing/telemetry, taken and run: the races that were run for it."""
    before = json.loads(ticker.cursors.get("landing_telemetry") or "{}")
    cursor = LandingCursor.from_text(before.get("files"))
    root, ago = ticker.platform.root, datetime.now(UTC) - timedelta(seconds=10)
    earlier = scan_files(root, root.list(FOLDER), cursor, ago)
    ticker.cursors["landing_telemetry"] = json.dumps({**before, "files": earlier.cursor.to_text()})
    ticker.tick("landing_telemetry")
    taken = ticker.skipped
    settle_files(ticker.home)
    requests = [run for run in ticker.tick("landing_feed") if run.job_name == "race_job"]
    ticker.skipped = taken
    assert all(ticker.carry_out(request) for request in requests)
    return sorted(str(request.partition_key) for request in requests)


def report_of(home: Path, name: str) -> dict[str, Any]:
    assert (home / "quarantine/telemetry" / name).is_file()
    found: dict[str, Any] = json.loads(
        (home / f"quarantine/telemetry/{name}.report.json").read_text()
    )
    return found


def test_a_pit_file_marks_its_races_laps_once(races: Path) -> None:
    race_id, key, data = a_race_with_laps(races)
    ticker = Ticker(races)
    before = table(races, "lap_summaries", key)
    assert table(races, "laps", key)["pit"].null_count() == table(races, "laps", key).height
    drop(races, f"{race_id}/live-pit-data.json", stops_of(data))
    assert take(ticker) == [key]
    assert f"accepted landing/telemetry/{race_id}/live-pit-data.json" in ticker.skipped
    assert pit_laps(races, key) == {STOP_LAP, STOP_LAP + 1}
    after = table(races, "lap_summaries", key)
    assert after["green_laps"].sum() < before["green_laps"].sum()
    drop(races, f"{key}-live-pit-data.json", stops_of(data))  # the same content by another name
    assert take(ticker) == []
    assert not (races / "quarantine").exists()


def test_a_bad_pit_file_is_quarantined_and_the_laps_stay(races: Path) -> None:
    race_id, key, data = a_race_with_laps(races)
    ticker = Ticker(races)
    before = (races / "store/laps" / f"{key}.parquet").read_bytes()
    drop(races, f"{race_id}-live-pit-data.json", stops_of(data, late=4000.0))
    drop(races, f"{race_id}-pits-2.json", stops_of(data).replace(b'"pit_in_race_time": ', b'"x": '))
    assert take(ticker) == []
    assert (races / "store/laps" / f"{key}.parquet").read_bytes() == before
    late = report_of(races, f"{race_id}-live-pit-data.json")
    assert late["race"] == key
    assert "clock skew" in late["problems"][0]["reason"]
    assert (races / f"quarantine/telemetry/{race_id}-pits-2.json").is_file()


def test_pit_and_flag_files_may_land_before_the_laps(races: Path) -> None:
    race_id, key, data = a_race_with_laps(races)
    path = races / "landing/feed" / lap_times_path(2025, "cup", race_id)
    ticker = Ticker(races)
    path.unlink()
    states = [{"lap_number": 2, "flag_state": 2, "elapsed_time": 100.0}]
    drop(races, f"{race_id}-live-pit-data.json", stops_of(data))
    drop(races, f"{race_id}-live-flag-data.json", json.dumps(states).encode())
    assert take(ticker) == [key]
    assert table(races, "laps", key).is_empty()
    drop(races, f"{race_id}-lap-times.json", data)
    assert take(ticker) == [key]
    assert pit_laps(races, key) == {STOP_LAP, STOP_LAP + 1}


def own_laps(home: Path, key: str, seconds: float) -> bytes:
    """The race's laps as somebody else's export of them, by a clock that is off."""
    buffer = io.BytesIO()
    laps = table(home, "laps", key).with_columns(
        pl.col("timestamp") + timedelta(seconds=seconds), pit=pl.col("lap") == 7
    )
    laps.write_parquet(buffer)
    return buffer.getvalue()


def test_a_second_lap_file_by_another_clock_is_quarantined(races: Path) -> None:
    race_id, key, _ = a_race_with_laps(races)
    ticker = Ticker(races)
    before = (races / "store/laps" / f"{key}.parquet").read_bytes()
    drop(races, f"{key}-export.parquet", own_laps(races, key, 42.0))
    assert take(ticker) == []
    assert (races / "store/laps" / f"{key}.parquet").read_bytes() == before
    (problem,) = report_of(races, f"{key}-export.parquet")["problems"]
    assert problem["column"] == "timestamp"
    assert "+42.000 s off that of lap-times.json" in problem["reason"]
    drop(races, f"{key}-export.parquet", own_laps(races, key, 0.4))
    assert take(ticker) == [key]
    assert pit_laps(races, key) == {7}
    # The next file is held against the export too, and a correction of the export is not.
    (races / "landing/feed" / lap_times_path(2025, "cup", race_id)).unlink()
    drop(races, f"{key}-other.parquet", own_laps(races, key, 60.0))
    assert take(ticker) == [key]  # for lap times that are gone, not for the file
    (problem,) = report_of(races, f"{key}-other.parquet")["problems"]
    assert f"+60.000 s off that of {key}-export.parquet" in problem["reason"]
    drop(races, f"{key}-export.parquet", own_laps(races, key, 60.0))
    assert take(ticker) == [key]
    assert f"accepted landing/telemetry/{key}-export.parquet" in ticker.skipped


@pytest.fixture
def real_home(tmp_path: Path) -> Path:
    """A home with the weekend feeds of the two real races that samples of live feeds are of."""
    feed, home = tmp_path / "feed", tmp_path / "home"
    for path in (
        schedule_path(2023),
        weekend_path(2023, "xfinity", "5314"),
        weekend_path(2023, "cup", "5272"),
    ):
        (feed / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(REAL) / "feed" / path, feed / path)
    series = ["cup", "xfinity"]
    location = code_location(str(home))
    synced = sync_races(str(home), str(feed), series, [2023], location=location)
    assert len(synced.races) == 2
    settle_files(home)
    return home


@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="NASCAR_REAL_DATA names no real data")
def test_real_live_files_dropped_beside_a_race_join_its_laps(real_home: Path) -> None:
    samples = Path(REAL) / "feed-samples"
    keys = dict(
        pl.read_parquet(real_home / "store/schedule.parquet")
        .select("race_id", "race_key")
        .iter_rows()
    )
    ticker = Ticker(real_home)
    for name in ("live-pit-data", "live-flag-data", "lap-times"):
        drop(real_home, f"5314-{name}.json", (samples / f"{name}.json").read_bytes())
    live = drop(real_home, "live-feed.json", (samples / "live-feed.json").read_bytes())
    assert take(ticker) == [keys["5272"], keys["5314"]]
    assert not (real_home / "quarantine").exists()
    laps = table(real_home, "laps", keys["5314"])
    stops = json.loads((samples / "live-pit-data.json").read_bytes())
    assert 1.8 * len(stops) < laps["pit"].sum() <= 2 * len(stops)
    assert (real_home / "landing/feed" / pit_data_path(2023, "xfinity", "5314")).is_file()
    # A snapshot knows the last lap of each car, until the lap times land.
    cars = len(json.loads(live.read_bytes())["vehicles"])
    assert table(real_home, "laps", keys["5272"]).height == cars
    times = Path(REAL) / "feed" / lap_times_path(2023, "cup", "5272")
    drop(real_home, "5272-lap-times.json", times.read_bytes())
    assert take(ticker) == [keys["5272"]]
    assert table(real_home, "laps", keys["5272"]).height > 100 * cars
    later = json.loads(live.read_bytes())
    for car in later["vehicles"]:
        car["vehicle_elapsed_time"] += 90
    drop(real_home, "5272-later-live-feed.json", json.dumps(later).encode())
    assert take(ticker) == []
    assert "clock skew" in str(report_of(real_home, "5272-later-live-feed.json"))
