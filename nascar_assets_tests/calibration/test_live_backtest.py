"""Scores of forecasts made while a race is run, and the climatology that they are held against."""

from types import SimpleNamespace

import numpy as np
import pytest

from nascar_assets.calibration.live_backtest import (
    FORECASTERS,
    LiveBacktest,
    _Case,
    climatology,
    score_finish,
)


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


def case(race, kind, fraction, positions, finishes):
    ids = [f"d{k}" for k in range(len(positions))]
    state = SimpleNamespace(driver_ids=ids, position=np.array(positions))
    made = SimpleNamespace(race_id=race, track_type=kind)
    return _Case(made, fraction, state, dict(zip(ids, finishes, strict=True)))


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
    table = LiveBacktest(pl.DataFrame(rows)).table("fraction")
    assert table["forecaster"].to_list() == list(FORECASTERS)
    assert table["crps"].to_list() == [3.0] * 4
