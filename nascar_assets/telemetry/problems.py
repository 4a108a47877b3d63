"""What is wrong with a landed file: problems by column, rows and reason, and the report of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nascar_assets.errors import InputError
from nascar_assets.visible import visible

ROWS_SHOWN = 20
"""Rows that a problem lists; a file with a million bad rows needs no report of a million lines."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one column of one file.

    Attributes:
        file: Name of the file.
        column: Column or key at fault; none where the whole file is.
        rows: The first one-based data rows (Parquet) or laps in the file's order (JSON) at fault;
            empty where no single row is.
        count: How many rows are at fault in all.
        reason: What is wrong, what was expected.
    """

    file: str
    column: str | None
    rows: tuple[int, ...]
    count: int
    reason: str

    def __str__(self) -> str:
        where = f"{self.file}, column {self.column}" if self.column else self.file
        if not self.rows:
            return f"{where}: {self.reason}"
        shown = ", ".join(str(row) for row in self.rows[:5])
        more = f" and {self.count - 5} more" if self.count > 5 else ""
        return f"{where}, row {shown}{more}: {self.reason}"


class RefusedFile(InputError):
    """A landed file that cannot be used; `problems` says why, one by one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        text = "; ".join(str(problem) for problem in self.problems)
        super().__init__(f"The file is refused: {text}")


def problem(file: str, reason: str, column: str | None = None, rows: Iterable[int] = ()) -> Problem:
    """A problem with its rows counted and the list of them cut to what a report shows."""
    every = list(rows)
    return Problem(file, column, tuple(every[:ROWS_SHOWN]), len(every), visible(reason.strip()))


def quarantine_report(
    file: str, content_hash: str, problems: Sequence[Problem], notes: Sequence[str] = ()
) -> dict[str, Any]:
    """The report that lies beside a quarantined file, as a value that JSON can hold.

    Args:
        file: Name of the file.
        content_hash: SHA-256 of its bytes, so that the report names this version of it.
        problems: What is wrong.
        notes: What was met and mended before the file was refused.

    Returns:
        `{"file", "sha256", "problems": [{"column", "rows", "count", "reason"}], "notes"}`.
    """
    return {
        "file": file,
        "sha256": content_hash,
        "problems": [
            {
                "column": item.column,
                "rows": list(item.rows),
                "count": item.count,
                "reason": item.reason,
            }
            for item in problems
        ],
        "notes": list(notes),
    }
