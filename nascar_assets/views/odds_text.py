"""Odds as they are pasted from a page: a name and odds on a line, or one below the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

ODDS = r"[+\-−]\s?\d[\d,]*(?:\.\d+)?|\d+\s*/\s*\d+|\d[\d,]*(?:\.\d+)?|even(?:s)?|evs"
_TOGETHER = re.compile(rf"(?P<name>[^\W\d_][^\d+−/]*?)[\s,;:|]*(?P<odds>{ODDS})", re.IGNORECASE)
_ALONE = re.compile(ODDS, re.IGNORECASE)
_NAME = re.compile(r"(?:\d{1,2}\s*[.)]\s*)?(?P<name>[^\W\d_][^\d+/]*)")


def pasted_odds(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Line, name and odds of each pair; a line that is neither has no odds.

    Args:
        lines: The text's lines, blank ones among them.
    """
    waiting: tuple[int, str] | None = None
    for line, raw in enumerate(lines, 1):
        text = " ".join(raw.replace('"', " ").split())
        if not text:
            continue
        if waiting is not None and _ALONE.fullmatch(text):
            yield (*waiting, text)
            waiting = None
            continue
        if waiting is not None:
            yield (*waiting, "")
            waiting = None
        if together := _TOGETHER.fullmatch(text):
            yield line, together["name"].strip(" ,;:|-"), together["odds"].replace(" ", "")
        elif name := _NAME.fullmatch(text):
            waiting = (line, name["name"].strip())
        else:
            yield line, text, ""
    if waiting is not None:
        yield (*waiting, "")
