"""A home with the sample's races, and one of the demo: each made once for all tests."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nascar_assets.cli.app import run
from nascar_assets.cli.location import code_location
from nascar_assets.orchestration.commands.sync import sync_races
from nascar_assets.sample import Sample, generate_sample, write_sample
from nascar_assets.sample.generate import SEASONS

SCENARIOS = 300


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
    sample = generate_sample(1)
    folder = tmp_path_factory.mktemp("sample")
    write_sample(sample, folder)
    return sample, folder


@pytest.fixture(scope="session")
def raced(sample_folder: tuple[Sample, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the sample's races and no slate."""
    _, folder = sample_folder
    home = tmp_path_factory.mktemp("raced") / "home"
    location = code_location(str(home))
    synced = sync_races(str(home), str(folder / "feed"), ["cup"], SEASONS, location=location)
    assert not synced.failures
    backdate(home)
    return home


def backdate(home: Path) -> None:
    """Dates all files an hour back, before any run of the home, however slow the machine is.

    What sensors noted of the files' times goes: they look again.
    """
    shutil.rmtree(home / "landing/.index", ignore_errors=True)
    hour_ago = time.time() - 3600
    for path in home.rglob("*"):
        os.utime(path, (hour_ago, hour_ago))


@pytest.fixture(scope="session")
def world(
    sample_folder: tuple[Sample, Path], raced: Path, tmp_path_factory: pytest.TempPathFactory
) -> World:
    """`nascar demo` as a person runs it; without the release, which takes longer.

    It goes on from `raced`, which is what its own sync would make again for most of a minute.
    """
    sample, folder = sample_folder
    base = tmp_path_factory.mktemp("world")
    copy_of(raced, base / "demo")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        words = ["demo", "--home", str(base), "--scenarios", str(SCENARIOS), "--no-release"]
        code = run([*words, "--json"])
    assert code == 0
    result: dict[str, Any] = json.loads(said.getvalue())
    home = base / "demo"
    backdate(home)
    return World(sample, folder, home, result["slate"], result)


@pytest.fixture
def home(world: World, tmp_path: Path) -> Path:
    """A copy of the world's home that a test may change."""
    return copy_of(world.home, tmp_path / "home")


@pytest.fixture
def races(raced: Path, tmp_path: Path) -> Path:
    """A copy of the home without a slate that a test may change."""
    return copy_of(raced, tmp_path / "races")


def copy_of(home: Path, target: Path) -> Path:
    """A copy with the files' times; `cp` does it at a third of the time that Python takes."""
    subprocess.run(["cp", "-a", str(home), str(target)], check=True)
    return target
