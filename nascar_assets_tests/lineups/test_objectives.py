"""Objectives: each says what it is of, in its own unit, and asks for what it needs."""

from __future__ import annotations

import numpy as np
import pytest

from nascar_assets.lineups import PortfolioSettings, SettingsError, build_portfolio
from nascar_assets.lineups.objectives import OBJECTIVES, ObjectiveSettings
from nascar_assets_tests.lineups.slates import made_points, made_salaries, made_slate

TEXTS = {
    "mean": "221.46 points (standard error 0.50)",
    "quantile": "221.46 points (standard error 0.50)",
    "cvar": "221.46 points (standard error 0.50)",
    "expected_max": "221.46 points (standard error 0.50)",
    "payout": "$221.46 (standard error $0.50)",
}


@pytest.mark.parametrize("name", TEXTS)
def test_points_and_dollars_are_shown_as_such(name):
    assert OBJECTIVES[name].text(221.456, 0.5) == TEXTS[name]


@pytest.mark.parametrize("name", ["probability", "top_fraction"])
@pytest.mark.parametrize(
    ("chance", "text"), [(0.014, "1.4%"), (0.0096, "0.96%"), (0.0004, "0.04%"), (0.25, "25.0%")]
)
def test_a_chance_is_shown_in_per_cent(name, chance, text):
    assert OBJECTIVES[name].text(chance, 0.012) == f"{text} (standard error 1.2%)"


def test_an_error_that_is_not_known_is_said_to_be():
    for error in (None, float("nan")):
        assert "not known" in OBJECTIVES["mean"].text(1.0, error)


def test_every_objective_can_be_asked_for_and_no_other():
    for name, objective in OBJECTIVES.items():
        needed = dict.fromkeys(objective.needs, 200.0)
        assert PortfolioSettings.of({"objective": name, **needed}).objective == name
        for setting in needed:
            with pytest.raises(SettingsError, match=setting):
                PortfolioSettings.of({"objective": name})
    with pytest.raises(SettingsError, match="'mean', 'quantile'"):
        PortfolioSettings.of({"objective": "median"})


def test_what_a_person_may_set_is_of_some_objective():
    """The board draws an objective's setting, and the search reads it."""
    known = {kind.setting for kind in OBJECTIVES.values()} - {""}
    assert known == {*ObjectiveSettings.model_fields, "payout"} - {"objective"}
    assert all(kind.setting in kind.needs for kind in OBJECTIVES.values() if kind.needs)


def test_the_proof_of_a_chance_speaks_of_per_cent():
    salaries = made_salaries(12, 3)
    points = made_points(salaries, 400, 3)
    high = float(np.quantile(np.sort(points, axis=1)[:, -6:].sum(axis=1), 0.95)) / 20
    settings = {"objective": "probability", "threshold": high, "lineups": 2}
    made = build_portfolio(points, made_slate(salaries), settings)
    assert made.bound is not None
    shown = OBJECTIVES["probability"].show
    assert f"worth more than {shown(made.bound)};" in made.bound_statement
    assert f"is worth {shown(made.optimised_value)}," in made.bound_statement
