"""A race that goes on from its middle: the cars of a scenario as a state left them (compiled)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from nascar_assets.scenarios import race_events as events
from nascar_assets.scenarios.kernel_arrays import Begin, Field, Outcome
from nascar_assets.scenarios.random_numbers import uniform

NEVER = events.NEVER
RUNNING = events.RUNNING
Car = events.Car
Rates = events.Rates


@njit(cache=True)
def go_on(
    stream: npt.NDArray[np.uint64],
    r: int,
    scheduled_laps: int,
    rates: Rates,
    field: Field,
    begin: Begin,
    out: Outcome,
    car: Car,
    strategy: int,
    n: int,
) -> tuple[np.int64, np.int64, np.int64]:
    """Put the cars of a scenario where the state has them.

    A failure or trouble that a whole race draws is as likely on each lap; given that none came up
    to the state, it comes with the chance that is left, on a lap that is left. A car that stands
    still has retired with its own chance; otherwise it loses about as many laps again before it
    returns.

    Returns:
        The laps of the next green-flag stop, mechanical failure and trouble of any car.
    """
    next_stop = NEVER
    next_break = NEVER
    next_trouble = NEVER
    lap = begin.lap
    left = max(scheduled_laps - lap, 0)
    for i in range(n):
        out.start[r, i] = begin.start[i]
        out.laps_led[r, i] = begin.laps_led[i]
        out.fastest_laps[r, i] = begin.fastest_laps[i]
        out.laps_completed[r, i] = begin.laps_completed[i]
        car.y[i] = begin.order[i]
        car.lost[i] = begin.lost[i]
        car.stops[i] = begin.stops[i]
        car.tank[i] = begin.tank[i]
        car.breaks[i] = NEVER
        car.trouble[i] = NEVER
        car.due[i] = NEVER
        if begin.out_lap[i] > 0:
            car.status[i] = begin.out_status[i]
            car.out_lap[i] = begin.out_lap[i]
            car.lost[i] = 0
        elif begin.gone[i] > 0.0:
            if uniform(stream) < begin.gone[i]:
                car.status[i] = begin.out_status[i]
                car.out_lap[i] = lap - begin.lost[i] + 1
                car.lost[i] = 0
            else:
                car.lost[i] += events.geometric_laps(stream, max(3.0, float(begin.lost[i])))
                car.lost[i] = min(car.lost[i], lap)
        events.place_offset(car, i)
        if car.status[i] != RUNNING:
            continue
        planned = events.plan_stop(stream, rates, strategy, begin.tank[i], field.earliest_stop)
        car.due[i] = max(lap + 1, planned)
        next_stop = min(next_stop, car.due[i])
        if left > 0:
            chance = field.mechanical[i]
            remaining = chance * left / max(scheduled_laps - chance * lap, 1e-9)
            u = uniform(stream)
            if u < remaining:
                car.breaks[i] = lap + 1 + np.int64(u / remaining * left)
                next_break = min(next_break, car.breaks[i])
            remaining = rates.trouble * left / max(scheduled_laps - rates.trouble * lap, 1e-9)
            u = uniform(stream)
            if u < remaining:
                car.trouble[i] = lap + 1 + np.int64(u / remaining * left)
                next_trouble = min(next_trouble, car.trouble[i])
    return next_stop, next_break, next_trouble
