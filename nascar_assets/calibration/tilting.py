"""Entropic tilting: scenarios weighted towards calibrated probabilities, then resampled.

The events are a win, a top 5 and a top 10 of every driver; `entropic.py` finds the weights. The
constraints are soft (a ridge), and the targets step back towards the raw probabilities until the
weighted set is worth half of its scenarios. Every scenario stays a race that could happen, because
scenarios are only counted differently, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from nascar_assets.calibration.entropic import Moments, entropic_weights
from nascar_assets.calibration.forecasts import (
    Forecaster,
    KnownHistory,
    RaceForecast,
    RaceToForecast,
)
from nascar_assets.calibration.metrics_input import Floats, Numbers, effective_size

TOPS: Mapping[str, int] = {"win": 1, "top_5": 5, "top_10": 10}
"""Events whose probabilities are tilted, with the last place that counts."""
EFFECTIVE_FLOOR = 0.5
"""Least effective share of scenarios after tilting."""
RIDGE = 1e-3
"""Softness of the constraints: the variance allowed to each mean, in squared deviations."""
FEWEST_RACES = 20
"""Scored races below which no map is fitted."""
PRIOR_SPREAD = (0.3, 0.2)
"""Standard deviations of a map's offset and of its slope about 1."""
HELD_BACK = 1.0 / 3.0
_BY_SCENARIO = ("finish", "laps_led", "fastest_laps", "laps_completed", "status", "points")
STANDARD_ERRORS = 1.0


@dataclass(frozen=True, slots=True)
class ProbabilityMap:
    """logit of the calibrated probability = offset + slope * logit of the raw one."""

    offset: float = 0.0
    slope: float = 1.0

    def __call__(self, probability: Floats) -> Floats:
        """Calibrated probabilities of raw ones, kept off 0 and 1."""
        clipped = np.clip(probability, 1e-4, 1.0 - 1e-4)
        return np.asarray(expit(self.offset + self.slope * logit(clipped)), np.float64)


@dataclass(frozen=True, slots=True)
class TiltingMaps:
    """Maps by event, with how they did on the races held back.

    Attributes:
        by_event: Map of each event; events whose map did not help are absent.
        gains: Gain in Brier score on the races held back, with its standard error, by event.
    """

    by_event: Mapping[str, ProbabilityMap] = field(default_factory=dict)
    gains: Mapping[str, tuple[float, float]] = field(default_factory=dict)


PastEvents = Sequence[Mapping[str, tuple[Floats, Floats]]]
"""Per past race: event to (raw forecast probabilities [N], whether it happened [N])."""


def fit_maps(past: PastEvents) -> TiltingMaps:
    """Fit a map per event on past out-of-sample races, and keep it if it helps.

    Fitted on the earlier two thirds by penalised likelihood and judged by the Brier score of the
    latest third: kept if it gains at least one race-clustered standard error there, and then
    fitted again on all.

    Args:
        past: Events of past races, in order.
    """
    if len(past) < FEWEST_RACES:
        return TiltingMaps()
    split = len(past) - round(len(past) * HELD_BACK)
    maps: dict[str, ProbabilityMap] = {}
    gains: dict[str, tuple[float, float]] = {}
    for event in TOPS:
        races = [race[event] for race in past if event in race]
        early, late = races[:split], races[split:]
        if len(late) < 2 or not early:
            continue
        found = _fit_map(early)
        gain = np.array([np.mean((p - y) ** 2) - np.mean((found(p) - y) ** 2) for p, y in late])
        error = float(gain.std(ddof=1) / np.sqrt(gain.size))
        gains[event] = (float(gain.mean()), error)
        if gain.mean() > 0.0 and gain.mean() >= STANDARD_ERRORS * error:
            maps[event] = _fit_map(races)
    return TiltingMaps(maps, gains)


def _fit_map(races: Sequence[tuple[Floats, Floats]]) -> ProbabilityMap:
    from scipy.optimize import minimize

    p = np.clip(np.concatenate([race[0] for race in races]), 1e-4, 1.0 - 1e-4)
    y = np.concatenate([race[1] for race in races])
    x = logit(p)

    def loss(at: Floats) -> tuple[float, Floats]:
        eta = at[0] + at[1] * x
        value = float((np.logaddexp(0.0, eta) - y * eta).sum())
        residual = expit(eta) - y
        centred = (at - np.array([0.0, 1.0])) / np.array(PRIOR_SPREAD)
        gradient = np.array([residual.sum(), (residual * x).sum()])
        return (
            value + 0.5 * float(np.square(centred).sum()),
            gradient + centred / np.array(PRIOR_SPREAD),
        )

    found = minimize(loss, np.array([0.0, 1.0]), jac=True, method="L-BFGS-B")
    return ProbabilityMap(float(found.x[0]), float(found.x[1]))


def tilting_weights(finish: Numbers, targets: Mapping[str, Floats]) -> Floats:
    """Weights of scenarios that bring events towards target probabilities.

    Args:
        finish: Places from 1 [m, N].
        targets: Event of `TOPS` to target probabilities [N].

    Returns:
        Weights [m], summing to one.
    """
    m = finish.shape[0]
    if not targets:
        return np.full(m, 1.0 / m)
    events = np.concatenate([finish <= TOPS[name] for name in targets], axis=1)
    wanted = np.concatenate([conserved(targets[name], TOPS[name]) for name in targets])
    return entropic_weights(Moments.of(events), wanted, floor=EFFECTIVE_FLOOR, ridge=RIDGE).weights


def conserved(probability: Floats, total: int) -> Floats:
    """Probabilities shifted on the logit scale so that they sum to the places there are."""
    if total >= probability.size:
        return np.ones_like(probability)
    low, high = -20.0, 20.0
    x = logit(np.clip(probability, 1e-6, 1.0 - 1e-6))
    for _ in range(60):
        middle = 0.5 * (low + high)
        if expit(x + middle).sum() < total:
            low = middle
        else:
            high = middle
    return np.asarray(expit(x + 0.5 * (low + high)), np.float64)


def systematic_resampling(
    weights: Floats, n: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Indices of n scenarios, each taken n times its weight, give or take one.

    Kitagawa 1996, doi:10.2307/1390750: one uniform draw moves a comb over the summed weights.

    Args:
        weights: Weights [m], summing to one.
        n: Scenarios wanted.
        rng: Source of the one draw.
    """
    comb = (np.arange(n) + rng.random()) / n
    return np.minimum(np.searchsorted(np.cumsum(weights), comb), weights.size - 1)


@dataclass(frozen=True)
class Tilted:
    """A forecaster whose scenarios are tilted and resampled.

    Attributes:
        base: The forecaster.
        maps: Calibrating maps.
    """

    base: Forecaster
    maps: TiltingMaps

    @property
    def name(self) -> str:
        """The base forecaster's name."""
        return self.base.name

    @property
    def version(self) -> str:
        """The base forecaster's version and the maps."""
        if not self.maps.by_event:
            return self.base.version
        parts = [
            f"{event}{found.offset:+.6f}x{found.slope:.6f}"
            for event, found in sorted(self.maps.by_event.items())
        ]
        return f"{self.base.version}+tilt({','.join(parts)})"

    def forecast(
        self, history: KnownHistory, race: RaceToForecast, n: int, seed: int
    ) -> RaceForecast:
        """See `Forecaster.forecast`."""
        made = self.base.forecast(history, race, n, seed)
        raw = {name: (made.finish <= top).mean(axis=0) for name, top in TOPS.items()}
        targets = {name: found(raw[name]) for name, found in self.maps.by_event.items()}
        weights = tilting_weights(made.finish, targets)
        effective = effective_size(weights, n)
        untilted = {**raw, "effective_scenarios": np.array([effective])}
        if not targets:
            return replace(made, untilted=untilted)
        rows = systematic_resampling(weights, n, np.random.default_rng(seed))
        taken = {name: getattr(made, name)[rows] for name in _BY_SCENARIO}
        return replace(made, **taken, untilted=untilted)
