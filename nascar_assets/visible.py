"""Text from outside as it may be shown: what steers a terminal or breaks a line is spelled out."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
"""What a spreadsheet reads as the start of a formula (OWASP, CSV injection)."""


def _python(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def visible(text: str, spell: Callable[[str], str] = _python) -> str:
    """The text in one line, with every control character, line break, direction mark, invisible
    or lone surrogate character spelled out.

    Args:
        text: The text.
        spell: What stands for such a character; by default its escape (`\\x1b`, `\\u202e`).
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or unicodedata.category(letter) == "Zs" else spell(letter)
        for letter in text
    )


def no_formula(text: str) -> str:
    """A text that no spreadsheet takes for a formula: one that could be begins with a quote."""
    return f"'{text}" if text.startswith(FORMULA) else text
