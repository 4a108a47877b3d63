"""Snapshots of the live feed as states: what they show, what earlier ones add, what is refused."""

import copy

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.telemetry.convert_live_feed import laps_from_live_feed
from nascar_assets.telemetry.state_from_live_feed import state_from_live_feed
from nascar_assets_tests.telemetry.race_laps import race_row

RACE = race_row(100)


def snapshot(lap, *, flag=1, cautions=(0, 0), size=12):
    """A feed in which car k runs in place k + 1, the last but one is out and the last laps down."""
    done = np.full(size, lap)
    done[-2], done[-1] = lap // 2, max(lap - 3, 0)
    vehicles = []
    for k in range(size):
        out = k == size - 2
        vehicles.append(
            {
                "driver": {"driver_id": 100 + k},
                "laps_completed": int(done[k]),
                "running_position": size if out else size - 1 if k == size - 1 else k + 1,
                "starting_position": size - k,
                "average_running_position": float(k + 1),
                "vehicle_elapsed_time": 30.0 * float(done[k]) + 0.2 * k,
                "last_lap_time": 30.0,
                "last_lap_speed": 180.0,
                "fastest_laps_run": lap // 2 if k == 0 else 0,
                "laps_led": [{"start_lap": 0, "end_lap": lap - 1}] if k == 0 and lap else [],
                "pit_stops": [{"pit_in_leader_lap": lap // 2}],
                "status": 3 if out else 1,
                "is_on_track": not out,
            }
        )
    return {
        "race_id": 9001,
        "run_type": 3,
        "lap_number": lap,
        "elapsed_time": 30.0 * lap + 20.0,
        "flag_state": flag,
        "number_of_caution_segments": cautions[0],
        "number_of_caution_laps": cautions[1],
        "vehicles": vehicles,
    }


def test_a_snapshot_shows_order_laps_led_and_who_is_out():
    found = state_from_live_feed(snapshot(60), RACE)
    assert found.lap == 60
    assert list(found.position[:10]) == list(range(1, 11))
    assert found.laps_led[0] == 60  # the sixtieth is not listed yet
    assert list(np.flatnonzero(found.out)) == [10]
    assert found.laps_completed[11] == 57
    assert found.moving[11]
    assert (found.last_stop == 30).all()


def test_cautions_before_the_first_snapshot_keep_their_number_and_length():
    found = state_from_live_feed(snapshot(60, cautions=(3, 14)), RACE)
    assert len(found.caution_starts) == 3
    assert int((found.flags == 2).sum()) == 14
    yellow = state_from_live_feed(snapshot(60, flag=2, cautions=(3, 14)), RACE)
    assert yellow.caution_lap == 1


def test_an_earlier_snapshot_keeps_what_it_showed():
    early = state_from_live_feed(snapshot(40, flag=2), RACE)
    late = state_from_live_feed(snapshot(42, flag=2), RACE, early)
    assert np.array_equal(late.path[:, :41], early.path)
    assert late.caution_lap == 3


def test_a_car_without_a_driver_is_left_out():
    body = snapshot(60)
    body["vehicles"].append({"driver": None, "laps_completed": 3})
    assert len(state_from_live_feed(body, RACE).driver_ids) == 12


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"race_id": 1}, "of race 1"),
        ({"run_type": 1}, "practice"),
        ({"vehicles": None}, "no live feed"),
        ({"elapsed_time": "late"}, "not a number"),
    ],
)
def test_another_race_session_or_shape_is_refused(change, why):
    with pytest.raises(InputError, match=why):
        state_from_live_feed({**snapshot(60), **change}, RACE)


def test_a_driver_in_two_cars_is_refused():
    body = copy.deepcopy(snapshot(60))
    body["vehicles"][3]["driver"]["driver_id"] = 100
    with pytest.raises(InputError, match="stands twice"):
        state_from_live_feed(body, RACE)


@pytest.mark.parametrize("laps", [999, 62, -1, 3_000_000])
def test_laps_that_no_car_can_have_run_are_refused_with_the_car(laps):
    body = snapshot(60)
    body["vehicles"][3]["laps_completed"] = laps
    with pytest.raises(InputError, match=r"laps_completed.*(row|line)s? 4|4.*laps_completed"):
        state_from_live_feed(body, RACE)


@pytest.mark.parametrize("vehicles", [[], [{"driver": None, "laps_completed": 3}]])
def test_a_snapshot_without_cars_is_refused(vehicles):
    with pytest.raises(InputError, match=r"vehicles|driver"):
        state_from_live_feed({**snapshot(60), "vehicles": vehicles}, RACE)


def test_stints_and_stops_that_are_none_count_as_none():
    body = snapshot(60)
    body["vehicles"][4] |= {"laps_led": -1, "pit_stops": "none"}
    body["vehicles"][5] |= {"laps_led": [3], "pit_stops": [None]}
    found = state_from_live_feed(body, RACE)
    assert list(found.laps_led[4:6]) == [0, 0]
    assert list(found.last_stop[4:6]) == [0, 0]
    laps = laps_from_live_feed([body], RACE).filter(pl.col("driver_id").is_in(["104", "105"]))
    assert laps.select("laps_led", "pit").rows() == [(0, False), (0, False)]


@pytest.mark.parametrize("missing", [None, 0, -1, 999, "NA"])
def test_a_place_that_is_missing_comes_last(missing):
    body = snapshot(60)
    body["vehicles"][4] |= {"running_position": missing, "starting_position": missing}
    found = state_from_live_feed(body, RACE)
    assert found.position[4] == 10  # of the ten on the lead lap
    assert found.start[4] == 12
    assert found.path[4, 0] == 12


@given(st.floats(0.01, 0.99))
@settings(max_examples=20, deadline=None)
def test_when_a_snapshot_is_taken_takes_no_car_a_lap_down(share):
    """The field crosses over four seconds; the leader's lap is 30 s, the last car two laps down."""
    now = 1800.0 + 30.0 * share
    body = snapshot(60)
    for k, car in enumerate(body["vehicles"]):
        gap = 0.4 * k if k < 11 else 62.0
        laps = int((now - gap) // 30.0)
        car |= {
            "laps_completed": laps,
            "running_position": k + 1,
            "vehicle_elapsed_time": 30.0 * laps + gap,
            "status": 1,
            "is_on_track": True,
        }
    body["elapsed_time"] = now
    found = state_from_live_feed(body, RACE)
    assert list(found.laps_down) == [0] * 11 + [2]
    assert list(found.position) == list(range(1, 13))
    assert found.behind[:11] == pytest.approx(0.4 * np.arange(11) / 30.0)
    assert found.behind[11] == pytest.approx(62.0 / 30.0)
