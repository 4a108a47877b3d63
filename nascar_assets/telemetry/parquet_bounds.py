"""What a Parquet file of laps may expand to, by its own footer, before any of it is read."""

from __future__ import annotations

import io
from typing import Any

from nascar_assets.telemetry.problems import RefusedFile, problem

MAX_ROWS = 500_000
"""A race of 40 cars and 500 laps has 20,000."""

MAX_COLUMNS = 200
MAX_ROW_GROUPS = 1_000
MAX_EXPANDED_BYTES = 256 * 1024**2
"""Of all pages together, unpacked."""


def check_parquet(data: bytes, file: str) -> None:
    """Refuses a Parquet file that is none, or whose footer promises more than laps can be.

    Raises:
        RefusedFile: With every bound that it breaks.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_metadata(io.BytesIO(data))
        groups = [found.row_group(index) for index in range(min(found.num_row_groups, 10_000))]
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = f"no Parquet file, cut short or damaged: {error}"
        raise RefusedFile([problem(file, reason)]) from error
    sizes = (
        ("rows", max(found.num_rows, sum(group.num_rows for group in groups)), MAX_ROWS),
        ("columns", found.num_columns, MAX_COLUMNS),
        ("row groups", found.num_row_groups, MAX_ROW_GROUPS),
        ("unpacked bytes", sum(_unpacked(group) for group in groups), MAX_EXPANDED_BYTES),
    )
    broken = [
        problem(file, f"{found:,} {what}; no more than {upper:,} are read")
        for what, found, upper in sizes
        if found > upper
    ]
    if broken:
        raise RefusedFile(broken)


def _unpacked(group: Any) -> int:
    columns = range(min(group.num_columns, 10_000))
    pages = (group.column(index).total_uncompressed_size for index in columns)
    return max(group.total_byte_size, sum(pages))
