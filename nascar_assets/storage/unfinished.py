"""The mark of a home that an import has not finished: who opens it is told, and sees nothing."""

from __future__ import annotations

import os
from pathlib import Path

from nascar_assets.errors import InputError

MARK = "dagster/import-unfinished"


def mark_of(home: str) -> Path:
    """Where the mark of a home lies: in Dagster's folder, which is local."""
    return Path(os.environ.get("NASCAR_LOCAL") or home).expanduser().absolute() / MARK


def refuse_unfinished(home: str) -> str:
    """The home itself, where no import of it was stopped.

    Raises:
        InputError: If one was.
    """
    if ("://" not in home or os.environ.get("NASCAR_LOCAL")) and mark_of(home).exists():
        raise InputError(
            f"The home {home} is only half there: its import was stopped.",
            field="home",
            remedy="nascar home import of the same export goes on; or delete the home.",
        )
    return home
