"""A slate's race with invented laps, dropped lap by lap and run by the sensor's own ticks."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from nascar_assets.orchestration.inputs.schedule import schedule_rows
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.ticks import Ticker
from nascar_assets_tests.telemetry.race_laps import lap_times


class Race:
    """The slate's race with invented laps, driven by the slate's own field."""

    def __init__(self, home: Path, slate: str) -> None:
        self.root, self.ticker = DataRoot.open(home), Ticker(home)
        self.run = SlateRun.load(self.root, slate)
        self.key = self.run.plan.race_key
        self.row = schedule_rows(self.root, [self.key])[self.key]
        drivers = self.run.setup.driver_ids
        self.laps = int(self.row["scheduled_laps"])
        # Laps of overtime beyond the schedule.
        self.body = lap_times(len(drivers), self.laps + 6, out={4: self.laps // 3})
        for car, driver in zip(self.body["laps"], drivers, strict=True):
            car["NASCARDriverID"] = int(driver)
        self.folder = home / "landing/live" / self.key
        self.folder.mkdir(parents=True)

    def until(self, lap: int) -> dict[str, Any]:
        """The laps file as the feed has it after a lap."""
        body = copy.deepcopy(self.body)
        for car in body["laps"]:
            car["Laps"] = car["Laps"][: lap + 1]
        body["flags"] = [flag for flag in body["flags"] if flag["LapsCompleted"] <= lap]
        return body

    def snapshot(self, lap: int, flag: int) -> dict[str, Any]:
        """The live feed after a lap: cars in the order of their numbers, the first led all."""
        cars = [
            {
                "driver": {"driver_id": car["NASCARDriverID"]},
                "laps_completed": lap,
                "running_position": place,
                "starting_position": place,
                "average_running_position": float(place),
                "vehicle_elapsed_time": 30.0 * lap + 0.2 * place,
                "last_lap_time": 30.0,
                "last_lap_speed": 180.0,
                "fastest_laps_run": 0,
                "laps_led": [{"start_lap": 0, "end_lap": lap}] if place == 1 else [],
                "pit_stops": [],
                "status": 1,
                "is_on_track": True,
            }
            for place, car in enumerate(self.body["laps"], 1)
        ]
        return {
            "race_id": int(self.row["race_id"]),
            "run_type": 3,
            "lap_number": lap,
            "elapsed_time": 30.0 * lap + 20.0,
            "flag_state": flag,
            "number_of_caution_segments": 0,
            "number_of_caution_laps": 0,
            "vehicles": cars,
        }

    def drop(self, body: Any, name: str = "lap-times.json") -> None:
        """Puts a file where the sensor finds it."""
        (self.folder / name).write_text(json.dumps(body))

    def tick(self) -> int:
        """Runs what one tick of the sensor asks for; how many runs succeeded."""
        requests = self.ticker.tick("live_races")
        return sum(self.ticker.carry_out(request, "live_job") for request in requests)
