"""Payout tables: what each place of a contest wins, in whole cents."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError

Cents = npt.NDArray[np.int64]

_PLACES = re.compile(r"^(\d+)(?:st|nd|rd|th)?(?:\s*(?:-|–|to)\s*(\d+)(?:st|nd|rd|th)?)?$", re.I)
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

    The file is a CSV with the header `places,prize`; places are `1`, `2-5` or `6th to 10th`,
    prizes dollars (`$1,000.00`). Rows named `entries`, `entry_fee`, `prize_pool` and
    `max_entries` state facts; the prizes have to add up to a `prize_pool` that is stated.

    Raises:
        PayoutError: Naming row and field of what is wrong: places that overlap or leave a gap,
            prizes that rise or do not add up, amounts that are none.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PayoutError(f"the file is not UTF-8: {error.reason}.", file=file) from error
    rows = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True))
    if not rows or [cell.strip().lower() for cell in rows[0][:2]] != ["places", "prize"]:
        raise PayoutError("the header is not places,prize.", file=file, row=1, field="places")
    facts: dict[str, int] = {}
    rows_of: dict[str, int] = {}
    spans: list[tuple[int, int, int, int]] = []
    for number, row in enumerate(rows[1:], start=2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) < 2:
            raise PayoutError("the row has no prize.", file=file, row=number, field="prize")
        key = cells[0].lower().replace(" ", "_")
        if key in _FACTS:
            if key in facts:
                raise PayoutError(
                    f"{key} is in row {rows_of[key]} already.", file=file, row=number, field=key
                )
            rows_of[key] = number
            money = key in ("entry_fee", "prize_pool")
            facts[key] = (
                _cents(cells[1], file, number, key)
                if money
                else _whole(cells[1], file, number, key)
            )
            continue
        match = _PLACES.match(cells[0])
        if not match:
            raise PayoutError(
                f"{cells[0]!r} is no place or span of places.",
                file=file,
                row=number,
                field="places",
                remedy="Write 1, 2-5 or 6th to 10th.",
            )
        first = int(match[1])
        last = int(match[2] or match[1])
        if first < 1 or last < first:
            raise PayoutError(
                f"places {cells[0]!r} run backwards.", file=file, row=number, field="places"
            )
        spans.append((first, last, _cents(cells[1], file, number, "prize"), number))
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
        if first < expected:
            raise PayoutError(
                f"places {first}-{last} overlap those of row {before}.",
                file=file,
                row=number,
                field="places",
            )
        if first > expected:
            raise PayoutError(
                f"places {expected}-{first - 1} have no prize.",
                file=file,
                row=number,
                field="places",
                remedy="Paid places follow each other from 1 on.",
            )
        if prize_before is not None and prize > prize_before:
            raise PayoutError(
                f"place {first} wins {_dollars(prize)}, more than place {first - 1} with "
                f"{_dollars(prize_before)}.",
                file=file,
                row=number,
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


def _cents(text: str, file: str, row: int, field: str) -> int:
    try:
        amount = Decimal(text.replace("$", "").replace(",", "").strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    cents = amount * 100
    if not cents.is_finite() or cents != cents.to_integral_value() or cents < 0:
        raise PayoutError(
            f"{text!r} is no amount in dollars and cents.", file=file, row=row, field=field
        )
    return int(cents)


def _whole(text: str, file: str, row: int, field: str) -> int:
    bare = text.replace(",", "")
    if not bare.isdigit() or int(bare) < 1:
        raise PayoutError(f"{text!r} is no count.", file=file, row=row, field=field)
    return int(bare)


def _dollars(cents: int) -> str:
    return f"${cents // 100:,}.{cents % 100:02d}"
