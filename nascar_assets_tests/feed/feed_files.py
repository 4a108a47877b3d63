"""Feed files in the feed's own format, small and made up, for tests of the parsers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nascar_assets.feed.parse_schedule import parse_schedule

RACE_ID = 7001


def race(race_id: int = RACE_ID, **changes: Any) -> dict[str, Any]:
    """One race of a schedule: 100 laps of Las Vegas on Sunday, 1 March 2026, 15:30 Eastern."""
    day = "2026-03-01T15:30:00"
    return {
        "race_id": race_id,
        "series_id": 1,
        "race_season": 2026,
        "race_name": "Fictional 150",
        "race_type_id": 1,
        "restrictor_plate": False,
        "track_id": 42,
        "track_name": "Las Vegas Motor Speedway",
        "date_scheduled": day,
        "race_date": day,
        "qualifying_date": "2026-02-28T13:00:00",
        "tunein_date": day,
        "scheduled_distance": 150,
        "scheduled_laps": 100,
        "actual_laps": 0,
        "stage_1_laps": 30,
        "stage_2_laps": 30,
        "stage_3_laps": 40,
        "stage_4_laps": None,
        "number_of_cars_in_field": 40,
        "number_of_lead_changes": 0,
        "number_of_leaders": 0,
        "number_of_cautions": 0,
        "number_of_caution_laps": 0,
        "winner_driver_id": None,
        **changes,
    }


def ran(**changes: Any) -> dict[str, Any]:
    """The same race after it was run."""
    return race(
        **{
            "actual_laps": 100,
            "number_of_lead_changes": 5,
            "number_of_leaders": 3,
            "number_of_cautions": 2,
            "number_of_caution_laps": 9,
            "number_of_cars_in_field": 4,
            "winner_driver_id": 11,
            **changes,
        }
    )


def schedule_row(listed: dict[str, Any] | None = None) -> dict[str, Any]:
    """The row of `SCHEDULE` that a race becomes."""
    return parse_schedule({2026: {"series_1": [listed or race()]}}).row(0, named=True)


def result(driver_id: int | None, place: int, **changes: Any) -> dict[str, Any]:
    """One row of a weekend feed: started where he finished, ran all laps, led none."""
    return {
        "driver_id": driver_id,
        "driver_fullname": f"Driver Number{driver_id}",
        "car_number": str(driver_id),
        "team_name": "Fictional Racing",
        "car_make": "Ford",
        "crew_chief_fullname": "Chief Fictional",
        "starting_position": place,
        "finishing_position": place,
        "qualifying_position": place,
        "qualifying_speed": 180.5,
        "laps_completed": 100,
        "laps_led": 0,
        "finishing_status": "Running",
        "disqualified": False,
        **changes,
    }


def four_results() -> list[dict[str, Any]]:
    """A whole field of four, whose laps led add up to the race's 100 laps."""
    return [
        result(11, 1, laps_led=60),
        result(12, 2, laps_led=40),
        result(13, 3, laps_completed=99),
        result(14, 4, laps_completed=40, finishing_status="Accident"),
    ]


def weekend(rows: list[dict[str, Any]], listed: dict[str, Any] | None = None) -> dict[str, Any]:
    """A weekend feed of a race that was run."""
    return {"weekend_race": [{**(listed or ran()), "results": rows}], "weekend_runs": []}


def loop_row(driver_id: int, place: int, **changes: Any) -> dict[str, Any]:
    """One driver's loop statistics."""
    return {
        "driver_id": driver_id,
        "start_ps": place,
        "mid_ps": place,
        "ps": place,
        "closing_ps": place,
        "best_ps": 1,
        "worst_ps": 4,
        "avg_ps": float(place),
        "passes_gf": 10,
        "passed_gf": 8,
        "passing_diff": 2,
        "quality_passes": 5,
        "fast_laps": 20,
        "top15_laps": 100,
        "lead_laps": 0,
        "laps": 100,
        "rating": 90.5,
        **changes,
    }


def loop_stats(rows: list[dict[str, Any]], race_id: int = RACE_ID) -> list[dict[str, Any]]:
    """A loop statistics file."""
    return [{"race_id": race_id, "series_id": 1, "act_laps": 100, "drivers": rows}]


def practice_item(driver_id: int, name: str, best: float, **changes: Any) -> dict[str, Any]:
    """One row of a practice session; no average over laps in a row but for 5."""
    return {
        "Number": "1",
        "NASCARDriverID": driver_id,
        "FullName": name,
        "BestLapTime": best,
        "OverAllAvg": best + 1,
        "Con5Lap": best + 0.5,
        **{f"Con{laps}Lap": 999 for laps in (10, 15, 20, 25, 30)},
        **changes,
    }


def write_feed(folder: Path, files: dict[str, bytes]) -> None:
    """Puts files at the feed's paths under a folder."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
