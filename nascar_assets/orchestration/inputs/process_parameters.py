"""Stored fits of the race process, the released recipe, and what a forecast as of a moment uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
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
from nascar_assets.orchestration.inputs.stored_json import UNREADABLE, T, stored_json
from nascar_assets.scenarios import ProcessParameters
from nascar_assets.scenarios.parameters import stored_time
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
    """Writes what the gate found of a version; returns its path.

    A verdict on later races stands beside the earlier one, which slates of before go on with.
    """
    until = f"{record.known_until:%Y%m%dT%H%M%SZ}"
    path = f"{RECORDS}/{record.series}/{record.version}-{until}.json"
    root.write(path, _json(record.to_dict()))
    return path


def gate_records(root: DataRoot, series: str) -> tuple[list[GateRecord], list[str]]:
    """The gate records of a series, and notices of those that were passed over."""
    return _stored(root, RECORDS, series, _gate_record)


@dataclass(frozen=True, slots=True)
class UsedModel:
    """The race process that a forecast as of a moment uses, and the version behind it."""

    parameters: ProcessParameters
    version: VersionInUse
    notices: tuple[str, ...] = ()
    """What was passed over because this version cannot read it."""


class KnownModels:
    """What a root holds of one series' models, read once, for any number of as-of times.

    What another version of the program stored, or what was changed since, is passed over: one old
    file must not keep every slate from its run.
    """

    def __init__(self, root: DataRoot, series: str) -> None:
        self._fits, fits = _stored(root, FITS, series, ProcessParameters.from_dict)
        self._recalibrated, recalibrated = _stored(root, RECALIBRATED, series, _recalibrated)
        self._records, records = gate_records(root, series)
        self.notices = (*fits, *recalibrated, *records)

    def as_of(self, moment: datetime) -> UsedModel:
        """The model that knew nothing later: the last good version's, by its recipe."""
        version = version_in_use(self._records, forecasting_code(), moment)
        recipe = version.recipe
        chosen = self.base(recipe, moment)
        if recipe.recalibrate:
            for known_at, base, corrected in reversed(self._recalibrated):
                if known_at <= moment and base == chosen.hash:
                    return UsedModel(corrected, version, self.notices)
        return UsedModel(chosen, version, self.notices)

    def base(self, recipe: ModelRecipe, moment: datetime) -> ProcessParameters:
        """A recipe's race process as of a moment, before any recalibration."""
        usable = [fit for fit in self._fits if fit.as_of is not None and fit.as_of <= moment]
        return usable[-1] if usable and recipe.fit_process else recipe.start()

    def to_recalibrate(self, moment: datetime) -> ProcessParameters:
        """What a recalibration as of a moment corrects: the process of the version in use."""
        return self.base(self.as_of(moment).version.recipe, moment)


def model_as_of(root: DataRoot, series: str, as_of: datetime) -> UsedModel:
    """The race process that a forecast as of a moment uses, with its version.

    The newest fit that used nothing later, where the version in use fits; recalibrated where it
    does that; the version's starting values without a fit.
    """
    return KnownModels(root, series).as_of(as_of)


def process_path(slate_id: str) -> str:
    """Where the race process lies that a slate's scenarios were made with."""
    return f"store/slate_process/{slate_id}.json"


def keep_process(root: DataRoot, slate_id: str, run_id: str, used: ProcessParameters) -> None:
    """Writes what a run's scenarios are made with.

    Fits and releases that land afterwards count for the same as-of time where they rest on nothing
    later: what is worked out from the scenarios must not follow them.
    """
    root.write(process_path(slate_id), _json({"run_id": run_id, "parameters": used.to_dict()}))


def kept_process(root: DataRoot, slate_id: str, run_id: str) -> ProcessParameters | None:
    """What a run's scenarios were made with; none where it made none, or another version did."""
    with suppress(*UNREADABLE):
        content = json.loads(root.read(process_path(slate_id)) or b"{}")
        if content["run_id"] == run_id:
            return ProcessParameters.from_dict(content["parameters"])
    return None


def _recalibrated(content: Mapping[str, Any]) -> tuple[datetime, str, ProcessParameters]:
    parameters = ProcessParameters.from_dict(content["parameters"])
    return stored_time(content["as_of"]), content["base"], parameters


def _gate_record(content: Mapping[str, Any]) -> GateRecord:
    record = GateRecord.from_dict(content)
    record.recipe.start()  # it may name a parameter that this version does not have
    return record


def _stored(
    root: DataRoot, folder: str, series: str, parse: Callable[[Mapping[str, Any]], T]
) -> tuple[list[T], list[str]]:
    """What a folder holds of a series, by name, and a notice of what cannot be read."""
    job = "release_job" if folder == RECORDS else "fit_job"
    return stored_json(root, f"{folder}/{series}", parse, f"{job} makes one anew. ")


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
