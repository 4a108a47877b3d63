"""Baselines: each does what its name says, from the past alone and repeatably."""

import io
import itertools
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.calibration.archive import WalkForward
from nascar_assets.calibration.baselines import (
    DriverHistory,
    PastStarts,
    PlackettLuce,
    StartClimatology,
    Uniform,
    retirement_rates,
    standard_baselines,
    stratified,
)
from nascar_assets.calibration.borrowed import borrow, races_to_borrow, whole_laps
from nascar_assets.calibration.forecasts import RaceForecast, race_seed
from nascar_assets.calibration.plackett_luce import fit_scale, log_likelihood, sample_orders
from nascar_assets.errors import InputError

from .world import LAPS, world


@pytest.fixture(scope="module")
def prepared():
    tables = world()
    walker = WalkForward(tables.schedule, tables.results, "cup", with_values=False)
    return list(walker.prepare(walker.races(date(2024, 5, 1), date(2024, 5, 20))))[-1]


@pytest.mark.slow
@pytest.mark.parametrize("baseline", standard_baselines(), ids=lambda item: item.name)
def test_forecasts_are_whole_repeatable_and_survive_their_file(prepared, baseline):
    made = baseline.forecast(prepared.history, prepared.race, 60, 3)
    again = baseline.forecast(prepared.history, prepared.race, 60, 3)
    other = baseline.forecast(prepared.history, prepared.race, 60, 4)
    assert made.content_hash() == again.content_hash() != other.content_hash()
    assert made.finish.shape == (60, 20)
    assert made.finish.min() >= 1
    assert made.finish.max() <= 20
    if made.joint:
        np.testing.assert_array_equal(np.sort(made.finish, axis=1)[:, 0], 1)
        assert (made.laps_led.sum(axis=1) == LAPS).all()
        assert (made.laps_completed >= made.laps_led).all()
    content = made.to_parquet({"a": "b"})
    assert content == again.to_parquet({"a": "b"})
    back = RaceForecast.from_parquet(content)
    np.testing.assert_array_equal(back.finish, made.finish)
    np.testing.assert_array_equal(back.points, made.points)
    np.testing.assert_array_equal(back.status, made.status)
    assert back.joint == made.joint


@pytest.mark.slow
def test_a_file_keeps_the_unit_of_its_points_and_says_nothing_of_the_usual_one(prepared):
    made = Uniform().forecast(prepared.history, prepared.race, 20, 3)
    fine = replace(made, points=made.points * 2, points_scale=40)
    back = RaceForecast.from_parquet(fine.to_parquet())
    assert back.points_scale == 40
    np.testing.assert_array_equal(back.points, fine.points)
    stored = pl.read_parquet_metadata(io.BytesIO(replace(made, joint=True).to_parquet()))
    assert set(stored) <= {"ARROW:schema"}  # so the bytes of such files are as they always were


def test_uniform_gives_every_place_alike(prepared):
    made = Uniform().forecast(prepared.history, prepared.race, 6000, 1)
    # mean of 1..20 is 10.5, sd of the mean of 6,000 draws 0.074; 5 sd
    np.testing.assert_allclose(made.finish.mean(axis=0), 10.5, atol=0.37)


def test_ratings_based_forecasts_prefer_the_better_drivers(prepared):
    for attrition in (False, True):
        made = PlackettLuce(attrition).forecast(prepared.history, prepared.race, 2000, 1)
        order = np.argsort(made.finish.mean(axis=0))
        best = [prepared.race.driver_ids[index] for index in order[:5]]
        assert sum(driver in {"100", "101", "102", "103", "104"} for driver in best) >= 3
    history = DriverHistory().forecast(prepared.history, prepared.race, 2000, 1)
    first, last = (prepared.race.driver_ids.index(driver) for driver in ("100", "119"))
    assert history.finish[:, first].mean() < history.finish[:, last].mean() - 5


def test_attrition_puts_the_retired_behind_everyone_else(prepared):
    made = PlackettLuce(attrition=True).forecast(prepared.history, prepared.race, 300, 1)
    out = made.status > 0
    for places, gone in zip(made.finish, out, strict=True):
        if gone.any() and not gone.all():
            assert places[gone].min() > places[~gone].max()
    assert out.mean() == pytest.approx(3 / 20, abs=0.05)  # three of twenty in the world's races


def test_start_climatology_takes_the_nearest_starts_of_the_type():
    results = world(races=8).results
    pool = PastStarts.of(results, "short")
    assert set(pool.track_type) == {"short"}
    near = pool.nearest((5 - 0.5) / 20, 8)
    assert set(np.round(pool.start[near] * 20 + 0.5).astype(int)) <= {4, 5, 6}
    distance = np.abs(pool.start - 4.5 / 20)
    assert distance[near].max() <= np.sort(distance)[8]


@pytest.mark.parametrize("baseline", [StartClimatology(nearest=8), DriverHistory(races=500)])
def test_baselines_ask_for_the_middle_of_a_place_as_past_starts_have_it(
    prepared, baseline, monkeypatch
):
    asked = set()
    nearest = PastStarts.nearest

    def noted(pool, start, count, track_type=None):
        asked.add(round(start * 20 + 0.5, 9))
        return nearest(pool, start, count, track_type)

    monkeypatch.setattr(PastStarts, "nearest", noted)
    baseline.forecast(prepared.history, prepared.race, 10, 1)
    assert asked
    assert asked <= set(prepared.race.starts)


def test_without_a_past_the_climatologies_fall_back_on_uniform(prepared):
    empty = type(prepared.history)(
        prepared.history.as_of, prepared.history.results.clear(), prepared.history.ratings.clear()
    )
    for baseline in standard_baselines():
        made = baseline.forecast(empty, prepared.race, 50, 1)
        assert made.finish.shape == (50, 20)


@given(st.integers(1, 9), st.integers(1, 50))
def test_stratified_draws_take_every_member_equally_often(size, n):
    draws = stratified(np.arange(size) + 7, n, np.random.default_rng(0))
    counts = np.bincount(draws - 7, minlength=size)
    assert draws.size == n
    assert counts.max() - counts.min() <= 1


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=9).filter(lambda row: sum(row) > 0.01),
    st.integers(1, 500),
)
def test_whole_laps_sum_to_the_race_and_stay_within_one_of_their_share(shares, laps):
    given_out = whole_laps(np.array([shares]), laps)[0]
    exact = np.array(shares) / sum(shares) * laps
    assert given_out.sum() == laps
    assert (np.abs(given_out - exact) < 1 + 1e-9).all()


def test_borrowed_laps_are_those_of_a_past_race_by_place():
    past = races_to_borrow(world(races=8).results, "short")
    finish = np.array([[1, 2, 3, *range(4, 21)]])
    laps = borrow(past, finish, 200, np.random.default_rng(0))
    np.testing.assert_array_equal(laps["laps_led"][0, :3], [120, 80, 0])
    np.testing.assert_array_equal(laps["fastest_laps"][0, :3], [60, 0, 40])
    assert laps["status"][0, -1] == 1


def test_retirement_rates_are_drawn_to_the_rate_of_all_types():
    results = world(races=8).results
    accidents, mechanical = retirement_rates(results, "short")
    assert accidents == pytest.approx(2 / 20)
    assert mechanical == pytest.approx(1 / 20)
    none = retirement_rates(results.clear(), "short")
    np.testing.assert_allclose(none, [0.10, 0.03])


def test_plackett_luce_orders_have_their_probabilities():
    strength = np.array([1.0, 0.0, -0.5])
    orders = sample_orders(strength, 60_000, np.random.default_rng(0))
    for permutation in itertools.permutations(range(3)):
        places = np.empty(3, int)
        places[list(permutation)] = [1, 2, 3]
        share = (orders == places).all(axis=1).mean()
        expected = np.exp(log_likelihood(strength[list(permutation)]))
        assert share == pytest.approx(expected, abs=5 * np.sqrt(expected / 60_000))


def test_plackett_luce_likelihood_by_hand():
    # strengths 2, 1, 1 in order of finish: 2/4 * 1/2
    assert log_likelihood(np.log([2.0, 1.0, 1.0])) == pytest.approx(np.log(0.25))


def test_the_scale_is_recovered():
    rng = np.random.default_rng(2)
    rows = []
    for race in range(60):
        level = rng.normal(size=20)
        places = sample_orders(1.7 * level, 1, rng)[0]
        rows += [
            {
                "race_id": str(race),
                "start_time": race,
                "track_type": "short",
                "finish": int(place),
                "level": float(value),
                "status": "running",
            }
            for place, value in zip(places, level, strict=True)
        ]
    assert fit_scale(pl.DataFrame(rows), "short", finishers_only=True) == pytest.approx(
        1.7, abs=0.15
    )
    assert fit_scale(pl.DataFrame(rows).clear(), "short", finishers_only=True) == 1.0


def test_seeds_differ_by_race_and_forecaster_and_fit_64_bits():
    seeds = {race_seed(1, race, name) for race in ("1", "2") for name in ("a", "b")}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_stored_forecast_that_is_not_whole_is_refused(prepared):
    made = StartClimatology().forecast(prepared.history, prepared.race, 5, 1)
    with pytest.raises(InputError, match="no Parquet"):
        RaceForecast.from_parquet(made.to_parquet()[:100], name="x.parquet")
