"""The whole lineup space: listed completely, scored exactly."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from nascar_assets.lineups import space_kernel
from nascar_assets.lineups.objectives import (
    OBJECTIVES,
    ExpectedMax,
    Measure,
    ObjectiveSettings,
    Quantile,
    TailMean,
)
from nascar_assets.lineups.problem import CountRule, SumRule, rule_arrays
from nascar_assets.lineups.selection import shared_cliques
from nascar_assets_tests.lineups.slates import made_points, made_salaries

SALARIES = np.array(made_salaries(14, 1))
POINTS = made_points(SALARIES, 1_500, 1)
COLUMNS = np.ascontiguousarray(POINTS.T)


def mask_of(lineup):
    return sum(1 << i for i in lineup)


def listed(count_rules=(), sum_rules=()):
    arrays = rule_arrays(count_rules, sum_rules, SALARIES.size)
    return space_kernel.enumerate_space(SALARIES, 50_000, 6, arrays, False)[0]


def legal():
    return [c for c in combinations(range(14), 6) if SALARIES[list(c)].sum() <= 50_000]


def test_lists_every_lineup_under_the_cap_in_order():
    assert listed().tolist() == [mask_of(c) for c in legal()]


def test_places_that_a_lineup_leaves_hold_nobody_and_are_shared_with_nobody():
    masks = np.array([mask_of(c) for c in ([0, 2, 9], [0, 2, 5], [0, 2, 9, 11])], np.uint64)
    assert space_kernel.unpack(masks, 4).tolist() == [[0, 2, 9, -1], [0, 2, 5, -1], [0, 2, 9, 11]]
    # All three share 0 and 2: only three drivers in common are more than two.
    assert [group.tolist() for group in shared_cliques(masks, 2, 4)] == [[0, 2]]


def test_rules_leave_out_exactly_the_lineups_that_break_them():
    rules = (
        CountRule("if 0 then one of 5, 6", 1, 0b1100000, 1, 14),
        CountRule("at most one of 1, 2, 3", 0, 0b1110, 0, 1),
    )
    floor = SumRule("salary", tuple(SALARIES.tolist()), 47_000, 50_000)
    wanted = [
        mask_of(c)
        for c in legal()
        if (0 not in c or 5 in c or 6 in c)
        and len({1, 2, 3} & set(c)) <= 1
        and SALARIES[list(c)].sum() >= 47_000
    ]
    assert listed(rules, (floor,)).tolist() == wanted


def test_broken_rules_are_reported_bit_by_bit():
    rules = (CountRule("no 0", 0, 1, 0, 0), CountRule("no 1", 0, 2, 0, 0))
    arrays = rule_arrays(rules, (), SALARIES.size)
    masks, broken = space_kernel.enumerate_space(SALARIES, 50_000, 6, arrays, True)
    assert (broken == (masks & np.uint64(3))).all()


@pytest.mark.slow
def test_sweeps_add_up_over_scenarios_what_scores_say():
    masks = listed()
    scores = np.stack([POINTS[:, list(c)].sum(axis=1) for c in legal()])
    level = np.quantile(scores, 0.9, axis=0).astype(np.int32)
    weight = np.arange(1_500, dtype=np.int32) % 7
    above = space_kernel.sweep(masks, COLUMNS, level, weight, 6, False)
    reached = space_kernel.sweep(masks, COLUMNS, level, weight, 6, True)
    assert (above == np.maximum(scores - level, 0).sum(axis=1)).all()
    assert (reached == ((scores >= level) * weight).sum(axis=1)).all()
    assert (space_kernel.additive(masks, POINTS.sum(axis=0)) == scores.sum(axis=1)).all()
    assert (space_kernel.scores(masks, COLUMNS, 6) == scores).all()


@pytest.mark.parametrize("how", ["mean", "quantile", "cvar"])
def test_upper_bounds_hold_for_every_lineup_and_find_the_best_one(how):
    objective = OBJECTIVES[how].of(ObjectiveSettings(), Measure(COLUMNS, 6, 20))
    masks = listed()
    own = objective.own(masks)
    upper = objective.upper(masks)
    assert (upper >= own).all()
    assert upper[own.argmax()] >= own.max()


def test_quantile_and_tail_mean_are_order_statistics():
    # One lineup of one driver; scores 1..10. Nine of ten do not exceed 9; the best two mean 9.5.
    columns = np.arange(1, 11, dtype=np.int32)[None, :]
    masks = np.array([1], np.uint64)
    assert Quantile(Measure(columns, 1, 1), 0.9).own(masks)[0] == 9
    tail = TailMean(Measure(columns, 1, 1), 0.2)
    assert tail.natural(float(tail.own(masks)[0]), 1) == 9.5


def test_worth_of_a_set_is_its_best_lineup_in_each_scenario():
    masks = listed()[[3, 99, 500]]
    objective = ExpectedMax(Measure(COLUMNS, 6, 20))
    best = space_kernel.scores(masks, COLUMNS, 6).max(axis=0)
    assert objective.estimate(masks).value == pytest.approx(best.mean() / 20)
    error = best.std(ddof=1) / 20 / np.sqrt(1_500)
    assert objective.estimate(masks).standard_error == pytest.approx(error)
