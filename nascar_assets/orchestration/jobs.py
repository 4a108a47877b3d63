"""The jobs: what is run together for a race, after races changed, and for a slate."""

from __future__ import annotations

import dagster as dg

from nascar_assets.orchestration.assets import feed, history, telemetry

schedule_job = dg.define_asset_job(
    "schedule_job",
    selection=[feed.schedule],
    description="Reads the landed schedules again.",
    executor_def=dg.in_process_executor,
)

race_job = dg.define_asset_job(
    "race_job",
    selection=[
        feed.race_files,
        feed.entries,
        feed.practice,
        telemetry.laps,
        telemetry.lap_features,
        telemetry.lap_summaries,
        history.race_results,
    ],
    description="One race's files to its tables.",
    executor_def=dg.in_process_executor,
)

as_of_job = dg.define_asset_job(
    "as_of_job",
    selection=[history.driver_ratings, history.track_profiles],
    description="What was known at a race's start, made again when earlier races changed.",
    executor_def=dg.in_process_executor,
)
