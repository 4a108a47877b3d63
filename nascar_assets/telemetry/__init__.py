"""Telemetry: laps to features, with nothing from the future."""

from nascar_assets.telemetry.artifacts import (
    load_telemetry_artifact,
    persist_telemetry_artifact,
    telemetry_artifact_bytes,
)
from nascar_assets.telemetry.contract import FeatureAvailabilityContract, validate_features
from nascar_assets.telemetry.enrich import enrich_with_constraints
from nascar_assets.telemetry.falloff import compute_falloff_metrics
from nascar_assets.telemetry.ingest import TelemetryIngestor, ingest_lap_by_lap_telemetry
from nascar_assets.telemetry.leakage import LeakageReport, prove_no_leakage
from nascar_assets.telemetry.missing import fill_counts, handle_missing_data
from nascar_assets.telemetry.stream import iter_lap_features, write_lap_features
from nascar_assets.telemetry.summary import summarise_laps
from nascar_assets.telemetry.windows import compute_aggregate_features, rolling_statistics

__all__ = [
    "FeatureAvailabilityContract",
    "LeakageReport",
    "TelemetryIngestor",
    "compute_aggregate_features",
    "compute_falloff_metrics",
    "enrich_with_constraints",
    "fill_counts",
    "handle_missing_data",
    "ingest_lap_by_lap_telemetry",
    "iter_lap_features",
    "load_telemetry_artifact",
    "persist_telemetry_artifact",
    "prove_no_leakage",
    "rolling_statistics",
    "summarise_laps",
    "telemetry_artifact_bytes",
    "validate_features",
    "write_lap_features",
]
