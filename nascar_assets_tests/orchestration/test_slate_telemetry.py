"""After a slate's run its telemetry is there, as of its as-of time."""

from __future__ import annotations

import dagster as dg
import polars as pl

from nascar_assets.orchestration.inputs.slate_files import load_spec
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.storage import DataRoot
from nascar_assets.telemetry import load_telemetry_artifact
from nascar_assets_tests.orchestration.conftest import World


def test_a_slates_run_leaves_its_telemetry_behind(world: World) -> None:
    root = DataRoot.open(world.home)
    plan, spec = SlatePlan.load(root, world.slate), load_spec(root, world.slate)
    path = root.local_path(table_path("slate_telemetry", world.slate))
    stored = load_telemetry_artifact(path).collect()
    known = pl.scan_parquet(world.home / "store/lap_summaries/*.parquet", missing_columns="insert")
    expected = known.filter(
        pl.col("results_at") <= plan.as_of, pl.col("driver_id").is_in([*spec.drivers])
    ).collect()
    assert stored.height == expected.height > 0
    assert stored["available_at"].max() <= plan.as_of
    assert dict(stored.select("driver_id", "constraint_skill").unique().iter_rows()) == {
        driver: spec.drivers[driver].skill for driver in stored["driver_id"].unique()
    }
    (record,) = (
        open_instance(str(world.home))
        .fetch_materializations(
            dg.AssetRecordsFilter(
                asset_key=dg.AssetKey("slate_telemetry"), asset_partitions=[world.slate]
            ),
            limit=1,
        )
        .records
    )
    event = record.asset_materialization
    assert event is not None
    assert event.metadata["dagster/row_count"].value == stored.height
    assert event.metadata["spec_hash"].value == spec.hash
