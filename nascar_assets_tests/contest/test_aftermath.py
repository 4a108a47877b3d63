"""A portfolio after its contest: own entries found, forecast beside outcome."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nascar_assets.contest import (
    Contest,
    Standings,
    contest_aftermath,
    expected_field,
    payout_table,
)
from nascar_assets.contest.outlook import contest_outlook
from nascar_assets.lineups import Estimate
from nascar_assets.lineups.ownership import CASH_CHOICE_SCALE
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate

SALARIES = made_salaries(14, 3)
SLATE = made_slate(SALARIES)
POINTS = made_points(SALARIES, 400, 3)
UNSEEN = made_points(SALARIES, 410, 4)
FIELD = expected_field(POINTS.mean(axis=0) / 20, np.array(SALARIES), 50_000, 6)
RIVALS = FIELD.sample(200, np.random.default_rng(5))
OWN = np.unique(np.sort(FIELD.sample(30, np.random.default_rng(6)), axis=1), axis=0)[:3]
TABLE = payout_table([20_000, 10_000, *[500] * 30], entries=202, entry_fee_cents=200)


def standings(own, outcome=0):
    """Own lineups first, in a contest that came out as one of the scenarios."""
    lineups = np.concatenate([own, RIVALS]).astype(np.int32)
    points = POINTS[outcome][lineups].sum(axis=1) / 20
    return Standings(
        rank=np.array([1 + (points > p).sum() for p in points], np.int32),
        entry_ids=tuple(str(i) for i in range(len(lineups))),
        entry_names=tuple(f"e{i}" for i in range(len(lineups))),
        points=points,
        lineups=lineups,
        ownership=np.bincount(lineups.ravel(), minlength=14) / len(lineups),
        driver_points=POINTS[outcome] / 20,
    )


def aftermath(own, read, **more):
    """What it came to, the forecast on races that were not those of the projections."""
    return contest_aftermath(POINTS, SLATE, own, read, **{"unseen": lambda: UNSEEN, **more})


def test_entered_lineups_are_found_settled_and_forecast():
    read = standings(OWN[:2])
    after = aftermath(OWN, read, payouts=TABLE)
    held = [sorted(row) for row in read.lineups.tolist()]
    entered = [n for n, row in enumerate(OWN.tolist(), start=1) if row in held]
    assert after.entered == tuple(entered)
    assert after.entered_by == tuple(held.count(OWN[n - 1].tolist()) for n in entered)
    # Prizes by hand: everybody level with a lineup shares the places that they take together.
    prizes = np.concatenate([TABLE.prizes_cents, np.zeros(300, int)])
    won = []
    for number in entered:
        score = POINTS[0][OWN[number - 1]].sum() / 20
        above, level = (read.points > score).sum(), (read.points == score).sum()
        won.append(prizes[above : above + level].sum() / level)
    assert after.review.realised_cents == pytest.approx(np.array(won), abs=1)
    fees = 200 * len(entered)
    assert after.review.realised_roi == pytest.approx((sum(won) - fees) / fees, abs=0.01)
    assert after.review.simulated is not None
    assert math.isfinite(after.review.simulated.value)
    assert after.review.ownership_mae == pytest.approx(
        np.abs(FIELD.ownership - read.ownership).mean(), abs=1e-6
    )


def test_lineups_that_were_not_entered_are_counted_and_told():
    entered = {tuple(sorted(row)) for row in RIVALS.tolist()}
    drawn = np.sort(FIELD.sample(300, np.random.default_rng(7)), axis=1).tolist()
    absent = np.array([next(row for row in drawn if tuple(row) not in entered)])
    after = aftermath(absent, standings(OWN[:0]), payouts=TABLE)
    assert after.entered == ()
    assert "1 of the 1 lineups are not in the standings" in after.notices[0]
    assert after.review.simulated is None
    assert math.isnan(after.review.realised_roi)
    assert after.review.drivers["exposure"].sum() == 0


def test_without_a_payout_table_ownership_and_costs_are_compared_alone():
    after = aftermath(OWN, standings(OWN))
    assert "No payout table" in after.notices[-1]
    assert after.review.realised_cents.shape == (0,)
    assert after.entered == (1, 2, 3)
    projected = POINTS.mean(axis=0) / 20
    exposure = np.bincount(OWN.ravel(), minlength=14) / 3
    expected = dict(
        zip(
            [player.name for player in SLATE.players],
            exposure * (POINTS[0] / 20 - projected),
            strict=True,
        )
    )
    costs = dict(after.review.drivers.select("name", "cost_points").iter_rows())
    assert costs == pytest.approx(expected)


def test_a_given_ownership_is_the_one_that_is_compared():
    name = SLATE.players[4].name
    asked = {"drivers": {name: {"ownership": 0.6}}}
    after = aftermath(OWN, standings(OWN), settings=asked)
    shares = dict(after.review.drivers.select("name", "expected_ownership").iter_rows())
    assert shares[name] == pytest.approx(0.6, abs=1e-4)


def test_a_cash_game_is_compared_with_its_own_field():
    table = payout_table([400] * 90, entries=203, entry_fee_cents=200)
    after = aftermath(OWN, standings(OWN), payouts=table)
    means = POINTS.mean(axis=0) / 20
    cash = expected_field(means, np.array(SALARIES), 50_000, 6, choice_scale=CASH_CHOICE_SCALE)
    shares = dict(after.review.drivers.select("name", "expected_ownership").iter_rows())
    names = [player.name for player in SLATE.players]
    assert shares == pytest.approx(dict(zip(names, cash.ownership, strict=True)), abs=1e-6)


def test_the_forecast_return_is_of_races_that_the_lineups_were_not_chosen_on():
    """With the same lineups among as many entries it is what the contest's forecast said."""
    prizes = payout_table([*TABLE.prizes_cents], entries=203, entry_fee_cents=200)
    contest = Contest("pay", 203, 200, 3, prizes)
    table = contest_outlook(UNSEEN, SLATE, OWN, seed=1, own=contest, projected=POINTS)
    row = table.row(-1, named=True)
    read = standings(OWN)
    forecast = aftermath(OWN, read, payouts=prizes).review.simulated
    assert forecast is not None
    assert forecast.value == pytest.approx(row["roi"])
    assert forecast.standard_error == pytest.approx(row["roi_se"])
    said = {**row, "roi": 0.5, "roi_se": 0.1}
    assert aftermath(OWN, read, payouts=prizes, said=said).review.simulated == Estimate(0.5, 0.1)
    for other in ({"entries": 500}, {"own_entries": 2}):
        after = aftermath(OWN, read, payouts=prizes, said={**said, **other})
        assert after.review.simulated == forecast
