"""The outlook of a portfolio over contests: one row each, drawn from one seed."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.contest import Contest, payout_table, preset
from nascar_assets.contest.outlook import (
    VALUE,
    Fields,
    contest_outlook,
    lineup_values,
    moved_roi,
    whole_cents,
)
from nascar_assets.contest.settlement import settle
from nascar_assets.contest.simulate import PARTS
from nascar_assets.lineups import PortfolioSettings
from nascar_assets.lineups.field import utility_field
from nascar_assets.lineups.projection import project
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate

SALARIES = [11_000 - 300 * i for i in range(18)]
POINTS = np.random.default_rng(3).integers(0, 1_500, (400, 18)).astype(np.int32)
LINEUPS = np.array([[6, 7, 8, 9, 10, 11], [5, 8, 9, 10, 11, 12], [7, 9, 10, 11, 12, 13]])


@pytest.mark.slow
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


@pytest.mark.slow
def test_better_lineups_earn_more_and_one_seed_gives_one_table():
    slate = made_slate(SALARIES)
    better = POINTS.copy()
    better[:, [6, 7, 8, 9, 10, 11]] += 300
    plain = contest_outlook(POINTS, slate, LINEUPS[:1], seed=1)
    lifted = contest_outlook(better, slate, LINEUPS[:1], seed=1)
    assert (lifted["cash_rate"] > plain["cash_rate"]).all()
    assert plain.equals(contest_outlook(POINTS, slate, LINEUPS[:1], seed=1))
    # Profits are whole cents, returns are not.
    assert (plain["roi"] * plain["entry_fee_dollars"]).to_list() == pytest.approx(
        plain["profit_dollars"].to_list(), abs=0.005001
    )


@pytest.mark.slow
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
    own = contest_outlook(POINTS, slate, LINEUPS, seed=1, settings=faster)
    assert (own["cash_rate"] > plain["cash_rate"]).all()
    assert own["duplicates"].to_list() == plain["duplicates"].to_list()  # rivals do not know them


@pytest.mark.slow
def test_lineups_add_up_to_the_set_to_the_cent_and_every_part_counts_once():
    table = contest_outlook(POINTS, made_slate(SALARIES), LINEUPS, seed=1)
    for row in table.iter_rows(named=True):
        own = row["lineups"]
        assert sum(round(100 * one["won_dollars"]) for one in own) == round(
            100 * row["won_dollars"]
        )
        fees = row["own_entries"] * row["entry_fee_dollars"]
        assert row["profit_dollars"] == pytest.approx(row["won_dollars"] - fees)
        assert row["roi"] == pytest.approx(np.mean([one["roi"] for one in own]))
        assert row["cash_rate"] == pytest.approx(np.mean([one["cash_rate"] for one in own]))
        assert row["cash_line_p10"] <= row["cash_line_points"] <= row["cash_line_p90"]
    # The ends are the returns against the sharp and the dull field, also where the former is more.
    contest, slate = preset("single-entry"), made_slate(SALARIES)
    fields = Fields.of(project(POINTS, slate, PortfolioSettings()), "tournament")
    expected, sharp, dull = (
        settle(
            POINTS[::8],
            LINEUPS[:1],
            model.sample(contest.entries - 1, np.random.Generator(np.random.Philox(1))),
            contest.payouts,
        ).cents.mean()
        / contest.entry_fee_cents
        for model in (fields.models[0], fields.sharpest, fields.dullest)
    )
    single = table.row(1, named=True)
    assert sharp > dull
    assert single["roi_low"] == pytest.approx(moved_roi(single["roi"], expected, sharp))
    assert single["roi_high"] == pytest.approx(moved_roi(single["roi"], expected, dull))
    values = lineup_values(table)
    assert values.columns == ["contest", "kind", *VALUE]
    scores = POINTS[:, LINEUPS].sum(axis=2) / 20
    last = values.filter(pl.col("contest") == "150-max")
    assert last["mean_points"].to_list() == pytest.approx(scores.mean(axis=0).tolist())
    assert last["points_p90"].to_list() == pytest.approx(np.quantile(scores, 0.9, 0).tolist())
    rest = scores.sum(axis=1, keepdims=True) - scores
    known = [np.corrcoef(scores[:, i], rest[:, i])[0, 1] for i in range(3)]
    assert last["correlation"].to_list() == pytest.approx(known)
    # Its error is over the parts, as all errors are.
    parts = zip(np.array_split(scores, PARTS), np.array_split(rest, PARTS), strict=True)
    own_parts = [[np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(3)] for a, b in parts]
    error = np.std(own_parts, axis=0, ddof=1) / np.sqrt(PARTS)
    assert last["correlation_se"].to_list() == pytest.approx(error.tolist())
    # A lineup by itself has no others to go with.
    assert values.filter(pl.col("contest") == "cash")["correlation"].to_list() == [None]


WON = st.floats(0, 1e6).map(lambda won: round(won, 4))


@given(WON, WON, WON)
def test_no_field_costs_more_than_the_fees(won, expected, other):
    roi = moved_roi(won - 1, expected, other)
    assert np.isfinite(roi)
    assert -1 <= roi <= won - 1 + max(other - expected, 0)
    if won:
        assert (roi > won - 1, roi < won - 1) == (other > expected, other < expected)


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=60).map(np.array), st.integers(1, 10**4)
)
def test_means_in_whole_cents_keep_their_sum(cents, n):
    whole = whole_cents(cents, n)
    assert abs(whole.sum() - cents.sum() / n) <= 0.5
    assert (abs(whole - cents / n) < 1).all()


@pytest.mark.slow
def test_a_sharper_field_leaves_less_and_its_error_holds_the_unknown_of_the_race():
    """Parts that differ as races of other parameters would: the error grows with them."""
    salaries = made_salaries(20, 5)
    slate, points = made_slate(salaries), made_points(salaries, 400, 5)
    drawn = project(points, slate, PortfolioSettings()).field.sample(300, np.random.default_rng(1))
    best = points.mean(axis=0)[drawn].sum(axis=1).argmax()
    strong = drawn[best : best + 1]
    even = contest_outlook(points, slate, strong, seed=1).row(0, named=True)
    moved = points.copy()
    for part, rows in enumerate(np.array_split(np.arange(len(moved)), 10)):
        moved[np.ix_(rows, strong[0])] += 150 * (-1) ** part
    apart = contest_outlook(moved, slate, strong, seed=1, projected=points).row(0, named=True)
    assert apart["roi_se"] > 2 * even["roi_se"]
    # The best lineup of 300 is worth less among rivals who find such lineups too.
    assert even["roi_low"] < even["roi"] < even["roi_high"]
    # So it is where every ownership is given, around what they say.
    shares = project(points, slate, PortfolioSettings()).field.ownership.tolist()
    names = [player.name for player in slate.players]
    drivers = {name: {"ownership": x} for name, x in zip(names, shares, strict=True)}
    said = PortfolioSettings.of({"drivers": drivers})
    given = contest_outlook(points, slate, strong, seed=1, settings=said).row(0, named=True)
    assert given["roi_low"] < given["roi"] < given["roi_high"]


def test_sharper_and_duller_fields_lie_around_ownerships_that_are_given():
    slate = made_slate(SALARIES)
    projection = project(POINTS, slate, PortfolioSettings())
    expected = projection.field.ownership
    names = [player.name for player in slate.players]

    def given(shares):
        drivers = {n: {"ownership": float(x)} for n, x in zip(names, shares, strict=True)}
        return project(POINTS, slate, PortfolioSettings.of({"drivers": drivers}))

    # Those of the model itself are sharpened as the model is.
    for level in (-1.28, 1.28):
        found = given(expected).field_of("tournament", level).ownership
        assert found == pytest.approx(projection.field_of("tournament", level).ownership, abs=1e-4)
    # Others are kept by the expected field, and the sharper one scores more.
    taste = np.random.default_rng(4).normal(size=len(names))
    shares = utility_field(taste, np.array(SALARIES), 50_000, 6).ownership
    other = given(shares)
    assert other.field_of("tournament", 0.0).ownership == pytest.approx(shares, abs=1e-4)
    scores = [
        float(other.field_of("tournament", level).ownership @ projection.mean_points)
        for level in (-1.28, 0.0, 1.28)
    ]
    assert scores[0] < scores[1] < scores[2]


def test_twins_are_as_many_as_fields_that_are_drawn_have():
    """Over drawn fields the count of exact twins is Poisson-like around what is expected."""
    slate = made_slate(SALARIES)
    projection = project(POINTS, slate, PortfolioSettings())
    model = projection.field_of("tournament")
    lineups = np.sort(model.sample(5, np.random.default_rng(2)), axis=1)
    entries, fields = 4_000, 60
    expected = model.expected_duplicates(lineups, entries)
    rng = np.random.default_rng(3)
    found = np.zeros(5)
    for _ in range(fields):
        drawn = model.sample(entries, rng)
        found += [(drawn == lineup).all(axis=1).sum() for lineup in lineups]
    # Five counts, each within 4 standard deviations: fails once in 3,000 seeds.
    assert (np.abs(found - fields * expected) < 4 * np.sqrt(fields * expected) + 1).all()
