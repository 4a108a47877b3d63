"""Settings written as TOML are read back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.lineups.settings_toml import settings_toml

# Every letter but control characters, quotes, dots and other scripts among them.
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)
SHARES = st.floats(0, 1)
DRIVERS = st.fixed_dictionaries(
    {},
    optional={
        "max_exposure": SHARES,
        "ownership": SHARES,
        "points_multiplier": st.floats(0.01, 10),
        "exclude": st.booleans(),
    },
)
GROUPS = st.fixed_dictionaries(
    {"drivers": st.lists(NAMES, min_size=1, max_size=3)},
    optional={"name": NAMES, "at_least": st.integers(0, 9), "min_exposure": SHARES},
)
RULES = st.fixed_dictionaries(
    {key: st.lists(NAMES, min_size=1, max_size=3) for key in ("if", "then")},
    optional={"at_most": st.integers(0, 9)},
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "lineups": st.integers(1, 500),
        "max_shared": st.integers(0, 9),
        "ownership_max": st.floats(0.01, 1_000),
        "teams": st.dictionaries(NAMES, st.fixed_dictionaries({"at_most": st.integers(0, 9)})),
        "drivers": st.dictionaries(NAMES, DRIVERS, max_size=4),
        "groups": st.lists(GROUPS, max_size=3),
        "rules": st.lists(RULES, max_size=3),
    },
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(SETTINGS)
def test_settings_come_back_as_they_were_written(data):
    wanted = PortfolioSettings.from_mapping(data)
    assert PortfolioSettings.from_toml(settings_toml(wanted)) == wanted


def test_the_text_is_the_one_that_a_person_would_write():
    data = {
        "lineups": 5,
        "drivers": {"J.R. Abernant": {"min_exposure": 0.3}},
        "rules": [{"if": ["A"], "then": ["B", "C"], "at_least": 1}],
    }
    assert settings_toml(PortfolioSettings.from_mapping(data)) == (
        'lineups = 5\n\n[drivers."J.R. Abernant"]\nmin_exposure = 0.3\n\n'
        '[[rules]]\nif = ["A"]\nthen = ["B", "C"]\nat_least = 1\n'
    )
    assert settings_toml(PortfolioSettings()) == ""
