"""An outcome is read against its race's seal only."""

from datetime import UTC, datetime

import pytest

from nascar_assets.calibration.sealing import (
    OutcomeVault,
    Seal,
    SealBrokenError,
    seals_from_json,
    seals_to_json,
    sha256,
)
from nascar_assets.errors import InputError

from .world import world

FORECAST = b"a forecast"


def seal(**changes):
    fields = {
        "race_id": "24003",
        "race_key": "2024-cup-03",
        "as_of": datetime(2024, 2, 22, 19, tzinfo=UTC),
        "sha256": sha256(FORECAST),
        "seed": 5,
        "scenarios": 10,
        "model": "m",
        "model_version": "1",
        "known_races": 3,
        "baselines": {"b": "0"},
        "file": "forecasts/24003.parquet",
    }
    return Seal(**{**fields, **changes})


@pytest.fixture(scope="module")
def vault():
    return OutcomeVault(world(races=4).results)


def test_opens_for_the_sealed_bytes_and_remembers(vault):
    rows = vault.open(seal(), FORECAST)
    assert rows["race_id"].unique().to_list() == ["24003"]
    assert vault.opened[-1] == "24003"


@pytest.mark.parametrize("key", ["24003", None, {"race_id": "24003"}])
def test_cannot_be_opened_without_a_seal(vault, key):
    with pytest.raises(SealBrokenError, match="against its race's seal only"):
        vault.open(key, FORECAST)


def test_cannot_be_opened_with_other_bytes(vault):
    with pytest.raises(SealBrokenError, match="void"):
        vault.open(seal(), b"another forecast")


def test_cannot_be_opened_by_a_seal_made_after_the_race(vault):
    with pytest.raises(SealBrokenError, match="was over before"):
        vault.open(seal(as_of=datetime(2024, 3, 1, tzinfo=UTC)), FORECAST)


def test_the_results_cannot_be_reached_past_the_seal(vault):
    public = [name for name in dir(vault) if not name.startswith("_")]
    assert public == ["open", "opened"]
    assert not hasattr(vault, "__dict__")


def test_a_race_without_results_is_said_so(vault):
    with pytest.raises(InputError, match="no results"):
        vault.open(seal(race_id="9"), FORECAST)


def test_seals_survive_the_file():
    seals = {"24003": seal(), "1": seal(race_id="1")}
    stored, settings = seals_from_json(seals_to_json(seals, {"seed": 1}))
    assert stored == seals
    assert settings == {"seed": 1}
    with pytest.raises(InputError, match="cannot be read"):
        seals_from_json(b'{"races": []}')
