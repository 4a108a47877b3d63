"""Where in a settings file a setting stands: its row, for messages."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

_BY_NAME = ("drivers", "teams")


def row_of(text: str, path: Sequence[str | int]) -> int | None:
    """One-based row of a TOML text where a setting, or the nearest table around it, begins.

    Args:
        text: The file.
        path: Keys from the top on; a number for the position in a list of tables.

    Returns:
        The row; none where the text names no part of the path.
    """
    best: tuple[int, int] | None = None
    table: list[str | int] = []
    counts: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if bare.startswith("["):
            keys = _keys(bare)
            if not keys:
                continue
            if bare.startswith("[["):
                counts[keys] = counts.get(keys, -1) + 1
            table = []
            for at, key in enumerate(keys, 1):  # a table below a list's is of its last one
                table.append(key)
                if keys[:at] in counts:
                    table.append(counts[keys[:at]])
            here = table
        elif "=" in bare:
            keys = _keys(_before_equals(bare) + " = 0")
            if not keys:
                continue
            here = [*table, *keys]
        else:
            continue
        same = _common(here, path)
        if same and (best is None or same > best[0]):
            best = (same, number)
    return None if best is None else best[1]


def path_of(field: str) -> tuple[str | int, ...]:
    """The path that a field's dotted name means; a driver's or team's name may hold dots."""
    head, _, rest = field.partition(".")
    if head in _BY_NAME and rest:
        return (head, rest)
    number, _, inner = rest.partition(".")
    if head == "contests" and number.isdigit() and inner:
        return (head, int(number), *path_of(inner))
    return tuple(int(part) if part.isdigit() else part for part in field.split("."))


def _common(here: Sequence[str | int], path: Sequence[str | int]) -> int:
    count = 0
    for one, other in zip(here, path, strict=False):
        if one != other:
            break
        count += 1
    return count


def _before_equals(line: str) -> str:
    """The key of a line, which may be quoted and hold an equals sign itself."""
    quote = ""
    for at, ch in enumerate(line):
        if quote:
            quote = "" if ch == quote else quote
        elif ch in "\"'":
            quote = ch
        elif ch == "=":
            return line[:at]
    return line


def _keys(line: str) -> tuple[str, ...]:
    """The keys that a table's header or one assignment names; empty where it is neither."""
    try:
        at: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    keys: list[str] = []
    while isinstance(at, dict | list) and at:
        if isinstance(at, list):
            at = at[0]
            continue
        key = next(iter(at))
        keys.append(key)
        at = at[key]
    return tuple(keys)
