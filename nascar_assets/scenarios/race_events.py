"""What can happen in a simulated race: wrecks, retirements, pit stops, lost laps (compiled code).

The running order is the order of `y[i] + offset[i]`: y is the latent order of a car, and the
offset puts a car that has stopped once more behind those that have not, a lapped car behind all
cars of the lead lap, and a retired car behind everything.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from nascar_assets.feed.status import STATUS_CODES, STATUSES
from nascar_assets.scenarios.random_numbers import normal, uniform

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]

STOP = np.float32(64.0)
"""What one green-flag stop costs in the running order until the others have stopped too."""
LAP_DOWN = np.float32(1024.0)
"""What one lost lap costs in the running order."""
OUT = np.float32(-1.0e9)
"""Offset of a retired car."""
NEVER = np.int64(1 << 40)
"""A lap that no race reaches."""

RUNNING, ACCIDENT, MECHANICAL = (STATUS_CODES[status] for status in STATUSES)


class Car(NamedTuple):
    """The state of every car in one scenario; arrays over cars, reused by every scenario."""

    y: Singles  # latent running order
    pull: Singles  # level towards which y is pulled, damage included
    offset: Singles  # stops, lost laps, retirement
    level: Floats  # race-day level
    status: Counts
    out_lap: Counts  # lap on which the car retired, 0 for none
    lost: Counts  # laps lost to the leader
    stops: Counts  # green-flag stops since the last caution
    tank: Counts  # lap of the last stop
    due: Counts  # lap of the next green-flag stop
    dry: Counts  # lap on which a car that stretches its fuel runs dry
    breaks: Counts  # lap of a mechanical failure
    trouble: Counts  # lap of a trouble that does not end the race
    order: Counts  # scratch: cars in running order


class Rates(NamedTuple):
    """The race process of one race, in laps; every field a float so that one kernel serves all."""

    keep: float  # exp(-1 / tau): what remains of a deviation after a lap
    clean_air: float  # (1 - keep) * delta: lifts the leader before a lap's step, which keeps `keep`
    start_scale: float  # a0
    start_correlation: float  # of a drawn start with the level
    start_day: float  # of what else decides a drawn start with the race-day level
    wreck: float  # wrecks per green lap at a race-day factor of 1
    debris: float
    late: float  # extra hazard at the end, as a share, rising as a cube over the last fifth
    restart_factor: float  # hazard factor in the laps after a restart
    restart_laps: float
    overtime_factor: float  # hazard factor in overtime
    wreck_more: float  # p_m: chance that a wreck takes another car
    wreck_out: float  # q: chance that a car in a wreck retires
    damage: float  # loss of level of a damaged car
    trouble: float  # chance of a trouble of one's own in the scheduled race
    repair: float  # chance that a damaged car loses laps to repairs
    repair_laps: float  # mean laps lost to repairs
    jump: float  # sigma_J: spread of the restart shuffle
    mechanical_caution: float  # chance that a mechanical failure brings out a caution
    lapping: float  # laps lost per green lap and unit of y behind the leader
    wave_around: float  # chance that a lapped car gets a lap back at a caution
    caution_laps: float  # mean length of a caution
    stage_laps: float  # mean length of a stage-end caution
    fuel_laps: float  # laps on a full tank
    stretch_laps: float  # laps that saving fuel may add
    trapped: float  # cost of having stopped just before a caution
    stay_out: float  # gain of staying out under caution
    fast_weight: float  # k_F
    fast_spread: float  # race-day spread of the fastest lap's log weight
    fast_leader: float  # extra weight of the leader for the fastest lap, in its own weights
    fast_awarded: float  # share of green laps that award a fastest lap


@njit(cache=True, forceinline=True)
def leader_of(car: Car, n: int) -> int:
    """The car in front: the greatest y + offset, the lowest index on a tie."""
    best = 0
    value = car.y[0] + car.offset[0]
    for i in range(1, n):
        other = car.y[i] + car.offset[i]
        if other > value:
            value = other
            best = i
    return best


@njit(cache=True, forceinline=True)
def lead_lap_cars(car: Car, n: int) -> int:
    """How many running cars have lost no lap."""
    count = 0
    for i in range(n):
        if car.status[i] == RUNNING and car.lost[i] == 0:
            count += 1
    return count


@njit(cache=True, forceinline=True)
def place_offset(car: Car, i: int) -> None:
    """Recompute the offset of a car from its status, stops and lost laps."""
    if car.status[i] != RUNNING:
        car.offset[i] = OUT
    else:
        car.offset[i] = -STOP * np.float32(car.stops[i]) - LAP_DOWN * np.float32(car.lost[i])


@njit(cache=True, forceinline=True)
def lose_laps(car: Car, i: int, laps: int, lap: int, n: int) -> None:
    """Take laps from a running car, never from the last car of the lead lap."""
    if laps <= 0 or (car.lost[i] == 0 and lead_lap_cars(car, n) <= 1):
        return
    car.lost[i] = min(car.lost[i] + laps, max(lap - 1, 0))
    place_offset(car, i)


@njit(cache=True, forceinline=True)
def retire(car: Car, i: int, lap: int, status: int, n: int) -> bool:
    """Retire a running car on a lap that it does not complete; the last lead-lap car stays."""
    if car.status[i] != RUNNING:
        return False
    if car.lost[i] == 0 and lead_lap_cars(car, n) <= 1:
        return False
    car.status[i] = status
    car.out_lap[i] = lap
    car.due[i] = NEVER
    car.dry[i] = NEVER
    place_offset(car, i)
    return True


@njit(cache=True)
def running_order(car: Car, n: int) -> int:
    """Sort the running cars into `car.order`, the leader first; returns how many there are."""
    count = 0
    for i in range(n):
        if car.status[i] != RUNNING:
            continue
        value = car.y[i] + car.offset[i]
        place = count
        while place > 0:
            other = car.order[place - 1]
            if car.y[other] + car.offset[other] >= value:
                break
            car.order[place] = other
            place -= 1
        car.order[place] = i
        count += 1
    return count


@njit(cache=True, forceinline=True)
def geometric_laps(stream: npt.NDArray[np.uint64], mean: float) -> int:
    """One plus a geometric number, with the given mean (at least 1), at most 400."""
    more = 1.0 - 1.0 / max(mean, 1.0)
    laps = 1
    while laps < 400 and uniform(stream) < more:
        laps += 1
    return laps


@njit(cache=True)
def hurt(stream: npt.NDArray[np.uint64], car: Car, rates: Rates, i: int, lap: int, n: int) -> None:
    """Damage that does not end a car's race: it is slower, and may lose laps to repairs."""
    car.pull[i] -= np.float32(rates.damage)
    car.y[i] -= np.float32(rates.damage)
    if uniform(stream) < rates.repair:
        lose_laps(car, i, geometric_laps(stream, rates.repair_laps), lap, n)


@njit(cache=True)
def wreck(
    stream: npt.NDArray[np.uint64], car: Car, rates: Rates, weights: Floats, lap: int, n: int
) -> int:
    """One wreck: a centre by weight, a geometric cluster of neighbours; returns cars retired."""
    count = running_order(car, n)
    total = 0.0
    for place in range(count):
        total += weights[car.order[place]]
    target = uniform(stream) * total
    centre = count - 1
    for place in range(count):
        target -= weights[car.order[place]]
        if target < 0.0:
            centre = place
            break
    ahead = centre
    behind = centre
    place = centre
    retired = 0
    while True:
        i = car.order[place]
        if uniform(stream) < rates.wreck_out:
            if retire(car, i, lap, ACCIDENT, n):
                retired += 1
        else:
            hurt(stream, car, rates, i, lap, n)
        if (ahead == 0 and behind == count - 1) or uniform(stream) >= rates.wreck_more:
            return retired
        # The next car is the nearest one ahead or behind, by its own weight.
        if ahead == 0:
            behind += 1
            place = behind
        elif behind == count - 1:
            ahead -= 1
            place = ahead
        else:
            front = weights[car.order[ahead - 1]]
            back = weights[car.order[behind + 1]]
            if uniform(stream) * (front + back) < front:
                ahead -= 1
                place = ahead
            else:
                behind += 1
                place = behind


@njit(cache=True)
def count_lost_laps(
    stream: npt.NDArray[np.uint64],
    car: Car,
    rates: Rates,
    run: int,
    lap: int,
    leader: int,
    n: int,
) -> None:
    """At the end of a green run: cars far behind the leader have lost laps, he never."""
    top = car.y[leader]
    for i in range(n):
        if car.status[i] == RUNNING and i != leader and car.y[i] < top:
            behind = rates.lapping * run * np.float64(top - car.y[i])
            lose_laps(car, i, np.int64(behind + 0.5 * uniform(stream)), lap, n)


@njit(cache=True, forceinline=True)
def plan_stop(
    stream: npt.NDArray[np.uint64], rates: Rates, strategy: int, lap: int, earliest: Floats
) -> int:
    """Lap of the next green-flag stop of a car that has just filled its tank."""
    low = earliest[strategy]
    return lap + max(2, int(rates.fuel_laps * (low + (1.0 - low) * uniform(stream))))


@njit(cache=True)
def caution_stops(
    stream: npt.NDArray[np.uint64],
    car: Car,
    rates: Rates,
    strategy: int,
    earliest: Floats,
    stay: Floats,
    lap: int,
    n: int,
) -> None:
    """Pit road opens under caution: who stops, who stays out, who was trapped, who is waved by."""
    fewest = NEVER
    for i in range(n):
        if car.status[i] == RUNNING:
            fewest = min(fewest, car.stops[i])
    for i in range(n):
        if car.status[i] != RUNNING:
            continue
        if car.stops[i] > fewest:
            car.y[i] -= np.float32(rates.trapped)
        car.stops[i] = 0
        if car.lost[i] > 0 and uniform(stream) < rates.wave_around:
            car.lost[i] -= 1
        place_offset(car, i)
        if uniform(stream) < stay[strategy]:
            car.y[i] += np.float32(rates.stay_out)
        else:
            car.tank[i] = lap
            car.due[i] = plan_stop(stream, rates, strategy, lap, earliest)
            car.dry[i] = NEVER


@njit(cache=True)
def green_stops(
    stream: npt.NDArray[np.uint64],
    car: Car,
    rates: Rates,
    strategy: int,
    earliest: Floats,
    gamble: Floats,
    lap: int,
    last_lap: int,
    n: int,
) -> int:
    """Stops due on this green lap; returns how many cars stretch their fuel to the end."""
    gambles = 0
    for i in range(n):
        if car.status[i] != RUNNING or car.due[i] > lap:
            continue
        short = last_lap - car.tank[i] - rates.fuel_laps
        if short <= 0.0:
            car.due[i] = NEVER  # the tank lasts to the end
        elif short <= rates.stretch_laps and uniform(stream) < gamble[strategy]:
            gambles += 1
            car.due[i] = NEVER
            # The further the stretch, the more likely the tank runs dry in the last laps.
            if uniform(stream) < short / (rates.stretch_laps + 1.0):
                car.dry[i] = last_lap - np.int64(3.0 * uniform(stream))
        else:
            car.stops[i] += 1
            car.tank[i] = lap
            car.due[i] = plan_stop(stream, rates, strategy, lap, earliest)
            car.y[i] += np.float32(0.5 * rates.jump * _triangle(stream))
            place_offset(car, i)
    return gambles


@njit(cache=True, forceinline=True)
def _triangle(stream: npt.NDArray[np.uint64]) -> float:
    """Symmetric with variance 1: the spread of a green-flag stop."""
    return (uniform(stream) - uniform(stream)) * 2.449489742783178


@njit(cache=True)
def run_dry(car: Car, lap: int, n: int) -> None:
    """Cars whose stretched fuel ends on this lap fall back and lose a lap."""
    for i in range(n):
        if car.status[i] == RUNNING and car.dry[i] == lap:
            car.y[i] -= np.float32(2.0)
            lose_laps(car, i, 1, lap, n)


@njit(cache=True)
def restart_shuffle(
    stream: npt.NDArray[np.uint64], car: Car, rates: Rates, quantiles: Floats, n: int
) -> None:
    """The scramble of a restart: y += sigma_J * eta for every car."""
    for i in range(n):
        car.y[i] += np.float32(rates.jump * normal(stream, quantiles))
