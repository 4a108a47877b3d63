"""A home moves between storages whole: every file, every row; what is half done looks like it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from nascar_assets.cli.app import run
from nascar_assets.cli.home import _held
from nascar_assets.cli.ui_keeper import sole
from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.orchestration.commands.home import (
    MANIFEST,
    export_home,
    import_home,
    written_later,
)
from nascar_assets.orchestration.storage.instance import (
    HOME_ID,
    dagster_home,
    home_id,
    open_instance,
)
from nascar_assets.orchestration.storage.records import dumped, record_tables
from nascar_assets.orchestration.tags import LOST
from nascar_assets.storage import DataRoot
from nascar_assets.storage.dropped import LARGEST_BYTES
from nascar_assets_tests.service.records import new_database, run_grid

NOW = datetime(2026, 3, 2, tzinfo=UTC)
FILES = {
    "landing/feed/cacher/2026/race_list_basic.json": b"{}",
    "store/schedule.parquet": b"schedule" * 1_000,
    "slates/2026-03-15-cup-dk-classic/upload.csv": b"D,D\n",
    "graph/entries/a.json": b"{}",
    "quarantine/b": b"\x00\xff",
}
CACHES = {
    "locks/a": b"",
    "graph/one.ladybug": b"x",
    "landing/.index/feed.json": b"{}",
    "api/.ready": b"",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small home: files, runs that succeeded and failed, a tag without a run."""
    folder = tmp_path_factory.mktemp("moved") / "home"
    root = DataRoot.open(folder)
    for path, data in {**FILES, **CACHES}.items():
        root.write(path, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NASCAR_STORAGE", raising=False)
        instance = open_instance(str(folder))
        run_grid(instance, "2026-cup-01")
        run_grid(instance, "2026-cup-02", passed=False)
        gone = run_grid(instance, "2026-cup-01")
        instance.delete_run(gone)
    return folder


@pytest.fixture(scope="module")
def exported(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("exported") / "out"
    export(home, DataRoot.open(target))
    return target


def export(home: Path, target: DataRoot) -> Any:
    return export_home(str(home), DataRoot.open(home), target, NOW)


def take(home: Path, source: Path, root: DataRoot | None = None) -> Any:
    return import_home(str(home), root or DataRoot.open(home), DataRoot.open(source))


def records(home: Path) -> dict[tuple[str, str], bytes]:
    """Rows of every table but the mark of the home that a database belongs to."""
    instance = open_instance(str(home))
    found = {table: b"".join(dumped(instance, *table)) for table in record_tables()}
    lines = found["runs", "kvs"].splitlines(keepends=True)
    found["runs", "kvs"] = b"".join(line for line in lines if b"nascar_home_of/" not in line)
    return found


def files(home: Path) -> dict[str, bytes]:
    root = DataRoot.open(home)
    paths = [file.path for file in root.list() if not file.path.startswith("dagster/")]
    return {path: root.read(path) or b"" for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize(
    "storage", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def test_a_home_moves_whole(
    storage: str,
    home: Path,
    exported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    before = records(home)
    if storage == "postgres":
        monkeypatch.setenv("NASCAR_STORAGE", new_database(request.getfixturevalue("postgres").url))
    moved = take(tmp_path / "new", exported)
    assert files(tmp_path / "new") == FILES
    assert records(tmp_path / "new") == before
    assert (moved.files, moved.bytes) == (len(FILES), sum(map(len, FILES.values())))
    for path in FILES:
        times = [(where / path).stat().st_mtime for where in (home, tmp_path / "new")]
        assert times[0] == pytest.approx(times[1], abs=1e-5)

    instance = open_instance(str(tmp_path / "new"))
    key = dg.AssetKey("grid")
    assert {one.status.value for one in instance.get_runs()} == {"SUCCESS", "FAILURE"}
    assert instance.get_dynamic_partitions("races") == ["2026-cup-01", "2026-cup-02"]
    old = instance.get_latest_materialization_event(key)
    run_grid(instance, "2026-cup-02")  # ids go on after those that came
    newest = instance.get_latest_materialization_event(key)
    assert old is not None
    assert newest is not None
    assert newest.timestamp > old.timestamp
    assert len(instance.get_runs()) == 3

    export(tmp_path / "new", DataRoot.open(tmp_path / "again"))  # and on from there
    if storage == "postgres":
        there = records(tmp_path / "new")
        monkeypatch.delenv("NASCAR_STORAGE")
        take(tmp_path / "back", tmp_path / "again")
        assert records(tmp_path / "back") == there


def test_a_database_belongs_to_one_home(
    tmp_path: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first that opens it; two would take each other's jobs out of one queue."""
    one, two, new = (tmp_path / name for name in ("one", "two", "new"))
    monkeypatch.setenv("NASCAR_STORAGE", new_database(postgres.url))
    open_instance(str(tmp_path / "given up"))  # without a record it holds nothing
    run_grid(open_instance(str(one)), "2026-cup-01")
    monkeypatch.setenv("NASCAR_LOCAL", str(tmp_path / "host"))  # another host with one data root
    open_instance(str(one))
    monkeypatch.delenv("NASCAR_LOCAL")
    own = home_id(DataRoot.open(one))
    with pytest.raises(InputError, match=f"holds the records of another home .{own}.") as refused:
        open_instance(str(two))
    assert f"write {own} into {two}/{HOME_ID}" in str(refused.value)
    export(one, DataRoot.open(tmp_path / "out"))  # its marked records move
    monkeypatch.setenv("NASCAR_STORAGE", new_database(postgres.url))
    take(new, tmp_path / "out")
    open_instance(str(new))
    assert home_id(DataRoot.open(new)) != own
    with pytest.raises(InputError, match="another home"):
        open_instance(str(one))


def test_strays_in_the_landing_folder_are_left_behind_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, target = tmp_path / "home", tmp_path / "out"
    root = DataRoot.open(home)
    for path in ("landing/salaries/a.csv", "landing/salaries/locked.csv", "README.md", "store/a"):
        root.write(path, b"1")
    salaries = home / "landing/salaries"
    (salaries / "link.csv").symlink_to("a.csv")
    DataRoot.open(tmp_path / "disk").write("feed/2026/b.json", b"1")
    (home / "landing/feed").symlink_to(tmp_path / "disk/feed")  # the operator's, on another disk
    (tmp_path / "disk/feed/up").symlink_to("..")
    (home / "landing/gone").symlink_to("nowhere")
    Path(os.fsdecode(os.fsencode(salaries) + b"/a\xff.csv")).write_bytes(b"1")
    with (salaries / "large.csv").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    access = os.access
    monkeypatch.setattr(  # a test may run as a user who may read everything
        os, "access", lambda path, mode: "locked" not in str(path) and access(path, mode)
    )
    moved = export(home, DataRoot.open(target))
    manifest = json.loads((target / MANIFEST).read_text())
    taken = {"landing/salaries/a.csv", "landing/feed/2026/b.json", "store/a"}
    assert set(manifest["files"]) == taken
    assert manifest["strays"] == moved.strays
    found = {Path(path).name: why for path, why in moved.strays.items()}
    for name in ("link.csv", "up", "gone"):
        assert found.pop(name).startswith("It is a link")
    assert found.pop("large.csv").endswith("are read.")
    assert found.pop("locked.csv").startswith("It may not be read")
    (name,) = found.values()
    assert name.startswith("Its name holds")
    # Anywhere else what cannot be moved stops the export.
    Path(os.fsdecode(os.fsencode(home) + b"/store/a\xff")).write_bytes(b"1")
    with pytest.raises(EnvironmentFault, match="Listing"):
        export(home, DataRoot.open(tmp_path / "again"))


def test_a_home_moves_through_buckets(
    home: Path, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, name = records(home), uuid.uuid4().hex[:8]
    out, new = s3.root(f"out-{name}"), s3.root(f"new-{name}")
    export(home, out)
    with monkeypatch.context() as patch:
        patch.setenv("NASCAR_LOCAL", str(tmp_path / "local"))
        for setting, value in s3.settings.items():
            patch.setenv(setting, value)
        import_home(new.location, new, out)
        assert {file.path: new.read(file.path) for file in new.list()} == FILES
        instance = open_instance(new.location)
        there = {table: b"".join(dumped(instance, *table)) for table in record_tables()}
        assert there == before
        export_home(new.location, new, DataRoot.open(tmp_path / "out"), NOW)
    take(tmp_path / "back", tmp_path / "out")
    assert files(tmp_path / "back") == FILES
    assert records(tmp_path / "back") == before


def test_an_import_that_was_stopped_is_told_on_every_host(
    home: Path, exported: Path, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = s3.root(f"new-{uuid.uuid4().hex[:8]}")
    for name, value in s3.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NASCAR_LOCAL", str(tmp_path / "here"))
    with pytest.raises(KeyboardInterrupt):
        import_home(new.location, Stopped(new.location, new.options), DataRoot.open(exported))
    monkeypatch.setenv("NASCAR_LOCAL", str(tmp_path / "there"))
    with pytest.raises(InputError, match="only half there"):
        open_instance(new.location)
    import_home(new.location, new, DataRoot.open(exported))
    assert {file.path: new.read(file.path) for file in new.list()} == FILES
    open_instance(new.location)


@pytest.mark.slow
def test_the_command_says_what_it_moved(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, new = str(tmp_path / "out"), str(tmp_path / "new")
    assert run(["home", "export", out, "--home", str(home), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["files"], said["place"]) == (len(FILES), out)
    assert run(["home", "import", out, "--home", new]) == 0
    assert "every one has the hash that it had" in capsys.readouterr().out
    assert run(["home", "import", out, "--home", new]) == 2
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.slow
def test_a_home_that_may_only_be_read_is_exported(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(home, tmp_path / "home")
    before = {path: path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()}
    monkeypatch.setattr(os, "access", lambda path, _: not Path(path).is_relative_to(tmp_path))
    out = str(tmp_path / "out")
    assert run(["home", "export", out, "--home", str(tmp_path / "home")]) == 0
    after = {path: path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert after == before
    assert "NASCAR_LOCAL" not in os.environ
    monkeypatch.undo()
    take(tmp_path / "new", Path(out))
    assert records(tmp_path / "new") == records(home)


def test_a_home_that_may_only_be_read_is_not_exported_while_its_ui_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = dagster_home(str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with (
        sole(folder),
        pytest.raises(EnvironmentFault, match="Another nascar ui runs"),
        _held(str(tmp_path)),
    ):
        pass
    with _held(str(tmp_path)), pytest.raises(EnvironmentFault, match="Another"):
        sole(folder)
    with sole(folder):
        pass


def test_a_lock_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ui.lock").mkdir()
    with pytest.raises(EnvironmentFault, match="write permission"):
        sole(tmp_path)


@pytest.mark.slow
def test_nothing_is_written_over(home: Path, exported: Path, tmp_path: Path) -> None:
    there = files(home)
    with pytest.raises(InputError, match="not empty: it holds"):
        take(home, exported)
    (tmp_path / "mine").write_text("mine")
    for target, why in ((exported, "an export already"), (tmp_path, "not empty")):
        with pytest.raises(InputError, match=why):
            export(home, DataRoot.open(target))
    (tmp_path / "link").symlink_to(home)
    for inside in (home / "out", tmp_path / "link", tmp_path / "link/out"):
        with pytest.raises(InputError, match="in the home itself"):
            export(home, DataRoot.open(inside))
    with pytest.raises(InputError, match="in the home itself"):
        export(tmp_path / "link", DataRoot.open(home / "out"))
    with pytest.raises(InputError, match="no home"):
        export(tmp_path / "nothing", DataRoot.open(tmp_path / "out"))
    runs_alone = tmp_path / "runs"
    run_grid(open_instance(str(runs_alone)), "2026-cup-01")
    with pytest.raises(InputError, match="records of runs"):
        take(runs_alone, exported)
    assert files(home) == there
    assert not (home / "dagster/import-unfinished").exists()


@dg.op
def _nothing() -> None:
    pass


@dg.job
def _of_nothing() -> None:
    _nothing()


def test_a_run_whose_process_was_killed_does_not_keep_a_home_from_its_export(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    instance = open_instance(str(home))
    begun = dg.DagsterRunStatus.STARTED
    run = instance.create_run_for_job(_of_nothing, status=begun)

    def is_of(pid: int) -> None:
        said = EngineEventData(metadata={"pid": str(pid)})
        instance.report_engine_event("Executing steps in process.", run, said)

    is_of(os.getpid())
    with pytest.raises(EnvironmentFault, match="Runs have not ended"):
        export(home, DataRoot.open(tmp_path / "out"))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    is_of(ended.pid)
    export(home, DataRoot.open(tmp_path / "out"))
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert (found.status, found.tags[LOST]) == (dg.DagsterRunStatus.FAILURE, "true")


class Bucket(DataRoot):
    """A folder with the times of an object store: whole seconds of when a file was put."""

    @property
    def is_local(self) -> bool:
        return False

    def write(self, path: str, data: bytes) -> None:
        super().write(path, data)
        if self._folder is not None:
            os.utime(self._folder / path, (int(time.time()),) * 2)


@pytest.mark.slow
def test_the_newest_of_several_files_is_the_newest_in_a_bucket_too(tmp_path: Path) -> None:
    names = ["salaries/z.csv", "salaries/a.csv", "live/5596/2.json", "live/5596/1.json", "feed/a"]
    root = DataRoot.open(tmp_path / "home")
    for minute, name in enumerate(names):
        root.write(f"landing/{name}", name.encode())
        os.utime(tmp_path / "home/landing" / name, (1_700_000_000 + 60 * minute,) * 2)
    export(tmp_path / "home", DataRoot.open(tmp_path / "out"))
    new = Bucket(tmp_path / "new")
    take(tmp_path / "new", tmp_path / "out", new)
    for folder in ("landing/salaries", "landing/live"):
        there = sorted(new.list(folder), key=lambda file: (file.modified, file.path))
        assert [file.path for file in there] == [
            f"landing/{name}" for name in names if f"landing/{name}".startswith(folder)
        ]


def test_few_files_wait_for_the_next_second() -> None:
    live = [f"landing/live/5596/{lap:03d}.json" for lap in range(200)]
    late = "landing/salaries/a.csv"
    assert written_later(["landing/salaries/b.csv", *live, late, "landing/feed/a"]) == {late}


class Stopped(DataRoot):
    """A root whose process is stopped after some writes."""

    left = 2

    def write(self, path: str, data: bytes) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        super().write(path, data)


@pytest.mark.slow
def test_a_stopped_export_is_none_and_goes_on(home: Path, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        export(home, Stopped(tmp_path / "out"))
    with pytest.raises(InputError, match="no whole export"):
        take(tmp_path / "new", tmp_path / "out")
    DataRoot.open(tmp_path / "out").write("files/store/gone.parquet", b"old")
    export(home, DataRoot.open(tmp_path / "out"))
    assert files(tmp_path / "out") == files(exported)


@pytest.mark.slow
def test_a_stopped_import_is_no_home_and_goes_on(
    home: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"
    with pytest.raises(KeyboardInterrupt):
        take(new, exported, Stopped(new))
    for words in (["slate", "list"], ["doctor"], ["ui"], ["serve"], ["home", "export", "x"]):
        assert run([*words, "--home", str(new)]) == 2, words
        assert "only half there" in capsys.readouterr().err
    with pytest.raises(InputError, match="only half there"):
        open_instance(str(new))
    other = tmp_path / "other"
    export_home(str(home), DataRoot.open(home), DataRoot.open(other), NOW + timedelta(days=1))
    with pytest.raises(InputError, match="another export"):
        take(new, other)
    take(new, exported)
    assert files(new) == FILES
    assert records(new) == records(home)


def forged(exported: Path, target: Path, change: Callable[[Path], None]) -> Path:
    root, copy = DataRoot.open(exported), DataRoot.open(target)
    for file in root.list():
        copy.write(file.path, root.read(file.path) or b"")
    change(target)
    return target


@pytest.mark.slow
def test_what_was_changed_since_is_refused(exported: Path, tmp_path: Path) -> None:
    def of_file(folder: Path) -> None:
        (folder / "files/store/schedule.parquet").write_bytes(b"other")

    def of_records(folder: Path) -> None:
        next((folder / "records").glob("events.event_logs-*")).write_bytes(b"other")

    def of_manifest(folder: Path) -> None:
        (folder / MANIFEST).write_text("[]")

    for number, change in enumerate((of_file, of_records, of_manifest)):
        source = forged(exported, tmp_path / f"forged{number}", change)
        with pytest.raises(InputError, match=r"schedule\.parquet|event_logs|manifest"):
            take(tmp_path / f"new{number}", source)


@pytest.mark.slow
def test_a_home_with_runs_on_their_way_waits(tmp_path: Path) -> None:
    instance = open_instance(str(tmp_path / "home"))
    instance.add_run(dg.DagsterRun(job_name="race_job", status=dg.DagsterRunStatus.STARTED))
    with pytest.raises(EnvironmentFault, match=r"not ended \(1\)"):
        export(tmp_path / "home", DataRoot.open(tmp_path / "out"))
