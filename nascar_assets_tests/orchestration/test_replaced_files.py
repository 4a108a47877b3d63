"""Files that another process replaces while they are read: the old one or the new one, no mix."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from nascar_assets.errors import EnvironmentFault
from nascar_assets.files import SourceFile
from nascar_assets.orchestration.automation.sensor_runs import (
    PAUSE,
    error_names,
    lost_and_not_repeated,
)
from nascar_assets.orchestration.commands import slate
from nascar_assets.orchestration.inputs.slate_plan import Registration
from nascar_assets.sample import Sample
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.processes import environment, wait_for
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

CHIEF = '"crew_chief_fullname":"'
SLATE = "2026-02-15-cup-dk-classic"

REPLACE = """
import itertools, os, pathlib, random, sys, time
path, sources, pause = pathlib.Path(sys.argv[1]), sys.argv[2:-1], float(sys.argv[-1])
contents = [pathlib.Path(source).read_bytes() for source in sources]
chance = random.Random(5)
for content in itertools.cycle(contents):
    aside = path.with_name("." + path.name)
    aside.write_bytes(content)
    back = time.time() - 60 + chance.random()  # as a copy that keeps the file's time
    os.utime(aside, (back, back))
    aside.replace(path)
    print(flush=True)
    time.sleep(chance.uniform(0, pause))
"""


@contextmanager
def replacing(home: Path, path: Path, versions: list[bytes], pause: float) -> Iterator[None]:
    """Another process puts one version after the other in a file's place, all along a block."""
    sources = []
    for number, version in enumerate(versions):
        sources.append(home.parent / f"version-{number}")
        sources[-1].write_bytes(version)
    words = [str(path), *(str(source) for source in sources), str(pause)]
    process = subprocess.Popen(
        [sys.executable, "-c", REPLACE, *words], env=environment(home), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def put(path: Path, data: bytes) -> None:
    """Leaves a file as it is to stay, a while ago."""
    path.write_bytes(data)
    back = time.time() - 50
    os.utime(path, (back, back))


def versions_of(home: Path, key: str, versions: list[bytes]) -> list[int]:
    """Which version each table of a race was made from, the listed files first."""
    store = home / "store"
    files = pl.read_parquet(store / "race_files" / f"{key}.parquet")
    listed = files.filter(pl.col("kind") == "weekend")["sha256"][0]
    hashes = [hashlib.sha256(version).hexdigest() for version in versions]
    found = [hashes.index(listed)]
    for name in ("entries", "race_results"):
        table = pl.read_parquet(store / name / f"{key}.parquet")
        marked = table["crew_chief"].str.starts_with("New ")
        assert marked.any() == marked.all()
        found.append(int(marked.all()))
    return found


def test_all_tables_of_a_race_are_made_from_the_same_files(races: Path) -> None:
    path = sorted((races / "landing/feed/cacher/2025/1").glob("*/weekend-feed.json"))[4]
    schedule = pl.read_parquet(races / "store/schedule.parquet")
    key = str(schedule.filter(pl.col("race_id") == path.parent.name)["race_key"][0])
    old = path.read_bytes()
    versions = [old, old.replace(CHIEF.encode(), f"{CHIEF}New ".encode())]
    ticker = Ticker(races)
    outcomes = []
    with replacing(races, path, versions, pause=0.6):
        for number in range(8):
            request = dg.RunRequest(
                run_key=f"race:{number}", job_name="race_job", partition_key=key
            )
            outcomes.append(ticker.carry_out(request))
            if outcomes[-1]:
                assert len(set(versions_of(races, key, versions))) == 1
    failed = ticker.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    assert len(failed) == outcomes.count(False) > 0
    for run in failed:
        assert set(error_names(ticker.instance, run.run_id)) >= {"EnvironmentFault"}
    put(path, versions[1])
    settle_files(races)
    ticker.settle()
    ticker.tick("lost_runs")
    later = datetime.now(UTC) + PAUSE + timedelta(minutes=1)
    due = lost_and_not_repeated(ticker.instance, later)
    if versions_of(races, key, versions) != [1, 1, 1]:  # the last of the runs above was replaced
        assert due
        again = dg.RunRequest(run_key="again", job_name="race_job", partition_key=key)
        assert ticker.carry_out(again)
    else:
        assert not due  # a newer run made what the failed ones were to make
    assert versions_of(races, key, versions) == [1, 1, 1]
    assert ticker.settle() == []


def test_a_slate_is_registered_with_the_file_that_was_read(
    races: Path, sample_folder: tuple[Sample, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASCAR_CLOCK", f"2026-02-11T12:00:00+00:00 from {time.time():.0f} x 1")
    sample, _ = sample_folder
    good = sample.salaries[sample.slate_file]
    versions = [good, good.replace(b",11300,", b",11200,"), b"Position,Name\nD,Nobody\n"]
    folder = races / "landing/salaries"
    folder.mkdir(parents=True)
    path = folder / sample.slate_file
    root, ticker = DataRoot.open(races), Ticker(races)
    refused = races / "quarantine/salaries" / f"{path.name}.report.json"
    seen: set[bytes] = set()
    with replacing(races, path, versions, pause=0.05):

        def looked() -> bool:
            ticker.tick("landing_salaries")
            if (races / "slates" / SLATE).exists():
                seen.add(Registration.load(root, SLATE).salaries(root))
            if refused.exists():
                report = json.loads(refused.read_text())
                copy = refused.with_name(path.name).read_bytes()
                assert report["sha256"] == hashlib.sha256(versions[2]).hexdigest()
                assert copy == versions[2]
                seen.add(copy)
            return seen == set(versions)

        wait_for("a scan of each version", looked, every=0)
    for version in (versions[1], versions[0]):  # one that was refused or taken before counts again
        put(path, version)
        ticker.tick("landing_salaries")
        assert Registration.load(root, SLATE).salaries(root) == version


def registered(data: bytes) -> Registration:
    return Registration(SLATE, SourceFile.of("landing/salaries/s.csv", data), "1", "race", "dk")


def test_a_registration_that_is_stopped_leaves_the_slate_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = DataRoot.open(tmp_path)
    registered(b"old").save(root, b"old")
    with monkeypatch.context() as full:

        def write(self: DataRoot, path: str, data: bytes, put: Any = DataRoot.write) -> None:
            if path.endswith("registration.json"):
                raise EnvironmentFault("No space left on device.")
            put(self, path, data)

        full.setattr(DataRoot, "write", write)
        with pytest.raises(EnvironmentFault):
            registered(b"new").save(root, b"new")
    old = Registration.load(root, SLATE)
    assert old.salaries(root) == b"old"
    registered(b"new").save(root, b"new")
    assert Registration.load(root, SLATE).salaries(root) == b"new"
    assert old.salaries(root) == b"old"  # for who had read it a moment before


def test_the_one_copy_that_earlier_versions_kept_is_read(tmp_path: Path) -> None:
    root = DataRoot.open(tmp_path)
    registered(b"old").save(root, b"old")
    (copy,) = (tmp_path / "slates" / SLATE).glob("salaries-*.csv")
    copy.rename(copy.with_name("salaries.csv"))
    assert Registration.load(root, SLATE).salaries(root) == b"old"


def test_nothing_is_registered_where_the_log_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> None:
        raise EnvironmentFault("The disk is full.")

    monkeypatch.setattr(slate, "open_instance", away)
    with pytest.raises(EnvironmentFault):
        slate.keep_registration(str(tmp_path), registered(b"new"), b"new")
    assert not list(tmp_path.iterdir())


def test_the_older_of_two_files_does_not_count_while_the_newer_is_replaced(
    races: Path, sample_folder: tuple[Sample, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASCAR_CLOCK", f"2026-02-11T12:00:00+00:00 from {time.time():.0f} x 1")
    sample, _ = sample_folder
    data = sample.salaries[sample.slate_file]
    newer = data.replace(b",11300,", b",11200,")
    folder = races / "landing/salaries"
    folder.mkdir(parents=True)
    first, second = folder / sample.slate_file, folder / f"v2_{sample.slate_file}"
    put(first, data)
    put(second, newer)
    os.utime(first, (time.time() - 500, time.time() - 500))
    ticker = Ticker(races)
    ticker.tick("landing_salaries")
    root = DataRoot.open(races)
    assert Registration.load(root, SLATE).salaries(root) == newer
    second.write_bytes(newer[: len(newer) // 2])  # now
    ticker.tick("landing_salaries")
    assert Registration.load(root, SLATE).salaries(root) == newer
    put(second, newer)
    ticker.tick("landing_salaries")
    assert Registration.load(root, SLATE).salaries(root) == newer
    second.unlink()  # taken back: the first counts again
    ticker.tick("landing_salaries")
    assert Registration.load(root, SLATE).salaries(root) == data
