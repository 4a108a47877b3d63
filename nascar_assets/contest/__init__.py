"""Contests: ownership, field, duplicates and settlement to the cent."""
