"""Invented seasons in the feed's own format, for the demo and for tests."""
