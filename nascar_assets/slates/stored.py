"""Slates as tables, to be stored and read back without loss."""

from __future__ import annotations

import polars as pl

from nascar_assets.columns import slates as columns
from nascar_assets.columns.column import types_of
from nascar_assets.errors import InputError
from nascar_assets.feed.grid import known_grid
from nascar_assets.files import SourceFile
from nascar_assets.rules import rule_set
from nascar_assets.rules.race_day import race_day
from nascar_assets.slates.slate import Slate, SlatePlayer, marked_out

SLATE = types_of(columns.SLATE)
"""One row per row of the salary file, who may be picked first; the slate's own columns repeated."""

_PLAYER = ("driver_id", "name", "site_id", "salary", "team", "average_points", "status", "reason")


def racing(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table `SLATE` that a lineup may hold."""
    return _whole(frame).filter(pl.col("reason").is_null())


def starters(entries: pl.DataFrame, slate: pl.DataFrame) -> pl.DataFrame:
    """The cars of an entry list that race, in the order of the grid.

    Args:
        entries: `ENTRIES` of one race with what was known at a moment, one row per driver.
        slate: The table `SLATE`: who is marked out in the salary file does not start, as who did
            not qualify does not.
    """
    marks = slate.select("driver_id", "status").iter_rows()
    out = [driver_id for driver_id, status in marks if marked_out(status)]
    may_start = known_grid(entries)[0].filter(~pl.col("driver_id").is_in(out))
    return may_start.sort(pl.col("start").fill_null(99), "driver_id")


def _whole(frame: pl.DataFrame) -> pl.DataFrame:
    """A table as of now: one that was stored before rows were kept holds those who race."""
    stored = "reason" in frame.columns
    return frame if stored else frame.with_columns(reason=pl.lit(None, pl.String))


def slate_to_polars(slate: Slate) -> pl.DataFrame:
    """A slate as a table `SLATE`."""
    shared = {
        "slate_id": slate.slate_id,
        "race_id": slate.race_id,
        "race_key": slate.race_key,
        "rules": slate.rules.key,
        "lock": slate.lock,
        "source": slate.source.path,
        "source_hash": slate.source.sha256,
        "notices": list(slate.notices),
    }
    rows = [
        {**shared, **{column: getattr(player, column) for column in _PLAYER}}
        for player in slate.everyone
    ]
    return pl.DataFrame(rows, schema=SLATE, orient="row")


def slate_from_polars(frame: pl.DataFrame) -> Slate:
    """The slate of a table `SLATE`; the rules are those of its contest on the race's date.

    Raises:
        InputError: If the table is empty or holds more than one slate.
    """
    if frame["slate_id"].n_unique() != 1:
        raise InputError(f"One slate was expected, not {frame['slate_id'].n_unique()}.")
    first = frame.row(0, named=True)
    rows = [SlatePlayer(**row) for row in _whole(frame).select(_PLAYER).iter_rows(named=True)]
    return Slate(
        slate_id=first["slate_id"],
        race_id=first["race_id"],
        race_key=first["race_key"],
        rules=rule_set(first["rules"], race_day(first["lock"])),
        lock=first["lock"],
        players=tuple(row for row in rows if row.reason is None),
        source=SourceFile(first["source"], first["source_hash"]),
        notices=tuple(first["notices"]),
        absent=tuple(row for row in rows if row.reason is not None),
    )
