import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.telemetry import (
    compute_aggregate_features,
    compute_falloff_metrics,
    handle_missing_data,
    rolling_statistics,
)
from nascar_assets_tests.telemetry.lap_frames import clean_race, driver_laps


def test_windows_of_hand_made_laps():
    laps = driver_laps("11", [30.0, 31.0, 32.0, 35.0], positions=[4, 1, 1, 3])
    out = compute_aggregate_features(laps, ("3l",))
    last = out.row(3, named=True)
    # Laps 2 to 4: positions 1, 1, 3; times 31, 32, 35; speeds 5400 / time.
    assert last["avg_position_last_3l"] == pytest.approx(5 / 3)
    assert last["best_position_last_3l"] == 1
    assert last["laps_led_last_3l"] == 2
    assert last["avg_lap_time_last_3l"] == pytest.approx(98 / 3)
    assert last["best_lap_time_last_3l"] == 31.0
    assert last["avg_speed_last_3l"] == pytest.approx((5400 / 31 + 5400 / 32 + 5400 / 35) / 3)
    assert last["best_speed_last_3l"] == pytest.approx(5400 / 31)


def test_first_laps_use_what_there_is_and_say_so():
    out = compute_aggregate_features(driver_laps("11", [30.0] * 6), ("4l",))
    assert out["n_laps_in_window"].to_list() == [1, 2, 3, 4, 4, 4]
    assert out["avg_lap_time_last_4l"].null_count() == 0


def test_default_windows_are_10_20_and_50_laps():
    out = compute_aggregate_features(clean_race(60))
    names = [name for name in out.columns if "_last_" in name]
    assert len(names) == 21
    assert {name.rsplit("_", 1)[1] for name in names} == {"10l", "20l", "50l"}
    assert out["n_laps_in_window"].max() == 50


@pytest.mark.parametrize(
    "window", ["", "l", "0l", "-5l", "1.5l", "10", "10L", " 10l", "10l\n", "ten", "01l"]
)
def test_a_window_string_that_is_none_is_an_error(window):
    with pytest.raises(InputError, match="window of laps"):
        compute_aggregate_features(clean_race(), (window,))


@pytest.mark.parametrize("window", [0, -1, True, 2.0, None])
def test_rolling_statistics_refuses_other_windows(window):
    with pytest.raises(InputError, match="window"):
        rolling_statistics(clean_race(), "lap_time_s", window)


def test_a_lazy_frame_in_is_a_lazy_frame_out():
    laps = clean_race()
    for lazy, eager in (
        (compute_aggregate_features(laps.lazy()), compute_aggregate_features(laps)),
        (rolling_statistics(laps.lazy(), "position", 5), rolling_statistics(laps, "position", 5)),
    ):
        assert isinstance(lazy, pl.LazyFrame)
        assert isinstance(eager, pl.DataFrame)
        assert lazy.collect().equals(eager)


def test_the_order_of_rows_is_kept_and_does_not_matter():
    laps = clean_race(25)
    shuffled = laps.sample(fraction=1.0, shuffle=True, seed=3)
    out = compute_aggregate_features(shuffled)
    assert out.select("driver_id", "lap").equals(shuffled.select("driver_id", "lap"))
    straight = compute_aggregate_features(laps)
    assert out.sort("driver_id", "lap").equals(straight.sort("driver_id", "lap"))


def test_windows_do_not_cross_races_or_drivers():
    first = driver_laps("11", [10.0] * 5, race_id="1")
    second = driver_laps("11", [50.0] * 5, race_id="2")
    other = driver_laps("12", [90.0] * 5, race_id="2")
    out = compute_aggregate_features(pl.concat([first, second, other]), ("5l",))
    by = out.group_by("race_id", "driver_id").agg(pl.col("avg_lap_time_last_5l").unique())
    assert sorted(value for row in by["avg_lap_time_last_5l"] for value in row) == [
        10.0,
        50.0,
        90.0,
    ]


def test_the_grid_counts_in_no_window():
    grid = driver_laps("11", [0.9], positions=[1], first=0)
    laps = pl.concat([grid, driver_laps("11", [30.0, 40.0], positions=[3, 5])])
    out = compute_aggregate_features(laps, ("5l",))
    assert out["n_laps_in_window"].to_list() == [0, 1, 2]
    assert out["avg_position_last_5l"].to_list() == [None, 3.0, 4.0]
    assert out["avg_lap_time_last_5l"].to_list() == [None, 30.0, 35.0]
    assert out["laps_led_last_5l"].to_list()[1:] == [0, 0]


def test_a_red_flag_keeps_its_place_but_its_time_is_no_pace():
    laps = driver_laps(
        "11", [30.0, 1681.0, 34.0], positions=[2, 4, 6], flags=["green", "red", "green"]
    )
    out = compute_aggregate_features(laps, ("3l",)).row(2, named=True)
    assert out["avg_lap_time_last_3l"] == 32.0
    assert out["avg_position_last_3l"] == 4.0
    assert out["n_laps_in_window"] == 3


def test_a_red_lap_whose_time_was_filled_is_no_pace_either():
    """The clock field is full on a red flag of hours, its time unknown and then filled forward."""
    laps = driver_laps("11", [30.0, None, 34.0], flags=["green", "red", "green"])
    filled = handle_missing_data(laps)
    assert filled["lap_time_s"].to_list() == [30.0, 30.0, 34.0]
    out = compute_aggregate_features(filled, ("3l",))
    assert out["avg_lap_time_last_3l"].to_list() == [30.0, 30.0, 32.0]
    assert compute_falloff_metrics(filled)["run_lap"].to_list() == [1, None, 1]


def test_caution_and_pit_laps_are_laps_of_the_race():
    laps = driver_laps(
        "11", [30.0, 90.0, 60.0], flags=["green", "yellow", "green"], pits=[False, False, True]
    )
    assert compute_aggregate_features(laps, ("3l",))["avg_lap_time_last_3l"][2] == 60.0


def test_a_missing_column_is_named():
    with pytest.raises(InputError, match="driver_id"):
        compute_aggregate_features(clean_race().drop("driver_id"))
    with pytest.raises(InputError, match="wind"):
        rolling_statistics(clean_race(), "wind", 3)


@pytest.mark.parametrize("lazy", [False, True])
def test_what_a_missing_column_would_make_is_left_out(lazy):
    whole = clean_race()
    few = whole.select("lap", "driver_id", "timestamp", "position", "laps_led")
    out = compute_aggregate_features(few.lazy() if lazy else few, ["10l"]).lazy().collect()
    made = ["avg_position_last_10l", "best_position_last_10l", "laps_led_last_10l"]
    assert out.columns == [*few.columns, *made, "n_laps_in_window"]
    assert out.equals(compute_aggregate_features(whole, ["10l"]).select(out.columns))


def test_a_metric_alone_is_enough_for_its_statistics():
    whole = clean_race()
    few = whole.select("lap", "driver_id", "position")
    out = rolling_statistics(few, "position", "5l")
    assert out.equals(rolling_statistics(whole, "position", 5).select(out.columns))


def test_rolling_statistics_of_hand_made_laps():
    laps = driver_laps("11", [30.0, 32.0, 37.0])
    out = rolling_statistics(laps, "lap_time_s", 2)
    assert out["lap_time_s_mean_2l"].to_list() == [30.0, 31.0, 34.5]
    # Sample deviation of 30 and 32 is sqrt(2), of 32 and 37 sqrt(12.5).
    assert out["lap_time_s_std_2l"].to_list() == [
        None,
        pytest.approx(math.sqrt(2)),
        pytest.approx(math.sqrt(12.5)),
    ]
    assert out["lap_time_s_min_2l"].to_list() == [30.0, 30.0, 32.0]
    assert out["lap_time_s_max_2l"].to_list() == [30.0, 32.0, 37.0]
    assert rolling_statistics(laps, "lap_time_s", "2l").equals(out)


def test_rolling_statistics_refuses_text():
    with pytest.raises(InputError, match="flag"):
        rolling_statistics(clean_race(), "flag", 5)


@settings(max_examples=40, deadline=None)
@given(
    times=st.lists(st.floats(20.0, 200.0) | st.none(), min_size=1, max_size=40),
    n=st.integers(1, 12),
    cut=st.integers(0, 40),
)
def test_windows_look_back_only(times, n, cut):
    """Whatever the later laps are, the earlier laps' features are the same bytes."""
    whole = compute_aggregate_features(driver_laps("11", times), (f"{n}l",))
    part = compute_aggregate_features(driver_laps("11", times[: cut + 1]), (f"{n}l",))
    assert whole.head(part.height).equals(part)


@settings(max_examples=40, deadline=None)
@given(times=st.lists(st.floats(20.0, 200.0), min_size=1, max_size=40), n=st.integers(1, 60))
def test_windows_are_plain_means_and_extremes(times, n):
    out = compute_aggregate_features(driver_laps("11", times), (f"{n}l",))
    for lap, (mean, best) in enumerate(
        zip(out[f"avg_lap_time_last_{n}l"], out[f"best_lap_time_last_{n}l"], strict=True)
    ):
        window = times[max(0, lap + 1 - n) : lap + 1]
        assert mean == pytest.approx(math.fsum(window) / len(window), rel=1e-9)
        assert best == min(window)
