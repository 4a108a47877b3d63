"""The jobs: what is run together for a race, after races changed, and for a slate."""

from __future__ import annotations

import dagster as dg

from nascar_assets.orchestration.assets import (
    backtest,
    calibration,
    constraints,
    contest,
    feed,
    history,
    lineups,
    ontology,
    scenarios,
    slate,
    slate_telemetry,
)
from nascar_assets.orchestration.assets.slate_assets import slate_executor
from nascar_assets.orchestration.tables import RACE_TABLES

schedule_job = dg.define_asset_job(
    "schedule_job",
    selection=[feed.schedule],
    description="Reads the landed schedules again.",
    executor_def=dg.in_process_executor,
)

race_job = dg.define_asset_job(
    "race_job",
    selection=["race_files", *sorted(RACE_TABLES)],
    description="One race's files to its tables.",
    executor_def=dg.in_process_executor,
)

as_of_job = dg.define_asset_job(
    "as_of_job",
    selection=[history.race_features, history.driver_ratings, history.track_profiles],
    description="What was known at a race's start, made again when earlier races changed.",
    executor_def=dg.in_process_executor,
)

ontology_job = dg.define_asset_job(
    "ontology_job",
    selection=[
        ontology.driver_values,
        ontology.track_values,
        ontology.veto_rules,
        ontology.ontology_graph,
    ],
    description="The graph as of now, from history and from what people entered.",
    executor_def=dg.in_process_executor,
)

slate_job = dg.define_asset_job(
    "slate_job",
    selection=[
        slate.slate_plan,
        slate.slate,
        slate.slate_field,
        slate.slate_rating_state,
        slate.slate_ratings,
        slate.slate_features,
        constraints.slate_driver_values,
        constraints.slate_track_values,
        constraints.constraint_spec,
        constraints.run_config,
        slate_telemetry.slate_telemetry,
        scenarios.scenarios,
        scenarios.scenario_summary,
        calibration.model_parameters,
        calibration.calibration_record,
        lineups.slate_summary,
        lineups.driver_summary,
        lineups.scenario_optima,
        lineups.lineups,
        lineups.upload_file,
        lineups.report,
        contest.contest_forecast,
    ],
    description="A slate from its salary file to its upload file and report.",
    executor_def=slate_executor,
)

fit_job = dg.define_asset_job(
    "fit_job",
    selection=[calibration.process_fit, calibration.recalibration],
    description="The race process fitted anew and recalibrated, for slates from then on.",
    executor_def=dg.in_process_executor,
)

backtest_job = dg.define_asset_job(
    "backtest_job",
    selection=[backtest.backtest],
    description="Races forecast as of their starts, sealed, and scored beside the baselines.",
    executor_def=dg.in_process_executor,
)

release_job = dg.define_asset_job(
    "release_job",
    selection=[backtest.model_version, backtest.calibration_report],
    description="The release gate on a model version's backtest, and the report of it.",
    executor_def=dg.in_process_executor,
)

constraints_job = dg.define_asset_job(
    "constraints_job",
    selection=[
        constraints.slate_driver_values,
        constraints.slate_track_values,
        constraints.constraint_spec,
        slate_telemetry.slate_telemetry,
    ],
    description="A slate's constraints again, as of its run's as-of time.",
    executor_def=slate_executor,
)

portfolio_job = dg.define_asset_job(
    "portfolio_job",
    selection=[
        lineups.lineups,
        lineups.upload_file,
        lineups.report,
        contest.contest_forecast,
    ],
    description="A slate's portfolio again on stored scenarios, with all that is made of it.",
    executor_def=slate_executor,
)

contest_job = dg.define_asset_job(
    "contest_job",
    selection=[contest.contest_forecast],
    description="What a slate's lineups are expected to win in contests.",
    executor_def=slate_executor,
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
]
