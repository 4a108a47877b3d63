"""A filled entries file mended after a scratch: every entry's lineup, every setting of the set."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups.contest_entries import for_a_contest, idle_sections, section_of
from nascar_assets.lineups.dollars import AtRisk, Book
from nascar_assets.lineups.entries_file import (
    ContestEntry,
    LockedEntry,
    check_entered,
    locked_notices,
    read_entries,
    write_entries,
)
from nascar_assets.lineups.late_swap import late_swap
from nascar_assets.lineups.problem import CountRule, find_driver, for_contest, resolve
from nascar_assets.lineups.settings import DriverSettings, GroupSettings, PortfolioSettings
from nascar_assets.slates.slate import Slate

Lineup = tuple[int, ...]

PASSED = "the file does not keep it as it is, no change goes further from it"
"""What is said of a bound over the set that lineups of one's own had passed before."""


@dataclass(frozen=True, slots=True)
class SwappedEntries:
    """A mended entries file.

    Attributes:
        content: The file.
        entries: Filled entries in it.
        changes: Every driver replaced and the entries that this is in, in words.
        notices: Settings that no longer apply, and why.
        at_risk: Drivers and groups by dollars, the greatest first.
    """

    content: bytes
    entries: int
    changes: tuple[str, ...]
    notices: tuple[str, ...]
    at_risk: tuple[AtRisk, ...]


def swap_entries(
    content: bytes,
    slate: Slate,
    scenario_points: npt.NDArray[np.integer],
    settings: PortfolioSettings | Mapping[str, Any] | None,
    portfolio: npt.ArrayLike | Sequence[Sequence[int]],
    scratched: Sequence[str],
    *,
    vetoes: Sequence[CountRule] = (),
    file: str = "DKEntries.csv",
) -> SwappedEntries:
    """Replaces drivers who do not race in a filled entries file with the fewest changes.

    Entries that are locked stay as they are; bounds over the set count their lineups.

    A contest that fits a section of `contests` is mended by itself under that section's settings;
    all others together, as the slate's portfolio. Where their lineups are the portfolio's, or some
    of them, the whole portfolio is mended, so that exposures hold over the set they were asked
    for. What a set of other lineups did not keep before is told: bounds over the set are passed no
    further, rules on a lineup are set aside, all but exclusions and vetoes. No lineup comes into
    two contests by it, unless a section says `repeat`, and no limit in dollars is passed that was
    kept before.

    Args:
        content: The file.
        slate: The slate; who is absent by it is replaced.
        scenario_points: [S, N] contest points, as for `build_portfolio`.
        settings: The settings of the portfolio.
        portfolio: [n, roster_size] the slate's portfolio, indices into `slate.players`.
        scratched: Names, site ids or driver ids of drivers besides who will not race.
        vetoes: Rules on each lineup that hold besides, as for `build_portfolio`.
        file: The file's name, for messages.

    Raises:
        InputError: If no entry is filled, the file is at fault or a driver is unknown.
        InfeasiblePortfolio: If no change keeps every setting.
        LockedEntry: If every filled entry is locked.
    """
    settings = PortfolioSettings.of(settings)
    entries = read_entries(content, slate, file=file)
    filled = [entry for entry in entries if entry.lineup is not None]
    if not filled:
        raise InputError(
            "no entry in the file is filled.", file=file, remedy="Fill it first: entries fill."
        )
    if all(entry.locked for entry in filled):
        raise LockedEntry(
            "every filled entry in the file is locked; no lineup can change any more.", file=file
        )
    book = Book(slate, settings)
    notices = list(book.check_fees(filled, file))
    groups: dict[str, list[ContestEntry]] = {}
    for entry in filled:
        book.enter(entry.lineup or (), entry.fee_cents or 0)
        own = section_of(settings, entry) is not None
        groups.setdefault(entry.contest_id if own else "", []).append(entry)
    over = book.over()
    notices += [
        f"max_dollars of {book.names[key]}: the file does not keep it as it is." for key in over
    ]
    now = {entry.entry_id: _lineup(entry) for entry in filled}
    chosen: dict[str, Sequence[int]] = {}
    changes: list[str] = []
    for members in groups.values():
        if all(entry.locked for entry in members):
            continue
        check_entered(members, slate, file)
        section = section_of(settings, members[0])
        ids = {entry.entry_id for entry in members}
        own_now = {now[key] for key in ids}
        others = {lineup for key, lineup in now.items() if key not in ids} - own_now
        if section is not None and section.repeat:
            others = set()
        for entry in members:
            if not entry.locked:
                book.enter(now[entry.entry_id], entry.fee_cents or 0, -1)
        contest = members[0].contest_id
        with nullcontext() if section is None else for_a_contest(f"contest {contest}"):
            done = _swap_group(
                members,
                slate,
                scenario_points,
                settings.model_copy(update={"contests": ()})
                if section is None
                else for_contest(slate, settings, section, len(own_now)),
                np.asarray(portfolio, np.int64).tolist() if section is None else None,
                scratched,
                book,
                vetoes=vetoes,
                without=others if settings.contests else (),
            )
        for entry in members:
            if not entry.locked:
                lineup = done.lineups[entry.entry_id]
                book.enter(lineup, entry.fee_cents or 0)
                chosen[entry.entry_id] = lineup
                now[entry.entry_id] = tuple(sorted(lineup))
        changes += done.changes
        label = "" if section is None else f"Contest {contest}: "
        notices += [label + notice for notice in done.notices]
    book.check(file, over)
    return SwappedEntries(
        write_entries(content, slate, chosen, file=file),
        len(chosen),
        tuple(changes),
        (*locked_notices(entries), *notices, *idle_sections(settings, entries)),
        book.at_risk(),
    )


@dataclass(frozen=True, slots=True)
class _SwappedGroup:
    """Lineups that were mended together, by entry; every change, and what was set aside."""

    lineups: dict[str, Sequence[int]]
    changes: list[str]
    notices: list[str]


def _lineup(entry: ContestEntry) -> Lineup:
    return tuple(sorted(entry.lineup or ()))


def _swap_group(
    members: Sequence[ContestEntry],
    slate: Slate,
    points: npt.NDArray[np.integer],
    settings: PortfolioSettings,
    portfolio: Sequence[Sequence[int]] | None,
    scratched: Sequence[str],
    book: Book,
    *,
    vetoes: Sequence[CountRule],
    without: Collection[Lineup],
) -> _SwappedGroup:
    """Entries whose lineups are one set, mended; the portfolio with them where they are of it."""
    held: dict[Lineup, list[ContestEntry]] = {}
    for entry in members:
        held.setdefault(_lineup(entry), []).append(entry)
    movable = {
        lineup: [entry for entry in mine if not entry.locked] for lineup, mine in held.items()
    }
    whole = [tuple(sorted(row)) for row in portfolio or ()]
    notices: list[str] = []
    strangers = sum(lineup not in whole for lineup in held)
    if strangers:
        whole = list(held)
        settings, notices = _kept_now(slate, settings, whole, scratched)
        if portfolio is not None:
            notices.insert(
                0,
                f"{strangers} of the file's {len(held)} lineups are not in the slate's portfolio: "
                "the file's lineups are mended by themselves. Drivers scratched by hand before, "
                "not by nascar entries swap, may come back in: name them too.",
            )
    settings = settings.model_copy(update={"lineups": len(whole)})
    dearest = max(sum(entry.fee_cents or 0 for entry in mine) for mine in movable.values())
    swap = late_swap(
        points,
        slate,
        book.bounded(settings, dearest, held=whole),
        np.array(whole),
        scratched,
        vetoes=vetoes,
        fixed=[row for row, lineup in enumerate(whole) if movable.get(lineup) == []],
        without=without,
        own=bool(strangers),
    )
    after = dict(zip(whole, swap.drivers.tolist(), strict=True))
    lineups = {entry.entry_id: after[key] for key, mine in movable.items() for entry in mine}
    changes = []
    for change in swap.changes:
        mine = movable.get(whole[change.lineup - 1], [])
        if mine:
            ids = ", ".join(entry.entry_id for entry in mine)
            word = "entry" if len(mine) == 1 else "entries"
            changes.append(f"{word} {ids}: {change.out} out, {change.into} in")
    return _SwappedGroup(lineups, changes, [*notices, *swap.notices])


def _kept_now(
    slate: Slate, settings: PortfolioSettings, lineups: Sequence[Lineup], scratched: Sequence[str]
) -> tuple[PortfolioSettings, list[str]]:
    """The settings, with bounds over the set that these lineups do not keep set to what they have.

    What is passed already may stay, and no change goes further; who leaves is no part of a minimum.
    """
    leave = {find_driver(slate, text, field="scratched") for text in scratched}
    gone = sum(1 << i for i in leave)
    settings = settings.model_copy(update={"lineups": len(lineups)})
    notices = []
    broken: dict[tuple[int, str], float] = {}
    masks = [sum(1 << i for i in lineup) for lineup in lineups]
    for exposure in resolve(slate, settings).exposures:
        count = sum(bool(mask & exposure.target) for mask in masks)
        stays = sum(bool(mask & exposure.target & ~gone) for mask in masks)
        for side, label, misses, has in (
            ("min_exposure", exposure.lower_label, count < exposure.lower, stays),
            ("max_exposure", exposure.upper_label, count > exposure.upper, count),
        ):
            if label is not None and misses:
                broken[exposure.target, side] = has / len(lineups)
                notices.append(f"{label}: {PASSED}.")
    shared = max((one & two).bit_count() for one, two in combinations(masks, 2)) if masks[1:] else 0
    if settings.max_shared is not None and shared > settings.max_shared:
        notices.append(f"max_shared = {settings.max_shared}: {PASSED}.")
        settings = settings.model_copy(update={"max_shared": shared})
    if not broken:
        return settings, notices

    def loosened(part: Any, names: Sequence[str]) -> Any:
        single = PortfolioSettings(
            lineups=len(lineups),
            groups=(GroupSettings(drivers=tuple(names), min_exposure=0.0),),
        )
        target = resolve(slate, single).group_masks[0]
        return part.model_copy(
            update={side: at for (of, side), at in broken.items() if of == target}
        )

    drivers: dict[str, DriverSettings] = {
        key: loosened(driver, (key,)) for key, driver in settings.drivers.items()
    }
    groups = tuple(loosened(group, group.drivers) for group in settings.groups)
    return settings.model_copy(update={"drivers": drivers, "groups": groups}), notices
