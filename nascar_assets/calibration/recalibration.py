"""Latent EMOS: the race process widened or sharpened where past forecasts were over-confident.

Ensemble model output statistics correct an ensemble's mean and spread by a regression on past
forecasts (Gneiting et al. 2005, doi:10.1175/MWR2904.1). Here the correction acts on the latent
race-day levels, and the race is simulated again, so that every law of the race holds: per track
type a factor on kappa (how much ratings count), extra race-day spread sigma_S, and a factor on
omega (how much the running order wanders).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from nascar_assets.calibration.forecasts import RaceToForecast, race_seed
from nascar_assets.calibration.metrics_input import Floats, Numbers
from nascar_assets.calibration.race_forecast import RunningOrder
from nascar_assets.scenarios import ProcessParameters

FEWEST_RACES = 9
"""Past races of a track type below which nothing is fitted."""
SCENARIOS = 160
"""Scenarios per race in a fit; all evaluations share their random numbers."""
PRIOR_SPREAD = (0.20, 0.20, 0.20)
"""Standard deviations of log kappa factor, of extra sigma_S^2 and of log omega factor."""
STEP = (0.15, 0.15, 0.15)
NEIGHBOURS = (1.0, 2.0, 3.0, 2.0, 1.0)
"""Weights by which the probability of a place is smoothed over its neighbours in a fit."""
HELD_BACK = 1.0 / 3.0
"""Share of the races, the latest, on which a fit must prove itself."""
STANDARD_ERRORS = 1.0
"""A correction is kept if it gains so many standard errors of the difference, race-clustered."""


@dataclass(frozen=True, slots=True)
class EmosType:
    """The correction of one track type and how it did on the races held back from its fit.

    Attributes:
        kappa_factor: Factor on kappa.
        extra_variance: Added to sigma_S^2; negative values narrow it, not below 0.
        omega_factor: Factor on omega.
        races: Races of the fit.
        gain: Mean gain in log score on the races held back; 0 where nothing was fitted.
        standard_error: Of the gain.
        kept: Whether the gain passed the rule; only then the correction acts.
    """

    kappa_factor: float = 1.0
    extra_variance: float = 0.0
    omega_factor: float = 1.0
    races: int = 0
    gain: float = 0.0
    standard_error: float = 0.0
    kept: bool = False


@dataclass(frozen=True, slots=True)
class LatentEmos:
    """Corrections by track type."""

    by_type: Mapping[str, EmosType]

    def apply(self, parameters: ProcessParameters) -> ProcessParameters:
        """The race process with every kept correction."""
        for kind, found in self.by_type.items():
            if found.kept:
                parameters = corrected(
                    parameters,
                    kind,
                    np.array(
                        [
                            math.log(found.kappa_factor),
                            found.extra_variance,
                            math.log(found.omega_factor),
                        ]
                    ),
                )
        return parameters


def corrected(parameters: ProcessParameters, kind: str, theta: Floats) -> ProcessParameters:
    """The race process with one track type's correction.

    Args:
        parameters: The race process.
        kind: Track type.
        theta: Log kappa factor, extra sigma_S^2, log omega factor [3].
    """
    values = parameters.of(kind)
    return parameters.with_type(
        kind,
        kappa=values.kappa * math.exp(float(theta[0])),
        sigma_s=math.sqrt(max(values.sigma_s**2 + float(theta[1]), 0.0)),
        omega=values.omega * math.exp(float(theta[2])),
    )


def fit_latent_emos(
    past: Mapping[str, Sequence[tuple[RaceToForecast, pl.DataFrame]]],
    parameters: ProcessParameters,
    *,
    seed: int,
    values: bool = False,
    scenarios: int = SCENARIOS,
) -> LatentEmos:
    """Fit and judge a correction for each track type.

    The correction is fitted on the earlier two thirds of the races by penalised log score and
    judged on the latest third. It is kept only if it gains `STANDARD_ERRORS` there; then it is
    fitted again on all of them.

    Args:
        past: By track type, past races as they stood at their own as-of times, in order, with
            their RESULTS rows.
        parameters: The race process.
        seed: Seed of all simulations.
        values: Whether the ontology's values enter.
        scenarios: Scenarios per race.
    """
    found: dict[str, EmosType] = {}
    for kind, races in past.items():
        if len(races) < FEWEST_RACES:
            continue
        split = len(races) - max(3, round(len(races) * HELD_BACK))
        score = _race_scores(races, parameters, kind, seed, values, scenarios)
        early, late = slice(0, split), slice(split, len(races))
        theta = _minimise(partial(score, chosen=early))
        difference = score(np.zeros(3), late) - score(theta, late)
        gain = float(difference.mean())
        error = float(difference.std(ddof=1) / math.sqrt(difference.size))
        kept = gain > 0.0 and gain >= STANDARD_ERRORS * error
        if kept:
            theta = _minimise(partial(score, chosen=slice(0, len(races))))
        found[kind] = EmosType(
            kappa_factor=math.exp(float(theta[0])),
            extra_variance=float(theta[1]),
            omega_factor=math.exp(float(theta[2])),
            races=len(races),
            gain=gain,
            standard_error=error,
            kept=kept,
        )
    return LatentEmos(found)


def _race_scores(
    races: Sequence[tuple[RaceToForecast, pl.DataFrame]],
    parameters: ProcessParameters,
    kind: str,
    seed: int,
    values: bool,
    scenarios: int,
) -> Callable[..., Floats]:
    """Mean log score of each race under a correction, remembered by correction and race."""
    places = []
    for race, results in races:
        finish = dict(zip(results["driver_id"], results["finish"], strict=True))
        places.append(np.array([finish.get(driver) or 0 for driver in race.driver_ids]))
    memory: dict[tuple[float, ...], dict[int, float]] = {}

    def scores(theta: Floats, chosen: slice) -> Floats:
        key = tuple(float(value) for value in np.round(theta, 9))
        known = memory.setdefault(key, {})
        model = RunningOrder(parameters=corrected(parameters, kind, theta), values=values)
        for index in range(len(races))[chosen]:
            if index not in known:
                race = races[index][0]
                made = model.scenarios(race, scenarios, race_seed(seed, race.race_id, "emos"))
                known[index] = smoothed_log_score(made.finish, places[index])
        return np.array([known[index] for index in range(len(races))[chosen]])

    return scores


def smoothed_log_score(finish: Numbers, places: Numbers) -> float:
    """Mean log score of a race's places, each place's count shared with its neighbours.

    With few scenarios the counts of single places are noisy; neighbours steady them. The same
    smoothing serves every correction that is compared.

    Args:
        finish: Places from 1 [m, N].
        places: The places that were taken [N]; 0 where unknown.
    """
    m, n = finish.shape
    known = (places >= 1) & (places <= n)
    reach = len(NEIGHBOURS) // 2
    total = np.zeros(n)
    weight = np.zeros(n)
    for offset, share in zip(range(-reach, reach + 1), NEIGHBOURS, strict=True):
        at = places + offset
        inside = (at >= 1) & (at <= n)
        total += share * inside * (finish == at).sum(axis=0)
        weight += share * inside
    probability = (total / np.maximum(weight, 1.0) + 0.5) / (m + n / 2.0)
    return float(-np.log(probability[known]).mean())


def _minimise(score: Callable[[Floats], Floats]) -> Floats:
    """Corrections of least penalised mean log score: parabolas along each axis, twice.

    The penalty is that of normal priors, counted in cars' log scores of a field of 37.
    """
    spread = np.array(PRIOR_SPREAD)

    def loss(theta: Floats) -> float:
        values = score(theta)
        penalty = 0.5 * float(np.square(theta / spread).sum()) / (37.0 * values.size)
        return float(values.mean()) + penalty

    best = np.zeros(3)
    at_best = loss(best)
    for scale in (1.0, 0.5):
        for axis in range(3):
            step = np.zeros(3)
            step[axis] = STEP[axis] * scale
            low, high = loss(best - step), loss(best + step)
            curve = low - 2.0 * at_best + high
            move = 0.5 * (low - high) / curve if curve > 1e-9 else math.copysign(1.0, low - high)
            trial = best + step * float(np.clip(move, -1.5, 1.5))
            candidates = [(at_best, best), (low, best - step), (high, best + step)]
            candidates.append((loss(trial), trial))
            at_best, best = min(candidates, key=lambda item: item[0])
    return best
