"""A small invented slate as its own run leaves it behind: the tables that the service reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import polars as pl

from nascar_assets.constraints import (
    ConstraintSpec,
    DriverConstraints,
    TrackConstraints,
    create_run_config,
    driver_summary,
    slate_summary,
)
from nascar_assets.feed.schemas import ENTRIES, SCHEDULE
from nascar_assets.files import SourceFile
from nascar_assets.history.schemas import DRIVER_VALUES, RATINGS, TRACK_VALUES
from nascar_assets.orchestration.inputs.slate_files import record_path, run_config_path, spec_path
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.rules import rule_set
from nascar_assets.slates.slate import Slate, SlatePlayer
from nascar_assets.slates.stored import slate_to_polars
from nascar_assets.storage import DataRoot

SLATE_ID = "2026-03-01-cup-dk-classic"
LOCK = datetime(2026, 3, 1, 20, tzinfo=UTC)
AS_OF = LOCK - timedelta(hours=6)
CARS = 16
NAMES = ["Iñaki Barragón", "J.R. Abernant", *(f"Invented Driver{chr(65 + i)}" for i in range(14))]
CALIBRATION = {"crps": 12.5, "log_score": 3.4, "coverage_50": 0.51, "coverage_80": 0.79} | {
    "coverage_95": 0.94
}
RACE = {
    "race_id": "9901",
    "race_key": "2026-cup-03",
    "series": "cup",
    "season": 2026,
    "race_name": "Invented 200",
    "race_type": "points",
    "track_id": "903",
    "track_name": "Invented Ridge Speedway",
    "track_type": "intermediate",
    "track_length_miles": 1.5,
    "start_time": LOCK,
    "scheduled_laps": 120,
    "entries_at": LOCK - timedelta(days=5),
    "qualifying_at": LOCK - timedelta(days=1),
}


def car_id(place: int) -> str:
    return str(970_000 + place)


def skill(place: int) -> float:
    return round(0.95 - 0.055 * place, 3)


def write_slate(root: DataRoot, *, veto: str | None = None, races: int = 30) -> None:
    """All tables of the slate; the last two cars are not in the salary file."""
    schedule = {name: RACE.get(name) for name in SCHEDULE} | {
        "stage_ends": [30, 60],
        "results_at": LOCK + timedelta(hours=8),
        "status": "scheduled",
    }
    root.write_frame(table_path("schedule"), pl.DataFrame([schedule], schema=SCHEDULE))
    field = [
        {name: RACE.get(name) for name in ENTRIES}
        | {
            "driver_id": car_id(i),
            "driver_name": NAMES[i],
            "team": f"Team {i // 2}",
            "manufacturer": "Ford",
            "start": i + 1,
        }
        for i in range(CARS)
    ]
    values = [
        {name: 0.5 for name, kind in DRIVER_VALUES.items() if kind == pl.Float64}
        | {"driver_id": car_id(i), "name": NAMES[i], "skill": skill(i), "races": 20}
        for i in range(CARS)
    ]
    track = {name: 0.5 for name, kind in TRACK_VALUES.items() if kind == pl.Float64} | {
        "track_id": "903",
        "name": RACE["track_name"],
        "track_type": "intermediate",
        "length_miles": 1.5,
        "pit_window_laps": [40, 80],
        "races": 5,
    }
    ratings = [
        {
            "race_id": "9901",
            "driver_id": car_id(i),
            "as_of": AS_OF,
            "rating": 1.2 - 0.16 * i,
            "rating_sd": 0.2,
            "level": 1.2 - 0.16 * i,
            "level_sd": 0.2,
            "races": 20,
            "newcomer": False,
        }
        for i in range(CARS)
    ]
    slate = Slate(
        slate_id=SLATE_ID,
        race_id="9901",
        race_key="2026-cup-03",
        rules=rule_set("dk-classic", LOCK.date()),
        lock=LOCK,
        players=tuple(
            SlatePlayer(car_id(i), NAMES[i], f"site-{i}", 11_000 - 500 * i, f"Team {i // 2}")
            for i in range(CARS - 2)
        ),
        source=SourceFile("salaries.csv", "0" * 64),
    )
    spec = ConstraintSpec(
        SLATE_ID,
        AS_OF,
        [
            DriverConstraints(
                car_id(i), skill(i), 0.5, 0.5, veto_rules=[veto] if veto and i == 0 else []
            )
            for i in range(CARS)
        ],
        [TrackConstraints("903", 0.5, 0.5, 0.5, (40, 80))],
    )
    tables = {
        "slate": slate_to_polars(slate),
        "slate_field": pl.DataFrame(field, schema=ENTRIES),
        "slate_ratings": pl.DataFrame(ratings, schema=RATINGS),
        "slate_driver_values": pl.DataFrame(
            [{name: row.get(name) for name in DRIVER_VALUES} for row in values],
            schema=DRIVER_VALUES,
        ),
        "slate_track_values": pl.DataFrame(
            [{name: track.get(name) for name in TRACK_VALUES}], schema=TRACK_VALUES
        ),
        "slate_summary": slate_summary(slate, spec, track_id="903", scheduled_laps=120),
        "driver_summary": driver_summary(slate, spec),
    }
    for name, table in tables.items():
        root.write_frame(table_path(name, SLATE_ID), table)
    root.write(spec_path(SLATE_ID), spec.to_json().encode())
    params = {"n_scenarios": 200, "field_size": CARS, "race_length": 120, "slate_id": SLATE_ID}
    config = create_run_config(spec, params, 5, now=AS_OF)
    root.write(run_config_path(SLATE_ID), config.to_json().encode())
    metrics = {name: {"value": value} for name, value in CALIBRATION.items()} if races else {}
    record = {"races": races, "reason": None if races else "no past race", "metrics": metrics}
    root.write(record_path(SLATE_ID), json.dumps(record).encode())
    SlatePlan(
        slate_id=SLATE_ID,
        race_id="9901",
        race_key="2026-cup-03",
        contest="dk-classic",
        as_of=AS_OF,
        lock=LOCK,
        n_scenarios=200,
        seed=5,
        settings="",
        source=SourceFile(f"slates/{SLATE_ID}/salaries.csv", "0" * 64),
        run_id="the slate's own run",
    ).save(root)


def slate_request(**changes: object) -> dict:
    """A request for the slate, without salaries, of ten of its drivers."""
    return {
        "slate_id": SLATE_ID,
        "drivers": [
            {
                "driver_id": car_id(i),
                "skill": skill(i),
                "aggression": 0.5,
                "shadow_risk": 0.5,
            }
            for i in range(14)
        ],
        "scenario_config": {"track_id": "903", "n_scenarios": 200},
        "random_seed": 5,
    } | changes
