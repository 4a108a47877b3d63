"""What constraints do to the scenarios, what is rejected, and what the diagnostics say."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from nascar_assets.constraints import MissingConstraintError
from nascar_assets.errors import InputError
from nascar_assets.ontology.vetoes import VETO_KINDS
from nascar_assets.rules import rule_set
from nascar_assets.scenarios import (
    REGIMES,
    STARTING_VALUES,
    PitStrategy,
    SkeletonNarrative,
    TooManyRejectedError,
    generate_scenarios,
)
from nascar_assets_tests.scenarios.fields import setup_of, spec_of

EVEN = setup_of(30, 100, ratings=False, stage_ends=(30, 60))


def make(setup=EVEN, n=1500, drivers=None, spec=None, **track):
    return generate_scenarios(spec or spec_of(setup, drivers, **track), setup, n, 11)


@pytest.mark.parametrize(("n", "seed"), [(0, 1), (1_000_001, 1), (10, -1), (10, 2**64)])
def test_n_and_seed_out_of_range_are_refused(n, seed):
    with pytest.raises(InputError):
        generate_scenarios(None, EVEN, n, seed)


def test_a_driver_missing_in_the_spec_is_named():
    others = tuple(replace(entry, start=None) for entry in EVEN.entries[1:])
    spec = spec_of(replace(EVEN, entries=others))
    with pytest.raises(MissingConstraintError, match="d0"):
        generate_scenarios(spec, EVEN, 10, 1)


def test_the_narrative_tells_the_same_scenarios():
    notify = SkeletonNarrative(spec_of(EVEN), EVEN).generate_scenarios(200, 11)
    assert notify == make(n=200)
    flow = notify.flow(3)
    assert flow.cautions == notify.cautions[3]
    assert flow.pit_strategy in PitStrategy
    assert flow.label == REGIMES[notify.regime[3]]
    assert 0.0 <= flow.fuel_window_risk <= 1.0


def test_who_draws_a_good_start_is_fast_on_the_day():
    # Of equal cars: their start says nothing but what it shares with the day.
    def shared(setup):
        drawn = replace(setup, entries=tuple(replace(e, start=None) for e in setup.entries))
        found = make(setup=drawn, n=800)
        return np.mean(
            [np.corrcoef(s, f)[0, 1] for s, f in zip(found.start, found.finish, strict=True)]
        )

    assert 0.05 < shared(EVEN) < 0.35


def test_skill_alone_makes_a_driver_better():
    made = make(drivers={"d3": {"skill": 0.95}, "d4": {"skill": 0.05}})
    mean = made.finish.mean(axis=0)
    assert mean.argmin() == 3
    assert mean.argmax() == 4


def test_skill_equal_to_its_reference_leaves_the_rating_alone():
    entries = tuple(replace(entry, skill_reference=0.8) for entry in EVEN.entries)
    drivers = {entry.driver_id: {"skill": 0.8} for entry in entries}
    setup = replace(EVEN, entries=entries)
    assert make(setup, 200, drivers) == generate_scenarios(None, EVEN, 200, 11)


@pytest.mark.slow
def test_aggression_shadow_risk_and_the_track_act_as_they_say():
    neutral = make()
    accident, mechanical = (neutral.status == 1).mean(0), (neutral.status == 2).mean(0)
    eager = make(drivers={"d0": {"aggression": 0.99}})
    frail = make(drivers={"d0": {"shadow_risk": 0.99}})
    assert (eager.status == 1).mean(0)[0] > 1.3 * accident[0]
    assert (frail.status == 2).mean(0)[0] > 1.3 * mechanical.mean()
    assert make(caution_rate=0.9).cautions.mean() > 1.2 * neutral.cautions.mean()
    assert (make(aggression_factor=0.9).status == 1).sum() > 1.2 * (neutral.status == 1).sum()
    # Harder to pass: whoever leads keeps the lead for longer.
    easy, hard = (make(difficulty=value).laps_led.max(axis=1).mean() for value in (0.1, 0.9))
    assert hard > 1.1 * easy


@pytest.mark.slow
def test_an_override_moves_points_and_retirements_of_a_rated_field():
    setup = setup_of(36, 120)
    entries = tuple(replace(entry, skill_reference=0.6) for entry in setup.entries)
    setup = replace(setup, entries=entries)
    drivers = {entry.driver_id: {"skill": 0.6} for entry in entries}
    rules = rule_set("dk-classic", date(2025, 3, 1))

    def points_and_retired(**changes: float) -> tuple[float, float]:
        own = {**drivers, "d20": {"skill": 0.6, **changes}}
        made = generate_scenarios(spec_of(setup, own), setup, 3000, 11)
        return made.points(rules)[:, 20].mean() / rules.points_scale, (
            made.status[:, 20] != 0
        ).mean()

    points, retired = points_and_retired()
    # A standard deviation of skill is worth several places; a standard error here is 0.3 points.
    assert points_and_retired(skill=0.9)[0] > points + 2.0
    assert points_and_retired(skill=0.3)[0] < points - 2.0
    assert points_and_retired(shadow_risk=0.999)[1] > retired + 0.01


def test_weak_cars_break_more_often_where_the_parameters_say_so():
    setup = setup_of(40, 100, stage_ends=())
    parameters = STARTING_VALUES.with_type(
        "intermediate", mechanical=4.0, mechanical_slope=1.0, wreck_rate=0.0
    )
    made = generate_scenarios(None, setup, 3000, 2, parameters=parameters)
    broken = (made.status == 2).mean(axis=0)
    ratings = np.array([entry.level for entry in setup.entries])
    weights = np.exp(-(ratings - ratings.mean()))
    # Four cars of forty on average, each by its weight: standard errors are 0.006 at most.
    assert broken == pytest.approx(0.1 * weights / weights.mean(), abs=0.03)
    assert broken.mean() == pytest.approx(0.1, abs=0.004)


def test_an_uncertain_rating_widens_the_forecast():
    setup = setup_of(30, 100)
    entries = list(setup.entries)
    entries[0] = replace(entries[0], level_sd=1.5)
    wide = generate_scenarios(None, replace(setup, entries=tuple(entries)), 1500, 11)
    narrow = generate_scenarios(None, setup, 1500, 11)
    assert wide.finish[:, 0].std() > 1.1 * narrow.finish[:, 0].std()


def test_short_fuel_windows_bring_green_stops_and_more_leaders():
    quiet = STARTING_VALUES.with_type(
        "intermediate", wreck_rate=0.0, debris_rate=0.0, mechanical=0.0, trouble=0.0
    )
    setup = setup_of(30, 100, stage_ends=())
    few, many = (
        (
            generate_scenarios(
                spec_of(setup, pit_window_laps=window), setup, 400, 1, parameters=quiet
            ).laps_led
            > 0
        )
        .sum(axis=1)
        .mean()
        for window in ((99,), (24, 48, 72, 96))
    )
    assert many > few + 1.0


def test_only_aggressive_fields_gamble_on_fuel_much():
    setup = setup_of(30, 100, stage_ends=())
    spec = spec_of(setup, pit_window_laps=(31, 62, 93))
    quiet = STARTING_VALUES.with_type("intermediate", wreck_rate=0.0, debris_rate=0.0)

    def gambles(strategy: PitStrategy) -> float:
        return float(
            generate_scenarios(
                spec, setup, 400, 1, parameters=quiet, pit_strategy_mix={strategy: 1.0}
            ).fuel_gambles.mean()
        )

    assert gambles(PitStrategy.AGGRESSIVE) > gambles(PitStrategy.CONSERVATIVE)


def test_a_pit_window_beyond_the_race_is_told():
    made = generate_scenarios(spec_of(EVEN, pit_window_laps=(40, 80, 120)), EVEN, 10, 1)
    assert any("at laps 120 lie" in notice for notice in made.diagnostics.notices)


def test_a_malformed_mix_is_refused():
    for mix in ({PitStrategy.STANDARD: -1.0}, {}, {"FAST": 1.0}):
        with pytest.raises(InputError):
            generate_scenarios(None, EVEN, 10, 1, pit_strategy_mix=mix)


DRIVER_RULES = {
    "leads-no-laps": lambda m: m.laps_led[:, 0] == 0,
    "leads-at-most:laps=5": lambda m: m.laps_led[:, 0] <= 5,
    "leads-at-least:laps=1": lambda m: m.laps_led[:, 0] >= 1,
    "finishes-no-better-than:place=4": lambda m: m.finish[:, 0] >= 4,
    "finishes-no-worse-than:place=25": lambda m: m.finish[:, 0] <= 25,
    "not-both-in-top:places=5,other=d1": lambda m: (m.finish[:, 0] > 5) | (m.finish[:, 1] > 5),
    "finishes-behind:other=d1": lambda m: m.finish[:, 0] > m.finish[:, 1],
    "does-not-retire": lambda m: m.status[:, 0] == 0,
}
TRACK_RULES = {
    "team-accidents-at-most:cars=1,team=Team 0": lambda m: (m.status[:, :2] == 1).sum(1) <= 1,
    "team-accidents-at-most:cars=1": lambda m: (
        (m.status == 1).reshape(len(m), -1, 2).sum(2) <= 1
    ).all(1),
    "accidents-at-most:cars=6": lambda m: (m.status == 1).sum(1) <= 6,
    "cautions-at-most:cautions=9": lambda m: m.cautions <= 9,
    "cautions-at-least:cautions=4": lambda m: m.cautions >= 4,
    "winner-starts-no-worse-than:place=25": lambda m: m.start[m.finish == 1] <= 25,
    "leaders-at-most:drivers=15": lambda m: (m.laps_led > 0).sum(1) <= 15,
}


@pytest.mark.parametrize("code", [*DRIVER_RULES, *TRACK_RULES])
def test_a_veto_rule_rejects_what_breaks_it_and_nothing_else(code):
    plain = generate_scenarios(None, EVEN, 4000, 11)
    if code in DRIVER_RULES:
        holds, spec = DRIVER_RULES[code], spec_of(EVEN, {"d0": {"veto_rules": (code,)}})
        made = generate_scenarios(spec, EVEN, 300, 11, rejection_limit=0.9)
    else:
        holds = TRACK_RULES[code]
        made = generate_scenarios(
            spec_of(EVEN, veto_rules=(code,)), EVEN, 300, 11, rejection_limit=0.9
        )
    # The scenarios kept are exactly the first that obey the rule.
    assert made == plain.take(np.flatnonzero(holds(plain))[:300])
    diagnostics = made.diagnostics
    assert diagnostics.n_valid == 300
    rejected = diagnostics.n_generated - 300
    assert sum(diagnostics.rejected_by_rule.values()) == rejected
    assert diagnostics.rejection_rate == pytest.approx(rejected / diagnostics.n_generated)


def test_every_rule_of_the_vocabulary_on_scenarios_is_tried():
    for subject, tried in (("driver", DRIVER_RULES), ("track", TRACK_RULES)):
        known = {
            kind.name
            for kind in VETO_KINDS.values()
            if kind.subject == subject and kind.scope == "scenario"
        }
        assert {code.split(":")[0] for code in tried} == known


def test_rules_for_lineups_and_absent_rivals_reject_nothing():
    rules = ("not-in-lineups", "finishes-behind:other=absent")
    made = generate_scenarios(spec_of(EVEN, {"d0": {"veto_rules": rules}}), EVEN, 100, 11)
    assert made.diagnostics.rejection_rate == 0.0


def test_bounds_on_laps_led_shift_the_marginals_and_say_how_far():
    spec = spec_of(EVEN, {"d0": {"min_laps_led": 1}})
    made = generate_scenarios(spec, EVEN, 400, 11, rejection_limit=0.9)
    assert (made.laps_led[:, 0] >= 1).all()
    shift = made.diagnostics.marginal_shift
    assert shift.laps_led_driver == "d0"
    assert shift.laps_led > 0.0


def test_vetoes_that_reject_too_much_fail_with_the_rules_named():
    spec = spec_of(EVEN, {"d0": {"min_laps_led": 90}, "d1": {"veto_rules": ("does-not-retire",)}})
    with pytest.raises(TooManyRejectedError, match=r"min_laps_led=90 \(driver d0\)"):
        generate_scenarios(spec, EVEN, 200, 1)


def test_diagnostics_count_regimes_and_name_their_sources():
    spec = spec_of(EVEN)
    diagnostics = generate_scenarios(spec, EVEN, 500, 3).diagnostics
    assert sum(diagnostics.regime_frequencies.values()) == pytest.approx(1.0)
    assert diagnostics.spec_hash == spec.hash
    assert diagnostics.parameters_hash == STARTING_VALUES.hash
    assert all(record.broken == 0 for record in diagnostics.conservation)
    assert diagnostics.to_dict()["seed"] == 3
