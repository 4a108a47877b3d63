"""Where the tables of the assets lie under the data root, and how they are read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.storage import DataRoot
from nascar_assets.storage.overhead import overhead

_SUFFIX = ".parquet"

_held: dict[tuple[str, ...], tuple[tuple[str, ...], pl.DataFrame]] = {}
"""Tables read whole, by root, asset and columns, each with the tags of the files behind it."""


class MissingPartition(InputError):
    """A partition that something needs was never materialised."""


def table_path(asset: str, partition: str | None = None) -> str:
    """The path of an asset's table: `store/<asset>/<partition>.parquet`."""
    return f"store/{asset}/{partition}.parquet" if partition else f"store/{asset}.parquet"


def stored_partitions(root: DataRoot, asset: str) -> list[str]:
    """The partitions of an asset that have a table, sorted."""
    return [
        item.path.rsplit("/", 1)[-1].removesuffix(_SUFFIX)
        for item in root.list(f"store/{asset}")
        if item.path.endswith(_SUFFIX)
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
    """A lazy scan of every partition of an asset; see `read_all`."""
    keys = stored_partitions(root, asset)
    if not keys:
        return pl.LazyFrame(schema=dict(schema))
    return root.scan_frame([table_path(asset, key) for key in keys], schema=schema)


@overhead("store")
def collected(frame: pl.LazyFrame) -> pl.DataFrame:
    """The rows of a scan."""
    return frame.collect()


def read_table(root: DataRoot, asset: str, partition: str | None = None) -> pl.DataFrame:
    """One table, whole.

    Raises:
        MissingPartition: If it was never materialised.
    """
    return collected(scan_table(root, asset, partition))


@overhead("store")
def read_all(
    root: DataRoot, asset: str, schema: Mapping[str, pl.DataType | type[pl.DataType]]
) -> pl.DataFrame:
    """Every partition of an asset as one table of that schema; an empty one where there is none.

    A column that a table lacks, as one of an older version may, is null there.

    The table is kept for the next call, which takes it if not one of its files was written again:
    the assets of a slate read the same history many times in one run.
    """
    files = [item for item in root.list(f"store/{asset}") if item.path.endswith(_SUFFIX)]
    place, tags = (
        (root.location, asset, *schema),
        tuple(f"{item.path} {item.tag}" for item in files),
    )
    if not files:
        _held.pop(place, None)
        return pl.DataFrame(schema=dict(schema))
    kept = _held.get(place)
    if kept is None or kept[0] != tags:
        # Listed before it is read: a file that changes in between is read again next time.
        scan = root.scan_frame([item.path for item in files], schema=schema)
        kept = _held[place] = (tags, scan.collect())
    return kept[1].clone()


def _missing(asset: str, partitions: list[str]) -> MissingPartition:
    which = f" for {', '.join(partitions)}" if partitions else ""
    return MissingPartition(
        f"The table {asset} is not there{which}.",
        remedy=f"Materialise {asset} first (nascar sync, or the asset's page in the UI).",
    )
