"""A column of a stored table: its type, what it means, in which unit, and what it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")

Kind = pl.DataType | type[pl.DataType]
Schema = dict[str, Kind]


@dataclass(frozen=True, slots=True)
class Column:
    """What is known of a column beside its values.

    Attributes:
        kind: Its type.
        meaning: What a value says, null included, in a sentence or two.
        unit: Unit, or what the numbers count; empty for texts, flags and lists of them.
        source: What it comes from. `table.column` names a column of another stored table, from
            which Dagster's column lineage is made.
        optional: Whether a stored table may lack it; the meaning says when.
    """

    kind: Kind
    meaning: str
    unit: str
    source: str
    optional: bool = False

    @property
    def text(self) -> str:
        """Meaning, unit and source in one text, for places that have room for one."""
        unit = f" Unit: {self.unit}." if self.unit else ""
        return f"{self.meaning}{unit} From: {self.source}."

    def of(self, source: str) -> Column:
        """The same column of another source."""
        return replace(self, source=source)


Columns = Mapping[str, Column]
"""The columns of a table by name, in its order."""


def types_of(columns: Columns) -> Schema:
    """The schema of a table: type by name, optional columns left out."""
    return {name: column.kind for name, column in columns.items() if not column.optional}


def taken(table: str, columns: Columns, names: Iterable[str] | None = None) -> dict[str, Column]:
    """Columns that another table hands on unchanged: the same, with that table as their source.

    Args:
        table: The table that they are taken from.
        columns: Its columns.
        names: Which of them; all if left out.
    """
    wanted = columns if names is None else names
    return {name: columns[name].of(f"{table}.{name}") for name in wanted}
