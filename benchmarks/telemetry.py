"""Benchmarks of telemetry: windows of one race, of more rows than memory holds, a whole feed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.feed.schemas import LAPS
from nascar_assets.telemetry import compute_aggregate_features, compute_falloff_metrics
from nascar_assets.telemetry.stream import iter_lap_features
from nascar_assets.telemetry.summary import summarise_laps
from nascar_assets.telemetry.validate import validate_landed

STREAM_ROWS = int(os.environ.get("NASCAR_BENCH_LAP_ROWS", "20000000"))
"""Rows of the streaming benchmark; 200000000 is the full size (about 6 GB on disk)."""

_CARS, _LAPS, _RACES_A_FILE = 40, 500, 25
_START = datetime(2025, 1, 5, 19, tzinfo=UTC)


def rows() -> Iterator[dict[str, Any]]:
    """What this group measures."""
    yield from one_race()
    yield from streaming(STREAM_ROWS)
    yield from real_feed()


def generated_race(number: int, cars: int = _CARS, laps: int = _LAPS) -> pl.DataFrame:
    """An invented race of canonical laps: cautions, pit laps, wear."""
    rng = np.random.default_rng(number)
    lap = np.tile(np.arange(1, laps + 1, dtype=np.int32), cars)
    car = np.repeat(np.arange(cars), laps)
    yellow = (lap // 60 % 2 == 1) & (lap % 60 < 6)
    pit = yellow & (lap % 60 == 1)
    pace = 30.0 + 0.02 * car + 0.03 * (lap % 60) + rng.normal(0.0, 0.1, len(lap))
    seconds = np.where(yellow, 90.0, pace) + np.where(pit, 30.0, 0.0)
    elapsed = np.cumsum(seconds.reshape(cars, laps), axis=1)
    position = np.argsort(np.argsort(elapsed, axis=0, kind="stable"), axis=0).ravel() + 1
    micros = (elapsed.ravel() * 1e6).astype(np.int64)
    return pl.DataFrame(
        {
            "race_id": np.full(len(lap), str(100_000 + number)),
            "track_id": np.full(len(lap), str(number % 30)),
            "driver_id": np.repeat(np.arange(4000, 4000 + cars).astype(str), laps),
            "lap": lap,
            "timestamp": pl.Series(micros).cast(pl.Duration("us")) + _START,
            "position": position.astype(np.int32),
            "lap_time_s": seconds,
            "lap_speed_mph": 3600.0 * 1.5 / seconds,
            "flag": np.where(yellow, "yellow", "green"),
            "pit": pit,
            "laps_led": (position == 1).astype(np.int32),
        }
    ).select(pl.col(name).cast(kind) for name, kind in LAPS.items())


def one_race() -> Iterator[dict[str, Any]]:
    """All windows, and falloff, of one 40-car, 500-lap race."""
    race = generated_race(0)
    yield {
        "name": f"windows 10l, 20l, 50l of one race ({race.height:,} laps)",
        "value": 1000 * _best_of(lambda: compute_aggregate_features(race), 7),
        "unit": "ms",
        "target": 150,
    }
    compute_falloff_metrics(race)
    yield {
        "name": "falloff, slow laps, long runs and restarts of the same race",
        "value": 1000 * _best_of(lambda: compute_falloff_metrics(race), 5),
        "unit": "ms",
    }


def streaming(total: int) -> Iterator[dict[str, Any]]:
    """Rolling features of many rows, ours and a hand-written query's, each in a process of its own.

    Both read the same files and reduce every feature to a sum, so that neither is timed for
    writing; the sums must agree.
    """
    with tempfile.TemporaryDirectory(prefix="nascar-bench-") as folder:
        files = generate_files(Path(folder), total)
        size = sum(file.stat().st_size for file in files) / 1e9
        ours, theirs = _measured("ours", folder), _measured("by_hand", folder)
        if not np.isclose(ours["checksum"], theirs["checksum"], rtol=1e-9):
            raise RuntimeError("The hand-written query gives other features.")
        note = f"{size:.1f} GB of Parquet in {len(files)} files"
        yield {
            "name": f"windows of {total:,} laps, streamed",
            "value": ours["seconds"],
            "unit": "s",
            "peak_mb": ours["peak_mb"],
            "target": None,
            "note": f"{note}; {total / ours['seconds'] / 1e6:.2f} million rows a second",
        }
        yield {
            "name": f"peak memory of windows of {total:,} laps",
            "value": ours["peak_mb"],
            "unit": "MB",
            "target": 2000,
            "peak_mb": ours["peak_mb"],
        }
        yield {
            "name": "speed against the hand-written Polars query, file by file",
            "value": 100 * theirs["seconds"] / ours["seconds"],
            "unit": "%",
            "target": ">= 60",
            "peak_mb": theirs["peak_mb"],
            "note": f"by hand {theirs['seconds']:.1f} s",
        }


def generate_files(folder: Path, total: int) -> list[Path]:
    """Season-like files of invented races, `total` laps in all, rounded up to whole files."""
    a_file = _RACES_A_FILE * _CARS * _LAPS
    files = []
    for number in range(max(1, -(-total // a_file))):
        path = folder / f"laps-{number:05d}.parquet"
        first = number * _RACES_A_FILE
        races = [generated_race(first + index) for index in range(_RACES_A_FILE)]
        pl.concat(races).write_parquet(path, compression="snappy", row_group_size=_CARS * _LAPS)
        files.append(path)
    return files


def real_feed() -> Iterator[dict[str, Any]]:
    """Every lap-times file of the real feed: validated, converted, all features, summary."""
    place = os.environ.get("NASCAR_REAL_DATA")
    paths = sorted(Path(place, "feed").rglob("lap-times.json")) if place else []
    if not paths:
        return
    compute_falloff_metrics(generated_race(0))  # compiled code is loaded before the clock starts
    began, laps = time.perf_counter(), 0
    for path in paths:
        race = {"race_id": path.parent.name, "track_id": "0", "start_time": _START}
        checked = validate_landed(path.read_bytes(), path.name, race)
        if checked.laps is None:
            raise RuntimeError(f"{path.name} of race {path.parent.name}: {checked.problems}")
        frame = checked.laps.collect()
        compute_falloff_metrics(compute_aggregate_features(frame))
        summarise_laps(frame)
        laps += frame.height
    yield {
        "name": f"the real feed's laps ({len(paths)} races, {laps:,} laps), JSON to features",
        "value": time.perf_counter() - began,
        "unit": "s",
        "target": 10,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def by_hand(path: Path) -> pl.LazyFrame:
    """The query that someone would write for the same columns, over one file."""
    keys = ("race_id", "driver_id")
    position, led = pl.col("position"), pl.col("laps_led")
    seconds, speed = pl.col("lap_time_s"), pl.col("lap_speed_mph")
    columns = []
    for n in (10, 20, 50):
        columns += [
            position.rolling_mean(n, min_samples=1).over(keys).alias(f"avg_position_last_{n}l"),
            position.rolling_min(n, min_samples=1).over(keys).alias(f"best_position_last_{n}l"),
            led.rolling_sum(n, min_samples=1).over(keys).alias(f"laps_led_last_{n}l"),
            seconds.rolling_mean(n, min_samples=1).over(keys).alias(f"avg_lap_time_last_{n}l"),
            seconds.rolling_min(n, min_samples=1).over(keys).alias(f"best_lap_time_last_{n}l"),
            speed.rolling_mean(n, min_samples=1).over(keys).alias(f"avg_speed_last_{n}l"),
            speed.rolling_max(n, min_samples=1).over(keys).alias(f"best_speed_last_{n}l"),
        ]
    count = pl.int_range(1, pl.len() + 1).over(keys).clip(upper_bound=50).alias("n_laps_in_window")
    return pl.scan_parquet(path).with_columns(*columns, count)


def measure(kind: str, folder: str) -> None:
    """One side of `streaming`, in this process: prints seconds, peak memory and checksum."""
    files = sorted(Path(folder).glob("*.parquet"))
    began, checksum = time.perf_counter(), 0.0
    if kind == "ours":
        frames: Iterator[pl.DataFrame] = iter_lap_features(files)
    else:
        frames = (by_hand(file).collect(engine="streaming") for file in files)
    for frame in frames:
        features = frame.select(pl.selectors.contains("_last_") | pl.selectors.by_name(_COUNT))
        checksum += float(features.sum().sum_horizontal().item())
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(seconds, peak, checksum)


_COUNT = "n_laps_in_window"


def _measured(kind: str, folder: str) -> dict[str, float]:
    code = f"from benchmarks.telemetry import measure; measure({kind!r}, {folder!r})"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds, peak, checksum = map(float, run.stdout.split())
    return {"seconds": seconds, "peak_mb": peak, "checksum": checksum}


def _best_of(work: Callable[[], object], times: int) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best
