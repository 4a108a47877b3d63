"""Sets built evenly: found where lineups of high worth share too much, and every bound kept."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from nascar_assets.lineups import PortfolioSettings, build_portfolio, space_kernel
from nascar_assets.lineups.balanced_set import balanced_set
from nascar_assets.lineups.candidates import features_of, legal_space
from nascar_assets.lineups.problem import resolve
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate

SALARIES = made_salaries(32, 2)
SLATE = made_slate(SALARIES)
NAMES = [player.name for player in SLATE.players]


def found(asked):
    problem = resolve(SLATE, PortfolioSettings.from_mapping(asked))
    space = legal_space(problem, problem.count_rules, problem.sum_rules)
    masks = balanced_set(problem, features_of(problem), space)
    return None if masks is None else space_kernel.unpack(masks, 6).tolist()


@pytest.mark.slow
def test_the_space_that_is_kept_is_that_of_the_settings():
    def space(asked):
        problem = resolve(SLATE, PortfolioSettings.from_mapping(asked))
        return legal_space(problem, problem.count_rules, problem.sum_rules)

    first = space({"lineups": 20})
    assert space({"lineups": 40, "drivers": {NAMES[3]: {"max_exposure": 0.1}}}) is first
    dear, without = space({"salary_min": 49_500}), space({"drivers": {NAMES[3]: {"exclude": True}}})
    assert 0 < dear.shape[0] < first.shape[0]
    assert not (without & np.uint64(1 << 3)).any()
    again = space({"lineups": 20})
    assert again is not first
    assert np.array_equal(again, first)


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        {"lineups": 60, "max_shared": 2, "salary_min": 49_000},
        {"lineups": 10, "max_shared": 1},
        {
            "lineups": 30,
            "max_shared": 2,
            "drivers": {
                NAMES[14]: {"min_exposure": 0.4},
                NAMES[20]: {"min_exposure": 0.4, "max_exposure": 0.5},
                NAMES[3]: {"max_exposure": 0.1},
            },
            "groups": [{"drivers": NAMES[:3], "min_exposure": 0.1, "at_most": 1}],
        },
    ],
)
def test_every_bound_is_kept(asked):
    rows = found(asked)
    assert rows is not None
    assert len(rows) == asked["lineups"]
    for row in rows:
        cost = sum(SALARIES[i] for i in row)
        assert asked.get("salary_min", 0) <= cost <= 50_000
    shared = max(len(set(a) & set(b)) for a, b in combinations(rows, 2))
    assert shared <= asked["max_shared"]
    if "drivers" in asked:
        count = np.bincount(np.ravel(rows), minlength=32)
        # 40% of 30 lineups is 12, half is 15, a tenth is 3.
        assert count[14] >= 12
        assert 12 <= count[20] <= 15
        assert count[3] <= 3
        assert sum(bool({0, 1, 2} & set(row)) for row in rows) >= 3


@pytest.mark.slow
def test_nothing_comes_back_where_there_is_no_such_set():
    # Any two of seven lineups of six out of 32 drivers share one: only five are disjoint.
    assert found({"lineups": 7, "max_shared": 0}) is None


@pytest.mark.slow
def test_a_portfolio_is_found_where_the_best_lineups_share_too_much():
    points = made_points(SALARIES, 120, 2)
    asked = {"lineups": 60, "max_shared": 2, "salary_min": 49_000}
    portfolio = build_portfolio(points, SLATE, asked, prove=False)
    rows = [set(row) for row in portfolio.drivers.tolist()]
    assert max(len(a & b) for a, b in combinations(rows, 2)) <= 2
