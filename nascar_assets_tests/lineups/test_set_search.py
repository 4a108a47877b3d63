"""Sets whose lineups have to fit each other: found where there is one, proven away where not."""

from datetime import date
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.lineups import InfeasiblePortfolio, PortfolioSettings, build_portfolio
from nascar_assets.lineups.candidates import features_of
from nascar_assets.lineups.problem import resolve
from nascar_assets.lineups.set_search import find_set
from nascar_assets.rules import rule_set
from nascar_assets_tests.lineups.slates import made_slate


def search(salaries, asked):
    problem = resolve(made_slate(salaries), PortfolioSettings.from_mapping(asked))
    return find_set(problem, features_of(problem), problem.sum_rules)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(60, 110), min_size=12, max_size=12), st.integers(0, 3))
def test_two_lineups_are_found_exactly_when_two_exist(hundreds, shared):
    salaries = [100 * s for s in hundreds]
    legal = [set(c) for c in combinations(range(12), 6) if sum(salaries[d] for d in c) <= 50_000]
    exists = any(len(a & b) <= shared for a, b in combinations(legal, 2))
    masks, impossible = search(salaries, {"lineups": 2, "max_shared": shared})
    assert impossible is not exists
    if exists:
        held = [{d for d in range(12) if int(m) >> d & 1} for m in masks]
        assert all(h in legal for h in held)
        assert len(held[0] & held[1]) <= shared
    else:
        assert masks is None


def test_every_kind_of_bound_is_kept():
    names = [p.name for p in made_slate([8_000] * 14).players]
    asked = {
        "lineups": 4,
        "max_shared": 2,
        "drivers": {names[0]: {"min_exposure": 0.75}, names[1]: {"max_exposure": 0.25}},
        "groups": [{"name": "pair", "drivers": names[2:4], "min_exposure": 1.0, "at_most": 1}],
        "rules": [{"if": [names[0]], "then": names[4:6], "at_least": 1}],
    }
    masks, impossible = search([8_000] * 14, asked)
    assert not impossible
    held = [{d for d in range(14) if int(m) >> d & 1} for m in masks]
    assert all(len(a & b) <= 2 for a, b in combinations(held, 2))
    assert sum(0 in h for h in held) >= 3
    assert sum(1 in h for h in held) <= 1
    assert all(len(h & {2, 3}) == 1 for h in held)
    assert all(h & {4, 5} for h in held if 0 in h)


def test_a_set_that_cannot_be_is_said_to_be_proven_impossible():
    # Two lineups without a common driver would take all twelve: 100,800 under two caps of 50,000.
    salaries = [9_600] * 8 + [6_000] * 4
    points = np.random.default_rng(1).integers(0, 2_000, (200, 12)).astype(np.int32)
    with pytest.raises(InfeasiblePortfolio) as caught:
        build_portfolio(points, made_slate(salaries), {"lineups": 2, "max_shared": 0})
    assert caught.value.proven
    assert caught.value.conflict == ["lineups = 2", "no two lineups share more than 0 drivers"]


def test_of_settings_that_are_proven_not_to_hold_together_only_those_are_named():
    salaries = [4695, 12110, 13419, 6614, 5695, 4771, 11989, 13464, 10038, 10137, 11887]
    slate = made_slate(salaries, rules=rule_set("fd-classic", date(2026, 3, 15)))
    points = np.random.default_rng(0).integers(0, 2_000, (40, 11)).astype(np.int32)
    names = [p.name for p in slate.players]
    asked = {
        "lineups": 3,
        "max_shared": 2,
        "salary_min": 48_465,
        "drivers": {
            names[4]: {"exclude": True},
            names[0]: {"max_exposure": 0.52},
            names[7]: {"min_exposure": 0.36},
        },
    }
    with pytest.raises(InfeasiblePortfolio) as caught:
        build_portfolio(points, slate, asked)
    assert caught.value.proven
    assert caught.value.conflict == [
        "lineups = 3",
        "no two lineups share more than 2 drivers",
        f"minimum exposure of {names[7]}: 36.0% (2 of 3 lineups)",
        f"exclude {names[4]}",
        "salary of at least 48,465 in every lineup",
    ]
    # Without the floor, which is a rule on each lineup, the others hold together.
    build_portfolio(points, slate, {**asked, "salary_min": None}, prove=False)
