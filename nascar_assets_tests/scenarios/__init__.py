"""Tests of the race scenarios."""
