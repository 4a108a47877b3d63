"""The compiled race: one scenario after another, lap by lap, into arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from nascar_assets.scenarios import race_events as events
from nascar_assets.scenarios.kernel_arrays import Begin, Field, Outcome, Scratch
from nascar_assets.scenarios.race_middle import go_on
from nascar_assets.scenarios.race_orders import (
    classify,
    draw_grid,
    mid_positions,
    ordered_bits,
    positions_after,
)
from nascar_assets.scenarios.random_numbers import (
    Normals,
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
LATE_FROM, LATE_SHARE = 0.8, 0.2
"""Where the last fifth of the scheduled race begins, over which `late` rises; assumed."""
MAX_WRECKS, MAX_DEBRIS = 0.5, 0.4
"""Caps on a lap's chance of a wreck and of debris, so that both fit below 1; assumed."""
SHORTEST_CAUTION, CAUTION_RANGE = 0.6, 0.8
"""A caution lasts 0.6 to 1.4 times its mean, evenly, and two laps or more; assumed."""


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
def _green_lap(
    y: Singles,
    pull: Singles,
    offset: Singles,
    noise: Singles,
    scratch: Scratch,
    keep: np.float32,
    give: np.float32,
) -> int:
    """One Ornstein-Uhlenbeck step of every car; returns the leader.

    y <- keep * y + (1 - keep) * pull + noise * eta with keep = exp(-1 / tau) is the exact step of
    the process over one lap (Gillespie 1996, "Exact numerical simulation of the
    Ornstein-Uhlenbeck process", Physical Review E 54), so that no lap is cut into smaller ones.

    `keys` are the bits of `scores`: as integers of the same order, whose maximum the compiler
    finds with vector instructions (a maximum of floats it would take one by one).
    """
    etas, scores, keys = scratch.etas, scratch.scores, scratch.keys
    size = y.size
    for i in range(size):
        value = keep * y[i] + (give * pull[i] + noise[i] * etas[i])
        y[i] = value
        scores[i] = value + offset[i]
    top = np.int32(-2147483648)
    for i in range(size):
        top = max(top, ordered_bits(keys[i]))
    leader = np.int32(size)
    for i in range(size):
        leader = min(leader, np.int32(i) if ordered_bits(keys[i]) == top else np.int32(size))
    return int(leader)


@njit(cache=True, nogil=True)
def simulate(
    seed: np.uint64,
    first: int,
    count: int,
    row: int,
    scheduled_laps: int,
    rates: Rates,
    field: Field,
    begin: Begin,
    out: Outcome,
    normals: Normals,
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
    scores = np.empty(padded, np.float32)
    scratch = Scratch(
        np.empty(n_words, np.uint64),
        np.empty(5 * n_words, np.float32),
        scores,
        scores.view(np.int32),
        np.empty(n, np.float64),
        np.empty(n, np.float64),
        np.empty(n, np.int64),
    )
    stream = np.empty(2, np.uint64)
    for k in range(count):
        open_stream(stream, seed, np.uint64(first + k))
        _race(stream, row + k, scheduled_laps, rates, field, begin, out, normals, car, scratch)


@njit(cache=True, forceinline=True)
def _line_up(
    stream: npt.NDArray[np.uint64],
    r: int,
    scheduled_laps: int,
    rates: Rates,
    field: Field,
    out: Outcome,
    quantiles: Floats,
    car: Car,
    scratch: Scratch,
) -> tuple[int, float, np.int64, np.int64, np.int64]:
    """Draw what a scenario has before its green flag: its day, its grid and its cars' plans.

    Returns:
        The pit strategy and the race-day factor of accidents, which all cars share, and the laps
        of the first planned stop, failure and trouble of any car.
    """
    fast, cumulative = scratch.fast, scratch.cumulative
    n = field.level.size
    padded = car.y.size
    # The skeleton: strategy and race-day hazard, shared by all cars of a scenario; they are what
    # makes finishes of different cars depend on each other.
    u = uniform(stream)
    strategy = 0
    while strategy < 2 and u >= field.strategies[strategy]:
        strategy += 1
    chaos = from_quantiles(stream, field.chaos)
    draw_grid(
        stream,
        field.start,
        field.rating_score,
        rates.start_correlation,
        quantiles,
        cumulative,
        fast,
        scratch.ranks,
        out.start[r],
        n,
    )
    next_stop = NEVER
    next_break = NEVER
    next_trouble = NEVER
    # Team days are drawn into `cumulative`, and what a drawn start owes to the day lies in `fast`:
    # both are scratch until the green flag.
    rest_of_day = np.sqrt(1.0 - rates.start_day * rates.start_day)
    for i in range(n):
        cumulative[i] = normal(stream, quantiles)
    for i in range(n):
        shared = field.team_share[i]
        day = np.sqrt(shared) * cumulative[field.team[i]]
        day += np.sqrt(1.0 - shared) * normal(stream, quantiles)
        if field.start[i] == 0:
            # A car that qualifies better than its rating is faster on the day as well; who knows
            # the start has that in its level already.
            day = rates.start_day * fast[i] + rest_of_day * day
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
        # A failure that happens is as likely on each scheduled lap: u below p is uniform on [0, p).
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
        out.laps_completed[r, i] = 0
    for i in range(n, padded):  # cars that fill up the vector lanes never lead
        car.y[i] = 0.0
        car.pull[i] = 0.0
        car.offset[i] = OUT
    return strategy, chaos, next_stop, next_break, next_trouble


@njit(cache=True, forceinline=True)
def _race(
    stream: npt.NDArray[np.uint64],
    r: int,
    scheduled_laps: int,
    rates: Rates,
    field: Field,
    begin: Begin,
    out: Outcome,
    normals: Normals,
    car: Car,
    scratch: Scratch,
) -> None:
    """One scenario from the grid, or from a state, to the classification, into row r of `out`.

    The order in which numbers are drawn is part of the result: a draw that moves changes every
    forecast of a seed. A state draws what is its own after all that a whole race draws.
    """
    strategy, chaos, next_stop, next_break, next_trouble = _line_up(
        stream, r, scheduled_laps, rates, field, out, normals.quantiles, car, scratch
    )
    fast, cumulative = scratch.fast, scratch.cumulative
    n = field.level.size
    if begin.lap > 0:
        next_stop, next_break, next_trouble = go_on(
            stream, r, scheduled_laps, rates, field, begin, out, car, strategy, n
        )
    keep = np.float32(rates.keep)
    give = np.float32(1.0 - rates.keep)
    noise = field.noise
    clean_air = np.float32(rates.clean_air)
    fast_sum = _fast_lap_weights(car, fast, cumulative, n)
    leader = events.leader_of(car, n)
    last_lap = scheduled_laps
    lap = begin.lap
    late_from = LATE_FROM * scheduled_laps
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
    next_trace = 0
    run_start = begin.run_start
    restart_until = 0.0
    if lap > 0:
        running = 0
        for i in range(n):
            running += car.status[i] == RUNNING
            if lap >= half:
                out.mid_position[r, i] = begin.mid_position[i]
        cautions = begin.cautions
        caution_laps = begin.caution_laps
        while next_stage < field.stage_ends.size and field.stage_ends[next_stage] < lap:
            next_stage += 1
        if run_start > 0:
            restart_until = run_start + rates.restart_laps
        if begin.caution_lap > 0:
            # How long a caution lasts that has lasted so long: at least one lap more.
            share = SHORTEST_CAUTION + CAUTION_RANGE * uniform(stream)
            length = int(rates.caution_laps * share + uniform(stream))
            caution_left = max(1, length - begin.caution_lap)
            pits_open = begin.caution_lap == 1
        # Past the scheduled laps, or under a caution that reaches them: two green laps remain.
        if lap + caution_left + 2 > last_lap and (lap >= last_lap or caution_left > 0):
            last_lap = lap + caution_left + 2
            attempts = 1
    while lap < last_lap:
        lap += 1
        if lap == half:
            mid_positions(car, out.mid_position[r], n)
        while next_trace < out.traced.size and out.traced[next_trace] < lap:
            positions_after(car, out.trace[r, next_trace], lap - 1, n)
            next_trace += 1
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
                events.restart_shuffle(stream, car, rates, normals.quantiles, n)
                run_start = lap
                restart_until = lap + rates.restart_laps
                next_stop = np.min(car.due)
                next_dry = np.min(car.dry)
            continue
        # Events of this lap, before anyone completes it. One word serves two draws that cannot
        # touch each other: its upper half the caution, its lower half the fastest lap.
        word = next_word(stream)
        factor = 1.0
        if lap > late_from:
            close = min(1.0, (lap - late_from) / (LATE_SHARE * scheduled_laps))
            factor += rates.late * close * close * close
        if lap <= restart_until:
            factor *= rates.restart_factor
        if attempts > 0:
            factor *= rates.overtime_factor
        p_wreck = min(MAX_WRECKS, rates.wreck * chaos * factor * field.thinning[running])
        # One draw for wreck or debris: they are exclusive, and their chances add to below 1.
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
        elif u < p_wreck + min(MAX_DEBRIS, rates.debris * factor):
            caution = True
        while next_stage < field.stage_ends.size and field.stage_ends[next_stage] < lap:
            next_stage += 1
        # The earliest of all cars is kept for each kind, so that most laps look at no car at all.
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
            # A fraction added before the cut rounds at random, which keeps the mean length.
            share = SHORTEST_CAUTION + CAUTION_RANGE * uniform(stream)
            length = max(2, int(mean * share + uniform(stream)))
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
        # A green lap: Ornstein-Uhlenbeck towards the level. The leader's clean air is added before
        # the step, which keeps `keep` of it: as if his level were higher by keep * delta.
        step_normals(stream, scratch.words, normals.steps, scratch.etas)
        car.y[leader] += clean_air
        leader = _green_lap(car.y, car.pull, car.offset, noise, scratch, keep, give)
        out.laps_led[r, leader] += 1
        # The fastest lap goes to a running car by weight, the leader's counted once more: v is
        # uniform over the awarded share, stretched over the sum of weights and cut by its parts.
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
    classify(car, scratch, out, r, last_lap, leader, n)
    for late in range(next_trace, out.traced.size):  # the race ended on that lap, or before it
        out.trace[r, late] = out.finish[r]
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
