"""What a slate's assets read besides each other: plan, past, ratings, fits, graph, provenance."""
