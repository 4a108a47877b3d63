"""JSON files of a folder of the store, of which one that cannot be read stops no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from nascar_assets.errors import InputError
from nascar_assets.storage import DataRoot

T = TypeVar("T")

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)
"""What reading a damaged file raises, or one of another version."""


def stored_json(
    root: DataRoot, folder: str, parse: Callable[[Mapping[str, Any]], T], remedy: str = ""
) -> tuple[list[T], list[str]]:
    """What a folder's files hold, by name, and a notice of those that cannot be read.

    Args:
        parse: Makes a value of a file's content; raises one of `UNREADABLE` where it cannot.
        remedy: What makes a file anew, for the notice.
    """
    found, refused = [], []
    for item in root.list(folder):
        data = root.read(item.path)
        if data is None:
            continue
        try:
            found.append(parse(json.loads(data)))
        except UNREADABLE as error:
            why = (
                error.message
                if isinstance(error, InputError)
                else f"It is malformed or of another version ({type(error).__name__}: {error})."
            )
            refused.append(f"{item.path} is not used: {why}")
    if not refused:
        return found, []
    others = f" So are {len(refused) - 1} others of that folder." if refused[1:] else ""
    return found, [f"{refused[-1]}{others} {remedy}What is not used may be removed."]
