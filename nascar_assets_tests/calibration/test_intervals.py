"""Coverage, intervals and PIT of discrete forecasts."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nascar_assets.calibration.metrics_intervals import (
    central_coverage,
    central_intervals,
    ensemble_quantiles,
    inside_share,
    pit_bounds,
    pit_histogram,
)

MEMBERS = hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(-5, 5))


@pytest.mark.slow
@given(members=MEMBERS, outcome=st.integers(-6, 6))
def test_bounds_are_the_distribution_function_below_and_at_the_outcome(members, outcome):
    lower, upper = pit_bounds(members, outcome, exchangeable=False)
    m = members.size
    assert float(lower) == pytest.approx(sum(x < outcome for x in members) / m)
    assert float(upper) == pytest.approx(sum(x <= outcome for x in members) / m)
    low, high = pit_bounds(members, outcome)
    assert float(low) == pytest.approx(sum(x < outcome for x in members) / (m + 1))
    assert float(high) == pytest.approx((sum(x <= outcome for x in members) + 1) / (m + 1))


@pytest.mark.slow
@given(members=MEMBERS, outcome=st.integers(-6, 6), data=st.data())
def test_weights_count_like_repeated_members(members, outcome, data):
    repeats = np.array(
        data.draw(st.lists(st.integers(1, 4), min_size=members.size, max_size=members.size))
    )
    repeated = np.repeat(members, repeats)
    for found, expected in zip(
        pit_bounds(members, outcome, repeats, exchangeable=False),
        pit_bounds(repeated, outcome, exchangeable=False),
        strict=True,
    ):
        assert float(found) == pytest.approx(float(expected))
    p = np.array([0.025, 0.1, 0.25, 0.5, 0.9, 1.0])
    np.testing.assert_array_equal(
        ensemble_quantiles(members, p, repeats), ensemble_quantiles(repeated, p)
    )


@pytest.mark.slow
@given(members=MEMBERS)
def test_quantiles_invert_the_distribution_function(members):
    p = np.array([0.01, 0.1, 0.3, 0.5, 0.75, 0.99])
    expected = np.quantile(members, p, method="inverted_cdf")
    np.testing.assert_array_equal(ensemble_quantiles(members, p), expected)


def test_an_outcome_drawn_like_the_members_has_exactly_uniform_pit_at_any_size():
    rng = np.random.default_rng(5)
    draws = rng.integers(1, 6, (20, 60_000))  # 19 members and the outcome, alike
    lower, upper = pit_bounds(draws[1:], draws[0])
    pit = lower + np.random.default_rng(6).random(lower.shape) * (upper - lower)
    # Kolmogorov-Smirnov at n = 60,000: 0.0083 is passed by chance once in 1,000
    distance = np.abs(np.sort(pit) - (np.arange(pit.size) + 0.5) / pit.size).max()
    assert distance < 0.0083
    for level in (0.5, 0.8, 0.95):
        covered = central_coverage(lower, upper, level)
        assert covered.mean() == pytest.approx(level, abs=0.006)
        tail = (1 - level) / 2
        drawn = ((pit > tail) & (pit <= 1 - tail)).mean()
        assert drawn == pytest.approx(covered.mean(), abs=0.008)


def test_whole_intervals_of_a_discrete_forecast_cover_too_much_and_the_pit_does_not():
    rng = np.random.default_rng(9)
    draws = rng.integers(1, 5, (201, 5_000))
    interval = central_intervals(draws[1:], draws[0], (0.6,))[0]
    assert interval.covered.mean() > 0.9  # ends at 1 and 4: everything
    lower, upper = pit_bounds(draws[1:], draws[0])
    assert central_coverage(lower, upper, 0.6).mean() == pytest.approx(0.6, abs=0.02)


def test_non_random_pit_histogram_by_hand():
    # one outcome with mass spread over [0.2, 0.6]: bins of 0.25 get 0.05, 0.25, 0.10, 0 of 0.4
    shares = pit_histogram(np.array([0.2]), np.array([0.6]), bins=4)
    np.testing.assert_allclose(shares, [0.125, 0.625, 0.25, 0.0])
    # two outcomes weighted 3 to 1, the second a point mass at 0.9
    shares = pit_histogram(np.array([0.2, 0.9]), np.array([0.6, 0.9]), 4, [3, 1])
    np.testing.assert_allclose(shares, [0.09375, 0.46875, 0.1875, 0.25])


@pytest.mark.slow
@given(
    lower=hnp.arrays(np.float64, 6, elements=st.floats(0, 0.6)),
    width=hnp.arrays(np.float64, 6, elements=st.floats(0, 0.4)),
    bins=st.integers(1, 13),
)
def test_histogram_sums_to_one(lower, width, bins):
    shares = pit_histogram(lower, np.minimum(lower + width, 1.0), bins)
    assert shares.sum() == pytest.approx(1.0)
    assert (shares >= -1e-12).all()


def test_point_masses_fall_in_one_cell_only():
    edges = np.linspace(0, 1, 5)
    for value in (0.0, 0.25, 0.3, 1.0):
        cells = [
            float(inside_share(np.array(value), np.array(value), a, b))
            for a, b in itertools.pairwise(edges)
        ]
        assert sum(cells) == 1.0


def test_interval_score_by_hand_and_against_scoringrules(scoringrules):
    members = np.arange(1.0, 21.0)
    # 80%: tails of 10%: ends are members 2 and 18; outcome 20 lies 2 outside: 16 + 10 * 2
    found = central_intervals(members, 20.0, (0.8,))[0]
    assert (float(found.lower), float(found.upper)) == (2.0, 18.0)
    assert float(found.width) == 16.0
    assert float(found.score) == pytest.approx(36.0)
    theirs = scoringrules.interval_score(20.0, 2.0, 18.0, 0.2)
    assert float(found.score) == pytest.approx(float(theirs))
    assert not bool(found.covered)
