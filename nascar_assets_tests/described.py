"""What the stored tables of a home hold against what the data dictionary says of them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nascar_assets.orchestration.dictionary import TABLES, table_of


def stored_tables(home: Path) -> dict[str, list[Path]]:
    """Every Parquet file of a home, by the table that the dictionary says it is."""
    found: dict[str, list[Path]] = {}
    for path in sorted(home.rglob("*.parquet")):
        name = table_of(path.relative_to(home).as_posix())
        assert name is not None, f"{path} is of no table of the data dictionary"
        found.setdefault(name, []).append(path)
    return found


def check_described(stored: dict[str, list[Path]], *names: str) -> None:
    """Every column is described with its type and in its place, and no needed one is missing."""
    for name in names or stored:
        columns = TABLES[name].columns
        for path in stored[name]:
            schema = pl.read_parquet_schema(path)
            kinds = {column: columns[column].kind for column in columns if column in schema}
            assert list(schema.items()) == list(kinds.items()), path
            needed = {column for column, item in columns.items() if not item.optional}
            assert needed <= schema.keys(), path
