"""Made-up seasons as source tables, whole: with what becomes known after any as-of time."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from nascar_assets.feed.schemas import ENTRIES, LAP_SUMMARY, PRACTICE, RACE_OF_SUMMARY, RESULTS

FIRST_START = datetime(2030, 2, 16, 19, tzinfo=UTC)
STATUSES = ("running", "accident", "mechanical")
TYPES = ("intermediate", "short", "superspeedway", "road")


def race_row(number):
    """Race `number` of the season, a week after the one before."""
    start = FIRST_START + timedelta(days=7 * number)
    return {
        "race_id": str(7000 + number),
        "race_key": f"2030-cup-{number + 1:02d}",
        "series": "cup",
        "season": 2030,
        "race_name": f"Race {number + 1}",
        "race_type": "exhibition" if number == 3 else "points",
        "track_id": str(number % 4),
        "track_name": f"Track {number % 4}",
        "track_type": TYPES[number % 4],
        "track_length_miles": 1.5,
        "start_time": start,
        "scheduled_laps": 200,
        "entries_at": start - timedelta(days=5),
        "qualifying_at": start - timedelta(days=1),
        "results_at": start + timedelta(hours=8),
    }


def season(races=12, cars=8, seed=0):
    """Source tables of a season, every race of it run."""
    rng = np.random.default_rng(seed)
    rows = {"results": [], "entries": [], "practice": [], "lap_summaries": []}
    for number in range(races):
        race = race_row(number)
        order = rng.permutation(cars)
        for car in range(cars):
            finish = int(order[car]) + 1
            entry = {
                **race,
                "driver_id": str(100 + car),
                "driver_name": f"Driver {car}",
                "car_number": str(car),
                "team": f"Team {car % 3}",
                "start": int(rng.integers(1, cars + 1)),
                "qualifying_position": car + 1,
                "qualifying_speed_mph": 180.0 - 0.1 * car + float(rng.normal(0, 0.05)),
            }
            rows["entries"].append(entry)
            rows["results"].append(
                {
                    **entry,
                    "finish": finish,
                    "finish_on_track": finish,
                    "laps_led": int(rng.integers(0, 50)),
                    "laps_completed": 200,
                    "status": str(
                        rng.choice(["running", "accident", "mechanical"], p=[0.8, 0.1, 0.1])
                    ),
                }
            )
            rows["practice"].append(
                {**race, "session": "Final Practice", "driver_id": str(100 + car)}
                | {"best_lap_time_s": 30.0 + 0.05 * car + float(rng.normal(0, 0.02))}
                | {"best_10_lap_time_s": 30.5 + 0.04 * car}
            )
            rows["lap_summaries"].append(
                {
                    **{name: 1.0 + car for name, kind in LAP_SUMMARY.items() if kind == pl.Float64},
                    **race,
                    "driver_id": str(100 + car),
                    "laps": 200,
                    "green_laps": 150,
                    "falloff_s_per_lap": float(rng.normal(0.03, 0.01)),
                    "falloff_se_s_per_lap": 0.002,
                    "long_run_speed_mph": float(rng.normal(170, 1)),
                    "green_speed_rank": finish,
                    "green_speed_cars": cars,
                    "slow_laps": int(rng.integers(2, 12)),
                    "restarts": 5,
                    "restart_gained": int(rng.integers(0, 9)),
                    "restart_lost": int(rng.integers(0, 9)),
                }
            )
    schemas = {
        "results": RESULTS,
        "entries": ENTRIES,
        "practice": PRACTICE,
        "lap_summaries": {**LAP_SUMMARY, **RACE_OF_SUMMARY},
    }
    return {
        name: pl.DataFrame(
            [{key: row.get(key) for key in schema} for row in rows[name]], schema=schema
        )
        for name, schema in schemas.items()
    }
