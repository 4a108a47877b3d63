"""How commands speak: tables and progress for people, one JSON object for programs.

Everything that a command prints goes through here: no text is read as markup, what would steer a
terminal is spelled out (`visible`), and secrets are taken out (`redacted`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from nascar_assets.redaction import redacted
from nascar_assets.visible import visible

_messages = Console(stderr=True, highlight=False)
"""Progress, notices and errors: never standard output, so that `--json` stays clean."""

_WRAPPED = 24
"""Columns to which a column that may wrap is narrowed at most."""


def _plain(text: str, spell: Callable[[str], str] | None = None) -> str:
    """The text as it may be printed: no secret in it, and nothing that steers a terminal."""
    return visible(redacted(text), spell) if spell else visible(redacted(text))


def say(text: str, style: str = "") -> None:
    """A message for people, on standard error."""
    _messages.print(Text(_plain(text), style), soft_wrap=True)


class Output:
    """What a command prints: tables on a terminal, or with `--json` one object and nothing else."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False)

    def result(self, value: dict[str, Any]) -> None:
        """The command's result for programs; printed only with `--json`."""
        if self.as_json:
            # Spelled out for an encoding that may lack letters, JSON stays JSON.
            spelled = (sys.stdout.encoding or "utf-8").lower() != "utf-8"
            text = json.dumps(value, ensure_ascii=spelled, allow_nan=False)
            # In JSON an escape is the same text: what steers a terminal is written as one.
            sys.stdout.write(_plain(text, lambda letter: json.dumps(letter)[1:-1]) + "\n")
            sys.stdout.flush()

    def file(self, text: str) -> None:
        """A file's text on standard output, as it is but for what steers a terminal."""
        if not self.as_json:
            for line in text.splitlines():
                sys.stdout.write(_plain(line) + "\n")
            sys.stdout.flush()

    def line(self, text: str = "") -> None:
        """A line for people."""
        if not self.as_json:
            self._console.print(Text(_plain(text)), soft_wrap=True)

    def notice(self, text: str) -> None:
        """Something a person should know, on standard error."""
        _messages.print(Text.assemble(("notice ", "yellow"), _plain(text)), soft_wrap=True)

    def notices(self, texts: Iterable[str]) -> None:
        """What a person should know, each by itself."""
        for text in texts:
            self.notice(text)

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
        cells = [[_plain(_cell(value)) for value in row] for row in rows]
        kept = list(range(len(columns)))
        longest = [max((cell_len(row[at]) for row in cells), default=0) for at in kept]
        words = [max(map(cell_len, [*visible(name).split(), ""])) for name in columns]
        lower = [
            max(words[at], min(longest[at], _WRAPPED) if name in wraps else longest[at])
            for at, name in enumerate(columns)
        ]
        left_out: list[str] = []
        while self._slack(lower, kept) < 0 and len(left_out) < len(spare):
            left_out.append(spare[len(left_out)])
            kept.remove(columns.index(left_out[-1]))
        slack = max(self._slack(lower, kept), 0)
        table = Table(
            title=Text(_plain(title), "italic"),
            title_justify="left",
            header_style="bold",
            box=None,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        # What width is left goes to columns that wrap, then to headings.
        for at in sorted(kept, key=lambda at: (columns[at] not in wraps, at)):
            more = min(slack, max(longest[at], cell_len(visible(columns[at]))) - lower[at])
            lower[at] += more
            slack -= more
        for at in kept:
            justify: Literal["left", "right"] = "left" if at < text else "right"
            heading = Text(_plain(columns[at]))
            table.add_column(heading, justify=justify, width=lower[at], overflow="fold")
        for row in cells:
            table.add_row(*(Text(row[at]) for at in kept))
        width = sum(lower[at] + 1 for at in kept)
        wide = width > self._console.width
        console = Console(highlight=False, width=width) if wide else self._console
        console.print(table, crop=False)
        if left_out:
            names = ", ".join(left_out)
            self.line(f"left out for want of width: {names} (a wider terminal, or --json)")

    def _slack(self, widths: Sequence[int], kept: Sequence[int]) -> int:
        """Columns of the terminal that are left beside these, with a blank between them."""
        return self._console.width - sum(widths[at] + 1 for at in kept) + 1

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
            task = progress.add_task(_plain(label), total=None)

            def update(done: int, total: int, what: str = "") -> None:
                progress.update(
                    task,
                    completed=done,
                    total=total,
                    description=_plain(f"{label} {what}".strip()),
                )

            yield update


def minute(moment: str | None) -> str | None:
    """An ISO time in UTC, to the minute."""
    return None if moment is None else f"{moment[:16].replace('T', ' ')}Z"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
