"""Servers and workers that are killed, storage that goes away: no job is ever lost."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from nascar_assets_tests.service.conftest import request_body

pytestmark = pytest.mark.faults

ROUNDS = int(os.environ.get("NASCAR_FAULT_ROUNDS", "0"))
SEEDS = (101, 102, 103, 104)
BODIES = {seed: request_body(drivers=20, n_scenarios=3_000, seed=seed) for seed in SEEDS}


def _kill(server, who: str, source: random.Random) -> None:
    """`kill -9` of the server, of a worker, or of all at once."""
    workers = server.worker_pids()
    victims = {
        "server": [server.process.pid],
        "worker": [source.choice(workers)],
        "all": [server.process.pid, *workers],
    }[who]
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    if who != "worker":
        server.process.wait(timeout=30)


def test_kills_at_random_moments_lose_no_job_and_change_no_lineup(make_server):
    """Every accepted job ends as completed, with the lineup of an undisturbed run."""
    server = make_server(workers=2, MAX_ATTEMPTS="20").start()
    undisturbed = {seed: server.result(server.submit(body)) for seed, body in BODIES.items()}
    source = random.Random(20_260_215)
    kinds = ["worker", "server", "all"]
    rounds = kinds if not ROUNDS else [kinds[i % 3] for i in range(ROUNDS)]
    for who in rounds:
        jobs = {server.submit(body): seed for seed, body in BODIES.items()}
        time.sleep(source.uniform(0.0, 1.2))
        _kill(server, who, source)
        if who != "worker":
            server.start(ready=False)
        for run_id, seed in jobs.items():
            result = server.result(run_id)
            assert result["lineups"] == undisturbed[seed]["lineups"], (who, seed)
        server.until_ready()


def test_a_job_that_always_kills_its_worker_fails_with_the_reason(make_server):
    server = make_server(workers=1, MAX_ATTEMPTS="2").start()
    run_id = server.submit(request_body(drivers=40, n_scenarios=10_000))
    for _ in range(2):
        end = time.monotonic() + 120
        while server.status(run_id)["status"] != "running":
            assert time.monotonic() < end
        os.kill(server.worker_pids()[0], signal.SIGKILL)
        while server.status(run_id)["status"] == "running":
            assert time.monotonic() < end
    status = server.ended(run_id)
    assert status["status"] == "failed"
    assert "worker died 2 times" in status["error"]


def test_a_job_past_its_time_limit_fails_and_the_next_one_runs(make_server):
    server = make_server(workers=1, JOB_SECONDS="2").start()
    long = request_body(drivers=50, n_scenarios=10_000, portfolio={"lineups": 150})
    long["scenario_config"]["race_length"] = 500
    run_id = server.submit(long)
    status = server.ended(run_id)
    assert status["status"] == "failed"
    assert "limit of 2 seconds" in status["error"]
    assert server.ended(server.submit(request_body(n_scenarios=10)))["status"] == "completed"


def test_a_folder_that_cannot_be_written_makes_503_and_is_survived(make_server):
    """The service says so, lives, and goes on by itself."""
    server = make_server(workers=1).start()
    done = server.submit(request_body(n_scenarios=10))
    server.ended(done)
    folder = server.home / "api"
    aside = server.home / "api-aside"
    folder.rename(aside)
    folder.write_text("in the way")  # every write of a request fails
    try:
        answer = server.post(request_body())
        assert answer.status_code == 503
        assert answer.json()["code"] == "STORAGE_UNAVAILABLE"
        assert int(answer.headers["Retry-After"]) > 0
        assert server.http.get("/health").status_code == 200
    finally:
        folder.unlink()
        aside.rename(folder)
    assert server.ended(server.submit(request_body(n_scenarios=10)))["status"] == "completed"


def _small_disk(folder, megabytes: int) -> tuple[str, ...]:
    """A command that runs another one with a small disk of its own mounted on a folder."""
    mount = f'mount -t tmpfs -o size={megabytes}m none "$0" && exec "$@"'
    for own in (("--mount",), ("--mount", "--map-root-user")):
        command = ("unshare", *own, "sh", "-c", mount, str(folder))
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    pytest.skip("no file system can be mounted here, not even in a name space of its own")


def _fill(path: Path) -> None:
    """Writes a file until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is part of Linux")
def test_a_full_disk_makes_503_and_is_survived(make_server, tmp_path):
    """What was accepted before ends; what comes in the meantime is refused; then all is well."""
    home = tmp_path / "home"
    home.mkdir()
    server = make_server(workers=1, within=_small_disk(home, 32)).start()
    body = request_body(n_scenarios=100)
    undisturbed = server.result(server.submit(body))
    running = server.submit(request_body(drivers=40, n_scenarios=10_000))
    filler = Path(f"/proc/{server.process.pid}/root{home}/filler")
    _fill(filler)
    try:
        answer = server.post(body)
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] == "STORAGE_UNAVAILABLE"
        assert int(answer.headers["Retry-After"]) > 0
        assert server.http.get("/health").status_code == 200
        time.sleep(1.0)  # the job that runs meets the full disk, too
    finally:
        filler.unlink()
    status = server.ended(running)
    assert status["status"] == "completed" or status["error"], status
    assert server.result(server.submit(body))["lineups"] == undisturbed["lineups"]
    assert server.http.get("/ready").status_code == 200


def test_the_store_of_runs_is_whole_after_a_kill(make_server):
    server = make_server(workers=1).start()
    server.submit(request_body(drivers=40, n_scenarios=10_000))
    server.kill()
    for path in (server.home / "dagster").rglob("*.db"):
        with sqlite3.connect(path) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
