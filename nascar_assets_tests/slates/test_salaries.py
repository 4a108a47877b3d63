"""Salary files: every layout read, every fault told with file, row and field."""

from __future__ import annotations

from datetime import date

import pytest

from nascar_assets.errors import InputError
from nascar_assets.rules.sites import NOT_RACING
from nascar_assets.slates.salaries import read_salaries
from nascar_assets_tests.feed.real_feed import real_data
from nascar_assets_tests.slates.salary_files import DK_HEADER, FD_HEADER, dk_file, dk_line, eight


def refused(data: bytes, filename: str = "DKSalaries.csv") -> InputError:
    with pytest.raises(InputError) as error:
        read_salaries(data, filename)
    assert error.value.file == filename
    assert error.value.exit_code == 2
    return error.value


def test_a_draftkings_file_is_read():
    found = read_salaries(dk_file(eight()), "folder/2026-03-14_x_DKCup.csv")
    assert found.site.key == "dk"
    assert found.source.path == "2026-03-14_x_DKCup.csv"
    assert found.race_name == "Fictional 150"
    assert (found.date, found.series, found.season) == (date(2026, 3, 14), "cup", 2026)
    assert len(found.rows) == 8
    first = found.rows[0]
    assert (first.row, first.site_id, first.name) == (2, "111", "Driver Number11")
    assert (first.salary, first.average_points, first.status) == (8000, 30.5, None)


def test_the_later_columns_of_draftkings_are_read():
    data = dk_file(eight(), late=True).replace(b"30.5,,", b"30.5,OUT,", 1)
    found = read_salaries(data, "DKSalaries.csv")
    assert found.rows[0].status == "OUT"
    assert found.rows[0].out
    assert not found.rows[1].out


@pytest.mark.parametrize("mark", sorted(NOT_RACING))
def test_every_mark_of_one_who_does_not_race_is_understood(mark):
    data = dk_file(eight(), late=True).replace(b"30.5,,", f"30.5,{mark.lower()},".encode(), 1)
    row = read_salaries(data, "DKSalaries.csv").rows[0]
    assert (row.status, row.out) == (mark, True)


def test_a_fanduel_file_is_read():
    lines = [
        '123-1,D,A.J.,A.J. Allmendinger,Allmendinger,30.2,1,"9,500",Fictional 150,,,,,,,,D',
        "123-2,D,Joey,Joey Logano,Logano,,0,$8000,Fictional 150,,,O,,,,,D",
    ]
    data = "\r\n".join([FD_HEADER.replace(",,,Roster", ",A,B,Roster"), *lines]).encode()
    found = read_salaries(data, "FanDuel-NASCAR-2026-03-15-CUP.csv")
    assert (found.site.key, found.race_name, found.series) == ("fd", "Fictional 150", "cup")
    assert [row.salary for row in found.rows] == [9500, 8000]
    assert [row.average_points for row in found.rows] == [30.2, None]
    assert [row.out for row in found.rows] == [False, True]
    assert found.rows[0].name == "A.J. Allmendinger"


def test_fanduels_columns_without_a_name_are_no_fault():
    line = "123-1,D,Joey,Joey Logano,Logano,30,1,9000,Fictional 150,,,,,,,,D"
    found = read_salaries(f"{FD_HEADER}\n{line}\n".encode(), "fd.csv")
    assert found.rows[0].name == "Joey Logano"


def test_a_nickname_that_is_another_drivers_name_is_refused():
    one = "123-1,D,{},Joey Logano,{},30,1,9000,Fictional 150,,,,,,,,D"
    two = "123-2,D,A.J.,AJ Allmendinger,Allmendinger,30,1,9000,Fictional 150,,,,,,,,D"
    lines = [FD_HEADER, one.format("Joseph", "Logano"), two]
    assert len(read_salaries("\n".join(lines).encode(), "fd.csv").rows) == 2
    lines[1:1] = [one.format("Ryan", "Blaney").replace("123-1", "123-3")]
    lines[2] = one.format("Joey", "Logano").replace("Joey Logano", "Ryan Blaney")
    error = refused("\n".join(lines).encode(), "fd.csv")
    assert (error.row, error.field) == (2, "Nickname")
    assert "'Joey Logano' is another driver" in str(error)


@pytest.mark.parametrize(
    ("filename", "day", "season", "series"),
    [
        ("2026-02-27_912f0d4a_DKOReilly.csv", date(2026, 2, 27), 2026, "xfinity"),
        ("2026-02-27_912f0d4a_DKTrucks.csv", date(2026, 2, 27), 2026, "trucks"),
        ("undated_brickyard_2026_DKCup.csv", None, 2026, "cup"),
        ("DKSalaries.csv", None, None, None),
        ("DKSalaries_20260315.csv", date(2026, 3, 15), 2026, None),
        ("DKSalaries 2026-13-45.csv", None, 2026, None),
    ],
)
def test_what_the_files_name_tells(filename, day, season, series):
    found = read_salaries(dk_file(eight()), filename)
    assert (found.date, found.season, found.series) == (day, season, series)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_names_are_intact_in_every_encoding(encoding):
    data = dk_file([("Daniel Suárez", 1, 9000), ("Pato O’Ward", 2, 8000)]).decode()
    found = read_salaries(data.encode(encoding), "DKSalaries.csv")
    assert [row.name for row in found.rows] == ["Daniel Suárez", "Pato O’Ward"]


def test_text_in_no_known_encoding_is_refused_with_its_row():
    """0x81 is no character of Windows-1252; a name with a stand-in for it would match nobody."""
    data = dk_file([("Driver One", 1, 9000), ("Driver Two", 2, 8000)])
    with pytest.raises(InputError, match="neither UTF-8 nor Windows-1252") as error:
        read_salaries(data.replace(b"Driver Two", b"Driver Tw\x81"), "DKSalaries.csv")
    assert (error.value.file, error.value.row) == ("DKSalaries.csv", 3)
    assert "UTF-8" in error.value.remedy


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_rows_are_the_lines_that_a_person_sees(newline):
    lines = [DK_HEADER, "", dk_line("A B", 1), "", dk_line("C D", 2, "none")]
    error = refused(newline.join(lines).encode())
    assert (error.row, error.field) == (5, "Salary")
    quoted = [DK_HEADER, dk_line("A B", 1, race='"Fictional\n150"'), dk_line("C D", 2, "none")]
    assert refused("\n".join(quoted).encode()).row == 4


@pytest.mark.parametrize(
    "salary",
    ["", "none", "-8000", "0", "8000.5", "1e4", "8.000", "NaN", "٨٠٠٠", "99999999999999999999"],
)
def test_a_salary_that_is_no_whole_number_is_refused(salary):
    error = refused(dk_file([*eight(), ("Bad Salary", 900, salary)]))
    assert (error.row, error.field) == (10, "Salary")
    assert repr(salary) in str(error)


def test_a_wrong_header_is_refused_naming_what_is_missing():
    error = refused(b"Name,Price\nA B,8000\n")
    assert error.row == 1
    assert "Salary" in str(error)
    one_less = dk_file(eight()).replace(b"Salary,", b"Cost,", 1)
    error = refused(one_less)
    assert (error.row, error.field) == (1, "Salary")


def test_an_empty_table_is_refused():
    assert "no driver" in str(refused(DK_HEADER.encode() + b"\n"))
    assert "empty" in str(refused(b""))
    assert "empty" in str(refused(b" \n"))


def test_a_duplicate_id_is_refused_naming_both_rows():
    error = refused(dk_file([*eight(), ("Other Name", 112, 7000)]))
    assert (error.row, error.field) == (10, "ID")
    assert "row 3" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"PK\x03\x04\x14\x00\x06\x00\x08\x00",
        b'{"not": "a csv"}',
        b"<html><body>Log in</body></html>",
        b'a,"b\nc,d',
    ],
)
def test_what_is_no_csv_file_is_refused(data):
    refused(data)


def test_a_nul_byte_is_told_with_its_row():
    data = dk_file(eight()).replace(b"Number13", b"Numb\0r13")
    error = refused(data)
    assert error.row == 4
    assert "NUL" in str(error)


def test_a_line_with_too_many_fields_is_refused():
    data = dk_file(eight()) + b"D,Smith, John (1),Smith, John,1,D,8000,Fictional 150,Nasca,1\n"
    assert refused(data).row == 10


@pytest.mark.parametrize(
    ("field", "line"), [("Name", "D,,,1,D,8000,F,N,1"), ("ID", "D,,A B,,D,8000,F,N,1")]
)
def test_an_empty_name_or_id_is_refused(field, line):
    error = refused(f"{DK_HEADER}\n{line}\n".encode())
    assert (error.row, error.field) == (2, field)


def test_a_line_that_breaks_off_is_refused():
    whole = dk_file(eight())
    # A salary of 8000 cut to 80 would be a number.
    cut = whole[: whole.rindex(b",8000,") + 3]
    error = refused(cut)
    assert (error.row, error.field) == (9, "Game Info")
    assert "breaks off" in str(error)


def test_an_average_that_is_no_number_is_refused():
    error = refused(dk_file(eight()).replace(b"30.5", b"many", 1))
    assert (error.row, error.field) == (2, "AvgPointsPerGame")


def test_two_races_in_one_file_are_refused():
    data = dk_file(eight()) + dk_line("A B", 1, race="Other 300").encode()
    error = refused(data)
    assert (error.row, error.field) == (10, "Game Info")


def test_equal_bytes_have_equal_hashes_whatever_the_name():
    one, other = (read_salaries(dk_file(eight()), name) for name in ("a.csv", "b.csv"))
    assert one.source.sha256 == other.source.sha256
    assert one.source != read_salaries(dk_file(eight(8100)), "a.csv").source


@pytest.mark.real_data
def test_every_real_file_is_read():
    paths = sorted((real_data() / "salaries").glob("*.csv"))
    assert len(paths) == 10
    for path in paths:
        found = read_salaries(path.read_bytes(), path.name)
        assert len(found.rows) > 30
        assert found.series is not None
        assert found.race_name


POOL = [f"D,{name} ({n}),{name},{n},D,8000,Fictional 150,Nasca,30.5" for name, n in
        [("Ann One", 42329671), ("Bob Two", 42329672)]]  # fmt: skip


@pytest.mark.parametrize("left", [0, 7, 11])
def test_a_table_in_another_row_and_column_is_found(left):
    """DraftKings' templates: instructions and lineups beside the pool, lines above and below it."""
    pad = ["x" * (left > 0)] + [""] * (left - 1) if left else []
    lines = ["D,D,D,D,D,D,,Instructions", ",,,,,,,1. Do it", *([",".join(pad)] if left else [])]
    lines += [",".join([*pad, line]) for line in [DK_HEADER, *POOL]]
    lines += ["x,y"] if left else []
    found = read_salaries("\n".join(lines).encode(), "DKSalariesTemplate.csv")
    assert [row.site_id for row in found.rows] == ["42329671", "42329672"]
    assert found.race_name == "Fictional 150"


@pytest.mark.parametrize(
    ("row", "site_id"),
    [
        ("D,Ann One (42329671),Ann One,42329671.0,D,8000.0,F,N,30.5", "42329671"),
        ('D,Ann One (42329671),Ann One,"42,329,671",D,"$8,000",F,N,30.5', "42329671"),
        ("D,Ann One (42329671),Ann One,4.2E+07,D,8000,F,N,30.5", "42329671"),
        ("D,Ann One (42329671),Ann One,'42329671,D,8000,F,N,30.5", "42329671"),
        ('D,Ann One (42329671),Ann One,"=""42329671""",D,8000,F,N,30.5', "42329671"),
    ],
)
def test_what_a_spreadsheet_changed_without_loss_is_read(row, site_id):
    (found,) = read_salaries(f"{DK_HEADER}\n{row}\n".encode("utf-16"), "a.csv").rows
    assert (found.site_id, found.salary, found.name) == (site_id, 8000, "Ann One")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("D,Bob Two (42329671),Ann One,42329671,D,8000,F,N,30.5", "Name"),
        ("D,Ann One (42329671),Bob Two,42329671,D,8000,F,N,30.5", "Name"),
        ("D,Bob Two (42329673),Ann One,4.2E+07,D,8000,F,N,30.5", "Name"),
        ("D,Ann One (42329673),Ann One,42329671,D,8000,F,N,30.5", "Name + ID"),
    ],
)
def test_a_row_of_two_drivers_is_refused(row, field):
    bob = "D,Bob Two (42329672),Bob Two,42329672,D,8000,F,N,30.5"
    error = refused(f"{DK_HEADER}\n{row}\n{bob}\n".encode())
    assert (error.row, error.field) == (2, field)
    assert "of the same row" in str(error)


@pytest.mark.parametrize("name", ["Andres Perez", "Andres Perez De Lara (i)"])
def test_a_name_that_a_person_corrected_to_match_the_entry_list_is_read(name):
    """`build_slate` asks for it; Name + ID need not be written again too."""
    row = f"D,Andres Perez De Lara (42118137),{name},42118137,D,8000,Fictional 150,Nasca,30.5"
    found = read_salaries("\n".join([DK_HEADER, row, *POOL]).encode(), "DKSalaries.csv")
    assert (found.rows[0].name, found.rows[0].site_id) == (name, "42118137")


@pytest.mark.parametrize(
    "row",
    [
        "D,Ánn  O’ne (42329671),ann O'NE,42329671,D,8000,F,N,30.5",
        "D,Ann One (4.23E+07),Ann One,42329671,D,8000,F,N,30.5",
        'D,"Ann One (42,329,671)",Ann One,42329671.0,D,8000,F,N,30.5',
        "D,Ann One (Jr) (42329671),Ann One (Jr),42329671,D,8000,F,N,30.5",
    ],
)
def test_columns_that_differ_in_their_form_alone_are_read(row):
    (found,) = read_salaries(f"{DK_HEADER}\n{row}\n".encode(), "a.csv").rows
    assert found.site_id == "42329671"


def test_a_european_spreadsheets_file_is_read():
    text = f"{DK_HEADER}\r\n{POOL[0]}\r\n".replace(",", ";").replace("8000", "8.000")
    (row,) = read_salaries(text.replace("30.5", "30,5").encode("cp1252"), "a.csv").rows
    assert (row.salary, row.average_points) == (8000, 30.5)


@pytest.mark.parametrize("average", ["38,625", "38.625"])
def test_an_average_of_three_decimals_is_read_where_semicolons_part_the_cells(average):
    line = f"123-1;D;Joey;Joey Logano;Logano;{average};1;9000;Fictional 150;;;;;;;;D"
    text = f"{FD_HEADER.replace(',', ';')}\n{line}\n"
    assert read_salaries(text.encode(), "fd.csv").rows[0].average_points == 38.625


@pytest.mark.parametrize("nothing", ["-", "N/A", "null"])
def test_an_average_that_the_site_does_not_have_is_none(nothing):
    data = dk_file(eight()).replace(b"30.5", nothing.encode(), 1)
    assert read_salaries(data, "a.csv").rows[0].average_points is None


def test_cells_parted_by_bars_are_read():
    assert read_salaries(dk_file(eight()).replace(b",", b"|"), "a.csv").rows[7].site_id == "118"


@pytest.mark.parametrize("column", ["status", "Injury Indicator", "Injury Status"])
def test_the_column_of_who_is_out_is_known_by_each_of_its_names(column):
    data = dk_file(eight(), late=True).replace(b"Status", column.encode())
    rows = read_salaries(data.replace(b"30.5,,", b"30.5,Out,", 1), "a.csv").rows
    assert [row.out for row in rows] == [True, *[False] * 7]


def test_ids_that_lost_digits_are_refused():
    error = refused(f"{DK_HEADER}\nD,,Ann One,4.2E+07,D,8000,F,N,1\n".encode())
    assert (error.row, error.field) == (2, "ID")
    assert "saved by a spreadsheet" in str(error)
    assert "download it again" in str(error).lower()


def test_older_forms_with_fewer_columns_are_read_and_what_is_lost_is_said():
    both = read_salaries(b"Name + ID,Salary\nAnn One (7),8000\n", "a.csv")
    assert [(row.name, row.site_id) for row in both.rows] == [("Ann One", "7")]
    assert both.notices == ()
    old = b"Position,Name,Salary,GameInfo,AvgPointsPerGame,team\nD,Ann One,8000,F 150,30.5,N\n"
    found = read_salaries(old, "DKSalaries.csv")
    assert (found.race_name, found.rows[0].site_id) == ("F 150", "Ann One")
    assert "names alone, which the site does not take" in found.notices[0]
    error = refused(old.replace(b"Ann One", b"=Ann (1)"))
    assert (error.row, error.field) == (2, "Name")


def test_a_table_of_more_drivers_than_any_race_has_is_refused():
    assert "more than 500 drivers" in str(
        refused(dk_file([(f"Driver {n}", n, 8000) for n in range(501)]))
    )


def test_the_day_in_fanduels_own_file_names_is_understood():
    name = "FanDuel-NASCAR-2026 ET-03 ET-15 ET-127419-players-list.csv"
    assert read_salaries(dk_file(eight()), name).date == date(2026, 3, 15)


@pytest.mark.parametrize("site_id", ['"=HYPERLINK(""x"")"', "+1", "@a", "1:2", "-1"])
def test_an_id_that_would_be_a_formula_in_an_upload_file_is_refused(site_id):
    error = refused(f"Id,Nickname,Salary\n{site_id},A B,5000\n".encode(), "FanDuel.csv")
    assert "is no id" in error.message
    assert (error.row, error.field) == (2, "Id")
