"""CSV that can be changed cell by cell with every other byte kept."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from nascar_assets.errors import InputError
from nascar_assets.files import SMALL, check_lines, read_text, truncated


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
        """Puts new content into a cell, quoted where the cell was or has to be (any delimiter)."""
        while len(self.cells) <= column:
            self.cells.append("")
        if self.cells[column].startswith('"') or any(ch in content for ch in ',;\t|"\r\n'):
            content = '"' + content.replace('"', '""') + '"'
        self.cells[column] = content


@dataclass(slots=True)
class RawCsv:
    """A CSV file whose untouched cells go out as they came in.

    Attributes:
        rows: Records in order.
        encoding: As `files.GivenText` names it.
        mark: The byte order mark that the file begins with, empty without one.
        delimiter: What parts its cells.
    """

    rows: list[RawRow]
    encoding: str
    mark: bytes
    delimiter: str

    def to_bytes(self) -> bytes:
        """The file."""
        text = "".join(self.delimiter.join(row.cells) + row.end for row in self.rows)
        return self.mark + text.encode(self.encoding)

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
        InputError: If the file is empty, too large, no text, or ends inside a quoted cell.
    """
    given = read_text(content, file, archives=False)
    check_lines(given, SMALL)
    text, delimiter = given.text, given.delimiter
    rows: list[RawRow] = []
    cells: list[str] = []
    start = 0
    quoted = False
    # Only these characters end a cell or a quote.
    for found in re.finditer(f'["\r\n{delimiter}]', text):
        at, ch = found.start(), found[0]
        if ch == '"':
            quoted = not quoted
        elif quoted or at < start:  # the second half of a line end
            continue
        else:
            cells.append(text[start:at])
            end = "" if ch == delimiter else "\r\n" if text.startswith("\r\n", at) else ch
            if len(cells) > SMALL.columns or at - start > SMALL.line:
                raise InputError(
                    f"The row has more than {SMALL.columns} cells or a cell of more than "
                    f"{SMALL.line:,} letters.",
                    file=file,
                    row=len(rows) + 1,
                    remedy="Use the file that the site exports.",
                )
            if end:
                rows.append(RawRow(cells, end))
                cells = []
            start = at + max(len(end), 1)
    if quoted:
        raise truncated(file, len(rows) + 1)
    if cells or start < len(text):
        cells.append(text[start:])
        rows.append(RawRow(cells, ""))
    return RawCsv(rows, given.encoding, given.mark, delimiter)
