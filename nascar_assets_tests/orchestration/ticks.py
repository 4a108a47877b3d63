"""Ticks of the platform's sensors on a real instance, their runs carried out in this process."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context

from nascar_assets.definitions import build_definitions
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.instance import open_instance


class Ticker:
    """One home with its definitions; ticks sensors as a daemon does, cursor and run keys kept.

    Args:
        home: The data root.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.platform = Platform(home=str(home))
        self.definitions = build_definitions(platform=self.platform)
        self.instance = open_instance(str(home))
        self.cursors: dict[str, str | None] = {}
        self.skipped = ""

    def tick(self, name: str) -> list[dg.RunRequest]:
        """One tick: what it asks for beyond what was asked for before, by run key."""
        repository = self.definitions.get_repository_def()
        needed = repository.get_sensor_def(name).required_resource_keys
        resources = {"platform": self.platform} if "platform" in needed else {}
        with (
            partition_loading_context(dynamic_partitions_store=self.instance),
            dg.build_sensor_context(
                instance=self.instance,
                cursor=self.cursors.get(name),
                repository_def=repository,
                sensor_name=name,
                resources=resources,
            ) as context,
        ):
            data = repository.get_sensor_def(name).evaluate_tick(context)
        if data.cursor is not None:
            self.cursors[name] = data.cursor
        for request in data.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(
                request.partitions_def_name, list(request.partition_keys)
            )
        self.skipped = data.skip_message or ""
        return [request for request in data.run_requests or () if self._is_new(request)]

    def look_at_week(self) -> list[dg.RunRequest]:
        """One tick of the race week's schedule: what it asks for, each with its job's name."""
        repository = self.definitions.get_repository_def()
        schedule = repository.get_schedule_def("race_week")
        with (
            partition_loading_context(dynamic_partitions_store=self.instance),
            dg.build_schedule_context(
                instance=self.instance,
                scheduled_execution_time=datetime.now(UTC),
                repository_def=repository,
                resources={"platform": self.platform},
            ) as context,
        ):
            data = schedule.evaluate_tick(context)
        return [request for request in data.run_requests or () if self._is_new(request)]

    def _is_new(self, request: dg.RunRequest) -> bool:
        tags = {"dagster/run_key": str(request.run_key)}
        return not self.instance.get_runs(dg.RunsFilter(tags=tags), limit=1)

    def carry_out(self, request: dg.RunRequest, job: str | None = None) -> bool:
        """Runs a request in this process, with the tags that a daemon gives it."""
        tags = {**request.tags, "dagster/run_key": str(request.run_key)}
        result = self.definitions.resolve_job_def(request.job_name or job or "").execute_in_process(
            run_config={
                **request.run_config,
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            instance=self.instance,
            partition_key=request.partition_key,
            asset_selection=request.asset_selection,
            tags=tags,
            raise_on_error=False,
        )
        return result.success

    def settle(self, name: str = "landing_feed", job: str | None = None) -> list[str]:
        """Ticks and runs until a tick asks for nothing; returns `job partition` of every run."""
        done = []
        for _ in range(12):
            requests = self.tick(name)
            if not requests:
                return done
            for request in requests:
                self.carry_out(request, job)
                done.append(f"{request.job_name or job} {request.partition_key or 'range'}")
        raise AssertionError(f"it never settles: {done}")


def settle_files(home: Path) -> None:
    """Dates landed files a minute back, as if they had been lying there."""
    minute_ago = time.time() - 60
    for path in (home / "landing").rglob("*"):
        if path.is_file() and ".index" not in path.parts and path.stat().st_mtime > minute_ago:
            os.utime(path, (minute_ago, minute_ago))
