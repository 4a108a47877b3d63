"""Instances of Dagster on each storage, empty, and runs on them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import dagster as dg
import sqlalchemy as db

from nascar_assets.orchestration.previews import pinned_previews

RACES = dg.DynamicPartitionsDefinition(name="races")


def new_database(url: str) -> str:
    """The address of a new, empty database on a PostgreSQL server."""
    server, name = db.make_url(url), f"records_{uuid.uuid4().hex[:8]}"
    engine = db.create_engine(server.set(drivername="postgresql+psycopg2"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(db.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


def run_grid(instance: dg.DagsterInstance, race: str, *, passed: bool = True) -> str:
    """A run of one asset with a check; it fails where it does not pass."""
    instance.add_dynamic_partitions("races", [race])
    with pinned_previews():
        spec = dg.AssetCheckSpec("is_level", asset="grid", blocking=True, partitions_def=RACES)

        @dg.asset(partitions_def=RACES, check_specs=[spec])
        def grid() -> Iterator[object]:
            if not passed:
                raise ValueError("row 4 is bad")
            yield dg.Output(None)
            yield dg.AssetCheckResult(passed=True)

    done = dg.materialize([grid], instance=instance, partition_key=race, raise_on_error=False)
    return done.run_id
