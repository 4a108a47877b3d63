"""Dagster's SQLite storage with connections kept open: one database for all events.

Dagster's own classes open and close a database for every statement, keep one database per run,
and wait for the disk at every commit, which makes an event cost milliseconds. Here one engine a
process keeps its connections, and commits are written to the write-ahead log without waiting for
the disk (`synchronous=NORMAL`): a killed process loses nothing, and a power failure loses at most
the last commits, never the database (https://www.sqlite.org/wal.html). What is not public in
Dagster is confined to this file; a test holds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import sqlalchemy as db
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from sqlalchemy.pool import QueuePool

from nascar_assets.orchestration.resources import default_home
from nascar_assets.orchestration.storage.instance import dagster_home
from nascar_assets.orchestration.storage.postgres_storage import postgres_storage
from nascar_assets.storage import StorageFault
from nascar_assets.storage.overhead import overhead

_wait_seconds = 60.0


def wait_at_most(seconds: float) -> None:
    """Says how long a writer of this process waits for another one; without it, a minute.

    Connections that are open already keep what they had.
    """
    global _wait_seconds
    _wait_seconds = seconds


def _engine(conn_string: str) -> db.Engine:
    """The process's engine of a database; a forked child gets one of its own."""
    return _engine_of_process(conn_string, os.getpid())


@cache
def _engine_of_process(conn_string: str, _process: int) -> db.Engine:
    engine = db.create_engine(
        conn_string,
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=60,
        connect_args={"timeout": _wait_seconds, "check_same_thread": False},
    )

    @db.event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    return engine


@db.event.listens_for(db.Engine, "handle_error")  # of Dagster's own engines, too
def _say_what_may_not_be_written(met: db.ExceptionContext) -> None:
    """SQLite names neither folder nor remedy where a database may only be read, or not opened."""
    error = met.original_exception
    kind = getattr(error, "sqlite_errorname", None) or ""
    if kind.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")) and met.engine is not None:
        raise StorageFault(
            f"Dagster's records in {Path(met.engine.url.database or '').parent} cannot be written: "
            f"{error}. Let this user read and write the folder and all files in it, or give "
            "another data root, with --home or NASCAR_HOME."
        ) from error


def _settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """A storage's settings; its folder is Dagster's own where they name none."""
    folder = os.environ.get("DAGSTER_HOME")
    if "base_dir" not in config and folder is None:
        folder = str(dagster_home(default_home()))
    return {"base_dir": folder, **config}


class _Pooled:
    """What the three storages have in common: how Dagster makes them, and their connections."""

    _name: ClassVar[str]
    """The storage's name in `dagster.yaml`."""
    _conn_string: str

    @classmethod
    def config_type(cls) -> Any:
        """The folder, where it is not Dagster's own."""
        return {"base_dir": dg.Field(dg.StringSource, is_required=False)}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Any:
        """Made by Dagster from the instance's settings; on the server that is set, if one is."""
        if (found := postgres_storage(cls._name, inst_data)) is not None:
            return found
        make: Any = getattr(cls, "from_local", cls)  # events have no maker of their own
        return make(inst_data=inst_data, **_settings_of(config_value))

    @contextmanager
    def connect(self) -> Iterator[db.Connection]:
        """A connection in a transaction."""
        with overhead("log"), _engine(self._conn_string).connect() as kept, kept.begin():
            yield kept


class PooledEventLogStorage(_Pooled, ConsolidatedSqliteEventLogStorage):
    """All runs' events in one database, over kept connections."""

    _name = "event_log_storage"
    _connect = _Pooled.connect

    def has_table(self, table_name: str) -> bool:
        """Whether the database has a table."""
        return bool(db.inspect(_engine(self._conn_string)).has_table(table_name))


class PooledRunStorage(_Pooled, SqliteRunStorage):
    """Runs over kept connections."""

    _name = "run_storage"


class PooledScheduleStorage(_Pooled, SqliteScheduleStorage):
    """Ticks of sensors and schedules over kept connections."""

    _name = "schedule_storage"
