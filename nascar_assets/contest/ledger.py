"""A person's entry history: read to the cent, other sports set aside, returns with intervals."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.columns.column import types_of
from nascar_assets.columns.contests import LEDGER
from nascar_assets.errors import InputError
from nascar_assets.files import (
    AGAIN,
    LARGE,
    amount_cell,
    check_once,
    check_width,
    column_key,
    find_header,
    id_cell,
    number_cell,
    read_rows,
    read_text,
    truncated,
)
from nascar_assets.lineups.ownership import CASH_NAME, KINDS

_COLUMNS = (
    *("Sport", "Game_Type", "Entry_Key", "Entry", "Contest_Key", "Contest_Date_EST", "Place"),
    *("Points", "Winnings_Non_Ticket", "Winnings_Ticket", "Contest_Entries", "Entry_Fee"),
    *("Prize_Pool", "Places_Paid"),
)
_NEEDED = tuple(name for name in _COLUMNS if name not in ("Game_Type", "Prize_Pool"))
_NASCAR = frozenset({"nas", "nascar"})
_SERIES = (
    ("trucks", re.compile(r"\btrucks?\b|craftsman|\bCTS\b", re.I)),
    ("xfinity", re.compile(r"xfinity|o'?reilly|\bNXS\b", re.I)),
    ("cup", re.compile(r"\bcup\b", re.I)),
)
_CASH = re.compile(rf"{CASH_NAME}|vs\.", re.I)
_HALF = 0.35  # of the entries are paid in a cash game, and hardly ever in a tournament
_DATES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%m/%d/%Y %H:%M", "%m/%d/%Y")
_DRAWS = 2_000
_SEED = 11


@dataclass(frozen=True, slots=True)
class History:
    """An entry history.

    Attributes:
        rows: A table `LEDGER` of NASCAR entries.
        others: Rows of other sports, set aside, by sport.
        notices: What a person should know.
    """

    rows: pl.DataFrame
    others: Mapping[str, int]
    notices: tuple[str, ...]


def read_history(
    content: bytes, races: Mapping[date, Sequence[str]], *, file: str = "history.csv"
) -> History:
    """Reads a site's entry history.

    Args:
        content: The file, zipped or not.
        races: Series that raced on a day (US Eastern): they tell what names do not.
        file: Its name, for messages.

    Raises:
        InputError: If it is no entry history, is cut off, or holds what is no amount; naming row
            and field.
    """
    given = read_text(content, file, limits=LARGE, lossy=True)
    rows = read_rows(given, limits=LARGE)
    found = find_header(rows, map(column_key, _NEEDED))
    if found is None:
        raise InputError(
            f"no row is a header with {', '.join(_NEEDED)}.",
            file=given.file,
            row=1,
            remedy="Use the entry history that the site exports (My Contests, History, Download).",
        )
    check_once(_COLUMNS, found[3], given.file, found[0])
    columns = {name: found[1].get(column_key(name), -1) for name in _COLUMNS}
    made: list[dict[str, Any]] = []
    others: Counter[str] = Counter()
    seen: dict[str, int] = {}
    cancelled = refunded = 0
    for number, row in rows:
        cells = {name: row[at] if 0 <= at < len(row) else "" for name, at in columns.items()}
        if len(row) <= max(columns[name] for name in _NEEDED):
            raise truncated(given.file, number)
        if cells["Sport"].casefold() not in _NASCAR:
            others[cells["Sport"] or "none"] += 1
            continue
        check_width(row, found[2], given.file, number, last=max(columns.values()))
        entry = _entry(cells, races, given.file, number, given.decimal_comma)
        key = entry["entry_key"]
        if key in seen:
            raise InputError(
                f"entry {key} is in row {seen[key]} already.",
                file=given.file,
                row=number,
                field="Entry_Key",
                remedy="Download it again.",
            )
        seen[key] = number
        cancelled += entry["state"] == "cancelled"
        refunded += entry["state"] == "refunded"
        made.append(entry)
    notices = []
    if others:
        said = ", ".join(f"{count} {sport}" for sport, count in sorted(others.items()))
        notices.append(f"Rows of other sports are set aside: {said}.")
    if refunded:
        notices.append(f"{refunded} refunded entries are kept and count for no return.")
    if cancelled:
        notices.append(
            f"{cancelled} entries without a place and without winnings are taken for those of "
            "cancelled contests: they are kept and their fees count for no return. Add the history "
            "again where their contests are settled later."
        )
    return History(pl.DataFrame(made, schema=types_of(LEDGER)), dict(others), tuple(notices))


def _entry(
    cells: Mapping[str, str],
    races: Mapping[date, Sequence[str]],
    file: str,
    row: int,
    decimal_comma: bool,
) -> dict[str, Any]:
    def cents(field: str) -> int:
        text = cells[field].strip()
        amount = amount_cell(text or "0", decimal_comma=decimal_comma)
        if amount is None or amount < 0 or amount * 100 != int(amount * 100):
            raise InputError(
                f"{text!r} is no amount in dollars and cents.",
                file=file,
                row=row,
                field=field,
                remedy="Write it as 5.00 or $5.00, without brackets or a minus; leave it empty for "
                "nothing.",
            )
        return int(amount * 100)

    def whole(field: str) -> int | None:
        text = cells[field].strip()
        value = amount_cell(text, decimal_comma=decimal_comma, whole=True)
        if text and (value is None or value != int(value) or value < 0):
            raise InputError(f"{text!r} is no count.", file=file, row=row, field=field)
        return None if value is None else int(value)

    points = number_cell(cells["Points"], decimal_comma=decimal_comma)
    if points is None and cells["Points"].strip():
        raise InputError(
            f"{cells['Points'].strip()!r} is no number of points.",
            file=file,
            row=row,
            field="Points",
            remedy="Leave it empty where there are none.",
        )
    day = _day(cells["Contest_Date_EST"], file, row)
    fee, won, ticket = (
        cents(name) for name in ("Entry_Fee", "Winnings_Non_Ticket", "Winnings_Ticket")
    )
    place, entries, paid = (whole(name) for name in ("Place", "Contest_Entries", "Places_Paid"))
    if place and entries is not None and place > entries:
        raise InputError(
            f"place {place:,} is beyond the contest's {entries:,} entries.",
            file=file,
            row=row,
            field="Place",
            remedy=AGAIN,
        )
    state = "settled"
    if not place:
        back = won + ticket
        if back not in (0, fee):
            raise InputError(
                f"the entry has no place, and winnings of ${back / 100:,.2f} that are not its fee "
                f"of ${fee / 100:,.2f}.",
                file=file,
                row=row,
                field="Place",
                remedy="Download it again once the contest is settled.",
            )
        state = "refunded" if back else "cancelled"
    entry_key = id_cell(cells["Entry_Key"], file, row, "Entry_Key")
    if not entry_key:
        raise InputError(
            "the entry has no key.", file=file, row=row, field="Entry_Key", remedy=AGAIN
        )
    name = cells["Entry"].strip()
    return {
        "entry_key": entry_key,
        "contest_key": id_cell(cells["Contest_Key"], file, row, "Contest_Key"),
        "name": name,
        "day": day,
        "season": day.year,
        "series": _series(name, races.get(day, ())),
        "kind": _kind(name, entries, paid),
        "state": state,
        "place": place or None,
        "points": None if points is None else float(points),
        "entries": entries,
        "paid": paid,
        "fee_cents": fee,
        "won_cents": won,
        "ticket_cents": ticket,
    }


def _day(text: str, file: str, row: int) -> date:
    plain = text.strip().split(".")[0].replace("T", " ")
    for form in _DATES:
        try:
            return datetime.strptime(plain, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    raise InputError(f"{text!r} is no date.", file=file, row=row, field="Contest_Date_EST")


def _series(name: str, raced: Sequence[str]) -> str:
    """The series by the contest's name, else by who raced on its day; empty where both are mute."""
    for series, pattern in _SERIES:
        if pattern.search(name):
            return series
    if len(raced) == 1:
        return raced[0]
    return "cup" if "cup" in raced else ""


def _kind(name: str, entries: int | None, paid: int | None) -> str:
    # Where all are paid and more, a guaranteed contest did not fill: that tells no kind.
    if _CASH.search(name) or (entries and paid and _HALF * entries <= paid < entries):
        return KINDS[0]
    return KINDS[1]


def merged(before: pl.DataFrame, history: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    """The ledger with a history in it, and how many entries are new and how many changed."""
    known = {row["entry_key"]: row for row in before.iter_rows(named=True)}
    fresh = changed = 0
    for row in history.iter_rows(named=True):
        old = known.get(row["entry_key"])
        fresh += old is None
        changed += old is not None and old != row
        known[row["entry_key"]] = row
    table = pl.DataFrame(list(known.values()), schema=types_of(LEDGER))
    return table.sort("day", "contest_key", "entry_key"), fresh, changed


def returns(ledger: pl.DataFrame, by: Iterable[str]) -> list[dict[str, Any]]:
    """Fees, winnings and return of groups of entries, with 95% bootstrap intervals.

    Contests' days are drawn with replacement, whole: entries of one race win and lose together.
    Refunded and cancelled entries count for nothing. Tickets count at their worth.

    Args:
        ledger: A table `LEDGER`.
        by: Columns that make the groups; none for all entries together.
    """
    counted = ledger.filter(pl.col("state") == "settled")
    names = list(by)
    parts = counted.partition_by(names, as_dict=True) if names else {(): counted}
    found = []
    for key, part in sorted(parts.items(), key=lambda pair: tuple(map(str, pair[0]))):
        days = part.group_by("day").agg(
            fee=pl.col("fee_cents").sum(), won=(pl.col("won_cents") + pl.col("ticket_cents")).sum()
        )
        days = days.sort("day")
        fee, won = (days[name].to_numpy().astype(np.float64) for name in ("fee", "won"))
        spent, back = int(fee.sum()), int(won.sum())
        low = high = None
        if len(fee) > 1 and spent:
            rng = np.random.Generator(np.random.Philox(_SEED))
            drawn = rng.integers(0, len(fee), (_DRAWS, len(fee)))
            base = fee[drawn].sum(axis=1)
            rates = (won[drawn].sum(axis=1) - base)[base > 0] / base[base > 0]
            low, high = (float(value) for value in np.quantile(rates, (0.025, 0.975)))
        found.append(
            {
                **dict(zip(names, key, strict=True)),
                "entries": part.height,
                "days": len(fee),
                "fees_dollars": spent / 100,
                "won_dollars": int(part["won_cents"].sum()) / 100,
                "tickets_dollars": int(part["ticket_cents"].sum()) / 100,
                "profit_dollars": (back - spent) / 100,
                "roi": (back - spent) / spent if spent else math.nan,
                "roi_low": low,
                "roi_high": high,
            }
        )
    return [{k: None if v != v else v for k, v in row.items()} for row in found]
