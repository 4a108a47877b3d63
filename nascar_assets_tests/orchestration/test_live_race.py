"""A race replayed from its laps through the sensor: forecasts that move, feeds that are refused."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from dagster._core.utils import make_new_run_id

from nascar_assets.errors import InputError
from nascar_assets.orchestration.automation.sensor_live import decide
from nascar_assets.orchestration.inputs.live_continuity import check_goes_on
from nascar_assets.orchestration.inputs.live_forecast import (
    _contest,
    live_answer,
    live_series,
    make_live_forecast,
)
from nascar_assets.orchestration.inputs.payout_files import land_payouts
from nascar_assets.orchestration.inputs.schedule import stored_schedule
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.tags import RACE
from nascar_assets.storage import DataRoot
from nascar_assets.telemetry.state_from_laps import state_from_lap_times
from nascar_assets_tests.orchestration.conftest import World
from nascar_assets_tests.orchestration.race_under_way import Race
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


def test_a_race_moves_through_the_sensor_and_bad_feeds_change_nothing(
    world: World, home: Path
) -> None:
    race = Race(home, world.slate)
    quarter, half, tick = race.laps // 4, race.laps // 2, race.tick

    race.drop(race.until(quarter))
    assert tick() == 1
    assert tick() == 0  # the same file
    race.drop(race.until(quarter + 2))
    assert tick() == 0  # too soon
    assert f"the next forecast comes at lap {quarter + 5}" in race.ticker.skipped
    race.drop(race.until(half))
    assert tick() == 1
    series = live_series(race.root, race.key)
    assert [one["lap"] for one in series] == [quarter, half]
    assert series[1]["before"] == series[0]["seal"]

    # Feeds at fault: backwards, cut short, a null body, a driver who is not entered.
    stranger = race.until(half + 20)
    stranger["laps"][0]["NASCARDriverID"] = 4_000_001
    ids = [car["NASCARDriverID"] for car in race.body["laps"]]

    def swapped(one: int, other: int) -> dict[str, Any]:
        body = race.until(half + 20)
        body["laps"][one]["NASCARDriverID"] = ids[other]
        body["laps"][other]["NASCARDriverID"] = ids[one]
        return body

    fewer = race.until(half + 20)
    name = fewer["laps"].pop(9)["NASCARDriverID"]
    assert name not in [car["NASCARDriverID"] for car in fewer["laps"]]
    for body, reason in (
        (race.until(half - 10), "goes backwards"),
        (swapped(0, 1), "had led"),
        (swapped(4, 5), "had completed"),
        (swapped(10, 11), "have each other's start"),
        (fewer, "raced then and is not in it"),
        (None, "null"),
        ({"laps": []}, "flags"),
        (stranger, "raced then and is not in it"),
    ):
        race.drop(body)
        assert tick() == 0
        answer = live_answer(race.root, race.key, datetime.now(UTC) + timedelta(hours=1))
        assert answer["lap"] == half
        assert 3600 <= answer["age_s"] < 3600 + 900
        assert reason in answer["refused"]["reason"]

    lawless = race.snapshot(half + 20, 1)
    lawless["vehicles"][1]["laps_led"] = lawless["vehicles"][0]["laps_led"]
    race.drop(lawless, "live-feed.json")
    assert tick() == 0
    answer = live_answer(race.root, race.key, datetime.now(UTC))
    assert answer["lap"] == half
    assert "laps were led, not" in answer["refused"]["reason"]

    race.drop(race.until(half + 30))
    assert tick() == 1
    answer = live_answer(race.root, race.key, datetime.now(UTC))
    assert answer["refused"] is None
    assert [one["lap"] for one in answer["series"]] == [quarter, half, half + 30]
    slate = answer["slates"][world.slate]
    assert abs(sum(row["win"] for row in slate["drivers"]) - 1.0) < 0.05
    led = next(row for row in slate["drivers"] if row["position"] == 1)
    assert led["win"] == max(row["win"] for row in slate["drivers"])
    assert answer["notices"] == []  # nobody said anything of the race
    own = race.run.table("scenario_summary").select("driver_id", "win")
    before = {row["driver_id"]: row["win_before"] for row in slate["drivers"]}
    assert before == pytest.approx(
        {driver: win for driver, win in own.iter_rows() if driver in before}
    )
    entries = slate["contest"]["entries"]
    assert all(1 <= one["expected_place"] <= entries for one in slate["lineups"])
    best = max(slate["lineups"], key=lambda one: one["mean_points"])
    assert best["expected_place"] <= np.median([one["expected_place"] for one in slate["lineups"]])


def test_a_feed_without_cars_stops_no_other_race_and_a_race_can_begin_anew(
    world: World, home: Path
) -> None:
    race = Race(home, world.slate)
    races = stored_schedule(race.root)["race_key"].to_list()
    other = next(key for key in races if key < race.key)  # its folder is looked at first
    (home / "landing/live" / other).mkdir()
    race.drop({**race.snapshot(40, 1), "vehicles": []}, f"../{other}/live-feed.json")
    race.drop(race.until(40))
    (first,) = race.ticker.tick("live_races")
    assert race.ticker.carry_out(first, "live_job")
    with pytest.raises(InputError, match="The newest feed was refused"):
        live_answer(race.root, other, datetime.now(UTC))
    # To begin anew the forecasts are removed, and the newest file is put down again.
    shutil.rmtree(home / "store/live_forecast" / race.key)
    assert race.tick() == 0
    race.drop(race.until(40))
    (again,) = race.ticker.tick("live_races")
    assert again.run_key != first.run_key
    assert race.ticker.carry_out(again, "live_job")
    assert [one["lap"] for one in live_series(race.root, race.key)] == [40]


def test_of_many_snapshots_the_last_of_each_lap_tells_what_all_do(
    world: World, home: Path, closed: set[str]
) -> None:
    from nascar_assets.orchestration.inputs.live_forecast import landed_state
    from nascar_assets.telemetry.state_from_live_feed import state_from_live_feed

    race = Race(home, world.slate)
    seen = None
    for number, (lap, flag) in enumerate([(5, 1), (5, 2), (6, 2), (6, 2), (8, 1), (8, 1), (9, 1)]):
        body = race.snapshot(lap, flag)
        race.drop(body, f"{number}.json")
        os.utime(race.folder / f"{number}.json", (1e9 + number, 1e9 + number))
        seen = state_from_live_feed(body, race.row, seen)
    path = f"landing/live/{race.key}/6.json"
    assert landed_state(race.root, race.row, path).state == seen
    closed.add(f"landing/live/{race.key}/4.json")  # another of that lap lies there
    assert landed_state(race.root, race.row, path).state == seen


def test_while_a_forecast_is_made_no_other_is_asked_for(world: World, home: Path) -> None:
    race = Race(home, world.slate)
    race.drop(race.until(20))
    instance = race.ticker.instance
    run = instance.add_run(
        dg.DagsterRun(
            "live_job", make_new_run_id(), tags={RACE: race.key}, status=dg.DagsterRunStatus.STARTED
        )
    )
    assert race.ticker.tick("live_races") == []
    assert "a forecast is being made" in race.ticker.skipped
    race.drop(race.until(40))
    instance.delete_run(run.run_id)
    # Two runs of the same file: the second finds nothing to add, and is no failure.
    (request,) = race.ticker.tick("live_races")
    assert race.ticker.carry_out(request, "live_job")
    assert race.ticker.carry_out(request, "live_job")
    assert [one["lap"] for one in live_series(race.root, race.key)] == [40]
    assert live_answer(race.root, race.key, datetime.now(UTC))["refused"] is None


def test_a_grid_that_the_slate_knows_otherwise_is_no_change_of_drivers(
    world: World, home: Path
) -> None:
    race = Race(home, world.slate)
    state = state_from_lap_times(race.until(40), race.row)
    made = make_live_forecast(race.root, race.key, state, n=50)
    first, second, *_ = made["slates"][world.slate]["drivers"]
    first["start"], second["start"] = second["start"], first["start"]  # as a view has them
    check_goes_on([made], state_from_lap_times(race.until(60), race.row))
    first["lined_up"], second["lined_up"] = second["lined_up"], first["lined_up"]
    with pytest.raises(InputError, match="have each other's start"):
        check_goes_on([made], state_from_lap_times(race.until(60), race.row))


@pytest.mark.parametrize("payout", ["cash", "double-up.csv"])
def test_lineups_in_a_cash_game_are_placed_among_its_own_field(
    world: World, home: Path, payout: str
) -> None:
    root = DataRoot.open(home)
    table = b"places,prize\n1-180,$10\nentries,400\nentry_fee,$5\n"
    land_payouts(root, "double-up.csv", table)
    run = SlateRun.load(root, world.slate)
    drivers = [player.driver_id for player in run.slate.players]
    tops = {}
    for named in ("150-max", payout):
        plan = replace(run.plan, settings=f'payout = "{named}"', run_id=f"with {named}")
        contest, rivals = _contest(SlateRun(root, plan), drivers)
        tops[named] = contest.name, np.bincount(rivals.ravel()).max() / rivals.shape[0]
    assert [name for name, _ in tops.values()] == ["150-max", Path(payout).stem]
    # In cash games rivals crowd more on the favourite.
    assert tops[payout][1] > tops["150-max"][1] + 0.02


def test_a_race_that_is_over_is_what_stands(world: World, home: Path) -> None:
    race = Race(home, world.slate)
    state = state_from_lap_times(race.until(race.laps), race.row)
    made = make_live_forecast(race.root, race.key, state, n=100)["slates"][world.slate]
    assert [row["win"] for row in made["drivers"][:2]] == [1.0, 0.0]
    for row in made["drivers"]:
        assert row["finish_p10"] == row["finish_p90"]
        assert row["mean_points"] == pytest.approx(row["points_now"], abs=0.01)
    for one in (*made["lineups"], *made["entries"]):
        assert one["mean_points"] == pytest.approx(one["points_now"], abs=0.01)


def test_a_red_flag_an_overtime_and_an_early_end(world: World, home: Path) -> None:
    race = Race(home, world.slate)
    half = race.laps // 2

    def show(name: str, body: dict[str, Any]) -> list[int]:
        """Laps forecast once a snapshot is there."""
        race.drop(body, name)
        race.tick()
        assert live_answer(race.root, race.key, datetime.now(UTC))["refused"] is None
        return [one["lap"] for one in live_series(race.root, race.key)]

    # A red flag: the lap stands, and so does the forecast.
    assert show("1.json", race.snapshot(half, 1)) == [half]
    for name in ("2.json", "3.json"):
        assert show(name, race.snapshot(half, 3)) == [half]
    assert f"nothing new since lap {half}" in race.ticker.skipped
    # Laps that no feed showed, then overtime: two laps are still to come, nobody has won.
    assert show("4.json", race.snapshot(race.laps + 2, 2)) == [half, race.laps + 2]
    answer = live_answer(race.root, race.key, datetime.now(UTC))
    assert answer["flag"] == "yellow"
    assert max(row["win"] for row in answer["slates"][world.slate]["drivers"]) < 1.0
    # The race is over: what was last forecast stays, and says how old it is.
    assert show("5.json", race.snapshot(race.laps + 2, 9))[-1] == race.laps + 2
    later = live_answer(race.root, race.key, datetime.now(UTC) + timedelta(days=1))
    assert later["age_s"] >= 86_400


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
