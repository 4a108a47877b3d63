import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nascar_assets.telemetry import compute_falloff_metrics, summarise_laps
from nascar_assets.telemetry.falloff import FALLOFF_COLUMNS
from nascar_assets.telemetry.leakage import moved_columns
from nascar_assets_tests.telemetry.lap_frames import RACE, clean_race, driver_laps


def green_run(n, slope=0.1, base=30.0):
    return [base + slope * lap for lap in range(n)]


def test_a_straight_line_has_its_slope_and_no_error():
    out = compute_falloff_metrics(driver_laps("11", green_run(10)))
    # Five fitted laps from the second lap of the run: the first slope is on lap 6.
    assert out["falloff_s_per_lap"].is_null().to_list() == [True] * 5 + [False] * 5
    assert out["falloff_s_per_lap"].drop_nulls().to_numpy() == pytest.approx(0.1)
    assert out["falloff_se_s_per_lap"].drop_nulls().to_numpy() == pytest.approx(0.0, abs=1e-12)
    assert out["falloff_laps"].to_list() == list(range(10))
    assert out["lap_time_change_s"].to_list()[0] is None
    assert out["lap_time_change_s"].drop_nulls().to_numpy() == pytest.approx(0.1)


def test_slope_is_theil_sens():
    rng = np.random.default_rng(1)
    times = (30 + 0.05 * np.arange(30) + rng.normal(0, 0.2, 30)).tolist()
    out = compute_falloff_metrics(driver_laps("11", times))
    for lap in (6, 13, 30):
        reference = stats.theilslopes(times[1:lap], np.arange(2, lap + 1))
        assert out["falloff_s_per_lap"][lap - 1] == pytest.approx(reference.slope, abs=1e-12)


def test_one_wild_lap_hardly_moves_the_slope():
    times = green_run(30, slope=0.05)
    times[14] += 6.0
    out = compute_falloff_metrics(driver_laps("11", times))
    assert out["falloff_s_per_lap"][29] == pytest.approx(0.05, abs=0.005)
    assert out["slow_lap"][14]


@pytest.mark.slow
def test_standard_error_covers_the_truth():
    """Of 400 runs with a known slope, slope +- 1.96 errors covers it in 95% of them.

    A binomial of 400 at 0.95 lies outside 0.915 to 0.98 less than once in 200 seeds.
    """
    rng = np.random.default_rng(7)
    frames = [
        driver_laps(str(n), (30 + 0.04 * np.arange(26) + rng.normal(0, 0.15, 26)).tolist())
        for n in range(400)
    ]
    last = compute_falloff_metrics(pl.concat(frames)).filter(pl.col("lap") == 26)
    off = (last["falloff_s_per_lap"] - 0.04).abs() / last["falloff_se_s_per_lap"]
    assert 0.915 <= (off <= 1.96).mean() <= 0.98


def test_cautions_pits_and_reds_end_a_run():
    flags = ["green"] * 4 + ["yellow"] * 2 + ["green"] * 6 + ["red"] + ["green"] * 2
    pits = [False] * 8 + [True] + [False] * 6
    times = [30.0] * 12 + [1681.0] + [30.0] * 2
    out = compute_falloff_metrics(driver_laps("11", times, flags=flags, pits=pits))
    n = None
    assert out["green_run"].to_list() == [1, 1, 1, 1, n, n, 2, 2, n, 3, 3, 3, n, 4, 4]
    assert out["run_lap"].to_list() == [1, 2, 3, 4, n, n, 1, 2, n, 1, 2, 3, n, 1, 2]


def test_where_pit_laps_are_not_marked_a_lost_lap_ends_the_run():
    times = [30.0] * 5 + [55.0] + [30.5] * 5
    unknown = driver_laps("11", times).with_columns(pit=pl.lit(None, pl.Boolean))
    assert compute_falloff_metrics(unknown)["green_run"].to_list() == [1] * 5 + [None] + [2] * 5
    marked = driver_laps("11", times)
    assert compute_falloff_metrics(marked)["green_run"].to_list() == [1] * 11


def test_where_flags_are_unknown_pace_tells():
    times = [30.0] * 5 + [90.0] * 3 + [30.0] * 5
    for laps in (
        driver_laps("11", times).with_columns(flag=pl.lit(None, pl.String)),
        driver_laps("11", times).drop("flag", "pit"),
    ):
        out = compute_falloff_metrics(laps)
        assert out["green_run"].to_list() == [1] * 5 + [None] * 3 + [2] * 5


def test_the_grid_is_in_no_run_and_a_gap_in_laps_starts_a_new_one():
    laps = pl.concat(
        [
            driver_laps("11", [None], first=0),
            driver_laps("11", [30.0] * 3),
            driver_laps("11", [30.0] * 3, first=6),
        ]
    )
    assert compute_falloff_metrics(laps)["green_run"].to_list() == [None, 1, 1, 1, 2, 2, 2]


def test_slow_laps_are_over_mean_and_two_deviations_of_ten_green_laps():
    rng = np.random.default_rng(3)
    times = (30 + rng.normal(0, 0.1, 40)).tolist()
    flags = ["green"] * 20 + ["yellow"] * 3 + ["green"] * 17
    out = compute_falloff_metrics(driver_laps("11", times, flags=flags))
    green = [(lap, times[lap]) for lap in range(40) if flags[lap] == "green"]
    for at, (lap, time) in enumerate(green):
        window = [value for _, value in green[max(0, at - 9) : at + 1]]
        if len(window) < 5:
            assert out["slow_lap"][lap] is None
        else:
            limit = np.mean(window) + 2 * np.std(window, ddof=1)
            assert out["slow_lap"][lap] == (time > limit)
    assert out["slow_lap"][20] is None


def test_long_run_speed_is_of_laps_from_the_tenth_on():
    out = compute_falloff_metrics(driver_laps("11", green_run(12, slope=1.0)))
    speeds = [5400 / time for time in green_run(12, slope=1.0)]
    assert out["long_run_speed_mph"].to_list()[:9] == [None] * 9
    assert out["long_run_speed_mph"][9] == pytest.approx(speeds[9])
    assert out["long_run_speed_mph"][11] == pytest.approx(np.mean(speeds[9:]))


def test_restarts_gained_and_lost():
    flags = [
        "green",
        "green",
        "yellow",
        "yellow",
        "green",
        "green",
        "green",
        "yellow",
        "green",
        "green",
    ]
    positions = [5, 5, 6, 8, 7, 5, 9, 9, 10, 12]
    out = compute_falloff_metrics(driver_laps("11", [30.0] * 10, flags=flags, positions=positions))
    # Restart after lap 4 from 8th: 5th at lap 6, three won. After lap 8 from 9th: 12th, three lost.
    n = None
    assert out["restart_gained"].to_list() == [n, n, n, n, n, 3, n, n, n, 0]
    assert out["restart_lost"].to_list() == [n, n, n, n, n, 0, n, n, n, 3]


def test_the_start_is_no_restart_nor_is_one_cut_short():
    laps = pl.concat(
        [
            driver_laps("11", [None], positions=[9], first=0, flags=[None]),
            driver_laps("11", [30.0] * 3, flags=["green", "yellow", "green"]),
        ]
    )
    out = compute_falloff_metrics(laps)
    assert out["restart_gained"].null_count() == 4


def test_lazy_in_lazy_out_and_the_order_of_rows_is_kept():
    laps = clean_race(30).sample(fraction=1.0, shuffle=True, seed=1)
    eager = compute_falloff_metrics(laps)
    lazy = compute_falloff_metrics(laps.lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(eager)
    assert eager.select(laps.columns).equals(laps)
    straight = compute_falloff_metrics(laps.sort("driver_id", "lap"))
    assert eager.sort("driver_id", "lap").equals(straight)
    assert dict(eager.select(list(FALLOFF_COLUMNS)).schema) == FALLOFF_COLUMNS


def test_no_laps_give_no_rows():
    empty = clean_race().clear()
    assert compute_falloff_metrics(empty).columns == [*empty.columns, *FALLOFF_COLUMNS]
    assert summarise_laps(empty).is_empty()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    laps=st.lists(
        st.tuples(
            st.floats(20.0, 200.0) | st.none(),
            st.sampled_from(["green", "yellow", "red", None]),
            st.integers(1, 40),
            st.sampled_from([True, False, None]),
        ),
        min_size=1,
        max_size=40,
    ),
    cut=st.integers(0, 39),
)
def test_every_column_looks_back_only(laps, cut):
    times, flags, positions, pits = map(list, zip(*laps, strict=True))
    frame = driver_laps("11", times, flags=flags, positions=positions, pits=pits)
    whole = compute_falloff_metrics(frame)
    part = compute_falloff_metrics(frame.head(cut + 1))
    assert whole.head(part.height).equals(part)


def test_summary_pools_runs_and_leaves_out_the_lap_of_the_caution():
    first = green_run(12, slope=0.10)
    first[11] += 8.0  # the caution comes out on lap 12
    second = green_run(8, slope=0.04)
    flags = ["green"] * 12 + ["yellow"] * 2 + ["green"] * 8
    laps = driver_laps("11", [*first, 90.0, 90.0, *second], flags=flags)
    row = summarise_laps(laps).row(0, named=True)
    # Fits of 10 laps (2 to 11) and 7 laps (2 to 8): weights 10 * 99 and 7 * 48.
    assert row["falloff_s_per_lap"] == pytest.approx((990 * 0.10 + 336 * 0.04) / 1326)
    assert row["falloff_runs"] == 2
    assert (row["laps"], row["green_laps"], row["green_runs"], row["restarts"]) == (22, 20, 2, 1)
    assert row["missing_times"] == 0


def test_summary_ranks_green_speed_within_the_race_and_carries_the_race():
    out = summarise_laps(pl.concat([clean_race(20), driver_laps("14", [None] * 3)]), RACE)
    assert out["green_speed_rank"].to_list() == [1, 2, 3, None]
    assert out["green_speed_cars"].unique().to_list() == [3]
    assert out["results_at"].unique().to_list() == [RACE["results_at"]]
    assert out["missing_times"].to_list() == [0, 0, 0, 3]
    lazy = summarise_laps(clean_race(20).lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(summarise_laps(clean_race(20)))


@pytest.mark.slow
def test_summaries_are_the_same_bytes_every_time():
    """Sums of floats depend on their order, which threads must not choose."""
    rng = np.random.default_rng(0)
    # A caution every 25 laps makes eight runs of each of 600 cars.
    flag = pl.when(pl.col("lap") % 25 < 5).then(pl.lit("yellow")).otherwise(pl.lit("green"))
    race = clean_race(200).with_columns(flag=flag)
    races = [
        race.with_columns(
            race_id=pl.lit(str(number)), lap_time_s=pl.Series(rng.normal(30, 0.2, 600))
        )
        for number in range(200)
    ]
    laps = pl.concat(races).sample(fraction=1.0, shuffle=True, seed=1)
    first = summarise_laps(laps)
    for again in (summarise_laps(laps), summarise_laps(laps.lazy()).collect(engine="streaming")):
        assert moved_columns(first, again) == {}


@pytest.mark.parametrize("lazy", [False, True])
def test_lap_times_alone_have_a_falloff(lazy):
    whole = clean_race()
    few = whole.select("lap", "driver_id", "lap_time_s", "flag")
    out = compute_falloff_metrics(few.lazy() if lazy else few).lazy().collect()
    left_out = {"restart_gained", "restart_lost", "long_run_speed_mph"}
    assert set(out.columns) == {*few.columns, *FALLOFF_COLUMNS} - left_out
    assert out.equals(compute_falloff_metrics(whole.drop("pit")).select(out.columns))
