"""The `nascar` program: its commands and the exit code of each kind of error."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from nascar_assets.cli import (
    constraints,
    contest,
    entries,
    export,
    forecast,
    home,
    ledger,
    live,
    ontology,
    slate,
    views,
)
from nascar_assets.cli.backtest import backtest
from nascar_assets.cli.board import board
from nascar_assets.cli.coverage import coverage
from nascar_assets.cli.demo import demo
from nascar_assets.cli.doctor import doctor
from nascar_assets.cli.output import Output, say
from nascar_assets.cli.portfolio import portfolio
from nascar_assets.cli.replay import replay
from nascar_assets.cli.serve import serve
from nascar_assets.cli.sync import sync
from nascar_assets.cli.track_record import track_record
from nascar_assets.cli.ui import ui
from nascar_assets.cli.worker import worker
from nascar_assets.errors import EnvironmentFault, InputError, full_disk
from nascar_assets.processes import let_ctrl_c_end_waits

_COMMANDS = (sync, portfolio, backtest, replay, coverage, doctor, ui, worker, demo, serve, board)
_CTRL_C = 130
"""What typer makes of a KeyboardInterrupt; no command ends with it otherwise."""

app = typer.Typer(
    name="nascar",
    help="Forecasts and lineups for NASCAR daily fantasy contests.\n\n"
    "Example: nascar slate run DKSalaries.csv",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        Output(as_json=False).line(f"nascar {metadata.version('nascar-assets')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    """Forecasts and lineups for NASCAR daily fantasy contests."""
    let_ctrl_c_end_waits()


for command in _COMMANDS:
    app.command()(command)
app.command("track-record")(track_record)
app.add_typer(slate.app, name="slate")
app.add_typer(forecast.app, name="forecast")
app.add_typer(live.app, name="live")
app.add_typer(export.app, name="export")
app.add_typer(home.app, name="home")
app.add_typer(ontology.app, name="ontology")
app.add_typer(constraints.app, name="constraints")
app.add_typer(entries.app, name="entries")
app.add_typer(contest.app, name="contest")
app.add_typer(ledger.app, name="ledger")
app.add_typer(views.app, name="views")


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    if threading.current_thread() is threading.main_thread():
        # SIGTERM ends a command as Ctrl-C does: its processes end too, and its run says so.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        result = app(list(arguments), standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        return _stopped()
    except typer.Exit as ended:
        return ended.exit_code
    except typer.TyperException as error:
        say(f"error: {error.format_message()}", "red")
        return 2
    except InputError as error:
        _say(error)
        return 2
    except EnvironmentFault as error:
        _say(error)
        return 1
    except (MemoryError, OSError) as error:
        _say(full_disk(error) or error)
        return 1
    except Exception as error:
        if fault := _of_storage(error) or full_disk(error):
            _say(fault)
            return 1
        _say(error)  # a defect: said in one line, the trace on request
        if os.environ.get("NASCAR_TRACE"):
            for line in traceback.format_exc().splitlines():
                say(line)
        else:
            say("Set NASCAR_TRACE=1 to see where it happened.")
        return 1
    except BaseException as error:
        if type(error).__name__ != "DagsterExecutionInterruptedError":
            raise
        return _stopped()
    if result == _CTRL_C:
        return _stopped()
    return result if isinstance(result, int) else 0


def _stopped() -> int:
    say("stopped")
    return 1


def _of_storage(error: Exception) -> EnvironmentFault | None:
    """What to say where Dagster's records lie on a server and that is away."""
    if "NASCAR_STORAGE" not in os.environ:
        return None
    from nascar_assets.orchestration.storage.postgres_storage import storage_fault

    return storage_fault(error)


def _say(error: BaseException) -> None:
    text = str(error) or type(error).__name__
    say(f"error: {text}", "red")
