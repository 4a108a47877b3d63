"""What is kept of Dagster's records: all that assets' pages show, and of runs so many for so long.

A run goes with its events, its checks' results, its tags and its output once it is too old or one
too many, unless something still stands on it: the newest materialisation, plan or check of an
asset's partition, or the newest run of a job for a race or slate. So no page of an asset, no
condition and no sensor sees the difference. What is not public in Dagster stays in this file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as db
from dagster import DagsterEventType, DagsterRunStatus
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable

from nascar_assets.errors import InputError
from nascar_assets.orchestration.storage.records import connected
from nascar_assets.orchestration.tags import API_CLIENT, PARTITION

DAYS, RUNS = "NASCAR_KEEP_RUN_DAYS", "NASCAR_KEEP_RUNS"
YOUNGEST = timedelta(days=2)
"""Younger runs stay in any case: sensors ask for those of the last day."""

SKIPPED_TICKS = timedelta(days=1)
"""A tick that started nothing says nothing after a day; there are some thousand an hour."""

AT_ONCE = 5_000
_STANDING = (
    DagsterEventType.ASSET_MATERIALIZATION.value,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
    DagsterEventType.ASSET_OBSERVATION.value,
)
_ENDED = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)


@dataclass(frozen=True, slots=True)
class Keep:
    """How much is kept.

    Attributes:
        days: Ended runs are kept so long.
        runs: And so many of them, the newest.
    """

    days: float = 90.0
    runs: int = 5_000

    @classmethod
    def from_settings(cls, environment: Mapping[str, str] = os.environ) -> Keep:
        """As the environment says.

        Raises:
            InputError: If a setting is no number of at least 1, in days 2.
        """
        found = {}
        for name, setting, minimum in (("days", DAYS, 2), ("runs", RUNS, 1)):
            text = environment.get(setting)
            if not text:
                continue
            if not text.isdecimal() or int(text) < minimum:
                raise InputError(
                    f"{text!r} is no whole number of at least {minimum}.",
                    field=setting,
                    remedy="Write one, or unset it.",
                )
            found[name] = int(text)
        return cls(**found)


def standing_runs(instance: dg.DagsterInstance) -> set[str]:
    """Runs on which a page of an asset, a condition or a sensor still stands."""
    events, checks, runs = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c, RunsTable.c
    newest_events = (
        db.select(db.func.max(events.id))
        .where(events.dagster_event_type.in_(_STANDING), events.asset_key.isnot(None))
        .group_by(events.dagster_event_type, events.asset_key, events.partition)
    )
    newest_checks = db.select(db.func.max(checks.id)).group_by(
        checks.asset_key, checks.check_name, checks.partition
    )
    of_partition = db.and_(RunTagsTable.c.run_id == runs.run_id, RunTagsTable.c.key == PARTITION)
    newest_runs = (
        db.select(db.func.max(runs.id))
        .select_from(RunsTable.outerjoin(RunTagsTable, of_partition))
        .group_by(runs.pipeline_name, RunTagsTable.c.value)
    )
    found: set[str] = set()
    with connected(instance, "events") as connection:
        for run_id, ids, newest in (
            (events.run_id, events.id, newest_events),
            (checks.run_id, checks.id, newest_checks),
        ):
            rows = connection.execute(db.select(run_id).where(ids.in_(newest)).distinct())
            found |= {str(row[0]) for row in rows}
    with connected(instance, "runs") as connection:
        rows = connection.execute(db.select(runs.run_id).where(runs.id.in_(newest_runs)))
        found |= {str(row[0]) for row in rows}
    return found


def outlived_runs(instance: dg.DagsterInstance, keep: Keep, now: datetime) -> list[str]:
    """Ended runs that are too old or too many and on which nothing stands, oldest first.

    Jobs of the API are its own: its server deletes them by its own settings.
    """
    of_client = (
        db.exists()
        .where(RunTagsTable.c.run_id == RunsTable.c.run_id, RunTagsTable.c.key == API_CLIENT)
        .correlate(RunsTable)
    )
    ended = (
        db.select(
            RunsTable.c.run_id,
            RunsTable.c.id,
            RunsTable.c.update_timestamp.label("ended"),
            db.func.row_number().over(order_by=RunsTable.c.id.desc()).label("place"),
        )
        .where(RunsTable.c.status.in_([status.value for status in _ENDED]), ~of_client)
        .subquery()
    )
    past = ended.c.ended < _naive(now - timedelta(days=keep.days))
    query = (
        db.select(ended.c.run_id)
        .where(db.or_(past, ended.c.place > keep.runs), ended.c.ended < _naive(now - YOUNGEST))
        .order_by(ended.c.id)
    )
    with connected(instance, "runs") as connection:
        found = [str(row[0]) for row in connection.execute(query)]
    standing = standing_runs(instance) if found else set()
    return [run_id for run_id in found if run_id not in standing]


def forget_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Deletes a run with its events, its checks' results, its tags and its output."""
    instance.delete_run(run_id)
    with connected(instance, "runs") as connection:
        connection.execute(RunTagsTable.delete().where(RunTagsTable.c.run_id == run_id))
    with connected(instance, "events") as connection:
        table = AssetCheckExecutionsTable
        connection.execute(table.delete().where(table.c.run_id == run_id))
    shutil.rmtree(Path(instance.root_directory, "storage", run_id), ignore_errors=True)


def forget_outputs(instance: dg.DagsterInstance, now: datetime) -> int:
    """Deletes from this host the output of runs that are in the records no more.

    Output lies on the host that carried the run out; the records are swept from another one.

    Returns:
        Of how many runs.
    """
    folder = Path(instance.root_directory, "storage")
    before = (now - YOUNGEST).timestamp()
    old = [path.name for path in folder.glob("*-*-*-*-*") if path.stat().st_mtime < before]
    gone = unknown_runs(instance, old)
    for run_id in gone:
        shutil.rmtree(folder / run_id, ignore_errors=True)
    return len(gone)


def unknown_runs(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> list[str]:
    """Those ids that no run of the records has."""
    found: set[str] = set()
    with connected(instance, "runs") as connection:
        for start in range(0, len(run_ids), 500):
            some = RunsTable.c.run_id.in_(run_ids[start : start + 500])
            found |= {
                row[0] for row in connection.execute(db.select(RunsTable.c.run_id).where(some))
            }
    return [run_id for run_id in run_ids if run_id not in found]


def forget_ticks(instance: dg.DagsterInstance, keep: Keep, now: datetime) -> None:
    """Deletes ticks of sensors and schedules: those that started nothing after a day."""
    kinds = (
        ([TickStatus.SKIPPED], now - SKIPPED_TICKS),
        ([TickStatus.SUCCESS, TickStatus.FAILURE], now - timedelta(days=keep.days)),
    )
    for state in instance.all_instigator_state():
        for statuses, before in kinds:
            instance.purge_ticks(
                state.instigator_origin_id, state.selector_id, before.timestamp(), statuses
            )


def sweep(instance: dg.DagsterInstance, keep: Keep, now: datetime) -> int:
    """Deletes what is not kept, the oldest first; what is left over goes the next time.

    Returns:
        How many runs went.
    """
    gone = outlived_runs(instance, keep, now)[:AT_ONCE]
    for run_id in gone:
        forget_run(instance, run_id)
    forget_ticks(instance, keep, now)
    return len(gone)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
