"""Servers and workers that are killed, storage that goes away: no job is ever lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from nascar_assets_tests.service.conftest import SECRET, request_body

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


def _integrity(home: Path) -> None:
    """The databases that a killed server left behind are whole."""
    for path in (home / "dagster").rglob("*.db"):
        with sqlite3.connect(path) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.timeout(300 + 60 * ROUNDS)
def test_kills_at_random_moments_lose_no_job_and_change_no_lineup(make_server, receiver):
    """Every accepted job ends as completed, with the lineup of an undisturbed run.

    The databases are whole after each kill, and a webhook that was not delivered before the server
    died is delivered after it.
    """
    hook = receiver(500)  # the next try would come in a minute
    server = make_server(
        workers=2 if ROUNDS else 1,
        MAX_ATTEMPTS="20",
        WEBHOOK_SECRET=SECRET,
        WEBHOOK_PRIVATE="true",
        WEBHOOK_BACKOFF="60",
    ).start()
    undisturbed = {seed: server.result(server.submit(body)) for seed, body in BODIES.items()}
    notify = server.submit(request_body(webhook_url=hook.url))
    hook.wait(1)
    source = random.Random(20_260_215)
    kinds = ["worker", "server", "all"]
    rounds = kinds if not ROUNDS else [kinds[i % 3] for i in range(ROUNDS)]
    for who in rounds:
        jobs = {server.submit(body): seed for seed, body in BODIES.items()}
        time.sleep(source.uniform(0.0, 1.2))
        _kill(server, who, source)
        if who != "worker":
            _integrity(server.home)
            server.start(ready=False)
        for run_id, seed in jobs.items():
            result = server.result(run_id)
            assert result["lineups"] == undisturbed[seed]["lineups"], (who, seed)
        server.until_ready()
    hook.wait(2)
    assert json.loads(hook.got[1][1])["job"]["run_id"] == notify


def test_jobs_that_kill_their_worker_or_take_too_long_fail_with_the_reason(make_server):
    server = make_server(workers=1, MAX_ATTEMPTS="2", JOB_SECONDS="1.5").start()
    run_id = server.submit(request_body(drivers=40, n_scenarios=10_000))
    for _ in range(2):
        end = time.monotonic() + 120
        while server.status(run_id)["status"] != "running":
            assert time.monotonic() < end
            time.sleep(0.02)
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGKILL)
        while server.status(run_id)["status"] == "running":
            assert time.monotonic() < end
            time.sleep(0.02)
    status = server.ended(run_id)
    assert status["status"] == "failed"
    assert "worker died 2 times" in status["error"]
    settings = {"lineups": 500, "objective": "top_fraction"}
    long = request_body(drivers=50, n_scenarios=10_000, portfolio=settings)
    long["scenario_config"]["race_length"] = 500
    status = server.ended(server.submit(long))
    assert status["status"] == "failed"
    assert "limit of 1.5 seconds" in status["error"]
    # The next one runs, whatever became of those before it.
    assert server.ended(server.submit(request_body(n_scenarios=10)))["status"] == "completed"


def _small_disk(folder: Path, megabytes: int) -> tuple[str, ...]:
    """A command that runs another one with a small disk of its own on a folder; none if none can.

    Root mounts it; anybody else does in a name space of his own, where the system allows that.
    """
    mount = f'mount -t tmpfs -o size={megabytes}m none "$0" && exec "$@"'
    for own in (("--mount",), ("--mount", "--map-root-user")):
        command = ("unshare", *own, "sh", "-c", mount, str(folder))
        with contextlib.suppress(FileNotFoundError):
            if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
                return command
    return ()


def _fill(path: Path) -> None:
    """Writes a file until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def _unavailable(server, body, message: str) -> None:
    """POST says what is the matter, and /ready the same, then and a while later."""
    answer = server.post(body)
    assert answer.status_code == 503, answer.text
    assert (answer.json()["code"], answer.json()["message"]) == ("STORAGE_UNAVAILABLE", message)
    for seconds in (0, 3):
        time.sleep(seconds)
        ready = server.http.get("/ready")
        assert (ready.status_code, ready.json()["storage"]) == (503, message)
    assert int(answer.headers["Retry-After"]) > 0
    assert server.http.get("/health").status_code == 200


def test_storage_that_takes_no_more_makes_503_and_is_survived(make_server, tmp_path):
    """A folder that cannot be written, then a full disk: what was accepted before ends, what
    comes in the meantime is refused, and then all is well without a restart.
    """
    home = tmp_path / "home"
    home.mkdir()
    disk = _small_disk(home, 32)
    server = make_server(workers=1, within=disk).start()
    inside = Path(f"/proc/{server.process.pid}/root{home}") if disk else home
    body = request_body(n_scenarios=100)
    undisturbed = server.result(server.submit(body))["lineups"]
    folder, aside = inside / "api", inside / "api-aside"
    folder.rename(aside)
    folder.write_text("in the way")
    try:
        _unavailable(server, body, "The storage does not answer (StorageFault).")
    finally:
        folder.unlink()
        aside.rename(folder)
    assert server.result(server.submit(body))["lineups"] == undisturbed
    if not disk:
        pytest.skip("no file system can be mounted here: the full disk was not tried")
    running = server.submit(request_body(drivers=40, n_scenarios=10_000))
    _fill(inside / "filler")
    try:
        _unavailable(server, body, "The disk of the data root is full.")
        time.sleep(1.0)  # the job that runs meets the full disk, too
    finally:
        (inside / "filler").unlink()
    status = server.ended(running)
    assert status["status"] == "completed" or status["error"], status
    server.until_ready()
    assert server.result(server.submit(body))["lineups"] == undisturbed
    assert len(list((inside / "api").glob("*/request.json"))) == 4  # of taken requests alone
