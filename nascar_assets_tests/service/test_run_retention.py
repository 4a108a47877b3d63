"""Old runs go, by age and number, and nothing that a page, a condition or a sensor stands on."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as db
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable

from nascar_assets.definitions import build_definitions
from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.automation.retention import retention_job
from nascar_assets.orchestration.commands import doctor
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.disk_use import Use, days_left, growth, noted_uses
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.retention import Keep, forget_outputs, outlived_runs, sweep
from nascar_assets.service.run_store import RunStore
from nascar_assets_tests.service.records import new_database, run_grid

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
LEVEL = dg.AssetCheckKey(dg.AssetKey("grid"), "is_level")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """An empty instance on each storage."""
    if request.param == "postgres":
        monkeypatch.setenv("NASCAR_STORAGE", new_database(request.getfixturevalue("postgres").url))
    made = open_instance(str(tmp_path / "home"))
    yield made
    made.dispose()


def run(instance: dg.DagsterInstance, race: str, *, passed: bool = True, days: float = 0) -> str:
    """A run of one asset with a check, so many days ago; it fails where it does not pass."""
    run_id = run_grid(instance, race, passed=passed)
    backdate(instance, run_id, days)
    return run_id


def backdate(instance: dg.DagsterInstance, run_id: str, days: float) -> None:
    storage: Any = instance.run_storage
    at = (NOW - days * DAY).replace(tzinfo=None)
    with storage.connect() as connection:
        connection.execute(
            RunsTable.update().where(RunsTable.c.run_id == run_id).values(update_timestamp=at)
        )


def rows(instance: dg.DagsterInstance, table: db.Table, run_id: str) -> int:
    storage: Any = instance.run_storage if table is RunTagsTable else instance.event_log_storage
    connect = storage.connect if table is RunTagsTable else storage.index_connection
    with connect() as connection:
        return len(connection.execute(db.select(table.c.id).where(table.c.run_id == run_id)).all())


@pytest.mark.slow
def test_old_runs_go_and_what_stands_on_others_stays(instance: dg.DagsterInstance) -> None:
    first, second = (run(instance, "2026-cup-01", days=days) for days in (200, 150))
    failed = [run(instance, "2026-cup-02", passed=False, days=days) for days in (120, 110)]
    young = [run(instance, "2026-cup-01", days=days) for days in (80, 1)]
    client = RunStore(instance)
    job = str(uuid.uuid4())
    client.submit(job, {"client": "c"}, NOW)
    found = client.find(job)
    assert found is not None
    client.fail(found, "for this test")
    backdate(instance, job, 400)
    output = Path(instance.root_directory, "storage", first)
    output.mkdir(parents=True, exist_ok=True)
    key = dg.AssetKey("grid")
    before = instance.get_materialized_partitions(key)

    assert sweep(instance, Keep(), NOW) == 3
    left = {one.run_id for one in instance.get_runs()}
    assert left == {failed[1], *young, job}  # the newest failure tells sensors what not to run
    assert not output.exists()
    for gone in (first, second, failed[0]):
        assert instance.all_logs(gone) == []
        assert rows(instance, AssetCheckExecutionsTable, gone) == 0
        assert rows(instance, RunTagsTable, gone) == 0
    assert instance.get_materialized_partitions(key) == before
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key([LEVEL])
    assert newest[LEVEL].run_id == young[1]
    assert sweep(instance, Keep(), NOW) == 0


@pytest.mark.slow
def test_the_newest_materialisation_of_a_race_stays_however_old(
    instance: dg.DagsterInstance,
) -> None:
    only = run(instance, "2026-cup-01", days=900)
    later = run(instance, "2026-cup-01", passed=False, days=800)
    many = [run(instance, "2026-cup-02", days=3) for _ in range(4)]
    assert outlived_runs(instance, Keep(runs=2), NOW) == many[:2]
    assert sweep(instance, Keep(runs=2), NOW) == 2
    assert {one.run_id for one in instance.get_runs()} == {only, later, *many[2:]}
    assert instance.get_latest_materialization_event(dg.AssetKey("grid")) is not None


@pytest.mark.slow
def test_the_job_sweeps_and_notes_what_the_home_takes(instance: dg.DagsterInstance) -> None:
    home = Path(instance.root_directory).parent
    (home / "store").mkdir()
    (home / "store" / "a").write_bytes(b"x" * 100_000)
    gone, _ = run(instance, "2026-cup-01", days=100), run(instance, "2026-cup-01")
    resources = {"platform": dg.ResourceDefinition.hardcoded_resource(Platform(home=str(home)))}
    for _ in range(2):
        assert retention_job.execute_in_process(instance=instance, resources=resources).success
    assert instance.get_run_by_id(gone) is None
    samples = noted_uses(home / "dagster")
    assert len(samples) == 2
    assert samples[0].used > 100_000
    assert build_definitions().get_schedule_def("retention").job_name == "retention_job"


def test_what_is_kept_is_a_setting() -> None:
    assert Keep.from_settings({}) == Keep(90, 5_000)
    settings = {"NASCAR_KEEP_RUN_DAYS": "30", "NASCAR_KEEP_RUNS": "100"}
    assert Keep.from_settings(settings) == Keep(30, 100)
    for name, text in (("NASCAR_KEEP_RUN_DAYS", "1"), ("NASCAR_KEEP_RUNS", "many")):
        with pytest.raises(InputError, match=name):
            Keep.from_settings({name: text})


def test_growth_is_that_of_the_last_two_weeks() -> None:
    samples = [Use(NOW - 40 * DAY, 0), Use(NOW - 10 * DAY, 1_000), Use(NOW, 2_000)]
    assert growth(samples) == pytest.approx(100)
    assert days_left(samples, 700) == pytest.approx(7)
    assert growth(samples[-1:]) is None
    assert days_left([Use(NOW - 2 * DAY, 9), Use(NOW, 9)], 1) is None


def test_the_doctor_warns_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gib = 1024**3
    monkeypatch.setattr(doctor, "free_bytes", lambda _: 100 * gib)
    assert "once nascar ui has run for a day" in doctor._disk_space(str(tmp_path))
    for a_day, days in ((1, None), (10, 10)):
        samples = [Use(NOW - DAY, gib), Use(NOW, (1 + a_day) * gib)]
        monkeypatch.setattr(doctor, "noted_uses", lambda _, found=samples: found)
        if days is None:
            assert "grows by 1024.0 MiB a day" in doctor._disk_space(str(tmp_path))
        else:
            with pytest.raises(EnvironmentFault, match=f"full in {days} days"):
                doctor._disk_space(str(tmp_path))


@pytest.mark.slow
def test_a_host_keeps_no_output_of_runs_that_are_in_the_records_no_more(
    instance: dg.DagsterInstance,
) -> None:
    there, new, gone = run(instance, "2026-cup-01"), str(uuid.uuid4()), str(uuid.uuid4())
    storage = Path(instance.root_directory, "storage")
    for name in (there, new, gone, "grid"):
        (storage / name / "compute_logs").mkdir(parents=True, exist_ok=True)
        at = (NOW - (0 if name == new else 3) * DAY).timestamp()
        os.utime(storage / name, (at, at))
    assert forget_outputs(instance, NOW) == 1
    left = {path.name for path in storage.iterdir()}
    assert {there, new, "grid"} <= left
    assert gone not in left
