"""Runs on several machines: what launches them, where they wait, and who of the machines lives."""
