"""Settlement: every cent of the pool paid, ties shared, own entries among the rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.contest import payout_table, returns_of, settle, settle_scores
from nascar_assets.contest.settlement import Settlement
from nascar_assets.errors import InputError

tables = st.lists(st.integers(0, 5_000), min_size=1, max_size=12).map(
    lambda prizes: payout_table(sorted(prizes, reverse=True))
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(tables, st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_prizes_paid_equal_the_pool_to_the_cent(table, scores):
    paid = settle_scores(np.array(scores), table)
    assert paid.sum() == table.prizes_cents[: len(scores)].sum()
    for a, first in zip(scores, paid, strict=True):
        for b, second in zip(scores, paid, strict=True):
            assert a <= b or first >= second
            # Equal scores win the same but for a cent that does not divide.
            assert a != b or abs(first - second) <= 1


def test_three_tied_for_second_share_three_prizes():
    table = payout_table([1_000, 500, 300, 101, 50])
    # 500 + 300 + 101 = 901 = 3 x 300 + 1: the odd cent goes to the first of the three.
    assert settle_scores(np.array([90, 80, 80, 80, 70]), table).tolist() == [
        1000,
        301,
        300,
        300,
        50,
    ]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    tables,
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.integers(0, 30),
    st.sampled_from([1, 2_800, 3_600, 50_000]),  # about as many scores as a quarter holds, and more
)
def test_own_entries_settle_as_in_one_contest_of_all(table, seed, own_count, rivals_count, unit):
    rng = np.random.default_rng(seed)
    points = rng.integers(-1, 3, (7, 8)) * unit
    draw = [np.sort(rng.permutation(8)[:3]) for _ in range(own_count + rivals_count)]
    own = np.array(draw[:own_count])
    rivals = np.array(draw[own_count:], int).reshape(-1, 3)
    settled = settle(points, own, rivals, table)
    everyone = np.concatenate([rivals, own])
    for s in range(7):
        scores = points[s][everyone].sum(axis=1)
        assert settled.cents[s].tolist() == settle_scores(scores, table)[rivals_count:].tolist()
        mine = scores[rivals_count:]
        assert settled.place[s].tolist() == [(scores > v).sum() + 1 for v in mine]
        assert settled.level[s].tolist() == [(scores == v).sum() for v in mine]


def test_own_entries_push_each_other_down():
    # One driver a lineup; own entries beat the rival and share 1st and 2nd between them.
    points = np.array([[10, 5, 1]])
    table = payout_table([100, 60, 10])
    settled = settle(points, np.array([[0], [1]]), np.array([[2]]), table)
    assert settled.cents.tolist() == [[100, 60]]


def test_returns_are_profits_per_dollar_of_fees_in_each_scenario():
    settled = Settlement(
        cents=np.array([[300, 0], [0, 0]]),
        place=np.array([[1, 7], [5, 200]], np.int32),
        level=np.ones((2, 2), np.int32),
        entries=200,
    )
    found = returns_of(settled, 100)
    # Profits of +1.00 and -2.00 dollars on 2.00 spent: +50% and -100%.
    assert found.tolist() == pytest.approx([0.5, -1.0])


def test_more_entries_than_the_contest_takes_are_refused():
    with pytest.raises(InputError, match="3 entries, but the contest takes 2"):
        settle(
            np.ones((1, 3), int),
            np.array([[0]]),
            np.array([[1], [2]]),
            payout_table([1], entries=2),
        )


def test_a_fee_of_nothing_is_refused():
    settled = Settlement(
        np.zeros((1, 1), int), np.ones((1, 1), np.int32), np.ones((1, 1), np.int32), 1
    )
    with pytest.raises(InputError, match="fee"):
        returns_of(settled, 0)
