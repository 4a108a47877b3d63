"""The outlook of a portfolio over contests: one row each, drawn from one seed."""

import numpy as np
import pytest

from nascar_assets.contest import Contest, payout_table, preset
from nascar_assets.contest.outlook import contest_outlook
from nascar_assets.lineups import PortfolioSettings
from nascar_assets_tests.lineups.slates import made_slate

SALARIES = [11_000 - 300 * i for i in range(18)]
POINTS = np.random.default_rng(3).integers(0, 1_500, (400, 18)).astype(np.int32)
LINEUPS = np.array([[6, 7, 8, 9, 10, 11], [5, 8, 9, 10, 11, 12], [7, 9, 10, 11, 12, 13]])


def test_every_preset_and_the_own_contest_have_a_row():
    everyone = payout_table([500] * 50, entries=50, entry_fee_cents=500, max_entries=2)
    own = Contest("money back", 50, 500, 2, everyone)
    table = contest_outlook(POINTS, made_slate(SALARIES), LINEUPS, seed=1, own=own)
    assert table["contest"].to_list() == ["cash", "single-entry", "20-max", "150-max", "money back"]
    assert table["own_entries"].to_list() == [1, 1, 3, 3, 2]
    assert table["entries"].to_list()[:2] == [
        preset("cash").entries,
        preset("single-entry").entries,
    ]
    # Everyone gets the fee back, whatever happens: nothing is won and nothing is uncertain.
    last = table.row(-1, named=True)
    assert (last["roi"], last["roi_se"], last["cash_rate"]) == (0.0, 0.0, 1.0)
    assert table["roi_se"][:4].to_list() != [0.0] * 4
    assert table["ownership_error"].max() < 1e-6


def test_better_lineups_earn_more_and_one_seed_gives_one_table():
    slate = made_slate(SALARIES)
    better = POINTS.copy()
    better[:, [6, 7, 8, 9, 10, 11]] += 300
    plain = contest_outlook(POINTS, slate, LINEUPS[:1], seed=1)
    lifted = contest_outlook(better, slate, LINEUPS[:1], seed=1)
    assert (lifted["cash_rate"] > plain["cash_rate"]).all()
    assert plain.equals(contest_outlook(POINTS, slate, LINEUPS[:1], seed=1))
    assert plain["roi"].to_list() == pytest.approx(
        (plain["profit_dollars"] / plain["entry_fee_dollars"]).to_list()
    )


def test_a_persons_own_ownerships_and_factors_count():
    slate = made_slate(SALARIES)
    plain = contest_outlook(POINTS, slate, LINEUPS, seed=1)
    names = [player.name for player in slate.players]
    # Rivals who play our drivers more enter our lineups more often.
    crowded = PortfolioSettings.from_mapping(
        {"drivers": {names[i]: {"ownership": 0.6} for i in (8, 9, 10)}}
    )
    both = contest_outlook(POINTS, slate, LINEUPS, seed=1, settings=crowded)
    assert (both["duplicates"][2:] > plain["duplicates"][2:]).all()
    faster = PortfolioSettings.from_mapping(
        {"drivers": {names[i]: {"points_multiplier": 1.3} for i in (8, 9, 10)}}
    )
    assert (
        contest_outlook(POINTS, slate, LINEUPS, seed=1, settings=faster)["cash_rate"]
        > plain["cash_rate"]
    ).all()
