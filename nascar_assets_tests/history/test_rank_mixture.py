"""Ranks without laps: draws against their distribution, and a fit that finds the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from benchmarks.rank_mixture import (
    START_MIXTURES,
    RankedRace,
    fit_mixtures,
    rank_distribution,
    ranked_probability_score,
    sample_ranks,
)
from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.history.levels_ranks import RankMixture


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-4, 4), min_size=1, max_size=50),
    st.sampled_from(TRACK_TYPES),
    st.integers(0, 2**32 - 1),
)
def test_sampled_orders_are_permutations(levels, kind, seed):
    ranks = sample_ranks(np.array(levels), kind, 20, np.random.default_rng(seed))
    assert ranks.shape == (20, len(levels))
    assert (np.sort(ranks, axis=1) == np.arange(1, len(levels) + 1)).all()
    again = sample_ranks(np.array(levels), kind, 20, np.random.default_rng(seed))
    assert (ranks == again).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1.2, 1.2), min_size=2, max_size=45), st.sampled_from(TRACK_TYPES))
def test_the_distribution_is_one_and_orders_cars_by_level(levels, kind):
    values = np.sort(np.array(levels))[::-1]
    table = rank_distribution(values, kind)
    assert (np.diff(table, axis=1) >= -1e-12).all()
    assert (table >= 0).all()
    np.testing.assert_array_equal(table[:, -1], 1.0)
    expected = (1.0 - table).sum(axis=1)
    assert (np.diff(expected) > -1e-6).all()  # at levels far outside, the skew can turn two cars


def test_samples_follow_the_distribution():
    # Chi-square over 38 ranks of three cars at the level .001 each: one false failure in 333 seeds;
    # the seed is fixed. The normal approximation of the count ahead shifts a probability by up to
    # about .0005, which 20,000 draws do not see.
    levels = np.linspace(1.5, -1.5, 38)
    n = 20_000
    ranks = sample_ranks(levels, "short", n, np.random.default_rng(11))
    table = np.diff(rank_distribution(levels, "short"), axis=1, prepend=0.0)
    for car in (5, 19, 30):
        counts = np.bincount(ranks[:, car], minlength=39)[1:].astype(float)
        expected = n * table[car]
        few = expected < 20
        seen = np.r_[counts[~few], counts[few].sum()]
        meant = np.r_[expected[~few], expected[few].sum()]
        keep = meant > 0
        assert chisquare(seen[keep], meant[keep] * seen.sum() / meant.sum()).pvalue > 0.001


def test_levels_that_are_no_numbers_are_refused():
    with pytest.raises(InputError, match="finite"):
        sample_ranks(np.array([0.0, np.nan]), "road", 5, np.random.default_rng(0))
    with pytest.raises(InputError, match="dirt"):
        rank_distribution(np.array([0.0, 1.0]), "dirt")


def test_ranked_probability_score_by_hand():
    # Car 1 (finish 1): (.6 - 1)^2 + 0 = .16; car 2 (finish 2): (.4 - 0)^2 + 0 = .16; mean .16.
    table = np.array([[0.6, 1.0], [0.4, 1.0]])
    assert ranked_probability_score(table, np.array([1, 2])) == pytest.approx(0.16)


@pytest.mark.slow
def test_a_fit_scores_better_and_finds_what_made_the_races():
    truth = RankMixture(2.2, 0.5, 0.08)
    rng = np.random.default_rng(2)
    races = []
    for _ in range(30):
        levels = 0.8 * rng.standard_normal(30)
        finish = sample_ranks(levels, "road", 1, rng, mixtures={"road": truth})[0]
        races.append(RankedRace("road", levels, finish.astype(np.int64)))
    fitted = fit_mixtures(races)

    def score(mixtures):
        return np.mean(
            [
                ranked_probability_score(
                    rank_distribution(race.levels, "road", mixtures=mixtures), race.finish
                )
                for race in races
            ]
        )

    start, best, true = score(START_MIXTURES), score(fitted), score({"road": truth})
    assert best < start - 0.1
    assert best < true + 0.02
    assert fitted["road"].k / fitted["road"].s > 3.0  # truth 4.4, start 2.0
    assert fitted["road"].pi < 0.16  # truth .08, start .21
    for name in ("k", "s", "pi"):  # types without races keep their own
        assert getattr(fitted["short"], name) == pytest.approx(
            getattr(START_MIXTURES["short"], name)
        )


def test_without_races_a_fit_stays_at_its_start():
    for kind, mixture in fit_mixtures([]).items():
        for name in RankMixture.__slots__:
            assert getattr(mixture, name) == pytest.approx(getattr(START_MIXTURES[kind], name))
