"""The platform: sync, slate runs, backfill, sensor ticks, and what Dagster adds to them.

With NASCAR_REAL_DATA set, sync, backfill and slate are those of the real feed; else of the sample.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from nascar_assets.feed.paths import weekend_path
from nascar_assets.feed.schemas import SCHEDULE
from nascar_assets.feed.sources import TABLES
from nascar_assets.orchestration.automation.sensor_feed import decide_feed
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.runs import register_races, run_races
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.store import stored_partitions
from nascar_assets.orchestration.tables import AS_OF_TABLES
from nascar_assets.sample import generate_sample, write_sample
from nascar_assets.storage import DataRoot

Row = dict[str, Any]

MANY_RACES = 10_000
MANY_PARTITIONS = (150, 30)
"""Races and slates of the asset graph."""

DROPS = 3
CHIEF = '"crew_chief_fullname":"'
NASCAR = "from nascar_assets.cli import main; main()"
REAL_SLATE = "2026-03-14_6fcded83_DKCup.csv"


def rows() -> Iterator[Row]:
    """What was measured, one row after the other."""
    yield from imports()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        yield from demo(work / "demo")
        yield from dropped_file(work / "demo" / "demo", work / "drops")
        yield from many_races(work / "many")
        yield from season(work)
        yield from asset_graph(work / "season")


def imports() -> Iterator[Row]:
    """Seconds to import the code location beyond Dagster itself, the best of five of each."""

    def best(module: str) -> float:
        code = (
            f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter()-t)"
        )
        times = [
            float(subprocess.run([sys.executable, "-c", code], **_OUT).stdout) for _ in range(5)
        ]
        return min(times)

    dagster = best("dagster")
    yield _row("import of the code location, beyond Dagster's", _beyond(dagster, best), "s", 0.5)
    yield _row("import of Dagster itself", dagster, "s", None)


def _beyond(dagster: float, best: Any) -> float:
    return float(best("nascar_assets.definitions") - dagster)


def demo(home: Path) -> Iterator[Row]:
    """The demo as a person runs it."""
    seconds, _ = nascar(home, "demo")
    yield _row("demo, once installed", seconds, "s", 60)


def season(work: Path) -> Iterator[Row]:
    """Sync, sync again, a slate's run and a backfill, on the real feed or the sample's."""
    real = os.environ.get("NASCAR_REAL_DATA")
    if real:
        feed, salaries, seasons = (
            Path(real) / "feed",
            Path(real) / "salaries" / REAL_SLATE,
            "2022-2026",
        )
        what = "real Cup feed, 2022 to 2026"
    else:
        sample = generate_sample(1)
        write_sample(sample, work / "sample")
        feed, salaries = work / "sample/feed", work / "sample/salaries" / sample.slate_file
        seasons, what = "2024-2026", "the sample"
    home = work / "season"
    seconds, _ = nascar(home, "sync", "--feed", feed, "--seasons", seasons)
    yield _row("sync", seconds, "s", 60, note=what)
    seconds, said = nascar(home, "sync", "--feed", feed, "--seasons", seasons)
    yield _row("sync again, nothing new", seconds, "s", None, note="with Dagster's own start")
    own = sum(said["seconds"].values())
    yield _row("sync again, beyond Dagster's start", own, "s", 3)
    nascar(home, "slate", "run", salaries)  # compiles what is not in the kernels' cache
    seconds, said = nascar(home, "slate", "run", salaries)
    steps = dict(said["seconds"])
    total = steps.pop("total")
    yield _row("slate from salary file to upload file", seconds, "s", 30, note="10,000 scenarios")
    yield _row("all assets of a slate in one process", total, "s", 12, note="10,000 scenarios")
    computing = sum(stage["computing"] for stage in said["stages"])
    yield _row("of which the assets' own computing", computing, "s", 5)
    framework = total - sum(steps.values()) + sum(stage["log"] for stage in said["stages"])
    yield _row("of which Dagster's, between the assets and in its log", framework, "s", 7)
    yield from backfill(home)


def backfill(home: Path) -> Iterator[Row]:
    """All races of a home made again: results, laps, features, ratings."""
    from nascar_assets.definitions import build_definitions

    definitions = build_definitions(platform=Platform(home=str(home)))
    instance = open_instance(str(home))
    keys = stored_partitions(DataRoot.open(home), "race_files")
    register_races(instance, keys)
    began = time.perf_counter()
    for job in ("race_job", "as_of_job"):
        failed = run_races(definitions.resolve_job_def(job), instance, keys)
        if failed:
            raise RuntimeError(f"{job} failed for {', '.join(failed)}")
    yield _row(f"backfill of {len(keys)} races", time.perf_counter() - began, "s", 180)


def many_races(home: Path) -> Iterator[Row]:
    """A tick of the landing sensor over very many races that are up to date."""
    root = DataRoot.open(home)
    start = datetime(1950, 1, 1, 18, tzinfo=UTC)
    races = [
        {
            **dict.fromkeys(SCHEDULE),
            "race_id": str(number),
            "race_key": f"{1950 + number // 50}-cup-{number % 50 + 1:02d}",
            "series": "cup",
            "season": 1950 + number // 50,
            "start_time": start + number * timedelta(days=7),
            "status": "complete",
        }
        for number in range(MANY_RACES)
    ]
    schedule = pl.DataFrame(races, schema=SCHEDULE, orient="row")
    root.write_frame("store/schedule.parquet", schedule)
    made_by_a_run = TABLES
    folders = {name: home / "store" / name for name in (*made_by_a_run, *AS_OF_TABLES)}
    for folder in folders.values():
        folder.mkdir(parents=True)
    for race in races:
        path = weekend_path(race["season"], "cup", race["race_id"])
        data = f'{{"weekend_race":[{{"race_id":{race["race_id"]},"results":[]}}]}}'.encode()
        root.write(f"landing/feed/{path}", data)
        table = pl.DataFrame({"path": [f"landing/feed/{path}"], "sha256": [_sha(data)]})
        root.write_frame(f"store/race_files/{race['race_key']}.parquet", table)
        for name in made_by_a_run:
            (folders[name] / f"{race['race_key']}.parquet").write_bytes(data)
    for race in races:
        for name in AS_OF_TABLES:
            (folders[name] / f"{race['race_key']}.parquet").write_bytes(b"made")
    instance = open_instance(str(home))
    register_races(instance, [race["race_key"] for race in races])
    later = datetime.now(UTC) + timedelta(minutes=1)
    began = time.perf_counter()
    decide_feed(root, instance, "", later)
    yield _row("first tick over 10,000 races", time.perf_counter() - began, "s", None)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        tick = decide_feed(root, instance, "", later)
        times.append(time.perf_counter() - began)
    if tick.requests:
        raise RuntimeError(f"nothing was to do, and {len(tick.requests)} runs were asked for")
    yield _row("sensor tick over 10,000 races", statistics.median(times), "s", 2)


def dropped_file(source: Path, home: Path) -> Iterator[Row]:
    """From a changed file to its started run, with a real daemon."""
    import dagster as dg

    races = dg.RunsFilter(job_name="race_job")
    shutil.copytree(source, home)
    weekends = sorted((home / "landing/feed/cacher/2025/1").glob("*/weekend-feed.json"))
    instance = open_instance(str(home))
    daemon = subprocess.Popen(
        [sys.executable, "-m", "dagster._daemon", "run", "-m", "nascar_assets.definitions"],
        env=_environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(40)  # the daemon's own start, and a first tick
        times = []
        for number in range(DROPS):
            _until(lambda: all(run.is_finished for run in instance.get_runs(limit=20)))
            time.sleep(3.7 * number)  # at another moment of the sensor's interval each time
            before = {run.run_id for run in instance.get_runs(races)}
            path = weekends[-1 - number]
            path.write_text(path.read_text().replace(CHIEF, f"{CHIEF}New ", 1))
            began = time.perf_counter()
            started = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS]
            wanted = dg.RunsFilter(job_name="race_job", statuses=started)
            _until(partial(_others, instance, wanted, before))
            times.append(time.perf_counter() - began)
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)
    note = f"median of {DROPS}, sensor interval 15 s"
    yield _row("file dropped to run started", statistics.median(times), "s", 25, note=note)


def _others(instance: Any, wanted: Any, before: set[str]) -> set[str]:
    return {run.run_id for run in instance.get_runs(wanted)} - before


def _until(holds: Callable[[], object], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(f"the daemon did nothing within {seconds:.0f} s")
        time.sleep(0.2)


def asset_graph(home: Path) -> Iterator[Row]:
    """Seconds until the UI shows the asset graph, with very many partitions materialised.

    Left out where Chromium is not installed.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        return
    fill(home)
    port = _free_port()
    where = ["-h", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-m", "dagster_webserver", "-m", "nascar_assets.definitions", *where],
        env=_environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 120
        while not _answers(url):
            if time.monotonic() > end:
                raise RuntimeError("the webserver did not answer within two minutes")
            time.sleep(0.2)
        times = sorted(page_loads(chromium, url))
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    note = f"{MANY_PARTITIONS[0]} races, {MANY_PARTITIONS[1]} slates; a fresh browser each time"
    yield _row("asset graph in Chromium", statistics.median(times), "s", 3, note=note)
    yield _row("asset graph in Chromium, the slowest load", times[-1], "s", None)


def fill(home: Path) -> None:
    """Reports materialisations until there are so many races and slates."""
    import dagster as dg

    from nascar_assets.definitions import build_definitions

    repository = build_definitions(platform=Platform(home=str(home))).get_repository_def()
    instance = open_instance(str(home))
    for job, name, count in (
        ("race_job", "races", MANY_PARTITIONS[0]),
        ("slate_job", "slates", MANY_PARTITIONS[1]),
    ):
        have = len(instance.get_dynamic_partitions(name))
        new = [f"2030-cup-{number:03d}" for number in range(count - have)]
        instance.add_dynamic_partitions(name, new)
        for asset in repository.get_job(job).asset_layer.selected_asset_keys:
            for key in new:
                event = dg.AssetMaterialization(asset, partition=key)
                instance.report_runless_asset_event(event)


def page_loads(chromium: str, url: str) -> Iterator[float]:
    """Seconds from asking for the page to the first assets' names on it, several times."""
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-background-networking", "--disable-sync"]
    with sync_playwright() as driver:
        for _ in range(5):
            browser = driver.chromium.launch(executable_path=chromium, args=options)
            page = browser.new_page(viewport={"width": 1900, "height": 1200})
            began = time.perf_counter()
            page.goto(f"{url}/asset-groups?expanded=global%40global%3Alineups")
            page.get_by_text("scenario_optima").first.wait_for(timeout=60_000)
            yield time.perf_counter() - began
            browser.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/server_info", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "NASCAR_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}


def nascar(home: Path, *arguments: object) -> tuple[float, dict[str, Any]]:
    """Seconds that a command took, with the interpreter's start, and what it said."""
    words = [str(word) for word in arguments]
    cut = 2 if words[0] == "slate" else 1
    command = [sys.executable, "-c", NASCAR, *words[:cut], "--home", str(home), "--json"]
    began = time.perf_counter()
    done = subprocess.run([*command, *words[cut:]], **_OUT)
    return time.perf_counter() - began, json.loads(done.stdout)


def _sha(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _row(name: str, value: float, unit: str, target: float | None, note: str = "") -> Row:
    return {"name": name, "value": round(value, 3), "unit": unit, "target": target, "note": note}


_OUT: dict[str, Any] = {
    "stdout": subprocess.PIPE,
    "stderr": subprocess.DEVNULL,
    "text": True,
    "check": True,
}
