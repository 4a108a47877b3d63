"""Loop statistics to a table."""

from __future__ import annotations

import polars as pl
import pytest

from nascar_assets.feed.parse_loop_stats import LOOP_STATS, parse_loop_stats
from nascar_assets.feed.payload import FeedFormatError
from nascar_assets_tests.feed.feed_files import loop_row, loop_stats, ran, schedule_row

ROW = schedule_row(ran())


def test_columns_are_the_feeds_under_plain_names():
    parsed = parse_loop_stats(loop_stats([loop_row(12, 2), loop_row(11, 1, lead_laps=7)]), ROW)
    assert parsed.frame.schema == pl.Schema(LOOP_STATS)
    first = parsed.frame.row(0, named=True)
    assert first == {
        "driver_id": "11",
        "finish_on_track": 1,
        "mid_position": 1,
        "closing_position": 1,
        "best_position": 1,
        "worst_position": 4,
        "average_position": 1.0,
        "passes": 10,
        "passed": 8,
        "quality_passes": 5,
        "fastest_laps": 20,
        "top15_laps": 100,
        "loop_laps_led": 7,
        "loop_laps": 100,
        "driver_rating": 90.5,
    }


def test_columns_that_a_season_lacks_are_null():
    row = loop_row(11, 1)
    del row["closing_ps"]
    assert parse_loop_stats(loop_stats([row]), ROW).frame["closing_position"].to_list() == [None]


def test_of_two_rows_the_one_with_more_laps_is_kept():
    rows = [loop_row(11, 1, laps=5), loop_row(11, 9, laps=90), loop_row(11, 8, laps=90)]
    parsed = parse_loop_stats(loop_stats(rows), ROW)
    assert parsed.frame["finish_on_track"].to_list() == [8]
    assert len(parsed.notices) == 2


def test_a_row_without_a_driver_is_left_out():
    parsed = parse_loop_stats(loop_stats([loop_row(-1, 1), loop_row(11, 2)]), ROW)
    assert parsed.frame["driver_id"].to_list() == ["11"]
    assert len(parsed.notices) == 1


@pytest.mark.parametrize("rows", [[], [{}], [loop_row(0, 1), loop_row(0, 2)]])
def test_without_any_driver_there_are_no_statistics(rows):
    parsed = parse_loop_stats(loop_stats(rows), ROW)
    assert parsed.frame.is_empty()
    assert len(parsed.notices) == len(rows)


@pytest.mark.parametrize(
    "payload",
    [
        b"null",
        b"[{",
        {},
        [],
        loop_stats([loop_row(11, 1)], race_id=1),
        loop_stats([{"driver_id": 11}]),
        [{"race_id": 7001}],
    ],
)
def test_what_is_no_loop_statistics_is_refused(payload):
    with pytest.raises(FeedFormatError) as error:
        parse_loop_stats(payload, ROW)
    assert error.value.file == "loopstats/prod/2026/1/7001.json"
    assert error.value.field != ""


SENTINELS = [None, "", "NA", -1, 999, "999"]
NONSENSE = ["many", -7, 1e9, [3], True, float("nan")]


@pytest.mark.parametrize("value", [*SENTINELS, *NONSENSE])
@pytest.mark.parametrize("key", sorted(loop_row(11, 1).keys() - {"driver_id"}))
def test_a_number_that_cannot_be_costs_itself_alone(key, value):
    plain = parse_loop_stats(loop_stats([loop_row(11, 1), loop_row(12, 2)]), ROW).frame
    parsed = parse_loop_stats(loop_stats([loop_row(11, 1), loop_row(12, 2, **{key: value})]), ROW)
    assert parsed.frame[0].equals(plain[0])
    different = [name for name in plain.columns if parsed.frame[name][1] != plain[name][1]]
    read = key not in ("start_ps", "passing_diff")  # the parser asks for neither
    assert len(different) == read
    assert all(parsed.frame[name][1] is None for name in different)
    notify = read and (value in NONSENSE[:5] or value != value)
    assert bool(parsed.notices) >= notify


def test_null_statistics_of_one_driver_cost_his_statistics():
    blank = dict.fromkeys(loop_row(12, 2)) | {"driver_id": 12}
    parsed = parse_loop_stats(loop_stats([blank, loop_row(11, 1), 7]), ROW)
    assert parsed.frame["driver_id"].to_list() == ["11", "12"]
    assert parsed.frame["fastest_laps"].to_list() == [20, None]
    assert len(parsed.notices) == 2
    assert "driver 12 has no finish_on_track, fastest_laps" in parsed.notices[0]
