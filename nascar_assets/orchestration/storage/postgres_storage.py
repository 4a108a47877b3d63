"""Dagster's storage in PostgreSQL instead of SQLite: one setting, `NASCAR_STORAGE`."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from typing import Any

import sqlalchemy as db

from nascar_assets.errors import EnvironmentFault, InputError, causes
from nascar_assets.orchestration.launchers import STORAGE

CONNECT_SECONDS = 5
"""How long a server may take to answer at all."""

_STORAGES = {
    "run_storage": ("dagster_postgres.run_storage", "PostgresRunStorage"),
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
        return getattr(import_module(module), kind)(
            postgres_url=url.render_as_string(hide_password=False), inst_data=inst_data
        )
    except Exception as error:
        raise storage_fault(error) or error from error


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
            remedy="Write it as postgresql://user:password@host:5432/database.",
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
