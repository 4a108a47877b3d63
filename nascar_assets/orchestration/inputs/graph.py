"""The graph that a platform's settings name, opened with the state that a run needs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from nascar_assets.constraints import ConstraintCompiler, ConstraintSpec
from nascar_assets.constraints.compiler import compile_for_state
from nascar_assets.ontology import (
    GraphEngine,
    OntologyState,
    StatementStore,
    ensure_state,
    open_graph,
)
from nascar_assets.ontology.load import open_embedded
from nascar_assets.orchestration.resources import Platform

ENTRIES_FOLDER = "graph/entries"
"""Where people's overrides and vetoes lie under the data root."""


def entry_store(platform: Platform) -> StatementStore:
    """People's overrides and vetoes."""
    return StatementStore(platform.root, ENTRIES_FOLDER)


@contextmanager
def open_platform_graph(platform: Platform) -> Iterator[GraphEngine]:
    """The engine that the settings name: the server, or an embedded graph in memory.

    Credentials come from `NASCAR_GRAPH_USER` and `NASCAR_GRAPH_PASSWORD` and are shown nowhere.
    """
    engine = open_graph(
        platform.graph_setting,
        user=os.environ.get("NASCAR_GRAPH_USER"),
        password=os.environ.get("NASCAR_GRAPH_PASSWORD"),
        database=os.environ.get("NASCAR_GRAPH_DATABASE"),
    )
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def graph_of_state(platform: Platform, state: OntologyState) -> Iterator[GraphEngine]:
    """A graph that holds a state: loaded into the server, or an embedded file of its own."""
    if platform.graph_setting is None:
        engine = open_embedded(platform.graph_folder, state)
        try:
            yield engine
        finally:
            engine.close()
        return
    with open_platform_graph(platform) as engine:
        ensure_state(engine, state)
        yield engine


def compile_spec(
    platform: Platform,
    state: OntologyState,
    slate_id: str,
    driver_ids: Iterable[str],
    track_ids: Iterable[str],
    now: datetime,
) -> tuple[ConstraintSpec, str]:
    """A slate's spec, compiled from the graph that the settings name; and that graph's name.

    An embedded graph is a file of this state alone. A server is shared: its state is checked, and
    loaded again where another slate's run replaced it meanwhile.
    """
    if platform.graph_setting is None:
        with graph_of_state(platform, state) as engine:
            compiler = ConstraintCompiler(engine, state)
            return compiler.compile_spec(
                slate_id, driver_ids, track_ids, now=now
            ), engine.description
    with open_platform_graph(platform) as engine:
        spec = compile_for_state(engine, state, slate_id, driver_ids, track_ids, now=now)
        return spec, engine.description
