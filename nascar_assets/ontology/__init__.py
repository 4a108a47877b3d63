"""The ontology: a graph of drivers, tracks and teams, from history and from people."""

from nascar_assets.ontology.connect import open_graph
from nascar_assets.ontology.engine import GraphEngine, GraphFault, GraphSlow, Query
from nascar_assets.ontology.load import ensure_state, load_state, open_embedded, stored_hash
from nascar_assets.ontology.overrides import Statement, StatementStore, in_force
from nascar_assets.ontology.state import OntologyState, build_state
from nascar_assets.ontology.vetoes import VETO_KINDS, UnknownVetoRule, VetoRule, parse_veto

__all__ = [
    "VETO_KINDS",
    "GraphEngine",
    "GraphFault",
    "GraphSlow",
    "OntologyState",
    "Query",
    "Statement",
    "StatementStore",
    "UnknownVetoRule",
    "VetoRule",
    "build_state",
    "ensure_state",
    "in_force",
    "load_state",
    "open_embedded",
    "open_graph",
    "parse_veto",
    "stored_hash",
]
