"""Dagster's entry point: assembly of the code location, nothing else."""

from __future__ import annotations

from typing import Any

import dagster as dg

from nascar_assets.orchestration import jobs
from nascar_assets.orchestration.asset_tags import tagged
from nascar_assets.orchestration.assets.slate_assets import slate_executor
from nascar_assets.orchestration.automation import (
    conditions,
    freshness,
    retention,
    schedules,
    sensor_alerts,
    sensor_contests,
    sensor_feed,
    sensor_late_news,
    sensor_live,
    sensor_locked,
    sensor_poll,
    sensor_runs,
    sensor_salaries,
    sensor_telemetry,
    sensor_views,
)
from nascar_assets.orchestration.inputs.slate_run import runs_of
from nascar_assets.orchestration.metadata import described
from nascar_assets.orchestration.previews import pinned_previews
from nascar_assets.orchestration.resources import Platform, fixed_platform
from nascar_assets.orchestration.storage.io_manager import tables_of
from nascar_assets.service import jobs as api
from nascar_assets.service import slate_jobs


def build_definitions(**overrides: Any) -> dg.Definitions:
    """The whole code location.

    Args:
        **overrides: Resources that replace the platform's own, by name (`platform=...`), so that
            tests and other deployments can put the real graph on other parts.
    """
    platform = overrides.pop("platform", None) or Platform()
    resources = {
        "platform": fixed_platform(platform),
        "io_manager": tables_of(platform),
        "slate_runs": runs_of(platform),
        **api.API_RESOURCES,
        **overrides,
    }
    made = dg.Definitions(
        assets=[
            item.map_asset_specs(lambda spec: tagged(described(conditions.with_automation(spec))))
            for item in (*jobs.ASSETS, *api.API_ASSETS, *slate_jobs.SLATE_ASSETS)
        ],
        asset_checks=[freshness.knows_what_was_known],
        jobs=[
            *jobs.JOBS,
            api.api_job,
            *slate_jobs.SLATE_JOBS,
            sensor_poll.poll_job,
            retention.retention_job,
        ],
        sensors=[
            sensor_feed.landing_feed,
            sensor_telemetry.landing_telemetry,
            sensor_salaries.landing_salaries,
            sensor_contests.landing_contests,
            sensor_views.landing_views,
            sensor_poll.feed_poll,
            sensor_late_news.late_scratches,
            sensor_locked.locked_slates,
            sensor_live.live_races,
            sensor_runs.lost_runs,
            sensor_runs.failed_runs,
            sensor_alerts.alerts,
            conditions.followers,
        ],
        schedules=[*schedules.SCHEDULES, retention.retention],
        resources=resources,
        executor=slate_executor,
    )
    with pinned_previews():
        made.get_repository_def()  # kept; Dagster remarks on its own copies of sensors here
    return made


defs = build_definitions()
