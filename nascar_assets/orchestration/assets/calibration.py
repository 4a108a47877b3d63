"""Calibration of a slate: the race process it uses, and how that kept its word on past races."""

import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from nascar_assets.columns.calibration import RECALIBRATION
from nascar_assets.columns.column import types_of
from nascar_assets.columns.scenarios import MODEL_PARAMETERS
from nascar_assets.orchestration.assets.feed import schedule
from nascar_assets.orchestration.assets.history import ALL_FEATURES, driver_ratings
from nascar_assets.orchestration.assets.slate import ALL_RACES, resolve_as_of, slate, slate_field
from nascar_assets.orchestration.assets.slate_assets import slate_asset
from nascar_assets.orchestration.inputs.past import (
    past_features,
    past_ratings,
    results_before,
    without_features,
)
from nascar_assets.orchestration.inputs.slate_files import record_path
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.metadata import file_at, picture, shown
from nascar_assets.orchestration.resources import Platform
from nascar_assets.reports.plots import coverage_plot
from nascar_assets.rules import DEFAULT_CONTEST


class ProcessFit(dg.Config):
    """What the race process is fitted on."""

    series: str = Field(default="cup", description="The series to fit for; others are pooled in.")
    as_of: str | None = Field(
        default=None, description="The as-of time as ISO time with zone; unset: now."
    )


@dg.asset(
    group_name="calibration",
    description="The race process fitted on all races known by a moment, with standard errors.",
    deps=[dg.AssetDep(driver_ratings, partition_mapping=ALL_RACES)],
    kinds={"numba"},
    owners=["team:model"],
)
def process_fit(
    config: ProcessFit, platform: Platform, schedule: pl.DataFrame
) -> dg.MaterializeResult[None]:
    """Slates whose as-of time is not earlier use it; a fit that does not converge is an error."""
    from nascar_assets.orchestration.inputs.process_parameters import save_fit
    from nascar_assets.scenarios.estimation import fit_parameters

    root = platform.root
    now = datetime.now(UTC)
    as_of = resolve_as_of(config.as_of, now, now, limit="the present", field="as_of")
    fitted = fit_parameters(
        results_before(root, as_of),
        past_ratings(root, as_of),
        schedule,
        as_of,
        series=config.series,
    )
    path = save_fit(root, config.series, fitted)
    return dg.MaterializeResult(
        metadata=shown(
            path=file_at(root.uri(path)),
            as_of=as_of.isoformat(),
            parameters_hash=fitted.hash,
            data_hash=fitted.data_hash,
        )
    )


@dg.asset(
    group_name="calibration",
    description="The newest fit corrected by latent EMOS on past races, per track type where that "
    "proved itself on races held back.",
    deps=[process_fit, ALL_FEATURES, dg.AssetDep(driver_ratings, partition_mapping=ALL_RACES)],
    kinds={"numba"},
    owners=["team:model"],
)
def recalibration(
    config: ProcessFit, platform: Platform, schedule: pl.DataFrame
) -> dg.Output[pl.DataFrame]:
    """One row per track type; slates whose as-of time is not earlier use what was kept."""
    from dataclasses import asdict

    from nascar_assets.calibration.archive import WalkForward
    from nascar_assets.calibration.models import RunningOrderModel, recent_by_type
    from nascar_assets.calibration.recalibration import fit_latent_emos
    from nascar_assets.orchestration.inputs.process_parameters import (
        KnownModels,
        save_recalibration,
    )

    root = platform.root
    now = datetime.now(UTC)
    as_of = resolve_as_of(config.as_of, now, now, limit="the present", field="as_of")
    known = results_before(root, as_of)
    models = KnownModels(root, config.series)
    base = models.to_recalibrate(as_of)
    past = WalkForward(
        schedule, known, config.series, with_values=False, features=past_features(root, as_of)
    ).races_known_as_of(as_of)
    emos = fit_latent_emos(recent_by_type(past, known), base, seed=RunningOrderModel.seed)
    path = save_recalibration(root, config.series, base, emos.apply(base), as_of)
    rows = [{"track_type": kind, **asdict(found)} for kind, found in sorted(emos.by_type.items())]
    return dg.Output(
        pl.DataFrame(rows, schema=types_of(RECALIBRATION), orient="row"),
        metadata=shown(
            path=file_at(root.uri(path)),
            as_of=as_of.isoformat(),
            base=base.source,
            base_hash=base.hash,
            kept=", ".join(kind for kind, found in emos.by_type.items() if found.kept) or "none",
            passed_over=" ".join([*models.notices, *without_features(root, as_of)]) or "none",
        ),
    )


@slate_asset(
    group_name="calibration",
    description="The race process that this slate uses: that of the last released model version "
    "as of its as-of time.",
    deps=[slate, schedule],
    kinds={"polars"},
)
def model_parameters(context: dg.AssetExecutionContext, run: SlateRun) -> dg.Output[pl.DataFrame]:
    """One row per track type and parameter, with the standard error where it was fitted."""
    from dataclasses import asdict

    found, used = run.model, run.model.parameters
    context.log.info("Model: %s.", found.version.said)
    for notice in found.notices:
        context.log.warning("%s", notice)
    rows = [
        (kind, name, value, used.standard_errors.get(kind, {}).get(name))
        for kind, values in used.by_type.items()
        for name, value in asdict(values).items()
    ]
    return dg.Output(
        pl.DataFrame(
            rows,
            schema=types_of(MODEL_PARAMETERS),
            orient="row",
        ),
        metadata=shown(
            model_version=found.version.version,
            release=found.version.said,
            source=used.source,
            as_of=used.as_of.isoformat() if used.as_of else "starting values",
            parameters_hash=used.hash,
        ),
    )


@slate_asset(
    group_name="calibration",
    description="CRPS, log score and coverage of the race process, with neutral ontology values, "
    "on the last races before the as-of time.",
    deps=[slate_field, dg.AssetDep(driver_ratings, partition_mapping=ALL_RACES)],
    kinds={"polars"},
)
def calibration_record(run: SlateRun, schedule: pl.DataFrame) -> dg.Output[pl.DataFrame]:
    """Walk-forward: every race is forecast from what was known at its own start.

    A slate that knows no starting order yet is judged by forecasts that knew none.

    The race process and the ratings are those that a slate of that day would have had; drivers
    and tracks have neutral ontology values, because estimating those for thirty past races would
    take longer than the slate itself. The backtest measures the model with its values. Scores of
    a past race are kept: its forecast does not change when another slate comes.
    """
    from nascar_assets.calibration.record import (
        RECENT_SCENARIOS,
        RecordSettings,
        measured,
        walk_forward_record,
    )
    from nascar_assets.orchestration.inputs.process_parameters import KnownModels
    from nascar_assets.orchestration.inputs.race_scores import KeptScores

    root, series, contest = run.root, run.race["series"], run.rules.key
    archive = KeptScores(root, grid=run.qualified, contest=contest)
    models = KnownModels(root, series)
    record = walk_forward_record(
        run.results,
        past_ratings(root, run.as_of),
        run.as_of,
        RecordSettings(grid=run.qualified, contest=contest, threads=2),
        series=series,
        schedule=schedule,
        parameters=lambda moment: models.as_of(moment).parameters,
        archive=archive,
    )
    stored = {**record.as_dict(), "grid": run.qualified}
    if contest != DEFAULT_CONTEST:
        stored["contest"] = contest
    root.write(
        record_path(run.slate_id),
        json.dumps(stored, indent=1, sort_keys=True, allow_nan=False).encode(),
    )
    frame = record.to_polars()
    metadata: dict[str, Any] = {
        "races": record.races,
        "races_computed_now": len(archive.computed),
        "measured": measured(run.qualified, contest),
        "scenarios_per_race": RECENT_SCENARIOS,
    }
    headline = record.headline()
    if headline is None:
        metadata["reason"] = record.reason or "no history"
    else:
        metadata |= {name: value for name, value in headline.items() if value is not None}
        metadata["coverage"] = picture(
            coverage_plot, coverages(frame), "Coverage of contest points"
        )
    return dg.Output(frame, metadata=shown(metadata))


def coverages(record: pl.DataFrame) -> pl.DataFrame:
    """Coverage of contest points by track type: level, coverage, standard error."""
    return (
        record.filter(
            (pl.col("group") == "track_type")
            & pl.col("metric").str.contains(r"^coverage_\d+_points$")
        )
        .with_columns(
            level=pl.col("metric").str.extract(r"(\d+)").cast(pl.Float64) / 100,
            coverage=pl.col("value"),
            track_type=pl.col("label"),
        )
        .select("track_type", "level", "coverage", "standard_error")
        .sort("track_type", "level")
    )
