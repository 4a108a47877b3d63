"""Brier score with CORP decomposition; log scores."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.calibration.metrics_crps import crps_ensemble
from nascar_assets.calibration.metrics_intervals import central_intervals
from nascar_assets.calibration.metrics_joint import energy_score, variogram_score
from nascar_assets.calibration.metrics_log import kernel_log_score, rank_log_score
from nascar_assets.calibration.metrics_probability import brier_score, corp_decomposition
from nascar_assets.errors import InputError

FORECASTS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()),
    min_size=1,
    max_size=20,
)


def brute_isotonic(p, y):
    """Best non-decreasing fit by the min-max formula over pooled groups."""
    values = np.unique(p)
    sums = [y[p == v].sum() for v in values]
    sizes = [(p == v).sum() for v in values]
    fit = [
        max(
            min(sum(sums[a : b + 1]) / sum(sizes[a : b + 1]) for b in range(i, len(values)))
            for a in range(i + 1)
        )
        for i in range(len(values))
    ]
    return np.array([fit[list(values).index(x)] for x in p])


@pytest.mark.slow
@given(FORECASTS)
def test_decomposition_equals_its_definition(rows):
    p = np.array([row[0] for row in rows])
    y = np.array([float(row[1]) for row in rows])
    found = corp_decomposition(p, y)
    best = brute_isotonic(p, y)
    brier, recalibrated = ((p - y) ** 2).mean(), ((best - y) ** 2).mean()
    climate = ((y.mean() - y) ** 2).mean()
    assert found.brier == pytest.approx(brier, abs=1e-12)
    assert found.miscalibration == pytest.approx(brier - recalibrated, abs=1e-12)
    assert found.discrimination == pytest.approx(climate - recalibrated, abs=1e-12)
    assert found.uncertainty == pytest.approx(climate, abs=1e-12)
    assert found.miscalibration >= -1e-12
    assert found.discrimination >= -1e-12


@pytest.mark.slow
@given(FORECASTS, st.randoms(use_true_random=False))
def test_order_of_tied_forecasts_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    first, second = (
        corp_decomposition([r[0] for r in order], [float(r[1]) for r in order])
        for order in (rows, shuffled)
    )
    assert first.miscalibration == pytest.approx(second.miscalibration, abs=1e-12)
    np.testing.assert_allclose(first.recalibrated, second.recalibrated)


def test_decomposition_by_hand():
    # p = .2 (events 1, 0), p = .8 (events 0, 1, 1): frequencies 1/2 and 2/3 are in order
    p, y = [0.2, 0.2, 0.8, 0.8, 0.8], [1, 0, 0, 1, 1]
    found = corp_decomposition(p, y)
    assert found.brier == pytest.approx((0.64 + 0.04 + 0.64 + 0.04 + 0.04) / 5)
    recalibrated = (0.25 * 2 + (4 + 1 + 1) / 9) / 5
    assert found.miscalibration == pytest.approx(0.28 - recalibrated)
    assert found.uncertainty == pytest.approx(0.6 * 0.4)
    np.testing.assert_allclose(found.recalibrated, [1 / 2, 2 / 3])


def test_weights_count_like_repeats():
    p, y, w = [0.1, 0.4, 0.4, 0.7], [0, 1, 0, 1], [1, 3, 2, 2]
    weighted = corp_decomposition(p, y, w)
    repeated = corp_decomposition(np.repeat(p, w), np.repeat(y, w))
    assert weighted.miscalibration == pytest.approx(repeated.miscalibration)
    assert weighted.discrimination == pytest.approx(repeated.discrimination)


def test_brier_equals_scoringrules_and_refuses_what_is_no_probability(scoringrules):
    rng = np.random.default_rng(1)
    p, y = rng.random(30), rng.integers(0, 2, 30)
    np.testing.assert_allclose(brier_score(p, y), scoringrules.brier_score(y, p))
    with pytest.raises(InputError, match="outside"):
        brier_score([1.2], [1])
    with pytest.raises(InputError, match="no forecasts"):
        corp_decomposition([], [])


def test_rank_log_score_by_hand():
    # 4 scenarios, 3 places; driver 1 took place 2, which 1 scenario gave: (1 + .5) / (4 + 1.5)
    finish = np.array([[1, 2, 3], [1, 3, 2], [2, 1, 3], [1, 2, 3]])
    found = rank_log_score(finish, np.array([2, 1, 3]))
    np.testing.assert_allclose(found, -np.log([1.5 / 5.5, 1.5 / 5.5, 3.5 / 5.5]))


def test_rank_probabilities_of_all_places_sum_to_one():
    finish = np.array(list(itertools.permutations(range(1, 5))))[:7]
    total = sum(np.exp(-rank_log_score(finish, np.full(4, place))) for place in range(1, 5))
    np.testing.assert_allclose(total, 1.0)


def test_weighted_rank_log_score_counts_effective_scenarios():
    finish = np.array([[1, 2], [2, 1], [2, 1]])
    # weights .5, .25, .25: effective 1 / .375 = 8/3; place 1 of driver 1 has weight .5
    found = rank_log_score(finish, np.array([1, 2]), [2, 1, 1])
    expected = -np.log((0.5 * 8 / 3 + 0.5) / (8 / 3 + 1))
    np.testing.assert_allclose(found, expected)
    with pytest.raises(InputError, match="outside"):
        rank_log_score(finish, np.array([3, 1]))


def test_kernel_log_score_against_scoringrules(scoringrules):
    rng = np.random.default_rng(4)
    members, outcome = rng.normal(size=(200, 5)), rng.normal(size=5)
    theirs = scoringrules.logs_ensemble(outcome, members, m_axis=0)
    np.testing.assert_allclose(kernel_log_score(members, outcome), theirs, rtol=0.02)
    assert np.isnan(kernel_log_score(np.ones((5, 1)), np.ones(1))).all()


def test_scores_of_unsigned_integers_are_those_of_others():
    rng = np.random.default_rng(5)
    members, outcome = rng.integers(0, 60, (200, 5)), rng.integers(0, 60, 5)
    small = members.astype(np.uint8), outcome.astype(np.uint8)
    for score in (kernel_log_score, crps_ensemble, energy_score, variogram_score):
        np.testing.assert_allclose(score(*small), score(members, outcome))
    for mine, theirs in zip(
        central_intervals(*small), central_intervals(members, outcome), strict=True
    ):
        np.testing.assert_array_equal(mine.score, theirs.score)
