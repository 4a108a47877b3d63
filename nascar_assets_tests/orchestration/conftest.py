"""A home with the sample's races, and one of the demo: each made once for all tests."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import pytest

from nascar_assets.cli.app import run
from nascar_assets.cli.location import code_location
from nascar_assets.orchestration.commands.sync import sync_races
from nascar_assets.sample import Sample, write_sample
from nascar_assets.sample.generate import SEASONS
from nascar_assets.storage import data_root
from nascar_assets.storage.dropped import read_dropped
from nascar_assets_tests.samples import sample_of

SCENARIOS = 300
PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class World:
    """The sample on disk, and the home of a demo of it."""

    sample: Sample
    folder: Path
    home: Path
    slate: str
    result: dict[str, Any]

    @property
    def feed(self) -> Path:
        return self.folder / "feed"

    @property
    def salaries(self) -> Path:
        return self.folder / "salaries" / self.sample.slate_file


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, Path]:
    sample = sample_of(1)
    folder = tmp_path_factory.mktemp("sample")
    write_sample(sample, folder)
    return sample, folder


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where made homes lie for all workers of a session.

    `NASCAR_TEST_HOMES` names a folder that keeps them for later sessions, as long as neither the
    product nor its libraries change.
    """
    kept = os.environ.get("NASCAR_TEST_HOMES")
    if kept:
        found = hashlib.sha256((PROJECT / "requirements.lock").read_bytes())
        for path in sorted((PROJECT / "nascar_assets").rglob("*.py")):
            found.update(path.read_bytes())
        return Path(kept, found.hexdigest()[:16])
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "homes"


def made_once(homes: Path, name: str, make: Callable[[Path], None]) -> Path:
    """What one worker makes for all: the others wait for it, and nobody changes it."""
    homes.mkdir(parents=True, exist_ok=True)
    target, whole = homes / name, homes / f"{name}.whole"
    with filelock.FileLock(homes / f"{name}.lock"):
        if not whole.exists():
            shutil.rmtree(target, ignore_errors=True)
            make(target)
            whole.touch()
    return target


@pytest.fixture(scope="session")
def raced(sample_folder: tuple[Sample, Path], homes: Path) -> Path:
    """A home with the sample's races and no slate."""
    _, folder = sample_folder

    def make(base: Path) -> None:
        home = base / "home"
        location = code_location(str(home))
        synced = sync_races(str(home), str(folder / "feed"), ["cup"], SEASONS, location=location)
        assert not synced.failures
        backdate(home)

    return made_once(homes, "raced", make) / "home"


def backdate(home: Path) -> None:
    """Dates all files an hour back, before any run of the home, however slow the machine is.

    What sensors noted of the files' times goes: they look again.
    """
    shutil.rmtree(home / "landing/.index", ignore_errors=True)
    hour_ago = time.time() - 3600
    for path in home.rglob("*"):
        os.utime(path, (hour_ago, hour_ago))


@pytest.fixture(scope="session")
def world(sample_folder: tuple[Sample, Path], raced: Path, homes: Path) -> World:
    """`nascar demo` as a person runs it; without the release, which takes longer.

    It goes on from `raced`, which is what its own sync would make again for most of a minute.
    """
    sample, folder = sample_folder

    def make(base: Path) -> None:
        base.mkdir()
        copy_of(raced, base / "demo")
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            words = ["demo", "--home", str(base), "--scenarios", str(SCENARIOS), "--no-release"]
            code = run([*words, "--json"])
        assert code == 0
        backdate(base / "demo")
        (base / "result.json").write_text(said.getvalue())

    base = made_once(homes, "world", make)
    result: dict[str, Any] = json.loads((base / "result.json").read_text())
    return World(sample, folder, base / "demo", result["slate"], result)


@pytest.fixture
def home(world: World, tmp_path: Path) -> Path:
    """A copy of the world's home that a test may change."""
    return copy_of(world.home, tmp_path / "home")


@pytest.fixture
def races(raced: Path, tmp_path: Path) -> Path:
    """A copy of the home without a slate that a test may change."""
    return copy_of(raced, tmp_path / "races")


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Paths of landed files that this process may not read; a test changes the set."""
    paths: set[str] = set()

    def read(folder: Path, path: str) -> bytes:
        if path in paths:
            raise PermissionError(13, "Permission denied", str(folder / path))
        return read_dropped(folder, path)

    monkeypatch.setattr(data_root, "read_dropped", read)
    return paths


def copy_of(home: Path, target: Path) -> Path:
    """A copy with the files' times, by a process of its own.

    A process that closes a file gives up all its locks on it, those of SQLite's connections to
    the same database as well: another worker then sees a disk I/O error.
    """
    subprocess.run(["cp", "-a", str(home), str(target)], check=True)
    return target
