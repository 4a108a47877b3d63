"""Runs in PostgreSQL that several hosts change: one after the other, so that no change is lost.

Dagster reads a run, changes its tags or its status and writes the whole of it back. Where the
daemon and a worker do so at once, the later one puts back what the earlier one changed: a run
without the tag of its host is never found lost. What is not public in Dagster is confined to this
file; a test holds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import dagster as dg
import sqlalchemy as db
from dagster_postgres.run_storage import PostgresRunStorage


class SerialRunStorage(PostgresRunStorage):
    """Dagster's own, with one writer of a run at a time over all hosts."""

    def add_run_tags(self, run_id: str, new_tags: Mapping[str, str]) -> None:
        """Adds tags to a run, or changes them."""
        with self.alone(run_id):
            super().add_run_tags(run_id, new_tags)

    def handle_run_event(
        self, run_id: str, event: dg.DagsterEvent, update_timestamp: datetime | None = None
    ) -> None:
        """Changes a run's status as an event of it says."""
        with self.alone(run_id):
            super().handle_run_event(run_id, event, update_timestamp)

    def claim(self, run_id: str, tags: Mapping[str, str]) -> bool:
        """Tags a run that is about to start, unless it has one of the tags; says whether it did.

        A broker may hand out a run twice: of all who claim it one gets it.
        """
        with self.alone(run_id):
            run = self._get_run_by_id(run_id)
            if run is None or run.status is not dg.DagsterRunStatus.STARTING:
                return False
            if tags.keys() & run.tags.keys():
                return False
            super().add_run_tags(run_id, tags)
            return True

    @contextmanager
    def alone(self, run_id: str) -> Iterator[None]:
        """Holds a lock of the server, which goes with its connection whatever happens here."""
        name = {"run": f"nascar_run/{run_id}"}
        with self.connect() as connection:
            connection.execute(db.text("SELECT pg_advisory_lock(hashtextextended(:run, 0))"), name)
            try:
                yield
            finally:
                connection.execute(
                    db.text("SELECT pg_advisory_unlock(hashtextextended(:run, 0))"), name
                )
