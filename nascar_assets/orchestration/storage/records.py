"""Dagster's records as lines of text, the same from SQLite and from PostgreSQL, and back.

Runs, events, assets' records, partitions, backfills, switches and ticks go with their own ids, so
that cursors and links stay true. What belongs to a machine stays behind: heartbeats, concurrency
slots, the marks of each storage's own migrations. What is not public in Dagster stays in this file.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata

BATCH = 5_000
"""Rows of a part."""

OF_THE_MACHINE = frozenset(
    {
        "secondary_indexes",
        "daemon_heartbeats",
        "instance_info",
        "concurrency_slots",
        "pending_steps",
    }
)
_STORAGES = {
    "runs": ("run_storage", "connect", RunStorageSqlMetadata),
    "events": ("event_log_storage", "index_connection", SqlEventLogStorageMetadata),
    "schedules": ("schedule_storage", "connect", ScheduleStorageSqlMetadata),
}


def record_tables() -> list[tuple[str, str]]:
    """Storage and name of every table that is moved, those first that others refer to."""
    return [
        (storage, table.name)
        for storage, (_, _, metadata) in _STORAGES.items()
        for table in metadata.sorted_tables
        if table.name not in OF_THE_MACHINE
    ]


def dumped(instance: dg.DagsterInstance, storage: str, name: str) -> Iterator[bytes]:
    """A table's rows by id, as JSON Lines, in parts of at most `BATCH` rows.

    SQLite keeps tags of runs that were deleted; PostgreSQL takes no row that refers to none.
    """
    table = _table(storage, name)
    whole = [
        db.or_(key.parent.is_(None), key.parent.in_(db.select(key.column)))
        for key in table.foreign_keys
    ]
    last = -1
    while True:
        query = db.select(table).where(table.c.id > last, *whole).order_by(table.c.id)
        query = query.limit(BATCH)
        with connected(instance, storage) as connection:
            rows = connection.execute(query).mappings().all()
        if not rows:
            return
        last = int(rows[-1]["id"])
        yield b"".join(_line(table, row) for row in rows)


def emptied(instance: dg.DagsterInstance) -> None:
    """Empties every table, those first that refer to others."""
    for storage, name in reversed(record_tables()):
        with connected(instance, storage) as connection:
            connection.execute(_table(storage, name).delete())


def loaded(instance: dg.DagsterInstance, storage: str, name: str, parts: Iterable[bytes]) -> None:
    """Puts rows into an empty table, all or none.

    Raises:
        ValueError: If a line is none of the table's.
    """
    table = _table(storage, name)
    with connected(instance, storage) as connection:
        for part in parts:
            rows = [_row(table, line) for line in part.splitlines()]
            if rows:
                connection.execute(table.insert(), rows)
        if connection.dialect.name == "postgresql":
            # Rows came with ids of their own: the next one goes on after the last of them.
            sequence = db.func.pg_get_serial_sequence(name, "id")
            last = db.func.coalesce(db.func.max(table.c.id), 0) + 1
            connection.execute(db.select(db.func.setval(sequence, last, False)))


def has_records(instance: dg.DagsterInstance) -> bool:
    """Whether the records hold anything of a home: a run, an asset, a partition, a tick.

    Keys and values do not count: servers and hosts say there that they live.
    """
    for storage, name in record_tables():
        if name == "kvs":
            continue
        with connected(instance, storage) as connection:
            if connection.execute(db.select(_table(storage, name).c.id).limit(1)).first():
                return True
    return False


def _table(storage: str, name: str) -> db.Table:
    found: db.Table = _STORAGES[storage][2].tables[name]
    return found


def connected(
    instance: dg.DagsterInstance, storage: str
) -> AbstractContextManager[db.engine.Connection]:
    """A connection to the database of `runs`, `events` or `schedules`."""
    attribute, connect, _ = _STORAGES[storage]
    found: AbstractContextManager[db.engine.Connection] = getattr(
        getattr(instance, attribute), connect
    )()
    return found


def _line(table: db.Table, row: Any) -> bytes:
    return json.dumps([_plain(row[column.name]) for column in table.columns]).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds")
    return base64.b64encode(value).decode() if isinstance(value, (bytes, memoryview)) else value


def _row(table: db.Table, line: bytes) -> dict[str, Any]:
    values = json.loads(line)
    if len(values) != len(table.columns):
        raise ValueError(f"A line of {table.name} has {len(values)} values.")
    return {
        column.name: _typed(column, value)
        for column, value in zip(table.columns, values, strict=True)
    }


def _typed(column: db.Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, db.DateTime):
        return datetime.fromisoformat(value)
    return base64.b64decode(value) if isinstance(column.type, db.LargeBinary) else value
