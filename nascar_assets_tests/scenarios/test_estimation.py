"""A fit finds the parameters that made the races, knows what it may see, and fails aloud."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from nascar_assets.feed.schemas import RESULTS, SCHEDULE
from nascar_assets.history.schemas import RATINGS
from nascar_assets.scenarios import STARTING_VALUES, STATUS, generate_scenarios
from nascar_assets.scenarios.estimation import FitError, fit_parameters
from nascar_assets.scenarios.fit_scales import FREE, GIVEN
from nascar_assets.scenarios.fit_targets import pit_moments, pooled_targets, weighted_means
from nascar_assets.scenarios.moments import GROUPS, SHARES, Races, finish_shares, race_moments
from nascar_assets.scenarios.parameters import ProcessParameters, TypeParameters
from nascar_assets.scenarios.past_races import past_races
from nascar_assets_tests.scenarios.fields import setup_of

TRUTH = STARTING_VALUES.with_type(
    "short", wreck_rate=0.03, mechanical=2.2, caution_laps=9.0, stage_laps=11.2, lapping=0.04
)
FIRST = datetime(2023, 2, 5, 20, tzinfo=UTC)


def frames(races: int = 20) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """RESULTS, RATINGS and SCHEDULE of invented short-track races made by `TRUTH`."""
    results, ratings, schedule = [], [], []
    for number in range(races):
        setup = setup_of(34, 150, "short", seed=number, length=0.75)
        made = generate_scenarios(None, setup, 1, 1000 + number, parameters=TRUTH)
        start = FIRST + timedelta(days=7 * number)
        race = {
            "race_id": str(number),
            "race_key": f"2023-cup-{number:02d}",
            "series": "cup",
            "season": 2023,
            "race_type": "points",
            "track_id": "t",
            "track_type": "short",
            "track_length_miles": 0.75,
            "start_time": start,
            "scheduled_laps": 150,
            "actual_laps": int(made.race_laps[0]),
            "cautions": int(made.cautions[0]),
            "caution_laps": int(made.race_laps[0] - made.green_laps[0]),
            "results_at": start + timedelta(hours=8),
        }
        schedule.append({**race, "stage_ends": list(setup.stage_ends)})
        for car, entry in enumerate(setup.entries):
            results.append(
                {
                    **race,
                    "driver_id": entry.driver_id,
                    "driver_name": entry.name,
                    "team": entry.team,
                    "start": entry.start,
                    "status": STATUS[made.status[0, car]],
                    **{
                        name: int(getattr(made, name)[0, car])
                        for name in (
                            "finish",
                            "laps_led",
                            "fastest_laps",
                            "laps_completed",
                            "mid_position",
                        )
                    },
                }
            )
            ratings.append(
                {
                    "race_id": str(number),
                    "driver_id": entry.driver_id,
                    "as_of": start,
                    "rating": entry.level,
                    "level": entry.level,
                    "level_sd": entry.level_sd,
                }
            )

    def frame(rows, schema):
        return pl.DataFrame(
            [{name: row.get(name) for name in schema} for row in rows], schema=schema
        )

    return frame(results, RESULTS), frame(ratings, RATINGS), frame(schedule, SCHEDULE)


LATER = FIRST + timedelta(days=400)


@pytest.fixture(scope="module")
def tables():
    return frames()


@pytest.fixture(scope="module")
def fitted(tables):
    return fit_parameters(*tables, LATER, scenarios=32)


def test_a_fit_moves_from_the_start_to_the_truth(fitted):
    values, errors = fitted.of("short"), fitted.standard_errors["short"]
    truth = TRUTH.of("short")
    for name in ("wreck_rate", "mechanical", "caution_laps", "lapping", "kappa", "fast_awarded"):
        # Four posterior standard errors; a right fit misses one of six once in 2,600 times.
        assert getattr(values, name) == pytest.approx(getattr(truth, name), abs=4 * errors[name])
    assert abs(values.caution_laps - 9.0) < abs(STARTING_VALUES.of("short").caution_laps - 9.0)
    assert abs(values.mechanical - 2.2) < abs(STARTING_VALUES.of("short").mechanical - 2.2)


def test_a_fit_says_what_it_saw(fitted):
    assert fitted.as_of == LATER
    assert len(fitted.data_hash) == 64
    assert fitted.diagnostics["short"]["races"] == 20.0
    assert (
        fitted.diagnostics["short"]["objective_end"]
        < fitted.diagnostics["short"]["objective_start"]
    )
    # Types without races keep their starting values and have no standard errors.
    assert fitted.of("road") == STARTING_VALUES.of("road")
    assert set(fitted.standard_errors) == {"short"}


def test_every_parameter_has_a_standard_error_or_is_given(fitted):
    tied = {"stage_laps"}  # keeps its ratio to caution_laps
    names = {item.name for item in fields(TypeParameters)}
    assert set(fitted.standard_errors["short"]) | set(GIVEN) | tied == names
    assert not set(FREE) & set(GIVEN)
    assert all(error > 0.0 for error in fitted.standard_errors["short"].values())
    # No parameter is known worse than it was believed before the races.
    for name, (scale, sd) in FREE.items():
        if scale == "identity":
            assert fitted.standard_errors["short"][name] <= sd * (1.0 + 1e-9)
    # A tank is believed to 15%: 95 miles, give or take 14.25.
    assert fitted.prior_spreads["short"]["fuel_miles"] == pytest.approx(14.25)
    assert ProcessParameters.from_dict(fitted.to_dict()) == fitted


def test_shares_of_groups_by_hand():
    # Ten cars, the best first in ability; the two weakest (places 9 and 1) are the first group.
    finish = np.array([[2, 3, 4, 5, 6, 7, 8, 10, 9, 1]])
    nothing = np.zeros_like(finish)
    race = Races(
        *(nothing, finish, nothing, nothing, nothing, nothing, nothing),
        *(np.array([100]), np.array([80]), np.array([5]), 100),
        level=np.arange(10, 0, -1.0),
        team=nothing[0],
    )
    shares = finish_shares(race).reshape(GROUPS, len(SHARES))
    # Within .1, .25, .5, .75, .9 of the field: places up to 1, 2 (2.5 / 10 is not below), 5, 7, 9.
    assert shares[0].tolist() == [0.5, 0.5, 0.5, 0.5, 1.0]
    assert shares[4].tolist() == [0.0, 0.5, 1.0, 1.0, 1.0]
    assert shares.mean(axis=0).tolist() == pytest.approx([0.1, 0.2, 0.5, 0.7, 0.9])


def test_pit_moments_tell_a_narrow_forecast_from_a_calibrated_one():
    rng = np.random.default_rng(1)
    level = np.linspace(-1.0, 1.0, 40)

    def orders(n: int, spread: float) -> np.ndarray:
        score = -level + spread * rng.standard_normal((n, 40))
        return 1 + np.argsort(np.argsort(score, axis=1), axis=1)

    real = orders(300, 1.0)
    right, narrow = (
        np.mean([pit_moments(orders(60, spread), one, level) for one in real], axis=0)
        for spread in (1.0, 0.5)
    )
    # Standard errors over 300 races of 20 cars: 0.004; four of them once in 16,000 times.
    assert right == pytest.approx(0.0, abs=0.016)
    assert (narrow > 0.05).all()


def test_races_known_later_are_not_seen(tables):
    results, ratings, schedule = tables
    as_of = FIRST + timedelta(days=7 * 9)
    seen = past_races(results, ratings, schedule, as_of)
    assert [race.setup.race_id for race in seen] == [str(k) for k in range(9)]
    spoiled = results.with_columns(
        pl.when(pl.col("results_at") > as_of).then(999).otherwise("laps_led").alias("laps_led")
    )
    first, second = (
        pooled_targets(past_races(table, ratings, schedule, as_of), "cup", as_of)["short"]
        for table in (results, spoiled)
    )
    assert np.array_equal(first[0], second[0], equal_nan=True)


def test_targets_by_hand():
    rows = np.array([[1.0, np.nan], [3.0, 5.0], [5.0, 7.0]])
    weights = np.array([0.5, 1.0, 1.0])
    # (.5 + 3 + 5) / 2.5 = 3.4; the second column has two races of equal weight.
    assert weighted_means(rows, weights).tolist() == pytest.approx([3.4, 6.0])


@pytest.mark.slow
def test_a_fit_that_still_moves_is_an_error(tables):
    with pytest.raises(FitError, match="short"):
        fit_parameters(*tables, LATER, scenarios=16, max_iterations=1)


def test_without_a_race_there_is_no_fit(tables):
    with pytest.raises(ValueError, match="No rated race"):
        fit_parameters(*tables, FIRST)


def test_a_race_called_early_and_a_gap_in_the_grid(tables):
    results, ratings, schedule = tables
    called = results.with_columns(
        pl.when(pl.col("race_id") == "0").then(100).otherwise("actual_laps").alias("actual_laps")
    ).filter(~((pl.col("race_id") == "1") & (pl.col("start") == 3)))
    races = past_races(called, ratings, schedule, LATER)
    assert races[0].setup.race_id == "1"
    assert sorted(entry.start for entry in races[0].setup.entries) == list(range(1, 34))


def test_what_no_file_counted_is_not_taken_for_zero(tables):
    first, second = pl.col("race_id") == "0", pl.col("race_id") == "1"
    results = tables[0].with_columns(
        laps_led=pl.when(first).then(0).otherwise("laps_led"),
        fastest_laps=pl.when(second).then(None).otherwise("fastest_laps"),
    )
    races = past_races(results, *tables[1:], LATER)
    assert [race.setup.race_id for race in races[:2]] == ["1", "2"]
    assert np.isnan(race_moments(races[0].outcome)["fastest_awarded"][0])


def test_a_disqualified_car_counts_where_it_ran(tables):
    results, ratings, schedule = tables
    race = results.filter(pl.col("race_id") == "1").sort("finish")
    size = race.height
    third = race["driver_id"][2]
    official = race.with_columns(
        finish_on_track="finish",
        finish=pl.Series([1, 2, size, *range(3, size)], dtype=pl.Int32),
        status=pl.Series(["running", "running", "disqualified", *race["status"][3:]]),
    )
    ran, out = (
        past_races(table, ratings, schedule, LATER)[0]
        for table in (official, official.with_columns(finish_on_track=pl.lit(None, pl.Int32)))
    )
    assert ran.setup.driver_ids == tuple(race["driver_id"])
    assert out.setup.driver_ids[-1] == third  # no loop statistics say where it ran


def test_a_stage_that_ends_with_a_shortened_race_is_left_out(tables):
    results, ratings, schedule = tables
    laps = int(results["scheduled_laps"][0])
    ends = schedule.with_columns(stage_ends=pl.lit([20, laps, laps + 5], pl.List(pl.Int32)))
    races = past_races(results, ratings, ends, LATER)
    assert {race.setup.stage_ends for race in races} == {(20,)}
