"""The contract's own values, the projected view, the table of codes, and purity."""

import ast
from datetime import timedelta
from pathlib import Path

import pytest

import nascar_assets.constraints as package
from nascar_assets.constraints import (
    CODES,
    Allow,
    Constraint,
    ConstraintContext,
    ConstraintPlanner,
    ConstraintValueError,
    Deny,
    GraphStateView,
    InMemoryStateView,
    ProjectedStateView,
    RequirementKey,
    StateView,
    Unknown,
    driver_summary,
    lineup_constraints,
    request_constraints,
    slate_summary,
)
from nascar_assets.constraints.codes import deny
from nascar_assets.constraints.codes_page import codes_markdown
from nascar_assets.constraints.summaries import DRIVER_SUMMARY, SLATE_SUMMARY
from nascar_assets.errors import InputError
from nascar_assets.ontology.ladybug_engine import LadybugEngine
from nascar_assets_tests.constraints.made_up import (
    LOCK,
    RACE,
    SLATE_ID,
    driver,
    player,
    slate,
    spec,
)

SLATE = slate([player("1", 9_000), player("2", 8_000, None, "OUT"), player("3", 7_000, "Team B")])
SPEC = spec([driver("1", "leads-no-laps", low=0, high=40), driver("3"), driver("4")])


def summaries(**changes):
    values = {"track_id": "9", "scheduled_laps": 200, "features": ("b", "a")}
    return slate_summary(SLATE, SPEC, **(values | changes)), driver_summary(SLATE, SPEC)


def test_the_projection_answers_as_memory_does():
    view = ProjectedStateView(*summaries())
    memory = InMemoryStateView(SPEC, SLATE, race=RACE, features=("a", "b"))
    for text in (
        *("driver:1", "driver:2", "driver:3", "driver:4", "driver:5"),
        *("track:9", "track:1", f"slate:{SLATE_ID}", "slate:other"),
        *("race:5001", "race:1", "team:Team A", "team:Team B", "team:x", "lineup:a"),
    ):
        key = RequirementKey.parse(text)
        assert view.has(key) is memory.has(key)
        if view.has(key):
            assert view.get(key) == memory.get(key)
        else:
            with pytest.raises(KeyError):
                view.get(key)


def test_a_race_of_unknown_length_is_not_at_hand():
    view = ProjectedStateView(*summaries(scheduled_laps=None))
    assert not view.has(RequirementKey("race", "5001"))


def test_summaries_have_the_stated_columns():
    one, many = summaries()
    assert dict(one.schema) == SLATE_SUMMARY
    assert list(many.columns) == list(DRIVER_SUMMARY)
    assert many["driver_id"].to_list() == ["1", "2", "3", "4"]
    assert many["compiled"].to_list() == [True, False, True, True]
    assert many["in_slate"].to_list() == [True, True, True, False]
    assert one["spec_hash"].to_list() == [SPEC.hash]


def test_summaries_that_do_not_fit_are_refused():
    one, many = summaries()
    with pytest.raises(InputError, match="slate summary lacks the columns lock, features"):
        ProjectedStateView(one.drop("lock", "features"), many)
    with pytest.raises(InputError, match="has one row; this one has 0"):
        ProjectedStateView(one.head(0), many)
    other = many.with_columns(slate_id=many["slate_id"] + "x")
    with pytest.raises(InputError, match=f"of {SLATE_ID}x, the slate summary of {SLATE_ID}"):
        ProjectedStateView(one, other)


def test_lineups_by_their_id_are_in_memory():
    view = InMemoryStateView(lineups={"a": ["1", "2"]})
    assert view.get(RequirementKey("lineup", "a")) == ("1", "2")


def test_views_and_rules_are_what_they_claim():
    views = (
        InMemoryStateView(),
        ProjectedStateView(*summaries()),
        GraphStateView(LadybugEngine()),
    )
    assert all(isinstance(view, StateView) for view in views)
    rules = (*lineup_constraints(), *request_constraints(must_be_open=True))
    assert all(isinstance(rule, Constraint) for rule in rules)


def test_a_plan_has_each_requirement_once():
    args = {"drivers": ("1", "3", "1"), "pool": ("3", "1")}
    context = ConstraintContext("a", SLATE_ID, track_id="9", race_id="5001", args=args)
    plan = ConstraintPlanner((*lineup_constraints(), *request_constraints())).plan(context)
    assert [str(key) for key in plan] == [
        "arg:drivers",
        "arg:pool",
        "driver:1",
        "driver:3",
        "race:5001",
        f"slate:{SLATE_ID}",
        "track:9",
    ]


def test_results_and_keys_are_frozen_values():
    key = RequirementKey.parse("env:lock_time")
    assert (key.kind, key.id, str(key)) == ("env", "lock_time", "env:lock_time")
    assert RequirementKey.parse("driver:new:12").id == "new:12"
    unknown = Unknown([RequirementKey("slate", "s"), key, key])
    assert unknown.missing == (key, RequirementKey("slate", "s"))
    context = ConstraintContext("a", "s", args={"x": [1, {"y": 2}]})
    for value, field in (
        (Allow(), "allowed"),
        (Deny("r", "C"), "code"),
        (unknown, "missing"),
        (key, "id"),
        (context, "mode"),
    ):
        with pytest.raises((AttributeError, TypeError)):
            setattr(value, field, "x")
        hash(value)
    with pytest.raises(TypeError):
        context.args["x"] = 1
    with pytest.raises(TypeError):
        context.args["x"][1]["y"] = 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: RequirementKey("planet", "mars"),
        lambda: RequirementKey("driver", ""),
        lambda: RequirementKey.parse("driver"),
        lambda: Unknown(()),
        lambda: Unknown(("driver:1",)),
        lambda: Deny("", "C"),
        lambda: Deny("r", ""),
        lambda: ConstraintContext("", "s"),
        lambda: ConstraintContext("a", ""),
        lambda: ConstraintContext("a", "s", mode="half"),
        lambda: ConstraintContext("a", "s", args=[1]),
        lambda: ConstraintContext("a", "s", track_id=""),
    ],
)
def test_values_that_cannot_be_are_refused(make):
    with pytest.raises(ConstraintValueError):
        make()


def test_codes_are_one_table_and_the_page_is_that_table():
    page = Path(__file__).parents[2] / "docs" / "constraint-codes.md"
    assert page.read_text(encoding="utf-8") == codes_markdown()
    assert all(code.code == key and code.meaning and code.remedy for key, code in CODES.items())
    with pytest.raises(KeyError):
        deny("NO_SUCH_CODE", "reason")


def test_rules_touch_no_clock_network_file_or_chance():
    """The modules of the rules import nothing that could."""
    folder = Path(package.__file__).parent
    allowed = {
        *("__future__", "collections", "collections.abc", "dataclasses", "math", "typing"),
        "nascar_assets.ontology.vetoes",
    }
    for name in ("rules", "rules_lineup", "rules_request", "evaluate", "planner"):
        tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= allowed
            elif isinstance(node, ast.ImportFrom):
                ours = str(node.module).startswith("nascar_assets.constraints.")
                assert ours or node.module in allowed, (name, node.module)


def test_times_in_the_surroundings_are_given():
    context = ConstraintContext("a", "s", env={"now": LOCK + timedelta(1)})
    assert context.env["now"] == LOCK + timedelta(1)
