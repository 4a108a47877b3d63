"""Which graph engine serves: one setting decides."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from nascar_assets.errors import InputError
from nascar_assets.ontology.engine import GraphEngine

NEO4J_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
"""Schemes of a Neo4j server's address; `+s` is TLS, `+ssc` TLS with a certificate of its own."""


def open_graph(
    setting: str | None,
    *,
    embedded_path: Path | None = None,
    user: str | None = None,
    password: str | None = None,
    database: str | None = None,
    read_only: bool = False,
    time_limit: float = 10.0,
) -> GraphEngine:
    """The graph engine that a setting names.

    Args:
        setting: A Neo4j server's address (`bolt://host:7687`, `neo4j+s://...`); none or an empty
            text for the embedded engine.
        embedded_path: File of the embedded graph; none for one in memory.
        user: User of the server.
        password: Password of the server; never shown.
        database: Database of the server; none for its default.
        read_only: Open an embedded file to read only.
        time_limit: Seconds that a query may take.

    Raises:
        InputError: If the setting is no address of a graph.
        GraphFault: If an embedded file cannot be opened. A server is first asked when it is used.
    """
    if not setting:
        from nascar_assets.ontology.ladybug_engine import LadybugEngine

        return LadybugEngine(embedded_path, read_only=read_only, time_limit=time_limit)
    parts = urlsplit(setting)
    if parts.scheme not in NEO4J_SCHEMES or not parts.hostname:
        raise InputError(
            "The graph's setting is no address of a Neo4j server.",
            field="NASCAR_GRAPH",
            remedy=f"Use {', '.join(f'{s}://host:port' for s in NEO4J_SCHEMES)}, or leave it "
            "out for the embedded engine.",
        )
    if parts.username or parts.password:
        raise InputError(
            "The graph's address holds credentials.",
            field="NASCAR_GRAPH",
            remedy="Give them as NASCAR_GRAPH_USER and NASCAR_GRAPH_PASSWORD.",
        )
    from nascar_assets.ontology.neo4j_engine import Neo4jEngine

    return Neo4jEngine(
        setting, user=user, password=password, database=database, time_limit=time_limit
    )
