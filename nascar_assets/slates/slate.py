"""A slate: one contest's salaries on one race, its drivers resolved to the feed's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nascar_assets.files import SourceFile
from nascar_assets.rules import RuleSet, Site, site_of
from nascar_assets.rules.sites import NOT_RACING


def marked_out(status: str | None) -> bool:
    """Whether a status in any site's salary file says that its driver will not race."""
    return (status or "").strip().upper() in NOT_RACING


@dataclass(frozen=True, slots=True)
class SlatePlayer:
    """One row of a salary file: a driver whom a lineup may hold, or one who does not race.

    Attributes:
        driver_id: The feed's id; `new:{site id}` for a driver whom no feed knows.
        name: The name as the salary file spells it.
        site_id: The site's own id of this driver in this slate.
        salary: Dollars.
        team: Team by the entry list, where known.
        average_points: The site's own average, where given.
        status: The site's status column, where given (`OUT`, ...).
        reason: Why he does not race, as `does not race (...)` has it; none for one who does.
    """

    driver_id: str
    name: str
    site_id: str
    salary: int
    team: str | None = None
    average_points: float | None = None
    status: str | None = None
    reason: str | None = None

    @property
    def mark(self) -> str | None:
        """The site's status, `OUT` for one who does not race for another reason."""
        return "OUT" if self.reason and not marked_out(self.status) else self.status

    @property
    def absence(self) -> str:
        """Who does not race, and why, for messages."""
        return f"{self.name} does not race ({self.reason})"


@dataclass(frozen=True, slots=True)
class Slate:
    """One contest's player pool.

    Names and ids are looked up in `everyone`, so that settings, entries and standings that name a
    scratched driver can be read; lineups are made of `players` alone.

    Attributes:
        slate_id: The slate's partition key.
        race_id: The feed's id of the race.
        race_key: The race's partition key.
        rules: The contest's rules on the race's date.
        lock: When lineups lock (UTC): the race's start.
        players: Drivers that may be picked, in the salary file's order.
        absent: The other rows of the salary file, each with its reason.
        source: The salary file.
        notices: What a person should know: drivers left out, newcomers, unresolved names.
    """

    slate_id: str
    race_id: str
    race_key: str
    rules: RuleSet
    lock: datetime
    players: tuple[SlatePlayer, ...]
    source: SourceFile
    notices: tuple[str, ...] = ()
    absent: tuple[SlatePlayer, ...] = ()

    @property
    def site(self) -> Site:
        """The contest's site."""
        return site_of(self.rules.key)

    @property
    def everyone(self) -> tuple[SlatePlayer, ...]:
        """Every row of the salary file: who may be picked first, so that indices are the same."""
        return self.players + self.absent
