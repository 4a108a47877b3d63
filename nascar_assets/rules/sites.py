"""The contest sites: what is particular to one stands in its `Site`, and nowhere else.

Salaries, slates, upload files, entries, standings and backtests ask the site. A further one is one
more value here, one layout in `sample/salaries.py` and one golden test. The columns of standings
are known in one form only, DraftKings' own, and stand in `contest/standings.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType

from nascar_assets.errors import InputError
from nascar_assets.rules.rule_set import RuleSet

_LOCKED = re.compile(r"\s*\(LOCKED\)$", re.IGNORECASE)
# "Q" and the like in the same column leave a driver in the race.
_OUT = frozenset(
    {"OUT", "O", "IR", "WD", "WITHDRAWN", "SUSP", "SUSPENDED", "INACTIVE"}
    | {"SCR", "SCRATCH", "SCRATCHED", "DNS", "DNQ"}
)


@dataclass(frozen=True, slots=True)
class Site:
    """One contest site.

    Attributes:
        key: What its slates' keys, rule sets and files are known by: `dk`.
        name: What people call it.
        rule_sets: Its contests' rules, each over its dates; a salary file is of the first contest.
        salary_columns: Columns of its salary files by what they hold: `name` and `salary`; where
            there are such, `id`, `name_id` (both in one), `first` and `last` name, `average`
            points, `status` and `race`.
        other_columns: Columns beside those that its table has, as a row that breaks off shows.
        headers: A table is a salary file of the site where its header has all of one of these.
        cell: How a lineup's cell names a driver, with `{name}` and `{id}`.
        entry_columns: Columns of its entries files before the drivers', in their order, by what
            they hold: `entry_id`, `contest_id`, `contest_name`, `entry_fee`.
        entry_driver: The head of a driver's column in an entries file.
        export: What its page where a lineup is drafted calls the export of a salary file.
        pool_columns: Two columns by which the player pool in an entries file is known: name and
            id in one, and the id.
        out: What the status of a driver who will not race may be, in capitals.
        position: The head of a driver's column in an upload file, and what stands before each
            driver of a lineup in standings.
        max_upload: Lineups that one upload file may hold.
    """

    key: str
    name: str
    rule_sets: tuple[RuleSet, ...]
    salary_columns: Mapping[str, str]
    other_columns: tuple[str, ...]
    headers: tuple[tuple[str, ...], ...]
    cell: str
    entry_columns: Mapping[str, str]
    entry_driver: str
    export: str
    pool_columns: tuple[str, str]
    out: frozenset[str] = _OUT
    position: str = "D"
    max_upload: int = 500

    @property
    def contest(self) -> str:
        """Key of the contest that a salary file is of, unless something says otherwise."""
        return self.rule_sets[0].key

    def read_cell(self, cell: str) -> tuple[str, bool]:
        """The id that a lineup's cell names, and whether the cell is marked as locked."""
        bare, found = self._parts(cell)
        return (found["id"] if found else bare), bare != cell.strip()

    def name_in(self, cell: str) -> str:
        """The name that stands beside the id in a lineup's cell; empty where the id is alone."""
        found = self._parts(cell)[1]
        return found["name"] if found else ""

    def _parts(self, cell: str) -> tuple[str, re.Match[str] | None]:
        """A lineup's cell without the mark of a lock, and its name and id where it has both."""
        bare = _LOCKED.sub("", cell.strip())
        pattern = re.escape(self.cell).replace(r"\ ", r"\s*").replace(r"\{name\}", "(?P<name>.*?)")
        return bare, re.fullmatch(pattern.replace(r"\{id\}", r"(?P<id>[^()\s:]+)"), bare)


def _scaled(points: list[int], scale: int) -> tuple[int, ...]:
    return tuple(scale * value for value in points)


# DraftKings NASCAR Classic, 2015 to 2020: 46 for a win, 42 for second, one less per place after.
_DK_2015 = RuleSet(
    key="dk-classic",
    valid_from=date(2015, 8, 1),
    valid_to=date(2020, 12, 31),
    points_scale=20,
    finish=_scaled([46, *range(42, 0, -1)], 20),
    place_differential=20,
    lap_led=5,
    fastest_lap=10,
    lap_completed=0,
    roster_size=6,
    salary_cap=50_000,
)

# DraftKings NASCAR Classic since 2021: two points fall away after 10th, 20th and 30th place.
_DK_2021 = replace(
    _DK_2015,
    valid_from=date(2021, 1, 1),
    valid_to=None,
    finish=_scaled(
        [45, *range(42, 33, -1), *range(32, 22, -1), *range(21, 11, -1), *range(10, 0, -1)], 20
    ),
    fastest_lap=9,
)

# FanDuel NASCAR: 43, 40, 38, then 41 minus the place down to 40th; laps completed count.
_FD = RuleSet(
    key="fd-classic",
    valid_from=date(2018, 1, 1),
    valid_to=None,
    points_scale=20,
    finish=_scaled([43, 40, 38, *range(37, 0, -1)], 20),
    place_differential=10,
    lap_led=2,
    fastest_lap=0,
    lap_completed=2,
    roster_size=5,
    salary_cap=50_000,
)

DRAFTKINGS = Site(
    key="dk",
    name="DraftKings",
    rule_sets=(_DK_2015, _DK_2021),
    salary_columns=MappingProxyType(
        {
            "name_id": "Name + ID",
            "name": "Name",
            "id": "ID",
            "salary": "Salary",
            "race": "Game Info",
            "average": "AvgPointsPerGame",
            "status": "Status",
        }
    ),
    other_columns=("Position", "Roster Position", "TeamAbbrev", "Starting"),
    headers=(("Name", "Salary"), ("Name + ID", "Salary")),
    cell="{name} ({id})",
    entry_columns=MappingProxyType(
        {
            "entry_id": "Entry ID",
            "contest_name": "Contest Name",
            "contest_id": "Contest ID",
            "entry_fee": "Entry Fee",
        }
    ),
    entry_driver="D",
    export="Export to CSV",
    pool_columns=("Name + ID", "ID"),
)

FANDUEL = Site(
    key="fd",
    name="FanDuel",
    rule_sets=(_FD,),
    salary_columns=MappingProxyType(
        {
            "id": "Id",
            "first": "First Name",
            "name": "Nickname",
            "last": "Last Name",
            "average": "FPPG",
            "salary": "Salary",
            "race": "Game",
            "status": "Injury Indicator",
        }
    ),
    other_columns=("Position", "Raced", "Played"),
    headers=(("Id", "Nickname", "Salary"), ("Id", "First Name", "Last Name", "Salary")),
    cell="{id}:{name}",
    entry_columns=MappingProxyType(
        {part: part for part in ("entry_id", "contest_id", "contest_name", "entry_fee")}
    ),
    entry_driver="Driver",
    export="Download players list",
    pool_columns=("Player ID + Player Name", "Id"),
)

SITES: Mapping[str, Site] = MappingProxyType({site.key: site for site in (DRAFTKINGS, FANDUEL)})
"""Every site that the project knows, by key."""

DEFAULT_CONTEST = DRAFTKINGS.contest
"""The contest whose points count where none is named."""

RULE_SETS: tuple[RuleSet, ...] = tuple(rules for site in SITES.values() for rules in site.rule_sets)
"""Every rule set that the project knows."""

STATUS_COLUMNS = ("Status", "Injury Indicator", "Injury Status")
"""What a driver's status may be headed by in any site's salary file, the first one counts."""

NOT_RACING = frozenset[str]().union(*(site.out for site in SITES.values()))
"""Marks in any site's status column that say a driver will not race."""


def site_of(contest: str) -> Site:
    """The site of a contest, by the contest's key."""
    return SITES[contest.split("-", 1)[0]]


def rule_set(key: str, on: date) -> RuleSet:
    """The rule set of a contest on a race's date.

    Args:
        key: `{site}-{contest}`.
        on: The race's date.

    Raises:
        InputError: If the contest is unknown or had no rules on that date.
    """
    dated = [rules for rules in RULE_SETS if rules.key == key]
    if not dated:
        known = ", ".join(sorted({rules.key for rules in RULE_SETS}))
        raise InputError(f"No contest is called {key!r}.", remedy=f"Known contests: {known}.")
    for rules in dated:
        if rules.valid_from <= on and (rules.valid_to is None or on <= rules.valid_to):
            return rules
    raise InputError(f"No rules of {key} are known for {on.isoformat()}.")
