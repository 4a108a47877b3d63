"""A small world of races with known levels, as schedule and results tables."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from nascar_assets.calibration.baselines import ranks
from nascar_assets.calibration.feed_tables import FeedTables
from nascar_assets.calibration.forecasts import assemble
from nascar_assets.feed.schemas import RESULTS, SCHEDULE

TYPES = ("intermediate", "short", "road", "superspeedway")
LAPS = 100
CARS = 20


def levels(cars=CARS):
    """True level of every driver: driver 100 the best."""
    return np.linspace(1.2, -1.2, cars)


def draw(rng, n, cars=CARS, spread=1.0):
    """Places of n races: level plus noise of a standard deviation of `spread`."""
    return ranks(-(levels(cars) + spread * rng.standard_normal((n, cars)))).astype(np.int64)


def laps_of(finish):
    """Laps led and fastest laps that follow from the places alone."""
    led = np.where(finish == 1, 60, 0) + np.where(finish == 2, 40, 0)
    fast = np.where(finish == 1, 30, 0) + np.where(finish == 3, 20, 0)
    return led, fast


def world(seasons=(2023, 2024), races=20, cars=CARS, seed=0):
    """Schedule and results of some seasons of one series."""
    rng = np.random.default_rng(seed)
    schedule, results = [], []
    for season in seasons:
        for number in range(1, races + 1):
            race_id = str(1000 * (season - 2000) + number)
            start_time = datetime(season, 2, 1, 19, tzinfo=UTC) + timedelta(days=7 * number)
            finish = draw(rng, 1, cars)[0]
            led, fast = laps_of(finish)
            start = rng.permutation(cars) + 1
            status = np.where(
                finish > cars - 2, "accident", np.where(finish > cars - 3, "mechanical", "running")
            )
            race = {
                "race_id": race_id,
                "race_key": f"{season}-cup-{number:02d}",
                "series": "cup",
                "season": season,
                "race_name": f"Race {number}",
                "race_type": "points",
                "track_id": str(number % 7),
                "track_name": f"Track {number % 7}",
                "track_type": TYPES[number % 4],
                "track_length_miles": 1.5,
                "start_time": start_time,
                "scheduled_laps": LAPS,
                "entries_at": start_time - timedelta(days=5),
                "qualifying_at": start_time - timedelta(hours=20),
                "results_at": start_time + timedelta(hours=8),
                "actual_laps": LAPS,
            }
            schedule.append(
                race
                | {
                    "stage_ends": [25, 50],
                    "field_size": cars,
                    "winner_driver_id": str(100 + int(np.argmin(finish))),
                    "restrictor_plate": False,
                    "cautions": 4,
                    "caution_laps": 20,
                    "lead_changes": 1,
                    "leaders": 2,
                    "status": "complete",
                }
            )
            for car in range(cars):
                results.append(
                    race
                    | {
                        "cautions": 4,
                        "caution_laps": 20,
                        "driver_id": str(100 + car),
                        "driver_name": f"Driver {car}",
                        "car_number": str(car),
                        "team": f"Team {car // 2}",
                        "manufacturer": "Ford",
                        "crew_chief": f"Chief {car}",
                        "start": int(start[car]),
                        "qualifying_position": int(start[car]),
                        "qualifying_speed_mph": 180.0 - 0.1 * int(start[car]),
                        "finish": int(finish[car]),
                        "finish_on_track": int(finish[car]),
                        "laps_completed": LAPS if status[car] == "running" else 50,
                        "laps_led": int(led[car]),
                        "fastest_laps": int(fast[car]),
                        "status": str(status[car]),
                        "mid_position": int(finish[car]),
                        "closing_position": int(finish[car]),
                        "best_position": 1,
                        "worst_position": cars,
                        "average_position": float(finish[car]),
                        "passes": 10,
                        "passed": 10,
                        "quality_passes": 3,
                        "top15_laps": 50,
                        "driver_rating": 120.0 - 4.0 * float(finish[car]),
                    }
                )
    return FeedTables(
        pl.DataFrame(schedule, schema=SCHEDULE, orient="row"),
        pl.DataFrame(results, schema=RESULTS, orient="row"),
    )


@dataclass(frozen=True)
class Planted:
    """A forecaster that knows the true levels and is honest only at a spread of 1."""

    spread: float = 1.0
    name: str = "planted"
    version: str = "1"

    def forecast(self, history, race, n, seed):
        rng = np.random.default_rng(seed)
        by_level = draw(rng, n, len(race.driver_ids), self.spread)
        order = np.argsort([int(driver) for driver in race.driver_ids])
        finish = np.empty_like(by_level)
        finish[:, order] = by_level
        led, fast = laps_of(finish)
        cars = finish.shape[1]
        status = np.where(finish > cars - 2, 1, np.where(finish > cars - 3, 2, 0))
        return assemble(
            race,
            finish=finish,
            laps_led=led,
            fastest_laps=fast,
            laps_completed=np.where(status == 0, LAPS, 60),
            status=status,
        )


@dataclass(frozen=True)
class Leaking:
    """A forecaster that kept the results and peeks: the true places, blurred."""

    results: pl.DataFrame
    blur: float = 4.0
    name: str = "leaking"
    version: str = "1"

    def forecast(self, history, race, n, seed):
        rng = np.random.default_rng(seed)
        rows = self.results.filter(pl.col("race_id") == race.race_id)
        places = dict(zip(rows["driver_id"], rows["finish"], strict=True))
        truth = np.array([places[driver] for driver in race.driver_ids], float)
        finish = ranks(truth + self.blur * rng.standard_normal((n, truth.size))).astype(np.int64)
        led, fast = laps_of(finish)
        return assemble(
            race,
            finish=finish,
            laps_led=led,
            fastest_laps=fast,
            laps_completed=np.full(finish.shape, LAPS),
            status=np.zeros(finish.shape, np.int8),
        )
