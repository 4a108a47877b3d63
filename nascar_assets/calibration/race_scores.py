"""One race scored: every metric of a forecast against what happened, driver by driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.calibration.metrics_crps import (
    crps_ensemble,
    rank_probabilities,
    rps_of_probabilities,
)
from nascar_assets.calibration.metrics_input import (
    Floats,
    Numbers,
    checked,
    dot,
    effective_size,
    mix,
    normalised_weights,
)
from nascar_assets.calibration.metrics_intervals import (
    LEVELS,
    central_coverage,
    central_intervals,
    pit_bounds,
)
from nascar_assets.calibration.metrics_joint import (
    best_sum,
    energy_score,
    leaders,
    most_laps_led,
    teammate_correlation,
    variogram_score,
)
from nascar_assets.calibration.metrics_log import kernel_log_score, rank_log_score
from nascar_assets.calibration.metrics_probability import brier_score
from nascar_assets.errors import InputError

BEST_DRIVERS = 6
"""Drivers in the sum of the best: a DraftKings lineup."""


@dataclass(frozen=True, slots=True)
class RaceScores:
    """Scores of one race's forecast.

    Attributes:
        race_id: The race.
        driver_ids: Drivers in the order of every [N] array.
        groups: Labels of the race, such as its track type and season.
        per_driver: Score name to values [N]; a NaN is a score that does not exist.
        pit: Variable to the bounds of its PIT, two arrays [N].
        events: Event to (forecast probability [N], whether it happened [N]).
        joint: Score name to the race's one number.
        joint_pit: Functional of the whole race to the bounds of its PIT.
        scenarios: Number of scenarios.
        effective_scenarios: Effective number, below `scenarios` if they are weighted.
        excluded: Drivers left out, with the reason.
    """

    race_id: str
    driver_ids: tuple[str, ...]
    groups: Mapping[str, str]
    per_driver: Mapping[str, Floats]
    pit: Mapping[str, tuple[Floats, Floats]]
    events: Mapping[str, tuple[Floats, Floats]]
    joint: Mapping[str, float]
    joint_pit: Mapping[str, tuple[float, float]]
    scenarios: int
    effective_scenarios: float
    excluded: Mapping[str, str] = field(default_factory=dict)


def score_variables(
    variables: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    *,
    weights: npt.ArrayLike | None = None,
    race_id: str = "",
    driver_ids: Sequence[str] = (),
    groups: Mapping[str, str] | None = None,
    teams: Sequence[str | None] | None = None,
    field_size: int | None = None,
    joint: bool = True,
) -> RaceScores:
    """Score a race's forecast, variable by variable.

    `finish` (places from 1), `points`, `laps_led`, `retired` (0 or 1) and `optimal` (0 or 1, in
    the optimal lineup, from the optimiser) get the scores that are theirs; any other variable
    gets CRPS, coverage and a kernel log score.

    Args:
        variables: Name to (scenarios [m, N], outcome [N]).
        weights: Weight of each scenario [m].
        race_id: The race.
        driver_ids: Drivers [N]; numbers where left out.
        groups: Labels of the race.
        teams: Team of each driver [N], for the correlation of teammates.
        field_size: Number of places, where drivers were left out.
        joint: Whether to compute energy and variogram score, whose cost grows with m^2 and N^2.

    Raises:
        nascar_assets.errors.InputError: If the arrays do not fit each other or hold NaN.
    """
    pairs = {name: checked(*pair, name=name) for name, pair in variables.items()}
    size, drivers = _shape(pairs)
    scaled = normalised_weights(weights, size)
    per_driver: dict[str, Floats] = {}
    pit: dict[str, tuple[Floats, Floats]] = {}
    events: dict[str, tuple[Floats, Floats]] = {}
    whole: dict[str, float] = {}
    whole_pit: dict[str, tuple[float, float]] = {}
    for name, (values, truth) in pairs.items():
        if name in ("retired", "optimal"):
            events[name] = (_mean(values, scaled), truth.astype(np.float64))
            continue
        per_driver |= _marginal_scores(name, values, truth, scaled)
        pit[name] = pit_bounds(values, truth, scaled)
        if joint and name in ("finish", "points") and drivers > 1:
            whole[f"energy_{name}"] = energy_score(values, truth, scaled)
            whole[f"variogram_{name}"] = variogram_score(values, truth, scaled)
    if "finish" in pairs:
        places = field_size or max(drivers, int(max(end.max() for end in pairs["finish"])))
        _score_finish(pairs["finish"], places, scaled, per_driver, events, whole)
    if "laps_led" in pairs:
        events["most_laps_led"] = _most_laps_led(pairs["laps_led"], scaled)
    for name, (values, truth) in _functionals(pairs, teams).items():
        whole[f"crps_{name}"] = float(crps_ensemble(values, truth, scaled))
        low, high = pit_bounds(values, truth, scaled)
        whole_pit[name] = (float(low), float(high))
    for name, (probability, happened) in events.items():
        per_driver[f"brier_{name}"] = brier_score(probability, happened)
    return RaceScores(
        race_id=race_id,
        driver_ids=tuple(driver_ids) or tuple(str(index) for index in range(drivers)),
        groups=dict(groups or {}),
        per_driver=per_driver,
        pit=pit,
        events=events,
        joint=whole,
        joint_pit=whole_pit,
        scenarios=size,
        effective_scenarios=effective_size(scaled, size),
    )


def _shape(pairs: Mapping[str, tuple[Numbers, Numbers]]) -> tuple[int, int]:
    shapes = {name: values.shape for name, (values, _) in pairs.items()}
    if not shapes:
        raise InputError("There is no variable to score.", field="scenarios")
    if len(set(shapes.values())) > 1:
        text = ", ".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
        raise InputError(f"The arrays are of unequal size: {text}.", field="scenarios")
    shape = next(iter(shapes.values()))
    if len(shape) != 2:
        raise InputError(
            f"Scenarios must be [scenarios, drivers], found {shape}.", field="scenarios"
        )
    if shape[1] == 0:
        raise InputError("The forecast holds no drivers.", field="scenarios")
    return shape[0], shape[1]


def _mean(values: Numbers, weights: Floats | None) -> Floats:
    mean = values.mean(axis=0) if weights is None else mix(weights, values)
    return np.clip(np.asarray(mean, np.float64), 0.0, 1.0)


def _marginal_scores(
    name: str, values: Numbers, truth: Numbers, weights: Floats | None
) -> dict[str, Floats]:
    scores = {f"crps_{name}": crps_ensemble(values, truth, weights)}
    if values.shape[0] > 1:
        scores[f"fair_crps_{name}"] = crps_ensemble(values, truth, weights, fair=True)
    if name not in ("finish", "laps_led", "fastest_laps", "laps_completed"):
        # Counts with a large mass at 0 have no density; a finish has its own log score.
        scores[f"log_score_{name}"] = kernel_log_score(values, truth, weights)
    lower, upper = pit_bounds(values, truth, weights)
    for interval in central_intervals(values, truth, LEVELS, weights):
        tag = f"{round(100 * interval.level)}_{name}"
        scores[f"coverage_{tag}"] = central_coverage(lower, upper, interval.level)
        scores[f"interval_coverage_{tag}"] = interval.covered.astype(np.float64)
        scores[f"width_{tag}"] = interval.width
        scores[f"interval_score_{tag}"] = interval.score
    return scores


def _score_finish(
    finish: tuple[Numbers, Numbers],
    places: int,
    weights: Floats | None,
    per_driver: dict[str, Floats],
    events: dict[str, tuple[Floats, Floats]],
    whole: dict[str, float],
) -> None:
    values, truth = finish
    probabilities = rank_probabilities(values, places, weights)
    per_driver["rps_finish"] = rps_of_probabilities(probabilities, truth)
    per_driver["log_score_finish"] = rank_log_score(values, truth, weights, field=places)
    for name, top in (("win", 1), ("top_5", 5), ("top_10", 10)):
        probability = np.minimum(probabilities[:, :top].sum(axis=1), 1.0)
        events[name] = (probability, (truth <= top).astype(np.float64))
    expected = dot(probabilities, np.arange(1.0, places + 1.0))
    whole["rank_correlation"] = rank_correlation(expected, truth)


def rank_correlation(forecast: npt.ArrayLike, outcome: npt.ArrayLike) -> float:
    """Spearman's rank correlation, mid-ranks for ties; NaN where either side is constant."""
    # Rounded, so that equal expectations tie whatever the order in which they were summed.
    a = pl.Series(np.round(np.asarray(forecast, np.float64), 9)).rank("average").to_numpy()
    b = pl.Series(np.asarray(outcome, np.float64)).rank("average").to_numpy()
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / spread if spread > 0 else float("nan")


def _most_laps_led(laps: tuple[Numbers, Numbers], weights: Floats | None) -> tuple[Floats, Floats]:
    """Probability and truth of leading the most laps, shared where drivers tie."""
    values, truth = laps
    share = _leading_share(values)
    probability = share.mean(axis=0) if weights is None else mix(weights, share)
    return np.clip(probability, 0.0, 1.0), _leading_share(truth[None])[0]


def _leading_share(laps: Numbers) -> Floats:
    top = laps.max(axis=1, keepdims=True)
    best = (laps == top) & (top > 0)
    return best / np.maximum(best.sum(axis=1, keepdims=True), 1)


def _functionals(
    pairs: Mapping[str, tuple[Numbers, Numbers]], teams: Sequence[str | None] | None
) -> dict[str, tuple[Floats, Floats]]:
    """Functionals of the joint forecast: name to (scenarios [m], outcome [])."""
    result: dict[str, tuple[Floats, Floats]] = {}
    if "points" in pairs:
        values, truth = pairs["points"]
        result["best_six"] = (best_sum(values, BEST_DRIVERS), best_sum(truth, BEST_DRIVERS))
    if "laps_led" in pairs:
        values, truth = pairs["laps_led"]
        result["most_laps_led"] = (most_laps_led(values), most_laps_led(truth))
        result["leaders"] = (leaders(values), leaders(truth))
    if "retired" in pairs:
        values, truth = pairs["retired"]
        result["retirements"] = (
            values.sum(axis=1).astype(np.float64),
            np.asarray(truth.sum(), np.float64),
        )
    if "finish" in pairs and teams is not None:
        values, truth = pairs["finish"]
        correlation = teammate_correlation(values, teams)
        if np.isfinite(correlation).all():
            result["teammates"] = (correlation, teammate_correlation(truth, teams))
    return result
