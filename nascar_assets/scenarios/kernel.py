"""The compiled race: one scenario after another, lap by lap, into arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from nascar_assets.scenarios import race_events as events
from nascar_assets.scenarios.random_numbers import (
    exponential_of,
    from_quantiles,
    high_unit,
    low_unit,
    next_word,
    normal,
    open_stream,
    step_normals,
    uniform,
)

NEVER = events.NEVER
RUNNING = events.RUNNING
MECHANICAL = events.MECHANICAL
OUT = events.OUT
Car = events.Car
Rates = events.Rates
Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

LANES = 8
"""Arrays over cars are padded to a multiple of this, which suits vector instructions."""
OVERTIME_ATTEMPTS = 6
"""After so many attempts the race ends under caution; keeps every race finite."""


_RANK_LIMIT = 2047
"""Greatest retirement lap or number of stops that the finishing order can tell apart."""


class Field(NamedTuple):
    """What the kernel knows of the cars and the race; arrays over cars unless said otherwise."""

    level: Floats  # expected race-day level, kappa * mu
    level_sd: Floats  # its spread from race to race
    noise: npt.NDArray[np.float32]  # [padded] innovation of a lap, padding included
    team_share: Floats  # share of the race-day variance that a team's cars have in common
    team: npt.NDArray[np.int64]  # code of the team, from 0
    involvement: Floats  # weight in accidents
    mechanical: Floats  # chance of a mechanical failure over the scheduled race
    start: npt.NDArray[np.int64]  # starting position, 0 where it is drawn
    start_score: Floats  # normal score of starting position p, at [p - 1]
    rating_score: Floats  # standardised mu, the mean of a drawn start
    stage_ends: npt.NDArray[np.int64]  # [stages - 1] ascending laps
    strategies: Floats  # [3] cumulative chances of the pit strategies
    earliest_stop: Floats  # [3] earliest green stop of a strategy, as a share of a tank
    stay_out: Floats  # [3] chance to stay out under caution
    gamble: Floats  # [3] chance to stretch the fuel to the end
    thinning: Floats  # [N + 1] wreck hazard by the number of running cars
    chaos: Floats  # quantiles of the race-day factor G, equally spaced, mean 1


class Outcome(NamedTuple):
    """Where the kernel writes: [n, N] per car, then [n] per scenario."""

    start: npt.NDArray[np.int8]
    finish: npt.NDArray[np.int8]
    laps_led: npt.NDArray[np.int16]
    fastest_laps: npt.NDArray[np.int16]
    laps_completed: npt.NDArray[np.int16]
    status: npt.NDArray[np.int8]
    dnf_lap: npt.NDArray[np.int16]
    mid_position: npt.NDArray[np.int8]
    race_laps: npt.NDArray[np.int16]
    green_laps: npt.NDArray[np.int16]
    cautions: npt.NDArray[np.int8]
    late_cautions: npt.NDArray[np.int8]
    strategy: npt.NDArray[np.int8]
    fuel_gambles: npt.NDArray[np.int8]
    last_leader: npt.NDArray[np.int8]


@njit(cache=True, forceinline=True)
def _draw_grid(
    stream: npt.NDArray[np.uint64],
    field: Field,
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
        out[i] = field.start[i]
        if field.start[i] > 0:
            taken[field.start[i] - 1] = 1
        else:
            open_places += 1
    if open_places == 0:
        return
    for i in range(n):
        if field.start[i] == 0:
            scores[i] = correlation * field.rating_score[i] + spread * normal(stream, quantiles)
    for place in range(n):
        if taken[place] == 1:
            continue
        best = -1
        for i in range(n):
            if out[i] == 0 and (best < 0 or scores[i] > scores[best]):
                best = i
        out[best] = place + 1


@njit(cache=True, forceinline=True)
def _fast_lap_weights(car: Car, weights: Floats, cumulative: Floats, n: int) -> float:
    """Cumulative weights of the running cars for the fastest lap; returns their sum."""
    total = 0.0
    for i in range(n):
        if car.status[i] == RUNNING:
            total += weights[i]
        cumulative[i] = total
    return total


@njit(cache=True, forceinline=True)
def _ordered(bits: np.int32) -> np.int32:
    """The bits of a float as an integer of the same order."""
    return bits ^ ((bits >> np.int32(31)) & np.int32(2147483647))


@njit(cache=True, forceinline=True)
def _green_lap(
    y: Singles,
    pull: Singles,
    offset: Singles,
    noise: Singles,
    etas: Singles,
    scores: Singles,
    keys: npt.NDArray[np.int32],
    keep: np.float32,
    give: np.float32,
) -> int:
    """One Ornstein-Uhlenbeck step of every car; returns the leader.

    `keys` are the bits of `scores`: as integers of the same order, whose maximum the compiler
    finds with vector instructions (a maximum of floats it would take one by one).
    """
    size = y.size
    for i in range(size):
        value = keep * y[i] + (give * pull[i] + noise[i] * etas[i])
        y[i] = value
        scores[i] = value + offset[i]
    top = np.int32(-2147483648)
    for i in range(size):
        top = max(top, _ordered(keys[i]))
    leader = np.int32(size)
    for i in range(size):
        leader = min(leader, np.int32(i) if _ordered(keys[i]) == top else np.int32(size))
    return int(leader)


@njit(cache=True)
def _mid_positions(car: Car, out: npt.NDArray[np.int8], n: int) -> None:
    """Running positions after half of the scheduled laps; 0 for a retired car."""
    count = events.running_order(car, n)
    for i in range(n):
        out[i] = 0
    for place in range(count):
        out[car.order[place]] = place + 1


@njit(cache=True)
def _classify(
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
        ranks[i] = (rank * (_RANK_LIMIT + 1) + second) * (1 << 32) + _ordered(keys[i])
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


@njit(cache=True, nogil=True)
def simulate(
    seed: np.uint64,
    first: int,
    count: int,
    row: int,
    scheduled_laps: int,
    rates: Rates,
    field: Field,
    out: Outcome,
    table: npt.NDArray[np.float32],
    quantiles: Floats,
) -> None:
    """Simulate scenarios `first` to `first + count - 1` into rows `row` onwards of `out`.

    Scenario k depends on the seed, on k and on the inputs alone, whichever call simulates it.
    """
    n = field.level.size
    padded = field.noise.size
    n_words = (padded + 4) // 5
    car = Car(
        np.empty(padded, np.float32),
        np.empty(padded, np.float32),
        np.empty(padded, np.float32),
        np.empty(n, np.float64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
    )
    stream = np.empty(2, np.uint64)
    words = np.empty(n_words, np.uint64)
    etas = np.empty(5 * n_words, np.float32)
    scores = np.empty(padded, np.float32)
    keys = scores.view(np.int32)
    fast = np.empty(n, np.float64)
    cumulative = np.empty(n, np.float64)
    taken = np.empty(n, np.int64)
    for k in range(count):
        open_stream(stream, seed, np.uint64(first + k))
        _race(
            stream,
            row + k,
            scheduled_laps,
            rates,
            field,
            out,
            table,
            quantiles,
            car,
            words,
            etas,
            scores,
            keys,
            fast,
            cumulative,
            taken,
        )


@njit(cache=True, forceinline=True)
def _race(
    stream: npt.NDArray[np.uint64],
    r: int,
    scheduled_laps: int,
    rates: Rates,
    field: Field,
    out: Outcome,
    table: npt.NDArray[np.float32],
    quantiles: Floats,
    car: Car,
    words: npt.NDArray[np.uint64],
    etas: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    keys: npt.NDArray[np.int32],
    fast: Floats,
    cumulative: Floats,
    taken: npt.NDArray[np.int64],
) -> None:
    n = field.level.size
    padded = car.y.size
    # The skeleton: strategy and race-day hazard.
    u = uniform(stream)
    strategy = 0
    while strategy < 2 and u >= field.strategies[strategy]:
        strategy += 1
    chaos = from_quantiles(stream, field.chaos)
    _draw_grid(
        stream, field, rates.start_correlation, quantiles, cumulative, taken, out.start[r], n
    )
    next_stop = NEVER
    next_break = NEVER
    next_trouble = NEVER
    # Team days are drawn into `cumulative`, which is scratch until the green flag.
    for i in range(n):
        cumulative[i] = normal(stream, quantiles)
    for i in range(n):
        shared = field.team_share[i]
        day = np.sqrt(shared) * cumulative[field.team[i]]
        day += np.sqrt(1.0 - shared) * normal(stream, quantiles)
        car.level[i] = field.level[i] + field.level_sd[i] * day
        car.pull[i] = np.float32(car.level[i])
        car.y[i] = np.float32(rates.start_scale * field.start_score[out.start[r, i] - 1])
        car.offset[i] = 0.0
        car.status[i] = RUNNING
        car.out_lap[i] = 0
        car.lost[i] = 0
        car.stops[i] = 0
        car.tank[i] = 0
        car.dry[i] = NEVER
        car.due[i] = events.plan_stop(stream, rates, strategy, 0, field.earliest_stop)
        next_stop = min(next_stop, car.due[i])
        u = uniform(stream)
        car.breaks[i] = NEVER
        if u < field.mechanical[i]:
            car.breaks[i] = 1 + np.int64(u / field.mechanical[i] * scheduled_laps)
            next_break = min(next_break, car.breaks[i])
        u = uniform(stream)
        car.trouble[i] = NEVER
        if u < rates.trouble:
            car.trouble[i] = 1 + np.int64(u / rates.trouble * scheduled_laps)
            next_trouble = min(next_trouble, car.trouble[i])
        fast[i] = exponential_of(
            rates.fast_weight * car.level[i] + rates.fast_spread * normal(stream, quantiles)
        )
        out.laps_led[r, i] = 0
        out.fastest_laps[r, i] = 0
    for i in range(n, padded):
        car.y[i] = 0.0
        car.pull[i] = 0.0
        car.offset[i] = OUT
    keep = np.float32(rates.keep)
    give = np.float32(1.0 - rates.keep)
    noise = field.noise
    clean_air = np.float32(rates.clean_air)
    fast_sum = _fast_lap_weights(car, fast, cumulative, n)
    leader = events.leader_of(car, n)
    last_lap = scheduled_laps
    late_from = 0.8 * scheduled_laps
    half = scheduled_laps // 2 + 1
    running = n
    caution_left = 0
    pits_open = False
    attempts = 0
    cautions = 0
    late_cautions = 0
    caution_laps = 0
    gambles = 0
    next_dry = NEVER
    next_stage = 0
    run_start = 0
    restart_until = 0.0
    lap = 0
    while lap < last_lap:
        lap += 1
        if lap == half:
            _mid_positions(car, out.mid_position[r], n)
        if caution_left > 0:
            if pits_open:
                events.caution_stops(
                    stream, car, rates, strategy, field.earliest_stop, field.stay_out, lap, n
                )
                leader = events.leader_of(car, n)
                pits_open = False
            caution_left -= 1
            caution_laps += 1
            out.laps_led[r, leader] += 1
            if caution_left == 0 and lap < last_lap:
                events.restart_shuffle(stream, car, rates, quantiles, n)
                run_start = lap
                restart_until = lap + rates.restart_laps
                next_stop = np.min(car.due)
                next_dry = np.min(car.dry)
            continue
        # Events of this lap, before anyone completes it.
        word = next_word(stream)
        factor = 1.0
        if lap > late_from:
            close = min(1.0, (lap - late_from) / (0.2 * scheduled_laps))
            factor += rates.late * close * close * close
        if lap <= restart_until:
            factor *= rates.restart_factor
        if attempts > 0:
            factor *= rates.overtime_factor
        p_wreck = min(0.5, rates.wreck * chaos * factor * field.thinning[running])
        u = high_unit(word)
        caution = False
        stage = False
        if next_stage < field.stage_ends.size and lap == field.stage_ends[next_stage] + 1:
            caution = True
            stage = True
        elif u < p_wreck:
            caution = True
            retired = events.wreck(stream, car, rates, field.involvement, lap, n)
            if retired > 0:
                running -= retired
                fast_sum = _fast_lap_weights(car, fast, cumulative, n)
        elif u < p_wreck + min(0.4, rates.debris * factor):
            caution = True
        while next_stage < field.stage_ends.size and field.stage_ends[next_stage] < lap:
            next_stage += 1
        if lap >= next_break:
            next_break = NEVER
            for i in range(n):
                if car.breaks[i] <= lap:
                    if events.retire(car, i, lap, MECHANICAL, n):
                        running -= 1
                        fast_sum = _fast_lap_weights(car, fast, cumulative, n)
                        if uniform(stream) < rates.mechanical_caution:
                            caution = True
                    car.breaks[i] = NEVER
                next_break = min(next_break, car.breaks[i])
        if lap >= next_trouble:
            next_trouble = NEVER
            for i in range(n):
                if car.trouble[i] <= lap:
                    if car.status[i] == RUNNING:
                        events.hurt(stream, car, rates, i, lap, n)
                    car.trouble[i] = NEVER
                next_trouble = min(next_trouble, car.trouble[i])
        if caution:
            cautions += 1
            if lap > late_from:
                late_cautions += 1
            leader = events.leader_of(car, n)
            events.count_lost_laps(stream, car, rates, lap - run_start, lap, leader, n)
            mean = rates.stage_laps if stage else rates.caution_laps
            length = max(2, int(mean * (0.6 + 0.8 * uniform(stream)) + uniform(stream)))
            caution_laps += 1
            out.laps_led[r, leader] += 1
            caution_left = length - 1
            pits_open = True
            # Overtime: a caution that leaves fewer than two green laps moves the end, unless it
            # comes on the last lap, which then ends the race.
            if lap < last_lap and lap + length + 1 > last_lap and attempts < OVERTIME_ATTEMPTS:
                last_lap = lap + length + 1
                attempts += 1
            continue
        if lap >= next_stop:
            gambles += events.green_stops(
                stream,
                car,
                rates,
                strategy,
                field.earliest_stop,
                field.gamble,
                lap,
                last_lap,
                n,
            )
            next_stop = np.min(car.due)
            next_dry = np.min(car.dry)
        if lap >= next_dry:
            events.run_dry(car, lap, n)
        # A green lap: Ornstein-Uhlenbeck towards the level, the leader in clean air.
        step_normals(stream, words, table, etas)
        car.y[leader] += clean_air
        leader = _green_lap(car.y, car.pull, car.offset, noise, etas, scores, keys, keep, give)
        out.laps_led[r, leader] += 1
        v = low_unit(word)
        if v < rates.fast_awarded:
            bonus = rates.fast_leader * fast[leader]
            target = v / rates.fast_awarded * (fast_sum + bonus)
            if target >= fast_sum:
                out.fastest_laps[r, leader] += 1
            else:
                place = 0
                for i in range(n):
                    place += cumulative[i] <= target
                out.fastest_laps[r, place] += 1
    if caution_left == 0:
        events.count_lost_laps(stream, car, rates, last_lap - run_start, last_lap, leader, n)
    _classify(
        car,
        last_lap,
        leader,
        out.laps_led[r],
        out.fastest_laps[r],
        out.laps_completed[r],
        out.finish[r],
        scores,
        keys,
        taken,
        n,
    )
    for i in range(n):
        out.status[r, i] = car.status[i]
        out.dnf_lap[r, i] = car.out_lap[i]
    out.race_laps[r] = last_lap
    out.green_laps[r] = last_lap - caution_laps
    out.cautions[r] = min(cautions, 127)
    out.late_cautions[r] = min(late_cautions, 127)
    out.strategy[r] = strategy
    out.fuel_gambles[r] = gambles
    out.last_leader[r] = leader
