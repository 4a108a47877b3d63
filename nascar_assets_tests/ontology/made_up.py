"""Made-up histories for the tests of the ontology and its constraints."""

from datetime import UTC, datetime, timedelta

import polars as pl

from nascar_assets.feed.schemas import SCHEDULE
from nascar_assets.history.schemas import DRIVER_VALUES, TRACK_VALUES

AS_OF = datetime(2031, 3, 1, 18, tzinfo=UTC)
LAST_RACE = AS_OF - timedelta(days=7)


def driver_values(count=8, teams=3, **columns):
    rows = {
        "driver_id": [str(100 + i) for i in range(count)],
        "name": [f"Driver {i} Ünal" for i in range(count)],
        "team": [f"Team {i % teams}" for i in range(count)],
        "manufacturer": [("Ford", "Toyota", "Chevrolet")[i % teams % 3] for i in range(count)],
        "series": ["cup"] * count,
        "skill": [(i + 0.5) / count for i in range(count)],
        "psyche_aggression": [0.4 + 0.2 * ((i * 7) % 10) / 10 for i in range(count)],
        "shadow_risk": [0.45 + 0.1 * ((i * 3) % 10) / 10 for i in range(count)],
        "realpolitik_pos": [0.2 + 0.3 * (i % teams) for i in range(count)],
        "races": [10 * i for i in range(count)],
        "data_through": [LAST_RACE] * count,
    }
    for name in ("skill", "psyche_aggression", "shadow_risk", "realpolitik_pos"):
        rows[f"{name}_se"] = [0.05] * count
    return pl.DataFrame(rows | columns, schema=DRIVER_VALUES)


def track_values(count=3, **columns):
    rows = {
        "track_id": [str(i + 1) for i in range(count)],
        "name": [f"Track {i}" for i in range(count)],
        "track_type": [("superspeedway", "intermediate", "short")[i % 3] for i in range(count)],
        "length_miles": [(2.5, 1.5, 0.5)[i % 3] for i in range(count)],
        "difficulty": [0.4] * count,
        "aggression_factor": [0.6] * count,
        "caution_rate": [0.5] * count,
        "pit_window_laps": [[40, 80, 120], [60, 120], [110]][:count]
        + [[60, 120]] * max(0, count - 3),
        "races": [12] * count,
        "data_through": [LAST_RACE] * count,
    }
    for name in ("difficulty", "aggression_factor", "caution_rate"):
        rows[f"{name}_se"] = [0.08] * count
    return pl.DataFrame(rows | columns, schema=TRACK_VALUES)


def schedule(count=4, tracks=3):
    rows = [
        {
            "race_id": str(5000 + i),
            "race_key": f"2031-cup-{i + 1:02d}",
            "series": "cup",
            "season": 2031,
            "race_name": f"Race {i}",
            "race_type": "points",
            "track_id": str(i % tracks + 1),
            "track_name": f"Track {i % tracks}",
            "track_type": "intermediate",
            "track_length_miles": 1.5,
            "start_time": AS_OF + timedelta(days=7 * (i - 2)),
            "scheduled_laps": 200,
        }
        for i in range(count)
    ]
    return pl.DataFrame(rows, schema=SCHEDULE)


def entrants(*rows):
    return pl.DataFrame(
        rows, schema=["driver_id", "driver_name", "team", "manufacturer"], orient="row"
    )
