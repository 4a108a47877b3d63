"""Stored fits of the race process, the released recipe, and what a forecast as of a moment uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nascar_assets.calibration.model_version import (
    GateRecord,
    ModelRecipe,
    VersionInUse,
    version_in_use,
)
from nascar_assets.orchestration.inputs.race_scores import forecasting_code
from nascar_assets.scenarios import ProcessParameters
from nascar_assets.storage import DataRoot

FITS = "store/process_fit"
RECALIBRATED = "store/recalibration"
RECORDS = "store/model_version"


def save_fit(root: DataRoot, series: str, fitted: ProcessParameters) -> str:
    """Writes a fit under its series and as-of time; returns its path."""
    assert fitted.as_of is not None
    path = f"{FITS}/{series}/{fitted.as_of:%Y%m%dT%H%M%SZ}.json"
    root.write(path, _json(fitted.to_dict()))
    return path


def stored_fits(root: DataRoot, series: str) -> list[ProcessParameters]:
    """Every fit of a series, by as-of time; one that was changed since is refused."""
    return [ProcessParameters.from_dict(content) for content in _stored(root, FITS, series)]


def save_recalibration(
    root: DataRoot,
    series: str,
    base: ProcessParameters,
    recalibrated: ProcessParameters,
    as_of: datetime,
) -> str:
    """Writes the recalibrated form of a fit, with the fit that it corrects; returns its path."""
    path = f"{RECALIBRATED}/{series}/{as_of:%Y%m%dT%H%M%SZ}.json"
    content = {
        "base": base.hash,
        "as_of": as_of.isoformat(),
        "parameters": recalibrated.to_dict(),
    }
    root.write(path, _json(content))
    return path


def save_gate_record(root: DataRoot, record: GateRecord) -> str:
    """Writes what the gate found of a version; a later verdict takes the place of an earlier."""
    path = f"{RECORDS}/{record.series}/{record.version}.json"
    root.write(path, _json(record.to_dict()))
    return path


def gate_records(root: DataRoot, series: str) -> list[GateRecord]:
    """Every gate record of a series."""
    return [GateRecord.from_dict(content) for content in _stored(root, RECORDS, series)]


@dataclass(frozen=True, slots=True)
class UsedModel:
    """The race process that a forecast as of a moment uses, and the version behind it."""

    parameters: ProcessParameters
    version: VersionInUse


class KnownModels:
    """What a root holds of one series' models, read once, for any number of as-of times."""

    def __init__(self, root: DataRoot, series: str) -> None:
        self._fits = stored_fits(root, series)
        self._recalibrated = [
            (
                datetime.fromisoformat(content["as_of"]),
                content["base"],
                ProcessParameters.from_dict(content["parameters"]),
            )
            for content in _stored(root, RECALIBRATED, series)
        ]
        self._records = gate_records(root, series)

    def as_of(self, moment: datetime) -> UsedModel:
        """The model that knew nothing later: the last good version's, by its recipe."""
        version = version_in_use(self._records, forecasting_code(), moment)
        recipe = version.recipe
        chosen = self.base(recipe, moment)
        if recipe.recalibrate:
            for known_at, base, corrected in reversed(self._recalibrated):
                if known_at <= moment and base == chosen.hash:
                    return UsedModel(corrected, version)
        return UsedModel(chosen, version)

    def base(self, recipe: ModelRecipe, moment: datetime) -> ProcessParameters:
        """A recipe's race process as of a moment, before any recalibration."""
        usable = [fit for fit in self._fits if fit.as_of is not None and fit.as_of <= moment]
        return usable[-1] if usable and recipe.fit_process else recipe.start()


def fit_as_of(root: DataRoot, series: str, as_of: datetime) -> ProcessParameters:
    """What a recalibration as of a moment corrects: the process of the version in use."""
    models = KnownModels(root, series)
    return models.base(models.as_of(as_of).version.recipe, as_of)


def model_as_of(root: DataRoot, series: str, as_of: datetime) -> UsedModel:
    """The race process that a forecast as of a moment uses, with its version.

    The newest fit that used nothing later, where the version in use fits; recalibrated where it
    does that; the version's starting values without a fit.
    """
    return KnownModels(root, series).as_of(as_of)


def _stored(root: DataRoot, folder: str, series: str) -> list[dict[str, Any]]:
    found = (root.read(item.path) for item in root.list(f"{folder}/{series}"))
    return [json.loads(data) for data in found if data is not None]


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
