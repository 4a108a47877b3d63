"""An invented race as the feed's lap times, for tests of the race under way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

START = datetime(2025, 3, 9, 19, 30, tzinfo=UTC)
LAP_S = 30.0


def race_row(laps: int = 100, race_id: str = "9001") -> dict[str, Any]:
    """A row of the schedule, as far as states need it."""
    return {"race_id": race_id, "track_id": "7", "start_time": START, "scheduled_laps": laps}


def lap_times(
    size: int = 20,
    laps: int = 100,
    *,
    cautions: tuple[tuple[int, int], ...] = ((31, 35), (70, 74)),
    out: dict[int, int] | None = None,
    slow: dict[int, float] | None = None,
    seed: int = 3,
    red: int | None = None,
) -> dict[str, Any]:
    """A body of `lap-times.json`: times first, running positions from them.

    Args:
        size: Cars; car k has the driver id 100 + k and is a little slower than car k - 1.
        laps: Laps of the race.
        cautions: First and last lap of each caution.
        out: Laps that a car completes before it stops for good, by car.
        slow: Seconds that a car loses on each lap, by car.
        seed: Of the laps' noise.
        red: A lap on which the field stood still, its clock field full.
    """
    rng = np.random.default_rng(seed)
    yellow = np.zeros(laps + 1, bool)
    for first, last in cautions:
        yellow[first : last + 1] = True
    base = (
        LAP_S + 0.02 * np.arange(size) + np.array([(slow or {}).get(k, 0.0) for k in range(size)])
    )
    times = base[:, None] + rng.normal(0.0, 0.1, (size, laps + 1))
    times[:, yellow] += 40.0
    times[:, 0] = 0.1 * np.arange(size)
    done = np.array([(out or {}).get(k, laps) for k in range(size)])
    elapsed = np.cumsum(times, axis=1)
    places = np.zeros((size, laps + 1), int)
    for lap in range(laps + 1):
        there = np.flatnonzero(done >= lap)
        order = there[np.argsort(elapsed[there, lap], kind="stable")]
        places[order, lap] = np.arange(1, len(order) + 1)
    if red is not None:
        times[:, red] = 9999.999
    cars = [
        {
            "Number": str(k),
            "FullName": f"Driver {k}",
            "Manufacturer": "Toyota",
            "RunningPos": int(places[k, done[k]]),
            "NASCARDriverID": 100 + k,
            "Laps": [
                {
                    "Lap": lap,
                    "LapTime": round(float(times[k, lap]), 3),
                    "LapSpeed": None if lap == 0 else f"{5400 / times[k, lap]:.3f}",
                    "RunningPos": int(places[k, lap]),
                }
                for lap in range(done[k] + 1)
            ],
        }
        for k in range(size)
    ]
    flags = [{"LapsCompleted": 0, "FlagState": 8}]
    flags += [
        {"LapsCompleted": lap, "FlagState": 2 if yellow[lap + 1] else 1} for lap in range(1, laps)
    ]
    return {"laps": cars, "flags": flags}
