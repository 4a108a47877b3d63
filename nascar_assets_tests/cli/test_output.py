"""What people typed is printed as they typed it; nothing in it is taken for markup."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sqlite3
import sys
import time
from contextlib import closing

import pytest
import sqlalchemy

from nascar_assets import cli
from nascar_assets.cli import app
from nascar_assets.cli.output import Output
from nascar_assets.errors import ROOM


def test_a_stopped_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def signalled() -> None:
        os.kill(os.getpid(), signal.SIGTERM)  # as Ctrl-C, which a shell may have ignored
        time.sleep(10)

    monkeypatch.setattr(app, "let_ctrl_c_end_waits", signalled)  # within the command
    assert app.run(["doctor"]) == 1
    assert capsys.readouterr().err == "stopped\n"


def test_a_command_that_is_stopped_while_it_is_loaded_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Loading:
        def __getattr__(self, name: str) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # as it was, afterwards
    monkeypatch.setitem(sys.modules, "nascar_assets.cli.app", Loading())  # type: ignore[arg-type]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whatever stood before
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == "stopped"  # Python prints it on standard error, and the code is 1


def test_output_that_is_closed_or_lacks_letters_is_no_defect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def printed() -> None:
        cli._open_streams()
        Output(as_json=True).result({"name": "Suárez"})
        Output(as_json=False).file("Suárez")

    monkeypatch.setattr(sys, "stdout", None)
    printed()
    with closing(sys.stdout) as nowhere:
        assert nowhere.name == os.devnull
    letters = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(letters, encoding="ascii"))
    printed()
    first, second = letters.getvalue().decode("ascii").splitlines()
    assert json.loads(first) == {"name": "Suárez"}
    assert second == "Su\\xe1rez"


FULL = sqlite3.OperationalError("database or disk is full")
NO_ROOM = sqlite3.OperationalError("disk I/O error")  # what the first process of a home is told
NO_ROOM.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
NOT_OPENED = sqlalchemy.exc.OperationalError("PRAGMA", {}, NO_ROOM)
NOT_OPENED.__cause__ = NO_ROOM  # as SQLAlchemy raises it


@pytest.mark.parametrize(
    "error",
    [
        sqlalchemy.exc.OperationalError("INSERT", {}, FULL),
        NOT_OPENED,
        OSError(errno.ENOSPC, "full"),
    ],
)
def test_a_full_disk_is_told_with_what_to_do(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(app, "let_ctrl_c_end_waits", fail)
    assert app.run(["doctor"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: The disk is full: ")
    assert said.endswith(f". {ROOM}\n")
    assert "SQL:" not in said


@pytest.mark.parametrize("text", ["see [/notes]", "slow [engine]", "/srv/x [prod]", "[red]"])
def test_brackets_are_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).line(text)
    Output(as_json=False).notice(text)
    said = capsys.readouterr()
    assert said.out == f"{text}\n"
    assert text in said.err


WIDE = [("Christopher Alexander Longlastname III", 10_500, 45.25), ("Al Ho", 4_900, None)]


def test_names_stand_whole_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Headings wrap, columns that may go are left out and named, nothing is cut."""
    columns = ["driver", "salary", "mean points", *(f"number {i}" for i in range(5))]
    rows = [[*row, *([100.25] * 5)] for row in WIDE]
    Output(as_json=False).table("Forecast", columns, rows, spare=("number 3", "number 4"))
    said = capsys.readouterr().out
    assert all(len(line.rstrip()) <= 80 for line in said.splitlines())
    assert all(row[0] in said for row in WIDE)
    assert "left out for want of width: number 3" in said
    assert "10,500" in said
    assert "45.25" in said


def test_a_key_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    key = "2026-02-15-cup-dk-classic-" + "x" * 90
    Output(as_json=False).table("Slates", ["slate", "state"], [[key, "ready"]], text=2)
    assert f"{key} ready" in capsys.readouterr().out


def test_what_may_wrap_wraps(capsys: pytest.CaptureFixture[str]) -> None:
    drivers = ", ".join(f"Driver Number{i}" for i in range(6))
    Output(as_json=False).table("L", ["", "drivers"], [["1", drivers]], text=2, wraps=["drivers"])
    said = capsys.readouterr().out
    assert all(len(line.rstrip()) <= 80 for line in said.splitlines())
    assert " ".join(said.split()).endswith(drivers)
