"""Payout tables: what each place of a contest wins, in whole cents."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.files import check_once, find_header, number_cell, read_rows, read_text

Cents = npt.NDArray[np.int64]
Fault = Callable[..., "PayoutError"]

_PLACE = r"([0-9][0-9,. ]{0,15})(?:st|nd|rd|th)?"
_PLACES = re.compile(rf"{_PLACE}(?:\s*(?:-|–|—|to)\s*{_PLACE})?", re.IGNORECASE)
_MONTH = re.compile(r"(?i)jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|[0-9]/[0-9]")
_TICKET = re.compile(r"tickets?|[()]", re.IGNORECASE)
_MAX_DOLLARS = 1_000_000_000
_FACTS = ("entries", "entry_fee", "prize_pool", "max_entries")


class PayoutError(InputError):
    """A payout table that cannot be right."""


@dataclass(frozen=True, slots=True)
class PayoutTable:
    """A contest's prizes.

    Attributes:
        prizes_cents: [P] prize of each paid place in cents, first place first, never rising.
        entries: Entries that the contest takes, where known.
        entry_fee_cents: Price of an entry in cents, where known.
        max_entries: Most entries of one person, where known.
    """

    prizes_cents: Cents
    entries: int | None = None
    entry_fee_cents: int | None = None
    max_entries: int | None = None

    @property
    def pool_cents(self) -> int:
        """All prizes together."""
        return int(self.prizes_cents.sum())


def payout_table(
    prizes_cents: npt.ArrayLike,
    *,
    entries: int | None = None,
    entry_fee_cents: int | None = None,
    max_entries: int | None = None,
) -> PayoutTable:
    """A table from its prizes, checked.

    Raises:
        PayoutError: If a prize is negative, a later place wins more than an earlier one, or more
            places are paid than there are entries.
    """
    prizes = np.asarray(prizes_cents, np.int64)
    if prizes.ndim != 1 or prizes.shape[0] == 0:
        raise PayoutError("a payout table needs one prize at least.")
    if int(prizes.min()) < 0:
        raise PayoutError(f"place {int(prizes.argmin()) + 1} has a negative prize.")
    rises = np.flatnonzero(np.diff(prizes) > 0)
    if rises.size:
        place = int(rises[0]) + 1
        raise PayoutError(
            f"place {place + 1} wins {_dollars(int(prizes[place]))}, more than place {place} "
            f"with {_dollars(int(prizes[place - 1]))}.",
            field="prize",
        )
    if entries is not None and prizes.shape[0] > entries:
        raise PayoutError(
            f"{prizes.shape[0]} places are paid but the contest has {entries} entries.",
            field="entries",
        )
    prizes.setflags(write=False)
    return PayoutTable(prizes, entries, entry_fee_cents, max_entries)


def read_payouts(content: bytes, *, file: str = "payouts.csv") -> PayoutTable:
    """Reads a payout table.

    The file is a CSV with the header `places,prize`; places are `1`, `2-5`, `6th to 10th` or
    `"1,401st - 2,806th"`, prizes dollars (`$1,000.00`) or tickets of a worth that is said
    (`$5 Ticket`). Rows named `entries`, `entry_fee`, `prize_pool` and `max_entries` state facts;
    the prizes have to add up to a `prize_pool` that is stated.

    Raises:
        PayoutError: Naming row and field of what is wrong: places that overlap or leave a gap,
            prizes that rise or do not add up, amounts that are none.
        InputError: If the file is no text, empty or too large.
    """
    given = read_text(content, file)
    file, comma = given.file, given.decimal_comma
    rows = read_rows(given)
    found = find_header(rows, ("places", "prize"), ("place", "prize"))
    if found is None:
        raise PayoutError(
            "no row is the header places,prize.",
            file=file,
            row=1,
            field="places",
            remedy="Write places,prize above the first place.",
        )
    line, columns, _, doubled = found
    check_once(("places", "place", "prize"), doubled, file, line)
    if "places" in columns and "place" in columns:
        raise PayoutError(
            "the columns places and place both hold places.",
            file=file,
            row=line,
            field="place",
            remedy="Take one of the two columns out.",
        )
    at = columns.get("places", columns.get("place", 0)), columns["prize"]
    facts: dict[str, int] = {}
    rows_of: dict[str, int] = {}
    spans: list[tuple[int, int, int, int]] = []
    for number, row in rows:
        fault = partial(PayoutError, file=file, row=number)
        cells = [row[place] if place < len(row) else "" for place in at]
        if not cells[1]:
            raise fault("the row has no prize.", field="prize")
        if "".join(row[max(at) + 1 : max(at) + 2])[:1].isdigit():
            raise fault(
                "the row has more cells than places and prize.",
                field="places",
                remedy='Quote what holds a comma: "1,401st - 2,806th","$1,000".',
            )
        key = cells[0].lower().replace(" ", "_")
        if key in _FACTS:
            if key in facts:
                raise fault(f"{key} is in row {rows_of[key]} already.", field=key)
            rows_of[key] = number
            read = _cents if key in ("entry_fee", "prize_pool") else _whole
            facts[key] = read(cells[1], fault, key, comma)
            continue
        match = _PLACES.fullmatch(cells[0])
        ends = [_count(end or match[1], comma) for end in match.groups()] if match else [None]
        if None in ends:
            raise fault(
                f"{cells[0]!r} is no place or span of places.",
                field="places",
                remedy="Write 1, 2-5 or 6th to 10th."
                + (" A spreadsheet made a date of it." if _MONTH.search(cells[0]) else ""),
            )
        first, last = (int(end or 0) for end in ends)
        if first < 1 or last < first:
            raise fault(f"places {cells[0]!r} run backwards.", field="places")
        spans.append((first, last, _cents(cells[1], fault, "prize", comma), number))
    return _assembled(spans, facts, rows_of, file)


def _assembled(
    spans: list[tuple[int, int, int, int]],
    facts: dict[str, int],
    rows_of: dict[str, int],
    file: str,
) -> PayoutTable:
    if not spans:
        raise PayoutError("the file holds no prizes.", file=file)
    spans.sort()
    expected = 1
    before = 0
    prize_before: int | None = None
    for first, last, prize, number in spans:
        fault = partial(PayoutError, file=file, row=number)
        if first < expected:
            raise fault(
                f"places {first}-{last} overlap those of row {before}.",
                field="places",
            )
        if first > expected:
            raise fault(
                f"places {expected}-{first - 1} have no prize.",
                field="places",
                remedy="Paid places follow each other from 1 on.",
            )
        if prize_before is not None and prize > prize_before:
            raise fault(
                f"place {first} wins {_dollars(prize)}, more than place {first - 1} with "
                f"{_dollars(prize_before)}.",
                field="prize",
            )
        expected, before, prize_before = last + 1, number, prize
    if expected - 1 > 10_000_000:
        raise PayoutError(
            f"{expected - 1:,} places are paid; 10,000,000 are the most that are taken.",
            file=file,
            row=before,
            field="places",
        )
    prizes = np.concatenate(
        [np.full(last - first + 1, prize, np.int64) for first, last, prize, _ in spans]
    )
    try:
        table = payout_table(
            prizes,
            entries=facts.get("entries"),
            entry_fee_cents=facts.get("entry_fee"),
            max_entries=facts.get("max_entries"),
        )
    except PayoutError as error:
        row = rows_of.get(error.field or "")
        raise PayoutError(error.message, file=file, row=row, field=error.field) from error
    stated = facts.get("prize_pool")
    if stated is not None and stated != table.pool_cents:
        raise PayoutError(
            f"the prizes add up to {_dollars(table.pool_cents)}, not to the stated pool of "
            f"{_dollars(stated)}.",
            file=file,
            row=rows_of["prize_pool"],
            field="prize_pool",
        )
    return table


def _cents(text: str, fault: Fault, field: str, decimal_comma: bool) -> int:
    worth = _TICKET.sub("", text).strip()
    # 2.000 may be two dollars or two thousand.
    unclear = not decimal_comma and re.fullmatch(r"[^,]*\.[0-9]{3,}", worth)
    amount = None if unclear else number_cell(worth, decimal_comma=decimal_comma)
    if amount is None or amount * 100 != int(amount * 100) or not 0 <= amount <= _MAX_DOLLARS:
        raise fault(
            f"{text!r} is no amount in dollars and cents.",
            field=field,
            remedy="Write what it is worth in dollars, such as $20 or $20 Ticket.",
        )
    return int(amount * 100)


def _count(text: str, decimal_comma: bool) -> int | None:
    value = number_cell(text, decimal_comma=decimal_comma, whole=True)
    return None if value is None or value != int(value) else int(value)


def _whole(text: str, fault: Fault, field: str, decimal_comma: bool) -> int:
    value = _count(text, decimal_comma)
    if value is None or value < 1:
        raise fault(f"{text!r} is no count.", field=field)
    return value


def _dollars(cents: int) -> str:
    return f"${cents // 100:,}.{cents % 100:02d}"
