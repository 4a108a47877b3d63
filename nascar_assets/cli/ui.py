"""`nascar ui`: Dagster's webserver and daemon on this home."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from nascar_assets.cli.options import Home
from nascar_assets.cli.output import messages


def ui(
    home: Home,
    port: Annotated[int, typer.Option(help="The webserver's port on 127.0.0.1.")] = 3000,
) -> None:
    """Starts the UI, with the schedules and sensors running, until it is stopped.

    Example: nascar ui --port 3000
    """
    from nascar_assets.orchestration.storage.instance import dagster_home

    environment = {
        **os.environ,
        "DAGSTER_HOME": str(dagster_home(home)),
        "NASCAR_HOME": home if "://" in home else os.path.abspath(home),
    }
    messages.print(f"Dagster on http://127.0.0.1:{port} with the data root {home}; Ctrl-C ends it.")
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "--module-name",
        "nascar_assets.definitions",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, env=environment)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = process.wait()
    raise typer.Exit(1 if code > 0 else 0)
