"""One entries file of many contests: each filled by its own portfolio, dollars at risk held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups.conflict import Conflict
from nascar_assets.lineups.dollars import AtRisk, Book
from nascar_assets.lineups.entries_file import (
    ContestEntry,
    by_contest,
    locked_fault,
    read_entries,
    write_entries,
)
from nascar_assets.lineups.ownership import Rivals
from nascar_assets.lineups.portfolio import InfeasiblePortfolio, build_portfolio
from nascar_assets.lineups.problem import CountRule, Standing, for_contest
from nascar_assets.lineups.settings import ContestSettings, PortfolioSettings
from nascar_assets.slates.slate import Slate

Prizes = Callable[[str], tuple[npt.NDArray[np.int64], int | None]]
"""From a payout table's name to its prizes in cents and its entries."""


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
    """The first section of `contests` that a contest fits, by name or id; none where none does.

    In a pattern `*` is any text and `?` any letter; brackets are brackets, as in contests' names.
    """
    for section in settings.contests:
        fits = (
            (section.name, entry.contest_name.casefold()),
            (section.id, entry.contest_id.casefold()),
        )
        if all(
            fnmatchcase(text, want.casefold().replace("[", "[[]"))
            for want, text in fits
            if want is not None
        ):
            return section
    return None


def idle_sections(settings: PortfolioSettings, entries: Sequence[ContestEntry]) -> tuple[str, ...]:
    """What to say of sections of `contests` that are for no contest of a file, mistyped maybe."""
    used = [section_of(settings, entry) for entry in entries]
    said = []
    for place, section in enumerate(settings.contests):
        if not any(section is one for one in used):
            asked = [f"{key} {want!r}" for key in ("name", "id") if (want := getattr(section, key))]
            said.append(
                f"contests.{place} ({', '.join(asked)}) is for no contest of the file: none fits "
                "it, or a section before it fits first."
            )
    return tuple(said)


@contextmanager
def for_a_contest(label: str) -> Iterator[None]:
    """Says of settings that cannot hold together for which contest of a file."""
    try:
        yield
    except InfeasiblePortfolio as error:
        raise InfeasiblePortfolio(
            Conflict(f"{label}: {error.reason}", tuple(error.conflict), error.proven)
        ) from error


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
    that section's in their place, beside those of its locked entries, which bounds over the set
    count; any other gets the slate's portfolio. A lineup is in one contest
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
    book = Book(slate, settings)
    notices = list(
        book.check_fees((e for e in entries if e.lineup or e.contest_id in contests), file)
    )
    used: set[tuple[int, ...]] = set()
    for entry in entries:  # what stays as it is counts
        if entry.lineup is not None and (entry.locked or entry.contest_id not in contests):
            book.enter(entry.lineup, entry.fee_cents or 0)
            used.add(tuple(sorted(entry.lineup)))
    open_fees = {
        key: sum(entry.fee_cents or 0 for entry in members if not entry.locked)
        for key, members in contests.items()
    }
    chosen: dict[str, Sequence[int]] = {}
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
        if section is None:
            left = [tuple(row) for row in portfolio if tuple(sorted(row)) not in held]
            if settings.contests:
                left = [row for row in left if tuple(sorted(row)) not in used]
            how = f"of the portfolio's {len(portfolio)} lineups"
        else:
            count = min(section.lineups or len(free), len(free))
            # A lineup that several entries have costs the fees of all of them.
            fee = max(entry.fee_cents or 0 for entry in free) * -(-len(free) // count)
            share = open_fees[key] / max(sum(open_fees.values()), 1)
            # The set is those of the locked entries and so many more.
            asked = for_contest(slate, settings, section, count + len(held))
            own = book.bounded(asked, fee, share, locked=held)
            table = None if own.payout is None else prizes(own.payout)
            with for_a_contest(label):
                made = build_portfolio(
                    points,
                    slate,
                    own,
                    vetoes=vetoes,
                    prizes_cents=None if table is None else table[0],
                    entries=None if table is None else table[1],
                    prove=False,
                    rivals=rivals,
                    standing=Standing(() if section.repeat else used - held, held),
                )
            rows = [tuple(row) for row in made.drivers.tolist()]
            left = [rows[at % count] for at in range(len(free))]
            how = f"of {count} lineups of its own, for {own.objective}"
        if len(free) > len(left):
            whole, taken = len(portfolio), len(portfolio) - len(left)
            said = f"but the portfolio has {whole} lineups"
            if taken:
                said += f", and {taken} of them are in locked entries of it or in other contests"
            to_come = [
                entry
                for other in (open_fees if settings.contests else (key,))
                if section_of(settings, contests[other][0]) is None
                for entry in contests[other]
                if not entry.locked
            ]
            raise InputError(
                f"{label} has {len(free)} entries {said}.",
                file=file,
                row=free[len(left)].row,
                field=slate.site.entry_columns["entry_id"],
                remedy=f"Build a portfolio of {taken + len(to_come)}, give the contest a section "
                "of its own in the settings (with repeat = true where it may have lineups of other "
                "contests), or fill another contest alone (--contest).",
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
    notices += idle_sections(settings, entries)
    return FilledContests(done, len(chosen), tuple(notices), book.at_risk())
