"""Files from strangers in the landing folders: each is refused, and the good ones go on."""

from __future__ import annotations

import io
import json
import os
import resource
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nascar_assets.orchestration.automation import sensor_telemetry
from nascar_assets.orchestration.automation.sensor_salaries import register_landed
from nascar_assets.orchestration.automation.slate_decisions import SalaryCursor
from nascar_assets.sample import Sample
from nascar_assets.storage import DataRoot
from nascar_assets.telemetry.validate import validate_landed
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

SECRET = b"outside the home: nobody else's business"
KEY = "2025-cup-01"
RACE = {"race_id": "1", "track_id": "1", "start_time": datetime(2025, 2, 16, 19, tzinfo=UTC)}


def strange_files(folder: Path, outside: Path, suffix: str) -> int:
    """Puts one of each kind of what no file should be into a folder; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = os.fsencode(folder)
    end = suffix.encode()
    for name in (
        b"lat\xe9",
        b"new\nline",
        b"tab\t",
        b"esc\x1b[31m",
        b"turn\xe2\x80\xaeed",
        b"b\\s",
    ):
        Path(os.fsdecode(raw + b"/" + name + end)).write_bytes(b"x")
    (folder / f"loop{suffix}").symlink_to(f"loop{suffix}")
    (folder / f"link{suffix}").symlink_to(outside)
    (folder / f"gone{suffix}").symlink_to(folder / "nowhere")
    (folder / "up").symlink_to("..")
    os.mkfifo(folder / f"pipe{suffix}")
    (folder / f"folder{suffix}").mkdir()  # no fault in itself
    with (folder / f"huge{suffix}").open("wb") as file:
        file.truncate(20 * 1024**3)
    return 12


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside.txt"
    path.write_bytes(SECRET)
    return path


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Two gigabytes more than the process has: whoever takes more fails."""
    for name in HOSTILE:
        hostile(name)  # making them takes more than reading them may
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2 * 1024**3, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def quarantined(home: Path) -> dict[str, bytes]:
    folder = home / "quarantine"
    for path in [folder, *folder.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0 or (path != folder and path.is_dir()), path
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_are_plain(texts: Any) -> bool:
    return all(text.isprintable() for text in texts)


def test_a_salary_file_beside_strange_ones_is_registered(
    races: Path, sample_folder: tuple[Sample, Path], outside: Path
) -> None:
    sample, made = sample_folder
    salaries = made / "salaries" / sample.slate_file
    folder = races / "landing/salaries"
    count = strange_files(folder, outside, ".csv")
    (folder / "..csv").write_bytes(salaries.read_bytes())  # an odd name, but a name
    settle_files(races)
    root, now = DataRoot.open(races), datetime.now(UTC)
    race = datetime(2026, 2, 10, tzinfo=UTC)
    cursor, notices, fresh = register_landed(root, SalaryCursor.from_text(None), now, race)
    assert [outcome.state for _, _, outcome in cursor.outcomes.values()] == ["slate"]
    assert len(notices) == count
    assert fresh == set(notices)
    assert names_are_plain([*notices, *notices.values()])
    kept = quarantined(races)
    assert len(kept) == count
    assert not any(SECRET in data for data in kept.values())
    _, _, fresh = register_landed(root, cursor, now, race)
    assert not fresh  # told once


def test_feed_files_beside_strange_ones_are_run(races: Path, outside: Path) -> None:
    folder = races / "landing/feed"
    good = sorted(folder.glob("cacher/2025/1/*/lap-times.json"))[-1]
    good.write_bytes(good.read_bytes() + b"\n")
    unread = sorted(folder.glob("cacher/2025/1/*/lap-times.json"))[0]
    body = unread.read_bytes()
    unread.unlink()
    unread.symlink_to(outside)
    count = strange_files(folder, outside, ".json")
    settle_files(races)
    ticker = Ticker(races)
    requests = ticker.tick("landing_feed")
    keys = {str(request.partition_key) for request in requests}
    assert keys
    assert names_are_plain([ticker.skipped])
    kept = quarantined(races)
    assert len(kept) == count + 1
    assert not any(SECRET in data for data in kept.values())
    assert body


DEEP = b'{"race_id": 1, "vehicles": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def lap(**changed: Any) -> dict[str, Any]:
    return {"Lap": 1, "LapTime": 50.0, "LapSpeed": "180.0", "RunningPos": 1, **changed}


def lap_file(*laps: dict[str, Any], **more: Any) -> bytes:
    driver = {"Number": "1", "NASCARDriverID": 1, "Laps": [lap(Lap=0), *laps]}
    return json.dumps({"laps": [driver], "flags": [], **more}).encode()


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def laps_frame(rows: int, **more: Any) -> pl.DataFrame:
    return pl.select(
        race_id=pl.repeat("1", rows),
        track_id=pl.lit("1"),
        driver_id=pl.lit("1"),
        lap=pl.int_range(rows, dtype=pl.Int32),
        timestamp=pl.lit(RACE["start_time"]),
    ).with_columns(**more)


def parquet_bomb() -> bytes:
    """Under a megabyte that holds four million rows."""
    data = parquet(laps_frame(4_000_000, lap=pl.lit(1, pl.Int32)))
    assert len(data) < 1_000_000
    return data


def text_bomb() -> bytes:
    """Few rows of much text."""
    wide = pl.Series("wide", [os.urandom(8).hex() * 200_000 for _ in range(100)])
    data = parquet(laps_frame(100).with_columns(wide))
    assert len(data) < 1_000_000
    return data


HOSTILE: dict[str, Any] = {
    "minus-five.json": lap_file(lap(Lap=-5)),
    "ten-to-thirty.json": lap_file(lap(Lap=10**30)),
    "far-lap.json": lap_file(lap(Lap=300_000_000)),
    "far-place.json": lap_file(lap(RunningPos=2**40)),
    "long-time.json": lap_file(lap(LapTime=10**400)),
    "long-lap-time.json": lap_file(lap(LapTime=1e300)),
    "speed.json": lap_file(lap(LapSpeed="1e999")),
    "far-flag.json": lap_file(lap(), flags=[{"LapsCompleted": 10**400, "FlagState": 1}]),
    "driver.json": lap_file(lap()).replace(b'"NASCARDriverID": 1', b'"NASCARDriverID": 1e400'),
    "deep.json": DEEP,
    "deep-list.json": b"[" * 3_000_000,
    "digits.json": b'{"laps": [' + b"9" * 5_000 + b'], "flags": []}',
    "infinite.json": b'{"laps": [Infinity], "flags": [NaN]}',
    "wide.json": lambda: b"[" + b"[]," * 6_000_000 + b"[]]",
    "parts.json": lambda: b'{"laps": [' + b"{}," * 5_000_000 + b'{}], "flags": []}',
    "surrogate.json": b'{"laps": [{"Number": "\\ud800"}], "flags": []}',
    "cars.json": b'{"vehicles": [{"driver": {"driver_id": 1}, "laps_completed": 1, '
    b'"running_position": 1, "last_lap_time": 1, "vehicle_elapsed_time": 1e14, '
    b'"laps_led": [{}]}], "lap_number": 1, "elapsed_time": 1, "flag_state": 1, "race_id": 1}',
    "stops.json": b'[{"pit_in_race_time": 1e400, "lap_count": 1}]',
    "flags.json": b'{"FlagStates": [{"elapsed_time": 1, "lap_number": 1e400, "flag_state": 1}]}',
    "bomb.parquet": parquet_bomb,
    "text.parquet": text_bomb,
    "columns.parquet": parquet(
        laps_frame(1).with_columns(pl.lit(1).alias(f"c{n}") for n in range(300))
    ),
    "far.parquet": parquet(
        laps_frame(2).with_columns(lap=pl.Series([1, 300_000_000], dtype=pl.Int64))
    ),
    "footer.parquet": b"PAR1" + b"\xff" * 60 + (60).to_bytes(4, "little") + b"PAR1",
}


@cache
def hostile(name: str) -> bytes:
    data = HOSTILE[name]
    return data() if callable(data) else data


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_lap_file_is_refused_in_words(name: str) -> None:
    found = validate_landed(hostile(name), name, RACE)
    assert found.problems, name
    assert len(str(found.problems[0])) < 2_000


def test_lap_files_beside_hostile_ones_are_taken(
    races: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_telemetry.time, "sleep", lambda _: None)
    folder = races / "landing/telemetry"
    strange_files(folder, outside, ".json")
    for name in HOSTILE:
        (folder / f"{KEY}-{name}").write_bytes(hostile(name))
    source = sorted((races / "landing/feed/cacher/2025/1").glob("*/lap-times.json"))[0]
    good = folder / f"{source.parent.name}-lap-times.json"
    good.write_bytes(source.read_bytes())
    settle_files(races)
    root = DataRoot.open(races)
    ticker = Ticker(races)
    ticker.tick("landing_telemetry")
    cursor = json.loads(ticker.cursors["landing_telemetry"] or "{}")
    rows = json.loads(cursor["files"])["files"]
    for row in rows.values():
        row[2] = "2020-01-01T00:00:00+00:00"  # first seen long ago
    cursor["files"] = json.dumps({"version": 1, "files": rows})
    ticker.cursors["landing_telemetry"] = json.dumps(cursor)
    ticker.tick("landing_telemetry")
    notify = json.loads(ticker.cursors["landing_telemetry"] or "{}")["notified"]
    assert names_are_plain([*notify, *notify.values()])
    assert not any(good.name in path for path in notify), notify
    assert "accepted" in ticker.skipped
    for name in HOSTILE:
        assert f"landing/telemetry/{KEY}-{name}" in notify, name
        assert root.read(f"quarantine/telemetry/{KEY}-{name}.report.json"), name
    assert not any(SECRET in data for data in quarantined(races).values())


@pytest.mark.slow
def test_nothing_is_read_through_a_link(tmp_path: Path, outside: Path) -> None:
    root = DataRoot.open(tmp_path / "home")
    root.write("landing/telemetry/a.json", b"1")
    folder = tmp_path / "home/landing/telemetry"
    (folder / "b.json").symlink_to(outside)
    (folder / "up").symlink_to(outside.parent)
    os.mkfifo(folder / "c.json")
    for path in ("b.json", "c.json", "up/outside.txt"):
        with pytest.raises(Exception, match="failed"):
            root.read(f"landing/telemetry/{path}")
    assert [file.path for file in root.list("landing/telemetry")] == ["landing/telemetry/a.json"]
