"""Recalibration keeps the laws of the race, helps where it is needed, and is left off elsewhere."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.calibration.archive import WalkForward
from nascar_assets.calibration.metrics_input import effective_size
from nascar_assets.calibration.race_forecast import RunningOrder
from nascar_assets.calibration.recalibration import (
    EmosType,
    LatentEmos,
    fit_latent_emos,
    smoothed_log_score,
)
from nascar_assets.calibration.tilting import (
    TOPS,
    ProbabilityMap,
    Tilted,
    TiltingMaps,
    conserved,
    fit_maps,
    systematic_resampling,
    tilting_weights,
)
from nascar_assets.scenarios import STARTING_VALUES

from .world import draw, world


def past_races(races=12):
    tables = world(seasons=(2023,), races=races)
    walker = WalkForward(tables.schedule, tables.results, "cup", with_values=False)
    rows = walker.races(date(2023, 1, 1), date(2023, 12, 31))
    return [
        (prepared.race, tables.results.filter(pl.col("race_id") == prepared.race.race_id))
        for prepared in walker.prepare(rows)
    ]


@pytest.mark.slow
def test_an_over_confident_process_is_widened_and_kept():
    # Outcomes are drawn at random: a process that trusts ratings too much must be held back.
    sharp = STARTING_VALUES.with_type("short", kappa=4.0, sigma_s=0.05, omega=0.2, trouble=0.0)
    rng = np.random.default_rng(3)
    races = []
    for race, results in past_races():
        race = _with_levels(race, rng.normal(0, 0.8, len(race.driver_ids)))
        shuffled = results.sort("driver_id").with_columns(
            finish=pl.Series(rng.permutation(results.height) + 1, dtype=pl.Int32)
        )
        races.append((_as_short(race), shuffled))
    found = fit_latent_emos({"short": races}, sharp, seed=1, scenarios=60).by_type["short"]
    assert found.kept
    assert found.gain > 0
    assert found.kappa_factor < 1.0 or found.extra_variance > 0.0 or found.omega_factor > 1.0


def test_too_few_races_are_left_alone():
    found = fit_latent_emos({"short": past_races(4)}, STARTING_VALUES, seed=1, scenarios=20)
    assert found.by_type == {}
    assert found.apply(STARTING_VALUES).hash == STARTING_VALUES.hash


def test_only_a_correction_that_proved_itself_acts():
    wider = EmosType(kappa_factor=0.8, extra_variance=0.1, omega_factor=1.2, gain=0.1)
    assert LatentEmos({"road": wider}).apply(STARTING_VALUES).hash == STARTING_VALUES.hash
    kept = EmosType(kappa_factor=0.8, extra_variance=0.1, omega_factor=1.2, gain=0.1, kept=True)
    before, after = (
        p.of("road") for p in (STARTING_VALUES, LatentEmos({"road": kept}).apply(STARTING_VALUES))
    )
    assert after.kappa == pytest.approx(0.8 * before.kappa)
    assert after.sigma_s == pytest.approx(np.sqrt(before.sigma_s**2 + 0.1))
    assert after.omega == pytest.approx(1.2 * before.omega)
    assert after.tau == before.tau


def test_smoothed_log_score_by_hand():
    # One scenario 1..3, smoothing weights 3, 2, 1 at distance 0, 1, 2. Car 1 took place 1:
    # places 1, 2, 3 count 3, 0, 0 of weights 3, 2, 1: 3/6. (1/2 + 1/2) / (1 + 3/2) = 0.4
    found = smoothed_log_score(np.array([[1, 2, 3]]), np.array([1, 0, 0]))
    assert found == pytest.approx(-np.log(0.4))


def _with_levels(race, levels):
    ratings = race.ratings.with_columns(level=pl.Series(levels), level_sd=pl.lit(0.05))
    return replace(race, ratings=ratings)


def _as_short(race):
    return replace(race, track_type="short")


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 100), strength=st.floats(0.2, 3.0), event=st.sampled_from(["win", "top_5"])
)
def test_tilting_moves_probabilities_towards_targets_and_keeps_half_of_the_scenarios(
    seed, strength, event
):
    finish = draw(np.random.default_rng(seed), 400, cars=12)
    raw = (finish <= {"win": 1, "top_5": 5}[event]).mean(axis=0)
    target = np.clip(raw**strength, 1e-3, 0.999)
    weights = tilting_weights(finish, {event: target})
    assert weights.sum() == pytest.approx(1.0)
    assert effective_size(weights, 400) >= 200 - 1e-6
    tilted = weights @ (finish <= {"win": 1, "top_5": 5}[event])
    wanted = conserved(target, TOPS[event])
    assert np.square(tilted - wanted).sum() <= np.square(raw - wanted).sum() + 1e-9


def test_a_reachable_target_is_reached():
    finish = draw(np.random.default_rng(1), 4000, cars=12)
    raw = (finish == 1).mean(axis=0)
    wanted = 0.9 * raw + 0.1 / 12
    weights = tilting_weights(finish, {"win": wanted})
    np.testing.assert_allclose(weights @ (finish == 1), wanted, atol=0.004)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=20), st.integers(1, 60), st.integers(0, 9))
def test_systematic_resampling_takes_each_scenario_as_often_as_its_weight_says(raw, n, seed):
    weights = np.array(raw) / sum(raw)
    rows = systematic_resampling(weights, n, np.random.default_rng(seed))
    counts = np.bincount(rows, minlength=weights.size)
    assert rows.size == n
    assert (np.abs(counts - n * weights) < 1 + 1e-6).all()


def test_tilted_scenarios_are_scenarios_of_the_base_so_that_every_law_holds():
    tables = world(seasons=(2023,), races=3)
    walker = WalkForward(tables.schedule, tables.results, "cup", with_values=False)
    prepared = list(walker.prepare(walker.races(date(2023, 1, 1), date(2023, 12, 31))))[-1]
    maps = TiltingMaps({"win": ProbabilityMap(0.1, 0.8), "top_10": ProbabilityMap(0.0, 1.2)})
    base = RunningOrder()
    plain = base.forecast(prepared.history, prepared.race, 200, 5)
    tilted = Tilted(base, maps).forecast(prepared.history, prepared.race, 200, 5)
    known = {row.tobytes() for row in np.hstack([plain.finish, plain.laps_led])}
    assert {row.tobytes() for row in np.hstack([tilted.finish, tilted.laps_led])} <= known
    assert (np.sort(tilted.finish, axis=1) == np.arange(1, 21)).all()
    assert tilted.untilted["effective_scenarios"][0] >= 100
    np.testing.assert_allclose(tilted.untilted["win"], (plain.finish == 1).mean(axis=0))
    back = type(tilted).from_parquet(tilted.to_parquet())
    np.testing.assert_allclose(back.untilted["top_5"], tilted.untilted["top_5"])
    assert Tilted(base, maps).version != Tilted(base, TiltingMaps()).version


def test_maps_are_kept_where_they_help_and_left_off_where_they_do_not():
    rng = np.random.default_rng(0)

    def races(slope):
        past = []
        for _ in range(90):
            truth = rng.dirichlet(np.full(20, 0.6))
            happened = np.zeros(20)
            happened[rng.choice(20, p=truth)] = 1
            sharp = np.clip(truth, 1e-4, 1) ** slope
            past.append({"win": (sharp / sharp.sum(), happened)})
        return past

    sharp = fit_maps(races(2.5))
    assert sharp.by_event["win"].slope < 0.8
    assert sharp.gains["win"][0] > 0
    assert fit_maps(races(2.5)[:10]).by_event == {}
    left_off = sum(bool(fit_maps(races(1.0)).by_event) for _ in range(6))
    assert left_off <= 3  # an honest forecast passes the rule by chance one time in six
