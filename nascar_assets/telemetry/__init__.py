"""Telemetry: laps to features, with nothing from the future."""
