"""The ledger: totals to the cent, histories taken in once, other sports set aside."""

from __future__ import annotations

from datetime import date

import pytest

from nascar_assets.columns.column import types_of
from nascar_assets.columns.contests import LEDGER
from nascar_assets.contest.ledger import merged, read_history, returns
from nascar_assets.errors import InputError

HEADER = (
    "Sport,Game_Type,Entry_Key,Entry,Contest_Key,Contest_Date_EST,Place,Points,"
    "Winnings_Non_Ticket,Winnings_Ticket,Contest_Entries,Entry_Fee,Prize_Pool,Places_Paid"
)
ROWS = (
    "NAS,Classic,1,NAS $10K Checkered Flag (Cup),91,2026-03-15 15:30:00,12,231.5,$20.00,,2500,"
    '$5.00,"$10,000.00",500',
    "NAS,Classic,2,NAS $10K Checkered Flag (Cup),91,2026-03-15 15:30:00,1900,150.25,$0.00,$0.00,"
    '2500,$5.00,"$10,000.00",500',
    "NAS,Classic,3,NAS Double Up,92,2026-03-22 15:30:00,40,210,$9.00,$0.00,100,$5.00,$450.00,45",
    "NAS,Classic,4,NAS $1K (Trucks),93,2026-03-21 12:00:00,1,260,$100.10,$12.00,200,$1.15,$1000,40",
    "NAS,Classic,5,NAS Rained Out,94,2026-03-29 15:30:00,0,0,$3.00,$0.00,50,$3.00,$100,10",
    "NAS,Classic,6,NAS Cancelled,95,2026-03-29 15:30:00,,,$0.00,$0.00,50,$0.25,$100,10",
    "NFL,Classic,7,NFL Millionaire,96,2026-01-04 13:00:00,9,1,$0.00,$0.00,9,$20.00,$1000000,1",
    "GOLF,Classic,8,PGA,97,2026-04-04 07:00:00,9,1,$5.00,$0.00,9,$4.00,$36,3",
)
RACES = {date(2026, 3, 22): ("xfinity",), date(2026, 3, 29): ("cup", "trucks")}


def history(rows=ROWS):
    return "\r\n".join([HEADER, *rows]).encode()


def test_entries_are_read_to_the_cent_and_other_sports_are_counted():
    read = read_history(history(), RACES)
    rows = {row["entry_key"]: row for row in read.rows.iter_rows(named=True)}
    assert list(rows) == ["1", "2", "3", "4", "5", "6"]
    assert read.others == {"NFL": 1, "GOLF": 1}
    assert "1 GOLF, 1 NFL" in read.notices[0]
    assert sum(row["fee_cents"] for row in rows.values()) == 500 + 500 + 500 + 115 + 300 + 25
    assert sum(row["won_cents"] for row in rows.values()) == 2_000 + 900 + 10_010 + 300
    assert rows["4"]["ticket_cents"] == 1_200
    assert [rows[key]["series"] for key in "1234"] == ["cup", "cup", "xfinity", "trucks"]
    assert [rows[key]["kind"] for key in "134"] == ["tournament", "cash", "tournament"]
    assert [rows[key]["state"] for key in "156"] == ["settled", "refunded", "cancelled"]
    refunded, cancelled = read.notices[1:]
    assert refunded.startswith("1 refunded entries")
    assert cancelled.startswith("1 entries without a place and without winnings")
    ticket = ROWS[4].replace("$3.00,$0.00", "$0.00,$3.00")
    assert read_history(history([ticket]), RACES).rows["state"].to_list() == ["refunded"]
    assert read.rows.schema == types_of(LEDGER)


def test_a_contest_that_pays_more_places_than_were_taken_did_not_fill_and_is_no_cash_game():
    rows = [ROWS[0].removesuffix("500") + paid for paid in ("2500", "3000")]
    rows[1] = rows[1].replace("Classic,1,", "Classic,9,")
    assert read_history(history(rows), RACES).rows["kind"].to_list() == ["tournament"] * 2


def test_a_row_of_another_sport_with_a_bare_comma_does_not_cost_the_history():
    rows = [*ROWS[:-2], ROWS[-2].replace("$1000000", "$1,000,000"), ROWS[-1]]
    read = read_history(history(rows), RACES)
    assert read.others == {"NFL": 1, "GOLF": 1}
    assert read.rows.equals(read_history(history(), RACES).rows)


def test_a_note_to_the_right_of_the_history_is_left_out():
    assert read_history(history([ROWS[0] + ",,good one"]), RACES).rows.height == 1
    with pytest.raises(InputError, match=r"row 2: .*'good one' is beyond it.*or take it out"):
        read_history(history([ROWS[0] + ",good one"]), RACES)


def test_the_same_file_twice_changes_nothing_and_a_correction_does():
    read = read_history(history(), RACES).rows
    empty = read.clear()
    once, fresh, changed = merged(empty, read)
    assert (fresh, changed) == (6, 0)
    twice, fresh, changed = merged(once, read)
    assert (fresh, changed) == (0, 0)
    assert twice.equals(once)
    corrected = [ROWS[0].replace("$20.00", "$25.00"), *ROWS[1:]]
    third, fresh, changed = merged(twice, read_history(history(corrected), RACES).rows)
    assert (fresh, changed) == (0, 1)
    assert third["won_cents"].sum() == once["won_cents"].sum() + 500


def test_returns_are_of_settled_entries_and_lie_in_their_intervals():
    ledger = read_history(history(), RACES).rows
    (whole,) = returns(ledger, ())
    # Fees 5 + 5 + 5 + 1.15; won 20 + 9 + 100.10 and a ticket of 12.
    assert whole["fees_dollars"] == 16.15
    assert whole["profit_dollars"] == pytest.approx(141.10 - 16.15)
    assert whole["roi"] == pytest.approx(124.95 / 16.15)
    assert whole["roi_low"] <= whole["roi"] <= whole["roi_high"]
    by_series = {row["series"]: row for row in returns(ledger, ["series"])}
    assert by_series["cup"]["roi"] == pytest.approx(1.0)
    assert by_series["cup"]["roi_low"] is None  # one day says nothing of its spread
    assert sum(row["fees_dollars"] for row in by_series.values()) == pytest.approx(16.15)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (history([ROWS[0].replace("$20.00", "a lot")]), "row 2, field Winnings_Non_Ticket"),
        (history([ROWS[0].replace("$20.00", "$2.000")]), "field Winnings_Non_Ticket: '.2.000' is"),
        (history([ROWS[0].replace(",2500,", ",2.000,")]), "field Contest_Entries: '2.000' is no"),
        (history([ROWS[0].replace("231.5", "inf")]), "row 2, field Points: 'inf' is no number"),
        (history([ROWS[0].replace("231.5", "abc")]), "row 2, field Points: 'abc' is no number"),
        (
            history([ROWS[0].replace(",12,", ",3000,")]),
            "row 2, field Place: place 3,000 is beyond the contest's 2,500 entries",
        ),
        (history([ROWS[0].replace("2026-03-15 15:30:00", "soon")]), "field Contest_Date_EST"),
        (
            history([ROWS[0].replace(",12,231.5", ",,231.5")]),
            "row 2, field Place: .*20.00 that are",
        ),
        (
            history([ROWS[0].replace("Classic,1,", "Classic,,")]),
            "row 2, field Entry_Key: the entry",
        ),
        (history([ROWS[0], ROWS[0]]), "row 3, field Entry_Key: entry 1 is in row 2"),
        (history([ROWS[0].replace("$20.00", "$1,000.00")]), "row 2: The row has 15 cells and the"),
        (history([ROWS[0][:60]]), "row 2: .*cut off"),
        (b"Sport,Entry\r\nNAS,1", "no row is a header"),
        (history().replace(b"Prize_Pool", b"Entry_Fee"), "row 1, field Entry_Fee: The column"),
    ],
)
def test_what_is_wrong_is_named_by_row_and_field(content, words):
    with pytest.raises(InputError, match=words):
        read_history(content, RACES)
