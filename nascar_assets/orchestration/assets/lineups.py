"""Lineups: each scenario's best lineup, the portfolio, the upload file and the report."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from markupsafe import escape
from pydantic import Field

from nascar_assets.constraints.contract import Deny
from nascar_assets.constraints.lineup_check import LineupChecker
from nascar_assets.constraints.summaries import driver_summary as summarise_drivers
from nascar_assets.constraints.summaries import slate_summary as summarise_slate
from nascar_assets.errors import InputError
from nascar_assets.orchestration.assets.calibration import calibration_record
from nascar_assets.orchestration.assets.constraints import constraint_spec, run_config
from nascar_assets.orchestration.assets.contest import contest_forecast
from nascar_assets.orchestration.assets.late_news import late_news
from nascar_assets.orchestration.assets.scenarios import scenarios
from nascar_assets.orchestration.assets.slate import slate
from nascar_assets.orchestration.assets.slate_assets import (
    blocking_check,
    slate_asset,
    warning_check,
)
from nascar_assets.orchestration.inputs.graph import entry_store
from nascar_assets.orchestration.inputs.slate_files import (
    absent_path,
    ready_files,
    upload_path,
    withdrawn_path,
)
from nascar_assets.orchestration.inputs.slate_lineups import lineup_rows
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.view_tables import error_factor
from nascar_assets.orchestration.metadata import file_at, picture, shown
from nascar_assets.orchestration.resources import Platform
from nascar_assets.reports.plots import exposure_plot, lineup_score_distribution, overlap_plot
from nascar_assets.storage.overhead import overhead
from nascar_assets.storage.staged import forget


@slate_asset(
    group_name="slate",
    description="The read model of the API's precheck: the slate, its race and its track.",
    deps=[slate, constraint_spec],
    kinds={"polars"},
)
def slate_summary(run: SlateRun, slate_features: pl.DataFrame) -> pl.DataFrame:
    """One row."""
    known = [name for name in slate_features.columns if slate_features[name].null_count() == 0]
    return summarise_slate(
        run.slate,
        run.spec,
        track_id=run.race["track_id"],
        scheduled_laps=run.race["scheduled_laps"],
        features=[name for name in known if name not in ("race_id", "driver_id", "available_at")],
    )


@slate_asset(
    group_name="slate",
    description="The read model of the API's precheck: every driver of slate and field.",
    deps=[slate, constraint_spec],
    kinds={"polars"},
)
def driver_summary(run: SlateRun) -> pl.DataFrame:
    """One row per driver."""
    return summarise_drivers(run.slate, run.spec)


@slate_asset(
    group_name="lineups",
    description="How often each driver is in the best lineup of a scenario, exactly.",
    deps=[slate, scenarios],
    kinds={"numba"},
)
def scenario_optima(run: SlateRun) -> pl.DataFrame:
    """One row per player: optimal share with its Monte Carlo error."""
    from nascar_assets.orchestration.inputs.portfolio import best_lineups

    pool = run.slate
    best = best_lineups(run.points, pool.players, pool.rules)
    return pl.DataFrame(
        {
            "driver_id": [player.driver_id for player in pool.players],
            "name": [player.name for player in pool.players],
            "salary": [player.salary for player in pool.players],
            "optimal_share": best.optimal_share,
            "optimal_share_se": best.optimal_share_se * error_factor(run),
        }
    ).sort("optimal_share", descending=True)


class LineupsRun(dg.Config):
    """What a person may set for the portfolio alone."""

    settings: str | None = Field(
        default=None, description="Portfolio settings as TOML; unset: those of the slate's run."
    )
    prove: bool | None = Field(
        default=None,
        description="Search on until a bound is proven; unset: as the slate's run did.",
    )


@slate_asset(
    group_name="lineups",
    description="The portfolio: distinct legal lineups chosen together under the settings.",
    deps=[slate, "slate_views", scenarios, constraint_spec],
    kinds={"numba"},
    check_specs=[
        blocking_check(
            "lineups",
            "lineups_are_legal",
            "Every lineup passes every constraint of the contest, evaluated in full.",
        )
    ],
)
def lineups(
    context: dg.AssetExecutionContext,
    config: LineupsRun,
    run: SlateRun,
    scenario_optima: pl.DataFrame,
) -> Iterator[Any]:
    """Chosen on three quarters of the scenarios, valued on the rest.

    A lineup that a constraint denies is never stored: what was there before stays.
    """
    from nascar_assets.lineups.objectives import OBJECTIVES
    from nascar_assets.lineups.problem import check_settings
    from nascar_assets.orchestration.inputs.portfolio import (
        choose,
        expected_ownership,
        exposures,
        lineup_table,
        overlaps,
    )

    root, plan, pool = run.root, run.plan, run.slate
    forget(root, plan.slate_id)
    settings = plan.settings if config.settings is None else config.settings
    prove = plan.prove if config.prove is None else config.prove
    try:
        wanted = check_settings(pool, settings)
        made, said = choose(run, wanted, prove=prove)
    except InputError as error:
        if root.exists(withdrawn_path(plan.slate_id)):
            error.advise(
                "Until then the slate has no upload file: that of before was withdrawn, it names a "
                "driver who does not race."
            )
        if ready := ready_files(root, plan.slate_id):
            error.advise(ready)
        raise
    checker = LineupChecker(pool, run.spec)
    refused = [
        f"lineup {number}: {result.code} {result.reason}"
        for number, ids in enumerate(made.driver_ids, 1)
        if isinstance(result := checker.check(ids), Deny)
    ]
    legal = dg.AssetCheckResult(
        passed=not refused,
        check_name="lineups_are_legal",
        metadata=shown(refused=refused, lineups=len(made.driver_ids)),
    )
    if refused:
        yield legal
        raise dg.Failure(f"Lineups that constraints deny are not stored: {'; '.join(refused)}")
    notices = [*said, *made.notices, *made.warnings]
    if made.bound is not None:
        notices.append(made.bound_statement)
    if config.settings is not None:  # the slate's own from now on
        run.plan = replace(plan, settings=config.settings, prove=prove)
        run.plan.save(root)
    value, value_se = made.value.value, made.value.standard_error * error_factor(run)
    process = run.keep_settings().sim_params.get("parameters_hash")
    if process not in (None, run.model.parameters.hash):
        notices.append(
            "The race process that the scenarios were made with was not kept: what the lineups "
            f"win in contests is forecast with that of now (nascar slate run {plan.slate_id} makes "
            "all of it anew)."
        )
    table = lineup_table(made, expected_ownership(run, wanted))
    shares = exposures(table, scenario_optima)
    pictures = {
        "exposures": picture(exposure_plot, shares, "exposures"),
        "scores": picture(lineup_score_distribution, table, "scores"),
    }
    if table.height > 1:
        pictures["overlap"] = picture(overlap_plot, overlaps(table), "overlap")
    yield dg.Output(
        table.with_columns(
            run_id=pl.lit(plan.run_id),
            lineups_run_id=pl.lit(context.run.run_id),
            objective=pl.lit(made.objective),
            objective_value=pl.lit(value),
            objective_se=pl.lit(value_se),
            notices=pl.lit(notices, dtype=pl.List(pl.String)),
        ),
        metadata=shown(
            objective=made.objective,
            worth=OBJECTIVES[made.objective].text(value, value_se),
            value_on_held_back_scenarios=value,
            standard_error=value_se,
            bound="not searched for" if made.bound is None else made.bound,
            notices=list(notices),
            **pictures,
        ),
    )
    yield legal


@slate_asset(
    group_name="lineups",
    description="The file that the contest site takes: one lineup per row.",
    deps=[slate, late_news],
    kinds={"csv"},
    check_specs=[
        blocking_check(
            "upload_file",
            "holds_the_lineups",
            "The stored file, read as the site reads it, holds these lineups in their order.",
        )
    ],
)
def upload_file(run: SlateRun, lineups: pl.DataFrame) -> Iterator[Any]:
    """Read back before it takes the place of the one before, and once more as it is stored."""
    from nascar_assets.lineups.upload import read_upload, upload_csv

    root, pool = run.root, run.slate
    rows = lineup_rows(lineups, pool)
    data = upload_csv(pool, rows)
    read_upload(pool, data)
    path = upload_path(run.slate_id)
    root.write(path, data)
    for old in (withdrawn_path, absent_path):
        root.delete(old(run.slate_id))
    stored = root.read(path) or b""
    same = stored == data and np.array_equal(np.sort(read_upload(pool, stored)), np.sort(rows))
    yield dg.MaterializeResult(
        metadata=shown(path=file_at(root.uri(path)), lineups=len(rows), bytes=len(data)),
        check_results=[
            dg.AssetCheckResult(
                passed=same,
                check_name="holds_the_lineups",
                metadata=shown(lineups=len(rows), bytes=len(stored)),
            )
        ],
    )


def report_path(slate_id: str) -> str:
    """Where the report lies for people to take away."""
    return f"slates/{slate_id}/report.html"


@slate_asset(
    group_name="lineups",
    description="One page that opens offline: forecast, lineups, calibration, provenance.",
    deps=[run_config, upload_file, calibration_record, contest_forecast, "view_effects", late_news],
    kinds={"html"},
    check_specs=[
        warning_check(
            "report",
            "opens_offline",
            "A warning: the page loads nothing from elsewhere, and names every driver of every "
            "lineup.",
        )
    ],
)
def report(
    platform: Platform,
    run: SlateRun,
    slate: pl.DataFrame,
    scenario_summary: pl.DataFrame,
    scenario_optima: pl.DataFrame,
    lineups: pl.DataFrame,
) -> Iterator[Any]:
    """The forecast as a table for programs lies beside it."""
    from nascar_assets.orchestration.inputs.portfolio import exposures
    from nascar_assets.orchestration.inputs.report_values import forecast_csv, slate_report
    from nascar_assets.reports.slate_page import render_slate_report

    root, slate_id = run.root, run.slate_id
    values = slate_report(
        run,
        entry_store(platform).entries(),
        slate,
        scenario_summary,
        scenario_optima,
        lineups,
        exposures(lineups, scenario_optima),
    )
    with overhead("drawing"):
        page = render_slate_report(values).encode()
    root.write(report_path(slate_id), page)
    root.write(f"slates/{slate_id}/forecast.csv", forecast_csv(values.forecast))
    text = page.decode()
    loaded = elsewhere(text)
    missing = [
        name
        for name in lineups["drivers"].explode().unique(maintain_order=True)
        if str(escape(name)) not in text
    ]
    yield dg.MaterializeResult(
        metadata=shown(path=file_at(root.uri(report_path(slate_id))), bytes=len(page)),
        check_results=[
            dg.AssetCheckResult(
                passed=not loaded and not missing,
                check_name="opens_offline",
                severity=dg.AssetCheckSeverity.WARN,
                metadata=shown(loaded_from_elsewhere=loaded, drivers_not_named=missing),
            )
        ],
    )


def elsewhere(page: str) -> list[str]:
    """Addresses from which a page would load something when it is opened."""
    return re.findall(
        r"""(?:\bsrc\s*=\s*|<link[^>]*\bhref\s*=\s*|\burl\(\s*|@import\s+)["']?((?:https?:)?//[^"'\s>)]+)""",
        page,
    )
