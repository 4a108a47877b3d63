"""Slates: salary files read, drivers and race resolved, and the field of one contest."""
