"""Upload files: read back as written, safe in a spreadsheet, legal or not written at all."""

from __future__ import annotations

import csv
import io
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.lineups import IllegalLineup, read_upload, upload_csv
from nascar_assets.rules import rule_set
from nascar_assets_tests.lineups.slates import made_slate

LINEUPS = np.array([[0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7]])
SLATE = made_slate([8000] * 8)


def test_header_and_cells_are_the_sites():
    rows = list(csv.reader(io.StringIO(upload_csv(SLATE, LINEUPS).decode())))
    assert rows[0] == ["D"] * 6
    assert rows[1][0] == "Driver AA (9000)"
    assert len(rows) == 3


def test_fanduel_takes_five_drivers_by_id():
    slate = made_slate([8000] * 8, rules=rule_set("fd-classic", date(2026, 3, 15)))
    rows = list(csv.reader(io.StringIO(upload_csv(slate, LINEUPS[:, :5]).decode())))
    assert rows[0] == ["D"] * 5
    assert rows[1][0] == "9000:Driver AA"
    assert (read_upload(slate, upload_csv(slate, LINEUPS[:, :5])) == LINEUPS[:, :5]).all()


names = st.lists(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12),
    min_size=8,
    max_size=8,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(names)
def test_any_names_come_back_and_none_runs_as_a_formula(given_names):
    slate = made_slate([8000] * 8, names=given_names)
    content = upload_csv(slate, LINEUPS)
    assert (read_upload(slate, content) == LINEUPS).all()
    for row in csv.reader(io.StringIO(content.decode(), newline="")):
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-2+3", "@SUM(A1)", "\tx", "Bob (Jr)"])
def test_a_name_that_is_not_safe_is_left_to_the_id(name):
    slate = made_slate([8000] * 8, names=[name, *[f"N{i}" for i in range(7)]])
    assert upload_csv(slate, LINEUPS).decode().splitlines()[1].split(",")[0] == "9000"


@pytest.mark.parametrize(
    ("lineup", "message"),
    [
        ([0, 1, 2, 3, 4, 4], "more than once"),
        ([0, 1, 2, 3, 4], "5 drivers, not 6"),
        ([0, 1, 2, 3, 4, 99], "not in slate"),
    ],
)
def test_an_illegal_lineup_is_not_written(lineup, message):
    with pytest.raises(IllegalLineup, match=message):
        upload_csv(SLATE, [lineup])


def test_a_lineup_over_the_cap_is_not_written():
    with pytest.raises(IllegalLineup, match="54,000, over the cap of 50,000"):
        upload_csv(made_slate([9000] * 6), [[0, 1, 2, 3, 4, 5]])


def test_no_lineups_and_too_many_are_refused():
    with pytest.raises(InputError, match="1 to 500"):
        upload_csv(SLATE, np.tile(LINEUPS[0], (501, 1)))
    with pytest.raises(InputError, match="1 to 500"):
        upload_csv(SLATE, np.empty((0, 6), int))


def test_a_cell_of_another_slate_is_named_by_row_and_field():
    content = upload_csv(SLATE, LINEUPS).replace(b"9003", b"1234")
    with pytest.raises(InputError, match=r"up.csv, row 2, field D 4.*1234"):
        read_upload(SLATE, content, file="up.csv")
