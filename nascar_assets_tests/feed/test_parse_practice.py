"""Practice averages to a table."""

from __future__ import annotations

import polars as pl
import pytest

from nascar_assets.feed.parse_practice import parse_practice
from nascar_assets.feed.parse_weekend import parse_entries
from nascar_assets.feed.payload import FeedFormatError
from nascar_assets.feed.schemas import PRACTICE
from nascar_assets_tests.feed.feed_files import practice_item, ran, result, schedule_row, weekend

ROW = schedule_row(ran())


def session(*items, title="Final Practice"):
    return {"Title": title, "Items": list(items)}


def test_times_are_read_and_999_is_none():
    parsed = parse_practice([session(practice_item(11, "Driver Number11 (i)", 30.25))], ROW)
    assert parsed.frame.schema == pl.Schema(PRACTICE)
    row = parsed.frame.row(0, named=True)
    assert (row["best_lap_time_s"], row["average_lap_time_s"]) == (30.25, 31.25)
    assert row["best_5_lap_time_s"] == 30.75
    assert all(row[f"best_{laps}_lap_time_s"] is None for laps in (10, 15, 20, 25, 30))
    assert row["qualifying_at"] == ROW["qualifying_at"]


@pytest.mark.parametrize("value", [999, 999.0, "999", 0, -1, None, "", "NA"])
def test_what_is_no_time_is_null(value):
    item = practice_item(11, "A B", 30.0, OverAllAvg=value)
    found = parse_practice([session(item)], ROW).frame
    assert found["average_lap_time_s"].to_list() == [None]


def test_a_time_written_as_text_is_read():
    item = practice_item(11, "A B", 30.0, OverAllAvg="31.5")
    found = parse_practice([session(item)], ROW).frame
    assert found["average_lap_time_s"].to_list() == [31.5]


def test_sessions_are_kept_apart_and_fastest_first():
    payload = [
        session(practice_item(12, "C D", 31.0), practice_item(11, "A B", 30.0), title="Practice 1"),
        session(practice_item(11, "A B", 29.0), title="Practice 2"),
    ]
    found = parse_practice(payload, ROW).frame
    assert found.select("session", "driver_id").rows() == [
        ("Practice 1", "11"),
        ("Practice 1", "12"),
        ("Practice 2", "11"),
    ]


def test_sessions_of_one_title_are_numbered():
    titles = ["Final Practice", "Final Practice", "Final Practice (2)", "Final Practice"]
    item = practice_item(11, "A B", 30.0)
    parsed = parse_practice([session(item, title=title) for title in titles], ROW)
    assert parsed.frame["session"].to_list() == [
        "Final Practice",
        "Final Practice (2)",
        "Final Practice (2) (2)",
        "Final Practice (3)",
    ]
    assert "session 2 is Final Practice again and called Final Practice (2)" in parsed.notices[0]
    assert len(parsed.notices) == 3


def test_of_two_rows_in_a_session_the_faster_is_kept():
    parsed = parse_practice(
        [session(practice_item(11, "A B", 31.0), practice_item(11, "A B", 30.0))], ROW
    )
    assert parsed.frame["best_lap_time_s"].to_list() == [30.0]
    assert "31.0 s is left out" in parsed.notices[0]


def test_a_row_without_an_id_takes_the_entrys_or_is_left_out():
    entries = parse_entries(weekend([result(11, 1, driver_fullname="Andre Lacroix")]), ROW).frame
    payload = [
        session(practice_item(0, "* André Lacroix #", 30.0), practice_item(0, "Who Else", 31.0))
    ]
    parsed = parse_practice(payload, ROW, entries)
    assert parsed.frame["driver_id"].to_list() == ["11"]
    assert "Who Else has no id" in parsed.notices[0]
    assert parse_practice(payload, ROW).frame.height == 0


@pytest.mark.parametrize("payload", [b"null", b"[{", {}, [1], [{"Title": "x"}]])
def test_what_is_no_practice_file_is_refused(payload):
    with pytest.raises(FeedFormatError) as error:
        parse_practice(payload, ROW)
    assert error.value.file == "cacher/2026/1/7001/lap-averages.json"
    assert error.value.field != ""


@pytest.mark.parametrize(
    ("value", "reason"), [(None, "is missing"), ("fast", "is missing"), (30_250, "units are wrong")]
)
def test_best_laps_that_are_lost_or_in_other_units_are_refused(value, reason):
    items = [practice_item(number, "A B", 30.0, BestLapTime=value) for number in (11, 12)]
    with pytest.raises(FeedFormatError, match=f"field BestLapTime: .*{reason}"):
        parse_practice([session(*items)], ROW)
    for none in (0, 999):  # nobody was out
        items = [practice_item(number, "A B", none) for number in (11, 12)]
        assert parse_practice([session(*items)], ROW).frame["best_lap_time_s"].null_count() == 2


@pytest.mark.parametrize("value", ["fast", [1], True, float("nan")])
def test_what_is_no_number_costs_itself_and_is_told(value):
    items = [
        practice_item(11, "A B", 30.0, Con5Lap=value),
        practice_item(12, "C D", 31.0, NASCARDriverID=value),
        practice_item(13, "E F", 32.0),
    ]
    parsed = parse_practice([session(*items), {"Title": "Second", "Items": None}, 3], ROW)
    assert parsed.frame["driver_id"].to_list() == ["11", "13"]
    assert parsed.frame["best_5_lap_time_s"].to_list() == [None, 32.5]
    assert len(parsed.notices) == 4
