"""Ontology: values estimated from all races known now, people's entries, and the graph of both."""

from datetime import UTC, datetime

import dagster as dg
import polars as pl

from nascar_assets.columns import history
from nascar_assets.columns.column import types_of
from nascar_assets.ontology import build_state, in_force
from nascar_assets.orchestration.assets.history import ALL_RESULTS
from nascar_assets.orchestration.inputs.graph import entry_store, graph_of_state
from nascar_assets.orchestration.inputs.past import results_before
from nascar_assets.orchestration.metadata import shown
from nascar_assets.orchestration.resources import Platform, graph_kind

VETO_RULES = types_of(history.VETO_RULES)


@dg.asset(
    group_name="ontology",
    description="Skill, aggression, shadow risk and equipment of every driver, as of now.",
    deps=[ALL_RESULTS],
    kinds={"polars"},
    owners=["team:model"],
)
def driver_values(platform: Platform) -> pl.DataFrame:
    """One row per driver, each value with its standard error."""
    from nascar_assets.history.values import driver_values as estimate

    now = datetime.now(UTC)
    return estimate(results_before(platform.root, now), now)


@dg.asset(
    group_name="ontology",
    description="Difficulty, aggression factor and caution rate of every track, as of now.",
    deps=[ALL_RESULTS],
    kinds={"polars"},
    owners=["team:model"],
)
def track_values(platform: Platform, schedule: pl.DataFrame) -> pl.DataFrame:
    """One row per track, each value with its standard error."""
    from nascar_assets.history.values_tracks import track_values as estimate

    now = datetime.now(UTC)
    return estimate(results_before(platform.root, now), schedule, now)


@dg.asset(
    group_name="ontology",
    description="The veto rules in force that people entered for drivers and tracks.",
    kinds={"polars"},
    owners=["team:model"],
)
def veto_rules(platform: Platform) -> pl.DataFrame:
    """One row per rule, with who entered it, when and why."""
    _, vetoes = in_force(entry_store(platform).entries())
    rows = [
        {
            "subject": entry.subject,
            "subject_id": entry.subject_id,
            "code": entry.name,
            "author": entry.author,
            "reason": entry.reason,
            "at": entry.at,
        }
        for entry in vetoes
    ]
    return pl.DataFrame(rows, schema=VETO_RULES)


@dg.asset(
    group_name="ontology",
    description="The graph as of now: drivers, tracks, teams, races and veto rules.",
    deps=[veto_rules],
    kinds={graph_kind()},
    owners=["team:model"],
)
def ontology_graph(
    platform: Platform,
    schedule: pl.DataFrame,
    driver_values: pl.DataFrame,
    track_values: pl.DataFrame,
) -> dg.MaterializeResult[None]:
    """Built from history and people's entries; rebuilding it never loses an entry."""
    state = build_state(
        driver_values,
        track_values,
        schedule,
        entry_store(platform).entries(),
        datetime.now(UTC),
    )
    with graph_of_state(platform, state) as engine:
        engine.ping()
        description = engine.description
    return dg.MaterializeResult(
        metadata=shown(
            engine=description,
            state_hash=state.hash,
            as_of=state.as_of.isoformat(),
            data_through=state.data_through.isoformat() if state.data_through else "no data",
            drivers=len(state.drivers),
            tracks=len(state.tracks),
            races=len(state.races),
            overrides=[entry.note for entry in state.overrides],
        )
    )
