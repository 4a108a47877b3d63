"""The contract with Dagster's private storage classes, and what they must stand."""

from __future__ import annotations

import inspect
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage

from nascar_assets.cli.app import run
from nascar_assets.errors import EnvironmentFault
from nascar_assets.files import SourceFile
from nascar_assets.orchestration.inputs.slate_plan import Registration
from nascar_assets.orchestration.storage.instance import (
    EARLIER,
    INSTANCE_SETTINGS,
    dagster_home,
    lacking_settings,
    open_instance,
    settings_mark,
)
from nascar_assets.orchestration.storage.sqlite_storage import (
    PooledEventLogStorage,
    PooledRunStorage,
    PooledScheduleStorage,
)
from nascar_assets.storage import DataRoot, StorageFault
from nascar_assets_tests.orchestration.processes import environment, kill, wait_for

WRITER = """
import sys
import dagster as dg
from nascar_assets.orchestration.storage.instance import open_instance
instance = open_instance(sys.argv[1])
for number in range(int(sys.argv[3])):
    instance.add_dynamic_partitions("races", [f"{sys.argv[2]}-{number}"])
    instance.report_runless_asset_event(
        dg.AssetMaterialization("table", partition=f"{sys.argv[2]}-{number}")
    )
    print(number, flush=True)
"""

BEFORE_THE_QUEUE = """\
# Settings of Dagster's own records, written by nascar to <data root>/dagster/dagster.yaml, which
# the command line, the UI and the daemon share. NASCAR_STORAGE puts the records into PostgreSQL
# whenever it is set; nothing changes here for it. Without it they lie beside this file; commands of
# Dagster's own that are started in the project's folder without DAGSTER_HOME use the home that
# NASCAR_HOME names, `data` without it. Delete the file to have it made anew.
event_log_storage:
  module: nascar_assets.orchestration.storage.sqlite_storage
  class: PooledEventLogStorage
run_storage:
  module: nascar_assets.orchestration.storage.sqlite_storage
  class: PooledRunStorage
schedule_storage:
  module: nascar_assets.orchestration.storage.sqlite_storage
  class: PooledScheduleStorage
telemetry:
  enabled: false
nux:
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


def writer(home: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home), name, str(count)],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "method"),
    [
        (PooledEventLogStorage, ConsolidatedSqliteEventLogStorage, "_connect"),
        (PooledEventLogStorage, ConsolidatedSqliteEventLogStorage, "has_table"),
        (PooledEventLogStorage, ConsolidatedSqliteEventLogStorage, "from_config_value"),
        (PooledRunStorage, SqliteRunStorage, "connect"),
        (PooledRunStorage, SqliteRunStorage, "from_config_value"),
        (PooledScheduleStorage, SqliteScheduleStorage, "connect"),
        (PooledScheduleStorage, SqliteScheduleStorage, "from_config_value"),
    ],
)
def test_what_is_replaced_is_there_and_takes_the_same(
    ours: type, theirs: type, method: str
) -> None:
    """Where Dagster renames one of these, ours would never be called, and nobody would notice."""
    assert method in vars(theirs)
    assert inspect.getattr_static(ours, method) is not vars(theirs)[method]
    own, replaced = (
        list(inspect.signature(getattr(kind, method)).parameters) for kind in (ours, theirs)
    )
    assert own == replaced


@pytest.mark.slow
def test_an_instance_uses_them_and_one_database_for_all_events(tmp_path: Path) -> None:
    instance = open_instance(str(tmp_path))
    assert isinstance(instance.event_log_storage, PooledEventLogStorage)
    assert isinstance(instance.run_storage, PooledRunStorage)
    assert isinstance(instance.schedule_storage, PooledScheduleStorage)

    @dg.op
    def nothing() -> None:
        pass

    @dg.job(executor_def=dg.in_process_executor)
    def job() -> None:
        nothing()

    for _ in range(3):
        assert job.execute_in_process(instance=instance).success
    folder = dagster_home(str(tmp_path))
    databases = {path.name for path in folder.rglob("*.db")}
    assert databases == {"event_log.db", "runs.db", "schedules.db"}
    for name in databases:
        with sqlite3.connect(folder / name) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_settings_that_a_person_wrote_are_kept(tmp_path: Path) -> None:
    folder = dagster_home(str(tmp_path))
    settings = folder / "dagster.yaml"
    settings.write_text(settings.read_text() + "# mine\n")
    assert dagster_home(str(tmp_path)) == folder
    assert settings.read_text().endswith("# mine\n")
    # But for the hour after which an earlier version failed runs that only waited.
    hour, week = "start_timeout_seconds: 3600\n", "start_timeout_seconds: 604800\n"
    assert week in INSTANCE_SETTINGS
    settings.write_text(settings.read_text().replace(week, hour))
    dagster_home(str(tmp_path))
    assert settings.read_text() == f"{INSTANCE_SETTINGS}# mine\n"


@pytest.mark.slow
def test_records_that_may_not_be_written_are_told_with_their_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither SQL nor SQLite's own few words, from its own engines and Dagster's."""
    home, folder = str(tmp_path), dagster_home(str(tmp_path))
    (folder / "runs.db").mkdir()  # it cannot be opened
    assert run(["serve", "--home", home]) == 1
    said = capsys.readouterr().err
    assert f"records in {folder} cannot be written: unable to open database file. Let" in said
    assert "SQL" not in said
    (folder / "runs.db").rmdir()
    fault = pytest.raises(StorageFault, match=f"in {re.escape(str(folder))} cannot be written: att")
    with fault, open_instance(home).run_storage.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=1")
        connection.exec_driver_sql("DELETE FROM runs")


def test_an_earlier_versions_settings_are_written_anew(tmp_path: Path) -> None:
    """Those that nobody edited; before the settings change, the old ones come to the earlier."""
    assert settings_mark(INSTANCE_SETTINGS) == "58eba4eeb7804b46", "bring this mark to EARLIER"
    assert settings_mark(INSTANCE_SETTINGS) not in EARLIER
    settings = dagster_home(str(tmp_path)) / "dagster.yaml"
    settings.write_text(BEFORE_THE_QUEUE)
    assert settings_mark(BEFORE_THE_QUEUE) in EARLIER
    dagster_home(str(tmp_path))
    assert settings.read_text() == INSTANCE_SETTINGS
    settings.write_text(BEFORE_THE_QUEUE + "# mine\n")
    assert lacking_settings(dagster_home(str(tmp_path))) == [
        *("run_launcher", "run_coordinator", "start_timeout_seconds")
    ]
    settings.write_text(INSTANCE_SETTINGS + "# mine\n")
    assert not lacking_settings(dagster_home(str(tmp_path)))


def test_an_earlier_versions_settings_that_may_only_be_read_count(tmp_path: Path) -> None:
    settings = dagster_home(str(tmp_path)) / "dagster.yaml"
    earlier = INSTANCE_SETTINGS.replace("_seconds: 604800\n", "_seconds: 3600\n")
    settings.write_text(earlier)
    settings.with_suffix(f".{os.getpid()}").mkdir()  # so that it cannot be written
    assert dagster_home(str(tmp_path)) == settings.parent
    assert settings.read_text() == earlier
    settings.unlink()
    with pytest.raises(EnvironmentFault, match="cannot be made"):
        dagster_home(str(tmp_path))


@pytest.mark.slow
def test_one_run_on_a_server_leaves_the_settings_as_they_were(tmp_path: Path) -> None:
    """Also where an earlier version wrote the server into the file."""
    settings = dagster_home(str(tmp_path)) / "dagster.yaml"
    old = "run_storage:\n  module: dagster_postgres.run_storage\n  class: PostgresRunStorage\n"
    settings.write_text(f"{old}  config:\n    postgres_url:\n      env: NASCAR_STORAGE\n")
    assert isinstance(open_instance(str(tmp_path)).run_storage, PooledRunStorage)
    assert settings.read_text() == INSTANCE_SETTINGS


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("postgresql://ada:geheim@127.0.0.1:9/races", 1, "127.0.0.1:9/races does not answer"),
        ("postgresql://ada:geh%eim@127.0.0.1:5x/races", 2, "no address of a PostgreSQL server"),
        ("mysql://ada:geheim@127.0.0.1/races", 2, "no address of a PostgreSQL server"),
    ],
)
@pytest.mark.parametrize("command", [["slate", "run", "SLATE"], ["ui"], ["serve"], ["doctor"]])
def test_a_server_that_is_away_is_said_as_such(
    url: str,
    code: int,
    said: str,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NASCAR_STORAGE", url)
    if command[0] == "slate":
        registration = Registration("SLATE", SourceFile.of("a.csv", b""), "1", "1", "dk")
        registration.save(DataRoot.open(tmp_path), b"")
    found = run([*command, "--home", str(tmp_path), "--json"])
    notify = capfd.readouterr()
    text = " ".join((notify.out + notify.err).split())
    assert said in text
    assert "NASCAR_STORAGE" in text
    assert "geh" not in text
    assert "Traceback" not in text
    assert found == (1 if command == ["doctor"] else code)
    settings = tmp_path / "dagster" / "dagster.yaml"
    assert not settings.exists() or settings.read_text() == INSTANCE_SETTINGS


@pytest.mark.slow
def test_writers_of_several_processes_lose_nothing(tmp_path: Path) -> None:
    open_instance(str(tmp_path))
    processes = [writer(tmp_path, name, 25) for name in "abc"]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()[-2000:]
    instance = open_instance(str(tmp_path))
    expected = {f"{name}-{number}" for name in "abc" for number in range(25)}
    assert set(instance.get_dynamic_partitions("races")) == expected
    assert instance.get_materialized_partitions(dg.AssetKey("table")) == expected


@pytest.mark.slow
def test_a_killed_writer_leaves_a_database_that_reads_and_takes_more(tmp_path: Path) -> None:
    open_instance(str(tmp_path))
    for turn in range(3):
        process = writer(tmp_path, f"k{turn}", 10_000)
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(5 + turn)]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        instance = open_instance(str(tmp_path))
        there = instance.get_materialized_partitions(dg.AssetKey("table"))
        assert {f"k{turn}-{number}" for number in range(len(said))} <= there
    for name in ("event_log.db", "runs.db", "schedules.db"):
        with sqlite3.connect(dagster_home(str(tmp_path)) / name) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.slow
def test_a_writer_waits_for_another_one(tmp_path: Path) -> None:
    """`database is locked` is a complaint of SQLite's default of no waiting."""
    instance = open_instance(str(tmp_path))
    database = dagster_home(str(tmp_path)) / "event_log.db"
    code = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); time.sleep(3)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(database)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    began = time.monotonic()
    instance.add_dynamic_partitions("races", ["late"])
    assert time.monotonic() - began > 1
    holder.wait()
    assert instance.get_dynamic_partitions("races") == ["late"]


def test_kill_ends_what_it_is_told_to(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    kill(process)
    wait_for("the end", lambda: process.poll() is not None, 5)
