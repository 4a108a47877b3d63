"""Scenarios: the race simulated many times, its laws checked, and its summary per driver."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.orchestration.assets.calibration import model_parameters
from nascar_assets.orchestration.assets.constraints import run_config
from nascar_assets.orchestration.assets.slate_assets import blocking_check, slate_asset
from nascar_assets.orchestration.inputs.schedule import schedule_rows
from nascar_assets.orchestration.inputs.slate_files import keep_notices, load_spec
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.metadata import picture, shown, table_metadata
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.reports.plots import laps_led_shares, points_distribution, regime_frequencies


@slate_asset(
    group_name="scenarios",
    description="Complete races, lap by lap: one row per scenario and driver.",
    deps=[run_config, model_parameters],
    kinds={"numba", "parquet"},
    check_specs=[
        blocking_check(
            "scenarios",
            "laws_of_the_race",
            "Every scenario is a race that could happen: not one law is broken in one of them.",
        )
    ],
)
def scenarios(
    context: dg.AssetExecutionContext,
    platform: Platform,
    schedule: pl.DataFrame,
    slate_field: pl.DataFrame,
    slate_ratings: pl.DataFrame,
    slate_driver_values: pl.DataFrame,
    slate_track_values: pl.DataFrame,
) -> Iterator[Any]:
    """The joint forecast that everything after it reads."""
    from nascar_assets.orchestration.inputs.forecasting import (
        contest_rules,
        load_scenarios,
        slate_setup,
    )
    from nascar_assets.orchestration.inputs.process_parameters import parameters_as_of
    from nascar_assets.scenarios import check_laws, generate_scenarios

    root = platform.root
    plan = SlatePlan.load(root, context.partition_key)
    race = schedule_rows(root, [plan.race_key])[plan.race_key]
    setup = slate_setup(
        plan,
        race,
        schedule,
        field=slate_field,
        ratings=slate_ratings,
        driver_values=slate_driver_values,
        track_values=slate_track_values,
    )
    made = generate_scenarios(
        load_spec(root, plan.slate_id),
        setup,
        plan.n_scenarios,
        plan.seed,
        parameters=parameters_as_of(root, race["series"], plan.as_of),
    )
    frame = made.to_polars([contest_rules(plan)])
    size = root.write_frame(table_path("scenarios", plan.slate_id), frame)
    root.write_frame(table_path("scenario_races", plan.slate_id), made.races_to_polars())
    assert made.diagnostics is not None
    found = made.diagnostics
    keep_notices(root, plan.slate_id, "scenarios", found.notices)
    records = check_laws(load_scenarios(root, plan.slate_id))
    regimes = pl.DataFrame(
        {
            "regime": list(found.regime_frequencies),
            "frequency": list(found.regime_frequencies.values()),
        }
    )
    yield dg.Output(
        None,
        metadata=shown(
            **table_metadata(frame, size=size),
            n_generated=found.n_generated,
            n_valid=found.n_valid,
            rejection_rate=found.rejection_rate,
            rejected_by_rule=dict(found.rejected_by_rule),
            parameters_hash=found.parameters_hash,
            spec_hash=found.spec_hash,
            regimes=picture(regime_frequencies, regimes, "Regimes"),
            notices=list(found.notices),
        ),
    )
    yield dg.AssetCheckResult(
        passed=all(record.broken == 0 for record in records),
        check_name="laws_of_the_race",
        metadata=shown(
            {
                record.law: f"{record.broken} of {record.checked} broken: {record.statement}"
                for record in records
            }
        ),
    )


@slate_asset(
    group_name="scenarios",
    description="The forecast per driver: points, finish, chances, laps led, with their errors.",
    deps=[scenarios],
    kinds={"polars"},
)
def scenario_summary(
    context: dg.AssetExecutionContext, platform: Platform, slate_field: pl.DataFrame
) -> dg.Output[pl.DataFrame]:
    """One row per car of the field."""
    from nascar_assets.orchestration.inputs.forecasting import contest_rules, load_scenarios
    from nascar_assets.scenarios import summarise

    plan = SlatePlan.load(platform.root, context.partition_key)
    made = load_scenarios(platform.root, plan.slate_id)
    names = slate_field.select("driver_id", "driver_name", "team", "start")
    summary = names.join(
        summarise(made, contest_rules(plan)), on="driver_id", how="inner", maintain_order="left"
    ).sort("mean_points", descending=True)
    drawn = summary.select(
        "driver_name",
        "mean_points",
        pl.col("laps_led_mean").alias("mean_laps_led"),
        *(f"points_p{share}" for share in (10, 25, 50, 75, 90)),
    )
    return dg.Output(
        summary,
        metadata=shown(
            points=picture(points_distribution, drawn, "Contest points"),
            laps_led=picture(laps_led_shares, drawn, "Laps led"),
        ),
    )
