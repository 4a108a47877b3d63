"""Settings that cannot hold together: the smallest set of them, in plain words."""

from __future__ import annotations

import pytest

from nascar_assets.lineups import InfeasiblePortfolio, PortfolioSettings, build_portfolio
from nascar_assets.lineups.conflict import find_conflict
from nascar_assets.lineups.problem import resolve
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate

SALARIES = made_salaries(18, 7)
SLATE = made_slate(SALARIES)
POINTS = made_points(SALARIES, 40, 7)
NAMES = [player.name for player in SLATE.players]


def conflict(slate=SLATE, **asked):
    with pytest.raises(InfeasiblePortfolio) as error:
        build_portfolio(POINTS[:, : len(slate.players)], slate, asked)
    return error.value


def test_minimums_that_need_more_places_than_there_are():
    error = conflict(lineups=20, drivers={n: {"min_exposure": 0.8} for n in NAMES[:12]})
    # 16 of 20 lineups each: seven drivers take 112 of 120 places, the eighth needs 8 more.
    assert error.reason == (
        "minimum exposures of 8 drivers add up to 8 lineup places more than 20 lineups of 6 have"
    )
    assert len(error.conflict) == 9
    assert error.proven


@pytest.mark.slow
def test_locks_over_the_cap():
    dear = sorted(range(18), key=lambda i: -SALARIES[i])[:6]
    error = conflict(drivers={NAMES[i]: {"lock": True} for i in dear})
    assert 1 < len(error.conflict) <= 6
    assert all(label.startswith("lock ") for label in error.conflict)
    assert "50,000" in error.reason
    # Without any one of them it can be done.
    for left_out in error.conflict:
        rest = {x.removeprefix("lock "): {"lock": True} for x in error.conflict if x != left_out}
        build_portfolio(POINTS, SLATE, {"drivers": rest, "lineups": 1})


def test_more_lineups_than_exist():
    error = conflict(lineups=20, drivers={n: {"exclude": True} for n in NAMES[:11]})
    # Seven drivers make seven lineups of six at most.
    assert "20 are wanted" in error.reason
    assert "lineups = 20" in error.conflict


def test_a_lock_against_a_group():
    error = conflict(
        drivers={NAMES[0]: {"lock": True}, NAMES[9]: {"max_exposure": 0.5}},
        groups=[{"drivers": NAMES[:3], "at_most": 0}, {"drivers": NAMES[4:9], "at_least": 1}],
    )
    assert sorted(error.conflict) == sorted(
        [f"lock {NAMES[0]}", f"at most 0 of {', '.join(NAMES[:3])}"]
    )


def test_exposures_against_a_group_name_those_three_settings():
    error = conflict(
        lineups=20,
        salary_min=44_000,
        drivers={
            NAMES[0]: {"min_exposure": 0.7},
            NAMES[1]: {"min_exposure": 0.5},
            NAMES[12]: {"max_exposure": 0.5},
        },
        groups=[{"drivers": NAMES[:2], "at_most": 1}],
    )
    assert sorted(error.conflict) == sorted(
        [
            "lineups = 20",
            f"minimum exposure of {NAMES[0]}: 70.0% (14 of 20 lineups)",
            f"minimum exposure of {NAMES[1]}: 50.0% (10 of 20 lineups)",
            f"at most 1 of {NAMES[0]}, {NAMES[1]}",
        ]
    )
    assert error.proven


def test_maximums_that_leave_places_empty():
    error = conflict(drivers={n: {"max_exposure": 0.25} for n in NAMES})
    # 17 drivers in 5 of 20 lineups each and one in all fill 105 of 120 places.
    assert "maximum exposures of 17 drivers leave 15 lineup places empty" in error.reason
    assert len(error.conflict) == 18


def test_maximums_that_leave_room_are_not_named():
    slate = made_slate([8_000] * 12)
    asked = {n: {"max_exposure": 0.0} for n in NAMES[:7]} | {
        NAMES[8]: {"max_exposure": 0.9},
        NAMES[9]: {"max_exposure": 1.0},
    }
    error = conflict(slate, lineups=10, drivers=asked)
    assert error.conflict == [
        "lineups = 10",
        *(f"maximum exposure of {n}: 0.0% (0 of 10 lineups)" for n in NAMES[:7]),
    ]


def test_a_driver_who_is_bounded_twice_counts_once():
    # Five drivers in 9 of 10 lineups take 45 of 60 places; two of them are a group as well.
    asked = {
        "lineups": 10,
        "drivers": {n: {"min_exposure": 0.9} for n in NAMES[:5]},
        "groups": [{"drivers": [n], "min_exposure": 0.9} for n in NAMES[:2]],
    }
    problem = resolve(made_slate([8_000] * 12), PortfolioSettings.from_mapping(asked))
    assert find_conflict(problem, problem.sum_rules) is None


def test_bounds_between_which_no_whole_number_lies():
    error = conflict(lineups=10, drivers={NAMES[0]: {"min_exposure": 0.33, "max_exposure": 0.34}})
    assert "no whole number of 10 lineups" in error.reason


def test_more_lineups_than_can_differ_so_much():
    error = conflict(lineups=100, max_shared=0)
    # 18 drivers make three lineups of six without a common driver.
    assert "at most 3 lineups" in error.reason
    assert "no two lineups share more than 0 drivers" in error.conflict


def test_locked_drivers_that_every_lineup_shares():
    locks = {NAMES[i]: {"lock": True} for i in (12, 13, 14)}
    error = conflict(lineups=2, max_shared=2, drivers=locks)
    assert "no two lineups share more than 2 drivers" in error.conflict
    assert f"lock {NAMES[12]}" in error.conflict


def test_rules_that_more_lineups_would_not_come_from_are_not_named():
    slate = made_slate([8_000] * 13)
    rules = [{"if": [NAMES[0]], "then": [NAMES[1]], "at_most": 0}]
    out = {NAMES[2]: {"exclude": True}}
    error = conflict(slate, lineups=3, max_shared=0, rules=rules, drivers=out)
    # Thirteen drivers make two lineups of six without a common driver, twelve as many.
    assert "of the 13 drivers that may be picked at most 2 lineups" in error.reason
    assert error.conflict == ["lineups = 3", "no two lineups share more than 0 drivers"]
    out[NAMES[3]] = {"exclude": True}
    error = conflict(slate, lineups=2, max_shared=0, rules=rules, drivers=out)
    assert error.conflict == [
        "lineups = 2",
        "no two lineups share more than 0 drivers",
        f"exclude {NAMES[2]}",
        f"exclude {NAMES[3]}",
    ]


def test_a_salary_floor_over_the_cap():
    error = conflict(salary_min=50_001)
    assert error.conflict == ["salary of at least 50,001 in every lineup"]
