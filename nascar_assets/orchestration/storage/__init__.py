"""Where Dagster keeps its records and the assets their tables."""
