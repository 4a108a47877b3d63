"""From a slate's stored tables to the values that its report shows."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import starmap
from typing import Any

import polars as pl

from nascar_assets.constraints import RunConfig
from nascar_assets.constraints.people import people_table
from nascar_assets.files import SourceFile
from nascar_assets.ontology import Statement
from nascar_assets.orchestration.inputs.provenance import code_version
from nascar_assets.orchestration.inputs.said import track_rows
from nascar_assets.orchestration.inputs.slate_files import run_config_path, slate_notices
from nascar_assets.orchestration.inputs.slate_lineups import lineups_run_id, stored_players
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.view_scores import record_words, view_scores
from nascar_assets.orchestration.inputs.view_tables import TARGETS, views_of
from nascar_assets.orchestration.storage.store import scan_table
from nascar_assets.reports import Provenance, RaceFacts, SlateReport
from nascar_assets.reports.slate_report import ViewsShown
from nascar_assets.scenarios import REGIMES
from nascar_assets.scenarios.past_races import past_regimes
from nascar_assets.slates.stored import racing
from nascar_assets.visible import no_formula

QUANTILE_LEVELS = tuple(round(0.02 + 0.04 * step, 2) for step in range(25))

_SHOWN_METRICS = (
    "crps",
    "log_score",
    "coverage_50",
    "coverage_80",
    "coverage_95",
    "rank_correlation",
)

_NOMINAL = {"coverage_50": 0.50, "coverage_80": 0.80, "coverage_95": 0.95}


def slate_report(
    run: SlateRun,
    statements: Iterable[Statement],
    slate: pl.DataFrame,
    summary: pl.DataFrame,
    optima: pl.DataFrame,
    lineups: pl.DataFrame,
    exposures: pl.DataFrame,
) -> SlateReport:
    """Everything that the report of a slate shows.

    Args:
        run: The slate's run, which has its other tables.
        statements: What people entered about drivers and tracks.
        slate: The slate's players.
        summary: The forecast of every car.
        optima: Shares of optimal lineups.
        exposures: Share of lineups with each player.
    """
    from nascar_assets.contest.outlook import lineup_values
    from nascar_assets.contest.track_record import sentence
    from nascar_assets.lineups.objectives import OBJECTIVES

    root, plan, race, past = run.root, run.plan, run.race, run.results
    record, not_read = track_rows(root, past)
    earlier = [row for row in record if row["slate"] != plan.slate_id]
    objective = OBJECTIVES[lineups["objective"][0]]
    alike = past.filter(
        pl.col("race_type") == "points",
        pl.col("series") == race["series"],
        pl.col("track_type") == race["track_type"],
    )
    shares, alike_races = past_regimes(alike)
    newest = past.sort("results_at").tail(1).to_dicts()
    config = _run_config(run)
    names = {
        ("driver", key): name
        for key, name in summary.select("driver_id", "driver_name").iter_rows()
    } | {("track", race["track_id"]): race["track_name"]}
    return SlateReport(
        title=plan.slate_id,
        race=RaceFacts(
            name=race["race_name"],
            track=race["track_name"],
            track_type=race["track_type"],
            series=race["series"],
            laps=race["scheduled_laps"],
            start=race["start_time"],
            lock=plan.lock,
            as_of=plan.as_of,
        ),
        forecast=forecast_table(slate, summary, optima, stored_players(lineups)),
        quantiles=_quantiles(run, slate),
        lineups=lineups.select("lineup", "drivers", "salary", "mean_points", "points_p90"),
        values=lineup_values(run.table("contest_forecast")),
        track_record=sentence(earlier),
        exposures=exposures,
        calibration=_calibration(run),
        record_knew_grid=run.qualified,
        regimes=_regimes(run, shares),
        past_races=alike_races,
        contests=run.table("contest_forecast"),
        newest_race=newest[0]["race_name"] if newest else None,
        newest_at=newest[0]["results_at"] if newest else None,
        provenance=Provenance(
            inputs=(plan.source, *starmap(SourceFile, config.sim_params["data"].items())),
            code_version=code_version(),
            seed=plan.seed,
            n_scenarios=plan.n_scenarios,
            spec_hash=config.constraint_spec_hash,
            run_config_hash=hashlib.sha256(config.to_json().encode()).hexdigest(),
            run_id=plan.run_id,
            lineups_run_id=lineups_run_id(lineups),
        ),
        overrides=people_table(run.spec, statements, names),
        changed=tuple(_changed(run)),
        views=_views(run),
        notices=(
            *slate_notices(root, plan.slate_id, slate["notices"][0], lineups["notices"][0]),
            *not_read,
        ),
        portfolio=(
            ("chosen for", objective.words),
            (
                "value on held-back scenarios",
                objective.text(lineups["objective_value"][0], lineups["objective_se"][0]),
            ),
        ),
    )


def forecast_table(
    slate: pl.DataFrame,
    summary: pl.DataFrame,
    optima: pl.DataFrame,
    own: Mapping[str, Mapping[str, Any]],
) -> pl.DataFrame:
    """The forecast of the slate's players, best means first.

    Args:
        slate: The players.
        summary: The forecast of every car.
        optima: Shares of optimal lineups.
        own: What the portfolio took each player for (`stored_players`); empty where not known.
    """
    held = pl.DataFrame(
        [
            {
                "driver_id": driver,
                "expected_ownership": row["expected_ownership"],
                "cash_ownership": row.get("cash_ownership"),
                "own_mean_points": row["mean_points"] if row["points_multiplier"] != 1 else None,
            }
            for driver, row in own.items()
        ],
        schema={
            "driver_id": pl.String,
            "expected_ownership": pl.Float64,
            "cash_ownership": pl.Float64,
            "own_mean_points": pl.Float64,
        },
    )
    return (
        racing(slate)
        .select("driver_id", "name", "salary", "site_id")
        .join(summary.drop("driver_name"), on="driver_id", how="left")
        .join(held, on="driver_id", how="left")
        .join(optima.select("driver_id", "optimal_share", "optimal_share_se"), on="driver_id")
        .select(
            "driver_id",
            "site_id",
            "salary",
            "start",
            "win",
            "top5",
            "top10",
            "dnf",
            "optimal_share",
            "optimal_share_se",
            "mean_points",
            "mean_points_se",
            "sd_points",
            "points_p10",
            "points_p50",
            "points_p90",
            driver_name="name",
            mean_finish="finish_mean",
            mean_laps_led="laps_led_mean",
            mean_fastest_laps="fastest_laps_mean",
            team="team",
            expected_ownership="expected_ownership",
            cash_ownership="cash_ownership",
            leverage=pl.col("optimal_share") - pl.col("expected_ownership"),
            own_mean_points="own_mean_points",
        )
        .sort("mean_points", descending=True)
    )


def forecast_csv(forecast: pl.DataFrame) -> bytes:
    """The forecast for spreadsheets and programs; text that is no number is quoted safely."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(forecast.columns)
    for row in forecast.iter_rows():
        writer.writerow([_safe(value) for value in row])
    return buffer.getvalue().encode()


def _safe(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    return no_formula(value) if isinstance(value, str) else value


def _quantiles(run: SlateRun, slate: pl.DataFrame) -> pl.DataFrame:
    column = f"points_{run.plan.contest.replace('-', '_')}"
    scale = run.rules.points_scale
    wide = (
        scan_table(run.root, "scenarios", run.slate_id)
        .filter(pl.col("driver_id").is_in(racing(slate)["driver_id"].to_list()))
        .group_by("driver_id")
        .agg(
            (pl.col(column).quantile(level, "linear") / scale).alias(str(level))
            for level in QUANTILE_LEVELS
        )
        .collect()
    )
    return (
        wide.unpivot(index="driver_id", variable_name="level", value_name="points")
        .with_columns(pl.col("level").cast(pl.Float64))
        .sort("driver_id", "level")
    )


def _calibration(run: SlateRun) -> pl.DataFrame:
    rows = run.table("calibration_record").filter(
        (pl.col("group") == "all") & pl.col("metric").is_in(_SHOWN_METRICS)
    )
    nominal = pl.col("metric").replace_strict(_NOMINAL, default=None, return_dtype=pl.Float64)
    return rows.select(
        nominal.alias("reference_value"),
        pl.when(nominal.is_not_null()).then(pl.lit("nominal")).alias("reference"),
        "metric",
        "value",
        "standard_error",
        n_races="races",
    )


def _regimes(run: SlateRun, past: Mapping[str, float]) -> pl.DataFrame:
    """Every course with its share of the scenarios and of past races; null without past races."""
    races = scan_table(run.root, "scenario_races", run.slate_id)
    found = dict(races.group_by(pl.col("regime").cast(pl.String)).len().collect().iter_rows())
    return pl.DataFrame(
        [
            {
                "regime": regime,
                "frequency": found.get(regime, 0) / run.plan.n_scenarios,
                "history_frequency": past.get(regime),
            }
            for regime in REGIMES
        ],
        schema={"regime": pl.String, "frequency": pl.Float64, "history_frequency": pl.Float64},
    ).sort("frequency", "regime", descending=True)


def _changed(run: SlateRun) -> Iterator[str]:
    """What people changed beside values of drivers and tracks, in sentences."""
    from nascar_assets.lineups import PortfolioSettings

    if not run.views.is_empty():
        yield "Views were stated; what they say, and how they moved the forecast, is under Views."
    settings = PortfolioSettings.from_toml(run.plan.settings)
    asked = run.wishes(settings)
    scaled = dict.fromkeys(name for name, wanted in asked if wanted.points_multiplier != 1)
    if scaled:
        yield (
            f"Settings have factors on the points of {', '.join(scaled)}: lineups are chosen by "
            "them, the forecast is without them."
        )
    owned = dict.fromkeys(name for name, wanted in asked if wanted.ownership is not None)
    if owned:
        yield f"Settings say what the field's ownership of {', '.join(owned)} is."


def _views(run: SlateRun) -> ViewsShown | None:
    """What people stated in views and what it did; none where nobody stated anything."""
    stated = views_of(run)
    if not stated:
        return None
    targets = run.rows(TARGETS)
    return ViewsShown(
        views=tuple(
            {
                "author": row["author"],
                "file": row["file"],
                "landed_at": f"{row['landed_at'][:16].replace('T', ' ')} UTC",
                "states": ", ".join(row["states"]),
                "drivers": str(row["drivers"]),
                "confidence": f"{row['confidence']:g}",
                "counts": ", ".join(f"{count} {state}" for state, count in row["counts"].items()),
                "why": row["why"],
            }
            for row in stated
        ),
        effects=run.table("view_effects"),
        effective=targets[0]["effective_scenarios"] if targets else None,
        share=targets[0]["share"] if targets else None,
        record=record_words(view_scores(run.root, run.as_of)),
    )


def _run_config(run: SlateRun) -> RunConfig:
    data = run.root.read(run_config_path(run.slate_id))
    assert data is not None  # downstream of the asset that writes it
    return RunConfig.from_json(data, source=run_config_path(run.slate_id))
