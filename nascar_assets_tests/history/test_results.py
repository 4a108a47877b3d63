"""Results of one race: official order and loop statistics, joined and checked."""

from __future__ import annotations

import polars as pl
import pytest

from nascar_assets.feed.payload import FeedFormatError
from nascar_assets.feed.schemas import RESULTS
from nascar_assets.history.results import build_race_results
from nascar_assets_tests.feed.feed_files import (
    four_results,
    loop_row,
    loop_stats,
    ran,
    result,
    schedule_row,
    weekend,
)

ROW = schedule_row(ran())


def four_loop_rows():
    """On track the fourth by the official order was third."""
    led = {11: 60, 12: 40}
    places = {11: 1, 12: 2, 14: 3, 13: 4}
    return [loop_row(i, place, lead_laps=led.get(i, 0)) for i, place in places.items()]


def built(rows=None, loop=None):
    return build_race_results(ROW, weekend(rows or four_results()), loop)


def test_official_order_and_order_on_track_stand_side_by_side():
    parsed = built(loop=loop_stats(four_loop_rows()))
    assert parsed.notices == ()
    assert parsed.frame.schema == pl.Schema(RESULTS)
    assert parsed.frame.select("driver_id", "finish", "finish_on_track").rows() == [
        ("11", 1, 1),
        ("12", 2, 2),
        ("13", 3, 4),
        ("14", 4, 3),
    ]
    assert parsed.frame["fastest_laps"].to_list() == [20] * 4


def test_without_loop_statistics_their_columns_are_null():
    parsed = built()
    assert parsed.notices == ()
    assert parsed.frame.schema == pl.Schema(RESULTS)
    assert parsed.frame["finish"].to_list() == [1, 2, 3, 4]
    for column in ("finish_on_track", "fastest_laps", "driver_rating"):
        assert parsed.frame[column].null_count() == 4


def test_loop_statistics_of_no_driver_withhold_no_official_result():
    parsed = built(loop=loop_stats([{}]))
    assert parsed.frame.equals(built().frame)
    assert "row 1 has no driver" in parsed.notices[0]


def test_exhibitions_are_built_with_their_type():
    row = schedule_row(ran(race_type_id=2))
    parsed = build_race_results(row, weekend(four_results()))
    assert set(parsed.frame["race_type"]) == {"exhibition"}


def test_drivers_in_one_file_only_are_told():
    loop = loop_stats([*four_loop_rows()[:3], loop_row(99, 4)])
    parsed = built(loop=loop)
    assert parsed.frame.height == 4
    assert any("Number13 (13) has no loop statistics" in notice for notice in parsed.notices)
    assert any("driver 99" in notice for notice in parsed.notices)


def test_laps_led_that_add_up_are_preferred():
    rows = four_results()
    rows[1]["laps_led"] = 41
    parsed = built(rows, loop_stats(four_loop_rows()))
    assert parsed.frame["laps_led"].to_list() == [60, 40, 0, 0]
    assert "add up to 101 of 100" in parsed.notices[0]


def test_laps_led_that_add_up_nowhere_are_told():
    rows = four_results()
    rows[1]["laps_led"] = 41
    parsed = built(rows)
    assert parsed.frame["laps_led"].sum() == 101
    assert "add up to 101" in parsed.notices[0]


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("fast_laps", "fastest_laps"),
        ("top15_laps", "top15_laps"),
        ("lead_laps", "loop_laps_led"),
        ("laps", "loop_laps"),
    ],
)
def test_laps_beyond_the_races_are_left_out_with_a_notice(key, column):
    loop = four_loop_rows()
    loop[0][key] = 1000
    parsed = built(loop=loop_stats(loop))
    (notice,) = parsed.notices
    assert f"Number11 has {column} 1000, more than the race's 100 laps" in notice
    assert "loopstats/" in notice
    plain = built(loop=loop_stats(four_loop_rows())).frame
    if column in plain.columns:
        assert parsed.frame[column].to_list() == [None, *plain[column][1:]]
    assert parsed.frame.drop(column, strict=False).equals(plain.drop(column, strict=False))


def test_laps_led_beyond_the_races_are_those_of_the_loop_statistics():
    rows = four_results()
    rows[0]["laps_led"] = 500
    parsed = built(rows, loop_stats(four_loop_rows()))
    assert parsed.frame["laps_led"].to_list() == [60, 40, 0, 0]
    (notice,) = parsed.notices
    assert "Number11 has laps_led 500" in notice
    assert "left out; that of the loop statistics, 60, is taken." in notice


def test_laps_led_beyond_the_races_in_both_files_are_left_out():
    rows, loop = four_results(), four_loop_rows()
    rows[0]["laps_led"] = loop[0]["lead_laps"] = 500
    parsed = built(rows, loop_stats(loop))
    assert parsed.frame["laps_led"].to_list() == [0, 40, 0, 0]
    assert not any("is taken" in notice for notice in parsed.notices)


def test_laps_of_a_race_longer_than_it_is_told_count():
    payload = weekend([{**row, "laps_led": 0} for row in four_results()])
    payload["weekend_race"][0]["actual_laps"] = 90
    loop = [{**row, "lead_laps": 0} for row in four_loop_rows()]
    parsed = build_race_results(ROW, payload, loop_stats(loop))
    assert parsed.frame["top15_laps"].to_list() == [100] * 4


def test_the_winner_of_a_longer_race_stays_where_his_laps_are_those_of_the_loop_statistics():
    rows, loop = four_results(), four_loop_rows()
    rows[0]["laps_completed"] = None
    rows[3]["laps_completed"] = 1000  # a wrong number further down is no length of the race
    loop[1]["top15_laps"] = 150
    payload = weekend(rows)
    payload["weekend_race"][0]["actual_laps"] = 90
    parsed = build_race_results(ROW, payload, loop_stats(loop))
    assert parsed.frame["finish"].to_list() == [1, 2, 3, 4]
    assert parsed.frame["laps_completed"][0] == 100
    assert parsed.frame["top15_laps"].to_list() == [100, None, 100, 100]


def test_more_fastest_laps_than_laps_are_told():
    loop = four_loop_rows()
    loop[0]["fast_laps"] = 41
    (notice,) = built(loop=loop_stats(loop)).notices
    assert "the fastest laps add up to 101, and the race had 100 laps" in notice


def test_official_laps_led_stay_where_both_add_up():
    loop = loop_stats(
        [loop_row(11, 1, lead_laps=50), loop_row(12, 2, lead_laps=50), *four_loop_rows()[2:]]
    )
    assert built(loop=loop).frame["laps_led"].to_list() == [60, 40, 0, 0]


def test_a_gap_in_the_official_order_is_told_and_the_places_stay():
    rows = four_results()
    rows[2] = result(13, 3, laps_completed=0, finishing_status=None)
    parsed = built(rows)
    assert parsed.frame["finish"].to_list() == [1, 2, 4]
    assert any("official places 3" in notice for notice in parsed.notices)


def test_who_did_not_qualify_leaves_no_gap():
    rows = [*four_results(), result(15, 5, laps_completed=0, finishing_status=None)]
    parsed = built(rows)
    assert parsed.frame["finish"].to_list() == [1, 2, 3, 4]
    assert len(parsed.notices) == 1


def test_more_laps_than_the_race_and_a_start_shared_are_told():
    rows = four_results()
    rows[0]["laps_completed"] = 101
    rows[3]["starting_position"] = 1
    notices = built(rows).notices
    assert any("101 laps, more than the race" in notice for notice in notices)
    assert any("same starting position" in notice for notice in notices)


def test_a_broken_file_is_refused_with_its_name():
    with pytest.raises(FeedFormatError, match="loopstats"):
        built(loop=b"null")
    with pytest.raises(FeedFormatError, match="weekend-feed"):
        build_race_results(ROW, b'{"weekend_race"')
