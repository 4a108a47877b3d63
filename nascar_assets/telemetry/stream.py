"""Lap features of more rows than memory holds: race by race, file by file.

Windows never cross races, so the laps of a few races at a time are enough. Files are read lazily,
cut into batches of whole races by their row groups' statistics, and each batch is written to a
file of its own (or handed on) before the next is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.telemetry.artifacts import persist_telemetry_artifact
from nascar_assets.telemetry.laps import driver_keys
from nascar_assets.telemetry.windows import DEFAULT_WINDOWS, compute_aggregate_features

BATCH_ROWS = 1_000_000
"""Rows that a batch aims at: about 300 MB with all windows of 10, 20 and 50 laps."""


def iter_lap_features(
    paths: Iterable[str | os.PathLike[str]],
    time_windows: Iterable[str] = DEFAULT_WINDOWS,
    *,
    columns: Sequence[str] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pl.DataFrame]:
    """Rolling features of lap files in batches of whole races, in bounded memory.

    A race must lie within one file; a race larger than a batch makes a batch of its own.

    Args:
        paths: Parquet files of canonical laps.
        time_windows: Window strings.
        columns: Columns of the result to keep; all by default. What is not asked for is neither
            read nor computed.
        batch_rows: Rows that a batch aims at.

    Yields:
        The laps of some races with their features, in the files' order.

    Raises:
        InputError: If `batch_rows` is below 1, or a file lacks a column.
    """
    if batch_rows < 1:
        raise InputError("A batch holds one row at least.", field="batch_rows")
    windows = tuple(time_windows)
    for path in paths:
        scan = pl.scan_parquet(Path(path))
        for races in _batches(scan, batch_rows):
            part = scan if races is None else scan.filter(pl.col("race_id").is_in(races))
            features = compute_aggregate_features(part, windows)
            if columns is not None:
                features = features.select(columns)
            yield features.collect(engine="streaming")


def write_lap_features(
    paths: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    time_windows: Iterable[str] = DEFAULT_WINDOWS,
    *,
    batch_rows: int = BATCH_ROWS,
) -> int:
    """Write the rolling features of lap files as Parquet files with Snappy, in bounded memory.

    Each file is a telemetry artifact, written whole or not at all. Parts that an earlier, longer
    run left in the folder are taken away at the end.

    Args:
        paths: Parquet files of canonical laps.
        folder: Where `part-000000.parquet`, ... go; made where it is missing.
        time_windows: Window strings.
        batch_rows: Rows that a file aims at.

    Returns:
        Rows written.
    """
    target = Path(folder)
    rows = 0
    written: set[str] = set()
    batches = iter_lap_features(paths, time_windows, batch_rows=batch_rows)
    for number, batch in enumerate(batches):
        part = persist_telemetry_artifact(batch, target / f"part-{number:06d}.parquet")
        written.add(part.name)
        rows += batch.height
    for old in target.glob("part-*.parquet"):
        if old.name not in written:
            old.unlink()
    return rows


def _batches(scan: pl.LazyFrame, batch_rows: int) -> Iterator[list[str] | None]:
    """Races of a file in batches; none for the whole file at once."""
    rows = scan.select(pl.len()).collect().item()
    if rows <= batch_rows or "race_id" not in driver_keys(scan.collect_schema().names()):
        yield None
        return
    sizes = (
        scan.select("race_id")
        .group_by("race_id", maintain_order=True)
        .len()
        .collect(engine="streaming")
    )
    batch: list[str] = []
    held = 0
    for race_id, size in sizes.iter_rows():
        if batch and held + size > batch_rows:
            yield batch
            batch, held = [], 0
        batch.append(race_id)
        held += size
    yield batch
