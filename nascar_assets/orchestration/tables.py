"""Which tables are made together: of a race's files, as of a race's start, of the graph."""

from nascar_assets.feed.sources import TABLES

RACE_TABLES = TABLES | {"laps", "lap_features"}
"""What is made of a race's own files."""

AS_OF_TABLES = frozenset({"race_features", "driver_ratings", "track_profiles"})
"""What is made of earlier races as of a race's start."""

GRAPH_TABLES = frozenset({"driver_values", "track_values", "veto_rules", "ontology_graph"})
"""What is made of every race's results, as of now."""
