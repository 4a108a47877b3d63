"""Benchmarks of the HTTP API: a real server and real workers, the load from another process."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

SECONDS = float(os.environ.get("NASCAR_BENCH_API_SECONDS", "20"))
JOBS = int(os.environ.get("NASCAR_BENCH_API_JOBS", "1000"))
"""Jobs of the memory benchmark."""
POST = "/api/v1/optimize"


def rows() -> Iterator[dict[str, Any]]:
    """What this group measures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "home") as (url, process),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield from _single_jobs(client)
        yield from _posts(url, client)
        yield from _polls(url, client)
        yield from _burst(client)
        yield from _memory(client, process.pid)


def optimize_body(
    n_scenarios: int, seed: int, drivers: int = 40, laps: int = 267
) -> dict[str, Any]:
    return {
        "slate_id": "bench",
        "drivers": [
            {
                "driver_id": f"driver-{i}",
                "salary": 4_500 + 160 * i,
                "skill": round(0.05 + 0.9 * i / drivers, 3),
                "aggression": 0.5,
                "shadow_risk": 0.5,
            }
            for i in range(drivers)
        ],
        "scenario_config": {
            "track_id": "42",
            "n_scenarios": n_scenarios,
            "race_length": laps,
            "field_size": drivers,
        },
        "random_seed": seed,
    }


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server on a data root, its address and its process, once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "NASCAR_API_RATE_LIMIT": "",
        "NASCAR_API_POLL_LIMIT": "",
        "NASCAR_API_MAX_QUEUED": "100000",
        "NASCAR_API_LOG_LEVEL": "WARNING",
    }
    code = "import sys; from nascar_assets.cli.app import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "serve", "--home", str(home)]
    process = subprocess.Popen(
        [*command, "--port", str(port)], env=environment, stdout=sys.stderr.fileno()
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(3_000):
            try:
                if httpx.get(f"{url}/ready").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield url, process
    finally:
        process.terminate()
        process.wait(timeout=30)


def load(url: str, **asked: Any) -> dict[str, Any]:
    """What the load generator measured."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.service_load"],
        input=json.dumps({"url": url, **asked}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def _wait(client: httpx.Client, run_id: str) -> str:
    while True:
        status = str(client.get(f"{POST}/{run_id}/status").json()["status"])
        if status not in ("pending", "running"):
            return status
        time.sleep(0.005)


def _single_jobs(client: httpx.Client) -> Iterator[dict[str, Any]]:
    """From POST to completed, one job at a time."""
    cases: list[tuple[str, dict[str, Any], int, float, int]] = [
        ("1,000 scenarios, 40 drivers, 267 laps, one lineup", {}, 1_000, 0.8, 9),
        ("10,000 scenarios, 20 lineups", {"portfolio": {"lineups": 20}}, 10_000, 3.0, 3),
    ]
    for name, more, n_scenarios, target, repeats in cases:
        taken = []
        for seed in range(1, repeats + 1):
            begun = time.perf_counter()
            answer = client.post(POST, json=optimize_body(n_scenarios, seed) | more)
            status = _wait(client, answer.json()["run_id"])
            taken.append(time.perf_counter() - begun)
            if status != "completed":
                raise RuntimeError(f"{name}: the job is {status}")
        yield {
            "name": f"job: {name}, POST to completed (median)",
            "value": round(statistics.median(taken), 3),
            "unit": "s",
            "target": target,
        }


def _posts(url: str, client: httpx.Client) -> Iterator[dict[str, Any]]:
    """POST at 20 a second, with the jobs of these requests running."""
    made = load(url, method="POST", path=POST, body=optimize_body(100, 1), rate=20, seconds=SECONDS)
    yield from percentiles("POST at 20/s with jobs running", made, ((50, 25.0), (99, 100.0)))
    ends = [_wait(client, run_id) for run_id in made["run_ids"]]
    yield {
        "name": "jobs of these requests that did not complete",
        "value": sum(end != "completed" for end in ends),
        "unit": "jobs",
        "target": 0,
    }


def _polls(url: str, client: httpx.Client) -> Iterator[dict[str, Any]]:
    """Status at 100 a second, of a job that waits behind others that run."""
    ids = []
    for seed in range(int(6 * SECONDS)):
        ids.append(client.post(POST, json=optimize_body(5_000, seed + 1)).json()["run_id"])
    made = load(
        url, method="GET", path=f"{POST}/{ids[-1]}/status", body=None, rate=100, seconds=SECONDS
    )
    yield from percentiles("status at 100/s with jobs running", made, ((99, 50.0),))
    for run_id in ids:
        client.delete(f"{POST}/{run_id}")
    for run_id in ids:
        _wait(client, run_id)


def percentiles(
    name: str, made: dict[str, Any], wanted: tuple[tuple[int, float], ...]
) -> Iterator[dict[str, Any]]:
    shares = statistics.quantiles([1_000 * value for value in made["seconds"]], n=100)
    refused = sum(status != 200 for status in made["statuses"])
    for percent, target in wanted:
        yield {
            "name": f"{name}, p{percent}",
            "value": round(shares[percent - 1], 1),
            "unit": "ms",
            "target": target,
            "note": f"{len(made['seconds'])} requests, {refused} not answered with 200",
        }


def _burst(client: httpx.Client) -> Iterator[dict[str, Any]]:
    """100 jobs at once: all complete, and begin in the order in which they came."""
    begun = time.perf_counter()
    ids = [
        client.post(POST, json=optimize_body(100, seed)).json()["run_id"] for seed in range(1, 101)
    ]
    ends = [_wait(client, run_id) for run_id in ids]
    yield {
        "name": "100 jobs submitted at once, all completed",
        "value": sum(end == "completed" for end in ends),
        "unit": "jobs",
        "target": 100,
        "note": f"{time.perf_counter() - begun:.1f} s",
    }


def _memory(client: httpx.Client, pid: int) -> Iterator[dict[str, Any]]:
    """Resident memory of server and workers after many jobs, against that after the first 100."""
    after_first = 0.0
    for number in range(1, JOBS + 1):
        run_id = client.post(POST, json=optimize_body(100, number, drivers=12, laps=60)).json()[
            "run_id"
        ]
        if number % 20 == 0 or number == JOBS:
            _wait(client, run_id)
        if number == 100:
            time.sleep(1.0)
            after_first = resident(pid)
    growth = 100.0 * (resident(pid) / after_first - 1.0) if after_first else float("nan")
    yield {
        "name": f"growth of memory from job 100 to job {JOBS}",
        "value": round(growth, 1),
        "unit": "%",
        "target": 10.0,
        "note": f"{resident(pid):.0f} MB in server and workers",
    }


def resident(pid: int) -> float:
    """Megabytes of a process and all that it started, without those that have just ended."""
    total = 0.0
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) / 1024
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            total += sum(resident(int(child)) for child in task.read_text().split())
    return total
