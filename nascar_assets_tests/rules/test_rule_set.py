"""Contest rules: the tables as published, by date."""

from __future__ import annotations

import itertools
from datetime import date

import pytest

from nascar_assets.errors import InputError
from nascar_assets.rules import RULE_SETS, rule_set

TODAY = date(2026, 3, 15)


def finish_points(key: str, on: date = TODAY) -> list[float]:
    rules = rule_set(key, on)
    return [rules.points(units) for units in rules.finish]


@pytest.mark.parametrize(
    ("cars", "total"), [(36, 872), (37, 876), (38, 879), (39, 881), (40, 882), (42, 882)]
)
def test_draftkings_finish_points_of_a_field_add_up(cars, total):
    assert sum(finish_points("dk-classic")[:cars]) == total


def test_draftkings_finish_points_place_by_place():
    points = finish_points("dk-classic")
    assert points[:10] == [45, 42, 41, 40, 39, 38, 37, 36, 35, 34]
    assert (points[10], points[19]) == (32, 23)
    assert (points[20], points[29]) == (21, 12)
    assert (points[30], points[39]) == (10, 1)
    assert len(points) == 40


def test_draftkings_finish_points_until_2020():
    points = finish_points("dk-classic", date(2020, 11, 8))
    assert points[:3] == [46, 42, 41]
    assert points[42] == 1
    assert len(points) == 43


def test_fanduel_finish_points():
    points = finish_points("fd-classic")
    assert points[:4] == [43, 40, 38, 37]
    assert points[39] == 1
    assert len(points) == 40


@pytest.mark.parametrize(
    ("key", "on", "differential", "led", "fastest", "completed", "roster", "cap"),
    [
        ("dk-classic", date(2015, 8, 2), 1, 0.25, 0.5, 0, 6, 50_000),
        ("dk-classic", date(2020, 12, 31), 1, 0.25, 0.5, 0, 6, 50_000),
        ("dk-classic", date(2021, 1, 1), 1, 0.25, 0.45, 0, 6, 50_000),
        ("dk-classic", TODAY, 1, 0.25, 0.45, 0, 6, 50_000),
        ("fd-classic", TODAY, 0.5, 0.1, 0, 0.1, 5, 50_000),
    ],
)
def test_amounts(key, on, differential, led, fastest, completed, roster, cap):
    rules = rule_set(key, on)
    amounts = (
        rules.place_differential,
        rules.lap_led,
        rules.fastest_lap,
        rules.lap_completed,
    )
    assert tuple(rules.points(units) for units in amounts) == (
        differential,
        led,
        fastest,
        completed,
    )
    assert rules.roster_size == roster
    assert rules.salary_cap == cap


def test_the_dates_of_a_contest_neither_overlap_nor_leave_a_gap():
    for key in {rules.key for rules in RULE_SETS}:
        spans = sorted(
            (rules.valid_from, rules.valid_to) for rules in RULE_SETS if rules.key == key
        )
        for (_, end), (begin, _) in itertools.pairwise(spans):
            assert end is not None
            assert (begin - end).days == 1
        assert spans[-1][1] is None


def test_an_unknown_contest_and_a_date_before_all_rules_are_refused():
    with pytest.raises(InputError, match="dk-classic"):
        rule_set("dk-tiers", TODAY)
    with pytest.raises(InputError, match="2014-01-01"):
        rule_set("dk-classic", date(2014, 1, 1))
