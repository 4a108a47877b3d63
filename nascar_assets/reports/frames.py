"""The check that a frame has the columns that a plot or a section needs."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl


def require_columns(frame: pl.DataFrame, what: str, columns: Iterable[str]) -> None:
    """Refuses a frame that lacks columns.

    Args:
        what: What it is for, as the message names it.
        columns: Columns that must be there.

    Raises:
        ValueError: With every missing column and those that are there.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(
            f"{what}: the columns {', '.join(missing)} are missing; there are "
            f"{', '.join(frame.columns) or 'none'}."
        )
