"""Salary files of every contest site, read strictly: errors name row and field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import chain

from nascar_assets.errors import InputError
from nascar_assets.files import (
    AGAIN,
    GivenText,
    SourceFile,
    amount_cell,
    check_once,
    check_width,
    column_key,
    find_header,
    id_cell,
    lost_digits,
    number_cell,
    plain_name,
    read_rows,
    read_text,
)
from nascar_assets.rules import SITES, Site
from nascar_assets.rules.sites import STATUS_COLUMNS

_SERIES_WORDS: tuple[tuple[str, str], ...] = (
    (r"cup|ncs", "cup"),
    (r"o'?reilly|xfinity|noaps|nxs", "xfinity"),
    (r"trucks?|ncts|craftsman", "trucks"),
)
# FanDuel's names hold the day as `2026 ET-03 ET-15 ET`.
_DATE = re.compile(r"(?<!\d)(20\d\d)(?: ET)?[-_.]?([01]\d)(?: ET)?[-_.]?([0-3]\d)(?!\d)")
_RACE_KEY = re.compile(r"(?<!\d)20\d\d-(?:cup|xfinity|trucks)-x?\d\d(?!\d)", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)(20\d\d)(?!\d)")
_HIGHEST_SALARY = 1_000_000
_MAX_DRIVERS = 500
_NAME_WITHOUT_ID = re.compile(r"[^\W_][^():]*")
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*")
Fault = Callable[..., InputError]
_IN_BRACKETS = re.compile(r"\(([^()\s]+)\)$")


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
        site: The contest site.
        source: The file's name, without folders, and its hash.
        rows: The drivers, in the file's order.
        race_name: What the file calls the race; empty where it does not say.
        date: The date in the file's name, if any: the day of the export or of the race.
        season: The year in the file's name, if any.
        series: The series by the file's name, if it tells.
        race_key: The race's key, where the file's name or folder holds one.
        notices: What the file lacks, and what follows from it.
    """

    site: Site
    source: SourceFile
    rows: tuple[SalaryRow, ...]
    race_name: str
    date: date | None
    season: int | None
    series: str | None
    race_key: str | None = None
    notices: tuple[str, ...] = ()

    @property
    def has_ids(self) -> bool:
        """Whether the file holds the site's ids; without them drivers go by name."""
        return any(row.site_id != row.name for row in self.rows)


def read_salaries(data: bytes, filename: str) -> SalaryFile:
    """Reads a salary export of any site in `SITES`, older and later forms.

    The table may begin in any row and column, as in the sites' upload templates and entries files.
    Without a column of ids those of one of names and ids are taken; where the file has neither,
    drivers go by name.

    Args:
        data: The file's bytes, in an archive or not; see `files.read_text`.
        filename: Its name, with a folder or not; a date, a year and a series in the name help to
            find the race, a race's key in name or folder says which it is.

    Raises:
        InputError: If it is no table with a salary file's header, there is no driver or there are
            over 500, a field is missing, a salary is no whole number of dollars from 1 up, digits
            of an id are lost, an ID occurs twice, or a row's columns are of two drivers; says
            file, row and field.
    """
    path = filename.replace("\\", "/")
    name = path.rsplit("/", 1)[-1]
    given = read_text(data, name)
    site, columns, end, lines = _header(given)
    field = {
        part: column
        for part, column in site.salary_columns.items()
        if column_key(column) in columns
    }
    first, last = min(columns.values()), max(columns.values())
    named = {place: column for column, place in columns.items()}
    rows: list[SalaryRow] = []
    seen: dict[str, int] = {}
    beside: dict[int, str] = {}
    race_name, race_row = "", 0
    for line, cells in lines:
        fault = partial(InputError, file=name, row=line)
        if not any(cells[first : last + 1]):
            continue  # beside or below the table
        check_width(cells, end, name, line)
        if len(cells) <= last:
            missing = next(named[place] for place in sorted(named) if place >= len(cells))
            raise fault(
                "The line breaks off before this field.",
                field=next((c for c in field.values() if column_key(c) == missing), missing),
                remedy="Export the file again; the copy at hand is not whole.",
            )
        fields = {part: cells[columns[column_key(column)]] for part, column in field.items()}
        row = _row(site, fields, field, name, line, given.decimal_comma)
        if row.site_id in seen:
            raise fault(
                f"The ID {row.site_id} is already on row {seen[row.site_id]}.",
                field=field.get("id", field.get("name")),
                remedy=f"Keep one of the two rows. {AGAIN}",
            )
        seen[row.site_id] = line
        beside[line] = plain_name(
            f"{fields.get('first', '')} {fields.get('last', '')}".strip()
            or _IN_BRACKETS.sub("", fields.get("name_id", ""))
        )
        race = " ".join(fields.get("race", "").split())
        if race and not race_name:
            race_name, race_row = race, line
        elif race and race != race_name:
            raise fault(
                f"The race is {race!r} here and {race_name!r} on row {race_row}.",
                field=field["race"],
                remedy="A salary file holds one race.",
            )
        rows.append(row)
        if len(rows) > _MAX_DRIVERS:
            raise fault(
                f"The file lists more than {_MAX_DRIVERS} drivers, the most that are read.",
                remedy="Check that it is a salary file of one race.",
            )
    if not rows:
        raise InputError(
            "The file lists no driver.",
            file=name,
            remedy="Sites give empty files of contests that are over or not open yet. " + AGAIN,
        )
    names, others = {plain_name(row.name) for row in rows}, {*beside.values()}
    for row in rows:
        # One column may spell a name another way, as the site's nickname or a person's correction,
        # but not name another row's driver, as where one column alone was sorted or pasted over.
        called, other = plain_name(row.name), beside[row.row]
        if other not in ("", called) and (called in others or other in names):
            parts = field.get("name_id", "first and last name")
            raise InputError(
                f"{row.name!r} is another driver than {parts} of the same row.",
                file=name,
                row=row.row,
                field=field["name"],
                remedy=f"Correct what does not belong to the row's driver. {AGAIN}",
            )
    day, season = _dated(name)
    keys = _RACE_KEY.findall(path)
    return SalaryFile(
        site=site,
        source=SourceFile.of(name, data),
        rows=tuple(rows),
        race_name=race_name,
        date=day,
        season=season,
        series=_series(name),
        race_key=keys[-1].lower() if keys else None,
        notices=() if field.keys() & {"id", "name_id"} else (_NO_IDS.format(name),),
    )


_NO_IDS = (
    "{} has no column of ids (an older form of the site): upload and entries files can hold names "
    "alone, which the site does not take. Download the salaries again for lineups to enter."
)


def _header(given: GivenText) -> tuple[Site, dict[str, int], int, Iterator[tuple[int, list[str]]]]:
    """The site, places of its columns by key, the header's width, and the rows after it."""
    rows = read_rows(given)
    opened = next(rows, (1, [""]))
    headers = [names for site in SITES.values() for names in site.headers]
    found = find_header(chain([opened], rows), *(map(column_key, names) for names in headers))
    if found is None:
        present = {column_key(cell) for cell in opened[1]}
        lacking = [[name for name in names if column_key(name) not in present] for names in headers]
        nearest = min(lacking, key=len)
        expected = (
            f"{site.name}'s {', '.join(site.salary_columns.values())}" for site in SITES.values()
        )
        raise InputError(
            "This is no salary file: no row is a header with " + ", ".join(nearest) + ".",
            file=given.file,
            row=opened[0],
            field=nearest[0],
            remedy=f"Expected are columns such as {' or '.join(expected)}.",
        )
    line, places, width, doubled = found
    # Of the sites that such a header may be of: that of the most columns.
    site = max(
        (
            site
            for site in SITES.values()
            if any(places.keys() >= {*map(column_key, names)} for names in site.headers)
        ),
        key=lambda site: len(places.keys() & {*map(column_key, site.salary_columns.values())}),
    )
    known = {column_key(column): column for column in site.salary_columns.values()}
    check_once(known.values(), doubled, given.file, line)
    known |= {column_key(column): column for column in (*site.other_columns, *STATUS_COLUMNS)}
    columns = {key: at for key, at in places.items() if key in known}
    status = [columns[key] for key in map(column_key, STATUS_COLUMNS) if key in columns]
    if status and "status" in site.salary_columns:
        columns[column_key(site.salary_columns["status"])] = status[0]
    return site, columns, width, rows


def _row(
    site: Site,
    fields: dict[str, str],
    field: dict[str, str],
    file: str,
    line: int,
    decimal_comma: bool,
) -> SalaryRow:
    fault = partial(InputError, file=file, row=line)
    both = fields.get("name_id", "")
    bracket = _IN_BRACKETS.search(both)
    name = (
        fields.get("name", "")
        or f"{fields.get('first', '')} {fields.get('last', '')}".strip()
        or (both[: bracket.start()].strip() if bracket and "name" not in field else "")
    )
    name_field = field.get("name", field.get("name_id", field.get("first")))
    id_field = field.get("id", field.get("name_id", name_field)) or ""
    site_id = fields.get("id", "")
    if bracket and ("id" not in field or lost_digits(site_id)):
        site_id = bracket[1]
    site_id = id_cell(site_id, file, line, id_field)
    if "id" not in field and "name_id" not in field:
        if name and not _NAME_WITHOUT_ID.fullmatch(name):
            raise fault(
                f"{name!r} cannot stand for a driver without an id.",
                field=name_field,
                remedy="Download the salaries with their ids.",
            )
        site_id = name
    for value, column in ((name, name_field), (site_id, id_field)):
        if not value:
            raise fault("The field is empty.", field=column, remedy=AGAIN)
    if site_id != name and not _ID.fullmatch(site_id):  # it goes into files for the site as it is
        raise fault(
            f"{site_id!r} is no id: letters, digits and hyphens were expected.",
            field=id_field,
            remedy=AGAIN,
        )
    if bracket:
        rounded = lost_digits(bracket[1])
        in_brackets = site_id if rounded else id_cell(bracket[1], file, line, id_field)
        if in_brackets != site_id:  # either may be meant
            raise fault(
                f"{both!r} is not the driver with the ID {site_id} of the same row.",
                field=field["name_id"],
                remedy=f"Correct what does not belong to the row's driver. {AGAIN}",
            )
    status = fields.get("status", "").upper() or None
    return SalaryRow(
        row=line,
        site_id=site_id,
        name=name,
        salary=_salary(fields["salary"], fault, field["salary"], decimal_comma),
        average_points=_average(fields.get("average", ""), fault, field.get("average")),
        status=status,
        out=status in site.out,
    )


def _salary(text: str, fault: Fault, field: str, decimal_comma: bool) -> int:
    value = amount_cell(text, decimal_comma=decimal_comma, whole=True)
    if value is None or value != int(value) or not 0 < value <= _HIGHEST_SALARY:
        raise fault(
            f"A salary in whole dollars was expected, not {text!r}.",
            field=field,
            remedy=f"Correct it, or take the row out. {AGAIN}",
        )
    return int(value)


def _average(text: str, fault: Fault, field: str | None) -> float | None:
    if text.upper() in ("", "-", "--", "NA", "N/A", "NULL"):
        return None
    # No average has thousands: in `38,625` and `38.625` alike the mark is a decimal one.
    number = number_cell(text.replace(",", "."))
    try:
        value = float(text) if number is None else float(number)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e6:
        raise fault(
            f"A number was expected, not {text!r}.",
            field=field,
            remedy="Correct it, or leave the field empty: the forecast does not use it.",
        )
    return value


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
