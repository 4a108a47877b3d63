"""Each constraint alone, with its arithmetic."""

from datetime import timedelta

import pytest

from nascar_assets.constraints import (
    Allow,
    ConstraintContext,
    Deny,
    InMemoryStateView,
    LineupChecker,
    MissingRequirementError,
    SlateFact,
    evaluate_constraints,
    lineup_constraints,
    request_constraints,
)
from nascar_assets.constraints.facts import PlayerFact
from nascar_assets.constraints.rules_lineup import (
    DriversInSlate,
    DriverVetoes,
    NobodyWithdrawn,
    NoDuplicates,
    RosterSize,
    SalaryCap,
    TrackVetoes,
)
from nascar_assets.constraints.rules_request import (
    ExposureFeasible,
    FeaturesAvailable,
    LapsLedFeasible,
    LineupFeasible,
    SalariesKnown,
    SlateOpen,
)
from nascar_assets.rules.sites import NOT_RACING
from nascar_assets_tests.constraints.made_up import (
    LOCK,
    RACE,
    SLATE_ID,
    driver,
    player,
    slate,
    spec,
)

SIX = ("0", "1", "2", "3", "4", "5")
SALARIES = (11_000, 10_000, 9_000, 8_000, 7_000, 5_000)  # 50,000 together, the cap
SLATE = slate(
    [
        *(player(id_, SALARIES[int(id_)], f"Team {'AB'[int(id_) % 2]}") for id_ in SIX),
        player("6", 4_500, None, "OUT"),
        player("7", 5_100, "Team A"),
    ]
)
SPEC = spec([driver(str(number)) for number in range(10)])


def run(rule, args=None, made=SLATE, compiled=SPEC, **changes):
    context = ConstraintContext(
        **{
            "actor": "lineup",
            "slate_id": SLATE_ID,
            "track_id": "9",
            "race_id": RACE.race_id,
            "args": args or {},
            **changes,
        }
    )
    view = InMemoryStateView(compiled, made, race=RACE, features=("win_rate",))
    return evaluate_constraints([rule], context, view)


def code_of(result):
    assert isinstance(result, Deny)
    return result.code


def test_salary_cap_to_the_dollar():
    assert run(SalaryCap(), {"drivers": SIX}) == Allow()
    over = run(SalaryCap(), {"drivers": (*SIX[:5], "7")})
    assert over == Deny("The lineup costs 50,100; the cap is 50,000.", "SALARY_CAP_EXCEEDED")
    assert run(SalaryCap(), {"drivers": (*SIX[:5], "7"), "salary_cap": 50_100}) == Allow()
    assert code_of(run(SalaryCap(), {"drivers": ("0", "x")})) == "SALARY_MISSING"


def test_roster_duplicates_slate_and_withdrawals():
    assert run(RosterSize(), {"drivers": SIX}) == Allow()
    assert run(RosterSize(), {"drivers": SIX[:5]}).reason == (
        "The lineup holds 5 drivers; the roster has 6."
    )
    assert code_of(run(RosterSize(), {"drivers": (*SIX, "7")})) == "ROSTER_SIZE"
    assert run(NoDuplicates(), {"drivers": SIX}) == Allow()
    assert code_of(run(NoDuplicates(), {"drivers": ("1", "2", "1")})) == "DUPLICATE_DRIVER"
    assert run(DriversInSlate(), {"drivers": SIX}) == Allow()
    assert "x, y" in run(DriversInSlate(), {"drivers": ("y", "0", "x")}).reason
    assert run(NobodyWithdrawn(), {"drivers": SIX}) == Allow()
    assert code_of(run(NobodyWithdrawn(), {"drivers": ("6",)})) == "DRIVER_WITHDRAWN"
    for status, withdrawn in ((None, False), ("IN", False), (" dnq ", True)):
        assert PlayerFact("6", 4_500, None, status).withdrawn == withdrawn
    assert all(PlayerFact("6", 4_500, None, mark).withdrawn for mark in NOT_RACING)
    assert run(DriversInSlate(), {"drivers": ("z",), "salaries": {"z": 5}}, None) == Allow()


def test_vetoes_on_drivers():
    vetoed = spec(
        [
            driver("0", "not-in-lineups"),
            driver("1", "not-together-in-lineups:other=2"),
            driver("2"),
            driver("3", "leads-no-laps"),
        ]
    )
    for drivers, allowed in (
        (("2", "3"), True),
        (("1", "3"), True),
        (("0", "3"), False),
        (("1", "2"), False),
        (("2", "1"), False),
    ):
        result = run(DriverVetoes(), {"drivers": drivers}, compiled=vetoed)
        assert result.allowed is allowed
        if not allowed:
            assert code_of(result) == "DRIVER_VETOED"
    with pytest.raises(MissingRequirementError, match="driver:9"):
        run(DriverVetoes(), {"drivers": ("9",)}, compiled=vetoed)


def test_vetoes_on_the_track():
    # Even ids drive for Team A, odd ones for Team B.
    any_team = spec([], ["team-in-lineup-at-most:drivers=2"])
    assert run(TrackVetoes(), {"drivers": ("0", "2", "1", "3")}, compiled=any_team) == Allow()
    denied = run(TrackVetoes(), {"drivers": ("0", "2", "4")}, compiled=any_team)
    assert (denied.code, "Team A" in denied.reason) == ("TRACK_VETOED", True)
    one_team = spec([], ["team-in-lineup-at-most:drivers=1,team=Team B"])
    assert run(TrackVetoes(), {"drivers": ("0", "2", "4", "1")}, compiled=one_team) == Allow()
    assert code_of(run(TrackVetoes(), {"drivers": ("1", "3")}, compiled=one_team)) == "TRACK_VETOED"
    assert run(TrackVetoes(), {"drivers": ("1", "3")}, compiled=one_team, track_id=None) == Allow()


@pytest.mark.parametrize(("minutes", "allowed"), [(-1, True), (0, False), (1, False)])
def test_a_slate_locks_at_the_start(minutes, allowed):
    now = LOCK + timedelta(minutes=minutes)
    assert run(SlateOpen(), env={"now": now}).allowed is allowed
    later = {"now": now, "lock_time": LOCK + timedelta(hours=1)}
    assert run(SlateOpen(), env=later) == Allow()
    assert run(SlateOpen(), env=later, made=None) == Allow()
    if not allowed:
        assert code_of(run(SlateOpen(), env={"now": now})) == "SLATE_LOCKED"


def test_salaries_come_from_the_request_or_the_slate():
    assert run(SalariesKnown(), {"pool": SIX}) == Allow()
    assert run(SalariesKnown(), {"pool": ("x",), "salaries": {"x": 1}}, None) == Allow()
    assert run(SalariesKnown(), {"pool": ("x", "0"), "salaries": {"x": 1}}) == Allow()
    assert code_of(run(SalariesKnown(), {"pool": ("x", "0")})) == "SALARY_MISSING"


def test_a_pool_must_make_a_lineup():
    assert run(LineupFeasible(), {"pool": SIX}) == Allow()
    assert "5 drivers may be picked" in run(LineupFeasible(), {"pool": SIX[:5]}).reason
    assert "5 drivers may be picked" in run(LineupFeasible(), {"pool": (*SIX[:5], "6")}).reason
    # The five dearest and the 5,100: 45,000 + 5,100.
    assert run(LineupFeasible(), {"pool": (*SIX[:5], "7")}).reason == (
        "The cheapest lineup costs 50,100; the cap is 50,000."
    )
    # With all seven that race the cheapest six leave out the 11,000: 44,100.
    assert run(LineupFeasible(), {"pool": (*SIX, "7"), "salary_cap": 44_100}) == Allow()
    assert not run(LineupFeasible(), {"pool": (*SIX, "7"), "salary_cap": 44_099}).allowed
    vetoed = spec([driver("0", "not-in-lineups"), *(driver(id_) for id_ in SIX[1:])])
    assert code_of(run(LineupFeasible(), {"pool": SIX}, compiled=vetoed)) == "LINEUP_INFEASIBLE"


def test_bounds_on_laps_led_fit_the_race():
    # The race has 200 laps.
    def bounded(*bounds):
        compiled = spec(
            [driver(str(i), low=low, high=high) for i, (low, high) in enumerate(bounds)]
        )
        field = tuple(str(i) for i in range(len(bounds)))
        return run(LapsLedFeasible(), {"pool": field, "field": field}, compiled=compiled)

    assert bounded((120, None), (80, None)) == Allow()
    assert "add up to 201" in bounded((120, None), (81, None)).reason
    assert bounded((0, 120), (0, 80)) == Allow()
    assert "add up to 199" in bounded((0, 120), (0, 79)).reason
    assert bounded((0, 10), (0, None)) == Allow()
    assert code_of(bounded((201, None))) == "LAPS_LED_INFEASIBLE"


def test_the_requests_own_bounds_and_vetoes_count():
    compiled = spec([driver("0", "leads-no-laps", low=5), driver("1", "leads-at-least:laps=60")])
    assert (
        "at least 5 and at most 0"
        in run(LapsLedFeasible(), {"pool": ("0",)}, None, compiled).reason
    )
    own = {"pool": ("0",), "laps_led": {"0": (5, None)}}
    assert run(LapsLedFeasible(), own, None, compiled) == Allow()
    asked = {"pool": ("1",), "race_laps": 59}
    assert code_of(run(LapsLedFeasible(), asked, None, compiled)) == "LAPS_LED_INFEASIBLE"
    assert run(LapsLedFeasible(), {**asked, "race_laps": 60}, None, compiled) == Allow()
    # A bound on the pool alone says nothing of those who race besides.
    others = {"pool": ("1",), "laps_led": {"1": (0, 10)}}
    assert run(LapsLedFeasible(), others, None, compiled) == Allow()


@pytest.mark.parametrize(
    ("exposures", "lineups", "reason"),
    [
        ({"0": (0.3, 0.6)}, 10, None),
        ({"0": (0.3, 0.3)}, 10, None),  # 3 of 10, whatever 0.3 x 10 is in binary
        ({"0": (0.31, 0.39)}, 10, "No whole number of 10 lineups"),
        ({"0": (0.7, 0.6)}, 10, "No whole number"),
        ({"6": (0.1, 1.0)}, 10, "may not be picked"),  # he is out
        ({"x": (0.0, 0.0)}, 10, None),
        # Seven race; six places in each of 10 lineups: 60 places.
        (dict.fromkeys("0123457", (0.9, 1.0)), 10, "need 63 places"),
        (dict.fromkeys("0123457", (0.0, 0.8)), 10, "allow 56 places"),
        # 7 x 0.8 = 56 of 60; one driver more at 1.0 than at 0.8 gives 4 x 2 places back.
        ({**dict.fromkeys("0123457", (0.0, 0.8)), "7": (0, 1), "5": (0, 1)}, 10, None),
        # Without the 5,000 the cheapest lineup is the 50,100.
        ({"5": (0.0, 0.0)}, 10, "cost 501,000 together"),
        ({"5": (0.0, 0.5)}, 10, None),
    ],
)
def test_exposures_can_be_met_in_whole_lineups(exposures, lineups, reason):
    args = {"pool": (*SIX, "6", "7"), "exposures": exposures, "lineups": lineups}
    result = run(ExposureFeasible(), {**args, "salary_cap": 50_000})
    if reason is None:
        assert result == Allow()
    else:
        assert (code_of(result), reason in result.reason) == ("EXPOSURE_INFEASIBLE", True)


def test_features_are_known_as_of():
    assert run(FeaturesAvailable(), {"features": ["win_rate"]}) == Allow()
    assert run(FeaturesAvailable(), {}, None) == Allow()
    denied = run(FeaturesAvailable(), {"features": ["win_rate", "race_laps_led"]})
    assert denied == Deny(
        f"Slate {SLATE_ID} has no feature race_laps_led by its as-of time.", "FEATURE_NOT_AVAILABLE"
    )


def test_finished_lineups_are_checked_in_full():
    assert LineupChecker(SLATE, SPEC).check(SIX) == Allow()
    assert LineupChecker(SlateFact.of(SLATE), SPEC).check(SIX) == Allow()
    checker = LineupChecker(SLATE, SPEC)
    assert code_of(checker.check((*SIX[:5], "7"))) == "SALARY_CAP_EXCEEDED"
    assert LineupChecker(SLATE, SPEC, salary_cap=51_000).check((*SIX[:5], "7")) == Allow()
    assert code_of(checker.check((*SIX[:5], "6"))) == "DRIVER_WITHDRAWN"
    assert code_of(checker.check((*SIX[:5], "0"))) == "DUPLICATE_DRIVER"
    assert code_of(checker.check((*SIX[:5], "8"))) == "DRIVER_NOT_IN_SLATE"
    # The spec holds one track, so its vetoes count without being asked for.
    vetoed = spec([driver(id_) for id_ in SIX], ["team-in-lineup-at-most:drivers=2"])
    assert code_of(LineupChecker(SLATE, vetoed).check(SIX)) == "TRACK_VETOED"


def test_names_are_distinct_and_only_requests_may_ask_for_an_open_slate():
    rules = (*lineup_constraints(), *request_constraints(must_be_open=True))
    assert len({rule.name for rule in rules}) == len(rules) == 13
    assert {rule.name for rule in rules} - {r.name for r in request_constraints()} >= {"slate open"}
