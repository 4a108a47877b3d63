"""The graph that a platform's settings name, opened with the state that a run needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from nascar_assets.ontology import EntryStore, GraphEngine, OntologyState, ensure_state, open_graph
from nascar_assets.ontology.load import open_embedded
from nascar_assets.orchestration.resources import Platform

ENTRIES_FOLDER = "graph/entries"
"""Where people's overrides and vetoes lie under the data root."""


def entry_store(platform: Platform) -> EntryStore:
    """People's overrides and vetoes."""
    return EntryStore(platform.root, ENTRIES_FOLDER)


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
