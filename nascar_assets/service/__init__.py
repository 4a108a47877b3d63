"""The headless optimise API."""
