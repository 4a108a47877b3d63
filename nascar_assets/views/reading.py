"""From a view's file to what it states, each row used or named with the reason why it cannot be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from decimal import Decimal
from itertools import chain
from zoneinfo import ZoneInfo

from nascar_assets.errors import InputError
from nascar_assets.feed.odds import OddsFormat, decimal_odds
from nascar_assets.files import (
    GivenText,
    SourceFile,
    check_width,
    id_cell,
    number_cell,
    printable,
    read_rows,
    read_text,
)
from nascar_assets.views.columns import MARKETS, Header, folded, read_header
from nascar_assets.views.odds_feed import feed_board
from nascar_assets.views.odds_text import pasted_odds
from nascar_assets.views.quantities import QUANTITIES, REAR_SCORED, Quantity
from nascar_assets.views.statement import (
    ReadOptions,
    RowFault,
    Stated,
    Unit,
    UnusableView,
    ViewFile,
    once,
)

_BLANK = frozenset({"", "-", "--", "–", "—", "na", "n/a", "nan", "none", "null", "#n/a"})
_IN_BRACKETS = re.compile(r"\s*\(([0-9A-Za-z_-]+)\)$")
_EASTERN = ZoneInfo("America/New_York")
_GREATEST = 1_000.0
"""Points beyond which a number is no projection of one race."""
_HEADER_WITHIN = 20
"""Rows within which a header must begin."""
EXPECTED = (
    "Known are a name beside Fpts, Projection, stddev, ceiling, Own%, Min Exposure, Max Exposure, "
    "W, T3, T5, T10, odds, Rear Start or practice times; docs/views.md has all spellings."
)


def read_view(
    data: bytes, filename: str, race_id: str | None, options: ReadOptions | None = None
) -> ViewFile:
    """Reads a file of somebody's views, in any header of `columns.py`; blank cells state nothing.

    Args:
        data: The file's bytes, in an archive or not; see `files.read_text`.
        filename: Its name.
        race_id: The feed's id of the slate's race: rows of other races are left out. None for a
            file of many races, whose rows are all taken.
        options: What the person says of the file.

    Raises:
        UnusableView: If a cell is no value of its column; names each.
        InputError: If the file states nothing that is known, a number may be read in two ways, or
            all of it is of other races.
    """
    said = options or ReadOptions()
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    source = SourceFile.of(name, data)
    if data.lstrip()[:1] in (b"{", b"["):
        if race_id is None:
            raise InputError("A board of JSON is of one race.", file=name)
        return feed_board(data, source, race_id)
    given = read_text(data, name)
    rows = list(read_rows(given))
    header, after = _header(rows, name, said.projection)
    if header is None:
        return _pasted(given, source, said)
    return _Reader(given, source, header, race_id, said).read(rows[after:])


def _header(
    rows: Sequence[tuple[int, list[str]]], file: str, projection: str | None
) -> tuple[Header | None, int]:
    """The header and the number of rows up to it; none where no row is one."""
    for number, (line, cells) in enumerate(rows[:_HEADER_WITHIN], 1):
        found = read_header(line, cells, file, projection)
        if found is not None:
            if projection is not None and "mean_points" not in found.values:
                break
            return found, number
    if projection is not None:
        titles = ", ".join(cell for cell in rows[0][1] if cell) if rows else "none"
        raise InputError(
            f"No column beside drivers' names is called {projection!r}.",
            file=file,
            field="--column",
            remedy=f"Name one of the file's columns; its first row has: {titles}.",
        )
    return None, 0


def _pasted(given: GivenText, source: SourceFile, options: ReadOptions) -> ViewFile:
    """A text of names and odds without a header: odds to win."""
    pairs = list(pasted_odds(given.text.splitlines()))
    held = [pair for pair in pairs if pair[2]]
    if not held or len(held) < len(pairs) / 2:
        first = given.text.strip().splitlines()[0][:200]
        average = "averagepointspergame" in folded(first) or "avgpointspergame" in folded(first)
        raise InputError(
            f"The file states nothing that is known; it begins with {printable(first)!r}.",
            file=source.path,
            row=1,
            remedy="Where AvgPointsPerGame was filled with your own projections, say so with "
            "--column AvgPointsPerGame."
            if average
            else EXPECTED,
        )
    cells = [(line, who, odds) for line, who, odds in pairs]
    faults: list[RowFault] = []
    rows = []
    for line, who, text in cells:
        odds = _odds(text, options.odds, False, line, who, faults)
        if odds is not None:
            rows.append(Stated(line, who, "odds_win", odds))
    if faults:
        raise UnusableView(faults, source.path, _remedy(faults))
    return ViewFile(
        source, tuple(rows), ("Names and odds without a header are read as odds to win.",)
    )


_AMBIGUOUS = "may be American or decimal odds"


def _odds(
    text: str,
    form: OddsFormat | None,
    comma: bool,
    line: int,
    name: str,
    faults: list[RowFault],
) -> float | None:
    try:
        return decimal_odds(text, form, decimal_comma=comma)
    except InputError as error:
        faults.append(RowFault(line, name, error.message))
        return None


def _remedy(faults: Iterable[RowFault]) -> str | None:
    if any(_AMBIGUOUS in fault.reason for fault in faults):
        return "Say which with --odds american or --odds decimal, or write the sign."
    return None


@dataclass
class _Reader:
    """One pass over the rows below a header."""

    given: GivenText
    source: SourceFile
    header: Header
    race_id: str | None
    options: ReadOptions
    faults: list[RowFault] = field(default_factory=list)
    stated: list[Stated] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def read(self, rows: Iterable[tuple[int, list[str]]]) -> ViewFile:
        """What the rows state.

        Raises:
            UnusableView: If a cell is no value of its column.
        """
        others = 0
        last = max(*self.header.who.values(), *self.header.values.values())
        shares: dict[str, list[tuple[Stated, str]]] = {}
        for line, cells in rows:
            race = id_cell(self._cell(cells, "race_id"), self.source.path, line, "race_id")
            if race and self.race_id not in (None, race):
                others += 1
                continue
            check_width(cells, self.header.width, self.source.path, line, last=last)
            who = self._who(line, cells)
            if race and self.race_id is None:
                who = replace(who, race_id=race)
            for quantity, place in self.header.values.items():
                text = cells[place] if place < len(cells) else ""
                if text.casefold() not in _BLANK:
                    self._value(QUANTITIES[quantity], text, who, shares)
            self._quoted_odds(cells, who)
        for family, found in shares.items():
            self._shares(family, found)
        if self.faults:
            raise UnusableView(self.faults, self.source.path, _remedy(self.faults))
        if others and not self.stated:
            raise InputError(
                f"All {others} rows are of other races than {self.race_id}, the slate's own.",
                file=self.source.path,
                field=self.header.titles.get("race_id"),
                remedy="Check the slate, or take out the column of races.",
            )
        if not self.stated:
            raise InputError(
                "The file states nothing: every cell of a known column is empty.",
                file=self.source.path,
                remedy="Export it again.",
            )
        if others:
            rows_are = "1 row is" if others == 1 else f"{others} rows are"
            self.notices.append(f"{rows_are} of other races and left out.")
        if self.header.ignored:
            listed = ", ".join(printable(title) for title in self.header.ignored)
            self.notices.append(f"Columns that state nothing known are left out: {listed}.")
        # Boards of many races may hold several books' quotes of one driver.
        kept = once(self.stated, self.source.path) if self.race_id else tuple(self.stated)
        return ViewFile(self.source, kept, tuple(self.notices))

    def _cell(self, cells: Sequence[str], what: str) -> str:
        place = self.header.who.get(what)
        return cells[place] if place is not None and place < len(cells) else ""

    def _who(self, line: int, cells: Sequence[str]) -> Stated:
        """The row's driver, as a statement without a value."""
        name, site_id = self._cell(cells, "name"), self._cell(cells, "site_id")
        both = self._cell(cells, "name_id")
        if bracket := _IN_BRACKETS.search(both):
            name, site_id = name or both[: bracket.start()], site_id or bracket[1]
        if not (name or both):
            name = f"{self._cell(cells, 'first')} {self._cell(cells, 'last')}"
        name, driver_id = (name or both).strip(), self._cell(cells, "driver_id")
        quoted = self._cell(cells, "quoted_at")
        when = self._time(line, name or site_id or driver_id, quoted) if quoted else None
        return Stated(line, name, "", 0.0, site_id=site_id, driver_id=driver_id, quoted_at=when)

    def _time(self, line: int, name: str, text: str) -> datetime | None:
        """The UTC time of a quote; a bare date is known at that day's end, US Eastern."""
        try:
            when = datetime.fromisoformat(text)
            if len(text) == len("2026-03-15"):
                when = datetime.combine(when.date(), time(23, 59, 59), _EASTERN)
            if when.tzinfo is not None:
                return when.astimezone(UTC)
        except (ValueError, OverflowError):  # a first or last day may lie beyond in UTC
            self.faults.append(RowFault(line, name, f"{text!r} is no time."))
            return None
        self.faults.append(RowFault(line, name, f"the time {text!r} has no zone."))
        return None

    def _value(
        self,
        quantity: Quantity,
        text: str,
        who: Stated,
        shares: dict[str, list[tuple[Stated, str]]],
    ) -> None:
        """Keeps what a cell states; shares wait until it is known how they are written."""
        row = replace(who, quantity=quantity.name)
        if quantity.unit == "share":
            shares.setdefault(quantity.family, []).append((row, text))
        elif quantity.unit == "odds":
            self._keep_odds(row, text, self.options.odds)
        elif quantity.unit == "place":
            if text.casefold() in REAR_SCORED:
                self._keep(row, float(REAR_SCORED.index(text.casefold())))
            else:
                self._fault(row, f"a start at the rear is scored from grid or rear, not {text!r}.")
        else:
            value = self._number(text)
            if value is None or not abs(float(value)) < _GREATEST:
                self._fault(row, f"{self._title(quantity)} is no number of a race: {text!r}.")
            elif quantity.unit == "seconds" and not 0 < float(value) < 999:
                if float(value) < 999:
                    self._fault(row, f"{self._title(quantity)} is no lap time: {text!r}.")
            elif quantity.name == "sd_points" and value <= 0:
                self._fault(row, f"{self._title(quantity)} is {text}; a spread is above 0.")
            else:
                self._keep(row, float(value))

    def _number(self, text: str) -> Decimal | None:
        """A number that cannot be in thousands: between semicolons `32,456` is 32.456."""
        comma = self.given.decimal_comma
        number = number_cell(text, decimal_comma=comma)
        return number_cell(text.replace(",", ".")) if comma and number is None else number

    def _quoted_odds(self, cells: Sequence[str], who: Stated) -> None:
        """The odds of a column that a column of markets may tell apart; to win without one."""
        forms: tuple[tuple[str, OddsFormat | None], ...] = (
            ("odds", self.options.odds),
            ("american", "american"),
            ("decimal", "decimal"),
        )
        stated = [
            (column, text, form)
            for column, form in forms
            if (text := self._cell(cells, column)).casefold() not in _BLANK
        ]
        if not stated:
            return
        (taken, text, form), *others = stated
        titles = self.header.titles
        for column, _, _ in others:
            notice = (
                f"Where {printable(titles[taken])!r} holds odds, those of "
                f"{printable(titles[column])!r} are left out."
            )
            if notice not in self.notices:
                self.notices.append(notice)
        market = self._cell(cells, "market")
        quantity = MARKETS.get(folded(market)) if market else "odds_win"
        if quantity is None:
            self._fault(who, f"the market {market!r} is none of win, top 3, top 5, top 10.")
        else:
            self._keep_odds(replace(who, quantity=quantity), text, form)

    def _keep_odds(self, row: Stated, text: str, form: OddsFormat | None) -> None:
        comma = self.given.decimal_comma
        odds = _odds(text, form, comma, row.row, row.name, self.faults)
        if odds is not None:
            self._keep(row, odds)

    def _shares(self, family: str, found: list[tuple[Stated, str]]) -> None:
        """Keeps the shares of one family, once it is known how they are written.

        Raises:
            InputError: If they may be percent or shares.
        """
        numbers: list[tuple[Stated, float, bool]] = []
        for row, text in found:
            bare, signed = text.removesuffix("%").strip(), text.endswith("%")
            number = self._number(bare)
            if number is None or number < 0:
                self._fault(row, f"{self._title(QUANTITIES[row.quantity])} is no share: {text!r}.")
            else:
                numbers.append((row, float(number), signed))
        if not numbers:
            return
        unit = self.options.unit or self._unit(family, numbers)
        for row, value, signed in numbers:
            share = value / 100.0 if signed or unit == "percent" else value
            if share > 1.0:
                title = self._title(QUANTITIES[row.quantity])
                self._fault(row, f"{title} is above all there is: {value:g} read as a {unit}.")
            else:
                self._keep(row, share)

    def _unit(self, family: str, numbers: list[tuple[Stated, float, bool]]) -> Unit:
        signs = {signed for _, value, signed in numbers if value > 0}
        most_stated = max(value for _, value, _ in numbers)
        titled = any(
            "%" in self.header.titles[row.quantity] for row, _, _ in numbers
        )  # fmt: skip
        if signs == {True}:
            return "percent"
        if signs <= {False} and (most_stated > 1.0 or most_stated == 0.0):
            return "percent"
        if signs == {False} and not titled:
            return "share"
        total = sum(value for _, value, _ in numbers)
        first = next(row for row, value, _ in numbers if value > 0)
        value = next(value for _, value, _ in numbers if value > 0)
        raise InputError(
            f"The {family} may be percent or shares: {first.name or first.site_id} "
            f"({value:g}) is {value:g}% as percent and {100 * value:g}% as a share; all of them "
            f"add up to {total:.4g}% or {100 * total:.4g}%.",
            file=self.source.path,
            field=self.header.titles[first.quantity],
            remedy="Say which with --unit percent or --unit share.",
        )

    def _title(self, quantity: Quantity) -> str:
        return self.header.titles.get(quantity.name, quantity.words)

    def _fault(self, row: Stated, reason: str) -> None:
        self.faults.append(RowFault(row.row, row.name or row.site_id or row.driver_id, reason))

    def _keep(self, row: Stated, value: float) -> None:
        if not (row.name or row.site_id or row.driver_id):
            self._fault(row, "the row names no driver.")
        else:
            self.stated.append(replace(row, value=value))


def rear_file(names: Iterable[tuple[str, str]]) -> bytes:
    """The file that says who starts at the rear, and from where he is scored.

    Args:
        names: Drivers' names, each with one of `REAR_SCORED`.
    """
    quoted: Callable[[str], str] = lambda text: '"' + text.replace('"', '""') + '"'  # noqa: E731
    lines = (f"{quoted(name)},{scored}" for name, scored in names)
    return ("\n".join(chain(["Name,Rear Start"], lines)) + "\n").encode()
