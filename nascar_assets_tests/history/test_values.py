"""Ontology values: neutral without evidence, shrunk by little of it, clear with much."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import SCHEDULE
from nascar_assets.history.ratings_state import RatingState
from nascar_assets.history.schemas import DRIVER_VALUES, TRACK_VALUES
from nascar_assets.history.values import AGGRESSION_SD, PRIOR_STARTS, driver_values
from nascar_assets.history.values_rates import cell_rates, log_ratio
from nascar_assets.history.values_tracks import FUEL_RANGE_MILES, track_values
from nascar_assets_tests.history.ratings_sample import NAMES, STRENGTH, make_race, make_results

RESULTS = make_results(30, seed=8, series=("cup",))
AS_OF = RESULTS["results_at"].max() + timedelta(days=1)
VALUES = ("skill", "psyche_aggression", "shadow_risk", "realpolitik_pos")


def with_status(results, driver, status):
    """The driver ends every race of his with a status."""
    return results.with_columns(
        status=pl.when((pl.col("driver_id") == driver) & (pl.col("laps_completed") == 200))
        .then(pl.lit(status))
        .otherwise("status")
    )


def calm(results):
    return results.with_columns(status=pl.lit("running"), laps_completed=pl.lit(200, pl.Int32))


def values_of(results, driver):
    table = driver_values(results, AS_OF)
    return table.row(by_predicate=pl.col("driver_id") == driver, named=True)


def schedule_of(results):
    races = results.unique("race_id", maintain_order=True).with_columns(
        stage_ends=pl.lit([60, 120], pl.List(pl.Int32)),
        field_size=pl.lit(16, pl.Int32),
        winner_driver_id=pl.lit(None, pl.String),
        restrictor_plate=pl.lit(False),
        lead_changes=pl.lit(10, pl.Int32),
        leaders=pl.lit(5, pl.Int32),
        status=pl.lit("complete"),
    )
    return races.select(list(SCHEDULE)).cast(pl.Schema(SCHEDULE))


def test_one_row_per_driver_with_all_values_in_bounds():
    table = driver_values(RESULTS, AS_OF)
    assert table.schema == pl.Schema(DRIVER_VALUES)
    assert table["driver_id"].to_list() == sorted(RESULTS["driver_id"].unique())
    for name in VALUES:
        assert table[name].is_between(0.0, 1.0).all()
        assert (table[f"{name}_se"] > 0).all()
    assert table["data_through"].unique().to_list() == [RESULTS["start_time"].max()]
    counts = dict(RESULTS.group_by("driver_id").len().iter_rows())
    assert dict(table.select("driver_id", "races").iter_rows()) == counts


def test_skill_follows_strength_and_equipment_follows_the_team():
    table = driver_values(RESULTS, AS_OF)
    truth = [STRENGTH[NAMES.index(driver)] for driver in table["driver_id"]]
    assert np.corrcoef(ndtri(table["skill"].to_numpy()), truth)[0, 1] > 0.9
    by_team = dict(zip(table["team"], table["realpolitik_pos"], strict=True))
    assert by_team["Team 0"] < 0.3 < 0.7 < by_team["Team 5"]


def test_skill_is_centred_on_the_starts_of_the_last_year():
    table = driver_values(RESULTS, AS_OF)
    starts = dict(RESULTS.group_by("driver_id").len().iter_rows())
    weight = np.array([starts[driver] for driver in table["driver_id"]], float)
    score = ndtri(table["skill"].to_numpy())
    assert np.average(score, weights=weight) == pytest.approx(0.0, abs=1e-9)
    assert np.average(score**2, weights=weight) == pytest.approx(1.0)


@pytest.mark.slow
def test_skill_is_known_better_after_more_races():
    few, many = (driver_values(make_results(n, seed=8), AS_OF) for n in (6, 30))
    assert many["skill_se"].mean() < few["skill_se"].mean()


@pytest.mark.slow
def test_what_is_known_later_does_not_matter():
    middle = RESULTS["start_time"].unique().sort()[15]
    known = RESULTS.filter(pl.col("results_at") <= middle)
    assert driver_values(RESULTS, middle).equals(driver_values(known, middle))
    schedule = schedule_of(RESULTS)
    assert track_values(RESULTS, schedule, middle).equals(track_values(known, schedule, middle))


@pytest.mark.slow
def test_a_state_must_end_at_the_as_of_time():
    state = RatingState.empty()
    middle = RESULTS["start_time"].unique().sort()[15]
    state.extend(RESULTS, middle)
    assert driver_values(RESULTS, middle, state=state).equals(driver_values(RESULTS, middle))
    with pytest.raises(InputError, match="lacks"):
        driver_values(RESULTS, AS_OF, state=state)
    state.extend(RESULTS, AS_OF)
    with pytest.raises(InputError, match="later"):
        driver_values(RESULTS, middle, state=state)


def test_no_results_give_empty_tables():
    assert driver_values(RESULTS.head(0), AS_OF).is_empty()
    tracks = track_values(RESULTS.head(0), schedule_of(RESULTS), AS_OF)
    assert tracks["difficulty"].to_list() == [0.5] * 6
    assert tracks["races"].sum() == 0


def test_without_accidents_nobody_is_aggressive_or_timid():
    table = driver_values(calm(RESULTS), AS_OF)
    np.testing.assert_allclose(table["psyche_aggression"], 0.5, atol=1e-12)


@pytest.mark.slow
def test_aggression_is_involvement_shrunk_by_the_prior():
    wild = "d12"
    results = with_status(calm(RESULTS), wild, "accident")
    row = values_of(results, wild)
    calm_row = values_of(results, "d11")
    assert row["psyche_aggression"] > 0.85 > 0.5 > calm_row["psyche_aggression"] > 0.3
    # With O accidents in as many starts, prior A = 182 mean rate and an expectation E of about a
    # start's share each, the score is log((O + A) / (E + A)) / .25; E is within a third of O mean.
    starts = row["races"]
    rate = (results["status"] == "accident").mean()
    prior = PRIOR_STARTS * rate
    meant = starts * rate
    high, low = (np.log((starts + prior) / (meant * f + prior)) / AGGRESSION_SD for f in (0.5, 2.0))
    assert low < ndtri(row["psyche_aggression"]) < high


def test_log_ratio_by_hand():
    # (6 + 14) / (11 + 14) = .8; 1 / sqrt(20) = .2236.
    ratio, sd = log_ratio(np.array([6.0]), np.array([11.0]), 14.0)
    assert ratio[0] == pytest.approx(np.log(0.8))
    assert sd[0] == pytest.approx(0.22361, abs=1e-5)


def test_expected_rates_by_hand():
    # Cup: 4 of 40 overall (.1); short 3 of 10 with 10 prior rows: (3 + 1) / 20 = .2; road 1 of 30:
    # (1 + 1) / 40 = .05. Trucks: their own rate, nothing.
    rows = pl.DataFrame(
        {
            "series": ["cup"] * 40 + ["trucks"] * 5,
            "track_type": ["short"] * 10 + ["road"] * 30 + ["short"] * 5,
        }
    )
    happened = np.zeros(45)
    happened[[0, 1, 2, 20]] = 1.0
    rates = cell_rates(rows, happened, np.ones(45), prior=10.0)
    np.testing.assert_allclose(rates, [0.2] * 10 + [0.05] * 30 + [0.0] * 5)


@pytest.mark.slow
def test_failures_and_spread_raise_shadow_risk():
    frail = values_of(with_status(calm(RESULTS), "d12", "mechanical"), "d12")["shadow_risk"]
    usual = values_of(calm(RESULTS), "d12")["shadow_risk"]
    assert frail > max(usual, 0.5) + 0.1
    field = list(range(16))
    rng = np.random.default_rng(0)
    races = []
    for number in range(30):
        # d08 is first or last by turns, the others hold their order up to a swap.
        order = [d for d in field if d != 8]
        at = rng.integers(0, 14)
        order[at], order[at + 1] = order[at + 1], order[at]
        order = [8, *order] if number % 2 else [*order, 8]
        races.append(make_race(number, field, [order.index(d) + 1 for d in field]))
    table = driver_values(pl.concat(races), AS_OF)
    risk = dict(zip(table["driver_id"], table["shadow_risk"], strict=True))
    assert risk["d08"] == max(risk.values())
    assert risk["d08"] > 0.95
    assert risk["d00"] < 0.5


def test_a_value_without_races_is_neutral_with_the_priors_error():
    schedule = schedule_of(RESULTS)
    new = schedule.head(1).with_columns(
        race_id=pl.lit("new"), track_id=pl.lit("t9"), track_name=pl.lit("New Track")
    )
    table = track_values(RESULTS, pl.concat([schedule, new]), AS_OF)
    assert table.schema == pl.Schema(TRACK_VALUES)
    row = table.row(by_predicate=pl.col("track_id") == "t9", named=True)
    density = 1.0 / np.sqrt(2.0 * np.pi)  # of a standard normal at 0, times its spread of 1
    for name in ("difficulty", "aggression_factor", "caution_rate"):
        assert row[name] == 0.5
        assert row[f"{name}_se"] == pytest.approx(density)
    assert row["races"] == 0
    assert (table["caution_rate_se"] <= density + 1e-12).all()


def test_tracks_with_more_cautions_bigger_accidents_and_a_fixed_order_stand_out():
    field = np.arange(16)
    rng = np.random.default_rng(4)
    races = []
    for number in range(48):
        track, finish = number // 4 % 6, rng.permutation(16) + 1
        race = make_race(4 * number, field, finish, start=rng.permutation(16) + 1).with_columns(
            track_id=pl.lit(f"t{track}"),
            mid_position=pl.Series(rng.permutation(16) + 1, dtype=pl.Int32),
        )
        if track == 1:
            race = race.with_columns(cautions=pl.lit(14, pl.Int32))
        if track == 2:
            race = race.with_columns(
                status=pl.when(pl.col("finish") > 4).then(pl.lit("accident")).otherwise("status")
            )
        elif track:
            race = race.with_columns(
                status=pl.when(pl.col("finish") > 14).then(pl.lit("accident")).otherwise("status")
            )
        if track == 3:
            race = race.with_columns(start=pl.col("finish"), mid_position=pl.col("finish"))
        races.append(race)
    results = pl.concat(races)
    table = track_values(results, schedule_of(results), results["results_at"].max())
    by_track = {row["track_id"]: row for row in table.iter_rows(named=True)}

    def highest(name):
        return max(by_track, key=lambda track: by_track[track][name])

    assert highest("caution_rate") == "t1"
    assert highest("aggression_factor") == "t2"
    assert highest("difficulty") == "t3"
    for track, name in (("t1", "caution_rate"), ("t2", "aggression_factor"), ("t3", "difficulty")):
        assert by_track[track][name] > 0.8
    assert by_track["t0"]["aggression_factor"] < 0.4


@pytest.mark.parametrize(
    "unknown",
    [{"cautions": pl.lit(None, pl.Int32)}, {"actual_laps": pl.lit(None, pl.Int32)}],
    ids=["cautions", "laps"],
)
def test_what_was_not_counted_is_no_race_without_cautions(unknown):
    last = pl.col("race_id") == RESULTS.sort("start_time")["race_id"].last()
    without = RESULTS.with_columns(
        pl.when(last).then(value).otherwise(name).alias(name) for name, value in unknown.items()
    )
    schedule = schedule_of(RESULTS)
    found, less = (
        track_values(without, schedule, AS_OF),
        track_values(RESULTS.filter(~last), schedule, AS_OF),
    )
    columns = ["caution_rate", "caution_rate_se"]
    if "cautions" in unknown:
        columns += ["aggression_factor", "aggression_factor_se"]
    assert found.select(columns).equals(less.select(columns))
    assert found["races"].sum() == less["races"].sum() + 1


def test_a_track_counts_with_races_of_its_present_type_only():
    results = pl.concat(
        [
            make_race(0, range(8), range(1, 9)).with_columns(track_type=pl.lit("intermediate")),
            make_race(6, range(8), range(1, 9)).with_columns(track_type=pl.lit("superspeedway")),
        ]
    )
    table = track_values(results, schedule_of(results), results["results_at"].max())
    assert table["track_type"].to_list() == ["superspeedway"]
    assert table["races"].to_list() == [1]


def test_pit_windows_by_hand():
    # An intermediate track of 1.5 miles: 93 / 1.5 = 62 laps a tank, 200 laps in the race.
    assert FUEL_RANGE_MILES["intermediate"] == 93.0
    race = make_race(0, range(8), range(1, 9)).with_columns(track_type=pl.lit("intermediate"))
    table = track_values(race, schedule_of(race), race["results_at"].max())
    assert table["pit_window_laps"].to_list() == [[62, 124, 186]]
    unknown = schedule_of(race).with_columns(track_length_miles=pl.lit(None, pl.Float64))
    assert track_values(race, unknown, AS_OF)["pit_window_laps"].to_list() == [[]]


@pytest.mark.parametrize("others", [100, 200, 400])
def test_pit_windows_of_a_race_to_come_end_with_it_however_long_others_are(others):
    past = make_race(0, range(8), range(1, 9)).with_columns(track_type=pl.lit("intermediate"))
    planned = schedule_of(past)
    race = planned.row(0, named=True) | {"race_id": "to come", "scheduled_laps": 150}
    planned = planned.with_columns(scheduled_laps=pl.lit(others, pl.Int32))
    table = track_values(past, planned, past["results_at"].max(), race)
    assert table["pit_window_laps"].to_list() == [[62, 124]]
