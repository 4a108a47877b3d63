"""Constraints: ontology values as of a time, compiled into a spec, and the run's RunConfig."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.ontology import build_state
from nascar_assets.orchestration.assets.history import ALL_RESULTS
from nascar_assets.orchestration.assets.slate import slate, slate_field, slate_rating_state
from nascar_assets.orchestration.assets.slate_assets import blocking_check, slate_asset
from nascar_assets.orchestration.inputs.graph import compile_spec, entry_store
from nascar_assets.orchestration.inputs.provenance import code_version
from nascar_assets.orchestration.inputs.slate_files import keep_notices, spec_path
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.metadata import shown
from nascar_assets.orchestration.resources import Platform, graph_kind


@slate_asset(
    group_name="constraints",
    description="Ontology values of every driver, estimated as of the slate's as-of time.",
    deps=[slate_rating_state],
    kinds={"polars"},
)
def slate_driver_values(run: SlateRun) -> pl.DataFrame:
    """What the graph holds for this slate before anyone overrode it."""
    from nascar_assets.history.values import driver_values

    return driver_values(run.results, run.as_of, state=run.rating_state)


@slate_asset(
    group_name="constraints",
    description="Ontology values of every track, estimated as of the slate's as-of time.",
    deps=[slate, ALL_RESULTS],
    kinds={"polars"},
)
def slate_track_values(run: SlateRun, schedule: pl.DataFrame) -> pl.DataFrame:
    """What the graph holds for this slate before anyone overrode it."""
    from nascar_assets.history.values_tracks import track_values

    return track_values(run.results, schedule, run.as_of, run.race)


@slate_asset(
    group_name="constraints",
    description="Constraints of every driver and of the track, compiled once and hashed.",
    kinds={graph_kind(), "json"},
    check_specs=[
        blocking_check(
            "constraint_spec",
            "spec_is_complete_and_hashed",
            "Every car of the field and the track are in the spec, and its hash is its content's.",
        )
    ],
)
def constraint_spec(
    platform: Platform,
    run: SlateRun,
    schedule: pl.DataFrame,
    slate_field: pl.DataFrame,
    slate_driver_values: pl.DataFrame,
    slate_track_values: pl.DataFrame,
) -> Iterator[Any]:
    """The graph is read here, once; everything after this reads the value."""
    root, slate_id, track_id = run.root, run.slate_id, run.race["track_id"]
    state = build_state(
        slate_driver_values,
        slate_track_values,
        schedule,
        entry_store(platform).entries(),
        run.as_of,
        entrants=slate_field,
    )
    spec, description = compile_spec(
        platform, state, slate_id, slate_field["driver_id"], [track_id], run.as_of
    )
    root.write(spec_path(slate_id), spec.to_json().encode())
    keep_notices(root, slate_id, "constraint_spec", state.notices)
    missing = [car for car in slate_field["driver_id"] if car not in run.spec.drivers]
    complete = not missing and track_id in run.spec.tracks and run.spec == spec
    yield dg.Output(
        None,
        metadata=shown(
            spec_hash=spec.hash,
            state_hash=state.hash,
            engine=description,
            drivers=len(spec.drivers),
            newcomers=sum(node.newcomer for node in state.drivers),
            overrides=[entry.note for entry in (*state.overrides, *state.vetoes)],
            notices=list(state.notices),
        ),
    )
    yield dg.AssetCheckResult(
        passed=complete,
        check_name="spec_is_complete_and_hashed",
        metadata=shown(missing=missing, hash=spec.hash),
    )


@slate_asset(
    group_name="constraints",
    description="What repeats this run exactly: spec hash, parameters, seed.",
    deps=[constraint_spec, slate_field],
    kinds={"json"},
)
def run_config(run: SlateRun) -> dg.MaterializeResult[None]:
    """The RunConfig of the slate's run."""
    config = run.keep_run_config()
    return dg.MaterializeResult(
        metadata=shown(run_id=config.run_id, seed=run.plan.seed, code_version=code_version())
    )
