"""Views: what people stated of a slate's race as of the as-of time, and what it did."""

import dagster as dg
import polars as pl

from nascar_assets.feed.sources import PEOPLES_VIEWS, SOURCE
from nascar_assets.orchestration.assets.scenarios import scenarios
from nascar_assets.orchestration.assets.slate import ALL_RACES, slate
from nascar_assets.orchestration.assets.slate_assets import slate_asset
from nascar_assets.orchestration.inputs.past import driver_directory
from nascar_assets.orchestration.inputs.slate_files import keep_notices
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.view_tables import effects_table
from nascar_assets.orchestration.inputs.views import landed_views, view_records
from nascar_assets.orchestration.metadata import shown
from nascar_assets.orchestration.storage.store import read_table, stored_partitions


@slate_asset(
    group_name="slate",
    description="What people stated of the race in views, who and when, and whether it counts by "
    "the as-of time.",
    deps=[slate, dg.AssetDep(SOURCE["practice"].table, partition_mapping=ALL_RACES)],
    kinds={"polars"},
)
def slate_views(run: SlateRun, slate_field: pl.DataFrame) -> dg.Output[pl.DataFrame]:
    """One row per statement; what landed after the as-of time is listed and does not count."""
    from nascar_assets.views.in_force import (
        IN_FORCE,
        LEFT_OUT,
        NO_GRID,
        exposures_that_agree,
        statements,
        with_state,
    )
    from nascar_assets.views.people import People
    from nascar_assets.views.practice import feed_goes_first

    root, plan, notices = run.root, run.plan, []
    records = [
        record for record in view_records(root, run.slate_id) if not record.dropped_by(run.as_of)
    ]
    table = pl.DataFrame(schema=PEOPLES_VIEWS.columns)
    if records:
        entered = list(slate_field.select("driver_id", "driver_name").iter_rows())
        people = People.of(run.slate.everyone, entered, driver_directory(root, run.as_of))
        landed = landed_views(root, records, plan.race_id, people)
        notices = [
            f"View {view.record.view_id}: {fault}" for view in landed for fault in view.found.faults
        ]
        field = slate_field["driver_id"].to_list()
        table = exposures_that_agree(statements(landed, run.as_of, field, people.names))
        if slate_field["start"].null_count():
            table = with_state(table, pl.col("family") == "rear", NO_GRID)
        practice = None
        if plan.race_key in stored_partitions(root, "practice"):
            practice = read_table(root, "practice", plan.race_key)
        table = feed_goes_first(table, practice, plan.race_id, run.as_of)
        if plan.without_views:
            table = with_state(table, pl.lit(True), LEFT_OUT)
        counted = table.filter(pl.col("state") == IN_FORCE)
        late = PEOPLES_VIEWS.knowledge.count_late(counted, run.as_of)
        assert late == 0, "a statement in force landed after the as-of time"
        notices += [
            f"{file} ({author}): "
            f"{'1 statement does' if count == 1 else f'{count} statements do'} not count: {state}."
            for file, author, state, count in table.filter(pl.col("state") != IN_FORCE)
            .group_by("file", "author", "state", maintain_order=True)
            .len()
            .iter_rows()
        ]
    keep_notices(root, run.slate_id, "slate_views", notices)
    return dg.Output(
        table,
        metadata=shown(
            views=table["view_id"].n_unique(),
            in_force=table.filter(pl.col("state") == IN_FORCE).height,
            notices=notices,
        ),
    )


@slate_asset(
    group_name="scenarios",
    description="The forecast of each player without and with the views: mean, win chance and "
    "optimal share. Empty where no view moves the scenarios.",
    deps=[slate, scenarios],
    kinds={"numba"},
)
def view_effects(
    run: SlateRun, scenario_optima: pl.DataFrame, scenario_summary: pl.DataFrame
) -> dg.Output[pl.DataFrame]:
    """One row per player, those whom the views move furthest first."""
    table = effects_table(run, scenario_optima, scenario_summary)
    return dg.Output(table, metadata=shown(players=table.height))
