"""Vetoes of the ontology: rules of a portfolio that say exactly what the constraints say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.constraints import (
    Allow,
    ConstraintSpec,
    DriverConstraints,
    LineupChecker,
    TrackConstraints,
)
from nascar_assets.lineups import InfeasiblePortfolio, build_portfolio, late_swap, veto_rules
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate

NOW = datetime(2026, 3, 15, 15, tzinfo=UTC)
SALARIES = made_salaries(12, 3)
SLATE = made_slate(SALARIES, teams=[*(f"Team {i % 4}" for i in range(11)), None])
POINTS = made_points(SALARIES, 200, 3)
IDS = [player.driver_id for player in SLATE.players]
NAMES = [player.name for player in SLATE.players]

_driver_veto = st.one_of(
    st.just("not-in-lineups"),
    st.just("leads-no-laps"),
    st.sampled_from([*IDS, "999"]).map(lambda other: f"not-together-in-lineups:other={other}"),
)
_team_veto = st.builds(
    lambda upper, team: f"team-in-lineup-at-most:drivers={upper}" + (f",team={team}" * bool(team)),
    st.integers(0, 3),
    st.sampled_from(["", "Team 0", "Team 1", "Team 9"]),
)


def made_spec(vetoes=None, *, track=()):
    """Everybody neutral; vetoes by driver id, and the track's."""
    drivers = [
        DriverConstraints(i, 0.5, 0.5, 0.5, veto_rules=(vetoes or {}).get(i, ())) for i in IDS
    ]
    return ConstraintSpec(
        SLATE.slate_id, NOW, drivers, [TrackConstraints("7", 0.5, 0.5, 0.5, veto_rules=track)]
    )


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    vetoes=st.dictionaries(st.sampled_from(IDS), st.lists(_driver_veto, max_size=2), max_size=4),
    track=st.lists(_team_veto, max_size=2),
)
def test_the_rules_allow_the_lineups_that_the_constraints_allow(vetoes, track):
    spec = made_spec({i: tuple(codes) for i, codes in vetoes.items()}, track=tuple(track))
    free = replace(SLATE, rules=replace(SLATE.rules, salary_cap=1_000_000))
    checker = LineupChecker(free, spec)
    rules = veto_rules(free, spec)
    for six in list(combinations(range(12), 6))[::7]:
        mask = sum(1 << i for i in six)
        kept = all(rule.lower <= (mask & rule.target).bit_count() <= rule.upper for rule in rules)
        assert kept == (checker.check([IDS[i] for i in six]) == Allow()), six


def test_without_vetoes_on_lineups_there_are_no_rules():
    assert veto_rules(SLATE, made_spec({IDS[0]: ("leads-no-laps",)})) == ()


@pytest.mark.slow
def test_a_portfolio_keeps_the_vetoes_and_says_so():
    free = build_portfolio(POINTS, SLATE, {"lineups": 8})
    first, second, third = free.drivers[0][:3]
    spec = made_spec(
        {
            IDS[first]: ("not-in-lineups",),
            IDS[second]: (f"not-together-in-lineups:other={IDS[third]}",),
        },
        track=("team-in-lineup-at-most:drivers=2",),
    )
    made = build_portfolio(POINTS, SLATE, {"lineups": 8}, vetoes=veto_rules(SLATE, spec))
    checker = LineupChecker(SLATE, spec)
    assert any(checker.check(ids) != Allow() for ids in free.driver_ids)
    assert all(checker.check(ids) == Allow() for ids in made.driver_ids)
    assert f"veto of the ontology: no lineup holds {NAMES[first]}." in made.notices
    assert "veto of the ontology: at most 2 of Team 0." in made.notices


def test_a_setting_against_a_veto_is_named_with_it():
    rules = veto_rules(SLATE, made_spec({IDS[2]: ("not-in-lineups",)}))
    with pytest.raises(InfeasiblePortfolio) as refused:
        build_portfolio(POINTS, SLATE, {"drivers": {NAMES[2]: {"lock": True}}}, vetoes=rules)
    assert refused.value.conflict == [
        f"lock {NAMES[2]}",
        f"veto of the ontology: no lineup holds {NAMES[2]}",
    ]


def test_a_late_swap_brings_nobody_in_whom_a_veto_keeps_out():
    before = build_portfolio(POINTS, SLATE, {"lineups": 1, "objective": "mean"}).drivers
    gone = NAMES[before[0][0]]
    free = late_swap(POINTS, SLATE, {"lineups": 1}, before, [gone])
    (came,) = (change.into for change in free.changes)
    rules = veto_rules(SLATE, made_spec({IDS[NAMES.index(came)]: ("not-in-lineups",)}))
    swap = late_swap(POINTS, SLATE, {"lineups": 1}, before, [gone], vetoes=rules)
    assert [change.out for change in swap.changes] == [gone]
    assert swap.changes[0].into != came
