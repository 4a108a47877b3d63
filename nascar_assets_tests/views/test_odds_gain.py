"""What boards of odds add to past forecasts: read by their times, gained out of sample."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from nascar_assets.errors import InputError
from nascar_assets.views.odds_gain import (
    BOARDS,
    CONFIDENCES,
    FEWEST_EARLIER,
    GainRow,
    RaceGain,
    gain_result,
    odds_gain,
    race_gain,
    read_boards,
)

START = datetime(2025, 5, 4, 19, tzinfo=UTC)
CARS = [str(number) for number in range(1, 21)]
RACE = {"race_id": "1", "race_key": "2025-cup-10", "track_type": "short", "start_time": START}


def board(chances: np.ndarray, hours: float = 5.0, race: str = "1") -> pl.DataFrame:
    at = START - timedelta(hours=hours)
    quotes = zip(CARS, chances, strict=True)
    rows = [(race, car, "win", 1.0 / chance, at) for car, chance in quotes]
    return pl.DataFrame(rows, schema=BOARDS, orient="row")


def places(strength: np.ndarray, races: int, seed: int) -> np.ndarray:
    draws = strength + np.random.default_rng(seed).gumbel(size=(races, strength.size))
    return np.argsort(np.argsort(-draws, axis=1), axis=1) + 1


@pytest.mark.slow
def test_a_market_that_knows_more_gains_out_of_sample_and_one_that_knows_nothing_does_not() -> None:
    """Places are drawn from strengths that the forecast does not know and the market does."""
    rng = np.random.default_rng(3)
    gains: dict[str, list[RaceGain]] = {"knows": [], "knows nothing": []}
    for number in range(40):
        strength = 0.9 * rng.normal(size=20)
        forecast = places(np.zeros(20), 1_500, number)
        outcome = dict(zip(CARS, places(strength, 1, 1_000 + number)[0].tolist(), strict=True))
        race = {**RACE, "race_key": f"r{number}", "start_time": START + timedelta(days=7 * number)}
        for name, stated in (("knows", strength), ("knows nothing", 0.9 * rng.normal(size=20))):
            chance = np.exp(stated) / np.exp(stated).sum()
            made = race_gain(race, CARS, forecast, outcome, board(chance), race["start_time"])
            assert made is not None
            gains[name].append(made)
    few = odds_gain(gains["knows"][:FEWEST_EARLIER])
    assert (few.walk_forward, few.groups, few.default_weight) == (None, (), 0.0)
    knows, not_knows = odds_gain(gains["knows"]), odds_gain(gains["knows nothing"])
    assert knows.walk_forward is not None
    assert not_knows.walk_forward is not None
    assert knows.walk_forward.helps
    assert knows.default_weight > 0.0
    assert knows.chosen[:FEWEST_EARLIER] == (0.0,) * FEWEST_EARLIER
    assert knows.walk_forward.races == 40 - FEWEST_EARLIER
    assert not not_knows.walk_forward.helps
    assert not_knows.default_weight == 0.0
    assert gain_result(not_knows)["default_weight"] == 0.0


def test_the_newest_quote_by_the_as_of_time_counts_and_later_ones_do_not() -> None:
    forecast = places(np.linspace(1, -1, 20), 800, 1)
    outcome = dict(zip(CARS, range(1, 21), strict=True))
    flat, sharp = np.full(20, 0.05), np.linspace(0.2, 0.01, 20)
    early, late = board(flat, 30), board(sharp, 2)
    by_early = race_gain(RACE, CARS, forecast, outcome, early, START)
    as_of = START - timedelta(hours=3)
    both = race_gain(RACE, CARS, forecast, outcome, pl.concat([early, late]), as_of)
    assert by_early is not None
    assert both is not None
    assert both.rps.tolist() == by_early.rps.tolist()
    assert both.hours == 30
    newest = race_gain(RACE, CARS, forecast, outcome, pl.concat([early, late]), START)
    assert newest is not None
    assert newest.hours == 2
    assert newest.rps[-1] != both.rps[-1]
    assert newest.rps[0] == both.rps[0]


def test_a_board_of_few_quotes_is_not_used() -> None:
    forecast = places(np.zeros(20), 200, 1)
    outcome = dict(zip(CARS, range(1, 21), strict=True))
    few = board(np.full(20, 0.05)).head(9)
    assert race_gain(RACE, CARS, forecast, outcome, few, START) is None
    with pytest.raises(InputError, match="No race of the window"):
        odds_gain([])


def test_the_interval_by_hand() -> None:
    # Mean 2%, standard deviation 1% over three races: 1% / sqrt(3) = 0.577%.
    row = GainRow.of("x", [0.01, 0.02, 0.03])
    assert row.standard_error == pytest.approx(0.01 / np.sqrt(3))
    assert row.interval == pytest.approx((0.02 - 1.96 * 0.0057735, 0.02 + 1.96 * 0.0057735))
    assert row.helps
    assert not GainRow.of("x", [0.5]).helps


def test_boards_are_read_with_their_times_and_markets() -> None:
    files = {
        "a.csv": b"race_id,driver_id,american_odds,published\n1,4,450,2025-05-03\n1,5,300,\n",
        "b.csv": b"race_id,driver_id,market,odds,quoted_at\n2,4,top 5,+100,2025-05-03T10:00:00Z\n",
    }
    found, notices = read_boards(files)
    assert found.select("race_id", "driver_id", "market", "odds").rows() == [
        ("1", "4", "win", 5.5),
        ("2", "4", "top5", 2.0),
    ]
    # A bare day is known at its end, US Eastern: 23:59:59 is 03:59:59 UTC of the next.
    assert found["quoted_at"][0] == datetime(2025, 5, 4, 3, 59, 59, tzinfo=UTC)
    assert notices == ("a.csv: 1 of 2 quotes have no race, driver or time and are left out.",)
    with pytest.raises(InputError, match="No quote has a race"):
        read_boards({"c.csv": b"driver_id,odds\n4,+100\n"})
    assert CONFIDENCES[0] == 0.0
