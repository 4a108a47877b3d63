"""Scenarios: the race simulated many times, its laws checked, and its summary per driver."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.orchestration.assets.calibration import model_parameters
from nascar_assets.orchestration.assets.constraints import (
    run_config,
    slate_driver_values,
    slate_track_values,
)
from nascar_assets.orchestration.assets.feed import schedule
from nascar_assets.orchestration.assets.slate import slate, slate_field, slate_ratings
from nascar_assets.orchestration.assets.slate_assets import blocking_check, slate_asset
from nascar_assets.orchestration.inputs.past import without_features
from nascar_assets.orchestration.inputs.slate_files import keep_notices
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.view_tables import error_factor, scenarios_with_views
from nascar_assets.orchestration.metadata import picture, shown, table_metadata
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.reports.plots import laps_led_shares, points_distribution, regime_frequencies


@slate_asset(
    group_name="scenarios",
    description="Complete races, lap by lap: one row per scenario and driver.",
    deps=[
        schedule,
        slate_field,
        "slate_views",
        slate_ratings,
        slate_driver_values,
        slate_track_values,
        run_config,
        model_parameters,
    ],
    kinds={"numba", "parquet"},
    check_specs=[
        blocking_check(
            "scenarios",
            "laws_of_the_race",
            "Every scenario is a race that could happen: not one law is broken in one of them.",
        )
    ],
)
def scenarios(run: SlateRun) -> Iterator[Any]:
    """The joint forecast that everything after it reads, moved by the views in force."""
    from nascar_assets.orchestration.inputs.process_parameters import keep_process
    from nascar_assets.scenarios import check_laws, generate_scenarios

    root, plan, process = run.root, run.plan, run.model.parameters
    made, said = scenarios_with_views(
        run,
        lambda race: generate_scenarios(
            run.spec, race, plan.n_scenarios, plan.seed, parameters=process
        ),
    )
    keep_process(root, plan.slate_id, plan.run_id, process)
    run.keep_run_config()  # what repeats these, also where they are made alone
    frame = made.to_polars([run.rules])
    size = root.write_frame(table_path("scenarios", plan.slate_id), frame)
    root.write_frame(table_path("scenario_races", plan.slate_id), made.races_to_polars())
    assert made.diagnostics is not None
    found = made.diagnostics
    lacking = without_features(root, plan.as_of)
    notices = [*found.notices, *said, *run.model.notices, *lacking]
    keep_notices(root, plan.slate_id, "scenarios", notices)
    records = check_laws(run.scenarios)
    regimes = pl.DataFrame(
        {
            "regime": list(found.regime_frequencies),
            "frequency": list(found.regime_frequencies.values()),
        }
    )
    yield dg.Output(
        None,
        metadata=shown(
            **table_metadata("scenarios", frame, size=size),
            n_generated=found.n_generated,
            n_valid=found.n_valid,
            rejection_rate=found.rejection_rate,
            rejected_by_rule=dict(found.rejected_by_rule),
            parameters_hash=found.parameters_hash,
            spec_hash=found.spec_hash,
            regimes=picture(regime_frequencies, regimes, "Regimes"),
            notices=[*found.notices, *said],
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
    deps=[slate, scenarios],
    kinds={"polars"},
)
def scenario_summary(run: SlateRun, slate_field: pl.DataFrame) -> dg.Output[pl.DataFrame]:
    """One row per car of the field."""
    from nascar_assets.scenarios import summarise

    names = slate_field.select(
        "driver_id",
        pl.col("driver_id").replace_strict(run.names).alias("driver_name"),
        "team",
        "start",
    )
    summary = names.join(
        summarise(run.scenarios, run.rules), on="driver_id", how="inner", maintain_order="left"
    ).sort("mean_points", descending=True)
    summary = summary.with_columns(pl.col("^.*_se$") * error_factor(run))
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
