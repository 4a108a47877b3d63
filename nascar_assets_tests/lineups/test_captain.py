"""Captain formats: the best lineup over every captain, against a listing of all lineups."""

from __future__ import annotations

from datetime import date
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.lineups import (
    NoLegalLineup,
    best_captain_lineups,
    build_portfolio,
    optimal_captain_lineups,
    upload_csv,
)
from nascar_assets.rules import rule_set
from nascar_assets_tests.lineups.slates import made_slate


def listed(points, salaries, cap, roster, percent):
    """Every legal lineup as (-points, captain, others), best first."""
    found = []
    for captain in range(len(salaries)):
        rest = [i for i in range(len(salaries)) if i != captain]
        for others in combinations(rest, roster - 1):
            # In hundredths of a dollar and of a unit, so that nothing is rounded.
            cost = salaries[captain] * percent + 100 * sum(salaries[i] for i in others)
            if cost <= 100 * cap:
                total = points[captain] * percent + 100 * sum(points[i] for i in others)
                found.append((-total, captain, others))
    return sorted(found)


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(st.integers(-20, 40).map(lambda p: 2 * p), min_size=7, max_size=7),
    salaries=st.lists(st.integers(45, 111).map(lambda s: 101 * s), min_size=7, max_size=7),
    cap=st.integers(25_000, 50_000),
)
def test_the_best_and_the_k_best_are_those_of_every_captain(points, salaries, cap):
    table, salary = np.array([points, points[::-1]]), np.array(salaries)
    rows = [listed(row, salaries, cap, 4, 150) for row in table.tolist()]
    if not rows[0]:
        with pytest.raises(NoLegalLineup):
            optimal_captain_lineups(table, salary, cap, 4, 150)
        return
    best = optimal_captain_lineups(table, salary, cap, 4, 150)
    for row, drivers, total in zip(rows, best.drivers.tolist(), best.points_x20, strict=True):
        assert (-100 * total, drivers[0], tuple(drivers[1:])) == row[0]
    many = best_captain_lineups(table[0], salary, cap, 4, 150, 20)
    assert [
        (-100 * value, row[0], tuple(row[1:]))
        for value, row in zip(many.values, many.drivers.tolist(), strict=True)
    ] == rows[0][:20]


def test_shares_count_a_driver_as_captain_or_not():
    points = np.array([[10, 20, 30], [30, 20, 10]])
    best = optimal_captain_lineups(points, np.array([100, 100, 100]), 250, 2, 150)
    # 250 dollars buy a captain of 150 and one other: the two best, the better one as captain.
    assert best.drivers.tolist() == [[2, 1], [0, 1]]
    assert best.points_x20.tolist() == [65, 65]
    assert best.optimal_share.tolist() == [0.5, 1.0, 0.5]


def test_an_upload_names_the_captain_first():
    slate = made_slate([7_000] * 8, rules=rule_set("dk-captain", date(2026, 3, 15)))
    points = np.arange(8)[None, :] * 40
    best = optimal_captain_lineups(points, np.full(8, 7_000), 50_000, 6, 150)
    lines = upload_csv(slate, best.drivers).decode().splitlines()
    assert lines[0] == "CPT,D,D,D,D,D"
    assert lines[1].startswith("Driver AH (9007),Driver AC (9002)")


def test_points_whose_half_is_no_unit_are_refused():
    with pytest.raises(InputError, match="40 to the point"):
        optimal_captain_lineups(np.array([[1, 2, 3]]), np.array([1, 1, 1]), 5, 2, 150)


def test_a_portfolio_of_a_captain_format_is_refused_in_plain_words():
    slate = made_slate([7_000] * 8, rules=rule_set("dk-captain", date(2026, 3, 15)))
    with pytest.raises(InputError, match="captain format"):
        build_portfolio(np.zeros((4, 8), int), slate, {"lineups": 2})
