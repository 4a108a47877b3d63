"""The errors that a person can mend, and the exit code that each kind has on the command line."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

from nascar_assets.redaction import redacted
from nascar_assets.visible import visible

_LONGEST = 2_000
"""Letters of an error; a cell of a stranger's file, quoted in it, may have a million."""


class InputError(ValueError):
    """The input is at fault: says what is wrong, where, what was expected and what to do.

    On the command line it ends with exit code 2, over HTTP with 422. Its text is one line with
    nothing in it that steers a terminal: names from files stand in it.

    Args:
        message: What is wrong, in one sentence.
        file: Name of the file at fault, if any.
        row: One-based row of that file, the header being row 1.
        field: Column, key or setting at fault.
        remedy: What the person can do about it.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        row: int | None = None,
        field: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.message = _short(redacted(message))
        self.file = file
        self.row = row
        self.field = field if field is None else _short(field)
        self.remedy = remedy
        super().__init__(_short(visible(redacted(self._text()))))

    def advise(self, more: str) -> None:
        """Adds to what the person can do."""
        self.remedy = f"{self.remedy} {more}" if self.remedy else more
        self.args = (self._text(),)

    def _text(self) -> str:
        where = [
            f"{label} {value}" if label else str(value)
            for label, value in (("", self.file), ("row", self.row), ("field", self.field))
            if value is not None
        ]
        text = f"{', '.join(where)}: {self.message}" if where else self.message
        return f"{text} {self.remedy}" if self.remedy else text


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-500:]}"


class EnvironmentFault(RuntimeError):
    """The environment is at fault: a full disk, a server that is down, a missing program.

    On the command line it ends with exit code 1, over HTTP with 503.
    """

    exit_code = 1

    def __str__(self) -> str:
        return visible(redacted(super().__str__()))


ROOM = "Free some space and run it again."
"""What to do where a disk is full; the old version of every file is still in place."""


def disk_is_full(error: BaseException) -> bool:
    """Whether an error says that a disk has no room, in the words of the system or of SQLite.

    Where SQLite cannot make room for the memory that a database's processes share (`-shm`), it says
    "disk I/O error", and by its number alone what it was.
    """
    return any(
        (isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT))
        or getattr(one, "sqlite_errorname", "") == "SQLITE_IOERR_SHMSIZE"
        or "no space left on device" in (text := str(one).lower())
        or "database or disk is full" in text
        for one in causes(error)
    )


def full_disk(error: BaseException) -> EnvironmentFault | None:
    """The same error in words that say what to do, where a disk is full."""
    if not disk_is_full(error):
        return None
    if isinstance(error, EnvironmentFault):
        return error
    return EnvironmentFault(f"The disk is full: {str(error).partition(chr(10))[0]}. {ROOM}")


def causes(error: Any) -> Iterator[Any]:
    """An error and the errors behind it, outermost first, each once.

    An exception that Dagster hands back has a wrapper as its cause whose own cause is that
    exception, so a walk that remembers nothing goes round for ever.

    Args:
        error: An exception, or Dagster's record of one (with `cause` and `context`).
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseException):
            error = error.__cause__ or error.__context__
        else:
            error = error.cause or error.context
