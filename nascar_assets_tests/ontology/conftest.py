"""Fixtures: both graph engines, the real server among them."""

from nascar_assets_tests.ontology.graphs import graph
from nascar_assets_tests.ontology.neo4j_server import neo4j_server

__all__ = ["graph", "neo4j_server"]
