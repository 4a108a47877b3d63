"""From the state of a race under way to where the compiled race goes on, and what it has shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.scenarios.inputs import Inputs, chaos_quantiles, exp_of, start_scores
from nascar_assets.scenarios.kernel_arrays import Begin
from nascar_assets.scenarios.parameters import ProcessParameters
from nascar_assets.scenarios.race_events import ACCIDENT, MECHANICAL
from nascar_assets.scenarios.setup import RaceSetup
from nascar_assets.telemetry.race_state import GREEN, STILL_FROM, RaceState

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Updating:
    """How a state moves the cars' levels and order; 1, and 0, is what the race process itself says.

    The numbers were set by hand, to round values near what the process says, on the Cup races with
    laps up to June 2025; docs/live.md has how little the forecasts depend on them.

    Attributes:
        order: Spread of the running order, in units of its spread in the process.
        stretch: What the spread grows by up to the race's end, with the square of the distance:
            the longer a race is run, the more the order is one of speed.
        evidence: What a green lap's position is worth; neighbours' laps are not independent.
        memory: Share of the race over which a lap's evidence falls to 1 / e: cars change.
        pace: What the green laps' times are worth, as a share of what positions are.
        drift: Variance by which a level may still change over a whole race, in units of the
            stationary variance of the order.
        noise: Spread of the order's noise after a state.
        lasting: How much longer a car stays off its level than the process has it: results, which
            the process is fitted on, tell how far cars stray, and hardly for how long.
    """

    order: float = 0.9
    stretch: float = 0.7
    evidence: float = 0.8
    memory: float = 0.3
    pace: float = 0.5
    drift: float = 0.8
    noise: float = 0.95
    lasting: float = 2.0


UPDATING = Updating()

FEWEST_PACE_LAPS = 5
"""Green laps below which a car's pace says nothing."""
PACE_CAP = 2.5
"""Standard deviations of pace beyond which a car is not believed to be faster or slower."""
GONE_AFTER: tuple[tuple[float, float], ...] = (
    (STILL_FROM, 0.05), (4.0, 0.4), (8.0, 0.75), (30.0, 0.86), (60.0, 0.97),
)  # fmt: skip
"""Chance that a car never returns, by the laps for which it has stood still.

Of 346 such cars of the 24 Cup races with laps 84% did not: 2 of 30 after 2.5 to 4 laps, 20 of 27
after 4 to 15, 71 of 83 after 15 to 60 and 199 of 206 after more; rounded, and rising.
"""


def go_on_from(
    inputs: Inputs,
    state: RaceState,
    setup: RaceSetup,
    parameters: ProcessParameters,
    updating: Updating = UPDATING,
) -> Inputs:
    """Inputs of a race whose scenarios go on from a state.

    The running order becomes the latent order by normal scores of places, at the spread that the
    process gives it. A car's level, with what was expected of it as prior, is updated by its green
    laps: in the process each moves the order towards the level, so that what it moved by measures
    it (`level_after`). The race-day hazard is updated by the cautions so far, Gamma to Gamma.

    Args:
        inputs: Those of the whole race.
        state: Where it stands, after one lap at least.
        setup: The race; entries that the state does not know have not started.
        parameters: The race process.
        updating: How the state is taken in.

    Raises:
        InputError: If the state holds a driver who is not entered, or more laps than can be told.
    """
    entered = set(setup.driver_ids)
    strange = [driver for driver in state.driver_ids if driver not in entered]
    if strange:
        raise InputError(
            f"The laps of race {setup.race_id} hold drivers who are not entered: "
            f"{', '.join(strange[:5])}.",
            field="driver_id",
            remedy="Check that the laps are of this race, and read the entry list again.",
        )
    rates, field, n = inputs.rates, inputs.field, len(setup.entries)
    cars = _Cars(state, setup)
    omega = field.noise[:n].astype(np.float64) / math.sqrt(1.0 - rates.keep**2)
    keep = exp_of(math.log(rates.keep) / updating.lasting)
    noise = updating.noise * math.sqrt((1.0 - keep**2) / (1.0 - rates.keep**2))
    clean_air = rates.clean_air * (1.0 - keep) / (1.0 - rates.keep)
    rates = rates._replace(keep=keep, clean_air=clean_air)
    progress = min(1.0, state.lap / setup.scheduled_laps)
    spread = math.sqrt(
        float(np.var(field.level) + np.mean(field.level_sd**2) + np.mean(omega**2))
    ) * (updating.order + updating.stretch * progress**2)
    level, level_sd = level_after(
        cars.path,
        state,
        cars.pace,
        prior=field.level,
        prior_sd=field.level_sd,
        keep=keep,
        omega=omega,
        spread=spread,
        drift=updating.drift * (1.0 - progress),
        updating=updating,
    )
    shape = parameters.of(setup.track_type).chaos_shape
    cautions = len(state.caution_starts)
    stages = sum(end < state.lap for end in setup.stage_ends)
    wrecks = max(0, cautions - stages) * rates.wreck / max(rates.wreck + rates.debris, 1e-12)
    expected = rates.wreck * max(state.green_laps, 1)
    field = field._replace(
        level=level,
        level_sd=level_sd,
        noise=(noise * field.noise).astype(np.float32),
        chaos=chaos_quantiles(round(shape + wrecks, 3)) * (shape + wrecks) / (shape + expected),
    )
    begin = _begin(cars, state, setup, spread, cautions)
    return replace(inputs, rates=rates, field=field, begin=begin)


def level_after(
    path: Whole,
    state: RaceState,
    pace: Floats,
    *,
    prior: Floats,
    prior_sd: Floats,
    keep: float,
    omega: Floats,
    spread: float,
    drift: float,
    updating: Updating = UPDATING,
) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the cars' levels, given the order so far.

    With y the latent order, a green lap is y' = keep y + (1 - keep) M + noise of variance
    omega^2 (1 - keep^2). So (y' - keep y) / (1 - keep) measures the level M with variance
    omega^2 (1 + keep) / (1 - keep), and n such laps with the n-th part: the exact filter of the
    process, were y seen and not its order.

    Args:
        path: [N, lap + 1] running positions, 0 where unknown.
        state: The state, for its flags.
        pace: [N] pace against the field; NaN where unknown.
        prior: [N] expected levels.
        prior_sd: [N] their standard deviations.
        keep: What remains of a deviation after a lap.
        omega: [N] stationary spread of the order about the level.
        spread: Spread of the order over the field.
        drift: Variance that the levels may still gain, in units of omega^2.
        updating: How much each kind of evidence is worth.
    """
    order = np.full(path.shape, np.nan)
    for lap in range(path.shape[1]):
        cars = np.flatnonzero(path[:, lap])
        if len(cars) > 1:
            ranked = cars[np.argsort(path[cars, lap], kind="stable")]
            order[ranked, lap] = spread * start_scores(len(ranked))
    laps = np.arange(1, state.lap + 1)
    moved = (order[:, 1:] - keep * order[:, :-1]) / (1.0 - keep)
    # The first lap is the start, not the level.
    counts = ~np.isnan(moved) & ((state.flags[1:] == GREEN) & (laps > 1))[None, :]
    fade = np.exp(-(state.lap - laps) / (updating.memory * state.scheduled_laps))
    weight = np.where(counts, fade[None, :], 0.0)
    total = weight.sum(axis=1)
    seen = np.where(counts, moved, 0.0) * weight
    mean = seen.sum(axis=1) / np.maximum(total, 1e-12)
    worth = updating.evidence * total * (1.0 - keep) / (omega**2 * (1.0 + keep))
    known = ~np.isnan(pace)
    pace_score, pace_worth = np.zeros(len(pace)), np.zeros(len(pace))
    if int(known.sum()) > 1 and float(np.std(pace[known])) > 0.0:
        standard = (pace[known] - pace[known].mean()) / np.std(pace[known])
        pace_score[known] = spread * np.clip(standard, -PACE_CAP, PACE_CAP)
        pace_worth[known] = updating.pace * worth[known]
    before = 1.0 / np.maximum(prior_sd, 1e-3) ** 2
    precision = before + worth + pace_worth
    level = (before * prior + worth * mean + pace_worth * pace_score) / precision
    return level, np.sqrt(1.0 / precision + drift * omega**2)


class _Cars:
    """The state's arrays in the order of the race's entries; entries without laps never started."""

    def __init__(self, state: RaceState, setup: RaceSetup) -> None:
        place = {driver: number for number, driver in enumerate(state.driver_ids)}
        self.rows = np.array([place.get(driver, -1) for driver in setup.driver_ids])
        self.here = self.rows >= 0
        size, absent = len(self.rows), int((~self.here).sum())
        self.moving = self.of(state.moving, False)
        self.out = self.of(state.out, True)
        self.done = self.of(state.laps_completed, 0)
        self.still = self.of(state.still, float(state.lap))
        self.behind = self.of(state.behind, float(state.lap))
        self.position = self.of(state.position, size)
        grid = [entry.start for entry in setup.entries if entry.start is not None]
        if len(grid) == size:  # the one that the forecast before the race was scored from
            self.start = np.array(grid, np.int64)
        else:
            self.start = self.of(state.start, 0)
            self.start[~self.here] = np.arange(size - absent + 1, size + 1)
        self.path = np.zeros((size, state.lap + 1), np.int64)
        self.path[self.here] = state.path[self.rows[self.here]]
        enough = np.where(state.pace_laps >= FEWEST_PACE_LAPS, state.pace, np.nan)
        self.pace = self.of(enough, np.nan)

    def of(self, values: npt.NDArray[Any], absent: float) -> npt.NDArray[Any]:
        """An array of the state by entry."""
        made = np.full(len(self.rows), absent, values.dtype)
        made[self.here] = values[self.rows[self.here]]
        return made


def _begin(cars: _Cars, state: RaceState, setup: RaceSetup, spread: float, cautions: int) -> Begin:
    size, lap = len(cars.rows), state.lap
    runners = np.flatnonzero(cars.moving)
    ranked = runners[np.lexsort((cars.position[runners], cars.behind[runners]))]
    order = np.full(size, -3.0 * spread)  # cars that stand still come last
    order[ranked] = spread * start_scores(len(ranked))
    lost = np.where(cars.moving, np.floor(cars.behind), lap - cars.done).astype(np.int64)
    lost[ranked[:1]] = 0
    # A car that stopped under caution, or just before one, wrecked.
    yellow = state.neutral
    near = yellow[np.minimum(cars.done + 1, lap)] | yellow[np.minimum(cars.done + 2, lap)]
    half = setup.scheduled_laps // 2 + 1
    laps, chances = zip(*GONE_AFTER, strict=True)
    return Begin(
        lap=lap,
        order=order.astype(np.float32),
        out_lap=np.where(cars.out, cars.done + 1, 0),
        out_status=np.where(near, ACCIDENT, MECHANICAL).astype(np.int64),
        laps_completed=cars.done,
        lost=np.clip(lost, 0, lap),
        gone=np.where(cars.moving, 0.0, np.interp(cars.still, laps, chances)),
        stops=cars.of(state.stops, 0),
        tank=cars.of(state.last_stop, 0),
        laps_led=cars.of(state.laps_led, 0),
        fastest_laps=cars.of(state.fastest_laps, 0),
        start=cars.start,
        mid_position=cars.of(state.path[:, half], 0) if lap >= half else np.zeros(size, np.int64),
        run_start=state.run_start,
        caution_lap=state.caution_lap,
        cautions=cautions,
        caution_laps=int(state.neutral.sum()),
    )
