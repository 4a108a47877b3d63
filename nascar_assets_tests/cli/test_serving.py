"""`nascar serve` and `nascar ui` with `--json`: one object with the address, then they go on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from nascar_assets.cli.app import run
from nascar_assets.cli.options import listening, refuse_exposure
from nascar_assets.definitions import build_definitions
from nascar_assets.errors import EnvironmentFault
from nascar_assets.orchestration.commands.switches import summary, switches
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets_tests.orchestration.processes import free_port


@pytest.mark.server
@pytest.mark.parametrize(
    ("command", "page"),
    [
        (("serve", "--port", "0", "--workers", "1"), "/health"),
        (("ui", "--port", "{port}"), "/server_info"),
    ],
    ids=["serve", "ui"],
)
def test_the_address_is_told_once_it_answers(
    command: tuple[str, ...], page: str, tmp_path: Path
) -> None:
    words = [word.format(port=free_port()) for word in command]
    for name in ("gql", "dagster", "polars"):  # no file of the current folder is run
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a stranger ran')")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("nascar")), *words, "--json"],
            env={**os.environ, "NASCAR_HOME": str(tmp_path / "home")},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            notify = json.loads(process.stdout.readline() or b"{}")
            assert notify["home"] == str(tmp_path / "home"), (tmp_path / "log").read_text()
            with urllib.request.urlopen(notify["address"] + page, timeout=30) as answer:
                assert answer.status == 200
            assert process.poll() is None
            if command[0] == "ui":
                said = (tmp_path / "log").read_text()
                assert said.startswith("Sensors and schedules. On: alerts, failed_runs, "), said
                assert all(notify["switches"].values())
                assert "Nothing is off." in said
                assert "Warning" not in said
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(timeout=60) == 0
            assert process.stdout.read() == b""
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=30)
            process.stdout.close()


def of_home(home: Path) -> dict[int, str]:
    """The processes that were started for a home, by their environment, with their commands."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if f"NASCAR_HOME={home}\0".encode() in (folder / "environ").read_bytes() and command:
                found[int(folder.name)] = command
    return found


@pytest.mark.server
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("command", "number"),
    [("ui", signal.SIGTERM), ("ui", signal.SIGKILL), ("ui", None), ("serve", signal.SIGKILL)],
)
def test_nothing_that_was_started_is_left_however_the_command_ends(
    command: str, number: int | None, tmp_path: Path
) -> None:
    """Without a signal it is the webserver that dies: the command says so and ends as well."""
    home = tmp_path / "home"
    begun = {"ui": "code-server", "serve": "service.worker"}[command]
    begun = begun if number else "ui_server --port"
    words = [sys.executable, "-m", "nascar_assets.cli", command, "--port", str(free_port())]
    environment = {**os.environ, "NASCAR_HOME": str(home), "NASCAR_API_WORKERS": "1"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 240
        while begun not in " ".join(of_home(home).values()):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < end, (tmp_path / "log").read_text()
            time.sleep(0.1)
        if command == "ui" and number == signal.SIGTERM:
            assert run(["ui", "--home", str(home), "--port", str(free_port())]) == 1
        if number is None:
            (served,) = (pid for pid, words in of_home(home).items() if begun in words)
            os.kill(served, signal.SIGKILL)
            assert process.wait(timeout=60) == 1
            assert "ended by itself" in (tmp_path / "log").read_text()
        else:
            process.send_signal(number)
            process.wait(timeout=60)
        end = time.monotonic() + 60  # 15 s where the machine has nothing else to do
        while left := of_home(home):
            assert time.monotonic() < end, left
            time.sleep(0.1)
    finally:
        for pid in of_home(home):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        process.wait(timeout=30)


@pytest.mark.parametrize("command", ["serve", "ui"])
def test_no_port_of_another_is_taken(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nascar_assets.service.app.create_app", pytest.fail)  # nothing is started
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert run([command, "--home", str(tmp_path / "home"), "--port", port, "--json"]) == 1
    found = capfd.readouterr()
    assert found.out == ""
    said = " ".join(found.err.split())
    assert f"Nothing can listen on 127.0.0.1, port {port}" in said
    assert "--port" in said


class Stranger(BaseHTTPRequestHandler):
    """Answers as the UI of another home does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("x-nascar-ui", "of another")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_a_server_that_took_the_port_meanwhile_is_not_believed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, start = free_port(), subprocess.Popen
    until_its_input_ends = "import select, sys; select.select([sys.stdin], [], [], 30)"
    with contextlib.ExitStack() as stack:

        def keeper(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
            stranger = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", port), Stranger))
            threading.Thread(target=stranger.serve_forever, args=(0.01,)).start()
            stack.callback(stranger.shutdown)
            return start([sys.executable, "-c", until_its_input_ends], **options)

        monkeypatch.setattr("nascar_assets.cli.ui.subprocess.Popen", keeper)
        words = ["ui", "--home", str(tmp_path / "home"), "--port", str(port), "--json"]
        assert run(words) == 1
    found = capfd.readouterr()
    assert found.out == ""
    said = " ".join(found.err.split())
    assert f"Nothing can listen on 127.0.0.1, port {port} (another server" in said
    assert "--port" in said
    assert "Dagster on" not in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", ""])
def test_an_address_is_held_with_all_that_it_stands_for(host: str) -> None:
    with listening(host, 0) as sockets:
        assert sockets
        ports = [made.getsockname()[1] for made in sockets]
        with pytest.raises(EnvironmentFault, match="--port"), listening(host, ports[0]):
            pass
    assert all(made.fileno() == -1 for made in sockets)


@pytest.mark.slow
def test_a_switched_off_sensor_is_told(tmp_path: Path) -> None:
    instance = open_instance(str(tmp_path))
    definitions = build_definitions()
    sensor = definitions.get_repository_def().get_sensor_def("feed_poll")
    instance.add_instigator_state(
        InstigatorState(
            RemoteInstigatorOrigin(
                RemoteRepositoryOrigin(
                    ManagedGrpcPythonEnvCodeLocationOrigin(
                        LoadableTargetOrigin(module_name="nascar_assets.definitions")
                    ),
                    "__repository__",
                ),
                sensor.name,
            ),
            InstigatorType.SENSOR,
            InstigatorStatus.STOPPED,
        )
    )
    on = switches(definitions, instance)
    assert [name for name, is_on in on.items() if not is_on] == ["feed_poll"]
    assert "Off: feed_poll;" in summary(on)
    assert "feed_poll" not in summary(on).partition("Off:")[0]


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.0.2.1", "192.0.2.1.", "no.such.invalid"]
)
@pytest.mark.parametrize("command", ["serve", "ui"])
def test_other_machines_are_let_in_only_where_that_is_said(
    command: str,
    host: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NASCAR_API_KEYS_FILE", "")  # as Compose passes on what nobody set
    assert run([command, "--home", str(tmp_path / "home"), "--host", host, "--port", "0"]) == 2
    said = " ".join(capfd.readouterr().err.split())
    assert "--host: Other machines reach" in said
    assert ("--new-key" if command == "serve" else "a server with a login") in said
    assert "--expose" in said
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.1"])
def test_this_machine_alone_is_no_exposure(host: str) -> None:
    refuse_exposure(host, "nobody", "Nothing")


def test_a_new_key_is_one_object(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["serve", "--home", str(tmp_path), "--new-key", "ada", "--json"]) == 0
    made = json.loads(capfd.readouterr().out)
    assert made["line"].startswith("ada ")
    assert made["key"] not in made["line"]


@pytest.mark.parametrize("name", ["bad name", "", "ada\n", "#ada", "x" * 65])
def test_a_key_gets_no_name_that_its_file_may_not_hold(
    name: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["serve", "--home", str(tmp_path), "--new-key", name]) == 2
    said = capfd.readouterr()
    assert "--new-key" in said.err
    assert said.out == ""
