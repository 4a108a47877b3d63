"""Where the tables of the assets lie under the data root, and how they are read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.storage import DataRoot


class MissingPartition(InputError):
    """A partition that something needs was never materialised."""


def table_path(asset: str, partition: str | None = None) -> str:
    """The path of an asset's table: `store/<asset>/<partition>.parquet`."""
    return f"store/{asset}/{partition}.parquet" if partition else f"store/{asset}.parquet"


def stored_partitions(root: DataRoot, asset: str) -> list[str]:
    """The partitions of an asset that have a table, sorted."""
    suffix = ".parquet"
    return [
        item.path.rsplit("/", 1)[-1].removesuffix(suffix)
        for item in root.list(f"store/{asset}")
        if item.path.endswith(suffix)
    ]


def scan_table(root: DataRoot, asset: str, partition: str | None = None) -> pl.LazyFrame:
    """A lazy scan of one table.

    Raises:
        MissingPartition: If it was never materialised.
    """
    path = table_path(asset, partition)
    if not root.exists(path):
        raise _missing(asset, [partition] if partition else [])
    return root.scan_frame(path)


def scan_tables(root: DataRoot, asset: str, partitions: Iterable[str]) -> pl.LazyFrame:
    """A lazy scan of several partitions as one table, in the order given.

    Raises:
        MissingPartition: If there is none to read, or one of them was never materialised.
    """
    wanted = list(partitions)
    present = set(stored_partitions(root, asset))
    missing = [partition for partition in wanted if partition not in present]
    if missing or not wanted:
        raise _missing(asset, missing)
    return root.scan_frame([table_path(asset, key) for key in wanted], insert_missing=True)


def scan_all(
    root: DataRoot, asset: str, schema: Mapping[str, pl.DataType | type[pl.DataType]]
) -> pl.LazyFrame:
    """A lazy scan of every partition of an asset; an empty table of that schema where none is."""
    partitions = stored_partitions(root, asset)
    if not partitions:
        return pl.LazyFrame(schema=dict(schema))
    return scan_tables(root, asset, partitions)


def _missing(asset: str, partitions: list[str]) -> MissingPartition:
    which = f" for {', '.join(partitions)}" if partitions else ""
    return MissingPartition(
        f"The table {asset} is not there{which}.",
        remedy=f"Materialise {asset} first (nascar sync, or the asset's page in the UI).",
    )
