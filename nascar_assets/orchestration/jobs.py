"""The jobs: what is run together for a race, after races changed, and for a slate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from nascar_assets.orchestration.assets import (
    backtest,
    calibration,
    constraints,
    contest,
    feed,
    history,
    late_news,
    lineups,
    live,
    ontology,
    scenarios,
    slate,
    slate_telemetry,
    telemetry,
    views,
)
from nascar_assets.orchestration.assets.run_tags import tagging_executor
from nascar_assets.orchestration.assets.slate_assets import slate_executor
from nascar_assets.orchestration.partitions import SLATES
from nascar_assets.orchestration.tables import AS_OF_TABLES, GRAPH_TABLES, RACE_TABLES

ASSETS = [
    item
    for item in dg.load_assets_from_modules(
        [
            feed,
            telemetry,
            history,
            ontology,
            slate,
            views,
            constraints,
            slate_telemetry,
            contest,
            scenarios,
            calibration,
            backtest,
            late_news,
            lineups,
            live,
        ]
    )
    if isinstance(item, dg.AssetsDefinition)
]
"""Every asset of the platform but those of the API."""


def _job(
    name: str, description: str, selection: Sequence[Any], executor: Any = tagging_executor
) -> Any:
    return dg.define_asset_job(
        name, selection=list(selection), description=description, executor_def=executor
    )


schedule_job = _job("schedule_job", "Reads the landed schedules again.", ["schedule"])
race_job = _job("race_job", "One race's files to its tables.", ["race_files", *sorted(RACE_TABLES)])
as_of_job = _job(
    "as_of_job",
    "What was known at a race's start, made again when earlier races changed.",
    sorted(AS_OF_TABLES),
)
ontology_job = _job(
    "ontology_job",
    "The graph as of now, from history and from what people entered.",
    sorted(GRAPH_TABLES),
)
fit_job = _job(
    "fit_job",
    "The race process fitted anew and recalibrated, for slates from then on.",
    [calibration.process_fit, calibration.recalibration],
)
backtest_job = _job(
    "backtest_job",
    "Races forecast as of their starts, sealed, and scored beside the baselines.",
    [backtest.backtest],
)
release_job = _job(
    "release_job",
    "The release gate on a model version's backtest, and the report of it.",
    [backtest.model_version, backtest.calibration_report],
)
slate_job = _job(
    "slate_job",
    "A slate from its salary file to its upload file and report.",
    [item for item in ASSETS if item.partitions_def == SLATES],
    slate_executor,
)
constraints_job = _job(
    "constraints_job",
    "A slate's constraints again, as of its run's as-of time.",
    [
        constraints.slate_driver_values,
        constraints.slate_track_values,
        constraints.constraint_spec,
        slate_telemetry.slate_telemetry,
    ],
    slate_executor,
)
portfolio_job = _job(
    "portfolio_job",
    "A slate's portfolio again on stored scenarios, with all that is made of it.",
    [lineups.lineups, lineups.upload_file, lineups.report, contest.contest_forecast],
    slate_executor,
)
contest_job = _job(
    "contest_job",
    "What a slate's lineups are expected to win in contests.",
    [contest.contest_forecast],
    slate_executor,
)
live_job = _job(
    "live_job",
    "A race under way, forecast from where it stands.",
    [live.live_forecast],
)

JOBS = [
    schedule_job,
    race_job,
    as_of_job,
    ontology_job,
    fit_job,
    backtest_job,
    release_job,
    slate_job,
    constraints_job,
    portfolio_job,
    contest_job,
    live_job,
]
