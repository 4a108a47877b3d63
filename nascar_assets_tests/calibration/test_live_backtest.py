"""Scores of forecasts made while a race is run, and the climatology that they are held against."""

from types import SimpleNamespace

import numpy as np
import pytest

from nascar_assets.calibration.laps_ahead import (
    OrderAhead,
    laps_to_trace,
    places_after,
    scored_ahead,
)
from nascar_assets.calibration.live_backtest import FORECASTERS, LiveBacktest, score_finish
from nascar_assets.calibration.live_climatology import Case, climatology


def test_the_scores_are_those_of_the_arithmetic():
    # Two cars; the first wins in three of four scenarios, and does.
    ensemble = np.array([[1, 2], [1, 2], [1, 2], [2, 1]])
    found = score_finish(ensemble, np.array([1, 2]))
    # CRPS of a coin: p of a miss of 1 less p (1 - p): 0.25 - 0.25 * 0.75, for both cars.
    assert found["crps"] == pytest.approx(0.25 - 0.25 * 0.75)
    assert found["log_score_win"] == pytest.approx(-np.log(3.5 / 5.0))
    assert found["brier_top_5"] == 0.0


def test_a_certain_forecast_that_is_right_misses_nothing():
    order = np.arange(1, 31)
    found = score_finish(np.tile(order, (400, 1)), order)
    assert found["crps"] == 0.0
    assert found["brier_top_10"] == 0.0


def case(race, kind, fraction, positions, places):
    ids = [f"d{k}" for k in range(len(positions))]
    state = SimpleNamespace(driver_ids=ids, position=np.array(positions))
    made = SimpleNamespace(race_id=race, race_key=race, track_type=kind)
    return Case(made, fraction, state, dict(zip(ids, places, strict=True)))


def test_the_climatology_is_of_other_races_of_the_type_at_the_share():
    own = case("own", "short", 0.5, [1, 2], [1, 2])
    others = [
        case("same", "short", 0.5, [1, 30], [7, 25]),
        case("road", "road", 0.5, [1, 30], [99, 99]),
        case("early", "short", 0.1, [1, 30], [88, 88]),
    ]
    made = climatology(own, [own, *others], np.array([1, 30]))
    assert set(made[:, 0]) == {7}
    assert set(made[:, 1]) == {25}
    assert climatology(own, [own], np.array([1])) is None


def test_a_table_counts_each_race_once():
    import polars as pl

    rows = [
        {"race_id": race, "fraction": 0.5, "forecaster": name, "cars": cars, "crps": value,
         "log_score_win": 1.0, "brier_top_5": 0.1, "brier_top_10": 0.1, "coverage_50": 0.5,
         "coverage_80": 0.8, "coverage_95": 0.95}
        for race, cars, value in (("a", 40, 2.0), ("b", 20, 4.0))
        for name in FORECASTERS
    ]  # fmt: skip
    rows = [{**row, "track_type": "short"} for row in rows]
    tables = LiveBacktest(pl.DataFrame(rows)).tables()
    table = tables["by_fraction"]
    assert table["forecaster"].to_list() == list(FORECASTERS)
    assert table["crps"].to_list() == [3.0] * 4
    assert tables["laps_ahead"].is_empty()


def test_the_order_some_laps_ahead_is_scored_by_the_arithmetic():
    # Cars ran 1, 2, 3 and came 2, 1, 3. Of three scenarios two had 2, 1, 3 and one 1, 2, 3.
    own = case("own", "short", 0.5, [1, 2, 3], [2, 1, 3])
    other = case("other", "short", 0.5, [1, 2, 3], [3, 3, 3])
    made = OrderAhead.of(["d0", "d1", "d2"], np.array([[2, 1, 3], [2, 1, 3], [1, 2, 3]]))
    rows = scored_ahead(own, [own, other], made, ("live", "climatology", "running order"))
    assert [row["forecaster"] for row in rows] == ["live", "climatology", "running order"]
    assert [row["mae"] for row in rows] == pytest.approx([0.0, (1 + 2 + 0) / 3, (1 + 1 + 0) / 3])
    assert [row["leader"] for row in rows] == [1.0, 0.0, 0.0]
    assert len(scored_ahead(own, [own], made, ("live", "climatology", "running order"))) == 2


def test_laps_ahead_end_with_the_schedule_and_count_cars_that_ran():
    state = SimpleNamespace(
        lap=90, scheduled_laps=100, driver_ids=["a", "b", "c"], moving=np.array([True, False, True])
    )
    assert laps_to_trace(state) == {2: 92, 10: 100}
    later = SimpleNamespace(driver_ids=["c", "b", "a"], position=np.array([1, 2, 3]))
    assert places_after(state, later) == {"a": 3, "c": 1}
