"""Past one machine: what PostgreSQL, a bucket and several servers cost, and what they stand.

With NASCAR_REAL_DATA set, sync is that of the real feed's Cup races since 2023; else of the sample.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.platform import NASCAR, many_races
from benchmarks.service import optimize_body, resident
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.processes import cores
from nascar_assets.sample import generate_sample, write_sample

Row = dict[str, Any]

SCRIPTS = Path(__file__).parents[1] / "scripts"
KEYS = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark's own"}
UNLIMITED = {
    "NASCAR_API_RATE_LIMIT": "",
    "NASCAR_API_POLL_LIMIT": "",
    "NASCAR_API_SPARE_WORKERS": "0",
    "NASCAR_API_MAX_QUEUED": "1000",
    "NUMBA_NUM_THREADS": "1",
}
PARTS = {
    "webserver and its code": "ui --only webserver --port {port} --home {home}",
    "daemon and its code": "ui --only daemon --home {home}",
    "a worker without a run": "worker --home {home}",
    "an API server with one worker": "serve --port {port} --workers 1 --no-board --home {home}",
}
SMALL = "1,000 scenarios, 40 drivers, 267 laps, one lineup"
EVENTS, POLLS, JOBS, PORTFOLIOS = 1_000, 1_000, 12, 10
RATED_JOBS, KEPT_JOBS = 40, 50
A_DAY, KEPT_DAYS = 1_000, 30


def rows() -> Iterator[Row]:
    """What was measured, one row after the other."""
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(_server("postgres.sh", "NASCAR_POSTGRES_HOME"))
        bucket = stack.enter_context(_server("s3.sh", "NASCAR_S3_HOME"))
        shared = {
            **KEYS,
            "NASCAR_STORAGE": postgres,
            "AWS_ENDPOINT_URL": bucket,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
        }
        yield from events(work, postgres)
        yield from syncs(work, shared)
        yield from memory(work, postgres)
        yield from portfolios(work)
        yield from space_of_jobs(work)
        yield from two_servers(work, postgres)
        with _settings(NASCAR_STORAGE=postgres):
            for row in many_races(work / "many"):
                yield {**row, "name": f"{row['name']}, records in PostgreSQL"}


def events(work: Path, postgres: str) -> Iterator[Row]:
    """Events that one process writes in a second."""
    for where, setting in (("SQLite", {}), ("PostgreSQL", {"NASCAR_STORAGE": postgres})):
        with _settings(**setting):
            instance = open_instance(str(work / f"events-{where}"))
            from nascar_assets.definitions import defs

            run = instance.create_run_for_job(defs.resolve_job_def("schedule_job"))
            began = time.perf_counter()
            for number in range(EVENTS):
                instance.report_engine_event(f"event {number}", run)
            seconds = time.perf_counter() - began
        yield _row(f"events a second of one process, {where}", EVENTS / seconds, "1/s")


def syncs(work: Path, shared: dict[str, str]) -> Iterator[Row]:
    """A whole sync on a folder, and on a bucket with PostgreSQL."""
    real = os.environ.get("NASCAR_REAL_DATA")
    if real:
        feed, seasons = Path(real) / "feed", "2023,2024,2025,2026"
    else:
        write_sample(generate_sample(1), work / "sample")
        feed, seasons = work / "sample" / "feed", "2024,2025,2026"
    words = ["sync", "--feed", str(feed), "--series", "cup", "--seasons", seasons, "--json"]
    took = {}
    for name, home, settings in (
        ("on a folder, SQLite", str(work / "home"), {}),
        (
            "on a folder, PostgreSQL",
            str(work / "again"),
            {"NASCAR_STORAGE": shared["NASCAR_STORAGE"]},
        ),
        (
            "on a bucket, PostgreSQL",
            "s3://nascar/bench",
            {**shared, "NASCAR_LOCAL": str(work / "local")},
        ),
    ):
        began = time.perf_counter()
        _nascar([*words, "--home", home], settings)
        took[name] = time.perf_counter() - began
        yield _row(f"sync {name}", took[name], "s")
    ratio = took["on a bucket, PostgreSQL"] / took["on a folder, SQLite"]
    yield _row("sync on bucket and PostgreSQL against folder and SQLite", ratio, "times", 2)
    races = len([*(work / "home/store/race_results").glob("*.parquet")])
    for part in ("landing", "store"):
        size = sum(
            path.stat().st_size for path in (work / "home" / part).rglob("*") if path.is_file()
        )
        yield _row(f"{part}, a season of 36 races", size / races * 36 / 1e6, "MB")
    records = sum(path.stat().st_size for path in (work / "home/dagster").glob("*.db"))
    yield _row(
        "Dagster's records of a sync, a season of 36 races", records / races * 36 / 1e6, "MB"
    )


def memory(work: Path, postgres: str) -> Iterator[Row]:
    """Resident memory of each kind of process on the synchronised home, once it is up."""
    with ExitStack() as stack:
        settings = {
            "NASCAR_STORAGE": postgres,
            "NASCAR_LAUNCHER": "celery",
            "NASCAR_BROKER": stack.enter_context(_server("broker.sh", "NASCAR_BROKER_HOME")),
            "NASCAR_API_SPARE_WORKERS": "0",
        }
        for number, (name, words) in enumerate(PARTS.items()):
            text = words.format(port=_free_port(), home=work / "again")
            process = subprocess.Popen(
                [sys.executable, "-c", NASCAR, *text.split()],
                env={**os.environ, **settings, "NASCAR_LOCAL": str(work / f"part-{number}")},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                yield _row(f"memory of {name}", _settled(process), "MB")
            finally:
                process.terminate()
                process.wait(60)


def _settled(process: Any) -> float:
    """Megabytes of a process and all that it started, once they have not grown for 20 seconds."""
    largest, since = 0.0, time.monotonic()
    while time.monotonic() < since + 20:
        time.sleep(1)
        if process.poll() is not None:
            raise RuntimeError(f"it ended with exit code {process.returncode}")
        if (now := resident(process.pid)) > 1.02 * largest:
            largest, since = now, time.monotonic()
    return largest


def space_of_jobs(work: Path) -> Iterator[Row]:
    """What a job of the API takes of the disk, and thus as many as are kept of 1,000 a day."""
    folder = work / "jobs"
    (home := folder / "home").mkdir(parents=True)
    with (
        _api(home, 0, UNLIMITED) as (port, _),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        _rate([client], JOBS)  # folders and tables are made
        before = _size(folder)
        _rate([client], KEPT_JOBS)
        each = (_size(folder) - before) / KEPT_JOBS
    yield _row("a job of the API, its files and records", each / 1e3, "kB")
    note = f"{A_DAY:,} a day for a year, of which {KEPT_DAYS} days are kept"
    yield _row("space of 365,000 jobs", each * A_DAY * KEPT_DAYS / 1e9, "GB", note=note)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _rate(clients: Sequence[httpx.Client], count: int) -> float:
    """Jobs a second of some servers, each asked in turn."""
    began = time.perf_counter()
    asked = [_ask(clients[n % len(clients)], optimize_body(1_000, n)) for n in range(count)]
    _until_ended(clients[0], asked)
    return count / (time.perf_counter() - began)


def portfolios(work: Path) -> Iterator[Row]:
    """Portfolios of one slate that one process chooses in a second: scenarios are read once.

    With what they win in contests. A process uses every core, so its rate is shared among them.
    """
    from nascar_assets.lineups import PortfolioSettings
    from nascar_assets.service.slate_work import choose_portfolio
    from nascar_assets.storage import DataRoot

    said = _nascar(["demo", "--home", str(work / "demo"), "--no-release", "--json"], {})
    import json

    root, slate = DataRoot.open(work / "demo/demo"), str(json.loads(said)["slate"])

    def one(number: int) -> float:
        began = time.perf_counter()
        choose_portfolio(
            root,
            slate,
            PortfolioSettings(lineups=20),
            f"benchmark-{number}",
            lambda *_: None,
            lambda _: None,
        )
        return time.perf_counter() - began

    first = one(0)
    times = [one(number) for number in range(1, PORTFOLIOS + 1)]
    yield _row("first portfolio of a process, 20 lineups", first, "s", note="compiles and reads")
    rate = 1 / statistics.median(times) / cores()
    yield _row("portfolios a second and core, 20 lineups", rate, "1/s", note="with their contests")


def two_servers(work: Path, postgres: str) -> Iterator[Row]:
    """Two API servers on one storage: how fast a status is, and who ends what a dead one had."""
    from nascar_assets_tests.service.conftest import request_body

    settings = {**UNLIMITED, "NASCAR_STORAGE": postgres}
    (work / "served").mkdir()
    with ExitStack() as stack:
        servers, clients = [], []
        for number in range(2):
            servers.append(stack.enter_context(_api(work / "served", number, settings)))
            url = f"http://127.0.0.1:{servers[-1][0]}"
            clients.append(stack.enter_context(httpx.Client(base_url=url, timeout=30)))
            _rate(clients, 2)  # compiles what is not in the kernels' cache
            name = ("one server", "two servers")[number]
            rate = _rate(clients, RATED_JOBS)
            yield _row(f"jobs a second, {name} with one worker each", rate, "1/s", note=SMALL)
        asked = [_ask(clients[n % 2], request_body(n_scenarios=200, seed=n)) for n in range(JOBS)]
        _until_ended(clients[0], asked)
        times = []
        for number in range(POLLS):
            began = time.perf_counter()
            clients[number % 2].get(
                f"/api/v1/optimize/{asked[number % JOBS]}/status"
            ).raise_for_status()
            times.append(1e3 * (time.perf_counter() - began))
        times.sort()
        yield _row("status, two servers on PostgreSQL, median", statistics.median(times), "ms")
        yield _row("status, two servers on PostgreSQL, p99", times[int(0.99 * POLLS)], "ms", 50)
        left = [
            _ask(clients[1], request_body(n_scenarios=2_000, seed=100 + n)) for n in range(JOBS)
        ]
        _end(servers[1][1])
        began = time.perf_counter()
        _until_ended(clients[0], left)
        note = "as of another host" if os.geteuid() == 0 else "of the same host"
        yield _row(
            f"a dead server's {JOBS} jobs, until all are done",
            time.perf_counter() - began,
            "s",
            30,
            note,
        )


def _ask(client: httpx.Client, body: dict[str, Any]) -> str:
    answer = client.post("/api/v1/optimize", json=body)
    answer.raise_for_status()
    return str(answer.json()["run_id"])


def _until_ended(client: httpx.Client, asked: list[str]) -> None:
    """Waits for jobs, one after the other: whoever asks after all at once measures his asking."""
    until = time.monotonic() + 600
    for run_id in asked:
        while (found := _status(client, run_id)) != "completed":
            if time.monotonic() > until or found not in {"pending", "running"}:
                raise RuntimeError(f"job {run_id} did not come to its end: {found}")
            time.sleep(0.1)


def _status(client: httpx.Client, run_id: str) -> str:
    return str(client.get(f"/api/v1/optimize/{run_id}/status").json()["status"])


@contextmanager
def _api(home: Path, number: int, settings: dict[str, str]) -> Iterator[tuple[int, Any]]:
    """A server with one worker; as root with a host's name of its own."""
    port = _free_port()
    other = ["unshare", "--uts", "sh", "-c", f'hostname bench-{number}; exec "$@"', "-"]
    words = ["serve", "--home", str(home), "--port", str(port), "--workers", "1", "--no-board"]
    process = subprocess.Popen(
        [*(other if os.geteuid() == 0 else []), sys.executable, "-c", NASCAR, *words],
        env={**os.environ, **settings, "NASCAR_LOCAL": str(home.parent / f"local-{number}")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 300
        while time.monotonic() < until:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        yield port, process
    finally:
        _end(process)


def _end(process: Any) -> None:
    """Ends a server and its workers at once."""
    for line in (Path("/proc") / str(process.pid) / "task").glob("*/children"):
        for pid in line.read_text().split():
            os.kill(int(pid), 9)
    process.kill()
    process.wait()


def _nascar(words: list[str], settings: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", NASCAR, *words],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return done.stdout


@contextmanager
def _server(script: str, setting: str) -> Iterator[str]:
    """A server of the project's scripts for the length of a block, by its address."""
    home = tempfile.mkdtemp(prefix="nascar-bench-")
    password = {"NASCAR_BROKER_PASSWORD": "benchmark-s-own"}
    environment = {**os.environ, **KEYS, **password, setting: home}
    command = ["bash", str(SCRIPTS / script)]
    if script == "s3.sh":
        subprocess.run([*command, "install"], check=True)
    said = subprocess.run(
        [*command, "start", str(_free_port())],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    try:
        yield said.stdout.strip()
    finally:
        subprocess.run([*command, "stop"], env=environment, check=True)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _settings(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _row(name: str, value: float, unit: str, target: float | None = None, note: str = "") -> Row:
    return {"name": name, "value": value, "unit": unit, "target": target, "note": note}
