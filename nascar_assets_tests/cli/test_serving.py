"""`nascar serve` and `nascar ui` with `--json`: one object with the address, then they go on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from nascar_assets.cli.app import run
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
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "nascar_assets.cli", *words, "--json"],
            env={**os.environ, "NASCAR_HOME": str(tmp_path / "home")},
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline() or b"{}")
            assert told["home"] == str(tmp_path / "home"), (tmp_path / "log").read_text()
            with urllib.request.urlopen(told["address"] + page, timeout=30) as answer:
                assert answer.status == 200
            assert process.poll() is None
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(timeout=60) == 0
            assert process.stdout.read() == b""
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=30)
            process.stdout.close()


def test_a_port_that_is_taken_is_the_machines_fault(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = ["serve", "--port", port, "--workers", "1", "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "nascar_assets.cli", *command],
            env={**os.environ, "NASCAR_HOME": str(tmp_path / "home")},
            capture_output=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    assert b"address already in use" in done.stderr
    assert done.stdout == b""


def test_a_new_key_is_one_object(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["serve", "--home", str(tmp_path), "--new-key", "ada", "--json"]) == 0
    made = json.loads(capfd.readouterr().out)
    assert made["line"].startswith("ada ")
    assert made["key"] not in made["line"]
