"""People's files: bytes as text, rows and numbers, whatever program wrote them, within limits."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from nascar_assets.errors import InputError

AGAIN = "Where the file was edited or cut, download it from the site again."
SPREADSHEET = (
    "This was saved by a spreadsheet: ids have lost digits. Download it again, and do not save it "
    "from the spreadsheet."
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that something was made from: its path or name, and the SHA-256 of its bytes."""

    path: str
    sha256: str

    @classmethod
    def of(cls, path: str, data: bytes) -> SourceFile:
        """The file of that name with these bytes."""
        return cls(path, hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is read of a file: bytes (expanded ones too), rows, columns, letters a line."""

    size: int
    rows: int
    columns: int = 200
    line: int = 65_536


SMALL = Limits(4_000_000, 20_000)
"""For salaries, entries and payouts: far above the largest that a site writes."""

LARGE = Limits(100_000_000, 600_000)
"""For standings and odds: the largest contests have some 200,000 entries."""

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_TABLES = (".csv", ".tsv", ".txt")
BESIDE = re.compile(r"(^|/)(__MACOSX/|\.(?!\.)|thumbs\.db$|desktop\.ini$)|/$", re.IGNORECASE)
"""What macOS and Windows put beside people's files, in archives and in folders."""

_MAX_MEMBERS = 1_000
# What other programs' files begin with, and what to do with them.
_OTHERS = (
    (b"PK", "is an archive inside an archive", "Unpack it, and use the CSV file in it."),
    (b"\x1f\x8b", "is compressed by gzip", "Unpack it, and use the CSV file in it."),
    (b"\xd0\xcf\x11\xe0", "is a spreadsheet's own file", "Save it as CSV (UTF-8)."),
    (b"%PDF", "is a PDF", "Download the CSV file."),
)
# Blanks of web pages and typesetting, and marks that no one sees.
_BLANKS = re.compile("[\u00a0\u2007\u2009\u202f]")
_UNSEEN = re.compile("[\u200b\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class GivenText:
    """A person's file as text.

    Attributes:
        text: The text, without its byte order mark; line ends as they are.
        file: The file's name for messages; in an archive `archive/member`.
        encoding: `utf-8`, `utf-16-le`, `utf-16-be` or `cp1252`.
        mark: The byte order mark, empty without one.
    """

    text: str
    file: str
    encoding: str
    mark: bytes

    @property
    def delimiter(self) -> str:
        """What parts the cells of the first lines (comma, semicolon, tab, bar), or `sep=` names."""
        head = re.sub(r'"[^"]*"', "", self.text[:20_000]).splitlines()[:20]
        if head and (named := re.fullmatch(r"sep=(.)", head[0].strip(), re.IGNORECASE)):
            return named[1]
        counts = {mark: [line.count(mark) for line in head] for mark in ",;\t|"}
        return max(counts, key=lambda mark: (max(counts[mark], default=0), sum(counts[mark])))

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers are written with a decimal comma, as where semicolons part the cells."""
        return self.delimiter == ";"


def check_size(size: int, file: str, limits: Limits) -> None:
    """Refuses a file by its size, before it is read.

    Raises:
        InputError: If it has more bytes than the limit; names both.
    """
    if size > limits.size:
        raise InputError(
            f"The file has {size:,} bytes or more, above the limit of {limits.size:,}.",
            file=file,
            remedy="A file of this kind is far smaller: check that it is the right one.",
        )


def read_text(
    data: bytes, file: str, *, limits: Limits = SMALL, archives: bool = True, lossy: bool = False
) -> GivenText:
    """The text of a person's file.

    UTF-8 and UTF-16 are recognised by their byte order marks, UTF-16 without one by its zero
    bytes; what is no UTF-8 is Windows-1252. Of an archive the one CSV file in it is read, what
    macOS and Windows put beside it left out.

    Args:
        data: The file's bytes.
        file: Its name, for messages.
        limits: The most that is read.
        archives: Whether a zip file is opened; else it is refused.
        lossy: Whether a letter that no encoding has is replaced; else the file is refused.

    Raises:
        InputError: If the file is too large, empty, cut off, in no known encoding or no text.
    """
    check_size(len(data), file, limits)
    if data.startswith(b"PK"):
        if not archives:
            raise InputError(
                "The file is an archive.", file=file, remedy="Unpack it, and use the file in it."
            )
        data, file = _member(data, file, limits)
    if not data.strip():
        raise InputError(
            "The file is empty.",
            file=file,
            remedy="Sites give empty files of contests that are over or not open yet: download it "
            "again, within a week of the race.",
        )
    start = data.lstrip()[:4]
    for magic, what, remedy in _OTHERS:
        if start.startswith(magic):
            raise InputError(f"The file {what}.", file=file, remedy=remedy)
    mark, encoding = next(((m, name) for m, name in _MARKS if data.startswith(m)), (b"", ""))
    body = data[len(mark) :]
    if not encoding and len(body) > 1 and (body[0] == 0) != (body[1] == 0):
        encoding = "utf-16-be" if body[0] == 0 else "utf-16-le"
    text, encoding = _decoded(body, encoding or "utf-8", file, lossy)
    at = text.find("\0")
    if at >= 0:
        raise InputError(
            "This is no CSV file: it holds a NUL byte.",
            file=file,
            row=text.count("\n", 0, at) + 1,
            remedy="Export it as CSV; a spreadsheet's own file cannot be read.",
        )
    if not text.strip():
        raise InputError("The file is empty.", file=file, remedy="Download it again.")
    if text.lstrip().startswith("<"):
        raise InputError(
            "The file is a web page and no CSV file.",
            file=file,
            remedy="Log in to the site and download the file again.",
        )
    return GivenText(text, file, encoding, mark)


def _decoded(body: bytes, encoding: str, file: str, lossy: bool) -> tuple[str, str]:
    try:
        return body.decode(encoding), encoding
    except UnicodeDecodeError as error:
        before = body[: error.start]
        if encoding != "utf-8" or (error.end >= len(body) and not before.isascii()):
            raise truncated(file, before.decode(encoding, "replace").count("\n") + 1) from error
    if lossy and re.search(rb"[\xc3-\xf4][\x80-\xbf]", body):
        return body.decode("utf-8", "replace"), "utf-8"
    try:
        return body.decode("cp1252", "replace" if lossy else "strict"), "cp1252"
    except UnicodeDecodeError as error:
        raise InputError(
            f"The text is neither UTF-8 nor Windows-1252 (byte 0x{body[error.start]:02x}).",
            file=file,
            row=body.count(b"\n", 0, error.start) + 1,
            remedy="Save it as UTF-8; names would not be read right otherwise.",
        ) from error


def _member(data: bytes, file: str, limits: Limits) -> tuple[bytes, str]:
    """The one table in a zip file, expanded no further than the limit."""
    try:
        if data.count(b"PK\x01\x02") > _MAX_MEMBERS:
            raise InputError(f"The zip file holds more than {_MAX_MEMBERS} files.", file=file)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [m for m in archive.infolist() if not BESIDE.search(m.filename)]
            if any(m.filename == "[Content_Types].xml" for m in members):
                raise InputError(
                    "The file is a spreadsheet's own file.",
                    file=file,
                    remedy="Save it as CSV (UTF-8), or use the file that the site exports.",
                )
            fitting = ([m for m in members if m.filename.lower().endswith(e)] for e in _TABLES)
            tables = next(filter(None, fitting), [])
            if len(tables) != 1:
                raise InputError(
                    f"The zip file holds {len(tables)} CSV files, not one.",
                    file=file,
                    remedy="Unpack it, and use the file that is meant.",
                )
            name = f"{file}/{printable(tables[0].filename.rsplit('/', 1)[-1])}"
            if tables[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InputError(
                    "The zip file is compressed in an unusual way.",
                    file=name,
                    remedy="Unpack it, and use the file in it.",
                )
            check_size(tables[0].file_size, name, limits)
            with archive.open(tables[0]) as stream:
                content = stream.read(limits.size + 1)  # what the archive says may be untrue
            check_size(len(content), name, limits)
            return content, name
    except InputError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        OSError,
        NotImplementedError,
        ValueError,  # where what the archive says of its own places leads out of it
    ) as error:
        raise InputError(
            f"The zip file is damaged or cut off: {error}.", file=file, remedy="Download it again."
        ) from error
    except RuntimeError as error:
        raise InputError(
            "The zip file is locked by a password.",
            file=file,
            remedy="Unpack it, and use the file in it.",
        ) from error


def printable(text: str) -> str:
    """A text from outside without control characters, for messages."""
    return "".join(ch if ch.isprintable() else "?" for ch in text)


def truncated(file: str, row: int | None, field: str | None = None) -> InputError:
    """The error of a file that ends in the middle."""
    return InputError(
        "The row is not whole: the file was cut off.",
        file=file,
        row=row,
        field=field,
        remedy="Download it again.",
    )


def check_lines(given: GivenText, limits: Limits) -> None:
    """Refuses a text of too many lines, or with a line that is too long, before it is split.

    Raises:
        InputError: Naming the limit, and the row that is too long.
    """
    text = given.text
    if max(text.count("\n"), text.count("\r")) > limits.rows:
        raise _too_many_rows(given.file, limits)
    end = -1
    while len(text) - end > limits.line:  # the last line end within the limit, again and again
        found = max(text.rfind(mark, end + 1, end + 2 + limits.line) for mark in "\r\n")
        if found < 0:
            raise InputError(
                f"The line has more than {limits.line:,} letters, the most that is read.",
                file=given.file,
                row=text.count("\n", 0, end + 1) + 1,
                remedy=AGAIN,
            )
        end = found


def _too_many_rows(file: str, limits: Limits) -> InputError:
    return InputError(
        f"The file has more than {limits.rows:,} rows, the most that is read.",
        file=file,
        remedy="A file of this kind has far fewer: check that it is the right one.",
    )


def read_rows(given: GivenText, *, limits: Limits = SMALL) -> Iterator[tuple[int, list[str]]]:
    """The records that are not blank, each with the line on which it begins; cells without blanks.

    Blanks that do not break count as plain ones, and marks that no one sees are left out.

    Raises:
        InputError: If there are more or wider rows than the limits let, or a quote is not closed.
    """
    check_lines(given, limits)
    delimiter = given.delimiter
    text = given.text
    if not text.isascii():
        text = _UNSEEN.sub("", _BLANKS.sub(" ", text))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                raise truncated(given.file, line) from error
            raise InputError(
                f"This is no CSV file: {error}.", file=given.file, row=line, remedy=AGAIN
            ) from error
        if len(cells) > limits.columns:
            raise InputError(
                f"The row has {len(cells):,} cells; {limits.columns} are the most that are read.",
                file=given.file,
                row=line,
                remedy=AGAIN,
            )
        if any(cells) and not (line == 1 and cells[0].lower().startswith("sep=")):
            cells = [plain_cell(cell) for cell in cells]
            if any(cells):
                yield line, cells
        line = reader.line_num + 1


def plain_cell(cell: str) -> str:
    """A cell's content without blanks, and without the `="..."` that keeps digits in Excel."""
    cell = cell.strip()
    return cell[2:-1].strip() if cell.startswith('="') and cell.endswith('"') else cell


def column_key(name: str) -> str:
    """A column's name for comparison: `Name + ID` is `name+id`, `Game Info` is `gameinfo`."""
    return re.sub(r"[\s_.-]+", "", name.casefold())


@lru_cache(maxsize=4096)  # a contest's standings name forty drivers a million times
def plain_name(text: str) -> str:
    """A name without accents, case, punctuation and doubled spaces, for comparing."""
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    kept = "".join(ch if ch.isalnum() or ch.isspace() else "" for ch in bare)
    return " ".join(kept.casefold().split())


def find_header(
    rows: Iterable[tuple[int, list[str]]], *tables: Iterable[str]
) -> tuple[int, dict[str, int], int, set[str]] | None:
    """The first row that holds all column names of one of some tables, wherever it begins.

    Args:
        rows: Rows as `read_rows` gives them; used up to the header.
        tables: For each table that is looked for, its column keys (`column_key`).

    Returns:
        The line, the first place of each column key in that row, its number of cells, and the keys
        that occur more than once; none where no row is such a header.
    """
    wanted = [set(table) for table in tables]
    for line, cells in rows:
        keys = [column_key(cell) for cell in cells]
        if any(table <= set(keys) for table in wanted):
            places = {key: keys.index(key) for key in keys if key}
            return line, places, len(cells), {key for key in places if keys.count(key) > 1}
    return None


def check_once(names: Iterable[str], doubled: set[str], file: str, row: int) -> None:
    """Refuses a header in which a column that is read occurs twice: one would be left out unsaid.

    Args:
        names: Names of the columns that are read.
        doubled: Keys that occur more than once, as `find_header` gives them.
        file: The file's name, for messages.
        row: The header's line.

    Raises:
        InputError: Naming the column.
    """
    for name in names:
        if column_key(name) in doubled:
            raise InputError(
                "The column occurs twice.",
                file=file,
                row=row,
                field=name,
                remedy="Take one of the two columns out.",
            )


def check_width(
    cells: list[str],
    width: int,
    file: str,
    row: int,
    field: str | None = None,
    last: int | None = None,
) -> None:
    """Refuses a row with more cells than the header has: what follows a bare comma is shifted.

    A person's note is let pass where nothing that is read can be shifted: with a blank cell between
    it and the table, or as words of an unread last column that hold a comma. Words, because a
    shifted number would stand behind the last column that is read.

    Args:
        cells: The row.
        width: The header's number of cells.
        file: The file's name, for messages.
        row: The row's line.
        field: The column that most likely holds the comma, where there is one.
        last: The place of the last column that is read, where people add notes to such files; none
            where they do not, and every cell beyond the header is refused.

    Raises:
        InputError: If a cell beyond the header is not blank.
    """
    beyond = cells[width:]
    if not any(beyond):
        return
    if last is not None:
        behind = cells[last + 1] if last + 1 < width else ""
        if not beyond[0] or any(map(str.isalpha, behind)):
            return
    raise InputError(
        f"The row has {len(cells)} cells and the header {width}: "
        f"{next(filter(None, beyond))!r} is beyond it.",
        file=file,
        row=row,
        field=field,
        remedy='Quote what holds a comma ("$1,000.00"); where it is a note, give it a column in '
        "the header or take it out.",
    )


_ROUNDED = re.compile(r"[0-9]+([.,][0-9]+)?e\+?[0-9]{1,3}", re.IGNORECASE)
_GROUPED_ID = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.0+)?|[0-9]{1,3}(\.[0-9]{3}){2,}")
_PLAIN_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_DECIMAL_ID = re.compile(r"([0-9]+)[.,]0+")


def lost_digits(cell: str) -> bool:
    """Whether a spreadsheet turned an id into a rounded number (`4.4E+09`)."""
    return _ROUNDED.fullmatch(cell) is not None


def id_cell(cell: str, file: str, row: int, field: str) -> str:
    """An id, read without loss where a spreadsheet wrote it as a number (`123.0`, `42,329,671`)
    or was kept from it (`'123`).

    Raises:
        InputError: If digits were lost.
    """
    cell = plain_cell(cell)
    if cell.removeprefix("'").isdecimal():
        return cell.removeprefix("'")
    if lost_digits(cell):
        raise InputError(f"{cell!r} is no id.", file=file, row=row, field=field, remedy=SPREADSHEET)
    if _GROUPED_ID.fullmatch(cell):
        return cell.removesuffix(".0").replace(",", "").replace(".", "")
    decimal = _DECIMAL_ID.fullmatch(cell)
    return decimal[1] if decimal else cell


_UNCLEAR = re.compile(r"[^0-9]*[1-9][0-9]{0,2}(\.[0-9]{3})+")


def amount_cell(cell: str, *, decimal_comma: bool = False, whole: bool = False) -> Decimal | None:
    """As `number_cell`, and none where points may part thousands or decimals: `11.000` dollars.

    Where numbers have a decimal comma they part thousands.
    """
    if not decimal_comma and _UNCLEAR.fullmatch(cell.strip()):
        return None
    return number_cell(cell, decimal_comma=decimal_comma, whole=whole)


def number_cell(cell: str, *, decimal_comma: bool = False, whole: bool = False) -> Decimal | None:
    """A number of up to 15 digits, with or without thousands separators; none where it is none.

    `1,234` is 1234, `12,5` is 12.5, `1 234` is 1234, `.5` is 0.5; `1,234.50` and `1.234,50` are
    1234.5 in every file. Where numbers have a decimal comma `1.234` is 1234, and `1,234` is read
    only where the number has to be whole. Thousands do not begin with a zero: `0,045` and `0.045`
    are 0.045 in every file. A dollar sign is left out.
    """
    if _PLAIN_NUMBER.fullmatch(cell) and not (decimal_comma and "." in cell):
        return Decimal(cell)
    plain = unicodedata.normalize("NFKC", cell).replace("−", "-").replace("$", "", 1).strip()
    plain = re.sub(r"(?<=[0-9])[\s'’](?=[0-9]{3}(?![0-9]))", "", plain)
    sign, digits = plain[:1] if plain[:1] in "+-" else "", plain.lstrip("+-")
    if len(plain) - len(digits) > 1 or len(digits) > 24:
        return None
    thousands = ("." if not whole else ".,") if decimal_comma else ","
    for mark, point in (",.", ".,"):
        grouped = re.fullmatch(rf"[1-9][0-9]{{0,2}}(\{mark}[0-9]{{3}})+(\{point}[0-9]+)?", digits)
        if grouped and (grouped[2] or mark in thousands):  # with both marks there is one way only
            return Decimal(sign + digits.replace(mark, "").replace(point, "."))
    if decimal_comma and re.fullmatch(r"[1-9][0-9]{0,2},[0-9]{3}", digits):
        return None
    if re.fullmatch(r"[0-9]{1,15}([.,][0-9]+)?", digits):
        return Decimal(sign + digits.replace(",", "."))
    if re.fullmatch(r"[.,][0-9]{1,15}" if decimal_comma else r"\.[0-9]{1,15}", digits):
        return Decimal(f"{sign}0.{digits[1:]}")
    return None
