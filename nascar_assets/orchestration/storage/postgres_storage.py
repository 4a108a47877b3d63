"""Dagster's storage in PostgreSQL instead of SQLite: one setting, `NASCAR_STORAGE`.

Dagster's own classes open a connection for every statement, for which the server starts a process.
Here the storages of a process share one that is kept, and open others where several threads ask
at once. What is not public in Dagster is confined to this file; a test holds it.
"""

from __future__ import annotations

import os
from functools import cache, partial
from importlib import import_module
from typing import Any

import sqlalchemy as db

from nascar_assets.errors import EnvironmentFault, InputError, causes
from nascar_assets.orchestration.launchers import STORAGE

CONNECT_SECONDS = 5
"""How long a server may take to answer at all."""

_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_UNHEARD = {"tcp_user_timeout": 10_000}

_LINE = {"connect_timeout": CONNECT_SECONDS, **_KEEPALIVES, **_UNHEARD}
"""When a line that has gone dead is given up (of libpq); the address may say otherwise."""

_OF_SESSION = {
    **{f"tcp_{name}": value for name, value in _KEEPALIVES.items()},
    **_UNHEARD,
    "lock_timeout": 60_000,
    "timezone": "'UTC'",
}
"""The same of the server, which by itself waits two hours for a host that has vanished.

So long it would keep what that host had locked, and whoever asks for the lock would wait with it.
And the zone in which Dagster reads its times, which a server elsewhere would write in its own.
"""

_STORAGES = {
    "run_storage": (f"{__package__}.postgres_runs", "SerialRunStorage"),
    "event_log_storage": ("dagster_postgres.event_log", "PostgresEventLogStorage"),
    "schedule_storage": ("dagster_postgres.schedule_storage", "PostgresScheduleStorage"),
}


def postgres_storage(name: str, inst_data: Any) -> Any:
    """One of Dagster's storages on the server that `NASCAR_STORAGE` names; none without it.

    The address is read from the environment whenever an instance is opened and never written
    down: neither a password nor the choice stays on the disk.

    Args:
        name: The storage's name in `dagster.yaml`.
        inst_data: What Dagster opens the same storage by in other processes.

    Raises:
        InputError: If the setting is no address of a PostgreSQL server.
        EnvironmentFault: If the server does not answer.
    """
    url = server_url()
    if url is None:
        return None
    _asked(url)
    module, kind = _STORAGES[name]
    try:
        text = url.render_as_string(hide_password=False)
        storage = getattr(import_module(module), kind)(postgres_url=text, inst_data=inst_data)
        storage._engine = _engine(text)
        storage.optimize_for_webserver = partial(_for_webserver, storage, text)
        return storage
    except Exception as error:
        raise storage_fault(error) or error from error


def _for_webserver(storage: Any, url: str, statement_timeout: int, *_: int, **__: int) -> None:
    """The webserver's statements end after so many milliseconds.

    Dagster's own way would keep connections that are not looked at before they are used again: the
    first page after a restart of the server would be an error.
    """
    storage._engine = _engine(url, statement_timeout)


@cache
def _engine(url: str, statement_timeout: int | None = None) -> db.Engine:
    """The process's connections to a server: one is kept, and looked at before it is used again."""
    set_there = db.make_url(url).query.keys()
    engine = db.create_engine(
        url,
        isolation_level="AUTOCOMMIT",  # as Dagster's own
        pool_size=1,
        max_overflow=-1,
        pool_pre_ping=True,
        connect_args={name: value for name, value in _LINE.items() if name not in set_there},
    )
    wanted: dict[str, object] = dict(_OF_SESSION)
    if statement_timeout is not None:
        wanted["statement_timeout"] = statement_timeout
    text = "; ".join(f"SET {name} = {value}" for name, value in wanted.items())

    @db.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        with connection, connection.cursor() as cursor:
            cursor.execute(text)

    # A forked child opens its own, and leaves those of its parent as they are.
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return engine


def server_url() -> db.URL | None:
    """The address that `NASCAR_STORAGE` holds; none where it is not set.

    Raises:
        InputError: If it is no address of a PostgreSQL server.
    """
    text = os.environ.get(STORAGE)
    if not text:
        return None
    try:
        url = db.make_url(text)
    except (db.exc.ArgumentError, ValueError):
        url = None
    known = ("postgres", "postgresql")
    if url is None or url.drivername.split("+")[0] not in known or not _host(url):
        raise InputError(
            "It is no address of a PostgreSQL server.",
            field=STORAGE,
            remedy="Write it as postgresql://host:5432/database, user:password@ before the host.",
        )
    return url.set(drivername="postgresql+psycopg2")  # the driver that is installed


def server_name() -> str | None:
    """Host, port and database of the server, without user and password; none without one."""
    url = server_url()
    return None if url is None else f"{_host(url)}:{url.port or 5432}/{url.database or ''}"


def _host(url: db.URL) -> str:
    return url.host or str(url.query.get("host", ""))  # a folder of sockets stands in the query


@cache
def _asked(url: db.URL) -> None:
    """Asks the server once a process, so that one that is away is reported at once."""
    import psycopg2

    known = url.translate_connect_args(username="user", database="dbname")
    try:
        psycopg2.connect(**known, **{"connect_timeout": CONNECT_SECONDS, **url.query}).close()
    except psycopg2.Error as error:
        raise _away(error) from error


def connection_faults() -> tuple[type[Exception], ...]:
    """What Dagster raises of its own where the server is away, besides the driver's errors."""
    if not os.environ.get(STORAGE):
        return ()
    from dagster_postgres.utils import DagsterPostgresException

    return (DagsterPostgresException,)


def storage_fault(error: BaseException) -> EnvironmentFault | None:
    """The same error in words that name the setting, where the server is what is away."""
    if not os.environ.get(STORAGE):
        return None
    kinds: tuple[type[BaseException], ...] = (
        *connection_faults(),
        db.exc.OperationalError,
        db.exc.InterfaceError,
    )
    return next((_away(cause) for cause in causes(error) if isinstance(cause, kinds)), None)


def _away(error: BaseException) -> EnvironmentFault:
    original = getattr(error.__cause__ or error, "orig", None) or error.__cause__ or error
    reason = next(iter(str(original).strip().splitlines()), type(error).__name__)
    return EnvironmentFault(
        f"PostgreSQL on {server_name()} does not answer: {reason.rstrip('.')}. Start the server, "
        f"or correct or unset {STORAGE}."
    )
