"""A race under way: from a new feed to the updated forecast of a slate with 150 lineups."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nascar_assets.orchestration.inputs.live_forecast import (
    landed_state,
    make_live_forecast,
)
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.storage import DataRoot
from nascar_assets.telemetry.state_from_laps import last_lap

Row = dict[str, Any]

NASCAR = "from nascar_assets.cli import main; main()"
SCENARIOS = 10_000
LINEUPS = 150
REPEATS = 5


def rows() -> Iterator[Row]:
    """Times of a demo's slate, whose race takes the laps of one of its earlier races."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["demo", "--home", folder, "--no-release", "--scenarios", str(SCENARIOS), "--json"]
        done = subprocess.run(
            [sys.executable, "-c", NASCAR, *words], stdout=subprocess.PIPE, text=True, check=True
        )
        home, slate = Path(folder) / "demo", json.loads(done.stdout)["slate"]
        (home / "many.toml").write_text(f"lineups = {LINEUPS}\n")
        words = ["portfolio", slate, "--home", str(home), "--settings", str(home / "many.toml")]
        subprocess.run(
            [sys.executable, "-c", NASCAR, *words, "--json"],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        yield from measured(home, slate)


def measured(home: Path, slate: str) -> Iterator[Row]:
    """Times of a home's slate.

    Args:
        home: The data root of a demo.
        slate: Its slate.
    """
    root = DataRoot.open(home)
    run = SlateRun.load(root, slate)
    path = f"landing/live/{run.plan.race_key}/lap-times.json"
    body = _laps(home, run)
    race = run.race
    times: list[tuple[float, float]] = []
    for step in range(REPEATS + 1):  # the first is cold
        lap = int(race["scheduled_laps"]) // 2 + 5 * step
        root.write(path, json.dumps(_until(body, lap)).encode())
        began = time.perf_counter()
        state = landed_state(root, race, path).state
        read = time.perf_counter()
        made = make_live_forecast(root, run.plan.race_key, state, n=SCENARIOS)
        times.append((read - began, time.perf_counter() - began))
    lineups = len(made["slates"][slate]["lineups"])
    note = f"{lineups} lineups, {SCENARIOS:,} scenarios"
    warm = times[1:]
    yield _row("new laps to a race's state", statistics.median(t for t, _ in warm), None, "warm")
    whole = statistics.median(t for _, t in warm)
    yield _row("new laps to the forecast of a slate, lineups placed", whole, 2.0, f"warm; {note}")
    yield _row("the same, first of a process", times[0][1], None, note)


def _laps(home: Path, run: SlateRun) -> Any:
    """Laps of an earlier race, driven by the field of the slate."""
    for path in sorted((home / "landing/feed").rglob("lap-times.json"), reverse=True):
        body = json.loads(path.read_bytes())
        if last_lap(body) >= int(run.race["scheduled_laps"]) * 0.8:
            cars = body["laps"][: len(run.setup.driver_ids)]
            for car, driver in zip(cars, run.setup.driver_ids, strict=False):
                car["NASCARDriverID"] = int(driver)
            return {**body, "laps": cars}
    raise SystemExit("No race of the sample has laps enough.")


def _until(body: Any, lap: int) -> Any:
    cars = [
        {**car, "Laps": [one for one in car["Laps"] if one["Lap"] <= lap]} for car in body["laps"]
    ]
    flags = [flag for flag in body["flags"] if flag["LapsCompleted"] <= lap]
    return {"laps": cars, "flags": flags}


def _row(name: str, seconds: float, target: float | None, note: str) -> Row:
    row: Row = {"name": name, "value": round(seconds, 4), "unit": "s", "note": note}
    return row if target is None else {**row, "target": target}
