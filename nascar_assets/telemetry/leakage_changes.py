"""Random changes to what lies after an as-of time: values, records taken away, records added."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.sources import Knowledge

CHANGES: tuple[str, ...] = ("change", "drop", "add")
"""Kinds of change, in the order in which the experiment tries them."""


def alter(
    table: pl.DataFrame,
    knowledge: Knowledge,
    as_of: datetime,
    change: str,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """A table as the past left it, with another future.

    Args:
        table: The source.
        knowledge: When its records become known.
        as_of: The as-of time (UTC). What was known by it stays as it is, in value and order.
        change: `change` (other values in later records, and in the later columns of records that
            are known), `drop` (a random part of the later records, all of them every other time)
            or `add` (copies of records, with other values, known after the as-of time).
        rng: The source of chance.
    """
    late = (table[knowledge.time_column] > as_of).to_numpy()
    if change == "change":
        return _changed(table, knowledge, as_of, late, rng)
    if change == "drop":
        share = 1.0 if rng.random() < 0.5 else 0.5
        gone = late & (rng.random(table.height) < share)
        kept = table.filter(pl.Series(~gone, dtype=pl.Boolean))
        return _changed(kept, knowledge, as_of, np.zeros(kept.height, np.bool_), rng)
    if change == "add":
        return _with_more(table, knowledge, as_of, rng)
    raise InputError(f"{change!r} is no kind of change.", field="change")


def _changed(
    table: pl.DataFrame,
    knowledge: Knowledge,
    as_of: datetime,
    late: np.ndarray,
    rng: np.random.Generator,
) -> pl.DataFrame:
    times = {knowledge.time_column, *knowledge.later}
    columns: list[pl.Series] = []
    after = {
        name: (table[name] > as_of).to_numpy() & ~late
        for name in knowledge.later
        if name in table.columns
    }
    for name in table.columns:
        column = table[name]
        mask = late.copy()
        for time_column, names in knowledge.later.items():
            if name in names and time_column in after:
                mask |= after[time_column]
        if name not in times and mask.any():
            column = _other_values(column, mask, rng)
        columns.append(column)
    return pl.DataFrame(columns)


def _with_more(
    table: pl.DataFrame, knowledge: Knowledge, as_of: datetime, rng: np.random.Generator
) -> pl.DataFrame:
    """Copies of records of all times, known after the as-of time: corrections and races to come."""
    if table.height == 0:
        return table
    size = int(rng.integers(1, min(table.height, 200) + 1))
    picked = rng.choice(table.height, size=size, replace=table.height < size)
    delay = [timedelta(seconds=int(s)) for s in rng.integers(1, 40 * 86_400, size)]
    copies = table[picked.tolist()]
    known = pl.Series([as_of + wait for wait in delay]).cast(table.schema[knowledge.time_column])
    times = {
        name: pl.max_horizontal(pl.col(name), known.alias(name))
        for name in (knowledge.time_column, *knowledge.later)
    }
    copies = copies.with_columns(expression.alias(name) for name, expression in times.items())
    # Ids stay (a correction of a known race); numbers and text of the copies are others.
    ids = {name for name in table.columns if name.endswith("_id") or name in times}
    everything = np.ones(size, np.bool_)
    copies = pl.DataFrame(
        [
            copies[name] if name in ids else _other_values(copies[name], everything, rng)
            for name in table.columns
        ]
    )
    joined = pl.concat([table, copies])
    # New records may stand anywhere among the old, whose own order stays.
    place = np.argsort(
        np.concatenate([np.arange(table.height), rng.uniform(0, table.height, size)]), kind="stable"
    )
    return joined[place.tolist()]


def _other_values(column: pl.Series, mask: np.ndarray, rng: np.random.Generator) -> pl.Series:
    """The column with other values under the mask; nested and exotic types keep theirs."""
    size, kind = len(column), column.dtype
    if kind.is_integer():
        fresh = pl.Series(rng.integers(1, 60, size)).cast(kind)
        # The same value drawn by chance would hide a leak.
        fresh = fresh.zip_with(fresh.ne_missing(column), fresh + 1)
    elif kind.is_float():
        fresh = pl.Series(rng.uniform(1.0, 200.0, size)).cast(kind)
    elif kind == pl.Boolean:
        fresh = ~column.fill_null(False)
    elif kind == pl.String:
        fresh = _other_text(column, rng)
    elif isinstance(kind, pl.Datetime):
        shift = pl.Series(rng.integers(1, 20 * 86_400_000_000, size)).cast(pl.Duration("us"))
        fresh = (column + shift).cast(kind)
    else:
        return column
    return column.zip_with(~pl.Series(mask, dtype=pl.Boolean), fresh).alias(column.name)


def _other_text(column: pl.Series, rng: np.random.Generator) -> pl.Series:
    """Values that occur in the column, drawn anew: ids of other drivers, other statuses."""
    pool = column.drop_nulls().unique(maintain_order=True)
    if len(pool) < 2:
        return pl.Series([f"other-{n}" for n in rng.integers(1, 1000, len(column))])
    at = rng.integers(0, len(pool), len(column))
    drawn, following = pool.gather(at), pool.gather((at + 1) % len(pool))
    return drawn.zip_with(drawn.ne_missing(column), following)
