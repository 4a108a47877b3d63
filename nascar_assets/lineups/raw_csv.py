"""CSV that can be changed cell by cell with every other byte kept."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from nascar_assets.errors import InputError

_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class RawRow:
    """One record as it stands in the file.

    Attributes:
        cells: Text of each cell as written, quotes included.
        end: Line ending as written.
    """

    cells: list[str]
    end: str

    def value(self, column: int) -> str:
        """A cell's content, unquoted; empty where the row is shorter."""
        if column >= len(self.cells):
            return ""
        raw = self.cells[column]
        if raw.lstrip().startswith('"'):
            return next(csv.reader(io.StringIO(raw.strip(), newline="")))[0]
        return raw

    def replace(self, column: int, content: str) -> None:
        """Puts new content into a cell, quoted only where it has to be."""
        while len(self.cells) <= column:
            self.cells.append("")
        if any(ch in content for ch in ',"\r\n'):
            content = '"' + content.replace('"', '""') + '"'
        self.cells[column] = content


@dataclass(slots=True)
class RawCsv:
    """A CSV file whose untouched cells go out as they came in.

    Attributes:
        rows: Records in order.
        encoding: `utf-8` or, where the bytes are no UTF-8, `cp1252`.
        bom: Whether the file begins with a byte order mark.
    """

    rows: list[RawRow]
    encoding: str
    bom: bool

    def to_bytes(self) -> bytes:
        """The file."""
        text = "".join(",".join(row.cells) + row.end for row in self.rows)
        return (_BOM if self.bom else b"") + text.encode(self.encoding)

    def writable(self, text: str) -> bool:
        """Whether the file's encoding has every character of a text."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True


def read_raw(content: bytes, *, file: str) -> RawCsv:
    """Splits a file into records and cells without changing any.

    Raises:
        InputError: If the file is empty, binary, or ends inside a quoted cell.
    """
    bom = content.startswith(_BOM)
    body = content[len(_BOM) :] if bom else content
    if not body.strip():
        raise InputError("the file is empty.", file=file, remedy="Export it anew.")
    if b"\x00" in body:
        raise InputError("the file is no CSV (it holds zero bytes).", file=file)
    try:
        text, encoding = body.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        try:
            text, encoding = body.decode("cp1252"), "cp1252"
        except UnicodeDecodeError as error:
            raise InputError(f"neither UTF-8 nor Windows-1252: {error}.", file=file) from error
    rows: list[RawRow] = []
    cells: list[str] = []
    start = 0
    quoted = False
    at = 0
    while at < len(text):
        ch = text[at]
        if ch == '"':
            quoted = not quoted
        elif not quoted and ch == ",":
            cells.append(text[start:at])
            start = at + 1
        elif not quoted and ch in "\r\n":
            end = "\r\n" if text.startswith("\r\n", at) else ch
            cells.append(text[start:at])
            rows.append(RawRow(cells, end))
            cells = []
            at += len(end) - 1
            start = at + 1
        at += 1
    if quoted:
        raise InputError(
            "the file ends inside a quoted cell: it was cut off.",
            file=file,
            row=len(rows) + 1,
            remedy="Export it anew.",
        )
    if cells or start < len(text):
        cells.append(text[start:])
        rows.append(RawRow(cells, ""))
    return RawCsv(rows, encoding, bom)
