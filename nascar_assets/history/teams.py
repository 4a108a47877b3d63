"""Team names of the feed brought to one name per team, from a table of aliases.

The feed has named teams by their owners since 2026, names sponsors and partners now and then, and
spells some names in two ways. The table says which names mean one team; a name that is not in it
stands for itself.
"""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from importlib.resources import files

_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


def _folded(name: str) -> str:
    return _NOT_ALPHANUMERIC.sub(" ", name.casefold()).strip()


@lru_cache(maxsize=1)
def _aliases() -> dict[tuple[str, str], str]:
    text = files("nascar_assets.history").joinpath("team_aliases.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {(_folded(row["alias"]), row["series"]): row["team"] for row in rows}


@lru_cache(maxsize=4096)
def canonical_team(name: str | None, series: str) -> str | None:
    """The team that a name of the feed stands for.

    Args:
        name: As the feed spells it.
        series: `cup`, `xfinity` or `trucks`: an owner may run another team in each.

    Returns:
        The team's name, case and punctuation folded so that spellings agree; None for no name.
    """
    if name is None or not _folded(name):
        return None
    folded = _folded(name)
    table = _aliases()
    return _folded(table.get((folded, series)) or table.get((folded, "")) or name)
