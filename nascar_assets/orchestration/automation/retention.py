"""Retention: once a day old runs and ticks go, and what the home takes of the disk is noted."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from nascar_assets.orchestration.resources import Platform

ZONE = "America/New_York"


@dg.op(
    required_resource_keys={"platform"},
    description="Deletes ended runs that are too old or too many, and old ticks.",
)
def delete_old_records(context: dg.OpExecutionContext) -> None:
    """Keeps what `NASCAR_KEEP_RUN_DAYS` and `NASCAR_KEEP_RUNS` say."""
    from nascar_assets.orchestration.storage.disk_use import Use, note_use, used_bytes
    from nascar_assets.orchestration.storage.retention import Keep, sweep

    platform: Platform = context.resources.platform
    now, instance, keep = datetime.now(UTC), context.instance, Keep.from_settings()
    gone = sweep(instance, keep, now)
    found: dict[str, Any] = {"runs_deleted": gone, "days_kept": keep.days, "runs_kept": keep.runs}
    folders = [records := Path(instance.root_directory)]
    if platform.root.is_local:
        folders.append(Path(platform.root.location))
    found["bytes_used"] = used_bytes(folders)
    note_use(records, Use(now, found["bytes_used"]))
    context.add_output_metadata(found)


@dg.job(
    name="retention_job",
    description="Deletes old runs and ticks, and notes what the home takes of the disk.",
    executor_def=dg.in_process_executor,
)
def retention_job() -> None:
    """One sweep."""
    delete_old_records()


retention = dg.ScheduleDefinition(
    name="retention",
    job=retention_job,
    cron_schedule="40 4 * * *",
    execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Once a night deletes old runs and ticks and notes what the home takes of the "
    "disk, by which nascar doctor tells when it is full.",
)
