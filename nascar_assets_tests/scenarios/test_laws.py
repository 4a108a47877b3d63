"""The laws of the race hold in every scenario, and the check sees every way to break one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nascar_assets.scenarios import (
    LAWS,
    STARTING_VALUES,
    TooManyRejectedError,
    check_laws,
    generate_scenarios,
)
from nascar_assets.scenarios.result import Scenarios
from nascar_assets_tests.examples import examples
from nascar_assets_tests.scenarios.fields import setup_of, setups, spec_of


def broken(scenarios: Scenarios) -> dict[str, int]:
    return {record.law: record.broken for record in check_laws(scenarios)}


@pytest.mark.slow
@settings(max_examples=examples(400), deadline=None, suppress_health_check=list(HealthCheck))
@given(setup=setups(), seed=st.integers(0, 2**64 - 1), wild=st.booleans())
def test_every_law_holds_for_any_field_track_and_seed(setup, seed, wild):
    parameters = STARTING_VALUES
    if wild:  # many wrecks, much repair, much lapping: where the laws would break first
        parameters = parameters.with_type(
            setup.track_type,
            wreck_rate=0.6,
            wreck_more=0.9,
            trouble=0.6,
            repair=0.9,
            lapping=0.3,
            mechanical=20.0,
        )
    made = generate_scenarios(None, setup, 40, seed, parameters=parameters)
    assert all(count == 0 for count in broken(made).values())
    assert [record.checked for record in made.diagnostics.conservation] == [40] * len(LAWS)
    known = [entry.start for entry in setup.entries]
    for place, start in enumerate(known):
        assert start is None or (made.start[:, place] == start).all()
    assert (np.sort(made.start, axis=1) == np.arange(1, len(known) + 1)).all()


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    setup=setups(),
    seed=st.integers(0, 1000),
    bound=st.integers(0, 30),
    cautions=st.integers(3, 12),
)
def test_every_law_holds_under_vetoes(setup, seed, bound, cautions):
    first = setup.driver_ids[0]
    spec = spec_of(setup, {first: {"max_laps_led": bound, "veto_rules": ("does-not-retire",)}})
    try:
        made = generate_scenarios(
            spec, setup, 30, seed, vetoes=[f"cautions-at-most:cautions={cautions}"]
        )
    except TooManyRejectedError:
        return
    assert all(count == 0 for count in broken(made).values())
    assert (made.laps_led[:, 0] <= bound).all()
    assert (made.status[:, 0] == 0).all()
    assert (made.cautions <= cautions).all()


@pytest.mark.parametrize(
    ("law", "array"),
    [
        ("finish_permutation", "finish"),
        ("laps_led", "laps_led"),
        ("fastest_laps", "fastest_laps"),
        ("laps_completed", "laps_completed"),
        ("last_leader_wins", "last_leader"),
        ("retired_cars", "dnf_lap"),
    ],
)
def test_the_check_counts_a_scenario_that_breaks_a_law(law, array):
    made = generate_scenarios(None, setup_of(), 20, 5)
    winner = made.finish[3].argmin()
    values = getattr(made, array).copy()
    values[3] = {
        "finish": lambda row: np.where(row == 2, 1, row),
        "laps_led": lambda row: row + (np.arange(len(row)) == winner),
        "fastest_laps": lambda row: row + 10,
        "laps_completed": lambda row: row + 1,
        "last_leader": lambda row: made.finish[3].argmax(),
        "dnf_lap": lambda row: row + (np.arange(len(row)) == winner),
    }[array](values[3])
    record = {r.law: r for r in check_laws(replace(made, **{array: values}))}[law]
    assert (record.checked, record.broken, record.examples) == (20, 1, (3,))
