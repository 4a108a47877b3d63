"""One logic in two places: the precheck never contradicts the full evaluation."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nascar_assets.constraints import (
    CODES,
    Allow,
    ConstraintContext,
    ConstraintPlanner,
    Deny,
    GraphStateView,
    InMemoryStateView,
    MissingRequirementError,
    ProjectedStateView,
    Unknown,
    driver_summary,
    evaluate_constraints,
    explain_constraints,
    lineup_constraints,
    request_constraints,
    slate_summary,
)
from nascar_assets.constraints.contract import known
from nascar_assets.ontology import load_state
from nascar_assets.ontology.ladybug_engine import LadybugEngine
from nascar_assets.ontology.nodes import DriverNode, RaceNode, TrackNode
from nascar_assets.ontology.state import OntologyState
from nascar_assets_tests.constraints.made_up import LOCK, RACE, SLATE_ID, arguments, slates
from nascar_assets_tests.examples import examples

ALL = (*lineup_constraints(), *request_constraints(must_be_open=True))
FEATURES = ("recent_form", "win_rate")


def context(args, mode, minutes=-5, **changes):
    values = {
        "actor": "lineup-1",
        "slate_id": SLATE_ID,
        "track_id": "9",
        "race_id": RACE.race_id,
        "args": args,
        "env": {"now": LOCK + timedelta(minutes=minutes)},
        "mode": mode,
    }
    return ConstraintContext(**(values | changes))


def in_memory(slate, spec):
    return InMemoryStateView(spec, slate, race=RACE, features=FEATURES)


def projected(slate, spec):
    return ProjectedStateView(
        slate_summary(
            slate, spec, track_id="9", scheduled_laps=RACE.scheduled_laps, features=FEATURES
        ),
        driver_summary(slate, spec),
    )


class Part:
    """A view that holds only a part of another one."""

    def __init__(self, whole, missing):
        self.whole, self.missing = whole, missing

    def load(self, requirements):
        self.whole.load(requirements)

    def has(self, requirement):
        return requirement not in self.missing and self.whole.has(requirement)

    def get(self, requirement):
        assert self.has(requirement), f"{requirement} was read without having been required"
        return self.whole.get(requirement)


@pytest.mark.slow
@settings(max_examples=examples(150), deadline=None)
@given(slates(), arguments(), st.sampled_from([-5, 0, 5]))
def test_precheck_and_full_agree_over_memory_and_projection(made, args, minutes):
    slate, spec = made
    views = [in_memory(slate, spec), projected(slate, spec)]
    for rules in ((one,) for one in ALL):
        results = [
            evaluate_constraints(rules, context(args, mode, minutes), view)
            for view in views
            for mode in ("full", "precheck")
        ]
        assert len(set(results)) == 1
        assert isinstance(results[0], (Allow, Deny))
    whole = evaluate_constraints(ALL, context(args, "full", minutes), views[0])
    assert whole == evaluate_constraints(ALL, context(args, "precheck", minutes), views[1])


@pytest.mark.slow
@settings(max_examples=examples(150), deadline=None)
@given(slates(), arguments(), st.data())
def test_a_requirement_that_is_missing_is_named_exactly(made, args, data):
    view = in_memory(*made)
    rule = data.draw(st.sampled_from(ALL))
    plan = ConstraintPlanner([rule]).plan(context(args, "full"))
    stored = [key for key in plan if key.kind not in ("arg", "env")]
    missing = data.draw(st.sets(st.sampled_from(stored))) if stored else set()
    part = Part(view, missing)
    precheck = evaluate_constraints([rule], context(args, "precheck"), part)
    if not missing:
        assert precheck == evaluate_constraints([rule], context(args, "full"), view)
        return
    assert precheck == Unknown(tuple(sorted(missing)))
    with pytest.raises(MissingRequirementError) as caught:
        evaluate_constraints([rule], context(args, "full"), part)
    assert set(caught.value.missing) == missing
    assert all(str(key) in str(caught.value) for key in missing)


@pytest.mark.slow
@settings(max_examples=examples(100), deadline=None)
@given(slates(), arguments(), st.data())
def test_what_the_context_lacks_is_named_exactly(made, args, data):
    view = in_memory(*made)
    rule = data.draw(st.sampled_from(ALL))
    gone = data.draw(st.sampled_from(["drivers", "pool", "now"]))
    changed = {name: value for name, value in args.items() if name != gone}
    bare = {} if gone == "now" else {"now": LOCK}
    asked = context(changed, "precheck", env=bare)
    lacking = tuple(key for key in rule.requires(asked) if not known(key, asked, view))
    result = evaluate_constraints([rule], asked, view)
    if lacking:
        assert {f"{key.kind}:{key.id}" for key in lacking} == {
            "env:now" if gone == "now" else f"arg:{gone}"
        }
        assert result == Unknown(lacking)
    else:
        assert isinstance(result, (Allow, Deny))


@pytest.mark.slow
@settings(max_examples=examples(150), deadline=None)
@given(slates(), arguments(), st.data())
def test_what_the_precheck_decides_on_a_part_the_full_evaluation_confirms(made, args, data):
    view = in_memory(*made)
    plan = ConstraintPlanner(ALL).plan(context(args, "full"))
    stored = [key for key in plan if key.kind not in ("arg", "env")]
    part = Part(view, data.draw(st.sets(st.sampled_from(stored))))
    precheck = evaluate_constraints(ALL, context(args, "precheck"), part)
    if not isinstance(precheck, Unknown):
        assert precheck == evaluate_constraints(ALL, context(args, "full"), view)
    explained = explain_constraints(ALL, context(args, "full"), part)
    whole = dict(explain_constraints(ALL, context(args, "full"), view))
    assert [name for name, _ in explained] == [rule.name for rule in ALL]
    for name, result in explained:
        assert isinstance(result, Unknown) or result == whole[name]


@settings(max_examples=examples(60), deadline=None)
@given(slates(), arguments(), st.permutations(ALL), st.randoms(use_true_random=False))
def test_the_order_of_loading_and_of_rules_changes_no_result(made, args, rules, random):
    expected = dict(explain_constraints(ALL, context(args, "full"), in_memory(*made)))
    view = in_memory(*made)
    plan = list(ConstraintPlanner(rules).plan(context(args, "full")))
    random.shuffle(plan)
    for key in plan:
        view.load([key])
    shuffled = dict(reversed(list(args.items())))
    assert dict(explain_constraints(rules, context(shuffled, "full"), view)) == expected


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(slates(), arguments())
def test_the_graph_view_agrees_with_memory(made, args):
    slate, spec = made
    engine = LadybugEngine()
    load_state(engine, graph_of(spec))
    reads = Counter()

    class Counting:
        def read(self, query, **parameters):
            reads[query.name] += 1
            return engine.read(query, **parameters)

    view = GraphStateView(Counting(), slate)
    rules = tuple(rule for rule in ALL if rule.name != "features available")
    ConstraintPlanner(rules).load(context(args, "full"), view)
    assert set(reads.values()) <= {1}
    in_full = in_memory(slate, spec)
    for rule in rules:
        for mode in ("full", "precheck"):
            asked = context(args, mode)
            assert evaluate_constraints([rule], asked, view) == evaluate_constraints(
                [rule], asked, in_full
            )
    engine.close()


class AllSeen(Exception):
    """Ends the search for what has been found."""


@pytest.mark.slow
def test_every_code_of_the_rules_is_reached():
    """The random slates and requests above are wide enough to deny in every way."""
    wanted, seen = set(CODES) - {"SLATE_UNKNOWN"}, set()

    @settings(
        max_examples=500, deadline=None, database=None, derandomize=True, phases=[Phase.generate]
    )
    @given(slates(), arguments(), st.sampled_from([-5, 5]))
    def collect(made, args, minutes):
        if seen < wanted:
            asked = context(args, "full", minutes)
            results = explain_constraints(ALL, asked, in_memory(*made))
            seen.update(result.code for _, result in results if isinstance(result, Deny))
        if seen >= wanted:
            raise AllSeen

    with pytest.raises(AllSeen):
        collect()
    assert seen == wanted


def graph_of(spec):
    """The graph whose compiled form is a spec."""
    half = {"skill_se": 0.1, "psyche_aggression_se": 0.1, "shadow_risk_se": 0.1}
    return OntologyState(
        as_of=LOCK,
        drivers=tuple(
            DriverNode(
                driver_id=driver.driver_id,
                name=driver.driver_id,
                team=None,
                manufacturer=None,
                series="cup",
                skill=driver.skill,
                psyche_aggression=driver.aggression,
                shadow_risk=driver.shadow_risk,
                realpolitik_pos=0.5,
                realpolitik_pos_se=0.1,
                races=1,
                newcomer=False,
                data_through=None,
                min_laps_led=driver.min_laps_led,
                max_laps_led=driver.max_laps_led,
                vetoes=driver.veto_rules,
                **half,
            )
            for driver in spec.drivers.values()
        ),
        tracks=tuple(
            TrackNode(
                track_id=track.track_id,
                name=track.track_id,
                track_type="short",
                length_miles=1.0,
                difficulty=track.difficulty,
                difficulty_se=0.1,
                aggression_factor=track.aggression_factor,
                aggression_factor_se=0.1,
                caution_rate=track.caution_rate,
                caution_rate_se=0.1,
                pit_window_laps=track.pit_window_laps,
                races=1,
                data_through=None,
                vetoes=track.veto_rules,
            )
            for track in spec.tracks.values()
        ),
        races=(
            RaceNode(
                RACE.race_id, "2031-cup-02", "Race", "cup", 2031, "9", LOCK, RACE.scheduled_laps
            ),
        ),
    )
