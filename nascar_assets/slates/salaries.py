"""Salary files of DraftKings and FanDuel, read strictly: errors name row and field."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from nascar_assets.errors import InputError
from nascar_assets.slates.slate import marked_out

_DK_COLUMNS = (
    "Position",
    "Name + ID",
    "Name",
    "ID",
    "Roster Position",
    "Salary",
    "Game Info",
    "TeamAbbrev",
    "AvgPointsPerGame",
)
_FD_COLUMNS = ("Id", "First Name", "Nickname", "Last Name", "FPPG", "Salary", "Game")

_SERIES_WORDS: tuple[tuple[str, str], ...] = (
    (r"cup|ncs", "cup"),
    (r"o'?reilly|xfinity|noaps|nxs", "xfinity"),
    (r"trucks?|ncts|craftsman", "trucks"),
)
_DATE = re.compile(r"(?<!\d)(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)(?!\d)")
_YEAR = re.compile(r"(?<!\d)(20\d\d)(?!\d)")
_HIGHEST_SALARY = 1_000_000


@dataclass(frozen=True, slots=True)
class SalaryRow:
    """One driver of a salary file.

    Attributes:
        row: The line on which a person sees this driver, the header being line 1.
        site_id: The site's id of this driver in this slate.
        name: The name as the site spells it.
        salary: Dollars.
        average_points: The site's own average, where given.
        status: The site's status in capitals, where given.
        out: Whether the status says that he does not race.
    """

    row: int
    site_id: str
    name: str
    salary: int
    average_points: float | None = None
    status: str | None = None
    out: bool = False


@dataclass(frozen=True, slots=True)
class SalaryFile:
    """A contest's salaries.

    Attributes:
        site: `dk` or `fd`.
        filename: Name of the file, without folders.
        sha256: Hash of the file's bytes.
        rows: The drivers, in the file's order.
        race_name: What the file calls the race; empty where it does not say.
        date: The date in the file's name, if any: the day of the export or of the race.
        season: The year in the file's name, if any.
        series: The series by the file's name, if it tells.
    """

    site: str
    filename: str
    sha256: str
    rows: tuple[SalaryRow, ...]
    race_name: str
    date: date | None
    season: int | None
    series: str | None


def read_salaries(data: bytes, filename: str) -> SalaryFile:
    """Reads a salary export of DraftKings (with or without `Status,Starting`) or FanDuel.

    Text that is not UTF-8 is read as Windows-1252.

    Args:
        data: The file's bytes.
        filename: Its name; a date, a year and a series in it help to find the race.

    Raises:
        InputError: If it is no CSV file, its text is in neither encoding, the header is another
            one, there is no driver, a field is missing, a salary is no whole number of dollars
            from 1 up, or an ID occurs twice; says file, row and field.
    """
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    lines = _lines(_text(data, name), name)
    header_line, header = next(lines, (1, []))
    columns = [column.strip() for column in header]
    site = _site(columns, name, header_line)
    rows: list[SalaryRow] = []
    seen: dict[str, int] = {}
    race_name = ""
    race_row = 0
    for line, cells in lines:
        if len(cells) > len(columns):
            raise InputError(
                f"The line has {len(cells)} fields and the header has {len(columns)}.",
                file=name,
                row=line,
                remedy="Export the file again; a comma inside a field must be quoted.",
            )
        if len(cells) < len(columns):
            raise InputError(
                "The line breaks off before this field.",
                file=name,
                row=line,
                field=columns[len(cells)],
                remedy="Export the file again; the copy at hand is not whole.",
            )
        fields = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
        row = _row(site, fields, name, line)
        if row.site_id in seen:
            raise InputError(
                f"The ID {row.site_id} is already on row {seen[row.site_id]}.",
                file=name,
                row=line,
                field=_FIELDS[site]["id"],
                remedy=f"Keep one of the two rows. {_AGAIN}",
            )
        seen[row.site_id] = line
        race = _race_of(site, fields)
        if race and not race_name:
            race_name, race_row = race, line
        elif race and race != race_name:
            raise InputError(
                f"The race is {race!r} here and {race_name!r} on row {race_row}.",
                file=name,
                row=line,
                field=_FIELDS[site]["race"],
                remedy="A salary file holds one race.",
            )
        rows.append(row)
    if not rows:
        raise InputError("The file lists no driver.", file=name, remedy=_AGAIN)
    day, season = _dated(name)
    return SalaryFile(
        site=site,
        filename=name,
        sha256=hashlib.sha256(data).hexdigest(),
        rows=tuple(rows),
        race_name=race_name,
        date=day,
        season=season,
        series=_series(name),
    )


_AGAIN = "Where the file was edited or cut, download it from the site again."

_FIELDS: dict[str, dict[str, str]] = {
    "dk": {
        "id": "ID",
        "name": "Name",
        "salary": "Salary",
        "average": "AvgPointsPerGame",
        "status": "Status",
        "race": "Game Info",
    },
    "fd": {
        "id": "Id",
        "name": "Nickname",
        "salary": "Salary",
        "average": "FPPG",
        "status": "Injury Indicator",
        "race": "Game",
    },
}


def _text(data: bytes, file: str) -> str:
    if not data.strip():
        raise InputError("The file is empty.", file=file, remedy=_AGAIN)
    nul = data.find(b"\0")
    if nul >= 0:
        raise InputError(
            "This is no CSV file: it holds a NUL byte.",
            file=file,
            row=data.count(b"\n", 0, nul) + 1,
            remedy="Export the salaries as CSV; a spreadsheet or an archive cannot be read.",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The text is neither UTF-8 nor Windows-1252 (byte 0x{data[error.start]:02x}).",
            file=file,
            row=data.count(b"\n", 0, error.start) + 1,
            remedy="Save it as UTF-8; names would not be read right otherwise.",
        ) from error


def _lines(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """The records that are not blank, each with the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"This is no CSV file: {error}.", file=file, row=line, remedy=_AGAIN
            ) from error
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _site(columns: list[str], file: str, row: int) -> str:
    present = set(columns)
    missing = {
        site: [column for column in expected if column not in present]
        for site, expected in (("dk", _DK_COLUMNS), ("fd", _FD_COLUMNS))
    }
    for site, lacking in missing.items():
        if not lacking:
            doubled = next((column for column in columns if columns.count(column) > 1), None)
            if doubled:
                raise InputError(
                    "The column occurs twice.",
                    file=file,
                    row=row,
                    field=doubled,
                    remedy="Take one of the two columns out.",
                )
            return site
    nearest = min(missing, key=lambda site: len(missing[site]) / len(_EXPECTED[site]))
    raise InputError(
        "This is no salary file: the header lacks " + ", ".join(missing[nearest]) + ".",
        file=file,
        row=row,
        field=missing[nearest][0],
        remedy="Expected is DraftKings' header " + ",".join(_DK_COLUMNS) + " or FanDuel's.",
    )


_EXPECTED = {"dk": _DK_COLUMNS, "fd": _FD_COLUMNS}


def _row(site: str, fields: dict[str, str], file: str, line: int) -> SalaryRow:
    names = _FIELDS[site]
    name = fields.get(names["name"], "")
    if site == "fd" and not name:
        name = f"{fields.get('First Name', '')} {fields.get('Last Name', '')}".strip()
    for value, column in ((name, names["name"]), (fields.get(names["id"], ""), names["id"])):
        if not value:
            raise InputError(
                "The field is empty.", file=file, row=line, field=column, remedy=_AGAIN
            )
    status = fields.get(names["status"], "").upper() or None
    return SalaryRow(
        row=line,
        site_id=fields[names["id"]],
        name=name,
        salary=_salary(fields.get(names["salary"], ""), file, line, names["salary"]),
        average_points=_average(fields.get(names["average"], ""), file, line, names["average"]),
        status=status,
        out=marked_out(status),
    )


def _salary(text: str, file: str, row: int, field: str) -> int:
    plain = text.removeprefix("$").replace(",", "")
    if not (plain.isascii() and plain.isdigit() and 0 < int(plain) <= _HIGHEST_SALARY):
        raise InputError(
            f"A salary in whole dollars was expected, not {text!r}.",
            file=file,
            row=row,
            field=field,
            remedy=f"Correct it, or take the row out. {_AGAIN}",
        )
    return int(plain)


def _average(text: str, file: str, row: int, field: str) -> float | None:
    if text in ("", "-"):
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e6:
        raise InputError(
            f"A number was expected, not {text!r}.",
            file=file,
            row=row,
            field=field,
            remedy="Correct it, or leave the field empty: the forecast does not use it.",
        )
    return value


def _race_of(site: str, fields: dict[str, str]) -> str:
    return " ".join(fields.get(_FIELDS[site]["race"], "").split())


def _dated(filename: str) -> tuple[date | None, int | None]:
    for found in _DATE.finditer(filename):
        try:
            day = date(*(int(part) for part in found.groups()))
        except ValueError:
            continue
        return day, day.year
    year = _YEAR.search(filename)
    return None, int(year.group(1)) if year else None


def _series(filename: str) -> str | None:
    folded = filename.casefold()
    found = {series for words, series in _SERIES_WORDS if re.search(words, folded)}
    return found.pop() if len(found) == 1 else None
