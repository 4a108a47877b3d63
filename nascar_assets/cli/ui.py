"""`nascar ui`: Dagster's webserver and daemon on this home."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Literal

import typer

from nascar_assets.cli.location import code_location
from nascar_assets.cli.options import Expose, Home, Json, listening, not_free, refuse_exposure
from nascar_assets.cli.output import Output, say
from nascar_assets.cli.ui_keeper import notify_runs, running, sole
from nascar_assets.errors import EnvironmentFault
from nascar_assets.processes import KILL, signal_session

STOP_SECONDS = 14
"""How long what was started may take to end; a little more than `ui_keeper` gives it."""


def ui(
    home: Home,
    host: Annotated[
        str, typer.Option(help="Address to listen on; whoever reaches it can run everything.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The webserver's port.")] = 3000,
    expose: Expose = False,
    only: Annotated[
        Literal["webserver", "daemon"] | None,
        typer.Option(
            help="One part alone, where each has a host or a container of its own, with a "
            "NASCAR_LOCAL of its own."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Starts the UI, with the schedules and sensors running, until it is stopped.

    First it says which sensors and schedules are on; the address once the UI answers there, with
    --json as an object.

    Example: nascar ui --port 3000
    """
    from nascar_assets.orchestration.automation.clock import refresh_cron
    from nascar_assets.orchestration.commands.host_names import known_hosts
    from nascar_assets.orchestration.commands.switches import summary, switches
    from nascar_assets.orchestration.runs import LOCATION
    from nascar_assets.orchestration.storage.instance import dagster_home, open_instance

    if not expose:
        refuse_exposure(
            host,
            "the UI has no login: everybody there may run everything",
            "Put a server with a login before it, here, and name it in NASCAR_UI_HOSTS",
        )
    known_hosts(host)  # what no request can match is said before anything is made
    folder = dagster_home(home)
    refresh_cron()  # without it no schedule can be loaded
    sole(folder).release()
    if only != "daemon":
        with listening(host, port):  # else the pages of another would be taken for Dagster's
            pass
    instance = open_instance(home)  # says what is the matter with its records before it starts
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder),
        "PYTHONSAFEPATH": "1",  # modules come from the installation, none from the current folder
        "_NASCAR_UI_MARK": secrets.token_hex(),
        "NASCAR_HOME": home if "://" in home else os.path.abspath(home),
    }
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    address = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    environment.setdefault("NASCAR_UI_URL", address)  # notices link to it
    command = [sys.executable, "-m", "nascar_assets.cli.ui_keeper", str(folder), str(os.getpid())]
    module, where = ["--module-name", LOCATION], ["--host", host, "--port", str(port)]
    if only == "daemon":
        command += ["daemon", "run", *module]
    else:
        command += [*([] if only else ["dev"]), *module, *where]
    # What Dagster prints is for people: with --json it goes to standard error.
    keeper = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=sys.stderr if as_json else None,
        start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the others
    )
    try:
        on = switches(code_location(home)(), instance)
        instance.dispose()
        say(f"Sensors and schedules. {summary(on)}")
        if only == "daemon":
            say(f"Dagster's daemon with the data root {home}; Ctrl-C ends it.")
        elif (own := _until_answers(keeper, address, environment["_NASCAR_UI_MARK"])) is False:
            raise not_free(host, port, "another server has taken it meanwhile")
        elif own:
            say(f"Dagster on {address} with the data root {home}; Ctrl-C ends it.")
            if as_json:
                found = {"address": address, "home": environment["NASCAR_HOME"], "switches": on}
                Output(as_json).result(found)
        code = keeper.wait()
    except KeyboardInterrupt:
        code = 0
    finally:
        _end(keeper, folder)
    if code:
        raise EnvironmentFault(
            f"Dagster's webserver or daemon ended by itself (exit code {code}), so nascar ui ends "
            "too. What it printed last, above, says why."
        )


def _end(keeper: subprocess.Popen[bytes], folder: Path) -> None:
    """Ends the keeper with all that it keeps, and what it left where it was killed itself."""
    assert keeper.stdin is not None
    keeper.stdin.close()
    try:
        killed = keeper.wait(STOP_SECONDS) < 0
    except subprocess.TimeoutExpired:
        keeper.kill()
        killed = True
    left = running(folder)
    if killed and left.get("pid") == os.getpid():
        signal_session(int(left["session"]), KILL)
    notify_runs(folder)


def _until_answers(process: subprocess.Popen[bytes], address: str, mark: str) -> bool | None:
    """Waits for the webserver; false where another one answers, none where its process ended."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while process.poll() is None:
        try:
            with direct.open(f"{address}/server_info", timeout=5) as answer:
                return bool(answer.headers["x-nascar-ui"] == mark)
        except (OSError, HTTPException):
            time.sleep(0.2)
    return None
