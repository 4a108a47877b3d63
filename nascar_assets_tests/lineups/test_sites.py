"""Every contest site: its files as it writes and takes them, from salaries to filled entries."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from nascar_assets.lineups import read_entries, read_upload, upload_csv
from nascar_assets.rules import SITES, rule_set, site_of
from nascar_assets.sample.salaries import LAYOUTS, salary_file
from nascar_assets.slates.salaries import read_salaries
from nascar_assets_tests.lineups.slates import fill_entries, made_slate

# First row of a salary file, header and first cell of an upload file, header of an entries file.
GOLDEN = {
    "dk": (
        "D,Tanner Oakenhurst (99100001),Tanner Oakenhurst,99100001,D,11300,Race 150,Nasca,31.5",
        "D,D,D,D,D,D",
        "Driver AA (9000)",
        "Entry ID,Contest Name,Contest ID,Entry Fee,D,D,D,D,D,D,,Instructions",
    ),
    "fd": (
        "99001-99100001,D,Tanner,Tanner Oakenhurst,Oakenhurst,31.5,4,14000,Race 150,,,,,",
        "D,D,D,D,D",
        "9000:Driver AA",
        "entry_id,contest_id,contest_name,entry_fee,Driver,Driver,Driver,Driver,Driver,"
        ",Instructions",
    ),
}


def test_every_site_has_a_golden_row_and_a_layout_of_the_sample():
    assert GOLDEN.keys() == SITES.keys() == LAYOUTS.keys()
    for key, site in SITES.items():
        assert site.key == key
        assert site_of(site.contest) is site
        assert {rules.key.split("-")[0] for rules in site.rule_sets} == {key}


@pytest.mark.parametrize("key", SITES)
def test_its_salary_file_is_written_and_read(key):
    drivers = list(range(8))
    data = salary_file(key, drivers, np.arange(8.0), "Race 150", {7: 31.5}, {7: 4})
    assert data.decode().splitlines()[1] == GOLDEN[key][0]
    read = read_salaries(data, "any.csv")
    assert read.site is SITES[key]
    first = read.rows[0]
    columns = SITES[key].salary_columns
    assert (first.name, read.race_name) == ("Tanner Oakenhurst", "Race 150")
    assert first.average_points == (31.5 if "average" in columns else None)
    assert (len(read.rows), read.notices) == (8, ())
    header = data.decode().splitlines()[0].split(",")
    if columns.get("status") in header:
        rows = [line.split(",") for line in data.decode().splitlines()]
        rows[1][header.index(columns["status"])] = min(SITES[key].out).lower()
        marked = read_salaries("\n".join(map(",".join, rows)).encode(), "any.csv")
        assert [row.out for row in marked.rows[:2]] == [True, False]


@pytest.mark.parametrize("key", SITES)
def test_its_upload_and_entries_files_are_written_and_read(key):
    rules = rule_set(SITES[key].contest, date(2026, 3, 15))
    slate = made_slate([rules.salary_cap // 8] * 9, rules=rules)
    lineups = np.array([range(rules.roster_size), range(1, rules.roster_size + 1)])
    _, upload_header, cell, entries_header = GOLDEN[key]
    upload = upload_csv(slate, lineups)
    assert upload.decode().splitlines()[0] == upload_header
    assert upload.decode().splitlines()[1].split(",")[0] == cell
    assert (read_upload(slate, upload) == lineups).all()
    row = dict(
        zip(("entry_id", "contest_id", "contest_name", "entry_fee"), "5077", strict=True)
    ) | {"entry_id": "50", "contest_name": "Any"}
    lead = ",".join(row[part] for part in SITES[key].entry_columns)
    blank = f"{entries_header}\n{lead}{',' * (rules.roster_size + 2)}\n".encode()
    filled = fill_entries(blank, slate, lineups)
    (entry,) = read_entries(filled, slate)
    assert (entry.entry_id, entry.contest_id, entry.entry_fee) == ("50", "0", "7")
    assert entry.lineup == tuple(lineups[0])
    locked = filled.replace(cell.encode(), f"{cell} (LOCKED)".encode())
    (entry,) = read_entries(locked, slate)
    assert (entry.locked, entry.lineup) == (True, tuple(lineups[0]))


@pytest.mark.parametrize("cell", ["9000", " 9000 ", "9000 (LOCKED)", "9000 (locked)"])
@pytest.mark.parametrize("key", SITES)
def test_an_id_alone_is_a_cell_of_every_site(key, cell):
    assert SITES[key].read_cell(cell) == ("9000", "LOCKED" in cell.upper())
