"""Dagster's entry point: assembly of the code location, nothing else."""

from __future__ import annotations

from typing import Any

import dagster as dg

from nascar_assets.orchestration import jobs
from nascar_assets.orchestration.assets import (
    calibration,
    constraints,
    feed,
    history,
    lineups,
    ontology,
    scenarios,
    slate,
    telemetry,
)
from nascar_assets.orchestration.io_manager import ParquetTables
from nascar_assets.orchestration.resources import Platform
from nascar_assets.service import jobs as api


def build_definitions(**overrides: Any) -> dg.Definitions:
    """The whole code location.

    Args:
        **overrides: Resources that replace the platform's own, by name (`platform=...`), so that
            tests and other deployments can put the real graph on other parts.
    """
    platform = overrides.pop("platform", None) or Platform()
    resources = {
        "platform": platform,
        "io_manager": ParquetTables(platform=platform),
        **api.API_RESOURCES,
        **overrides,
    }
    return dg.Definitions(
        assets=dg.load_assets_from_modules(
            [
                feed,
                telemetry,
                history,
                ontology,
                slate,
                constraints,
                scenarios,
                calibration,
                lineups,
                api,
            ]
        ),
        jobs=[*jobs.JOBS, api.api_job],
        resources=resources,
    )


defs = build_definitions()
