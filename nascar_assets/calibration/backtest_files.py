"""The files of a backtest's folder: what is read and written, and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from nascar_assets.calibration.sealing import Seal, seals_from_json, seals_to_json
from nascar_assets.errors import InputError
from nascar_assets.storage.data_root import DataRoot

SEALS = "seals.json"
METRICS = "metrics.json"
REPORT = "report.html"


class BacktestFolder:
    """Forecasts, seals, metrics and report of one backtest.

    Args:
        root: The folder, local or in an object store; every write is atomic.
    """

    def __init__(self, root: DataRoot) -> None:
        self.root = root

    @staticmethod
    def forecast_path(race_id: str) -> str:
        """Where a race's forecast lies."""
        return f"forecasts/{race_id}.parquet"

    def seals(self, settings: Mapping[str, Any]) -> dict[str, Seal]:
        """Seals of an earlier run by race id; empty in a new folder.

        Args:
            settings: The settings of this run.

        Raises:
            InputError: If the folder holds a backtest with other settings.
        """
        content = self.root.read(SEALS)
        if content is None:
            return {}
        seals, stored = seals_from_json(content)
        wanted = json.loads(json.dumps(dict(settings)))
        changed = sorted(key for key in {*wanted, *stored} if wanted.get(key) != stored.get(key))
        if changed:
            text = ", ".join(f"{key} {stored.get(key)!r}" for key in changed)
            raise InputError(
                f"The folder holds a backtest with other settings: {text}.",
                file=self.root.uri(SEALS),
                remedy="Name another folder, or repeat the run with those settings.",
            )
        return seals

    def write_seals(self, seals: Mapping[str, Seal], settings: Mapping[str, Any]) -> None:
        """Fix the seals of all races forecast so far."""
        self.root.write(SEALS, seals_to_json(seals, settings))

    def write_forecast(self, race_id: str, content: bytes) -> None:
        """Store a forecast file."""
        self.root.write(self.forecast_path(race_id), content)

    def read_forecast(self, race_id: str) -> bytes | None:
        """A stored forecast file; none where there is none."""
        return self.root.read(self.forecast_path(race_id))

    def write_model(self, block: str, content: Mapping[str, Any]) -> None:
        """Store what a refit made, for people to look at."""
        self.root.write(f"models/{block}.json", json_bytes(content))

    def write_scores(self, table: pl.DataFrame) -> None:
        """Store the mean scores of every race and forecaster."""
        self.root.write_frame("scores.parquet", table)

    def write_metrics(self, content: Mapping[str, Any]) -> None:
        """Store the metrics."""
        self.root.write(METRICS, json_bytes(content))

    def write_report(self, page: str) -> None:
        """Store the report."""
        self.root.write(REPORT, page.encode())


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """JSON text with stable key order, as a file holds it."""
    return (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
