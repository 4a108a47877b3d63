"""A race replayed from its laps through the sensor: forecasts that move, feeds that are refused."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nascar_assets.errors import InputError
from nascar_assets.orchestration.automation.sensor_live import decide
from nascar_assets.orchestration.inputs.live_forecast import (
    live_answer,
    live_series,
    make_live_forecast,
)
from nascar_assets.orchestration.inputs.schedule import schedule_rows
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.storage import DataRoot
from nascar_assets.telemetry.state_from_laps import state_from_lap_times
from nascar_assets_tests.orchestration.conftest import World
from nascar_assets_tests.orchestration.ticks import Ticker
from nascar_assets_tests.telemetry.race_laps import lap_times


@pytest.mark.parametrize(
    ("lap", "last", "expected", "refused"),
    [
        (0, None, False, False),
        (1, None, True, False),
        (40, 40, False, False),
        (43, 40, False, False),
        (45, 40, True, False),
        (90, 40, True, False),  # laps that no feed showed
        (39, 40, False, True),
        (100, 98, True, False),
        (103, 100, True, False),  # overtime
    ],
)
def test_a_race_is_forecast_once_in_five_laps(
    lap: int, last: int | None, expected: bool, refused: bool
) -> None:
    found = decide(lap, 100, last)
    assert (found.forecast, found.refused) == (expected, refused)


class Race:
    """The slate's race with invented laps, driven by the slate's own field."""

    def __init__(self, home: Path, slate: str) -> None:
        self.root = DataRoot.open(home)
        self.run = SlateRun.load(self.root, slate)
        self.key = self.run.plan.race_key
        self.row = schedule_rows(self.root, [self.key])[self.key]
        drivers = self.run.setup.driver_ids
        self.laps = int(self.row["scheduled_laps"])
        self.body = lap_times(len(drivers), self.laps, out={4: self.laps // 3})
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

    def drop(self, body: Any) -> None:
        """Puts a file where the sensor finds it."""
        (self.folder / "lap-times.json").write_text(json.dumps(body))


def test_a_race_moves_through_the_sensor_and_bad_feeds_change_nothing(
    world: World, home: Path
) -> None:
    race, ticker = Race(home, world.slate), Ticker(home)
    quarter, half = race.laps // 4, race.laps // 2

    def tick() -> int:
        """Runs what one tick asks for; how many runs succeeded."""
        return sum(ticker.carry_out(request, "live_job") for request in ticker.tick("live_races"))

    race.drop(race.until(quarter))
    assert tick() == 1
    assert tick() == 0  # the same file
    race.drop(race.until(quarter + 2))
    assert tick() == 0  # too soon
    assert f"the next forecast comes at lap {quarter + 5}" in ticker.skipped
    race.drop(race.until(half))
    assert tick() == 1
    series = live_series(race.root, race.key)
    assert [one["lap"] for one in series] == [quarter, half]
    assert series[1]["before"] == series[0]["seal"]

    # Feeds at fault: backwards, cut short, a null body, a driver who is not entered.
    stranger = race.until(half + 20)
    stranger["laps"][0]["NASCARDriverID"] = 4_000_001
    for body, reason in (
        (race.until(half - 10), "goes backwards"),
        (None, "null"),
        ({"laps": []}, "flags"),
        (stranger, "not entered"),
    ):
        race.drop(body)
        assert tick() == 0
        answer = live_answer(race.root, race.key, datetime.now(UTC) + timedelta(hours=1))
        assert answer["lap"] == half
        assert 3600 <= answer["age_s"] < 3600 + 900
        assert reason in answer["refused"]["reason"]

    race.drop(race.until(half + 30))
    assert tick() == 1
    answer = live_answer(race.root, race.key, datetime.now(UTC))
    assert answer["refused"] is None
    assert [one["lap"] for one in answer["series"]] == [quarter, half, half + 30]
    slate = answer["slates"][world.slate]
    assert abs(sum(row["win"] for row in slate["drivers"]) - 1.0) < 0.05
    led = next(row for row in slate["drivers"] if row["position"] == 1)
    assert led["win"] == max(row["win"] for row in slate["drivers"])
    entries = slate["contest"]["entries"]
    assert all(1 <= one["expected_place"] <= entries for one in slate["lineups"])
    best = max(slate["lineups"], key=lambda one: one["mean_points"])
    assert best["expected_place"] <= np.median([one["expected_place"] for one in slate["lineups"]])


def test_a_race_that_the_schedule_does_not_know_waits_with_a_reason(home: Path) -> None:
    folder = home / "landing/live/2031-cup-77"
    folder.mkdir(parents=True)
    (folder / "lap-times.json").write_text(json.dumps(lap_times(8, 50)))
    ticker = Ticker(home)
    assert ticker.tick("live_races") == []
    assert "The schedule knows no race 2031-cup-77" in ticker.skipped


def test_a_forecast_that_was_changed_after_its_seal_is_refused(world: World, home: Path) -> None:
    race = Race(home, world.slate)
    state = state_from_lap_times(race.body, race.row, 40)
    from nascar_assets.orchestration.inputs.live_forecast import keep_live_forecast

    made = make_live_forecast(race.root, race.key, state, n=200)
    path = keep_live_forecast(race.root, made, datetime.now(UTC))
    stored = json.loads(race.root.read(path) or b"")
    stored["slates"][world.slate]["drivers"][0]["win"] = 0.99
    race.root.write(path, json.dumps(stored).encode())
    with pytest.raises(InputError, match="changed after it was sealed"):
        live_series(race.root, race.key)
