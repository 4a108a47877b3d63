import logging

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.telemetry import fill_counts, handle_missing_data
from nascar_assets_tests.telemetry.lap_frames import driver_laps


def gappy():
    return pl.concat(
        [
            driver_laps(
                "11", [None, 31.0, None, None, 34.0, None], positions=[5, None, 3, 2, None, 1]
            ),
            driver_laps("12", [None, None, 40.0, 41.0, 42.0, 43.0]),
        ]
    )


def test_forward_fill_stays_inside_a_drivers_laps():
    out = handle_missing_data(gappy())
    assert out["lap_time_s"].to_list()[:6] == [None, 31.0, 31.0, 31.0, 34.0, 34.0]
    # Driver 11's 34.0 does not reach driver 12's first laps: leading gaps stay null.
    assert out["lap_time_s"].to_list()[6:9] == [None, None, 40.0]
    assert out["position"].to_list()[:6] == [5, 5, 3, 2, 2, 1]


def test_counters_fill_with_zero():
    out = handle_missing_data(gappy())
    assert out["laps_led"].to_list()[:6] == [0, 0, 0, 0, 0, 1]


def test_interpolation_uses_the_later_lap_and_the_lap_numbers():
    laps = pl.concat(
        [
            driver_laps("11", [30.0, None], positions=[1, None]),
            driver_laps("11", [None, 40.0], positions=[None, 6], first=5),
        ]
    )
    out = handle_missing_data(laps, method="interpolate")
    # Laps 1, 2, 5, 6: from 30 at lap 1 to 40 at lap 6, 2 a lap.
    assert out["lap_time_s"].to_list() == [30.0, 32.0, 38.0, 40.0]
    assert out["position"].to_list() == [1, 2, 5, 6]


def test_interpolation_leaves_both_ends_open():
    out = handle_missing_data(gappy(), method="interpolate")
    assert out["lap_time_s"].to_list()[:6] == [None, 31.0, 32.0, 33.0, 34.0, None]


def test_what_is_filled_is_counted_and_logged(caplog):
    with caplog.at_level(logging.INFO):
        handle_missing_data(gappy())
    # Driver 11: times of laps 3, 4, 6; driver 12: none. Speeds likewise. Positions 2. Led 2.
    counts = {"position": 2, "lap_time_s": 3, "lap_speed_mph": 3, "laps_led": 2}
    assert fill_counts(gappy()) == counts
    assert caplog.records[-1].filled == counts
    for name in counts:
        assert name in caplog.text


def test_lazy_in_lazy_out_with_the_same_counts():
    out = handle_missing_data(gappy().lazy())
    assert isinstance(out, pl.LazyFrame)
    assert out.collect().equals(handle_missing_data(gappy()))


def test_the_grid_neither_gives_nor_takes_a_time():
    grid = driver_laps("11", [0.9], first=0)
    out = handle_missing_data(pl.concat([grid, driver_laps("11", [None, 30.0])]))
    assert out["lap_time_s"].to_list() == [0.9, None, 30.0]
    empty_grid = driver_laps("11", [None], first=0)
    late = handle_missing_data(pl.concat([driver_laps("11", [30.0]), empty_grid]))
    assert late["lap_time_s"].to_list() == [30.0, None]


@pytest.mark.parametrize(("method", "filled"), [("forward", 30.0), ("interpolate", 32.0)])
@pytest.mark.parametrize("stop", [("red", 250.0), ("green", 1500.0)])
def test_a_lap_on_which_the_car_stood_gives_no_pace(method, filled, stop):
    flag, time = stop
    flags = ["green", flag, "green", "green"]
    laps = driver_laps("11", [30.0, time, None, 33.0], flags=flags)
    out = handle_missing_data(laps, method=method)
    assert out["lap_time_s"].to_list() == [30.0, time, filled, 33.0]
    speed = out["lap_speed_mph"].to_list()
    assert speed[1] == 5400.0 / time
    assert speed[2] > 160.0


def test_times_flags_and_pit_marks_are_never_made_up():
    laps = gappy().with_columns(flag=pl.lit(None, pl.String), pit=pl.lit(None, pl.Boolean))
    out = handle_missing_data(laps)
    for name in ("timestamp", "flag", "pit"):
        assert out[name].equals(laps[name], null_equal=True)


def test_another_method_is_refused():
    with pytest.raises(InputError, match="backward"):
        handle_missing_data(gappy(), method="backward")


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["11", "12", "13"]), st.floats(20.0, 90.0) | st.none()),
        min_size=1,
        max_size=40,
    )
)
def test_fill_invariants(rows):
    """Known values stay; each filled value is the driver's own last; counts add up."""
    frames, numbers = [], {}
    for driver, time in rows:
        numbers[driver] = numbers.get(driver, 0) + 1
        frames.append(driver_laps(driver, [time], first=numbers[driver]))
    laps = pl.concat(frames)
    out = handle_missing_data(laps)
    last: dict[str, float] = {}
    for (driver, time), filled in zip(rows, out["lap_time_s"], strict=True):
        last[driver] = time if time is not None else last.get(driver)
        assert filled == last[driver]
    was, now = laps["lap_time_s"].null_count(), out["lap_time_s"].null_count()
    assert fill_counts(laps)["lap_time_s"] == was - now


def test_place_numbers_alone_are_filled():
    laps = gappy().select("lap", "driver_id", "position")
    out = handle_missing_data(laps)
    assert out.columns == laps.columns
    assert out.equals(handle_missing_data(gappy()).select(laps.columns))
