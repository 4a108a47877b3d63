"""Dagster's entry point: assembly of the code location, nothing else."""

from __future__ import annotations

from typing import Any

import dagster as dg

from nascar_assets.orchestration import (
    automation,
    freshness,
    jobs,
    schedules,
    sensors,
    sensors_locked,
    sensors_poll,
    sensors_runs,
    sensors_salaries,
    sensors_telemetry,
)
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
    assets = dg.load_assets_from_modules(
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
    )
    return dg.Definitions(
        assets=[
            item.map_asset_specs(automation.with_automation)
            for item in assets
            if isinstance(item, dg.AssetsDefinition)
        ],
        asset_checks=[freshness.knows_what_was_known],
        jobs=[*jobs.JOBS, api.api_job, sensors_poll.poll_job],
        sensors=[
            sensors.landing_feed,
            sensors_telemetry.landing_telemetry,
            sensors_salaries.landing_salaries,
            sensors_poll.feed_poll,
            sensors_locked.locked_slates,
            sensors_runs.lost_runs,
            sensors_runs.failed_runs,
            automation.followers,
        ],
        schedules=schedules.SCHEDULES,
        resources=resources,
        executor=dg.in_process_executor,
    )


defs = build_definitions()
