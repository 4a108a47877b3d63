"""The schedule as it is stored: the rows of single races."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.orchestration.storage.store import scan_table
from nascar_assets.storage import DataRoot

Race = Mapping[str, Any]
"""One row of the schedule."""


def schedule_rows(root: DataRoot, keys: Sequence[str]) -> dict[str, Race]:
    """The schedule's rows of some races by partition key.

    Raises:
        InputError: If a key is not in the schedule.
    """
    rows: dict[str, Race] = {
        str(row["race_key"]): row
        for row in scan_table(root, "schedule")
        .filter(pl.col("race_key").is_in(list(keys)))
        .collect()
        .iter_rows(named=True)
    }
    unknown = [key for key in keys if key not in rows]
    if unknown:
        raise InputError(
            f"The schedule holds no race {', '.join(unknown)}.",
            remedy="Sync the season's schedule first (nascar sync).",
        )
    return rows
