"""Team names of the feed brought to one name per team, from a table of aliases.

The feed has named teams by their owners since 2026, names sponsors and partners now and then, and
spells some names in two ways. `team_aliases.csv` says which names mean one team; a name that is
not in it stands for itself.
"""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from importlib.resources import files

_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=1)
def _aliases() -> dict[tuple[str, str], str]:
    text = files("nascar_assets.feed").joinpath("team_aliases.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {(_folded(row["alias"]), row["series"]): row["team"] for row in rows}


@lru_cache(maxsize=4096)
def team_name(name: str | None, series: str) -> str | None:
    """The name by which a team goes.

    Args:
        name: As the feed spells it.
        series: `cup`, `xfinity` or `trucks`: an owner may run another team in each.

    Returns:
        The team's name; None for an empty one or a dash.
    """
    plain = " ".join((name or "").split())
    if not any(letter.isalnum() for letter in plain):
        return None
    folded, table = _folded(plain), _aliases()
    return table.get((folded, series)) or table.get((folded, "")) or plain


@lru_cache(maxsize=4096)
def team_key(name: str | None, series: str) -> str | None:
    """A team's name with case and punctuation folded, so that its spellings agree.

    Args:
        name: As the feed spells it, or as `team_name` gives it.
        series: As for `team_name`.
    """
    return _folded(team_name(name, series) or "") or None


def _folded(name: str) -> str:
    return _NOT_ALPHANUMERIC.sub(" ", name.casefold()).strip()
