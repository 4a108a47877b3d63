"""Invented results for tests of ratings: drivers of known strength in teams of known strength."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from nascar_assets.feed.schemas import RESULTS, TRACK_TYPES

START = datetime(2024, 2, 4, 19, tzinfo=UTC)
NAMES = [f"d{i:02d}" for i in range(24)]
STRENGTH = np.linspace(-1.2, 1.2, len(NAMES))


def make_race(number, field, finish, *, start=None, series="cup", day=None, **changes):
    """RESULTS rows of one race: `field` are driver numbers, `finish` their positions."""
    started = START + timedelta(days=7 * number if day is None else day)
    kind = TRACK_TYPES[number % 4]
    rows = []
    size = len(field)
    for i, driver in enumerate(field):
        rows.append(
            {
                "race_id": f"{series}{number:03d}",
                "race_key": f"2024-{series}-{number:02d}",
                "series": series,
                "season": started.year,
                "race_name": f"Race {number}",
                "race_type": "points",
                "track_id": f"t{number % 6}",
                "track_name": f"Track {number % 6}",
                "track_type": kind,
                "track_length_miles": 1.5,
                "start_time": started,
                "scheduled_laps": 200,
                "driver_id": f"d{driver:02d}",
                "driver_name": f"Driver {driver}",
                "car_number": str(driver),
                "team": f"Team {driver // 4}",
                "manufacturer": ("Ford", "Chevrolet", "Toyota")[driver % 3],
                "crew_chief": None,
                "start": None if start is None else int(start[i]),
                "qualifying_position": None if start is None else int(start[i]),
                "qualifying_speed_mph": None if start is None else 180.0 - 0.1 * float(start[i]),
                "entries_at": started - timedelta(days=5),
                "qualifying_at": started - timedelta(days=1),
                "results_at": started + timedelta(hours=8),
                "actual_laps": 200,
                "cautions": 6,
                "caution_laps": 30,
                "finish": int(finish[i]),
                "finish_on_track": int(finish[i]),
                "laps_completed": 200,
                "laps_led": 200 if finish[i] == 1 else 0,
                "fastest_laps": int(max(size - finish[i], 0)),
                "status": "running",
                "status_text": "Running",
                "mid_position": int(finish[i]),
                "driver_rating": 150.0 - 3.0 * float(finish[i]),
            }
            | changes
        )
    return pl.DataFrame(rows, schema=RESULTS)


def make_results(races=12, *, seed=0, size=16, noise=0.8, series=("cup", "cup", "trucks")):
    """Results of races at a distance of a week; strength decides with noise, some retire."""
    rng = np.random.default_rng(seed)
    tables = []
    for number in range(races):
        field = np.sort(rng.permutation(len(NAMES))[:size])
        score = STRENGTH[field] + noise * rng.standard_normal(size)
        grid = STRENGTH[field] + 2 * noise * rng.standard_normal(size)
        finish, start = (np.argsort(np.argsort(-v)) + 1 for v in (score, grid))
        race = make_race(number, field, finish, start=start, series=series[number % len(series)])
        out = (finish == size).tolist()
        tables.append(
            race.with_columns(
                status=pl.Series(["accident" if retired else "running" for retired in out]),
                laps_completed=pl.Series(
                    [60 if retired else 200 for retired in out], dtype=pl.Int32
                ),
            )
        )
    return pl.concat(tables)
