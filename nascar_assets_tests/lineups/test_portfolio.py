"""Portfolios: legal, within every setting, worth what they say, near the proven bound."""

from __future__ import annotations

from itertools import combinations

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.lineups import (
    InfeasiblePortfolio,
    best_lineups,
    build_portfolio,
    lineup_problems,
)
from nascar_assets_tests.examples import examples
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate

SALARIES = made_salaries(18, 7)
SLATE = made_slate(SALARIES)
POINTS = made_points(SALARIES, 400, 7)
NAMES = [player.name for player in SLATE.players]
TRAIN = np.arange(400) % 4 != 3


def legal():
    return [c for c in combinations(range(18), 6) if sum(SALARIES[i] for i in c) <= 50_000]


def kept(portfolio, asked):
    """Asserts every setting of a portfolio afresh, from the lineups alone."""
    rows = [set(row) for row in portfolio.drivers.tolist()]
    n = len(rows)
    assert len({tuple(sorted(row)) for row in rows}) == n == asked.get("lineups", 20)
    for row in portfolio.drivers:
        assert lineup_problems(SLATE, row.tolist()) == ()
    for name, driver in asked.get("drivers", {}).items():
        count = sum(NAMES.index(name) in row for row in rows)
        assert driver.get("min_exposure", 0) * n <= count + 1e-9
        assert count <= driver.get("max_exposure", 1) * n + 1e-9
        assert not driver.get("lock") or count == n
        assert not driver.get("exclude") or count == 0
    for group in asked.get("groups", []):
        members = {NAMES.index(name) for name in group["drivers"]}
        counts = [len(members & row) for row in rows]
        assert min(counts) >= group.get("at_least", 0)
        assert max(counts) <= group.get("at_most", 6)
        share = sum(c > 0 for c in counts) / n
        assert group.get("min_exposure", 0) <= share + 1e-9
        assert share <= group.get("max_exposure", 1) + 1e-9
    for rule in asked.get("rules", []):
        for row in rows:
            if {NAMES.index(name) for name in rule["if"]} <= row:
                held = len({NAMES.index(name) for name in rule["then"]} & row)
                assert held >= rule.get("at_least", 1)
    for team, limit in asked.get("teams", {}).items():
        of_team = {i for i, p in enumerate(SLATE.players) if p.team == team}
        assert max(len(of_team & row) for row in rows) <= limit["at_most"]
    if "max_shared" in asked:
        assert max(len(a & b) for a, b in combinations(rows, 2)) <= asked["max_shared"]
    if "salary_min" in asked:
        assert min(sum(SALARIES[i] for i in row) for row in rows) >= asked["salary_min"]


def test_best_by_mean_is_the_exact_top_of_the_whole_space():
    portfolio = build_portfolio(POINTS, SLATE, {"objective": "mean", "lineups": 30})
    wanted = best_lineups(POINTS[TRAIN].sum(axis=0), np.array(SALARIES), 50_000, 6, 30)
    assert portfolio.optimised_value == pytest.approx(wanted.values.mean() / (300 * 20))
    assert portfolio.bound == pytest.approx(portfolio.optimised_value)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["quantile", "cvar"])
def test_best_by_tail_is_the_exact_top_of_the_whole_space(objective):
    portfolio = build_portfolio(POINTS, SLATE, {"objective": objective, "lineups": 5})
    scores = np.sort(np.stack([POINTS[TRAIN][:, list(c)].sum(axis=1) for c in legal()]), axis=1)
    # 300 scenarios: the 0.9 quantile is the 270th smallest, the tail of 0.1 the last 30.
    worth = scores[:, 269] if objective == "quantile" else scores[:, 270:].mean(axis=1)
    assert portfolio.optimised_value == pytest.approx(np.sort(worth)[-5:].mean() / 20)


@pytest.mark.slow
def test_one_lineup_of_highest_probability_is_exact():
    asked = {"objective": "probability", "threshold": 300.0, "lineups": 1}
    portfolio = build_portfolio(POINTS, SLATE, asked)
    reach = [(POINTS[TRAIN][:, list(c)].sum(axis=1) >= 6_000).mean() for c in legal()]
    assert portfolio.optimised_value == pytest.approx(max(reach))


@pytest.mark.slow
def test_value_is_of_held_back_scenarios_with_their_error():
    portfolio = build_portfolio(POINTS, SLATE, {"lineups": 6})
    scores = np.stack([POINTS[:, row].sum(axis=1) for row in portfolio.drivers])
    best = scores.max(axis=0) / 20
    assert portfolio.value.value == pytest.approx(best[~TRAIN].mean())
    assert portfolio.value.standard_error == pytest.approx(best[~TRAIN].std(ddof=1) / 10)
    assert portfolio.optimised_value == pytest.approx(best[TRAIN].mean())
    assert portfolio.mean_points == pytest.approx(scores.mean(axis=1) / 20)


@pytest.mark.slow
def test_no_set_of_three_lineups_beats_the_bound_and_few_beat_the_answer():
    salaries = made_salaries(9, 1)
    slate = made_slate(salaries)
    points = made_points(salaries, 60, 1)
    portfolio = build_portfolio(points, slate, {"lineups": 3})
    train = points[np.arange(60) % 4 != 3]
    scores = np.stack(
        [
            train[:, list(c)].sum(axis=1)
            for c in combinations(range(9), 6)
            if sum(salaries[i] for i in c) <= 50_000
        ]
    )
    best = max(
        np.maximum(np.maximum(scores[a], scores[b]), scores[c]).mean()
        for a, b, c in combinations(range(scores.shape[0]), 3)
    )
    assert portfolio.bound >= best / 20 - 1e-9
    assert portfolio.optimised_value >= 0.995 * best / 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lineups", [1, 2])
@pytest.mark.parametrize("objective", ["probability", "top_fraction"])
def test_no_set_reaches_its_level_more_often_than_the_bound(objective, lineups, seed):
    salaries = made_salaries(9, seed)
    points = made_points(salaries, 60, seed)
    space = [c for c in combinations(range(9), 6) if sum(salaries[i] for i in c) <= 50_000]
    scores = np.stack([points[:, list(c)].sum(axis=1) for c in space])
    asked = {"objective": objective, "lineups": lineups, "top_fraction": 0.1}
    field = np.array(space)[np.random.default_rng(seed).integers(0, len(space), 40)]
    level = np.sort(points[:, field].sum(axis=2), axis=1)[:, -4]  # the fourth of 40
    if objective == "probability":
        asked["threshold"] = float(np.quantile(scores, 0.9) // 20)
        level = np.full(60, int(asked["threshold"] * 20))
    portfolio = build_portfolio(points, made_slate(salaries), asked, field=field)
    reached = (scores >= level)[:, np.arange(60) % 4 != 3]
    best = max(
        reached[list(s)].any(axis=0).mean() for s in combinations(range(len(space)), lineups)
    )
    assert portfolio.optimised_value <= best + 1e-9
    assert portfolio.bound >= best - 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        {"lineups": 20, "drivers": {n: {"min_exposure": 0.3} for n in NAMES[:12]}},
        {
            "lineups": 40,
            "max_shared": 4,
            "drivers": {n: {"min_exposure": 0.05, "max_exposure": 0.6} for n in NAMES},
            "groups": [
                {"drivers": NAMES[:3], "at_most": 1},
                {"drivers": NAMES[3:8], "min_exposure": 0.5, "at_most": 3},
            ],
            "rules": [
                {"if": [NAMES[0]], "then": NAMES[8:14]},
                {"if": [NAMES[1]], "then": NAMES[5:9]},
                {"if": [NAMES[2], NAMES[9]], "then": NAMES[10:], "at_least": 2},
            ],
            "teams": {"Team 1": {"at_most": 2}},
            "salary_min": 46_000,
        },
        {"lineups": 12, "drivers": {NAMES[4]: {"lock": True}, NAMES[5]: {"exclude": True}}},
        {"lineups": 8, "max_shared": 2},
    ],
    ids=["twelve-minimums", "everything", "lock-exclude", "far-apart"],
)
@pytest.mark.parametrize("objective", ["expected_max", "mean"])
def test_every_setting_is_kept_at_once_and_the_bound_is_near(asked, objective):
    portfolio = build_portfolio(POINTS, SLATE, {**asked, "objective": objective})
    kept(portfolio, asked)
    assert portfolio.bound >= portfolio.optimised_value - 1e-9
    assert portfolio.bound <= 1.05 * portfolio.optimised_value


exposure = st.tuples(st.floats(0, 0.5), st.floats(0.5, 1)).map(
    lambda pair: {"min_exposure": round(pair[0], 2), "max_exposure": round(pair[1], 2)}
)


@pytest.mark.slow
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    drivers=st.dictionaries(st.sampled_from(NAMES), exposure, max_size=8),
    lineups=st.integers(2, 12),
    max_shared=st.integers(2, 5),
)
def test_exposures_are_within_bounds_or_the_conflict_is_named(drivers, lineups, max_shared):
    asked = {
        "lineups": lineups,
        "objective": "mean",
        "max_shared": max_shared,
        "drivers": drivers,
    }
    try:
        portfolio = build_portfolio(POINTS, SLATE, asked)
    except InfeasiblePortfolio as error:
        conflict = error.conflict
    else:
        conflict = None
        kept(portfolio, asked)
    assert conflict is None or len(conflict) > 1


def test_ownership_of_lineups_is_bounded():
    owned = {name: {"ownership": 0.9 if i < 3 else 0.2} for i, name in enumerate(NAMES)}
    owned[NAMES[17]] = {}
    asked = {"lineups": 10, "ownership_max": 1.9, "drivers": owned}
    portfolio = build_portfolio(POINTS, SLATE, asked)
    assert max(sum(i < 3 for i in row) for row in portfolio.drivers.tolist()) <= 1


def test_a_driver_scaled_up_is_played_more_and_told():
    plain = build_portfolio(POINTS, SLATE, {"objective": "mean"})
    last = SLATE.players[17].driver_id
    asked = {"objective": "mean", "drivers": {NAMES[17]: {"points_multiplier": 4.0}}}
    scaled = build_portfolio(POINTS, SLATE, asked)
    assert scaled.exposures[last] > plain.exposures[last]
    assert any("scaled by 4" in notice for notice in scaled.notices)


@pytest.mark.slow
def test_top_fraction_counts_scenarios_in_which_a_lineup_reaches_the_fields_top():
    rng = np.random.default_rng(0)
    lineups = np.array(legal())
    field = lineups[rng.integers(0, lineups.shape[0], 200)]
    asked = {"objective": "top_fraction", "top_fraction": 0.05, "lineups": 3}
    portfolio = build_portfolio(POINTS, SLATE, asked, field=field)
    rivals = np.sort(POINTS[:, field].sum(axis=2), axis=1)
    # The first 5% of 200 entries end with the tenth best.
    own = np.stack([POINTS[:, row].sum(axis=1) for row in portfolio.drivers]).max(axis=0)
    reached = own >= rivals[:, -10]
    assert portfolio.optimised_value == pytest.approx(reached[TRAIN].mean())
    assert portfolio.value.value == pytest.approx(reached[~TRAIN].mean())


def test_payout_is_what_each_entry_wins_alone_against_the_field():
    rng = np.random.default_rng(1)
    lineups = np.array(legal())
    field = lineups[rng.integers(0, lineups.shape[0], 50)]
    prizes = np.array([10_000, 5_000, 2_500])
    portfolio = build_portfolio(
        POINTS, SLATE, {"objective": "payout", "lineups": 4}, field=field, prizes_cents=prizes
    )
    rivals = POINTS[:, field].sum(axis=2)
    total = 0.0
    for row in portfolio.drivers:
        score = POINTS[:, row].sum(axis=1)[:, None]
        better = (rivals > score).sum(axis=1)
        level = (rivals == score).sum(axis=1)
        paid = np.concatenate([prizes, np.zeros(60, int)])
        cents = [paid[b : b + k + 1].sum() / (k + 1) for b, k in zip(better, level, strict=True)]
        total += np.array(cents)[TRAIN].mean() / 100
    assert portfolio.optimised_value == pytest.approx(total / 4, abs=1e-3)
    assert portfolio.bound == pytest.approx(portfolio.optimised_value)


def test_a_payout_is_valued_against_as_many_rivals_as_the_contest_has():
    prizes = np.array([10_000] * 5)
    asked = {"objective": "payout", "lineups": 4}
    # Nine entries, four of them own: any lineup alone is among five rivals and itself, and five
    # of these six win 100 dollars, whatever they score.
    few = build_portfolio(POINTS, SLATE, asked, prizes_cents=prizes, entries=9)
    many = build_portfolio(POINTS, SLATE, asked, prizes_cents=prizes, entries=2_000)
    assert 500 / 6 < few.value.value <= 100
    assert many.value.value < 25
    with pytest.raises(InputError, match="4 lineups are wanted but the contest takes 4 entries"):
        build_portfolio(POINTS, SLATE, asked, prizes_cents=prizes, entries=4)


def test_a_payout_without_a_table_is_an_error():
    with pytest.raises(InputError, match="payout table"):
        build_portfolio(POINTS, SLATE, {"objective": "payout"})


@pytest.mark.slow
def test_the_same_inputs_give_the_same_portfolio_on_any_number_of_threads():
    asked = {"lineups": 6, "drivers": {NAMES[12]: {"min_exposure": 0.5}}}
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = build_portfolio(POINTS, SLATE, asked)
    finally:
        numba.set_num_threads(threads)
    many = build_portfolio(POINTS, SLATE, asked)
    assert (one.drivers == many.drivers).all()
    assert one.bound == many.bound


def test_a_collapsed_portfolio_is_warned_about():
    # One driver decides everything: whatever else the lineups hold, they move with him.
    points = np.zeros((200, 18), np.int32)
    points[:, 0] = np.random.default_rng(0).integers(0, 4_000, 200)
    points[:, 1:] = np.random.default_rng(1).integers(0, 5, (200, 17))
    portfolio = build_portfolio(points, SLATE, {"lineups": 20, "objective": "mean"})
    assert portfolio.effective_lineups < 1.1
    assert "independent" in portfolio.warnings[0]
    everywhere = [name for i, name in enumerate(NAMES) if portfolio.exposures[str(100 + i)] == 1]
    assert everywhere[0] == NAMES[0]
    assert f"holds {' and '.join(everywhere)}, though no setting asks" in portfolio.warnings[1]
    asked = {"drivers": {name: {"lock": True} for name in everywhere}}
    locked = build_portfolio(points, SLATE, {"lineups": 20, "objective": "mean", **asked})
    assert len(locked.warnings) == 1


@pytest.mark.slow
def test_independent_lineups_count_in_full():
    # Three lineups without a common driver, of independent drivers: about three.
    points = np.random.default_rng(0).integers(0, 2_000, (1_000, 18)).astype(np.int32)
    slate = made_slate([8_000] * 18)
    portfolio = build_portfolio(points, slate, {"lineups": 3, "max_shared": 0})
    assert portfolio.effective_lineups == pytest.approx(3, abs=0.05)
    assert portfolio.overlap == (3, 0, 0, 0, 0, 0, 0)
    assert portfolio.warnings == ()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (POINTS[:, :17], "18 drivers"),
        (POINTS.astype(float), "integers"),
        (POINTS[:1], "two scenarios"),
        (POINTS * 100, "65,536"),
    ],
)
def test_wrong_points_are_named(points, message):
    with pytest.raises(InputError, match=message):
        build_portfolio(points, SLATE)
