"""Lap files dropped into the landing folder: new laps and features of their race, by themselves."""

from __future__ import annotations

import json
import os
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import polars as pl
import pytest

from nascar_assets.cli.location import code_location
from nascar_assets.feed.paths import lap_times_path, loop_stats_path, schedule_path, weekend_path
from nascar_assets.orchestration.automation import sensor_telemetry
from nascar_assets.orchestration.automation.sensor_telemetry import scan_files
from nascar_assets.orchestration.commands.sync import sync_races
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.processes import daemon, runs, settled, wait_for
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

REAL = os.environ.get("NASCAR_REAL_DATA", "")
SEASON, RACE_ID, OTHER_ID = 2023, "5272", "5292"


def metadata(home: Path, asset: str, key: str) -> dict[str, Any]:
    """What the UI shows of an asset's newest materialisation of a partition."""
    instance = open_instance(str(home))
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key]), limit=1
    ).records
    event = records[0].asset_materialization
    assert event is not None
    return {name: getattr(value, "value", value) for name, value in event.metadata.items()}


@pytest.fixture
def without_laps(tmp_path: Path) -> Path:
    """A home with two real races whose laps have not landed."""
    feed, home = tmp_path / "feed", tmp_path / "home"
    for race_id in (RACE_ID, OTHER_ID):
        for path in (weekend_path(SEASON, "cup", race_id), loop_stats_path(SEASON, "cup", race_id)):
            (feed / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(REAL) / "feed" / path, feed / path)
    shutil.copy(Path(REAL) / "feed" / schedule_path(SEASON), feed / schedule_path(SEASON))
    location = code_location(str(home))
    synced = sync_races(str(home), str(feed), ["cup"], [SEASON], location=location)
    assert len(synced.races) == 2
    settle_files(home)
    return home


@pytest.mark.timeout(900)
@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="NASCAR_REAL_DATA names no real data")
def test_a_real_lap_file_dropped_beside_a_running_daemon_becomes_features(
    without_laps: Path,
) -> None:
    home = without_laps
    schedule = pl.read_parquet(home / "store/schedule.parquet")
    keys = dict(schedule.select("race_id", "race_key").iter_rows())
    key, other = keys[RACE_ID], keys[OTHER_ID]
    assert metadata(home, "laps", key)["dagster/row_count"] == 0
    before = (home / "store/laps" / f"{other}.parquet").stat().st_mtime_ns
    seen = len(runs(home))
    source = Path(REAL) / "feed" / lap_times_path(SEASON, "cup", RACE_ID)
    with daemon(home):
        (home / "landing/telemetry").mkdir(parents=True, exist_ok=True)
        shutil.copy(source, home / "landing/telemetry" / f"{RACE_ID}-lap-times.json")
        wait_for("its run", lambda: runs(home, "race_job")[1:] and settled(home), 400)
    names = [run.job_name for run in runs(home)[seen:]]
    # The graph follows by condition, the ratings by the features of the laps.
    assert set(names) <= {"race_job", "as_of_job", "__ASSET_JOB"}, names
    run = runs(home, "race_job")[-1]
    assert (run.job_name, run.tags["dagster/partition"]) == ("race_job", key)
    assert run.is_success
    raw = json.loads(source.read_text())["laps"]
    drivers = [row["NASCARDriverID"] for row in raw if row["Laps"]]
    laps = metadata(home, "laps", key)
    assert laps["dagster/row_count"] == sum(len(row["Laps"]) for row in raw)
    features = metadata(home, "lap_features", key)
    assert features["dagster/row_count"] == laps["dagster/row_count"]
    assert features["filled"] == dict.fromkeys(
        ("position", "lap_time_s", "lap_speed_mph", "laps_led"), 0
    )  # the file leaves nothing out but the grid's lap times, which are never filled
    summary = metadata(home, "lap_summaries", key)
    assert summary["dagster/row_count"] == len(drivers)
    assert "data:image/" in summary["falloff"]
    stored = pl.read_parquet(home / "store/lap_summaries" / f"{key}.parquet")
    assert stored["falloff_s_per_lap"].is_not_null().mean() > 0.8
    assert (home / "store/laps" / f"{other}.parquet").stat().st_mtime_ns == before


def drop(home: Path, name: str, data: bytes, *, seconds_ago: float = 60) -> Path:
    path = home / "landing/telemetry" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    moment = time.time() - seconds_ago
    os.utime(path, (moment, moment))
    return path


def a_race_with_laps(home: Path) -> tuple[str, str, bytes]:
    """Id, key and lap file of the sample's shortest race, a late one: few are rated after it."""
    with_laps = (home / "landing/feed/cacher/2025/1").glob("*/lap-times.json")
    path = min(with_laps, key=lambda path: path.stat().st_size)
    race_id = path.parent.name
    schedule = pl.read_parquet(home / "store/schedule.parquet")
    key = str(schedule.filter(pl.col("race_id") == race_id)["race_key"][0])
    return race_id, key, path.read_bytes()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a tick waits between its two scans, the time has passed at once."""
    passed = timedelta()

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += timedelta(seconds=seconds)

    clock = SimpleNamespace(now=lambda zone: datetime.now(zone) + passed)
    monkeypatch.setattr(sensor_telemetry, "datetime", clock)
    monkeypatch.setattr(sensor_telemetry, "time", SimpleNamespace(sleep=sleep))


@pytest.mark.usefixtures("no_waiting")
def test_a_good_file_joins_its_race_and_a_bad_one_is_quarantined(races: Path) -> None:
    race_id, key, data = a_race_with_laps(races)
    ticker = Ticker(races)
    ticker.tick("landing_feed")
    content = json.loads(data)
    content["laps"][0]["Laps"] = content["laps"][0]["Laps"][:-1]  # a correction: a lap less
    drop(races, f"{key}-lap-times.json", json.dumps(content).encode())
    drop(races, f"{race_id}-lap-times-2.json", b"null")
    drop(races, "whose-laps.json", data)
    assert ticker.tick("landing_telemetry") == []
    assert f"accepted landing/telemetry/{key}-lap-times.json" in ticker.skipped
    assert "whose-laps.json: Its name tells no race" in ticker.skipped
    report = json.loads(
        (races / f"quarantine/telemetry/{race_id}-lap-times-2.json.report.json").read_text()
    )
    assert report["race"] == key
    assert report["problems"]
    settle_files(races)
    done = ticker.settle()
    assert done == [f"race_job {key}", "as_of_job range"]  # ratings read features of laps
    assert ticker.tick("landing_telemetry") == []  # nothing is taken twice
    assert "accepted" not in ticker.skipped


def test_a_file_refused_for_its_entry_list_is_read_again_when_that_has_come(
    races: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_telemetry, "scan_files", without_settling)
    race_id, key, data = a_race_with_laps(races)
    ticker = Ticker(races)
    entries = races / f"store/entries/{key}.parquet"
    listed = pl.read_parquet(entries)
    listed.with_columns(pl.col("driver_id") + "0").write_parquet(entries)
    good = data.replace(b'"laps"', b' "laps"', 1)
    drop(races, f"{race_id}-a.json", good)
    drop(races, f"{race_id}-b.json", data.replace(b'"laps"', b'  "laps"', 1), seconds_ago=90)
    drop(races, f"{race_id}-c.json", b"null")

    def told() -> dict[str, str]:
        ticker.tick("landing_telemetry")
        found: dict[str, str] = json.loads(ticker.cursors["landing_telemetry"] or "")["notified"]
        return {path.rpartition("-")[2]: text for path, text in found.items()}

    refused = told()
    assert set(refused) == {"a.json", "b.json", "c.json"}
    assert "are entered in this race" in refused["a.json"]
    assert told() == refused  # it is said for as long as it stands
    listed.write_parquet(entries)
    place = races / "landing/feed/cacher/2025/1" / race_id / "lap-times.json"
    copied = place.read_bytes()
    place.unlink()
    place.write_bytes(copied)  # as in a home that was moved
    older = "It is older than the file of its race that is in use now."
    assert told() == {"b.json": older, "c.json": refused["c.json"]}
    assert f"accepted landing/telemetry/{race_id}-a.json" in ticker.skipped
    assert place.read_bytes() == good
    place.write_bytes(data)  # the feed's correction, which is newer still
    assert set(told()) == {"b.json", "c.json"}
    assert "accepted" not in ticker.skipped
    assert place.read_bytes() == data
    (races / f"landing/telemetry/{race_id}-b.json").unlink()
    assert set(told()) == {"c.json"}


def test_a_file_of_a_race_that_cannot_be_read_keeps_no_other_races_out(
    races: Path, closed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_telemetry, "scan_files", without_settling)
    race_id, _, data = a_race_with_laps(races)
    others = sorted((races / "landing/feed/cacher/2025/1").glob("*/lap-times.json"))
    other_id = others[1].parent.name
    ticker = Ticker(races)

    def told() -> dict[str, str]:
        ticker.tick("landing_telemetry")
        found: dict[str, str] = json.loads(ticker.cursors["landing_telemetry"] or "")["notified"]
        return {path.removeprefix("landing/telemetry/"): text for path, text in found.items()}

    drop(races, f"{race_id}-a.json", b"null")
    first = told()
    place = f"landing/feed/cacher/2025/1/{race_id}/lap-times.json"
    closed.add(place)
    (races / place).write_bytes(data + b" ")  # the refused file is looked at again
    drop(races, f"{race_id}-b.json", data.replace(b'"laps"', b' "laps"', 1))
    drop(races, f"{other_id}-c.json", b"null")
    notices = told()
    assert set(notices) == {f"{race_id}-a.json", f"{race_id}-b.json", f"{other_id}-c.json"}
    for name in (f"{race_id}-a.json", f"{race_id}-b.json"):
        assert "lap-times.json failed: [Errno 13] Permission denied" in notices[name]
    closed.clear()
    assert told() == first | {f"{other_id}-c.json": notices[f"{other_id}-c.json"]}
    assert f"accepted landing/telemetry/{race_id}-b.json" in ticker.skipped


def without_settling(root: DataRoot, listed: Any, cursor: Any, now: datetime) -> Any:
    """Two scans at once, the first as it would have been 20 minutes ago."""
    earlier = scan_files(root, listed, cursor, now - timedelta(minutes=20))
    return scan_files(root, listed, earlier.cursor, now)


@pytest.mark.usefixtures("no_waiting")
def test_a_lap_file_that_is_cut_short_waits_for_its_end(races: Path) -> None:
    race_id, _, data = a_race_with_laps(races)
    before = (races / "landing/feed/cacher/2025/1" / race_id / "lap-times.json").read_bytes()
    ticker = Ticker(races)
    drop(races, f"{race_id}-lap-times.json", data[: len(data) // 2], seconds_ago=0)
    assert ticker.tick("landing_telemetry") == []
    assert f"{race_id}-lap-times.json is being written" in ticker.skipped
    assert not (races / "quarantine").exists()
    drop(races, f"{race_id}-lap-times.json", data.replace(b'"laps"', b' "laps"', 1), seconds_ago=0)
    ticker.tick("landing_telemetry")
    assert f"accepted landing/telemetry/{race_id}-lap-times.json" in ticker.skipped
    after = (races / "landing/feed/cacher/2025/1" / race_id / "lap-times.json").read_bytes()
    assert after == data.replace(b'"laps"', b' "laps"', 1) != before
