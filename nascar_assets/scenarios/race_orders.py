"""Orders in compiled code: the grid before a race, the classification after it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from nascar_assets.scenarios import race_events as events
from nascar_assets.scenarios.random_numbers import normal

RUNNING = events.RUNNING
Car = events.Car
Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

_RANK_LIMIT = 2047
"""Greatest retirement lap or number of stops that the finishing order can tell apart."""


@njit(cache=True, forceinline=True)
def draw_grid(
    stream: npt.NDArray[np.uint64],
    start: npt.NDArray[np.int64],
    rating_score: Floats,
    correlation: float,
    quantiles: Floats,
    scores: Floats,
    taken: npt.NDArray[np.int64],
    out: npt.NDArray[np.int8],
    n: int,
) -> None:
    """Fill the open starting positions by a drawn qualifying score, the best car first."""
    taken[:n] = 0
    open_places = 0
    spread = np.sqrt(max(0.0, 1.0 - correlation * correlation))
    for i in range(n):
        out[i] = start[i]
        if start[i] > 0:
            taken[start[i] - 1] = 1
        else:
            open_places += 1
    if open_places == 0:
        return
    for i in range(n):
        if start[i] == 0:
            scores[i] = correlation * rating_score[i] + spread * normal(stream, quantiles)
    for place in range(n):
        if taken[place] == 1:
            continue
        best = -1
        for i in range(n):
            if out[i] == 0 and (best < 0 or scores[i] > scores[best]):
                best = i
        out[best] = place + 1


@njit(cache=True, forceinline=True)
def ordered_bits(bits: np.int32) -> np.int32:
    """The bits of a float as an integer of the same order."""
    return bits ^ ((bits >> np.int32(31)) & np.int32(2147483647))


@njit(cache=True)
def mid_positions(car: Car, out: npt.NDArray[np.int8], n: int) -> None:
    """Running positions after half of the scheduled laps; 0 for a retired car."""
    count = events.running_order(car, n)
    for i in range(n):
        out[i] = 0
    for place in range(count):
        out[car.order[place]] = place + 1


@njit(cache=True)
def classify(
    car: Car,
    race_laps: int,
    leader: int,
    laps_led: npt.NDArray[np.int16],
    fastest_laps: npt.NDArray[np.int16],
    laps_completed: npt.NDArray[np.int16],
    finish: npt.NDArray[np.int8],
    scores: Singles,
    keys: npt.NDArray[np.int32],
    ranks: npt.NDArray[np.int64],
    n: int,
) -> None:
    """Laps completed and the finishing order: by laps, then who got there first, then order.

    Everything that decides is packed into one integer per car, most significant first: laps
    completed; whether the car retired (it completed as many laps earlier than one that still
    runs); its retirement lap or its stops, the fewer the better; the latent order.
    """
    for i in range(n):
        out = car.status[i] != RUNNING
        laps = (car.out_lap[i] - 1 if out else race_laps) - car.lost[i]
        # Lost laps are charged when they are decided; a lap led or run fastest was completed.
        laps_completed[i] = max(laps, laps_led[i], fastest_laps[i], 0)
        scores[i] = car.y[i]
        second = _RANK_LIMIT - min(car.out_lap[i] if out else car.stops[i], _RANK_LIMIT)
        rank = np.int64(laps_completed[i]) * 2 + (1 if out else 0)
        ranks[i] = (rank * (_RANK_LIMIT + 1) + second) * (1 << 32) + ordered_bits(keys[i])
    ranks[leader] = np.int64(1) << np.int64(62)
    for i in range(n):
        rank = ranks[i]
        place = i
        while place > 0 and ranks[car.order[place - 1]] < rank:
            car.order[place] = car.order[place - 1]
            place -= 1
        car.order[place] = i
    for place in range(n):
        finish[car.order[place]] = place + 1
