"""Views: tilting to them, and what they add to a slate's run."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.cli.location import code_location
from nascar_assets.orchestration.commands.slate import RunOptions, run_slate
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.views import add_view
from nascar_assets.storage import DataRoot
from nascar_assets.views.targets import OwnMoments, Target
from nascar_assets.views.tilting import tilt

Row = dict[str, Any]

NASCAR = "from nascar_assets.cli import main; main()"
SCENARIOS = 10_000
DRIVERS = 40
REPEATS = 3


def rows() -> Iterator[Row]:
    """Times of tilting alone, then of a demo's slate."""
    yield from tilting()
    with tempfile.TemporaryDirectory() as folder:
        words = ["demo", "--home", folder, "--no-release", "--scenarios", str(SCENARIOS), "--json"]
        done = subprocess.run(
            [sys.executable, "-c", NASCAR, *words], stdout=subprocess.PIPE, text=True, check=True
        )
        yield from slate_runs(Path(folder) / "demo", json.loads(done.stdout)["slate"])


def tilting() -> Iterator[Row]:
    """Means of every driver, and six measures of each that contradict each other."""
    rng = np.random.default_rng(1)
    strength = rng.normal(size=(SCENARIOS, DRIVERS)) + np.linspace(1, -1, DRIVERS)
    finish = np.argsort(np.argsort(-strength, axis=1), axis=1) + 1
    points = 45.0 - finish + 8.0 * rng.normal(size=finish.shape)
    own = OwnMoments(tuple(map(str, range(DRIVERS))), points, finish)
    for name, targets in (
        ("means of 40 drivers", _means(points, 0.1, rng)),
        ("240 targets that contradict each other", _everything(own, 1.0, rng)),
    ):
        times = []
        for _ in range(REPEATS + 1):  # the first is cold
            began = time.perf_counter()
            found = tilt(own, targets, 1, 4)
            times.append(time.perf_counter() - began)
        yield {
            "name": f"scenarios tilted to {name} and drawn again, {SCENARIOS:,} scenarios",
            "value": statistics.median(times[1:]),
            "unit": "s",
            "target": 0.5,
            "note": f"{found.effective:,.0f} effective, {found.share:.0%} of the way",
        }


def _means(points: npt.NDArray[np.float64], by: float, rng: np.random.Generator) -> list[Target]:
    return [
        Target(at, "mean_points", column.mean(), column.mean() + by * column.std() * rng.normal())
        for at, column in enumerate(points.T)
    ]


def _everything(own: OwnMoments, by: float, rng: np.random.Generator) -> list[Target]:
    found = _means(own.points, by, rng)
    for at, spread in enumerate(own.points.std(axis=0)):
        found.append(Target(at, "sd_points", spread, spread * np.exp(0.3 * by * rng.normal())))
        for name in ("win", "top3", "top5", "top10"):
            chance = float(own.chance(name)[at])
            wanted = float(np.clip(chance * np.exp(by * rng.normal()), 5e-4, 0.98))
            found.append(Target(at, name, chance, wanted))
    return found


def slate_runs(home: Path, slate: str) -> Iterator[Row]:
    """A slate's run without views and with projections of everybody, in one process.

    Args:
        home: The data root of a demo.
        slate: Its slate.
    """
    root = DataRoot.open(home)
    now = SlatePlan.load(root, slate).lock - timedelta(hours=3)
    summary = SlateRun.load(root, slate).table("scenario_summary")
    rng = np.random.default_rng(3)
    lines = [
        f'"{name}",{mean + 3.0 * rng.normal():.2f}'
        for name, mean in summary.select("driver_name", "mean_points").iter_rows()
    ]
    data = ("Name,Fpts\n" + "\n".join(lines) + "\n").encode()
    add_view(root, slate, data, "projections.csv", author="benchmark", now=now)
    times: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(REPEATS + 1):  # the first is cold
        for without in (True, False):
            began = time.perf_counter()
            run_slate(
                str(home),
                slate,
                RunOptions(without_views=without),
                location=code_location(str(home)),
            )
            if turn:
                times[without].append(time.perf_counter() - began)
    plain, viewed = (statistics.median(times[without]) for without in (True, False))
    made = f"{SCENARIOS:,} scenarios, to lineups, contests and report"
    yield {"name": f"a slate's run without views, {made}", "value": plain, "unit": "s"}
    yield {
        "name": f"a slate's run with projections of {len(lines)} drivers: more than without",
        "value": viewed - plain,
        "unit": "s",
        "target": 1.0,
    }
