"""How commands speak: tables and progress for people, one JSON object for programs.

Everything that a command prints goes through here: no text is read as markup, and what would steer
a terminal is spelled out (`visible`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from nascar_assets.visible import visible

_messages = Console(stderr=True, highlight=False)
"""Progress, notices and errors: never standard output, so that `--json` stays clean."""

_WRAPPED = 24
"""Columns to which a column that may wrap is narrowed at most."""


def say(text: str, style: str = "") -> None:
    """A message for people, on standard error."""
    _messages.print(Text(visible(text), style), soft_wrap=True)


class Output:
    """What a command prints: tables on a terminal, or with `--json` one object and nothing else."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False)

    def result(self, value: dict[str, Any]) -> None:
        """The command's result for programs; printed only with `--json`."""
        if self.as_json:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
            # In JSON an escape is the same text: what steers a terminal is written as one.
            sys.stdout.write(visible(text, lambda letter: json.dumps(letter)[1:-1]) + "\n")
            sys.stdout.flush()

    def line(self, text: str = "") -> None:
        """A line for people."""
        if not self.as_json:
            self._console.print(Text(visible(text)), soft_wrap=True)

    def notice(self, text: str) -> None:
        """Something a person should know, on standard error."""
        _messages.print(Text.assemble(("notice ", "yellow"), visible(text)), soft_wrap=True)

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        *,
        text: int = 1,
        wraps: Collection[str] = (),
        spare: Sequence[str] = (),
    ) -> None:
        """A table for people; the first `text` columns are left-aligned, numbers right.

        Cells stand whole on their line, but for columns that may wrap; headings wrap at spaces.
        Where the table is wider than the terminal, columns are left out and named below it; a
        table that is still wider is printed as wide as it is: nothing is ever cut.

        Args:
            title: What it shows.
            columns: Headings.
            rows: Cells: texts, numbers, none.
            text: How many columns are text.
            wraps: Headings of columns whose cells may wrap.
            spare: Headings of columns that may be left out, the first one first.
        """
        if self.as_json:
            return
        cells = [[visible(_cell(value)) for value in row] for row in rows]
        kept = list(range(len(columns)))
        left_out: list[str] = []
        while True:
            table = self._drawn(title, columns, cells, kept, text, wraps)
            least = Measurement.get(self._console, self._console.options, table).minimum
            if least <= self._console.width or len(left_out) == len(spare):
                break
            left_out.append(spare[len(left_out)])
            kept.remove(columns.index(left_out[-1]))
        table.width = None if least <= self._console.width else least
        self._console.print(table, crop=False, width=max(least, self._console.width))
        if left_out:
            names = ", ".join(left_out)
            self.line(f"left out for want of width: {names} (a wider terminal, or --json)")

    def _drawn(
        self,
        title: str,
        columns: Sequence[str],
        cells: list[list[str]],
        kept: Sequence[int],
        text: int,
        wraps: Collection[str],
    ) -> Table:
        table = Table(
            title=Text(visible(title), "italic"),
            title_justify="left",
            header_style="bold",
            box=None,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        for position in kept:
            longest = max((cell_len(row[position]) for row in cells), default=0)
            name = columns[position]
            table.add_column(
                Text(visible(name)),
                justify="left" if position < text else "right",
                min_width=min(longest, _WRAPPED) if name in wraps else longest,
                overflow="fold",
            )
        for row in cells:
            table.add_row(*(Text(row[position]) for position in kept))
        return table

    @contextmanager
    def progress(self, label: str) -> Iterator[Any]:
        """A progress bar on standard error; yields `update(done, total, what)`."""
        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=_messages,
            transient=True,
            disable=not _messages.is_terminal,
        ) as progress:
            task = progress.add_task(visible(label), total=None)

            def update(done: int, total: int, what: str = "") -> None:
                progress.update(
                    task,
                    completed=done,
                    total=total,
                    description=visible(f"{label} {what}".strip()),
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
