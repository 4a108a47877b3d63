"""The closed vocabulary of veto rules."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.ontology import VETO_KINDS, UnknownVetoRule, VetoRule, parse_veto

VALUES = {
    "count": st.integers(0, 999_999),
    "place": st.integers(1, 999_999),
    "driver": st.text(string.printable, min_size=1, max_size=200).filter(str.strip),
    "team": st.text(min_size=1, max_size=200).filter(
        lambda text: text.strip() and text.isprintable()
    ),
}


@st.composite
def rules(draw):
    kind = draw(st.sampled_from(sorted(VETO_KINDS.values(), key=lambda kind: kind.name)))
    return VetoRule(
        kind.name,
        tuple(
            (parameter.name, draw(VALUES[parameter.kind]))
            for parameter in kind.parameters
            if not parameter.optional or draw(st.booleans())
        ),
    )


@given(rules())
def test_a_rule_is_its_code_and_back(rule):
    assert parse_veto(rule.code) == rule
    assert parse_veto(rule.code, subject=rule.kind.subject) == rule
    assert all(str(value) in rule.meaning for _, value in rule.arguments)


def test_parameters_may_come_in_any_order_and_have_one_code():
    parsed = parse_veto("not-both-in-top:other=4153,places=5")
    assert parsed.code == "not-both-in-top:places=5,other=4153"
    assert parsed.meaning == "The driver and driver 4153 do not both finish in the top 5."
    assert (parsed.count("places"), parsed.text("other")) == (5, "4153")


def test_a_team_may_have_any_name():
    code = VetoRule("team-accidents-at-most", (("cars", 2), ("team", "A, B=C: 100% & Söns"))).code
    assert code.count(",") == 1
    assert parse_veto(code).text("team") == "A, B=C: 100% & Söns"
    assert parse_veto("team-accidents-at-most:cars=2").meaning == (
        "At most 2 cars of any one team retire by accident."
    )


@pytest.mark.parametrize("code", ["", "LEADS-NO-LAPS", "leads-no-laps ", "MATCH (n) DELETE n"])
def test_an_unknown_rule_names_itself_and_the_known_ones(code):
    with pytest.raises(UnknownVetoRule) as caught:
        parse_veto(code)
    assert repr(code.partition(":")[0]) in str(caught.value)
    assert all(name in str(caught.value) for name in VETO_KINDS)


def test_a_rule_on_the_wrong_subject_names_the_right_ones():
    with pytest.raises(UnknownVetoRule, match="for a driver, not for a track") as caught:
        parse_veto("leads-no-laps", subject="track")
    assert "cautions-at-most" in str(caught.value)
    assert "does-not-retire" not in str(caught.value)


@pytest.mark.parametrize(
    "code",
    [
        "leads-at-most",
        "leads-at-most:",
        "leads-at-most:laps",
        "leads-at-most:laps=",
        "leads-at-most:laps=-1",
        "leads-at-most:laps=1.5",
        "leads-at-most:laps=٣",
        "leads-at-most:laps=1,laps=2",
        "leads-at-most:laps=1,place=2",
        "finishes-no-better-than:place=0",
        "finishes-behind:other=",
        "leads-no-laps:laps=0",
    ],
)
def test_malformed_arguments_are_refused(code):
    with pytest.raises(InputError, match="veto code"):
        parse_veto(code)
