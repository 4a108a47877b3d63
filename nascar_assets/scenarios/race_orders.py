"""Orders in compiled code: the grid before a race, those of its laps, the classification after."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from nascar_assets.scenarios import race_events as events
from nascar_assets.scenarios.kernel_arrays import Outcome, Scratch
from nascar_assets.scenarios.random_numbers import normal

RUNNING = events.RUNNING
Car = events.Car
Floats = npt.NDArray[np.float64]

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
    luck: Floats,
    taken: npt.NDArray[np.int64],
    out: npt.NDArray[np.int8],
    n: int,
) -> None:
    """Fill the open starting positions by a drawn qualifying score, the best car first.

    The score has the given correlation with the rating and variance 1, like the rating's own. What
    is not of the rating is left in `luck`, standard normal, for the cars whose start was open.
    """
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
            luck[i] = normal(stream, quantiles)
            scores[i] = correlation * rating_score[i] + spread * luck[i]
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
    """The bits of a float as an integer of the same order.

    IEEE 754 stores sign and magnitude: among positive floats the bits rise with the value already,
    among negative ones they fall, so that those are mirrored.
    """
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
def positions_after(car: Car, out: npt.NDArray[np.int8], lap: int, n: int) -> None:
    """Positions of all cars after a lap, by laps completed, then running or not, then in order."""
    for i in range(n):
        out[i] = 1
    for i in range(n):
        runs = car.status[i] == RUNNING
        laps = (lap if runs else car.out_lap[i] - 1) - car.lost[i]
        for j in range(i + 1, n):
            other_runs = car.status[j] == RUNNING
            ahead = laps - ((lap if other_runs else car.out_lap[j] - 1) - car.lost[j])
            if ahead == 0:
                ahead = int(runs) - int(other_runs)
            if ahead > 0 or (ahead == 0 and car.y[i] + car.offset[i] >= car.y[j] + car.offset[j]):
                out[j] += 1
            else:
                out[i] += 1


@njit(cache=True)
def classify(
    car: Car, scratch: Scratch, out: Outcome, r: int, race_laps: int, leader: int, n: int
) -> None:
    """Laps completed and the finishing order into row r of `out`.

    The order is by laps, then who got there first, then the running order. Everything that decides
    is packed into one integer per car, most significant first: laps completed; whether the car
    retired (it completed as many laps earlier than one that still runs); its retirement lap or its
    stops, the fewer the better; the latent order. Comparing these integers is comparing the
    tuples, because each part has a range of its own that nothing below it can overflow.
    """
    ranks = scratch.ranks
    for i in range(n):
        retired = car.status[i] != RUNNING
        laps = (car.out_lap[i] - 1 if retired else race_laps) - car.lost[i]
        # Lost laps are charged when they are decided; a lap led or run fastest was completed.
        # So was what a state of the race had already, which stands where the result will.
        laps = max(laps, out.laps_led[r, i], out.fastest_laps[r, i], out.laps_completed[r, i])
        out.laps_completed[r, i] = laps
        scratch.scores[i] = car.y[i]
        second = _RANK_LIMIT - min(car.out_lap[i] if retired else car.stops[i], _RANK_LIMIT)
        rank = np.int64(laps) * 2 + (1 if retired else 0)
        order = ordered_bits(scratch.keys[i])
        ranks[i] = (rank * (_RANK_LIMIT + 1) + second) * (1 << 32) + order
    # Who leads the last lap wins: rounding of lost laps must not take it from him.
    ranks[leader] = np.int64(1) << np.int64(62)
    for i in range(n):  # insertion sort: N is small and cars are nearly in order; ties keep it
        rank = ranks[i]
        place = i
        while place > 0 and ranks[car.order[place - 1]] < rank:
            car.order[place] = car.order[place - 1]
            place -= 1
        car.order[place] = i
    for place in range(n):
        out.finish[r, car.order[place]] = place + 1
