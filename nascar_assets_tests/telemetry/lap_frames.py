"""Small made-up laps and lap files for the tests of telemetry."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl

from nascar_assets.feed.schemas import LAPS

START = datetime(2026, 3, 15, 19, 30, tzinfo=UTC)

RACE = {
    "race_id": "9100",
    "track_id": "42",
    "start_time": START,
    "track_length_miles": 1.5,
    "track_type": "intermediate",
    "scheduled_laps": 20,
    "driver_ids": ["11", "12", "13"],
    "series": "cup",
    "race_type": "points",
    "results_at": START + timedelta(hours=8),
}


def driver_laps(
    driver_id, times, *, positions=None, flags=None, pits=None, first=1, race_id="9100"
):
    """One driver's laps from a list of lap times (None where missing)."""
    n = len(times)
    laps = list(range(first, first + n))
    positions = positions or [2] * n
    elapsed, stamps = 0.0, []
    for time in times:
        elapsed = None if time is None or elapsed is None else elapsed + time
        stamps.append(None if elapsed is None else START + timedelta(seconds=elapsed))
    return pl.DataFrame(
        {
            "race_id": [race_id] * n,
            "track_id": ["42"] * n,
            "driver_id": [driver_id] * n,
            "lap": laps,
            "timestamp": stamps,
            "position": positions,
            "lap_time_s": times,
            "lap_speed_mph": [None if t is None else 5400.0 / t if t else 0.0 for t in times],
            "flag": flags or ["green"] * n,
            "pit": pits or [False] * n,
            "laps_led": [int(p == 1) if p is not None else None for p in positions],
        },
        schema=dict(LAPS),
    )


def clean_race(laps=12):
    """Three drivers' clean green laps, as a frame that every check accepts."""
    return pl.concat(
        driver_laps(
            driver, [30.0 + 0.1 * rank + 0.01 * n for n in range(laps)], positions=[rank] * laps
        )
        for rank, driver in enumerate(("11", "12", "13"), 1)
    )


def lap_times_body(laps=12):
    """The same race as the feed writes lap times, grid included."""
    drivers = []
    for rank, driver in enumerate((11, 12, 13), 1):
        rows = [{"Lap": 0, "LapTime": None, "LapSpeed": None, "RunningPos": rank}]
        for n in range(laps):
            time = round(30.0 + 0.1 * rank + 0.01 * n, 3)
            speed = f"{5400.0 / time:.3f}"
            rows.append({"Lap": n + 1, "LapTime": time, "LapSpeed": speed, "RunningPos": rank})
        drivers.append(
            {
                "Number": str(driver - 10),
                "FullName": f"Driver {driver}",
                "Manufacturer": "Chv",
                "RunningPos": rank,
                "NASCARDriverID": driver,
                "Laps": rows,
            }
        )
    flags = [{"LapsCompleted": n, "FlagState": 8 if n == 0 else 1} for n in range(laps)]
    return {"laps": drivers, "flags": [*flags, {"LapsCompleted": laps, "FlagState": 4}]}


def as_json(body):
    return json.dumps(body).encode()
