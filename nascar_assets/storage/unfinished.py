"""The mark of a home that an import has not finished: who opens it is told, and sees nothing."""

from __future__ import annotations

from contextlib import suppress

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.storage.data_root import DataRoot, plain_location

MARK = "dagster/import-unfinished"
"""Where the mark lies in the home, for every host that opens it; its text tells the export."""


def refuse_half_there(root: DataRoot) -> None:
    """Says so where an import of a home was stopped; a store that is away says so by itself later.

    Raises:
        InputError: If one was.
    """
    marked = False
    with suppress(EnvironmentFault):
        local = root.is_local  # where a look makes no folder
        marked = root.local_path(MARK).exists() if local else root.read(MARK) is not None
    if marked:
        raise InputError(
            f"The home {root.location} is only half there: its import was stopped.",
            field="home",
            remedy="nascar home import of the same export goes on; or delete the home.",
        )


def refuse_unfinished(home: str) -> str:
    """The home's location; a folder in which an import was stopped is refused.

    A bucket is not asked here, where nothing of it may be needed: who opens its records is told.

    Raises:
        InputError: If an import of it was stopped, or it is no location of a home.
    """
    home = plain_location(home)
    if "://" not in home:
        refuse_half_there(DataRoot.open(home))
    return home
