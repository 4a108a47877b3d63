"""Building the ontology as of a date: nodes, newcomers, overrides, refusals."""

import math
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.ontology import Statement, build_state
from nascar_assets_tests.ontology.made_up import (
    AS_OF,
    LAST_RACE,
    driver_values,
    entrants,
    schedule,
    track_values,
)


def state_of(*entries, drivers=None, tracks=None, races=None, who=None):
    return build_state(
        driver_values() if drivers is None else drivers,
        track_values() if tracks is None else tracks,
        schedule() if races is None else races,
        entries,
        AS_OF,
        entrants=who,
    )


def entry(action, subject, id_, name, value=None, at=AS_OF):
    return Statement(action, subject, id_, name, value, "Ada Marsh", "saw it", at)


def driver(state, driver_id):
    return next(node for node in state.drivers if node.driver_id == driver_id)


def test_the_same_content_has_the_same_hash_in_any_order():
    first = state_of()
    second = state_of(drivers=driver_values()[::-1], tracks=track_values()[::-1])
    assert first == second
    assert len(first.hash) == 64


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["skill", "skill_se", "shadow_risk", "realpolitik_pos_se"]),
    st.integers(0, 7),
    st.floats(0, 1),
)
def test_any_change_of_a_value_changes_the_hash(column, row, value):
    drivers = driver_values()
    changed = drivers.with_columns(
        pl.when(pl.int_range(pl.len()) == row).then(value).otherwise(pl.col(column)).alias(column)
    )
    same = drivers[column][row] == value
    assert (state_of(drivers=changed).hash == state_of().hash) is same


def test_the_data_go_no_further_than_the_date():
    assert state_of().data_through == LAST_RACE
    late = driver_values(data_through=[AS_OF + timedelta(seconds=1)] * 8)
    with pytest.raises(InputError, match="after the as-of date"):
        state_of(drivers=late)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"skill": [1.01] * 8}, r"skill: The value of driver '100' must lie in \[0, 1\]"),
        ({"skill": [math.nan] * 8}, "skill"),
        ({"shadow_risk": [None] * 8}, "'100' has no shadow_risk"),
        ({"skill_se": [-0.1] * 8}, "standard error"),
        ({"driver_id": ["7"] * 8}, "driver ids 7 occur more than once"),
    ],
)
def test_values_that_cannot_be_are_refused(columns, message):
    with pytest.raises(InputError, match=message):
        state_of(drivers=driver_values(**columns))


def test_missing_columns_are_all_named():
    with pytest.raises(InputError, match="driver values lacks the columns skill_se, races"):
        state_of(drivers=driver_values().drop("races", "skill_se"))


def test_pit_windows_ascend():
    with pytest.raises(InputError, match=r"'1' needs pit windows.*\[80, 40\]"):
        state_of(tracks=track_values(1, pit_window_laps=[[80, 40]]))


def test_a_newcomer_starts_from_his_team():
    # Team 1 holds drivers 101, 104 and 107, each with realpolitik_pos 0.2 + 0.3 = 0.5; team 2
    # has 0.8. Distances of skill from the own team's advantage are measured on 20 drivers or
    # more; with 8 the newcomer is as uncertain as the unknown.
    new = entrants(("new:1", "Zoë Quick", "Team 2", "Ford"), ("new:2", None, None, None))
    state = state_of(who=new)
    first, second = driver(state, "new:1"), driver(state, "new:2")
    assert (first.name, first.team, first.newcomer, first.races) == ("Zoë Quick", "Team 2", True, 0)
    assert first.skill == pytest.approx(0.8)
    assert first.skill_se == pytest.approx(math.sqrt(1 / 12))
    assert (second.name, second.team, second.skill) == ("new:2", None, 0.5)
    assert second.skill_se == pytest.approx(math.sqrt(1 / 12))
    assert second.psyche_aggression == second.shadow_risk == 0.5


def test_a_newcomers_spread_is_measured_where_there_are_enough():
    # 24 drivers of one team with advantage 0.2: the skills are (i + 0.5) / 24, so the mean square
    # distance is var + (mean - 0.2)^2 = (24^2 - 1) / 12 / 24^2 + 0.3^2 = 0.083189 + 0.09.
    new = entrants(("new:1", "Zoë Quick", "Team 0", "Ford"))
    state = state_of(drivers=driver_values(24, teams=1), who=new)
    assert driver(state, "new:1").skill_se == pytest.approx(math.sqrt(0.083189 + 0.09), rel=1e-4)
    assert driver(state, "new:1").realpolitik_pos_se == pytest.approx(0.05)


def test_an_entry_list_moves_a_driver_to_his_new_team():
    state = state_of(who=entrants(("100", "Driver 0", "Team 9", "Toyota")))
    moved = driver(state, "100")
    assert (moved.team, moved.manufacturer, moved.newcomer) == ("Team 9", "Toyota", False)
    assert moved.skill == driver(state_of(), "100").skill


def test_a_new_track_is_neutral_and_wide_with_the_usual_stint():
    # Stints of the known tracks in miles: 40 x 2.5 = 100, 60 x 1.5 = 90, 110 x 0.5 = 55; the
    # median of 90 miles is 60 laps of 1.5 miles, up to the race's 200 laps.
    state = state_of(races=schedule(4, tracks=4))
    (new,) = (node for node in state.tracks if node.track_id == "4")
    assert (new.difficulty, new.aggression_factor, new.caution_rate) == (0.5, 0.5, 0.5)
    assert new.difficulty_se == pytest.approx(math.sqrt(1 / 12))
    assert new.pit_window_laps == (60, 120, 180)
    assert (new.races, new.data_through) == (0, None)


def test_an_override_is_laid_over_and_says_what_the_estimate_was():
    state = state_of(entry("override", "driver", "101", "aggression", 0.8))
    node = driver(state, "101")
    assert (node.psyche_aggression, node.psyche_aggression_se) == (0.8, 0.0)
    assert node.overridden == ("psyche_aggression",)
    (note,) = node.override_notes
    assert "by Ada Marsh" in note
    assert "saw it" in note
    assert "estimate: 0.5400, standard error 0.0500" in note
    assert state.hash != state_of().hash
    assert state.notices == ()


def test_a_newcomers_skill_follows_an_override_of_his_teams_advantage():
    new = entrants(("new:1", "Zoë Quick", None, None))
    advantage = entry("override", "driver", "new:1", "realpolitik_pos", 0.9)
    assert driver(state_of(advantage, who=new), "new:1").skill == 0.9
    both = (advantage, entry("override", "driver", "new:1", "skill", 0.3))
    assert driver(state_of(*both, who=new), "new:1").skill == 0.3
    assert (
        driver(state_of(entry("override", "driver", "100", "realpolitik_pos", 0.9)), "100").skill
        == 1 / 16
    )


def test_an_override_of_somebody_unknown_is_a_notice():
    state = state_of(entry("override", "driver", "999", "skill", 0.8))
    assert state.drivers == state_of().drivers
    (notice,) = state.notices
    assert "driver 999 is unknown" in notice


def test_an_override_from_after_the_date_counts_and_is_a_notice():
    later = AS_OF + timedelta(days=3)
    state = state_of(entry("override", "driver", "101", "skill", 0.8, at=later))
    assert driver(state, "101").skill == 0.8
    assert "entered after the as-of date" in state.notices[0]


def test_overrides_that_contradict_each_other_are_refused():
    with pytest.raises(InputError, match="at least 50 and at most 40"):
        state_of(
            entry("override", "driver", "101", "min_laps_led", 50),
            entry("override", "driver", "101", "max_laps_led", 40),
        )
