"""Scoring: golden rows, and the sums that hold over every field."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nascar_assets.rules import rule_set, score

DK = rule_set("dk-classic", date(2026, 3, 15))
FD = rule_set("fd-classic", date(2026, 3, 15))


def points(rules, start, finish, fastest, led, completed=0):
    one = {
        "start": np.array([start]),
        "finish": np.array([finish]),
        "laps_led": np.array([led]),
        "fastest_laps": np.array([fastest]),
        "laps_completed": np.array([completed]),
    }
    return rules.points(int(score(rules, **one)[0]))


@pytest.mark.parametrize(
    ("start", "finish", "fastest", "led", "expected"),
    [
        (19, 1, 2, 5, 65.15),  # 45 + 18 + 2 x 0.45 + 5 x 0.25
        (2, 27, 1, 4, -8.55),  # 15 - 25 + 0.45 + 1
        (25, 21, 1, 0, 25.45),  # 21 + 4 + 0.45
        (31, 1, 8, 10, 81.1),  # Daytona 500 2023: 45 + 30 + 3.6 + 2.5
        (40, 41, 0, 0, -1.0),  # nothing for a place beyond the table
    ],
)
def test_draftkings_golden_rows(start, finish, fastest, led, expected):
    assert points(DK, start, finish, fastest, led) == expected


def test_draftkings_until_2020_counts_a_fastest_lap_half():
    old = rule_set("dk-classic", date(2019, 2, 17))
    assert points(old, 19, 1, 2, 5) == 46 + 18 + 1 + 1.25


def test_fanduel_row():
    # 43 + 9 x 0.5 + 100 laps led x 0.1 + 267 laps x 0.1; fastest laps count nothing.
    assert points(FD, 10, 1, 50, 100, 267) == pytest.approx(43 + 4.5 + 10 + 26.7)


FIELDS = st.integers(1, 44).flatmap(
    lambda cars: st.tuples(st.permutations(range(1, cars + 1)), st.permutations(range(1, cars + 1)))
)


@pytest.mark.slow
@given(FIELDS)
def test_place_differentials_of_a_field_add_up_to_nothing(field):
    start, finish = (np.array(order) for order in field)
    none = np.zeros_like(start)
    for rules in (DK, FD):
        units = score(
            rules,
            start=start,
            finish=finish,
            laps_led=none,
            fastest_laps=none,
            laps_completed=none,
        )
        assert units.sum() == sum(rules.finish[: len(start)])


@given(FIELDS, st.integers(0, 500), st.integers(0, 500))
def test_laps_led_and_fastest_laps_add_their_total_however_they_are_shared(field, led, fastest):
    start, finish = (np.array(order) for order in field)
    cars = len(start)
    none = np.zeros(cars, int)
    shared = {"start": start, "finish": finish, "laps_completed": none}
    bare = score(DK, laps_led=none, fastest_laps=none, **shared).sum()
    one_leads = score(
        DK,
        laps_led=none + led * (start == 1),
        fastest_laps=none + fastest * (finish == 1),
        **shared,
    ).sum()
    assert one_leads - bare == DK.lap_led * led + DK.fastest_lap * fastest


@pytest.mark.slow
@given(hnp.arrays(np.int32, (5, 8), elements=st.integers(0, 300)))
def test_scenarios_are_scored_each_by_itself(led):
    rng_start = np.arange(1, 9)
    finish = np.stack([np.roll(rng_start, shift) for shift in range(5)])
    whole = score(
        DK, start=rng_start, finish=finish, laps_led=led, fastest_laps=led, laps_completed=led
    )
    assert whole.shape == (5, 8)
    assert whole.dtype == np.int32
    for scenario in range(5):
        alone = score(
            DK,
            start=rng_start,
            finish=finish[scenario],
            laps_led=led[scenario],
            fastest_laps=led[scenario],
            laps_completed=led[scenario],
        )
        assert np.array_equal(alone, whole[scenario])


@pytest.mark.parametrize("small", [np.int8, np.int16, np.uint8, np.uint16])
def test_narrow_integers_do_not_overflow(small):
    row = {
        "start": np.array([1], small),
        "finish": np.array([40], small),
        "laps_led": np.array([120], small),
        "fastest_laps": np.array([120], small),
        "laps_completed": np.array([120], small),
    }
    assert DK.points(int(score(DK, **row)[0])) == 1 - 39 + 30 + 54


@pytest.mark.parametrize(
    "changes",
    [
        {"start": np.array([0])},
        {"finish": np.array([0])},
        {"laps_led": np.array([-1])},
        {"fastest_laps": np.array([-1])},
        {"laps_completed": np.array([-1])},
    ],
)
def test_impossible_values_are_refused(changes):
    row = {
        "start": np.array([1]),
        "finish": np.array([1]),
        "laps_led": np.array([0]),
        "fastest_laps": np.array([0]),
        "laps_completed": np.array([0]),
    }
    with pytest.raises(ValueError, match=next(iter(changes))):
        score(DK, **{**row, **changes})
