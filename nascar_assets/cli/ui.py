"""`nascar ui`: Dagster's webserver and daemon on this home."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from typing import Annotated

import typer

from nascar_assets.cli.options import Home, Json
from nascar_assets.cli.output import Output, say

STOP_SECONDS = 15
"""Dagster ends within a few seconds of Ctrl-C, unless it was still starting its own processes."""


def ui(
    home: Home,
    host: Annotated[
        str, typer.Option(help="Address to listen on; whoever reaches it can run everything.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The webserver's port.")] = 3000,
    as_json: Json = False,
) -> None:
    """Starts the UI, with the schedules and sensors running, until it is stopped.

    With --json the object holds the address; it is printed once the UI answers there.

    Example: nascar ui --port 3000
    """
    from nascar_assets.orchestration.storage.instance import dagster_home

    environment = {
        **os.environ,
        "DAGSTER_HOME": str(dagster_home(home)),
        "NASCAR_HOME": home if "://" in home else os.path.abspath(home),
    }
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    address = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    where = f"Dagster on {address} with the data root {home}; Ctrl-C ends it."
    say(where)
    command = [
        sys.executable,
        "-m",
        "nascar_assets.orchestration.commands.ui_server",
        "dev",
        "--module-name",
        "nascar_assets.definitions",
        "--host",
        host,
        "--port",
        str(port),
    ]
    # What Dagster prints is for people: with --json it goes to standard error.
    process = subprocess.Popen(command, env=environment, stdout=sys.stderr if as_json else None)
    try:
        if as_json and _until_answers(process, address):
            Output(as_json).result({"address": address, "home": environment["NASCAR_HOME"]})
        code = process.wait()
    except KeyboardInterrupt:
        code = _ended(process)
    raise typer.Exit(1 if code > 0 else 0)


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Waits for Dagster, which Ctrl-C reached too; one that does not end is ended."""
    for end in (process.terminate, process.kill):
        try:
            return process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            end()
    return process.wait()


def _until_answers(process: subprocess.Popen[bytes], address: str) -> bool:
    """Waits for the webserver; false where its process ended before."""
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):
                return True
        except OSError:
            time.sleep(0.2)
    return False
