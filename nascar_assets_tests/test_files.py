"""People's files: whatever program wrote them, as text, rows and numbers, within limits."""

from __future__ import annotations

import contextlib
import io
import zipfile
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.files import LARGE, SMALL, Limits, id_cell, number_cell, read_rows, read_text

TEXT = "Name,Salary\r\nDaniel Suárez,8000\r\n"


def rows(data: bytes, limits: Limits = SMALL) -> list[list[str]]:
    return [cells for _, cells in read_rows(read_text(data, "a.csv", limits=limits), limits=limits)]


def archive(*members: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as file:
        for name, content in members:
            file.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), "utf-16-le"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("cp1252"), "cp1252"),
        (b"\xef\xbb\xbf" + TEXT.encode("cp1252"), "cp1252"),
    ],
)
def test_every_encoding_gives_the_same_text_and_goes_back_to_its_bytes(data, encoding):
    given = read_text(data, "a.csv")
    assert (given.text, given.encoding) == (TEXT, encoding)
    assert given.mark + given.text.encode(given.encoding) == data


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("first", ["", "sep={}"])
def test_every_delimiter_and_line_end_gives_the_same_rows(end, mark, first):
    lines = ["Name,x;Salary".replace(",", "|"), '"A ""B"" C";8000', "", '="42";1']
    text = end.join([*([first.format(mark)] if first else []), *lines]).replace(";", mark)
    assert rows(text.encode()) == [["Name|x", "Salary"], ['A "B" C', "8000"], ["42", "1"]]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \r\n", "empty"),
        (TEXT.encode("utf-16")[:-1], "cut off"),
        ("é".encode() * 3 + b"\xc3", "cut off"),
        (b"PK\x03\x04junk", "damaged or cut off"),
        (archive(), "0 CSV files"),
        (archive(("a.csv", b"x"), ("b.csv", b"y")), "2 CSV files"),
        (archive(("[Content_Types].xml", b"x"), ("xl/a.csv", b"y")), "spreadsheet's own"),
        (archive(("a.csv", archive(("b.csv", b"x")))), "archive inside an archive"),
        (archive(("a.csv", b"x"), how=zipfile.ZIP_BZIP2), "unusual way"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xd0\xcf\x11\xe0", "spreadsheet's own"),
        (b" <!DOCTYPE html>", "web page"),
        (b"a,\0,b", "NUL"),
        (b'a,"b', "cut off"),
        (b"a," * 300, "301 cells"),
        (b"a\n" + b"x" * 70_000, "row 2: The line has more than 65,536"),
        (b"a\n" * 20_001, "more than 20,000 rows"),
        (b"a," * 3_000_000, "limit of 4,000,000"),
        (archive(("a.csv", b"," * 5_000_000)), "limit of 4,000,000"),
    ],
)
def test_what_cannot_be_read_says_why(data, words):
    with pytest.raises(InputError, match=words) as error:
        rows(data)
    assert str(error.value.file).startswith("a.csv")


def test_what_macos_and_windows_put_into_an_archive_is_left_out():
    data = archive(
        ("__MACOSX/._a.csv", b"\0\0"), ("s/.hidden.csv", b"x"), ("s/", b""), ("s/a.csv", b"k,v\n"),
        ("Thumbs.db", b"x"), ("readme.txt", b"x"),
    )  # fmt: skip
    assert read_text(data, "a.zip").file == "a.zip/a.csv"
    assert rows(data) == [["k", "v"]]


@given(st.data())
def test_a_damaged_archive_is_read_or_refused_in_words(data):
    whole = archive(("a.csv", b"k,v\n1,2\n"), ("b/readme.txt", b"x"))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(start + 12, len(whole))))
    damaged = whole[:start] + data.draw(st.binary(max_size=12)) + whole[end:]
    with contextlib.suppress(InputError):
        rows(damaged)


@pytest.mark.slow
def test_an_archive_that_lies_about_its_size_is_expanded_no_further_than_the_limit():
    data = archive(("a.csv", b"0" * 30_000_000))
    lying = data.replace((30_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != data
    with pytest.raises(InputError, match=r"limit of 4,000,000|damaged"):
        rows(lying)
    with pytest.raises(InputError, match="limit of 100,000,000"):
        rows(archive(("a.csv", b"0" * 100_000_001)), LARGE)


@pytest.mark.parametrize(
    ("cell", "comma", "whole", "number"),
    [
        ("1,234", False, False, "1234"),
        ("$1,234.50", False, False, "1234.50"),
        ("1.234,50", False, False, "1234.50"),
        ("$1,234.50", True, False, "1234.50"),
        ("1.234,50", True, False, "1234.50"),
        ("-1,234,567.5", True, False, "-1234567.5"),
        ("1,234.50", True, True, "1234.50"),
        ("12,5", False, False, "12.5"),
        ("1 234", False, True, "1234"),
        ("8000.0", False, True, "8000.0"),
        ("1.234", False, False, "1.234"),
        ("1.234", True, False, "1234"),
        ("1,234", True, True, "1234"),
        ("1,234", True, False, None),
        ("0,045", False, False, "0.045"),
        ("0,045", True, False, "0.045"),
        ("0.045", True, False, "0.045"),
        ("-0,15", False, False, "-0.15"),
        ("0.045,5", False, False, None),
        ("-8.55", False, False, "-8.55"),
        (".5", False, False, "0.5"),
        (",5", True, False, "0.5"),
        ("1e4", False, False, None),
        ("--1", False, False, None),
        ("nan", False, False, None),
        ("٨", False, False, None),
        ("9" * 400, False, False, None),
        ("1,23,456", False, False, None),
    ],
)
def test_numbers_as_spreadsheets_write_them(cell, comma, whole, number):
    expected = None if number is None else Decimal(number)
    assert number_cell(cell, decimal_comma=comma, whole=whole) == expected


@pytest.mark.parametrize(
    ("cell", "site_id"),
    [
        ("42329671", "42329671"),
        ("42329671.0", "42329671"),
        ("42,329,671", "42329671"),
        ("42.329.671", "42329671"),
        ("119001-60001", "119001-60001"),
    ],
)
def test_ids_are_read_where_no_digit_is_lost(cell, site_id):
    assert id_cell(cell, "a.csv", 2, "ID") == site_id


@pytest.mark.parametrize("cell", ["4.4E+09", "4,4E+09", "4e9"])
def test_ids_that_lost_digits_are_refused(cell):
    with pytest.raises(InputError, match=r"row 2, field ID.*saved by a spreadsheet.*lost digits"):
        id_cell(cell, "a.csv", 2, "ID")


def test_blanks_that_do_not_break_and_marks_that_no_one_sees_are_plain():
    text = "\ufeff\ufeffplaces,prize\n2nd\u00a0\u2013\u00a01\u202f400th,$2\u00a0000\u200b\n"
    assert rows(text.encode()) == [["places", "prize"], ["2nd \u2013 1 400th", "$2 000"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_web_page_is_told_in_every_encoding(encoding):
    with pytest.raises(InputError, match="web page"):
        read_text("\r\n<!DOCTYPE html><p>Log in".encode(encoding), "DKSalaries.csv")


def test_an_id_that_was_kept_from_a_spreadsheet_is_read():
    assert id_cell('="4400000001"', "DKEntries.csv", 2, "Entry ID") == "4400000001"
