"""Benchmark of more laps than memory holds: rolling windows against a hand-written query."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.telemetry import CARS, LAPS_A_RACE, generated_race
from nascar_assets.telemetry.stream import iter_lap_features

ROWS = int(os.environ.get("NASCAR_BENCH_LAP_ROWS", "200000000"))
"""Laps, about 5 GB of Parquet under a temporary folder that is removed afterwards."""

RACES_A_FILE = 25


def rows() -> Iterator[dict[str, Any]]:
    """Rolling features of all rows, ours and a hand-written query's, each in a process of its own.

    Both read the same files and reduce every feature to a sum, so that neither is timed for
    writing; the sums must agree.
    """
    total = ROWS
    with tempfile.TemporaryDirectory(prefix="nascar-bench-") as folder:
        files = generate_files(Path(folder), total)
        size = sum(file.stat().st_size for file in files) / 1e9
        ours = _measured("ours", folder)
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
        theirs = _measured("by_hand", folder)
        if not np.isclose(ours["checksum"], theirs["checksum"], rtol=1e-9):
            raise RuntimeError("The hand-written query gives other features.")
        yield {
            "name": "speed against the hand-written Polars query, file by file",
            "value": 100 * theirs["seconds"] / ours["seconds"],
            "unit": "%",
            "target": ">= 60",
            "peak_mb": theirs["peak_mb"],
            "note": f"by hand {theirs['seconds']:.1f} s; by processor time "
            f"{100 * theirs['processor'] / ours['processor']:.0f}%",
        }


def generate_files(folder: Path, total: int) -> list[Path]:
    """Season-like files of invented races, `total` laps in all, rounded up to whole files.

    The races are drawn once; each file numbers them anew.
    """
    season = pl.concat(generated_race(number) for number in range(RACES_A_FILE))
    files = []
    for number in range(max(1, -(-total // season.height))):
        path = folder / f"laps-{number:05d}.parquet"
        race_id = pl.col("race_id").cast(pl.Int64) + number * RACES_A_FILE
        season.with_columns(race_id.cast(pl.String)).write_parquet(
            path, compression="snappy", row_group_size=CARS * LAPS_A_RACE
        )
        files.append(path)
    return files


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
    """One side, in this process: prints wall and processor seconds, peak memory, checksum."""
    files = sorted(Path(folder).glob("*.parquet"))
    began, used, checksum = time.perf_counter(), time.process_time(), 0.0
    if kind == "ours":
        frames: Iterator[pl.DataFrame] = iter_lap_features(files)
    else:
        frames = (by_hand(file).collect(engine="streaming") for file in files)
    for frame in frames:
        features = frame.select(pl.selectors.contains("_last_") | pl.selectors.by_name(_COUNT))
        checksum += float(features.sum().sum_horizontal().item())
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(seconds, processor, peak, checksum)


_COUNT = "n_laps_in_window"


def _measured(kind: str, folder: str) -> dict[str, float]:
    code = f"from benchmarks.laps import measure; measure({kind!r}, {folder!r})"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    names = ("seconds", "processor", "peak_mb", "checksum")
    return dict(zip(names, map(float, run.stdout.split()), strict=True))
