"""Payout tables: read whole and checked, or refused by row and field."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nascar_assets.contest import PayoutError, preset, read_payouts
from nascar_assets.contest.presets import power_prizes
from nascar_assets.errors import InputError

GOOD = """places,prize
1,"$1,000.00"
2-3,$250
4th to 6th,20.50
entries,100
entry_fee,$20
prize_pool,"$1,561.50"
max_entries,3
"""


def test_places_prizes_and_facts_are_read():
    table = read_payouts(GOOD.encode())
    assert table.prizes_cents.tolist() == [100_000, 25_000, 25_000, 2_050, 2_050, 2_050]
    assert (table.entries, table.entry_fee_cents, table.max_entries) == (100, 2_000, 3)
    # 1000 + 2 x 250 + 3 x 20.50 = 1561.50
    assert table.pool_cents == 156_150


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2-3,", "1-3,", "row 3, field places: places 1-3 overlap those of row 2"),
        ("4th to 6th", "5-6", "row 4, field places: places 4-4 have no prize"),
        (
            "4th to 6th,20.50",
            "4-6,300",
            "row 4, field prize: place 4 wins $300.00, more than place 3",
        ),
        ("1,561.50", "1,561.51", r"row 7, field prize_pool: the prizes add up to \$1,561.50"),
        ("$250", "many", "row 3, field prize: 'many'"),
        ("$250", "250.005", "row 3, field prize: '250.005'"),
        ("$250", "-250", "row 3, field prize"),
        ("2-3,", "3-2,", "row 3, field places: places '3-2' run backwards"),
        ("2-3,", "second,", "row 3, field places: 'second'"),
        (
            "entries,100",
            "entries,5",
            "row 5, field entries: 6 places are paid but the contest has 5 entries",
        ),
        ("entries,100", "entries,many", "row 5, field entries"),
        ("max_entries,3", "entries,90", "row 8, field entries: entries is in row 5 already"),
        ("places,prize", "rank,money", "row 1"),
        ("places,prize", "places,prize,place", "row 1, field place: the columns places and place"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(old, new, words):
    with pytest.raises(PayoutError, match=words.replace("$", r"\$").replace(r"\\", "\\")):
        read_payouts(GOOD.replace(old, new).encode(), file="payouts.csv")


def test_two_columns_of_prizes_are_refused():
    with pytest.raises(InputError, match="row 1, field prize: The column occurs twice"):
        read_payouts(b"places,prize,Prize\n1,$20,$10\n")


def test_a_table_without_prizes_is_refused():
    with pytest.raises(PayoutError, match="no prizes"):
        read_payouts(b"places,prize\nentries,5\n")


@pytest.mark.parametrize("name", ["cash", "single-entry", "20-max", "150-max"])
def test_presets_pay_what_the_rake_leaves(name):
    contest = preset(name)
    taken = contest.entries * contest.entry_fee_cents
    rake = 1 - contest.payouts.pool_cents / taken
    assert 0.09 <= rake <= 0.151
    assert contest.payouts.prizes_cents[-1] >= contest.entry_fee_cents


def test_an_unknown_preset_lists_the_known():
    with pytest.raises(InputError, match="cash, single-entry, 20-max, 150-max"):
        preset("five-max")


def test_prizes_fall_like_a_power_and_add_up():
    prizes = power_prizes(100_000, 20, first=30_000, lower=1_000)
    assert sum(prizes) == 100_000
    assert all(a >= b for a, b in pairwise(prizes))
    assert prizes[-1] >= 1_000


def test_a_pool_too_small_for_its_places_is_refused():
    with pytest.raises(InputError, match="does not pay 20 places"):
        power_prizes(10_000, 20, first=5_000, lower=1_000)


@pytest.mark.parametrize(
    ("rows", "prizes"),
    [
        ('1st,"$2,000"\n2nd - 1400th,$5\n"1,401st - 2,806th",$2', (2_806, 200_000, 500, 200)),
        ('1st,"$2,000"\n2nd\u00a0–\u00a01\u202f400th,$5', (1_400, 200_000, 500)),
        ('1,"$1,000.00"\n2nd-5th,$20.00 Ticket\n6,Ticket $5', (6, 100_000, 2_000, 500)),
    ],
)
def test_tables_as_contest_pages_show_them_are_read(rows, prizes):
    table = read_payouts(f"Place,Prize\n{rows}\n".encode("utf-16"))
    places, *cents = prizes
    assert table.prizes_cents.shape == (places,)
    assert list(dict.fromkeys(table.prizes_cents.tolist())) == cents


def test_a_european_spreadsheets_table_is_read():
    table = read_payouts(b"places;prize\r\n1;2.000,50\r\n2 - 1.400;5\r\nentries;5.000\r\n")
    assert (table.prizes_cents[0], table.prizes_cents.shape, table.entries) == (
        200_050,
        (1_400,),
        5_000,
    )


@pytest.mark.parametrize("places", ["5-Feb", "Feb-05", "2/5/2026"])
def test_places_that_a_spreadsheet_made_dates_of_are_told(places):
    with pytest.raises(InputError, match=r"row 3, field places.*made a date of it"):
        read_payouts(f"places,prize\n1,$9\n{places},$5\n".encode())


@pytest.mark.parametrize(
    "row",
    [
        "1,2.000",
        "1,$2,000",
        "1,401st - 2,806th,$2",
        "1,Ticket",
        "1,1e9",
        "1-99999999999999999999,5",
    ],
)
def test_what_could_be_two_amounts_is_refused(row):
    with pytest.raises(InputError, match="row 2"):
        read_payouts(f"places,prize\n{row}\n".encode())
