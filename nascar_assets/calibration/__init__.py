"""Calibration: proper scores, baselines and walk-forward proof that forecasts keep their word."""
