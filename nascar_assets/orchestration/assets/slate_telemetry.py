"""A slate's telemetry: its drivers in the past races that were known by then, and their bounds."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.columns import slates
from nascar_assets.columns.column import types_of
from nascar_assets.constraints import ConstraintSpec
from nascar_assets.orchestration.assets.constraints import constraint_spec
from nascar_assets.orchestration.assets.slate_assets import blocking_check, slate_asset
from nascar_assets.orchestration.assets.telemetry import lap_summaries
from nascar_assets.orchestration.inputs.past import driver_directory
from nascar_assets.orchestration.inputs.slate_files import spec_path
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.metadata import shown, table_metadata
from nascar_assets.orchestration.storage.store import scan_all, scan_table, table_path
from nascar_assets.storage import DataRoot

CONSTRAINTS = types_of(slates.CONSTRAINTS)
"""Columns that come from the compiled spec; their types do not depend on a slate's values."""


@slate_asset(
    group_name="telemetry",
    description="Lap summaries of the slate's drivers in past races known by its as-of time, with "
    "the constraints of its compiled spec beside them; empty where no laps are stored.",
    deps=[
        constraint_spec,
        dg.AssetDep(lap_summaries, partition_mapping=dg.AllPartitionMapping()),
    ],
    kinds={"polars", "parquet"},
    check_specs=[
        blocking_check(
            "slate_telemetry",
            "known_as_of",
            "The stored artifact is whole, and every row of it was known by the as-of time.",
        )
    ],
)
def slate_telemetry(run: SlateRun) -> Iterator[Any]:
    """Stored as a telemetry artifact; what a model of pace or wear starts from."""
    from nascar_assets.telemetry import enrich_with_constraints, telemetry_artifact_bytes

    root, spec = run.root, run.spec
    past = past_summaries(run)
    enriched = (
        enrich_with_constraints(past, constraint_values(spec))
        .cast(dict(CONSTRAINTS))  # type: ignore[arg-type]
        .collect()
    )
    sources = _sources(root, run.slate_id, enriched["race_id"].unique())
    data = telemetry_artifact_bytes(enriched, sources=sources, extra={"spec_hash": spec.hash})
    path = table_path("slate_telemetry", run.slate_id)
    root.write(path, data)
    metadata = {
        **table_metadata("slate_telemetry", enriched, size=len(data)),
        "races": enriched["race_id"].n_unique(),
        "drivers": f"{enriched['driver_id'].n_unique()} of {len(spec.drivers)}",
        "spec_hash": spec.hash,
        "sources": sources,
    }
    if not enriched.height:
        metadata["notices"] = ["No laps of these drivers were known by the as-of time."]
    yield dg.Output(None, metadata=shown(metadata))
    stored = root.scan_frame(path).select("available_at").collect()["available_at"]
    late = int((stored.is_null() | (stored > run.as_of)).sum())
    yield dg.AssetCheckResult(
        passed=late == 0 and len(stored) == enriched.height,
        check_name="known_as_of",
        metadata=shown(rows=len(stored), late=late),
    )


def past_summaries(run: SlateRun) -> pl.LazyFrame:
    """Lap summaries of the drivers of a run's spec that were known by its as-of time.

    The filters on drivers and time go into the scan.

    Returns:
        `LAP_SUMMARY` and the race's facts, `results_at` as `available_at`; by driver, in the
        order of the races.
    """
    from nascar_assets.feed.schemas import LAP_SUMMARY, RACE_OF_SUMMARY

    merged, drivers = dict(driver_directory(run.root, run.as_of).merged), run.spec.drivers
    ids = [*drivers, *(old for old, new in merged.items() if new in drivers)]
    return (
        scan_all(run.root, "lap_summaries", {**LAP_SUMMARY, **RACE_OF_SUMMARY})
        .filter(pl.col("driver_id").is_in(ids), pl.col("results_at") <= run.as_of)
        .with_columns(pl.col("driver_id").replace(merged))
        .rename({"results_at": "available_at"})
        .sort("driver_id", "start_time", "race_id")
    )


def constraint_values(spec: ConstraintSpec) -> dict[str, Mapping[str, Any]]:
    """A spec's drivers as plain mappings of value by name."""
    names = [name.removeprefix("constraint_") for name in CONSTRAINTS]
    return {
        driver_id: {
            name: list(value) if isinstance(value := getattr(driver, name), tuple) else value
            for name in names
        }
        for driver_id, driver in spec.drivers.items()
    }


def _sources(root: DataRoot, slate_id: str, race_ids: pl.Series) -> dict[str, str]:
    """SHA-256 of the spec and of every race's summaries that gave a row, by path."""
    races = scan_table(root, "schedule").filter(pl.col("race_id").is_in(race_ids.implode()))
    keys = races.select("race_key").collect()["race_key"].sort()
    paths = [spec_path(slate_id), *(table_path("lap_summaries", key) for key in keys)]
    found = {path: root.sha256(path) for path in paths}
    return {path: digest for path, digest in found.items() if digest is not None}
