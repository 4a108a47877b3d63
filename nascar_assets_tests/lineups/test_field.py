"""The field: a distribution over every legal lineup with the ownerships asked for."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.lineups import expected_field, fit_field
from nascar_assets_tests.lineups.slates import made_salaries

SALARIES = np.array(made_salaries(12, 3))
LEGAL = np.array([c for c in combinations(range(12), 6) if SALARIES[list(c)].sum() <= 50_000])


def shares(weights):
    """Ownerships of some distribution over legal lineups, which therefore can be met."""
    weights = weights / weights.sum()
    out = np.zeros(12)
    for lineup, weight in zip(LEGAL, weights, strict=True):
        out[lineup] += weight
    return out


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3.0))
def test_ownerships_that_can_be_met_are_met(seed, spread):
    wanted = shares(np.random.default_rng(seed).lognormal(0, spread, LEGAL.shape[0]))
    field = fit_field(wanted, SALARIES, 50_000, 6)
    assert field.error < 1e-4
    assert np.abs(field.ownership - wanted).max() == field.error


def test_probabilities_are_of_legal_lineups_and_add_up():
    wanted = shares(np.random.default_rng(1).lognormal(0, 1, LEGAL.shape[0]))
    field = fit_field(wanted, SALARIES, 50_000, 6)
    probability = field.probability(LEGAL)
    assert probability.sum() == pytest.approx(1.0)
    assert shares(probability) == pytest.approx(wanted, abs=1e-5)
    over = np.array([c for c in combinations(range(12), 6) if SALARIES[list(c)].sum() > 50_000])
    assert (field.probability(over) == 0).all()
    assert field.expected_duplicates(LEGAL[:3], 1000) == pytest.approx(1000 * probability[:3])


def test_it_is_the_distribution_of_largest_entropy_given_the_prior():
    # Any other distribution with the same ownerships has a larger divergence from the prior.
    rng = np.random.default_rng(2)
    other = rng.lognormal(0, 1, LEGAL.shape[0])
    other /= other.sum()
    field = fit_field(shares(other), SALARIES, 50_000, 6)
    left = 50_000 - SALARIES[LEGAL].sum(axis=1)
    prior = np.exp(-left / field.salary_left)
    prior /= prior.sum()
    mine = field.probability(LEGAL)

    def divergence(p):
        return float((p * np.log(p / prior)).sum())

    assert divergence(mine) < divergence(other)


def test_samples_are_legal_and_follow_the_probabilities():
    wanted = shares(np.random.default_rng(3).lognormal(0, 1, LEGAL.shape[0]))
    field = fit_field(wanted, SALARIES, 50_000, 6)
    sample = field.sample(40_000, np.random.default_rng(0))
    assert (np.diff(sample, axis=1) > 0).all()
    assert SALARIES[sample].sum(axis=1).max() <= 50_000
    count = np.bincount(sample.ravel(), minlength=12) / 40_000
    # Five standard errors of a share: a false alarm about once in 100,000 runs of twelve.
    assert np.abs(count - wanted).max() < 5 * np.sqrt(0.25 / 40_000)
    keys, counts = np.unique(sample, axis=0, return_counts=True)
    expected = field.expected_duplicates(keys, 40_000)
    often = expected > 50
    chi = ((counts[often] - expected[often]) ** 2 / expected[often]).mean()
    assert 0.6 < chi < 1.5


def test_ownerships_that_the_cap_forbids_are_reported_as_missed():
    wanted = np.zeros(12)
    wanted[:6] = 1.0
    wanted = 0.9 * wanted + 0.1 * 0.5
    assert (wanted * SALARIES).sum() > 50_000
    field = fit_field(wanted, SALARIES, 50_000, 6)
    assert field.error > 0.05


def test_expected_ownership_adds_up_and_follows_projections():
    mean = np.linspace(20, 60, 12)
    field = expected_field(mean, np.full(12, 8_000), 50_000, 6)
    assert field.ownership.sum() == pytest.approx(6.0)
    assert (np.diff(field.ownership) > 0).all()


def test_the_same_shares_of_another_cap_are_owned_alike():
    """A site that counts in other money: what is left counts as a share of its cap."""
    mean, prices = np.linspace(20, 60, 12), SALARIES // 500
    small = expected_field(mean, prices, 100, 6)
    large = expected_field(mean, prices * 500, 50_000, 6)
    assert small.ownership == pytest.approx(large.ownership)
    assert small.probability(LEGAL) == pytest.approx(large.probability(LEGAL))


def test_given_ownerships_hold_and_absent_drivers_have_none():
    given_ = np.full(12, np.nan)
    given_[2] = 0.7
    racing = np.ones(12, bool)
    racing[5] = False
    field = expected_field(
        np.linspace(40, 60, 12), SALARIES, 50_000, 6, given=given_, racing=racing
    )
    assert field.ownership[2] == pytest.approx(0.7, abs=1e-5)
    assert field.ownership[5] == 0.0
    assert field.ownership.sum() == pytest.approx(6.0)


@pytest.mark.parametrize("wanted", [np.full(12, 0.4), np.array([1.5, *[4.5 / 11] * 11])])
def test_shares_that_are_none_are_refused(wanted):
    with pytest.raises(InputError, match="add up"):
        fit_field(wanted, SALARIES, 50_000, 6)
