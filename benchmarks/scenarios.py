"""Benchmarks of the race scenarios; `python -m benchmarks.scenarios FEED` prints docs' tables.

The tables of docs/race-model.md (realism, skill, what each source of information is worth,
parameters) are walk-forward: each Cup race is simulated with ratings as of its start and
parameters fitted, at its season's start and after every ten races, on the races known by then.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.scenarios import (
    Entry,
    RaceSetup,
    generate_scenarios,
)

N = 10_000

_NEW_PROCESS = """
import time
begin = time.perf_counter()
from benchmarks.scenarios import race
from nascar_assets.scenarios import generate_scenarios
imported = time.perf_counter()
generate_scenarios(None, race(40, 267), 10, 1)
print(imported - begin, time.perf_counter() - imported)
"""

_PEAK = """
import resource
from benchmarks.scenarios import race
from nascar_assets.scenarios import generate_scenarios
generate_scenarios(None, race(40, {laps}), 10_000, 1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def rows() -> Iterator[dict[str, Any]]:
    """What this group measures."""
    yield from speed()
    yield from start_up()
    yield from memory()
    feed = os.environ.get("NASCAR_REAL_DATA")
    if feed:
        yield from fit(Path(feed) / "feed")


def race(cars: int, laps: int, kind: str = "intermediate") -> RaceSetup:
    """An invented race."""
    rng = np.random.default_rng(1)
    ratings = rng.normal(0.0, 0.55, cars)
    grid = 1 + np.argsort(np.argsort(-ratings + rng.normal(0.0, 0.5, cars)))
    entries = tuple(
        Entry(str(k), team=str(k // 2), start=int(grid[k]), level=float(ratings[k]), level_sd=0.1)
        for k in range(cars)
    )
    return RaceSetup("r", "t", kind, laps, (laps // 4, laps // 2), entries, track_length=1.5)


def best(work: Callable[[], object], times: int = 7) -> float:
    """Least wall time of some repetitions, in seconds."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def speed() -> Iterator[dict[str, Any]]:
    """Wall time and processor time of 10,000 scenarios."""
    generate_scenarios(None, race(40, 267), 10, 1)
    for laps, target in ((267, 0.35), (500, 0.6)):
        setup = race(40, laps)
        name = f"{N:,} scenarios x 40 cars x {laps} laps"
        value = best(partial(generate_scenarios, None, setup, N, 1))
        yield {"name": name, "value": value, "unit": "s", "target": target}
        begin = time.process_time()
        generate_scenarios(None, setup, N, 1)
        used = time.process_time() - begin
        yield {"name": f"{name}, processor time of all threads", "value": used, "unit": "s"}
    double = best(lambda: generate_scenarios(None, race(40, 267), 2 * N, 1), 3)
    single = best(lambda: generate_scenarios(None, race(40, 267), N, 1), 3)
    yield {"name": "twice the scenarios", "value": double / single, "unit": "times", "target": 2}


def start_up() -> Iterator[dict[str, Any]]:
    """The first call in a new process, kernels compiled and on disk."""
    taken = [_run(_NEW_PROCESS) for _ in range(3)]
    imported, called = min(taken, key=sum)
    yield {"name": "first call in a new process", "value": called, "unit": "s", "target": 2.0}
    yield {"name": "import of the package in a new process", "value": imported, "unit": "s"}


def memory() -> Iterator[dict[str, Any]]:
    """Peak memory of processes that simulate short and long races."""
    short, long = (_run(_PEAK.format(laps=laps))[0] for laps in (50, 600))
    yield {
        "name": "peak memory of 600 laps over that of 50",
        "value": long - short,
        "unit": "MB",
        "target": 5,
        "peak_mb": long,
    }


def _run(script: str) -> list[float]:
    made = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return [float(part) for part in made.stdout.split()]


def _read(feed: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Results, ratings and schedule of all series of a feed folder."""
    from benchmarks.history import read_points
    from nascar_assets.history.ratings import rate_history

    tables = read_points(feed)
    ratings = rate_history(tables.results, features=tables.features)
    return tables.results, ratings, tables.schedule


def fit(feed: Path) -> Iterator[dict[str, Any]]:
    """Fit of all parameters on every race of the feed."""
    from nascar_assets.scenarios.estimation import fit_parameters

    results, ratings, schedule = _read(feed)
    begin = time.perf_counter()
    fit_parameters(results, ratings, schedule, datetime.now(UTC))
    taken = time.perf_counter() - begin
    count = results["race_id"].n_unique()
    yield {
        "name": f"fit of all parameters, {count} races of three series",
        "value": taken,
        "unit": "s",
        "target": 60,
    }


def main(feed: Path) -> None:
    """Print every table of docs/race-model.md."""
    from benchmarks.scenario_tables import print_tables

    print_tables(feed)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python -m benchmarks.scenarios FEED_FOLDER")
    main(Path(sys.argv[1]))
