"""Dagster's own storage under the data root: where it lies and how it is opened."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from nascar_assets.errors import EnvironmentFault
from nascar_assets.orchestration.storage.postgres_storage import use_postgres_where_set

INSTANCE_SETTINGS = """\
# Written by nascar. Edit it to use Postgres; delete it to have it made anew.
event_log_storage:
  module: nascar_assets.orchestration.storage.sqlite_storage
  class: PooledEventLogStorage
  config:
    base_dir:
      env: DAGSTER_HOME
run_storage:
  module: nascar_assets.orchestration.storage.sqlite_storage
  class: PooledRunStorage
  config:
    base_dir:
      env: DAGSTER_HOME
schedule_storage:
  module: nascar_assets.orchestration.storage.sqlite_storage
  class: PooledScheduleStorage
  config:
    base_dir:
      env: DAGSTER_HOME
telemetry:
  enabled: false
run_monitoring:
  enabled: true
run_retries:
  enabled: true
  max_retries: 0
concurrency:
  runs:
    max_concurrent_runs: 2
sensors:
  use_threads: true
  num_workers: 2
schedules:
  use_threads: true
  num_workers: 2
"""


def dagster_home(home: str) -> Path:
    """Dagster's folder for a data root, made with its settings where it is not there yet.

    `NASCAR_LOCAL` names a local folder for it where the data root is an object store.

    Raises:
        EnvironmentFault: If the folder cannot be made.
        InputError: If `NASCAR_STORAGE` is no address of a PostgreSQL server.
    """
    local = os.environ.get("NASCAR_LOCAL")
    if local is None and "://" in home:
        raise EnvironmentFault(
            f"Dagster's storage cannot lie in {home}: set NASCAR_LOCAL to a local folder."
        )
    folder = Path(local or home).expanduser().absolute() / "dagster"
    settings = folder / "dagster.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not settings.exists():
            aside = settings.with_suffix(f".{os.getpid()}")
            aside.write_text(INSTANCE_SETTINGS)
            aside.replace(settings)
    except OSError as error:
        raise EnvironmentFault(f"Dagster's folder {folder} cannot be made: {error}") from error
    use_postgres_where_set(folder)
    return folder


def open_instance(home: str) -> dg.DagsterInstance:
    """The Dagster instance of a data root, the same one that the UI and the daemon use."""
    folder = str(dagster_home(home))
    os.environ["DAGSTER_HOME"] = folder  # the settings name their databases by it
    return dg.DagsterInstance.from_config(folder)
