"""From constraints, race and parameters to the arrays that the compiled race reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from nascar_assets.constraints.models import (
    ConstraintSpec,
    DriverConstraints,
    TrackConstraints,
)
from nascar_assets.scenarios.kernel import LANES
from nascar_assets.scenarios.kernel_arrays import WHOLE_RACE, Begin, Field
from nascar_assets.scenarios.parameters import ProcessParameters, TypeParameters
from nascar_assets.scenarios.race_events import Rates
from nascar_assets.scenarios.setup import Entry, RaceSetup
from nascar_assets.scenarios.strategies import (
    EARLIEST_STOP,
    GAMBLE,
    STAY_OUT,
    PitStrategy,
    cumulative_mix,
)

AGGRESSION_SPREAD = 0.25
"""sigma_a: involvement in accidents is multiplied by exp(sigma_a * Phi^-1(aggression))."""
SHADOW_HAZARD_SPREAD = 0.25
"""The mechanical hazard is multiplied by exp(this * Phi^-1(shadow_risk))."""
SHADOW_SPREAD = 0.10
"""The race-day spread is multiplied by exp(this * Phi^-1(shadow_risk))."""
DIFFICULTY_SPREAD = 0.35
"""tau is multiplied by exp(this * Phi^-1(difficulty)): a harder track to pass on."""
AGGRESSION_FACTOR_SPREAD = 0.40
"""The odds of p_m and q are multiplied by exp(this * Phi^-1(aggression_factor))."""
CAUTION_RATE_SPREAD = 0.25
"""lambda_W and lambda_D are multiplied by exp(this * Phi^-1(caution_rate))."""
CHAOS_CELLS = 512
STRETCH = 0.06
"""Share of a tank that saving fuel may add."""
RESTART_PERCENT = 2.0
"""Length of the time after a restart, in % of the race."""
START_DAY: Mapping[str, float] = MappingProxyType(
    {"superspeedway": 0.25, "intermediate": 0.5, "short": 0.4, "road": 0.6}
)
"""Correlation of what decides a drawn start beside the rating with the race-day level.

With it start and finish of simulated cars hang together beyond their ratings as those of real ones
do: a partial correlation of .04, .13, .17 and .23 in three series from 2023 on, 0 without it."""
MECHANICAL_CAUTION = 0.2
"""Chance that a mechanical failure brings out a caution; assumed, the results do not tell."""

_NORMAL = NormalDist()


def probit(share: float) -> float:
    """Phi^-1 of a share, which is kept within [0.001, 0.999] so that 0 and 1 stay finite."""
    return round(_NORMAL.inv_cdf(min(0.999, max(0.001, share))), 12)


def exp_of(x: float) -> float:
    """exp rounded to 12 digits: the same number whatever the platform's last bit."""
    return float(f"{math.exp(x):.12g}")


def start_scores(size: int) -> npt.NDArray[np.float64]:
    """Normal scores of positions 1 to `size`, the best first (Blom 1958)."""
    shares = ((size - place + 0.625) / (size + 0.25) for place in range(1, size + 1))
    return np.array([round(_NORMAL.inv_cdf(share), 12) for share in shares])


def _shift_odds(share: float, log_odds: float) -> float:
    if share <= 0.0 or share >= 1.0:
        return share
    odds = share / (1.0 - share) * exp_of(log_odds)
    return odds / (1.0 + odds)


@lru_cache(maxsize=64)
def chaos_quantiles(shape: float) -> npt.NDArray[np.float64]:
    """Quantiles of Gamma(shape, 1 / shape) on an even grid, scaled to mean 1.

    The distribution function is integrated over log x by the trapezium rule, which converges
    fast for a density that vanishes at both ends, and inverted by interpolation; this spares the
    import of a library that takes longer than the simulation.
    """
    log_x = np.linspace(-40.0 / max(shape, 0.4), math.log(20.0 + 4.0 * shape), 20_001)
    exponent = shape * log_x - np.exp(log_x)
    density = np.exp(exponent - exponent.max())
    cumulative = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    shares = (np.arange(CHAOS_CELLS + 1) / CHAOS_CELLS).clip(1e-4, 1.0 - 1e-4)
    values = np.exp(np.interp(shares, cumulative / cumulative[-1], log_x)) / shape
    values /= (values[:-1] + values[1:]).mean() / 2.0
    values = np.round(values, 9)
    values.flags.writeable = False
    return values


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the kernel needs for one race, and what was assumed on the way."""

    rates: Rates
    field: Field
    scheduled_laps: int
    ratings: npt.NDArray[np.float64]
    notices: tuple[str, ...]
    begin: Begin = WHOLE_RACE
    traced: tuple[int, ...] = ()  # ascending laps whose running order is kept


def prepare(
    spec: ConstraintSpec | None,
    setup: RaceSetup,
    parameters: ProcessParameters,
    pit_strategy_mix: Mapping[PitStrategy, float] | None = None,
) -> Inputs:
    """Arrays of one race.

    Args:
        spec: Constraints that hold every entry and the track; none for neutral values.
        setup: The race.
        parameters: The race process of every track type.
        pit_strategy_mix: Weights of the pit strategies.

    Raises:
        InputError: If the spec lacks a driver or the track, or the mix is malformed.
    """
    values = parameters.of(setup.track_type)
    track = spec.get_track_constraints(setup.track_id) if spec is not None else None
    notices = list(setup.notices)
    rates = _rates(values, setup, track, notices)
    drivers = [
        (entry, spec.get_driver_constraints(entry.driver_id) if spec is not None else None)
        for entry in setup.entries
    ]
    ratings = np.array([_rating(entry, driver, values.rating_spread) for entry, driver in drivers])
    # Levels are relative to the field.
    ratings -= ratings.mean()
    shadow = [probit(driver.shadow_risk) if driver else 0.0 for _, driver in drivers]
    aggression = [probit(driver.aggression) if driver else 0.0 for _, driver in drivers]
    spread = np.array(
        [
            math.sqrt(
                (values.sigma_s * exp_of(SHADOW_SPREAD * risk)) ** 2
                + (values.kappa * entry.level_sd) ** 2
            )
            for (entry, _), risk in zip(drivers, shadow, strict=True)
        ]
    )
    unit = float(np.std(ratings))
    # The parabola is followed as far as ratings reach in practice, and no further.
    bent = ratings - values.bend * ratings.clip(-2.0, 2.0) ** 2
    scale = np.array([exp_of(values.spread_slope * float(rating)) for rating in ratings])
    noise = np.zeros(LANES * (-(-len(drivers) // LANES)), np.float32)
    noise[: len(drivers)] = values.omega * math.sqrt(1.0 - rates.keep**2) * scale
    fragile = np.array(
        [exp_of(-values.mechanical_slope * float(r)) for r in ratings.clip(-2.0, 2.0)]
    )
    fragile /= fragile.mean()
    field = Field(
        level=values.kappa * (bent - bent.mean()),
        level_sd=spread * scale,
        noise=noise,
        team_share=np.full(len(drivers), values.team_share),
        team=_team_codes([entry.team for entry in setup.entries]),
        involvement=np.array(
            [
                exp_of(AGGRESSION_SPREAD * value - values.accident_slope * float(rating))
                for value, rating in zip(aggression, ratings, strict=True)
            ]
        ),
        mechanical=np.array(
            [
                min(0.9, values.mechanical / 40.0 * weight * exp_of(SHADOW_HAZARD_SPREAD * risk))
                for risk, weight in zip(shadow, fragile, strict=True)
            ]
        ),
        start=np.array([entry.start or 0 for entry in setup.entries], np.int64),
        start_score=start_scores(len(drivers)),
        rating_score=ratings / unit if unit > 0.0 else ratings,
        stage_ends=np.array(setup.stage_ends, np.int64),
        strategies=np.array(cumulative_mix(pit_strategy_mix)),
        earliest_stop=np.array(EARLIEST_STOP),
        stay_out=np.array(STAY_OUT),
        gamble=np.array(GAMBLE),
        thinning=np.array(
            [
                exp_of(values.thinning * math.log(running / len(drivers))) if running else 0.0
                for running in range(len(drivers) + 1)
            ]
        ),
        chaos=chaos_quantiles(values.chaos_shape),
    )
    return Inputs(rates, field, setup.scheduled_laps, ratings, tuple(notices))


def _team_codes(teams: list[str]) -> npt.NDArray[np.int64]:
    """A code for each car: the place of its team's first car, its own place without a team."""
    first: dict[str, int] = {}
    return np.array(
        [first.setdefault(team, place) if team else place for place, team in enumerate(teams)],
        np.int64,
    )


def _rating(entry: Entry, driver: DriverConstraints | None, spread: float) -> float:
    if driver is None or driver.skill == entry.skill_reference:
        return entry.level
    return entry.level + spread * (probit(driver.skill) - probit(entry.skill_reference))


def _rates(
    values: TypeParameters, setup: RaceSetup, track: TrackConstraints | None, notices: list[str]
) -> Rates:
    percent = setup.scheduled_laps / 100.0
    difficulty = probit(track.difficulty) if track else 0.0
    aggression = AGGRESSION_FACTOR_SPREAD * probit(track.aggression_factor) if track else 0.0
    cautions = exp_of(CAUTION_RATE_SPREAD * probit(track.caution_rate)) if track else 1.0
    tau = values.tau * exp_of(DIFFICULTY_SPREAD * difficulty) * percent
    keep = exp_of(-1.0 / tau)
    fuel = _fuel_laps(values, setup, track, notices)
    return Rates(
        keep=keep,
        clean_air=(1.0 - keep) * values.delta,
        start_scale=values.start_scale,
        start_correlation=values.start_correlation,
        start_day=START_DAY[setup.track_type],
        wreck=values.wreck_rate * cautions / percent,
        debris=values.debris_rate * cautions / percent,
        late=values.late,
        restart_factor=values.restart_factor,
        restart_laps=max(1.0, RESTART_PERCENT * percent),
        overtime_factor=values.overtime_factor,
        wreck_more=_shift_odds(values.wreck_more, aggression),
        wreck_out=_shift_odds(values.wreck_out, aggression),
        damage=values.damage,
        trouble=values.trouble,
        repair=values.repair,
        repair_laps=max(1.0, values.repair_laps * percent),
        jump=values.sigma_j,
        mechanical_caution=MECHANICAL_CAUTION,
        lapping=values.lapping / percent,
        wave_around=values.wave_around,
        caution_laps=values.caution_laps,
        stage_laps=values.stage_laps,
        fuel_laps=fuel,
        stretch_laps=max(1.0, STRETCH * fuel),
        trapped=values.trapped,
        stay_out=values.stay_out,
        fast_weight=values.fast_weight,
        fast_spread=values.fast_spread,
        fast_leader=values.fast_leader,
        fast_awarded=values.fast_awarded,
    )


def _fuel_laps(
    values: TypeParameters, setup: RaceSetup, track: TrackConstraints | None, notices: list[str]
) -> float:
    """Laps on a full tank: the spec's first pit window, else miles on a tank."""
    if track is not None and track.pit_window_laps:
        beyond = [lap for lap in track.pit_window_laps if lap >= setup.scheduled_laps]
        if beyond:
            notices.append(
                f"The track's pit windows at laps {', '.join(map(str, beyond))} lie beyond the "
                f"race's {setup.scheduled_laps} laps and do not open."
            )
        return float(max(2, track.pit_window_laps[0]))
    if setup.track_length is not None and setup.track_length > 0.0:
        return max(4.0, values.fuel_miles / setup.track_length)
    notices.append(
        "The track has neither a pit window nor a length: a tank is taken to last a quarter of "
        "the race."
    )
    return max(4.0, setup.scheduled_laps / 4.0)
