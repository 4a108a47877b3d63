"""Dominators borrowed from past races: who led and who was fastest, by finishing place.

A rank model says who finishes where and nothing of laps. Each scenario therefore borrows a whole
past race of the track type: the car that finishes third gets the shares of laps led, fastest laps
and laps completed, and the status, of that race's third. Sums over the field are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.calibration.forecasts import (
    KnownHistory,
    RaceForecast,
    RaceToForecast,
    assemble,
)
from nascar_assets.calibration.metrics_input import Floats
from nascar_assets.feed.status import status_codes

ENOUGH_RACES = 4
"""Past races of the type from which only those are borrowed."""


@dataclass(frozen=True, slots=True)
class BorrowedRaces:
    """Races as tables of shares by finishing place.

    Attributes:
        led: Share of the race's laps led by each place [R, P].
        fastest: Fastest laps by each place as a share of the race's laps [R, P].
        completed: Share of the race's laps completed by each place [R, P].
        status: Status code of each place [R, P].
        size: Cars in each race [R].
    """

    led: Floats
    fastest: Floats
    completed: Floats
    status: npt.NDArray[np.int8]
    size: npt.NDArray[np.int64]


def forecast_of_order(
    history: KnownHistory,
    race: RaceToForecast,
    finish: npt.NDArray[np.integer],
    rng: np.random.Generator,
    status: npt.NDArray[np.integer] | None = None,
) -> RaceForecast:
    """The forecast of finishing places [m, N]: laps, and status where not given, are borrowed."""
    past = races_to_borrow(history.results, race.track_type)
    laps = borrow(past, finish, race.scheduled_laps, rng, status)
    return assemble(
        race,
        finish=finish,
        laps_led=laps["laps_led"],
        fastest_laps=laps["fastest_laps"],
        laps_completed=laps["laps_completed"],
        status=laps["status"],
    )


def races_to_borrow(results: pl.DataFrame, track_type: str) -> BorrowedRaces:
    """Past races to borrow from: those of the track type, or all where there are too few.

    Args:
        results: RESULTS rows that were known.
        track_type: The type of the race to come.
    """
    rows = complete_rows(results)
    alike = rows.filter(pl.col("track_type") == track_type)
    if alike["race_id"].n_unique() >= ENOUGH_RACES:
        rows = alike
    races = rows.sort("start_time", "race_id", "finish").partition_by(
        "race_id", maintain_order=True
    )
    races = [race for race in races if int(race["laps_led"].sum() or 0) > 0]
    width = max((race.height for race in races), default=1)
    led, fastest, completed = (np.zeros((len(races), width)) for _ in range(3))
    status = np.zeros((len(races), width), np.int8)
    size = np.array([race.height for race in races], np.int64)
    for row, race in enumerate(races):
        n = race.height
        laps = max(float(race["laps_led"].sum()), 1.0)
        led[row, :n] = race["laps_led"].to_numpy() / laps
        fastest[row, :n] = race["fastest_laps"].to_numpy() / laps
        completed[row, :n] = np.minimum(race["laps_completed"].to_numpy() / laps, 1.0)
        status[row, :n] = status_codes(race["status"])
    return BorrowedRaces(led, fastest, completed, status, size)


def complete_rows(results: pl.DataFrame) -> pl.DataFrame:
    """Rows of points races with everything that a forecast file holds."""
    return results.filter(
        pl.col("race_type") == "points",
        pl.all_horizontal(
            pl.col("finish", "laps_led", "fastest_laps", "laps_completed", "status").is_not_null()
        ),
    )


def borrow(
    past: BorrowedRaces,
    finish: npt.NDArray[np.integer],
    laps: int,
    rng: np.random.Generator,
    status: npt.NDArray[np.integer] | None = None,
) -> dict[str, npt.NDArray[np.integer]]:
    """Laps and status of every car from borrowed races.

    Args:
        past: Races to borrow from; with none, the winner leads every lap.
        finish: Places [m, N], each row a permutation.
        laps: The race's laps.
        rng: Which race each scenario borrows.
        status: Status codes [m, N], where the forecaster has its own.

    Returns:
        `laps_led`, `fastest_laps`, `laps_completed` and `status`, each [m, N].
    """
    m, n = finish.shape
    if past.size.size == 0:
        won = (finish == 1).astype(np.int64) * laps
        return {
            "laps_led": won,
            "fastest_laps": np.zeros_like(won),
            "laps_completed": np.full((m, n), laps),
            "status": np.zeros((m, n), np.int8) if status is None else status,
        }
    chosen = rng.integers(past.size.size, size=m)
    # Places are matched from the front; the tail of a smaller field goes without laps led.
    place = np.minimum(finish - 1, past.led.shape[1] - 1)
    size = past.size[chosen].reshape(m, 1)
    scaled = np.clip(np.rint((finish - 0.5) / n * size - 0.5).astype(np.int64), 0, size - 1)
    rows = chosen.reshape(m, 1)
    led = whole_laps(past.led[rows, place], laps)
    fastest = np.rint(past.fastest[rows, place] * laps).astype(np.int64)
    completed = np.rint(past.completed[rows, scaled] * laps).astype(np.int64)
    return {
        "laps_led": led,
        "fastest_laps": fastest,
        "laps_completed": np.maximum(completed, led),
        "status": past.status[rows, scaled] if status is None else status,
    }


def whole_laps(shares: Floats, laps: int) -> npt.NDArray[np.int64]:
    """Whole laps that sum to the race's laps: largest remainders (Hamilton's method).

    Args:
        shares: Shares [m, N]; rows are scaled to one.
        laps: Laps to give out.
    """
    total = shares.sum(axis=1, keepdims=True)
    exact = shares / np.where(total > 0, total, 1.0) * laps
    whole = np.floor(exact).astype(np.int64)
    short = (laps - whole.sum(axis=1)).clip(0)
    order = np.argsort(-(exact - whole), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(shares.shape[1])[None, :], axis=1)
    return whole + ((rank < short[:, None]) & (total > 0))
