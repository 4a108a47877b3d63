"""Dagster's storage in PostgreSQL instead of SQLite: one setting, `NASCAR_STORAGE`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from nascar_assets.errors import InputError

SETTING = "NASCAR_STORAGE"
_SCHEME = "postgresql+psycopg2"
_STORAGES = {
    "run_storage": ("dagster_postgres.run_storage", "PostgresRunStorage"),
    "event_log_storage": ("dagster_postgres.event_log", "PostgresEventLogStorage"),
    "schedule_storage": ("dagster_postgres.schedule_storage", "PostgresScheduleStorage"),
}


def connection_faults() -> tuple[type[Exception], ...]:
    """What Dagster raises of its own where the server is away, besides the driver's errors."""
    if not os.environ.get(SETTING):
        return ()
    from dagster_postgres.utils import DagsterPostgresException

    return (DagsterPostgresException,)


def use_postgres_where_set(folder: Path) -> bool:
    """Points an instance's settings to the PostgreSQL server that `NASCAR_STORAGE` names.

    The address is read from the environment whenever the instance is opened, so that no password
    is written to disk. Without the setting nothing is changed.

    Args:
        folder: Dagster's folder, with its `dagster.yaml`.

    Returns:
        Whether the setting is there.

    Raises:
        InputError: If it is no address of a PostgreSQL server.
    """
    url = os.environ.get(SETTING)
    if not url:
        return False
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgres", "postgresql", _SCHEME) or not rest:
        raise InputError(
            "It is no address of a PostgreSQL server.",
            field=SETTING,
            remedy="Write it as postgresql://user:password@host:5432/database.",
        )
    os.environ[SETTING] = f"{_SCHEME}://{rest}"  # the driver that is installed
    path = folder / "dagster.yaml"
    settings: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
    wanted = {
        name: {"module": module, "class": kind, "config": {"postgres_url": {"env": SETTING}}}
        for name, (module, kind) in _STORAGES.items()
    }
    if any(settings.get(name) != value for name, value in wanted.items()):
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_text(yaml.safe_dump({**settings, **wanted}, sort_keys=False))
        aside.replace(path)
    return True
