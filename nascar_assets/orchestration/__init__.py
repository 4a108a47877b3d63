"""Dagster: assets, checks, partitions, resources, sensors, schedules; wiring only."""
