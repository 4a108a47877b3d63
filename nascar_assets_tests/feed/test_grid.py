"""Who starts once the grid is set, and that before it nobody is sent home."""

from __future__ import annotations

import pytest

from nascar_assets.feed.grid import known_grid
from nascar_assets.feed.parse_weekend import parse_entries
from nascar_assets_tests.feed.feed_files import race, result, schedule_row, weekend

RACE = schedule_row(race(number_of_cars_in_field=40))


def cars(starts):
    rows = [result(10 + i, place) for i, place in enumerate(starts)]
    return parse_entries(weekend(rows), RACE).frame


def test_cars_without_a_place_on_a_set_grid_did_not_qualify():
    # A car was taken out: the gap that it leaves does not unset the grid.
    field, left = known_grid(cars([1, 2, 3, 0, 6, 7, 8, 9, 5]))
    assert (field.height, left["driver_id"].to_list()) == (8, ["13"])
    assert field["start"].null_count() == 0


def test_a_place_beyond_a_full_field_is_none():
    field, left = known_grid(cars([*range(1, 41), 41, 42]))
    assert (field.height, left["driver_id"].to_list()) == (40, ["50", "51"])


@pytest.mark.parametrize("placed", [0, 1, 5, 7], ids=["rained out", "pole", "half", "most"])
def test_while_qualifying_goes_on_everyone_may_start_and_no_place_is_known(placed):
    entries = cars([*range(1, placed + 1), *[0] * (10 - placed)])
    field, left = known_grid(entries)
    assert (field.height, left.height, field["start"].null_count()) == (10, 0, 10)


def test_a_driver_in_a_backup_car_has_the_place_of_the_car_that_has_one():
    rows = [result(10 + i, i + 1) for i in range(8)]
    rows += [result(30, 0, car_number="5"), result(30, 9, car_number="05")]
    field, left = known_grid(parse_entries(weekend(rows), RACE).frame)
    assert (field.height, left.height) == (9, 0)
    assert field.filter(driver_id="30")["car_number"].to_list() == ["05"]
