"""Speed of the scores, of a slate's record, and of a backtest where real data is at hand.

The backtest needs the folder of real feed files in NASCAR_REAL_DATA.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from nascar_assets.calibration import RecordSettings, compute_all_metrics, walk_forward_record
from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
from nascar_assets.calibration.feed_tables import read_feed_tables
from nascar_assets.calibration.metrics_crps import crps_ensemble
from nascar_assets.history.ratings import rate_history
from nascar_assets.orchestration.inputs.race_scores import KeptScores
from nascar_assets.storage import DataRoot

DRIVERS, SCENARIOS, RACES = 40, 10_000, 100


def rows() -> Iterator[dict[str, Any]]:
    """Everything that this group measures."""
    rng = np.random.default_rng(1)
    points = rng.integers(-600, 2400, (SCENARIOS, DRIVERS), dtype=np.int32)
    finish = (np.argsort(rng.random((SCENARIOS, DRIVERS)), axis=1) + 1).astype(np.int8)
    one = best(lambda: crps_ensemble(points, points[0]), 7)
    yield {"name": "CRPS, 40 drivers x 10,000", "value": 1e3 * one, "unit": "ms", "target": 20}
    many = best(lambda: [crps_ensemble(points, points[k]) for k in range(RACES)], 1)
    yield {"name": "CRPS, 100 races", "value": many, "unit": "s", "target": 3}
    forecast = {"finish": finish, "points": points / 20.0}
    outcome = {"finish": finish[0], "points": points[0] / 20.0}
    whole = best(lambda: compute_all_metrics(forecast, outcome, joint=False), 3)
    yield {"name": "all metrics but energy and variogram, one race", "value": whole, "unit": "s"}
    whole = best(lambda: compute_all_metrics(forecast, outcome), 1)
    yield {"name": "all metrics, one race", "value": whole, "unit": "s"}
    real = os.environ.get("NASCAR_REAL_DATA")
    if real and (Path(real) / "feed").is_dir():
        yield from on_real_data(Path(real) / "feed")


def on_real_data(feed: Path) -> Iterator[dict[str, Any]]:
    tables = read_feed_tables(DataRoot(feed))
    ratings = rate_history(tables.results, features=tables.features)
    as_of = tables.results["results_at"].max()
    assert isinstance(as_of, datetime)

    def record(kept: KeptScores | None = None) -> None:
        walk_forward_record(
            tables.results,
            ratings,
            as_of,
            RecordSettings(threads=os.cpu_count() or 1),
            schedule=tables.schedule,
            archive=kept,
        )

    first = best(record, 2)
    yield {"name": "slate's record, 30 races x 500", "value": first, "unit": "s", "target": 2}
    with tempfile.TemporaryDirectory() as folder:
        again = best(lambda: record(KeptScores(DataRoot(folder))), 3)
    yield {"name": "slate's record from kept scores", "value": again, "unit": "s", "target": 1}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        result = run_backtest(
            lambda: tables,
            DataRoot(folder),
            BacktestSettings(date(2023, 1, 1), date(2026, 12, 31), scenarios=2000),
        )
        seconds = time.perf_counter() - started
    peak = sum(
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    yield {
        "name": f"backtest, {result.summary.races} races x 2,000 with all refits",
        "value": seconds / 60.0,
        "unit": "min",
        "target": 15,
        "peak_mb": round(peak),
        "note": "peak: this process and the largest worker",
    }


def best(call: Callable[[], object], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)
