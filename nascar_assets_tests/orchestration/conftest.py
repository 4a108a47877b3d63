"""One home with the sample synced and its slate run, made once for all tests of the platform."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nascar_assets.cli.location import code_location
from nascar_assets.orchestration.commands.slate import add_slate, run_slate
from nascar_assets.orchestration.commands.sync import sync_races
from nascar_assets.sample import Sample, generate_sample, write_sample
from nascar_assets.sample.generate import SEASONS

SCENARIOS = 300


@dataclass(frozen=True)
class World:
    """The sample on disk, and a home on which it was synced and its slate run."""

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
    minute_ago = time.time() - 60
    for path in home.rglob("*"):  # it was synced a while ago
        os.utime(path, (minute_ago, minute_ago))
    return home


@pytest.fixture(scope="session")
def world(
    sample_folder: tuple[Sample, Path], raced: Path, tmp_path_factory: pytest.TempPathFactory
) -> World:
    sample, folder = sample_folder
    home = tmp_path_factory.mktemp("world") / "home"
    shutil.copytree(raced, home)
    registration, _ = add_slate(str(home), folder / "salaries" / sample.slate_file)
    outcome = run_slate(
        str(home),
        registration.slate_id,
        location=code_location(str(home)),
        as_of=sample.as_of.isoformat(),
        n_scenarios=SCENARIOS,
    )
    return World(sample, folder, home, registration.slate_id, outcome.result)


@pytest.fixture
def home(world: World, tmp_path: Path) -> Path:
    """A copy of the world's home that a test may change."""
    target = tmp_path / "home"
    shutil.copytree(world.home, target)
    return target


@pytest.fixture
def races(raced: Path, tmp_path: Path) -> Path:
    """A copy of the home without a slate that a test may change."""
    target = tmp_path / "races"
    shutil.copytree(raced, target)
    return target
