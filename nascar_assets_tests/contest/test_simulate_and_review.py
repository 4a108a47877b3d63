"""A portfolio in a contest, before and after the race."""

from __future__ import annotations

import numpy as np
import pytest

from nascar_assets.contest import (
    Contest,
    Standings,
    expected_field,
    forecast_contest,
    payout_table,
    preset,
    review_contest,
)
from nascar_assets.contest.simulate import estimate
from nascar_assets.errors import InputError
from nascar_assets.lineups import Estimate, build_portfolio
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate

SALARIES = made_salaries(16, 4)
SLATE = made_slate(SALARIES)
POINTS = made_points(SALARIES, 300, 4)
FIELD = expected_field(POINTS.mean(axis=0) / 20, np.array(SALARIES), 50_000, 6)


def rng():
    return np.random.default_rng(12)


def test_entries_like_the_fields_lose_about_the_rake():
    contest = preset("20-max", entries=1_000)
    own = FIELD.sample(20, np.random.default_rng(3))
    result = estimate(forecast_contest(POINTS, own, contest, [FIELD], rng()))
    assert abs(result.value + 0.15) < 5 * result.standard_error


def test_more_lineups_than_a_person_may_enter_are_refused():
    with pytest.raises(InputError, match="1 entries of one person"):
        forecast_contest(POINTS, FIELD.sample(2, rng()), preset("cash"), [FIELD], rng())


@pytest.mark.slow
def test_a_portfolio_for_a_payout_wins_more_than_the_fields_lineups():
    contest = preset("20-max", entries=500)
    portfolio = build_portfolio(
        POINTS,
        SLATE,
        {"objective": "payout", "lineups": 20},
        field=FIELD.sample(480, rng()),
        prizes_cents=contest.payouts.prizes_cents,
    )
    mine = forecast_contest(POINTS, portfolio.drivers, contest, [FIELD], rng())
    theirs = forecast_contest(POINTS, FIELD.sample(20, rng()), contest, [FIELD], rng())
    assert mine.mean() > theirs.mean()


def test_a_review_settles_the_standings_and_says_who_cost_what():
    slate = made_slate([8_000] * 7)
    lineups = np.array([[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 6], [1, 2, 3, 4, 5, 6]], np.int32)
    driver_points = np.array([60.0, 10, 10, 10, 10, 10, 40])
    standings = Standings(
        rank=np.array([1, 2, 3], np.int32),
        entry_ids=("1", "2", "3"),
        entry_names=("a", "b", "c"),
        points=np.array([140.0, 110.0, 90.0]),
        lineups=lineups[[1, 0, 2]],
        ownership=np.array([2, 3, 3, 3, 3, 2, 2]) / 3,
        driver_points=driver_points,
    )
    contest = Contest("three", 3, 100, 1, payout_table([200, 50]))
    projected = np.full(7, 20.0)
    expected = np.full(7, 6 / 7)
    review = review_contest(
        slate, standings, lineups[:1], contest, Estimate(0.5, 0.1), expected, projected, 2.0
    )
    # The own lineup is second of three: 50 cents for a fee of 100.
    assert review.realised_cents.tolist() == [50]
    assert review.realised_place.tolist() == [2]
    assert review.realised_roi == pytest.approx(-0.5)
    assert review.roi_in_errors == pytest.approx(-0.5)
    rows = {row["name"]: row for row in review.drivers.iter_rows(named=True)}
    # Driver 0: all lineups hold him, 60 points against 20 projected: +40 points a lineup.
    assert rows["Driver AA"]["cost_points"] == pytest.approx(40)
    assert rows["Driver AB"]["cost_points"] == pytest.approx(-10)
    # The field's mean driver: (2/3 60 + 4 x 10 + 2/3 10 + 2/3 40) / 6 = 113.33 / 6 = 18.89.
    # Driver 6: exposure 0 against 2/3, 40 against 18.89: -14.07 points a lineup.
    assert rows["Driver AG"]["leverage_points"] == pytest.approx(-2 / 3 * (40 - 113.3333333 / 6))
    # |6/7 - 2/3| three times and |6/7 - 1| four times, over seven.
    assert review.ownership_mae == pytest.approx((3 * abs(6 / 7 - 2 / 3) + 4 / 7) / 7)


def test_a_lineup_that_was_not_entered_is_named():
    slate = made_slate([8_000] * 7)
    standings = Standings(
        rank=np.array([1], np.int32),
        entry_ids=("1",),
        entry_names=("a",),
        points=np.array([1.0]),
        lineups=np.array([[0, 1, 2, 3, 4, 5]], np.int32),
        ownership=np.full(7, np.nan),
        driver_points=np.full(7, np.nan),
    )
    contest = preset("cash")
    with pytest.raises(InputError, match=r"lineup 1 .*not in the standings"):
        review_contest(
            slate, standings, np.array([[1, 2, 3, 4, 5, 6]]), contest, None,
            np.zeros(7), np.zeros(7),
        )  # fmt: skip
