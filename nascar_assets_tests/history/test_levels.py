"""Levels: the ridge against its closed form, the chance of no trouble by hand."""

import numpy as np
import pytest

from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.history.levels import RATED, LevelRidge, LevelSettings
from nascar_assets.history.levels_ranks import MIXTURES, RankMixture

PRIOR = dict(zip((*RATED, "rating_sd"), (0.3, 0.2, 0.1, 0.0, -0.4), strict=True))
SETTINGS = LevelSettings(pooled_penalty=4.0, offset_penalty=50.0, half_life_days=100.0)


def invented(rng, cars=12):
    features = rng.standard_normal((cars, len(PRIOR)))
    return features - features.mean(axis=0), rng.standard_normal(cars)


def test_ridge_is_the_closed_form_with_ages_and_doubts_as_weights():
    rng = np.random.default_rng(5)
    ridge = LevelRidge(PRIOR, SETTINGS)
    rows, response, weights = [], [], []
    for day, kind in ((1000.0, "short"), (1050.0, "road"), (1200.0, "short")):
        features, finish = invented(rng)
        levels, _ = ridge.predict(features, kind, np.zeros(12), np.eye(4))
        ridge.observe(features, kind, finish, levels, day)
        wide = np.zeros((12, 25))
        wide[:, :5] = features
        first = 5 * (1 + TRACK_TYPES.index(kind))
        wide[:, first : first + 5] = features
        rows.append(wide)
        response.append(finish)
        # Half-life 100 days, seen from day 1200.
        age = 0.5 ** ((1200.0 - day) / 100.0)
        weights.append(age * MIXTURES[kind].clean_probability(finish, levels))
    x, y, w = np.vstack(rows), np.concatenate(response), np.concatenate(weights)
    penalty = np.diag([4.0] * 5 + [50.0] * 20)
    prior = np.array([*PRIOR.values(), *[0.0] * 20])
    expected = np.linalg.solve(x.T @ (w[:, None] * x) + penalty, x.T @ (w * y) + penalty @ prior)
    features, _ = invented(rng)
    levels, _ = ridge.predict(features, "short", np.zeros(12), np.eye(4))
    total = expected[:5] + expected[5 * (1 + TRACK_TYPES.index("short")) :][:5]
    np.testing.assert_allclose(levels, features @ total, atol=1e-12)


def test_without_races_a_level_is_the_prior_and_its_spread_is_by_hand():
    features = np.array([[1.0, 0, 0, 0, 0], [-1.0, 0, 0, 0, 0]])
    levels, sd = LevelRidge(PRIOR, SETTINGS).predict(
        features, "road", np.array([0.5, 0.0]), 2.0 * np.eye(4)
    )
    np.testing.assert_allclose(levels, [0.3, -0.3])
    # Carried: b'Cb v = 2 (.09 + .04 + .01 + 0) .5 = .14; coefficients: .65 (1/4 + 1/50) = .1755.
    np.testing.assert_allclose(sd, np.sqrt([0.14 + 0.1755, 0.1755]))


def test_columns_beyond_the_coefficients_are_not_read():
    rng = np.random.default_rng(1)
    features, finish = invented(rng)
    wide = np.hstack([features, rng.standard_normal((12, 3))])
    ridges = [LevelRidge(PRIOR, SETTINGS) for _ in range(2)]
    for ridge, table in zip(ridges, (features, wide), strict=True):
        ridge.observe(table, "road", finish, np.zeros(12), 10.0)
    narrow, full = (
        ridge.predict(table, "road", np.zeros(12), np.eye(4))[0]
        for ridge, table in zip(ridges, (features, wide), strict=True)
    )
    assert narrow.tolist() == full.tolist()


def test_probability_of_no_trouble_by_hand():
    mixture = RankMixture(k=1.0, s=0.5, pi=0.2, skew=0.0, trouble_mean=-1.5, trouble_sd=0.5)
    # At the clean mean 0: clean .8 * 1, trouble .2 exp(-.5 * 9) = .0022218: .8 / .8022218.
    value = mixture.clean_probability(np.array([0.0]), np.array([0.0]))
    assert value[0] == pytest.approx(0.8 / (0.8 + 0.2 * np.exp(-4.5)))
    falling = mixture.clean_probability(np.linspace(1.0, -3.0, 30), np.full(30, 0.5))
    assert (np.diff(falling) < 0).all()
