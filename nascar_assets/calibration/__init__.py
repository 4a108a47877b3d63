"""Calibration: proper scores, baselines and walk-forward proof that forecasts are calibrated."""

from nascar_assets.calibration.assess import (
    CalibrationRecord,
    Metrics,
    assess_scenario_calibration,
    compute_all_metrics,
    score_race,
)
from nascar_assets.calibration.record import RecordSettings, walk_forward_record

__all__ = [
    "CalibrationRecord",
    "Metrics",
    "RecordSettings",
    "assess_scenario_calibration",
    "compute_all_metrics",
    "score_race",
    "walk_forward_record",
]
