"""Who starts: a car of the entry list without a place on a grid that is set did not qualify."""

from __future__ import annotations

import polars as pl

GRID_IS_SET = 0.8
"""Share of the entry list with a starting position from which a grid counts as set. A field sends
home a tenth of its cars at most; a smaller share is a session that was not over when it was read.
"""


def known_grid(entries: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The cars that may start, and those that did not qualify.

    - No starting position (before qualifying, or rained out and not yet drawn up): all may start.
    - Positions for fewer than four fifths of the cars: qualifying goes on. All may start, and the
      positions count as not known, since those to come move them.
    - Else the grid is set: cars without a position did not qualify, or withdrew. Gaps in it (a car
      that was taken out) do not matter.

    Args:
        entries: `ENTRIES` of one race with what was known at a moment, one row per driver.

    Returns:
        Two tables `ENTRIES`.
    """
    placed = pl.col("start").is_not_null()
    if entries["start"].count() < GRID_IS_SET * entries.height:
        return entries.with_columns(start=pl.lit(None, entries.schema["start"])), entries.clear()
    return entries.filter(placed), entries.filter(~placed)
