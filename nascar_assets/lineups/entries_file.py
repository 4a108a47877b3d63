"""Entries files of every contest site: read, filled and mended with every other byte kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from nascar_assets.errors import InputError
from nascar_assets.files import amount_cell, column_key, id_cell
from nascar_assets.lineups.legality import lineup_problems
from nascar_assets.lineups.raw_csv import RawCsv, read_raw
from nascar_assets.lineups.upload import player_cell, player_of_cell
from nascar_assets.rules import SITES
from nascar_assets.slates.slate import Slate


class LockedEntry(InputError):
    """An entry that may no longer be changed."""


@dataclass(frozen=True, slots=True)
class ContestEntry:
    """One entry of a contest.

    Attributes:
        row: One-based row of the file.
        entry_id: The site's id of the entry.
        contest_id: The site's id of the contest.
        contest_name: The contest's name.
        entry_fee: As the file writes it.
        lineup: Indices into `slate.everyone` in the file's order; none where it is not filled.
        locked: Whether any of its drivers is marked as locked.
        decimal_comma: Whether the file's amounts have a decimal comma.
    """

    row: int
    entry_id: str
    contest_id: str
    contest_name: str
    entry_fee: str
    lineup: tuple[int, ...] | None
    locked: bool
    decimal_comma: bool = False

    @property
    def fee_cents(self) -> int | None:
        """The fee in cents; none where the file has no amount in dollars."""
        if self.entry_fee.casefold() == "free":
            return 0
        amount = amount_cell(self.entry_fee, decimal_comma=self.decimal_comma)
        return None if amount is None or amount < 0 else round(100 * amount)


def read_entries(
    content: bytes, slate: Slate, *, file: str = "DKEntries.csv"
) -> tuple[ContestEntry, ...]:
    """The entries of a file; whether their lineups are legal is for `check_entered` to say.

    Raises:
        InputError: If the file is no entries file, is of another slate, or a lineup in it is half
            filled; naming row and field.
    """
    return _entries(_checked(content, slate, file), slate, file)


def by_contest(
    entries: Sequence[ContestEntry], slate: Slate, contest_id: str | None, *, file: str
) -> dict[str, list[ContestEntry]]:
    """A file's entries by their contest's id, in the file's order.

    Args:
        entries: The entries.
        slate: The slate.
        contest_id: This contest alone; all of them where none is named.
        file: The file's name, for messages.

    Raises:
        InputError: If there is no such entry.
    """
    contests: dict[str, list[ContestEntry]] = {}
    for entry in entries:
        if contest_id is None or entry.contest_id == contest_id:
            contests.setdefault(entry.contest_id, []).append(entry)
    if not contests:
        what = "entries" if contest_id is None else f"entries of contest {contest_id}"
        there = ", ".join(dict.fromkeys(entry.contest_id for entry in entries))
        raise InputError(
            f"the file holds no {what}.",
            file=file,
            field=slate.site.entry_columns["contest_id"],
            remedy=f"Its contests are {there}." if there else "Export it anew.",
        )
    return contests


def write_entries(
    content: bytes,
    slate: Slate,
    lineups: Mapping[str, Sequence[int]],
    *,
    file: str = "DKEntries.csv",
) -> bytes:
    """The file with the lineups of some entries changed, and nothing else.

    Drivers who stay keep their cells; only the cells of those who go are written.

    Args:
        content: The file.
        slate: The slate.
        lineups: Lineup by entry id.
        file: The file's name, for messages.

    Raises:
        LockedEntry: If a locked entry would change.
        InputError: If an entry is not in the file or a lineup is illegal.
    """
    raw = _checked(content, slate, file)
    entries = {entry.entry_id: entry for entry in _entries(raw, slate, file)}
    for entry_id, lineup in lineups.items():
        if entry_id not in entries:
            raise InputError(
                f"there is no entry {entry_id} in the file.",
                file=file,
                field=slate.site.entry_columns["entry_id"],
            )
        entry = entries[entry_id]
        wanted = [int(i) for i in lineup]
        problems = lineup_problems(slate, wanted)
        if problems:
            raise InputError(
                f"the lineup for entry {entry_id} is illegal: {'; '.join(problems)}.", file=file
            )
        now = list(entry.lineup) if entry.lineup is not None else []
        if sorted(now) == sorted(wanted):
            continue
        if entry.locked:
            raise locked_fault(entry, slate, file)
        places = _places(now, wanted)
        row = raw.rows[entry.row - 1]
        for place, driver in places.items():
            cell = player_cell(slate.players[driver], slate.site)
            if not raw.writable(cell):
                cell = slate.players[driver].site_id
            row.replace(len(slate.site.entry_columns) + place, cell)
    return raw.to_bytes()


def filled_name(file: str) -> str:
    """What a filled file is called: `DKEntries-filled.csv` where `DKEntries.csv` was given."""
    stem = re.sub(r"\.(csv|txt)$", "", file, flags=re.IGNORECASE)
    plain = re.sub(r"[^0-9A-Za-z._-]+", "-", stem).strip(".-")
    plain = re.sub(r"-filled(-\d+)?$", "", plain)  # a browser's second download has a number
    return f"{plain[:100] or 'entries'}-filled.csv"


def check_entered(entries: Iterable[ContestEntry], slate: Slate, file: str) -> None:
    """Refuses an entry whose lineup breaks the contest's rules; one who is out by now breaks none.

    Raises:
        InputError: Naming row and field of the first.
    """
    for entry in entries:
        problems = lineup_problems(slate, entry.lineup or (), entered=True)
        if entry.lineup is not None and problems:
            raise InputError(
                f"the lineup of entry {entry.entry_id} is illegal: {'; '.join(problems)}.",
                file=file,
                row=entry.row,
                field=slate.site.entry_driver,
                remedy="Correct it, empty its cells, or fill the entry anew (entries fill).",
            )


def locked_fault(entry: ContestEntry, slate: Slate, file: str) -> LockedEntry:
    """That an entry may no longer be changed."""
    return LockedEntry(
        f"entry {entry.entry_id} is locked; its lineup can no longer change.",
        file=file,
        row=entry.row,
        field=slate.site.entry_driver,
        remedy="Lineups lock at the race's start. Fill a file exported before.",
    )


def locked_notices(entries: Sequence[ContestEntry]) -> tuple[str, ...]:
    """What to say of entries that stay as they are; nothing where none is locked."""
    ids = [entry.entry_id for entry in entries if entry.locked]
    if not ids:
        return ()
    return (f"Locked, and left as {'it is' if len(ids) == 1 else 'they are'}: {', '.join(ids)}.",)


def _places(now: list[int], wanted: list[int]) -> dict[int, int]:
    """What to write where so that drivers who stay keep their places."""
    if not now:
        return dict(enumerate(wanted))
    coming = [driver for driver in wanted if driver not in now]
    going = [
        place
        for place, driver in enumerate(now)
        if driver not in wanted or driver in now[:place]  # held twice
    ]
    return dict(zip(going, coming, strict=True))


def _checked(content: bytes, slate: Slate, file: str) -> RawCsv:
    raw = read_raw(content, file=file)
    top = _top(raw)
    header = [raw.rows[top].value(i).strip() for i in range(len(raw.rows[top].cells))]
    keys, site = [*map(column_key, header)], slate.site
    for other in SITES.values():
        lead = [*map(column_key, other.entry_columns.values())]
        if other is not site and keys[: len(lead)] == lead:
            raise InputError(
                f"This is an entries file of {other.name}; slate {slate.slate_id} is of "
                f"{site.name}.",
                file=file,
                row=top + 1,
                field=header[0],
                remedy=f"Name the slate of {other.name}, or use the entries file of {site.name}.",
            )
    wanted = [*site.entry_columns.values(), *[site.entry_driver] * slate.rules.roster_size]
    if keys[: len(wanted)] != [*map(column_key, wanted)]:
        raise InputError(
            f"the header does not begin with {','.join(wanted)}.",
            file=file,
            row=top + 1,
            field=next(
                (
                    w
                    for w, h in zip(wanted, [*header, *[""] * len(wanted)], strict=False)
                    if column_key(w) != column_key(h)
                ),
                None,
            ),
            remedy="Use the entries file that the site exports for this contest.",
        )
    if keys[len(wanted) :][:1] == keys[len(wanted) - 1 : len(wanted)]:
        raise InputError(
            f"the file has more than {slate.rules.roster_size} columns {site.entry_driver}, the "
            f"drivers of a lineup of slate {slate.slate_id}.",
            file=file,
            row=top + 1,
            field=site.entry_driver,
            remedy="Use the entries file that the site exports for this contest.",
        )
    _check_pool(raw, slate, file, len(wanted))
    if any(player.site_id == player.name for player in slate.players):
        raise InputError(
            f"The slate {slate.slate_id} has no ids of drivers, which the site needs in entries.",
            file=file,
            remedy="Download the salaries with their ids, add them and run the slate again.",
        )
    return raw


def _top(raw: RawCsv) -> int:
    """Index of the header: the first row that is not blank and does not name a separator."""
    for number, row in enumerate(raw.rows):
        cells = [row.value(i).strip() for i in range(len(row.cells))]
        if any(cells) and not cells[0].lower().startswith("sep="):
            return number
    return 0


def _check_pool(raw: RawCsv, slate: Slate, file: str, first: int) -> None:
    """Refuses a file whose player pool is another slate's."""
    column = start = None
    id_column = slate.site.pool_columns[1]
    both, alone = map(column_key, slate.site.pool_columns)
    for number, row in enumerate(raw.rows):
        values = [column_key(row.value(i)) for i in range(first, len(row.cells))]
        if both in values and alone in values:
            column, start = first + values.index(alone), number
            break
    if column is None or start is None:
        return
    known = {player.site_id for player in slate.everyone}
    pool = [
        (number, id_cell(raw.rows[number].value(column).strip(), file, number + 1, id_column))
        for number in range(start + 1, len(raw.rows))
        if raw.rows[number].value(column).strip()
    ]
    strangers = [(number, site_id) for number, site_id in pool if site_id not in known]
    if pool and len(strangers) == len(pool):
        raise InputError(
            f"the player pool is not that of slate {slate.slate_id}: "
            f"no driver of it has the ID {strangers[0][1]}.",
            file=file,
            row=strangers[0][0] + 1,
            field=id_column,
            remedy="Use the entries file of the same slate as the salary file.",
        )


def _entries(raw: RawCsv, slate: Slate, file: str) -> tuple[ContestEntry, ...]:
    entries = []
    seen: dict[str, int] = {}
    site = slate.site
    place_of = {part: place for place, part in enumerate(site.entry_columns)}
    first, id_column = len(place_of), site.entry_columns["entry_id"]
    top = _top(raw) + 1
    for number, row in enumerate(raw.rows[top:], start=top + 1):
        fault = partial(InputError, file=file, row=number)
        held = {part: row.value(place).strip() for part, place in place_of.items()}
        entry_id = id_cell(held["entry_id"], file, number, id_column)
        if not entry_id:
            continue
        if not entry_id.isdigit():
            raise fault(f"{entry_id!r} is no entry id.", field=id_column)
        if entry_id in seen:
            raise fault(f"entry {entry_id} is in row {seen[entry_id]} already.", field=id_column)
        seen[entry_id] = number
        cells = [row.value(first + i).strip() for i in range(slate.rules.roster_size)]
        filled = [cell for cell in cells if cell]
        lineup = None
        if filled:
            if len(filled) < len(cells):
                empty = cells.index("")
                raise fault(
                    f"entry {entry_id} is half filled: {len(filled)} of {len(cells)} drivers.",
                    field=f"{site.entry_driver} {empty + 1}",
                )
            lineup = tuple(
                player_of_cell(
                    slate, cell, file=file, row=number, field=f"{site.entry_driver} {place}"
                )
                for place, cell in enumerate(cells, start=1)
            )
        entries.append(
            ContestEntry(
                row=number,
                entry_id=entry_id,
                contest_id=id_cell(
                    held["contest_id"], file, number, site.entry_columns["contest_id"]
                ),
                contest_name=held["contest_name"],
                entry_fee=held["entry_fee"],
                lineup=lineup,
                locked=any(site.read_cell(cell)[1] for cell in filled),
                decimal_comma=raw.delimiter == ";",
            )
        )
    return tuple(entries)
