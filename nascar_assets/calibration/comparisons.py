"""The model against each baseline on the same races: overall, by track type, season and tier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nascar_assets.calibration.assess import race_means
from nascar_assets.calibration.backtest_tasks import SALARY_TIERS, Scored
from nascar_assets.calibration.metrics_input import Floats
from nascar_assets.calibration.metrics_skill import (
    Estimate,
    mean_difference,
    resampled_races,
    skill,
)
from nascar_assets.calibration.race_scores import RaceScores

SKILL_METRICS: tuple[str, ...] = (
    "rps_finish",
    "log_score_finish",
    "crps_points",
    "brier_win",
    "brier_top_5",
    "brier_top_10",
    "brier_most_laps_led",
    "crps_best_six",
    "crps_most_laps_led",
    "crps_leaders",
    "crps_retirements",
)
"""Metrics whose skill and difference are given with an interval."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The model against one baseline on the same races, in one metric.

    Attributes:
        metric: The score; lower is better.
        against: The baseline.
        group: `all`, `track_type`, `season` or `tier`.
        label: Its value.
        skill: 1 - score / baseline score.
        difference: Score minus the baseline's.
    """

    metric: str
    against: str
    group: str
    label: str
    skill: Estimate
    difference: Estimate


def restricted(scores: RaceScores, tiers: Sequence[str], tier: str) -> RaceScores:
    """The scores of one tier's drivers; scores of the whole race fall away."""
    chosen = np.array([label == tier for label in tiers])
    return replace(
        scores,
        driver_ids=tuple(np.array(scores.driver_ids)[chosen].tolist()),
        per_driver={name: values[chosen] for name, values in scores.per_driver.items()},
        pit={name: (low[chosen], high[chosen]) for name, (low, high) in scores.pit.items()},
        events={name: (p[chosen], y[chosen]) for name, (p, y) in scores.events.items()},
        joint={},
        joint_pit={},
    )


def compare_all(
    scored: Sequence[Scored], by_name: Mapping[str, list[RaceScores]], model: str, seed: int
) -> list[Comparison]:
    """The model against every other forecaster, on the races that both forecast.

    Args:
        scored: Scored races in order.
        by_name: Scores by forecaster.
        model: The model's name.
        seed: Seed of the bootstrap.
    """
    result: list[Comparison] = []
    for rival in by_name:
        if rival == model or not scored:
            continue
        both = [race for race in scored if rival in race.scores]
        ours = [race.scores[model] for race in both]
        theirs = [race.scores[rival] for race in both]
        result += _compare(ours, theirs, rival, "all", "all", seed)
        for group in ours[0].groups:
            for label in sorted({race.groups[group] for race in ours}):
                chosen = [i for i, race in enumerate(ours) if race.groups[group] == label]
                result += _compare(
                    [ours[i] for i in chosen],
                    [theirs[i] for i in chosen],
                    rival,
                    group,
                    label,
                    seed,
                )
        for tier in SALARY_TIERS:
            result += _compare(
                [restricted(race.scores[model], race.tiers, tier) for race in both],
                [restricted(race.scores[rival], race.tiers, tier) for race in both],
                rival,
                "tier",
                tier,
                seed,
            )
    return result


def _compare(
    ours: Sequence[RaceScores],
    theirs: Sequence[RaceScores],
    rival: str,
    group: str,
    label: str,
    seed: int,
) -> list[Comparison]:
    result = []
    drawn: dict[int, Floats] = {}  # the same resamples for every metric, so that they compare
    for metric in SKILL_METRICS:
        a, sizes, races_a = race_means(ours, metric)
        b, _, races_b = race_means(theirs, metric)
        shared = sorted(set(races_a) & set(races_b))
        if not shared:
            continue
        at_a, at_b = [races_a.index(i) for i in shared], [races_b.index(i) for i in shared]
        a, b, sizes = a[at_a], b[at_b], sizes[at_a]
        if not float(b.sum()) > 0.0:
            continue
        if a.size not in drawn:
            drawn[a.size] = resampled_races(a.size, np.random.default_rng(seed))
        result.append(
            Comparison(
                metric=metric,
                against=rival,
                group=group,
                label=label,
                skill=skill(a, b, sizes, drawn[a.size]),
                difference=mean_difference(a, b, sizes, drawn[a.size]),
            )
        )
    return result
