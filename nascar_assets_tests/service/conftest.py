"""Real servers in processes of their own, with real workers, for the tests of the service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.processes import free_port
from nascar_assets_tests.service.stored import write_slate

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 240.0
SECRET = "a secret of these tests alone"


class Server:
    """`nascar serve` on a data root.

    Args:
        home: The data root.
        workers: How many.
        within: A command that runs the server as its own last arguments.
        board: Whether the slate board is served, too.
        first: Code that the server's process runs before anything else.
        settings: Settings of the service without their prefix; others by their whole name.
    """

    def __init__(
        self,
        home: Path,
        workers: int = 1,
        within: tuple[str, ...] = (),
        board: bool = False,
        first: str = "",
        **settings: str,
    ) -> None:
        self.home = home
        self.board = board
        self.first = first
        self.within = within
        self.workers = workers
        # A spare worker takes as long to start as the one that a test waits for.
        spare = {"SPARE_WORKERS": "0"}
        self.settings = {"RATE_LIMIT": "", "POLL_LIMIT": "", **spare, **settings}
        self.process: subprocess.Popen[bytes] | None = None
        self.log = home.parent / f"{home.name}.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=30)

    def start(self, *, ready: bool = True) -> Server:
        own = {name: value for name, value in self.settings.items() if name.startswith("NASCAR_")}
        api = {f"NASCAR_API_{k}": v for k, v in self.settings.items() if k not in own}
        inherited = {
            name: value
            for name, value in os.environ.items()
            # Compiling every module anew would take most of the time that a start takes.
            if not name.startswith("NASCAR_API_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        # Jobs take as long on a machine of many cores as on one of few.
        one = {"NUMBA_NUM_THREADS": "1"}
        code = "import sys; from nascar_assets.cli.app import run; sys.exit(run(sys.argv[1:]))"
        code = f"{self.first}\n{code}"
        command = [*self.within, sys.executable, "-c", code, "serve", "--home", str(self.home)]
        command += ["--port", str(self.port), "--workers", str(self.workers)]
        command += [] if self.board else ["--no-board"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=PROJECT, env={**inherited, **one, **own, **api}, stdout=log, stderr=log
            )
        self.until_answers()
        if ready:
            self.until_ready()
        return self

    def until_answers(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            try:
                if self.http.get("/health").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text()[-3000:])

    def until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.http.get("/ready").status_code == 200:
                return
            time.sleep(0.1)
        raise AssertionError(self.log.read_text()[-3000:])

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=30)
        self.http.close()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=30)

    def worker_pids(self) -> list[int]:
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task")
        pids: list[int] = []
        for task in children.iterdir():
            pids += [int(pid) for pid in (task / "children").read_text().split()]
        return pids

    def post(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        return self.http.post("/api/v1/optimize", json=body, headers=headers)

    def submit(self, body: dict[str, Any], **headers: str) -> str:
        answer = self.post(body, **headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["run_id"])

    def status(self, run_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/api/v1/optimize/{run_id}/status")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, run_id: str, timeout: float = 120.0) -> dict[str, Any]:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            status = self.status(run_id)
            if status["status"] not in ("pending", "running"):
                return status
            time.sleep(0.05)
        raise AssertionError(f"{self.status(run_id)}\n{self.log.read_text()[-3000:]}")

    def result(self, run_id: str) -> dict[str, Any]:
        status = self.ended(run_id)
        assert status["status"] == "completed", status
        answer = self.http.get(f"/api/v1/optimize/{run_id}/result")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def request_body(
    drivers: int = 10, n_scenarios: int = 100, seed: int | None = 7, **changes: Any
) -> dict[str, Any]:
    """A complete request for a slate that nobody knows; 10 laps of work."""
    body: dict[str, Any] = {
        "slate_id": "unheard-of",
        "drivers": [
            {
                "driver_id": f"driver-{i}",
                "name": f"Driver {i}",
                "salary": 5_000 + 500 * i,
                "skill": round(0.95 - 0.9 * i / drivers, 3),
                "aggression": 0.5,
                "shadow_risk": 0.5,
            }
            for i in range(drivers)
        ],
        "scenario_config": {
            "track_id": "daytona",
            "n_scenarios": n_scenarios,
            "race_length": 60,
            "field_size": max(12, drivers),
        },
    }
    if seed is not None:
        body["random_seed"] = seed
    return json.loads(json.dumps(body | changes))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One server for all tests that only talk to it."""
    made = Server(
        tmp_path_factory.mktemp("api") / "home",
        workers=1,
        WEBHOOK_SECRET=SECRET,
        WEBHOOK_PRIVATE="true",
        WEBHOOK_BACKOFF="0.1",
        MAX_QUEUED="10000",
        TRUSTED_PROXIES="127.0.0.1",
    )
    write_slate(DataRoot(made.home))
    yield made.start()
    made.stop()


@pytest.fixture
def make_server(tmp_path: Path) -> Any:
    """Makes servers of a test's own, stopped when it ends."""
    made: list[Server] = []

    def make(name: str = "home", **settings: Any) -> Server:
        made.append(Server(tmp_path / name, **settings))
        return made[-1]

    yield make
    for server in made:
        server.stop()


class Receiver:
    """A real HTTP server that answers as it is told and keeps what it got."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[tuple[dict[str, str], bytes, str]] = []
        answers = list(statuses)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body, self.path))
                self.send_response(answers.pop(0) if answers else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            do_GET = do_POST  # a followed redirect would come as one of these

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://localhost:{self.server.server_port}/hook?a=1"

    def wait(self, count: int) -> None:
        end = time.monotonic() + 30
        while len(self.got) < count:
            assert time.monotonic() < end, self.got
            time.sleep(0.02)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    made = []

    def make(*statuses):
        made.append(Receiver(*statuses))
        return made[-1]

    yield make
    for item in made:
        item.close()
