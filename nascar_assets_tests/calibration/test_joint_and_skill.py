"""Scores of the joint forecast, functionals of whole races, and skill over races."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nascar_assets.calibration.metrics_joint import (
    best_sum,
    energy_score,
    leaders,
    most_laps_led,
    teammate_correlation,
    variogram_score,
)
from nascar_assets.calibration.metrics_skill import (
    clustered_mean,
    mean_difference,
    resampled_races,
    skill,
)
from nascar_assets.errors import InputError

JOINT = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 8), st.integers(1, 4)),
    elements=st.floats(-50, 50, width=32),
)


@pytest.mark.slow
@given(JOINT, st.booleans(), st.integers(0, 50))
def test_energy_and_variogram_equal_their_definitions(scenarios, fair, seed):
    rng = np.random.default_rng(seed)
    outcome, w = rng.normal(size=scenarios.shape[1]), rng.uniform(0.2, 1, scenarios.shape[0])
    w = w / w.sum()
    norm = np.linalg.norm
    first = sum(a * norm(x - outcome) for a, x in zip(w, scenarios, strict=True))
    pairs = sum(
        a * b * norm(x - z)
        for a, x in zip(w, scenarios, strict=True)
        for b, z in zip(w, scenarios, strict=True)
    )
    expected = first - pairs / 2 / (1 - (w**2).sum() if fair else 1)
    assert energy_score(scenarios, outcome, w, fair=fair) == pytest.approx(expected, abs=1e-8)
    total = 0.0
    n = outcome.size
    for i in range(n):
        for j in range(n):
            mean = sum(a * abs(x[i] - x[j]) ** 0.5 for a, x in zip(w, scenarios, strict=True))
            total += (abs(outcome[i] - outcome[j]) ** 0.5 - mean) ** 2
    assert variogram_score(scenarios, outcome, w) == pytest.approx(total, abs=1e-8)


def test_equal_weights_equal_scoringrules(scoringrules):
    rng = np.random.default_rng(2)
    scenarios, outcome = rng.normal(size=(40, 6)), rng.normal(size=6)
    assert energy_score(scenarios, outcome) == pytest.approx(
        float(scoringrules.es_ensemble(outcome, scenarios)), rel=1e-9
    )
    assert variogram_score(scenarios, outcome) == pytest.approx(
        float(scoringrules.vs_ensemble(outcome, scenarios, p=0.5)), rel=1e-9
    )


def test_functionals_by_hand():
    points = np.array([[1, 2, 3, 4, 5, 6, 7, 8], [8, 0, 0, 0, 0, 0, 0, -1]])
    np.testing.assert_array_equal(best_sum(points), [33, 8])
    assert best_sum(np.array([5, 4]), 6) == 9
    led = np.array([[10, 0, 5], [0, 0, 0]])
    np.testing.assert_array_equal(most_laps_led(led), [10, 0])
    np.testing.assert_array_equal(leaders(led), [2, 0])


def test_teammates_correlation_by_hand_and_under_independence():
    # finish 1..4, mean 2.5, variance 1.25; teammates 1, 2: (-1.5)(-.5) / 1.25 = .6
    # teammates 3, 4: (.5)(1.5) / 1.25 = .6; mean .6
    assert teammate_correlation(np.array([1, 2, 3, 4]), ["a", "a", "b", "b"]) == pytest.approx(0.6)
    assert np.isnan(teammate_correlation(np.array([1, 2]), ["a", None]))
    rng = np.random.default_rng(1)
    finish = np.argsort(rng.random((20_000, 8)), axis=1) + 1
    found = teammate_correlation(finish, ["a", "a", "b", "b", "c", "c", "d", "d"])
    assert found.mean() == pytest.approx(-1 / 7, abs=0.01)


def test_functionals_see_a_dependence_that_shuffled_margins_lose():
    rng = np.random.default_rng(3)
    common = rng.normal(size=(4000, 1))
    races = common + 0.3 * rng.normal(size=(4000, 10))
    shuffled = np.stack([rng.permutation(column) for column in races.T], axis=1)
    assert best_sum(races).std() > 1.8 * best_sum(shuffled).std()


def test_skill_by_hand_with_race_clustered_interval():
    scores, base, sizes = [1.0, 2.0], [2.0, 2.0], [10, 30]
    # weighted means: (10 + 60) / 40 = 1.75 against 2
    found = skill(scores, base, sizes, np.random.default_rng(0))
    assert found.value == pytest.approx(1 - 1.75 / 2)
    assert found.races == 2
    # both resamples of two equal races: skill between 0 (only race 2) and .5 (only race 1)
    assert found.lower == pytest.approx(0.0)
    assert found.upper == pytest.approx(0.5)
    difference = mean_difference(scores, base, sizes, np.random.default_rng(0))
    assert difference.value == pytest.approx(-0.25)


@pytest.mark.slow
def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(200):
        luck = rng.normal(size=60)
        base = 5 + luck
        ours = 4.5 + luck + rng.normal(0, 0.8, 60)
        found = mean_difference(ours, base, np.full(60, 38), resampled_races(60, rng, 400))
        hits += found.lower <= -0.5 <= found.upper
    assert 0.89 <= hits / 200 <= 0.99  # nominal .95; binomial sd .015


def test_seeded_intervals_repeat_and_bad_input_is_refused():
    a, b = np.array([1.0, 2, 3]), np.array([2.0, 2, 2])
    first, again = (skill(a, b, [1, 1, 1], np.random.default_rng(5)) for _ in range(2))
    assert first == again
    drawn = resampled_races(3, np.random.default_rng(5))
    assert (drawn.sum(axis=1) == 3).all()
    assert skill(a, b, [1, 1, 1], drawn) == first
    with pytest.raises(InputError, match="Resamples of 3 races, not of 2"):
        skill(a[:2], b[:2], [1, 1], drawn)
    with pytest.raises(InputError, match="no races"):
        skill([], [], [], np.random.default_rng(0))
    with pytest.raises(InputError, match="above 0"):
        skill([1.0], [0.0], [1], np.random.default_rng(0))
    with pytest.raises(InputError, match="race scores"):
        skill([1.0], [1.0], [1, 2], np.random.default_rng(0))


def test_clustered_mean_by_hand():
    # races of equal size: the plain mean and s / sqrt(R)
    found = clustered_mean([1.0, 2.0, 6.0], [5, 5, 5])
    assert found.value == pytest.approx(3.0)
    assert found.standard_error == pytest.approx(np.std([1, 2, 6], ddof=1) / np.sqrt(3))
    assert clustered_mean([4.0], [3]).standard_error is None
