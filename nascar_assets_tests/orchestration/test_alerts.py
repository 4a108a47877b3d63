"""Alerts reach people once: warning checks that fail, stale tables, failed backfills."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from nascar_assets.orchestration.automation import sensor_runs
from nascar_assets.orchestration.automation.sensor_alerts import (
    CheckResult,
    alerts,
    newly_failing,
    stale_tables,
)
from nascar_assets.orchestration.previews import pinned_previews
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.orchestration.tags import API_CLIENT, BACKFILL

UI = "https://ui.example.org"
DAY = timedelta(days=1)


class Hook(HTTPServer):
    """A web server that keeps what it is sent."""

    bodies: list[dict[str, str]]

    def taken(self) -> list[dict[str, str]]:
        """What came since it was asked last."""
        bodies, self.bodies = self.bodies, []
        return bodies


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = Hook(("127.0.0.1", 0), Handler)
    server.bodies = []
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("NASCAR_NOTIFY_WEBHOOK", f"http://127.0.0.1:{server.server_port}/x")
    monkeypatch.setenv("NASCAR_UI_URL", f"{UI}/")
    yield server
    server.shutdown()
    server.server_close()


class Daemon:
    """Ticks the sensor on a home, cursor kept as Dagster keeps it."""

    def __init__(self, home: Path, cursor: str | None = None) -> None:
        self.home = home
        self.cursor = cursor
        self.instance = open_instance(str(home))

    def tick(self) -> None:
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"platform": Platform(home=str(self.home))},
        ) as context:
            result = alerts(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon(tmp_path / "home")


def restarted(daemon: Daemon) -> Daemon:
    """Another process on the same home: what it knows is what was written down."""
    return Daemon(daemon.home, daemon.cursor)


def run_check(daemon: Daemon, passed: bool, partition: str, *, blocking: bool = False) -> None:
    """A run of an asset with one check that says what it is told to."""
    races = dg.StaticPartitionsDefinition(["2026-cup-01", "2026-cup-02"])
    severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
    with pinned_previews():
        spec = dg.AssetCheckSpec("is_level", asset="grid", blocking=blocking, partitions_def=races)

        @dg.asset(partitions_def=races, check_specs=[spec])
        def grid() -> Iterator[object]:
            yield dg.Output(None)
            yield dg.AssetCheckResult(
                passed=passed, severity=severity, metadata={"cars": "7 of 40", "notes": "none"}
            )

    dg.materialize([grid], instance=daemon.instance, partition_key=partition, raise_on_error=False)


@pytest.mark.slow
def test_a_warning_check_is_told_once_until_it_recovers(daemon: Daemon, hook: Hook) -> None:
    daemon.tick()
    assert hook.taken() == []
    run_check(daemon, False, "2026-cup-01")
    run_check(daemon, True, "2026-cup-02")
    daemon.tick()
    (told,) = hook.taken()
    assert told["subject"] == "The check is_level of grid failed for 2026-cup-01"
    assert "cars: 7 of 40" in told["text"]
    assert "notes" not in told["text"]
    assert told["link"] == f"{UI}/assets/grid?view=checks&checkDetail=is_level"
    assert told["link"] in told["text"]
    assert daemon.instance.get_run_by_id(told["run_id"]) is not None

    run_check(daemon, False, "2026-cup-01")  # as before
    daemon.tick()
    daemon = restarted(daemon)
    daemon.tick()
    assert hook.taken() == []

    run_check(daemon, True, "2026-cup-01")
    daemon.tick()
    run_check(daemon, False, "2026-cup-01")
    run_check(daemon, False, "2026-cup-02")
    daemon.tick()
    (told,) = hook.taken()  # of both races
    assert "2026-cup-01, 2026-cup-02" in told["subject"]


@pytest.mark.slow
def test_what_stops_a_run_is_told_with_the_run(daemon: Daemon, hook: Hook) -> None:
    run_check(daemon, False, "2026-cup-01", blocking=True)
    daemon.tick()
    assert hook.taken() == []


def made(daemon: Daemon, asset: str, at: datetime) -> None:
    """A materialisation at a time."""
    materialised = StepMaterializationData(dg.AssetMaterialization(asset))
    event = DagsterEvent(
        DagsterEventType.ASSET_MATERIALIZATION.value, "", event_specific_data=materialised
    )
    daemon.instance.store_event(
        dg.EventLogEntry(
            error_info=None,
            level=20,
            user_message="",
            run_id="",
            timestamp=at.timestamp(),
            dagster_event=event,
        )
    )


@pytest.mark.slow
def test_a_stale_table_is_told_once_until_it_was_made(daemon: Daemon, hook: Hook) -> None:
    now = datetime.now(UTC)
    schedule = daemon.home / table_path("schedule")
    schedule.parent.mkdir(parents=True)
    pl.DataFrame({"start_time": [now - 3 * DAY, now + 4 * DAY]}).write_parquet(schedule)
    made(daemon, "race_results", now - 9 * DAY)
    made(daemon, "entries", now - 2 * DAY)
    daemon.tick()
    (told,) = hook.taken()
    assert told["subject"] == "Stale: race_results"
    assert f"{now - 9 * DAY:%Y-%m-%d %H:%M} UTC" in told["text"]
    assert told["link"] == f"{UI}/assets/race_results"
    daemon = restarted(daemon)
    daemon.tick()
    assert hook.taken() == []
    made(daemon, "race_results", now)
    daemon.tick()
    assert hook.taken() == []


@pytest.mark.slow
def test_a_failed_backfill_is_told_once_and_its_runs_are_not(daemon: Daemon, hook: Hook) -> None:
    @dg.asset
    def grid() -> None:
        raise ValueError("row 4 is bad")

    def backfill(name: str, ended: float) -> None:
        for _ in range(2):
            done = dg.materialize(
                [grid], instance=daemon.instance, tags={BACKFILL: name}, raise_on_error=False
            )
            failure(daemon, done.run_id)
        daemon.instance.add_backfill(
            PartitionBackfill(
                name,
                BulkActionStatus.COMPLETED_FAILED,
                from_failure=False,
                tags={},
                backfill_timestamp=ended - 60,
                backfill_end_timestamp=ended,
                asset_selection=[dg.AssetKey("grid")],
            )
        )

    backfill("longago", time.time() - 3 * 86_400)
    backfill("abcdefgh", time.time())
    daemon.tick()
    (told,) = hook.taken()
    assert told["subject"] == "The backfill abcdefgh of grid failed"
    assert "grid: ValueError: row 4 is bad (2 runs)" in told["text"]
    assert told["link"] == f"{UI}/runs/b/abcdefgh"
    daemon = restarted(daemon)
    daemon.tick()
    assert hook.taken() == []
    backfill("again", time.time())
    daemon.tick()
    assert [told["subject"] for told in hook.taken()] == ["The backfill again of grid failed"]


def failure(daemon: Daemon, run_id: str) -> None:
    """Gives a failed run to the sensor of failed runs, as the daemon does."""
    (record,) = daemon.instance.get_records_for_run(
        run_id, of_type={dg.DagsterEventType.RUN_FAILURE}
    ).records
    event, run = record.event_log_entry.dagster_event, daemon.instance.get_run_by_id(run_id)
    assert event is not None
    assert run is not None
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_event=event,
        dagster_instance=daemon.instance,
        dagster_run=run,
    ).for_run_failure()
    sensor_runs._notify_failure(context)


@pytest.mark.slow
def test_a_failed_run_is_told_with_its_page_and_a_clients_job_to_him_alone(
    daemon: Daemon, hook: Hook
) -> None:
    @dg.asset
    def grid() -> None:
        raise ValueError("row 4 is bad")

    for tags in ({}, {API_CLIENT: "key:one"}):
        done = dg.materialize([grid], instance=daemon.instance, tags=tags, raise_on_error=False)
        failure(daemon, done.run_id)
    (told,) = hook.taken()
    assert told["link"] == f"{UI}/runs/{told['run_id']}"
    assert "grid: ValueError: row 4 is bad" in told["text"]


def test_of_many_results_the_last_counts() -> None:
    fails, passes = (CheckResult("grid", "is_level", "a", alerts) for alerts in (True, False))
    assert newly_failing([], [fails, passes]) == ([], [])
    assert newly_failing([fails.key], [fails]) == ([fails.key], [])
    assert newly_failing([fails.key], [passes, fails]) == ([fails.key], [fails])
    assert newly_failing(["x", fails.key], [passes]) == (["x"], [])


def test_between_seasons_only_the_schedule_is_due() -> None:
    now = datetime(2026, 12, 20, tzinfo=UTC)
    policy = dg.FreshnessPolicy.time_window(fail_window=15 * DAY, warn_window=8 * DAY)
    policies = {"schedule": policy, "race_results": policy, "entries": policy}
    old = {"schedule": now - 20 * DAY, "race_results": now - 20 * DAY}
    assert set(stale_tables(old, policies, 7 * DAY, now)) == {"schedule", "race_results"}
    assert set(stale_tables(old, policies, 40 * DAY, now)) == {"schedule"}
    assert set(stale_tables(old, policies, None, now)) == {"schedule"}
    assert stale_tables(dict.fromkeys(old, now - 7 * DAY), policies, DAY, now) == {}
