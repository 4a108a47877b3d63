"""Entries files: filled and mended with every other byte kept."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.lineups import LockedEntry, read_entries, write_entries
from nascar_assets.lineups.entries_file import filled_name, locked_notices
from nascar_assets.lineups.raw_csv import read_raw
from nascar_assets.rules import rule_set
from nascar_assets_tests.lineups.slates import fill_entries, made_slate

SLATE = made_slate([8000] * 9)
HEADER = "Entry ID,Contest Name,Contest ID,Entry Fee,D,D,D,D,D,D,,Instructions"
LINEUPS = np.array([[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6], [3, 4, 5, 6, 7, 8]])
CELLS = ",".join(f"Driver A{c} (900{i})" for i, c in enumerate("ABCDEF"))


def entries_file(rows=3, contests=("77",), end="\r\n", pool=True, first=""):
    lines = [HEADER]
    for number in range(rows):
        contest = contests[number % len(contests)]
        cells = first if number == 0 and first else ",,,,,"
        lines.append(f'{5000 + number},"NASCAR ""5K"", one",{contest},$1.00,{cells},,1. Do it')
    if pool:
        lines.append("," * 11 + "Position,Name + ID,Name,ID,Roster Position,Salary")
        lines += ["," * 11 + f"D,{p.name} ({p.site_id}),{p.name},{p.site_id},D,8000"
                  for p in SLATE.players]  # fmt: skip
    return (end.join(lines) + end).encode()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("DKEntries.csv", "DKEntries-filled.csv"),
        ("FDEntries (2).CSV", "FDEntries-2-filled.csv"),
        ("DKEntries-filled.csv", "DKEntries-filled.csv"),
        ("week.3", "week.3-filled.csv"),
        ('a"\r\nb.csv', "a-b-filled.csv"),
        ("Feb.Daytona", "Feb.Daytona-filled.csv"),
        ("\u0441\u043b\u043e\u0432\u043e.csv", "entries-filled.csv"),
        ("..", "entries-filled.csv"),
        ("a" * 300, f"{'a' * 100}-filled.csv"),
        (".csv", "entries-filled.csv"),
        ("DKEntries-filled (2).csv", "DKEntries-filled.csv"),
    ],
)
def test_a_filled_file_is_called_after_the_one_that_was_given(file, name):
    assert filled_name(file) == name


def test_filling_then_reading_is_the_identity():
    filled = fill_entries(entries_file(), SLATE, LINEUPS)
    assert [entry.lineup for entry in read_entries(filled, SLATE)] == [
        tuple(row) for row in LINEUPS.tolist()
    ]


@settings(max_examples=60, deadline=None)
@given(
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
    rows=st.integers(1, 3),
    pool=st.booleans(),
    name=st.sampled_from(['"A, ""quoted"" name"', "plain", "M\u00fcller", '"two\nlines"', "  x "]),
)
def test_only_the_drivers_cells_change(end, bom, rows, pool, name):
    content = entries_file(rows, end=end, pool=pool).decode()
    content = content.replace('"NASCAR ""5K"", one"', name)
    data = (b"\xef\xbb\xbf" if bom else b"") + content.encode()
    assert read_raw(data, file="x").to_bytes() == data
    assert write_entries(data, SLATE, {}) == data
    filled = fill_entries(data, SLATE, LINEUPS)
    emptied = filled.decode("utf-8-sig")
    for lineup in LINEUPS[:rows].tolist():
        cells = ",".join(f"{SLATE.players[i].name} ({SLATE.players[i].site_id})" for i in lineup)
        emptied = emptied.replace(cells, ",,,,,", 1)
    assert emptied == content
    assert filled.startswith(b"\xef\xbb\xbf") == bom


def test_windows_1252_stays_windows_1252():
    content = entries_file(1).replace(b"NASCAR", "Caf\u00e9".encode("cp1252"))
    filled = fill_entries(content, SLATE, LINEUPS[:1])
    assert "Caf\u00e9".encode("cp1252") in filled


@pytest.mark.parametrize(("above", "row"), [(b"\r\n", 2), (b",,,,\r\n\r\n", 3), (b"sep=,\r\n", 2)])
def test_a_header_below_blank_rows_or_a_named_separator_is_found(above, row):
    filled = fill_entries(above + entries_file(), SLATE, LINEUPS)
    assert filled == above + fill_entries(entries_file(), SLATE, LINEUPS)
    with pytest.raises(InputError, match=f"row {row}, field D"):
        read_entries(above + entries_file().replace(b",D,", b",G,", 1), SLATE)


def test_each_contest_gets_the_lineups_from_the_first_on():
    filled = fill_entries(entries_file(3, contests=("77", "88")), SLATE, LINEUPS)
    lineups = [entry.lineup for entry in read_entries(filled, SLATE)]
    assert lineups == [tuple(LINEUPS[0]), tuple(LINEUPS[0]), tuple(LINEUPS[1])]


def test_one_contest_can_be_filled_alone():
    filled = fill_entries(entries_file(3, contests=("77", "88")), SLATE, LINEUPS, contest_id="88")
    lineups = [entry.lineup for entry in read_entries(filled, SLATE)]
    assert lineups == [None, tuple(LINEUPS[0]), None]


def test_a_changed_lineup_rewrites_only_the_cells_of_those_who_go():
    filled = fill_entries(entries_file(1), SLATE, LINEUPS[:1])
    mended = write_entries(filled, SLATE, {"5000": [5, 4, 8, 2, 1, 0]})
    # Driver 3 goes, driver 8 takes his cell.
    assert mended == filled.replace(b"Driver AD (9003),", b"Driver AI (9008),", 1)


def test_an_entry_that_holds_a_driver_twice_is_filled_over():
    content = entries_file(1, first=CELLS.replace("Driver AB (9001)", "Driver AA (9000)"))
    assert read_entries(content, SLATE)[0].lineup == (0, 0, 2, 3, 4, 5)
    for lineup, expected in ((0, (0, 1, 2, 3, 4, 5)), (2, (6, 7, 8, 3, 4, 5))):
        filled = fill_entries(content, SLATE, LINEUPS[[lineup]])
        assert read_entries(filled, SLATE)[0].lineup == expected


def test_cells_that_name_a_scratched_driver_are_read_and_filled_over():
    slate = made_slate([8000] * 9, absent=[1])  # its players are the others, in order
    content = entries_file(3, first=CELLS)
    assert read_entries(content, slate)[0].lineup == (0, 8, 1, 2, 3, 4)
    filled = fill_entries(
        content, slate, [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6, 7]]
    )
    assert b"Driver AB (9001)" not in filled.split(b"\r\n")[1]
    assert read_entries(filled, slate)[0].lineup == (0, 5, 1, 2, 3, 4)
    with pytest.raises(InputError, match="Driver AB does not race"):
        write_entries(content, slate, {"5001": [0, 8, 1, 2, 3, 4]})


def test_filling_leaves_a_locked_entry_and_does_not_enter_its_lineup_twice():
    content = entries_file(3, first=CELLS.replace(")", ") (LOCKED)"))
    filled = fill_entries(content, SLATE, LINEUPS)
    assert filled.split(b"\r\n")[1] == content.split(b"\r\n")[1]
    held = [entry.lineup for entry in read_entries(filled, SLATE)]
    assert held == [tuple(row) for row in LINEUPS.tolist()]
    assert locked_notices(read_entries(filled, SLATE)) == ("Locked, and left as it is: 5000.",)
    with pytest.raises(InputError, match=r"has 3 entries but .* has 3 lineups, and 1 .* locked"):
        fill_entries(entries_file(4, first=CELLS.replace(")", ") (LOCKED)")), SLATE, LINEUPS)


def test_locked_entries_are_read_and_not_changed():
    locked = CELLS.replace(")", ") (LOCKED)")
    content = entries_file(1, first=locked)
    entry = read_entries(content, SLATE)[0]
    assert entry.locked
    assert entry.lineup == (0, 1, 2, 3, 4, 5)
    assert write_entries(content, SLATE, {"5000": [0, 1, 2, 3, 4, 5]}) == content
    with pytest.raises(LockedEntry, match=r"DKEntries.csv, row 2.*locked"):
        fill_entries(content, SLATE, LINEUPS[1:2])


def swap(content, old, new):
    return content.replace(old.encode(), new.encode())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (swap(entries_file(), "Entry ID,", "Entry,"), "row 1, field Entry ID"),
        (swap(entries_file(), ",D,D,D,D,D,D,", ",G,G,G,G,G,G,"), "row 1, field D"),
        (swap(entries_file(), ",D,,", ",D,D,"), "row 1, field D: .*more than 6 columns D"),
        (swap(swap(entries_file(), ",90", ",80"), "(90", "(80"), "not that of slate"),
        (entries_file(1, first=CELLS.replace("9003", "1111")), "row 2, field D 4"),
        (entries_file(1, first=CELLS.replace("Driver AF (9005)", "")), "row 2, field D 6"),
        (swap(entries_file(), "5001,", "5000,"), "row 3, field Entry ID"),
        (swap(entries_file(), "5001,", "x1,"), "row 3, field Entry ID"),
        (entries_file()[:40] + b'"cut', "cut off"),
        (b"", "empty"),
        (b"PK\x03\x04\x00\x00", "archive"),
    ],
    ids=[
        "header", "sport", "seven", "other-slate", "other-id", "half-filled", "twice", "no-id",
        "cut", "empty", "binary",
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused_by_row_and_field(content, words):
    with pytest.raises(InputError, match=words):
        read_entries(content, SLATE)


def test_a_cell_with_one_driver_s_name_and_another_s_id_is_refused():
    with pytest.raises(InputError, match=r"row 2, field D 4.*name of Driver AH and the ID of .*AD"):
        read_entries(entries_file(1, first=CELLS.replace("Driver AD", "Driver AH")), SLATE)
    renamed = CELLS.replace("Driver AD", "driver  ÁD").replace("Driver AE", "E. of old")
    (entry,) = read_entries(entries_file(1, first=renamed), SLATE)
    assert entry.lineup == (0, 1, 2, 3, 4, 5)
    cells = ",".join(f'"900{i}:Driver A{chr(65 + i + (i == 2))}"' for i in range(5))
    content = fanduels_file().replace(b'"","","","",""', cells.encode(), 1)
    with pytest.raises(InputError, match=r"row 2, field Driver 3.*name of Driver AD"):
        read_entries(content, FANDUEL, file="entries.csv")


def test_more_entries_than_lineups_is_an_error():
    with pytest.raises(InputError, match=r"row 3, field Entry ID: contest 77.*3 entries.*1 lineup"):
        fill_entries(entries_file(3), SLATE, LINEUPS[:1])


def test_an_unknown_contest_is_an_error():
    with pytest.raises(InputError, match="contest 99"):
        fill_entries(entries_file(), SLATE, LINEUPS, contest_id="99")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_and_semicolons_stay_as_they_are(encoding):
    text = entries_file(1).decode().replace(",", ";")
    content = text.encode(encoding)
    filled = fill_entries(content, SLATE, LINEUPS[:1])
    cells = CELLS.replace(",", ";")
    assert filled.decode(encoding) == text.replace(
        "$1.00;;;;;;;;1. Do it", f"$1.00;{cells};;1. Do it"
    )
    assert filled[:2] == content[:2]


@pytest.mark.parametrize("fee", ["$1,000.00", "$1.000,00", "$1.000"])
def test_a_fee_above_a_thousand_is_read_where_semicolons_part_the_cells(fee):
    text = entries_file(1).decode().replace(",", ";").replace("$1.00", fee)
    (entry,) = read_entries(text.encode(), SLATE)
    assert entry.fee_cents == 100_000


def test_ids_that_a_spreadsheet_rounded_are_refused_and_others_read():
    with pytest.raises(InputError, match=r"row 2, field Entry ID.*saved by a spreadsheet"):
        read_entries(swap(entries_file(), "5000,", "4.4E+09,"), SLATE)
    (entry,) = read_entries(swap(entries_file(1), "5000,", "5000.0,"), SLATE)
    assert entry.entry_id == "5000"


def test_an_entries_file_far_too_large_is_refused():
    with pytest.raises(InputError, match="more than 20,000 rows"):
        read_entries(entries_file(1) + b"\n" * 20_001, SLATE)


def fanduels_file(*pool):
    head = '"entry_id","contest_id","contest_name","entry_fee","Driver","Driver","Driver","Driver",'
    lines = [head + '"Driver","","Instructions"']
    lines += [f'"{i}","119001-2790","One, two","0.25","","","","","","","Do it"' for i in (36, 37)]
    return ("\n".join([*lines, *pool]) + "\n").encode()


FANDUEL = made_slate([8000] * 9, rules=rule_set("fd-classic", date(2026, 3, 15)))


def test_a_fanduel_file_is_filled_with_every_other_byte_kept():
    lineups = LINEUPS[:2, :5]
    filled = fill_entries(fanduels_file(), FANDUEL, lineups, file="entries.csv")
    expected = fanduels_file().decode()
    for lineup in lineups.tolist():
        cells = ",".join(f'"900{i}:Driver A{chr(65 + i)}"' for i in lineup)
        expected = expected.replace('"0.25","","","","","",', f'"0.25",{cells},', 1)
    assert filled == expected.encode()
    entry = read_entries(filled, FANDUEL)[1]
    assert entry.lineup == tuple(lineups[1].tolist())
    assert (entry.contest_id, entry.contest_name) == ("119001-2790", "One, two")


def test_an_entries_file_of_the_other_site_or_slate_is_refused_by_name():
    with pytest.raises(InputError, match=r"row 1.*entries file of FanDuel; slate .* of DraftKings"):
        read_entries(fanduels_file(), SLATE, file="entries.csv")
    with pytest.raises(InputError, match=r"row 1.*entries file of DraftKings; slate .* of FanDuel"):
        read_entries(entries_file(), FANDUEL)
    pool = ["," * 11 + '"Player ID + Player Name","Id"', "," * 11 + '"1-2:Else","1-2"']
    with pytest.raises(InputError, match="not that of slate"):
        read_entries(fanduels_file(*pool), FANDUEL)


def test_a_lock_is_known_in_any_case():
    (entry,) = read_entries(entries_file(1, first=CELLS.replace("9000)", "9000) (Locked)")), SLATE)
    assert entry.locked
