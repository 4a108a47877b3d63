"""What the compiled race reads of one race, where it works, and where it writes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


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


class Begin(NamedTuple):
    """Where the compiled race goes on from; arrays over cars unless said otherwise.

    Before the race `lap` is 0 and nothing else is read.
    """

    lap: int  # laps that the leader has completed
    order: npt.NDArray[np.float32]  # latent running order after that lap
    out_lap: npt.NDArray[np.int64]  # lap on which a car retired, 0 for none
    out_status: npt.NDArray[np.int64]  # how it retired
    laps_completed: npt.NDArray[np.int64]
    lost: npt.NDArray[np.int64]  # laps behind the leader
    gone: Floats  # chance that a car which stands still never returns, 0 for one that moves
    stops: npt.NDArray[np.int64]  # green-flag stops since the last caution
    tank: npt.NDArray[np.int64]  # lap of the last stop
    laps_led: npt.NDArray[np.int64]
    fastest_laps: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]  # starting positions
    mid_position: npt.NDArray[np.int64]  # where half of the race is over
    run_start: int  # lap on which the green run began
    caution_lap: int  # laps that a caution has lasted; 0 under green
    cautions: int
    caution_laps: int


_NO_CAR = np.empty(0, np.int64)
WHOLE_RACE = Begin(
    lap=0,
    order=np.empty(0, np.float32),
    out_lap=_NO_CAR,
    out_status=_NO_CAR,
    laps_completed=_NO_CAR,
    lost=_NO_CAR,
    gone=np.empty(0, np.float64),
    stops=_NO_CAR,
    tank=_NO_CAR,
    laps_led=_NO_CAR,
    fastest_laps=_NO_CAR,
    start=_NO_CAR,
    mid_position=_NO_CAR,
    run_start=0,
    caution_lap=0,
    cautions=0,
    caution_laps=0,
)
"""A race before its start."""


class Outcome(NamedTuple):
    """Where the kernel writes: [n, N] per car, then [n] per scenario, then the traced laps."""

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
    traced: npt.NDArray[np.int64]  # [K] ascending laps whose running order is kept; read alone
    trace: npt.NDArray[np.int8]  # [n, K, N] running positions after them


class Scratch(NamedTuple):
    """Working arrays of a thread, overwritten by every scenario; what they held never matters."""

    words: npt.NDArray[np.uint64]  # random words of one lap's steps
    etas: npt.NDArray[np.float32]  # [5 * words.size] their normals
    scores: npt.NDArray[np.float32]  # [padded] running order of a lap, y + offset
    keys: npt.NDArray[np.int32]  # the bits of `scores`, the same memory
    fast: Floats  # [N] weight for the fastest lap
    cumulative: Floats  # [N] its running sum; before the green flag, other sums over cars
    ranks: npt.NDArray[np.int64]  # [N] places taken on the grid; at the end, finishing ranks
