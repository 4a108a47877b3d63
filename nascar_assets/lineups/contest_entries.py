"""One entries file of many contests: each filled by its own portfolio, dollars at risk held."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups.entries_file import (
    ContestEntry,
    by_contest,
    locked_fault,
    read_entries,
    write_entries,
)
from nascar_assets.lineups.ownership import Rivals
from nascar_assets.lineups.portfolio import build_portfolio
from nascar_assets.lineups.problem import CountRule, find_driver
from nascar_assets.lineups.settings import ContestSettings, PortfolioSettings
from nascar_assets.slates.slate import Slate

Prizes = Callable[[str], tuple[npt.NDArray[np.int64], int | None]]
"""From a payout table's name to its prizes in cents and its entries."""


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Dollars of fees on entries that hold a driver, or one of a group.

    Attributes:
        name: The driver or group.
        dollars: Fees of the entries with him.
        entries: Those entries.
        limit: The setting `max_dollars`; none where there is none.
    """

    name: str
    dollars: float
    entries: int
    limit: float | None


@dataclass(frozen=True, slots=True)
class FilledContests:
    """A filled entries file.

    Attributes:
        content: The file.
        filled: Entries filled.
        notices: What each contest was filled with.
        at_risk: Drivers and groups by dollars, the greatest first.
    """

    content: bytes
    filled: int
    notices: tuple[str, ...]
    at_risk: tuple[AtRisk, ...]


def section_of(settings: PortfolioSettings, entry: ContestEntry) -> ContestSettings | None:
    """The first section of `contests` that a contest fits, by name or id; none where none does."""
    for section in settings.contests:
        fits = (
            (section.name, entry.contest_name.casefold()),
            (section.id, entry.contest_id),
        )
        if all(fnmatchcase(text, want.casefold()) for want, text in fits if want is not None):
            return section
    return None


def fill_contests(
    content: bytes,
    slate: Slate,
    points: npt.NDArray[np.integer],
    settings: PortfolioSettings,
    portfolio: Sequence[Sequence[int]],
    prizes: Prizes,
    *,
    vetoes: Sequence[CountRule] = (),
    rivals: Rivals | None = None,
    contest_id: str | None = None,
    file: str = "DKEntries.csv",
) -> FilledContests:
    """The file with each contest's entries filled by its own portfolio; all other bytes are kept.

    A contest that fits a section of `contests` gets lineups chosen for it under the settings with
    that section's in their place; any other gets the slate's portfolio. A lineup is in one contest
    only, unless a section says `repeat`. A `max_dollars` is shared out over the contests by their
    fees; what one leaves over the next ones have.

    Args:
        content: The file.
        slate: The slate.
        points: [S, N] contest points, as for `build_portfolio`.
        settings: The settings.
        portfolio: [n, roster_size] the slate's portfolio, indices into `slate.players`.
        prizes: Looks up payout tables.
        vetoes: Rules on each lineup that hold besides, as for `build_portfolio`.
        rivals: What is expected of the rivals.
        contest_id: Fill this contest only.
        file: The file's name, for messages.

    Raises:
        LockedEntry: If all entries to be filled are locked.
        InputError: If the file is at fault, a contest has more entries than lineups or than its
            `max_entries`, or a limit in dollars would not hold.
        InfeasiblePortfolio: If a contest's settings cannot hold together.
    """
    entries = read_entries(content, slate, file=file)
    contests = by_contest(entries, slate, contest_id, file=file)
    book = _Book(slate, settings)
    for entry in entries:  # what stays as it is counts
        if entry.lineup is not None and (entry.locked or entry.contest_id not in contests):
            book.enter(entry.lineup, entry.fee_cents or 0)
    open_fees = {
        key: sum(entry.fee_cents or 0 for entry in members if not entry.locked)
        for key, members in contests.items()
    }
    chosen: dict[str, Sequence[int]] = {}
    notices = []
    used: set[tuple[int, ...]] = set()
    for key, members in contests.items():
        free = [entry for entry in members if not entry.locked]
        if not free:
            continue
        section = section_of(settings, free[0])
        label = f"contest {key} ({free[0].contest_name})"
        if section is not None and section.max_entries and len(members) > section.max_entries:
            raise InputError(
                f"{label} has {len(members)} entries, and its max_entries is "
                f"{section.max_entries}.",
                file=file,
                row=members[section.max_entries].row,
            )
        held = {tuple(sorted(e.lineup)) for e in members if e.locked and e.lineup}
        before = held if section is not None and section.repeat else held | used
        if section is None:
            left = [tuple(row) for row in portfolio if tuple(sorted(row)) not in held]
            if settings.contests:
                left = [row for row in left if tuple(sorted(row)) not in used]
            how = f"of the portfolio's {len(portfolio)} lineups"
        else:
            count = min(section.lineups or len(free), len(free))
            fee = max((entry.fee_cents or 0 for entry in free), default=0)
            own = book.bounded(settings.for_contest(section, count), fee, open_fees, key)
            table = None if own.payout is None else prizes(own.payout)
            made = build_portfolio(
                points,
                slate,
                own,
                vetoes=vetoes,
                prizes_cents=None if table is None else table[0],
                entries=None if table is None else table[1],
                prove=False,
                rivals=rivals,
                without=np.array(sorted(before), np.int64).reshape(-1, slate.rules.roster_size),
            )
            rows = [tuple(row) for row in made.drivers.tolist()]
            left = [rows[at % count] for at in range(len(free))]
            how = f"of {count} lineups of its own, for {own.objective}"
        if len(free) > len(left):
            raise InputError(
                f"{label} has {len(free)} entries but the portfolio has {len(left)} lineups.",
                file=file,
                row=free[len(left)].row,
                field=slate.site.entry_columns["entry_id"],
                remedy="Build a portfolio of as many, give the contest a section of its own in "
                "the settings, or fill another contest alone (--contest).",
            )
        for entry, lineup in zip(free, left, strict=False):
            chosen[entry.entry_id] = lineup
            book.enter(lineup, entry.fee_cents or 0)
            used.add(tuple(sorted(lineup)))
        open_fees.pop(key)
        notices.append(f"C{label[1:]}: {len(free)} {how}.")
    if not chosen:
        raise locked_fault(next(iter(contests.values()))[0], slate, file)
    book.check(file)
    done = write_entries(content, slate, chosen, file=file)
    return FilledContests(done, len(chosen), tuple(notices), book.at_risk())


class _Book:
    """Fees on entries by driver and group, against their limits."""

    def __init__(self, slate: Slate, settings: PortfolioSettings) -> None:
        self.slate = slate
        self.cents = [0] * len(slate.everyone)
        self.count = [0] * len(slate.everyone)
        self.limits: dict[str, tuple[frozenset[int], float]] = {}
        self.spent: dict[str, list[int]] = {}
        for key, driver in settings.drivers.items():
            if driver.max_dollars is not None:
                at = find_driver(slate, key, field=f"drivers.{key}")
                self.limits[key] = frozenset({at}), driver.max_dollars
        for place, group in enumerate(settings.groups):
            if group.max_dollars is not None:
                members = frozenset(
                    find_driver(slate, name, field=f"groups.{place}.drivers")
                    for name in group.drivers
                )
                self.limits[f"groups.{place}"] = members, group.max_dollars
        self.names = {
            key: slate.everyone[next(iter(members))].name
            if not key.startswith("groups.")
            else settings.groups[int(key.split(".")[1])].name
            or ", ".join(settings.groups[int(key.split(".")[1])].drivers)
            for key, (members, _) in self.limits.items()
        }
        self.spent = {key: [0, 0] for key in self.limits}

    def enter(self, lineup: Sequence[int], fee: int) -> None:
        """Counts an entry's fee for its drivers."""
        for driver in lineup:
            self.cents[driver] += fee
            self.count[driver] += 1
        for key, (members, _) in self.limits.items():
            if members & set(lineup):
                self.spent[key][0] += fee
                self.spent[key][1] += 1

    def bounded(
        self, settings: PortfolioSettings, fee: int, open_fees: Mapping[str, int], contest: str
    ) -> PortfolioSettings:
        """A contest's settings with what dollars are left as bounds on exposures."""
        if not fee or not self.limits:
            return settings
        drivers, groups = dict(settings.drivers), list(settings.groups)
        share = open_fees[contest] / max(sum(open_fees.values()), 1)
        for key, (_, limit) in self.limits.items():
            room = max(round(100 * limit) - self.spent[key][0], 0) * share
            upper = min(int(room // fee), settings.lineups) / settings.lineups
            if key.startswith("groups."):
                place = int(key.split(".")[1])
                one = groups[place]
                groups[place] = one.model_copy(update={"max_exposure": _less(one, upper)})
            else:
                row = drivers[key]
                drivers[key] = row.model_copy(update={"max_exposure": _less(row, upper)})
        return settings.model_copy(update={"drivers": drivers, "groups": tuple(groups)})

    def check(self, file: str) -> None:
        """Refuses a file in which a limit does not hold."""
        for key, (_, limit) in self.limits.items():
            if self.spent[key][0] > round(100 * limit):
                raise InputError(
                    f"{self.names[key]} would be in entries of "
                    f"${self.spent[key][0] / 100:,.2f}, above max_dollars = {limit:,.2f}.",
                    file=file,
                    field=key if key.startswith("groups.") else f"drivers.{key}",
                    remedy="Give the contests sections of their own in the settings ([[contests]]),"
                    " which keep it, or lower max_exposure.",
                )

    def at_risk(self) -> tuple[AtRisk, ...]:
        """Drivers and groups by dollars."""
        own = {next(iter(m)): limit for k, (m, limit) in self.limits.items() if len(m) == 1}
        rows = [
            AtRisk(player.name, self.cents[at] / 100, self.count[at], own.get(at))
            for at, player in enumerate(self.slate.everyone)
            if self.count[at]
        ]
        rows += [
            AtRisk(self.names[key], self.spent[key][0] / 100, self.spent[key][1], limit)
            for key, (_, limit) in self.limits.items()
            if key.startswith("groups.")
        ]
        return tuple(sorted(rows, key=lambda row: (-row.dollars, row.name)))


def _less(row: object, upper: float) -> float:
    before = getattr(row, "max_exposure", None)
    return upper if before is None else min(before, upper)
