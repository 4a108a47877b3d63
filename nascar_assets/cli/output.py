"""How commands speak: tables and progress for people, one JSON object for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

messages = Console(stderr=True, highlight=False)
"""Progress, notices and errors: never standard output, so that `--json` stays clean."""


class Output:
    """What a command prints: tables on a terminal, or with `--json` one object and nothing else."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False)

    def result(self, value: dict[str, Any]) -> None:
        """The command's result for programs; printed only with `--json`."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
            sys.stdout.flush()

    def line(self, text: str = "") -> None:
        """A line for people."""
        if not self.as_json:
            self._console.print(text, soft_wrap=True, markup=False)

    def notice(self, text: str) -> None:
        """Something a person should know, on standard error."""
        messages.print(f"[yellow]notice[/yellow] {_plain(text)}", soft_wrap=True)

    def table(
        self, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, text: int = 1
    ) -> None:
        """A table for people; the first `text` columns are left-aligned, numbers right."""
        if self.as_json:
            return
        table = Table(title=title, title_justify="left", header_style="bold", box=None)
        for position, column in enumerate(columns):
            table.add_column(column, justify="left" if position < text else "right")
        for row in rows:
            table.add_row(*(_plain(_cell(value)) for value in row))
        self._console.print(table)

    @contextmanager
    def progress(self, label: str) -> Iterator[Any]:
        """A progress bar on standard error; yields `update(done, total, what)`."""
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=messages,
            transient=True,
            disable=not messages.is_terminal,
        ) as progress:
            task = progress.add_task(label, total=None)

            def update(done: int, total: int, what: str = "") -> None:
                progress.update(
                    task, completed=done, total=total, description=f"{label} {what}".strip()
                )

            yield update


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _plain(text: str) -> str:
    """Text with Rich's markup switched off: names come from files."""
    return text.replace("[", r"\[")
