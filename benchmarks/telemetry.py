"""Benchmarks of telemetry: windows and falloff of one race, the laps of a whole feed."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.feed.schemas import LAPS
from nascar_assets.telemetry import compute_aggregate_features, compute_falloff_metrics
from nascar_assets.telemetry.summary import summarise_laps
from nascar_assets.telemetry.validate import validate_landed

CARS, LAPS_A_RACE = 40, 500
_START = datetime(2025, 1, 5, 19, tzinfo=UTC)


def rows() -> Iterator[dict[str, Any]]:
    """What this group measures."""
    yield from one_race()
    yield from real_feed()


def generated_race(number: int, cars: int = CARS, laps: int = LAPS_A_RACE) -> pl.DataFrame:
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


def _best_of(work: Callable[[], object], times: int) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best
