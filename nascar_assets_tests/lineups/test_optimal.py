"""The best lineup of each scenario and the k best: exact, canonical, independent of threads."""

from __future__ import annotations

from itertools import combinations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from nascar_assets.errors import InputError
from nascar_assets.lineups import NoLegalLineup, best_lineups, optimal_kernel, optimal_lineups
from nascar_assets_tests.examples import examples
from nascar_assets_tests.lineups.slates import made_points, made_salaries


def ranked(values, salaries, cap, roster):
    """Every legal lineup, best first; ties by ascending indices."""
    legal = [
        lineup
        for lineup in combinations(range(len(salaries)), roster)
        if sum(salaries[i] for i in lineup) <= cap
    ]
    return sorted(legal, key=lambda lineup: (-sum(int(values[i]) for i in lineup), lineup))


def by_cp_sat(values, salaries, cap, roster):
    """The optimal points of one scenario by CP-SAT."""
    model = cp_model.CpModel()
    x = [model.new_bool_var(str(i)) for i in range(len(salaries))]
    model.add(sum(x) == roster)
    model.add(sum(int(c) * v for c, v in zip(salaries, x, strict=True)) <= cap)
    model.maximize(sum(int(p) * v for p, v in zip(values, x, strict=True)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    return round(solver.objective_value)


instances = st.integers(6, 12).flatmap(
    lambda n: st.tuples(
        st.integers(1, 5),
        st.lists(st.integers(1, 30), min_size=n, max_size=n),
        st.sampled_from([1, 7, 100]),
        st.lists(st.lists(st.integers(-40, 40), min_size=n, max_size=n), min_size=1, max_size=4),
        st.floats(0.15, 1.0),
    )
)


@pytest.mark.slow
@settings(max_examples=examples(300), deadline=None)
@given(instances)
def test_every_scenario_gets_the_first_of_all_lineups_in_rank(instance):
    roster, steps, unit, rows, share = instance
    salaries = np.array(steps) * unit
    cap = int(salaries.sum() * share)
    points = np.array(rows)
    if np.sort(salaries)[:roster].sum() > cap:
        with pytest.raises(NoLegalLineup):
            optimal_lineups(points, salaries, cap, roster)
        return
    best = optimal_lineups(points, salaries, cap, roster)
    for s, row in enumerate(points):
        order = ranked(row, salaries, cap, roster)
        assert tuple(best.drivers[s]) == order[0]
        assert best.points[s] == sum(row[i] for i in order[0])
        top = best_lineups(row, salaries, cap, roster, 7)
        assert [tuple(x) for x in top.drivers] == order[:7]
        assert top.values.tolist() == [sum(row[i] for i in x) for x in order[:7]]


@pytest.mark.slow
def test_cp_sat_agrees_on_2000_random_and_adversarial_instances():
    rng = np.random.default_rng(5)
    checked = 0
    for kind in range(20):
        n = int(rng.integers(8, 21))
        salaries = rng.integers(20, 110, n) * 100
        cap = int(np.sort(salaries)[:6].sum() * rng.uniform(1.0, 1.7))
        shapes = [
            rng.integers(-200, 1800, (20, n)),
            np.tile(salaries // 10, (20, 1)),
            np.tile(salaries // 10, (20, 1)) + rng.integers(-2, 3, (20, n)),
            np.full((20, n), 700),
            rng.integers(0, 2, (20, n)),
        ]
        for points in shapes:
            best = optimal_lineups(points, salaries, cap, 6)
            for s in range(20):
                if s == 0 or not (points[s] == points[s - 1]).all():
                    wanted = by_cp_sat(points[s], salaries, cap, 6)
                assert best.points[s] == wanted, (kind, s)
                lineup = best.drivers[s]
                assert salaries[lineup].sum() <= cap
                assert points[s][lineup].sum() == wanted
                assert (np.diff(lineup) > 0).all()
                checked += 1
    assert checked == 2_000


def test_exactly_one_legal_lineup_is_found():
    salaries = np.array([5000, 5000, 5000, 5000, 5000, 5000, 30000, 30000])
    points = np.array([[1, 1, 1, 1, 1, 1, 900, 900]])
    best = optimal_lineups(points, salaries, 30000, 6)
    assert best.drivers[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert best.points[0] == 6


def test_salaries_that_allow_no_lineup_are_refused():
    with pytest.raises(NoLegalLineup, match="60000"):
        optimal_lineups(np.zeros((1, 6), int), np.full(6, 10_000), 50_000, 6)


def test_dynamic_programme_agrees_with_the_search_when_it_has_to_take_over():
    salaries = np.array(made_salaries(24, 3))
    points = made_points(salaries, 200, 3)
    unit = int(np.gcd.reduce(salaries))
    lowest = int(points.min())
    arguments = (points, lowest, salaries, salaries // unit, 50_000, 50_000 // unit, 6)
    drivers, total, fell_back = optimal_kernel.solve(*arguments, 1)
    searched, totals, _ = optimal_kernel.solve(*arguments, 1_000_000)
    assert fell_back.mean() > 0.9
    assert (drivers == searched).all()
    assert (total == totals).all()


def test_instances_whose_tie_breaks_do_not_fit_a_word_are_solved_alike():
    salaries = np.array(made_salaries(50, 1))
    points = made_points(salaries, 20, 1)
    best = optimal_lineups(points, salaries, 50_000, 6)
    for s in range(20):
        assert best.points[s] == by_cp_sat(points[s], salaries, 50_000, 6)


def test_optimal_shares_count_scenarios():
    # Two scenarios; drivers 0 and 1 are the pair in the first, 1 and 2 in the second.
    points = np.array([[9, 8, 0], [0, 8, 9]])
    best = optimal_lineups(points, np.array([1, 1, 1]), 3, 2)
    assert best.optimal_share.tolist() == [0.5, 1.0, 0.5]
    # sqrt(0.5 * 0.5 / 2) = 0.353553..., and 0 where the share is certain.
    assert best.optimal_share_se == pytest.approx([0.3535533906, 0.0, 0.3535533906])


def test_answers_do_not_depend_on_threads():
    salaries = np.array(made_salaries(36, 2))
    points = made_points(salaries, 500, 2)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = optimal_lineups(points, salaries, 50_000, 6)
    finally:
        numba.set_num_threads(threads)
    many = optimal_lineups(points, salaries, 50_000, 6)
    assert (one.drivers == many.drivers).all()
    assert (one.points == many.points).all()


def test_best_by_mean_points_is_the_same_from_floats_and_from_sums():
    salaries = np.array(made_salaries(36, 4))
    points = made_points(salaries, 300, 4)
    sums = best_lineups(points.sum(axis=0), salaries, 50_000, 6, 150)
    means = best_lineups(points.mean(axis=0), salaries, 50_000, 6, 150)
    assert (sums.drivers == means.drivers).all()
    assert means.values == pytest.approx(sums.values / 300, rel=1e-12)


def test_fewer_lineups_than_wanted_all_come_back():
    best = best_lineups(np.arange(4), np.ones(4, int), 4, 3, 10)
    assert [tuple(x) for x in best.drivers] == [(1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2)]


@pytest.mark.parametrize(
    ("points", "salaries", "message"),
    [
        (np.zeros((2, 7)), np.ones(7, int), "integers"),
        (np.zeros(7, int), np.ones(7, int), "table"),
        (np.zeros((0, 7), int), np.ones(7, int), "no scenarios"),
        (np.zeros((1, 7), int), np.ones(6, int), "salaries"),
        (np.zeros((1, 7), int), np.array([1, 1, 1, 1, 1, 1, 0]), "positive"),
        (np.zeros((1, 65), int), np.ones(65, int), "at most 64"),
    ],
)
def test_wrong_input_is_named(points, salaries, message):
    with pytest.raises(InputError, match=message):
        optimal_lineups(points, salaries, 50_000, 6)
