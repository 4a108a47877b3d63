"""Stored fits of the race process, and the one that a forecast as of a moment may use."""

from __future__ import annotations

import json
from datetime import datetime

from nascar_assets.scenarios import STARTING_VALUES, ProcessParameters
from nascar_assets.storage import DataRoot

FOLDER = "store/process_fit"


def save_fit(root: DataRoot, series: str, fitted: ProcessParameters) -> str:
    """Writes a fit under its series and cut-off; returns its path."""
    assert fitted.cut_off is not None
    path = f"{FOLDER}/{series}/{fitted.cut_off:%Y%m%dT%H%M%SZ}.json"
    root.write(path, json.dumps(fitted.to_dict(), indent=1, sort_keys=True).encode())
    return path


def stored_fits(root: DataRoot, series: str) -> list[ProcessParameters]:
    """Every fit of a series, by cut-off; one that was changed since is refused."""
    fits = []
    for item in root.list(f"{FOLDER}/{series}"):
        data = root.read(item.path)
        if data is not None:
            fits.append(ProcessParameters.from_dict(json.loads(data)))
    return fits


def parameters_as_of(root: DataRoot, series: str, as_of: datetime) -> ProcessParameters:
    """The newest fit that used nothing later than a moment; the starting values without one."""
    usable = [
        fit for fit in stored_fits(root, series) if fit.cut_off is not None and fit.cut_off <= as_of
    ]
    return usable[-1] if usable else STARTING_VALUES
