"""What a backtest forecasts, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nascar_assets.calibration.forecasts import Forecaster
from nascar_assets.calibration.stages import START, Stage

Progress = Callable[[int, int, str], None]
"""Called with races done, races in all, and what was done last."""

REFIT_EVERY = 10
"""Races of a season between two fits of the race process."""


@dataclass(frozen=True)
class BacktestSettings:
    """What a backtest forecasts, and how.

    Attributes:
        first: First date of the window (US Eastern), included.
        last: Last date, included.
        series: cup, xfinity or trucks.
        scenarios: Scenarios per race.
        seed: Seed.
        refit_every: Races of a season between two refits; the first race of a season is one.
        tilt: Whether scenarios are tilted towards calibrated probabilities where maps fitted on
            earlier races of the window helped.
        workers: Processes; one per core where left out. Results do not depend on it.
        report: Whether to draw the report.
        only: Keys of the window's races to forecast; all of them where left out.
        stage: The stage of the week at which each race is forecast.
    """

    first: date
    last: date
    series: str = "cup"
    scenarios: int = 2000
    seed: int = 1
    refit_every: int = REFIT_EVERY
    tilt: bool = False
    workers: int | None = None
    report: bool = True
    only: frozenset[str] | None = None
    stage: Stage = START

    def fixed(self, model: str, baselines: Sequence[Forecaster]) -> dict[str, Any]:
        """What must be the same when a folder is taken up again."""
        stored: dict[str, Any] = {
            "series": self.series,
            "scenarios": self.scenarios,
            "seed": self.seed,
            "refit_every": self.refit_every,
            "tilt": self.tilt,
            "model": model,
            "baselines": {baseline.name: baseline.version for baseline in baselines},
        }
        if self.stage is not START:
            stored["stage"] = self.stage.name
        if self.tilt:  # maps are fitted on the window's earlier races
            stored["first"] = self.first.isoformat()
        return stored
