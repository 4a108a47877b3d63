"""Tables between assets: Parquet under the data root, one file a partition, written atomically.

The contract is dagster-polars' own (frames out, frames or lazy scans in), except that a required
upstream partition that is missing is an error.
"""

from typing import Any

import dagster as dg
import polars as pl

from nascar_assets.orchestration.metadata import table_metadata
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import scan_table, scan_tables, table_path
from nascar_assets.storage.overhead import overhead


class ParquetTables(dg.IOManager):
    """Reads and writes the tables of assets."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Writes the table that an asset returned."""
        if obj is None:  # the asset wrote its own files
            return
        asset = context.asset_key.path[-1]
        partition = context.partition_key if context.has_partition_key else None
        frame = obj.collect(engine="streaming") if isinstance(obj, pl.LazyFrame) else obj
        with overhead("store"):
            size = self._write(asset, partition, frame)
            context.add_output_metadata(table_metadata(asset, frame, size=size))

    @overhead("store")
    def load_input(self, context: dg.InputContext) -> Any:
        """Reads a table as the asset's annotation asks, lazily or eagerly."""
        asset = context.asset_key.path[-1]
        root = self._platform.root
        wanted = context.dagster_type.typing_type
        if not context.has_asset_partitions:
            return _as(wanted, scan_table(root, asset))
        keys = list(context.asset_partition_keys)
        if len(keys) == 1:
            return _as(wanted, scan_table(root, asset, keys[0]))
        return _as(wanted, scan_tables(root, asset, keys))

    def _write(self, asset: str, partition: str | None, frame: pl.DataFrame) -> int:
        return self._platform.root.write_frame(table_path(asset, partition), frame)


def tables_of(platform: Platform) -> dg.IOManagerDefinition:
    """The tables of a platform; no run's configuration can point them elsewhere."""
    return dg.IOManagerDefinition(lambda _: ParquetTables(platform), config_schema={})


def _as(wanted: Any, frame: pl.LazyFrame) -> pl.LazyFrame | pl.DataFrame:
    return frame if wanted is pl.LazyFrame else frame.collect()
