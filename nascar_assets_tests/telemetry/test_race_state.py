"""The state of a race under way: right, lawful, and blind to what comes after its lap."""

import copy
import random
from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.telemetry.race_state import RED, STILL_FROM, RaceStateError
from nascar_assets.telemetry.state_from_laps import _never_falling, state_from_lap_times
from nascar_assets_tests.telemetry.race_laps import lap_times, race_row

BODY = lap_times(out={5: 40, 7: 20}, slow={19: 1.2})


def state(lap, body=None, **race):
    return state_from_lap_times(copy.deepcopy(body or BODY), race_row(**race), lap)


def car(number, found):
    return found.driver_ids.index(str(100 + number))


def test_the_order_is_that_of_the_laps():
    found = state(60)
    positions = {
        str(one["NASCARDriverID"]): one["Laps"][60]["RunningPos"]
        for one in BODY["laps"]
        if len(one["Laps"]) > 60
    }
    on_lead_lap = [
        d for d, done in zip(found.driver_ids, found.laps_completed, strict=True) if done == 60
    ]
    order = sorted(on_lead_lap, key=lambda d: found.position[found.driver_ids.index(d)])
    assert order == sorted(on_lead_lap, key=positions.__getitem__)
    assert int(found.laps_led.sum()) == 60


def test_a_car_that_stopped_stands_still_and_comes_last():
    found = state(60)
    for number, done in ((5, 40), (7, 20)):
        at = car(number, found)
        assert found.laps_completed[at] == done
        assert found.still[at] > STILL_FROM
        assert not found.moving[at]
        assert found.path[at, done + 1 :].max() == 0
    assert found.position[car(7, found)] == 20
    assert found.position[car(5, found)] == 19


def test_a_slow_car_is_down_by_the_laps_that_time_says():
    # 1.2 s and the grid's 0.4 s a lap over 60 laps are more than three laps of 30 s, under green;
    # caution laps of 70 s make each of them cheaper. Lap 60 of its own was driven later.
    found = state(60)
    at = car(19, found)
    lost = 60 * (1.2 + 0.02 * 19) / 30.0
    assert found.laps_completed[at] in {60 - int(lost), 60 - int(lost) - 1}
    assert found.moving[at]


@pytest.mark.slow
def test_cautions_and_runs_are_counted():
    assert state(33).caution_lap == 3
    assert state(60).caution_lap == 0
    assert state(60).run_start == 35
    assert list(state(90).caution_starts) == [31, 70]
    assert state(90).green_laps == 80


def perturbed(lap, seed):
    """The body with everything after a lap changed, dropped or invented."""
    rng = random.Random(seed)
    body = copy.deepcopy(BODY)
    for one in body["laps"]:
        one["RunningPos"] = rng.randint(1, 20)
        later = [row for row in one["Laps"] if row["Lap"] > lap]
        one["Laps"] = [row for row in one["Laps"] if row["Lap"] <= lap]
        for row in later:
            if rng.random() < 0.5:
                row |= {"LapTime": rng.uniform(20, 9999), "RunningPos": rng.randint(1, 20)}
                one["Laps"].append(row)
    for flag in body["flags"]:
        if flag["LapsCompleted"] >= lap:
            flag["FlagState"] = rng.choice([1, 2, 3, 4])
    return body


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(1, 95), st.integers(0, 10_000))
def test_nothing_after_the_lap_is_read(lap, seed):
    assert state(lap) == state(lap, perturbed(lap, seed))


def test_no_notice_tells_of_what_came_after_the_lap():
    later = copy.deepcopy(BODY)
    first, second = later["laps"][:2]
    first["Laps"][90]["LapSpeed"] = None
    second["Laps"].append(dict(second["Laps"][95]))
    later["laps"].append({**first, "NASCARDriverID": 999, "Laps": [{"Lap": 95, "LapTime": None}]})
    later["flags"].append({"LapsCompleted": 80, "FlagState": None})
    assert state(60, later).notices == ()
    assert len(state(len(first["Laps"]) - 1, later).notices) > 3


def test_what_came_before_the_lap_is_read():
    body = copy.deepcopy(BODY)
    body["laps"][3]["Laps"][50]["RunningPos"], body["laps"][2]["Laps"][50]["RunningPos"] = (
        body["laps"][2]["Laps"][50]["RunningPos"],
        body["laps"][3]["Laps"][50]["RunningPos"],
    )
    assert state(60) != state(60, body)


def test_a_full_clock_of_a_red_flag_stops_no_car():
    found = state(60, lap_times(red=50))
    assert found.moving.all()
    assert (found.laps_completed >= 59).all()


def test_one_wrong_time_does_not_move_a_car_by_a_lap():
    body = copy.deepcopy(BODY)
    body["laps"][0]["Laps"][33]["LapTime"] -= 45.0  # no car passed another
    found = state(60, body)
    plain = state(60)
    assert np.array_equal(found.laps_completed, plain.laps_completed)
    assert np.array_equal(found.position, plain.position)


def test_stops_under_green_are_seen_and_given_back():
    body = lap_times(cautions=())
    for number in range(8):  # half a field stops on lap 40, at 35 s, and drops behind the others
        for row in body["laps"][number]["Laps"]:
            row["LapTime"] += 35.0 * (row["Lap"] == 40)
    found = state(45, _positions_again(body))
    stopped = [car(number, found) for number in range(8)]
    assert (found.stops[stopped] == 1).all()
    assert (found.last_stop[stopped] == 40).all()
    assert found.position[stopped].min() > 12
    assert found.behind[stopped].max() < 1.0  # as if nobody had stopped


def test_a_cycle_that_is_over_gives_nothing_back_and_leaves_the_order():
    body = lap_times(cautions=())
    for number, one in enumerate(body["laps"]):
        for row in one["Laps"]:
            if number == 9:  # loses as much, in laps that are no stop's
                row["LapTime"] += 6.0 * (40 <= row["Lap"] < 46)
            else:
                row["LapTime"] += (25.0 + (7 * number) % 20) * (row["Lap"] == 40 + number % 7)
    found = state(60, _positions_again(body))
    assert (found.stops == 1).all()
    assert (np.argsort(np.lexsort((found.position, found.behind))) + 1 == found.position).all()
    assert (np.floor(found.behind) == 60 - found.laps_completed).all()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_counts_that_never_fall_differ_least(counts):
    found = _never_falling(np.array(counts))
    every = combinations_with_replacement(range(max(counts) + 1), len(counts))
    least = min(np.abs(np.array(other) - counts).sum() for other in every)
    assert (np.diff(found) >= 0).all()
    assert np.abs(found - counts).sum() == least


def _positions_again(body):
    clocks = [np.cumsum([row["LapTime"] for row in one["Laps"]]) for one in body["laps"]]
    for lap in range(len(clocks[0])):
        for place, at in enumerate(np.argsort([clock[lap] for clock in clocks], kind="stable"), 1):
            body["laps"][at]["Laps"][lap]["RunningPos"] = place
    return body


@pytest.mark.slow
@pytest.mark.parametrize("lap", [12, 33, 60, 71, 95])
def test_laps_that_were_not_driven_yet_are_not_read(lap):
    """Cars that are laps down have laps of a number in the file that they drove later."""
    slow = lap_times(out={5: 40}, slow={19: 3.0, 17: 1.2})
    found = state(lap, slow)
    assert found.laps_completed[car(19, found)] < lap
    faster, cut = copy.deepcopy(slow), copy.deepcopy(slow)
    done = dict(zip(found.driver_ids, found.laps_completed, strict=True))
    for one, shorter in zip(faster["laps"], cut["laps"], strict=True):
        seen = int(done[str(one["NASCARDriverID"])])
        shorter["Laps"] = shorter["Laps"][: seen + 1]
        for row in one["Laps"][seen + 2 :]:  # the next one ends when it did
            row["LapTime"] = 28.5 if seen < lap else row["LapTime"]
    assert state(lap, cut) == found
    assert state(lap, faster) == found


@pytest.mark.slow
def test_the_fastest_lap_is_that_of_the_cars_which_ran_together():
    """A car laps down on new tyres is faster than laps of its own number, driven long before."""
    body = lap_times(cautions=(), slow={19: 12.0})
    for one in body["laps"]:
        for row in one["Laps"]:
            if row["Lap"] > 50:  # the field is a second faster from the leader's lap 51 on
                row["LapTime"] -= 1.0
    found = state(100, body)
    slow_car = next(one for one in body["laps"] if one["NASCARDriverID"] == 119)
    for row in slow_car["Laps"]:
        if row["Lap"] == 45:  # driven on the leader's lap 63 or so
            row["LapTime"] = 29.5
    assert state(100, body).fastest_laps[car(19, found)] == 0
    assert int(found.fastest_laps.sum()) == 100


def test_a_red_flag_is_part_of_its_caution():
    plain = state(80)
    flags = np.where(np.arange(81) == 33, RED, plain.flags)
    stopped = replace(plain, flags=flags)
    assert list(stopped.caution_starts) == list(plain.caution_starts)
    assert stopped.green_laps == plain.green_laps
    before = replace(state(33), flags=np.where(np.arange(34) == 33, RED, state(33).flags))
    assert before.caution_lap == 3


@pytest.mark.parametrize(
    ("cautions", "lap", "over"),
    [
        (((100, 100),), 100, True),
        (((98, 101),), 102, False),
        (((98, 101),), 103, True),
        (((98, 101), (103, 103)), 103, True),  # on the second lap of the overtime
        (((98, 103),), 103, False),
    ],
)
def test_a_race_is_over_after_its_laps_or_two_of_overtime(cautions, lap, over):
    body = lap_times(laps=110, cautions=cautions)
    assert state(lap, body).over is over


def test_a_lap_beyond_the_file_is_refused_with_what_there_is():
    with pytest.raises(InputError, match="reach to 100"):
        state(101)


@pytest.mark.parametrize(
    ("change", "law"),
    [
        (lambda s: {"position": np.ones_like(s.position)}, "running order"),
        (lambda s: {"start": np.ones_like(s.start)}, "starting order"),
        (lambda s: {"laps_completed": s.laps_completed + 1}, "more laps than the leader"),
        (lambda s: {"laps_led": s.laps_led + 1}, "laps were led"),
        (lambda s: {"fastest_laps": s.fastest_laps + 5}, "fastest laps"),
        (lambda s: {"laps_completed": s.laps_completed[::-1].copy()}, "runs ahead"),
        (lambda s: {"out": s.position == 1}, "leader is out"),
        (lambda s: {"path": s.path[:, 1:].copy()}, "path"),
        (lambda s: {"driver_ids": (s.driver_ids[0],) * 20}, "stands twice"),
    ],
)
def test_a_state_that_breaks_a_law_is_refused_by_name(change, law):
    good = state(60)
    with pytest.raises(RaceStateError, match=law):
        replace(good, **change(good))
