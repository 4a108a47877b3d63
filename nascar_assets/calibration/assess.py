"""The two calls of the API and the assets: one forecast's metrics, and a record over races."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.calibration.inputs import Missing, pair
from nascar_assets.calibration.metrics_input import Floats
from nascar_assets.calibration.metrics_intervals import pit_histogram
from nascar_assets.calibration.metrics_probability import BrierDecomposition, corp_decomposition
from nascar_assets.calibration.metrics_skill import Estimate, clustered_mean
from nascar_assets.calibration.race_scores import RaceScores, score_variables
from nascar_assets.columns.calibration import CALIBRATION_RECORD
from nascar_assets.columns.column import types_of
from nascar_assets.errors import InputError
from nascar_assets.rules import RuleSet

HEADLINE = ("crps", "log_score", "coverage_50", "coverage_80", "coverage_95")
"""Numbers that every calibration result carries."""

_PRIMARY = ("points", "finish")


class Metrics(dict[str, Any]):
    """Metrics by name, also as attributes: `metrics["crps"]` and `metrics.crps`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def score_race(
    scenarios: Any,
    outcomes: Any,
    *,
    rules: RuleSet | None = None,
    weights: npt.ArrayLike | None = None,
    race_id: str = "",
    groups: Mapping[str, str] | None = None,
    teams: Mapping[str, str | None] | Sequence[str | None] | None = None,
    missing: Missing = "refuse",
    joint: bool = True,
) -> RaceScores:
    """Score one race's forecast, driver by driver.

    Args:
        scenarios: A `Scenarios` value, a mapping of arrays [m, N], a table with one row per
            scenario and driver, or one plain array [m, N].
        outcomes: The race's rows of a results table, a mapping of arrays [N] or one array [N].
        rules: The contest whose points are scored; DraftKings Classic if left out.
        weights: Weight of each scenario [m].
        race_id: The race.
        groups: Labels of the race, such as its track type.
        teams: Team of each driver: by driver id, or [N].
        missing: Whether drivers on one side alone refuse the race or are left out.
        joint: Whether to compute the energy and variogram scores too.

    Raises:
        InputError: If forecast and outcome do not fit each other or hold NaN.
    """
    pairing = pair(scenarios, outcomes, rules=rules, missing=missing)
    if isinstance(teams, Mapping):
        teams = [teams.get(driver) for driver in pairing.driver_ids]
    scores = score_variables(
        pairing.variables,
        weights=pairing.weights if weights is None else weights,
        race_id=race_id,
        driver_ids=pairing.driver_ids,
        groups=groups,
        teams=teams,
        field_size=pairing.field_size,
        joint=joint,
    )
    return replace(scores, excluded=pairing.excluded)


def compute_all_metrics(
    scenarios: Any,
    outcomes: Any,
    *,
    rules: RuleSet | None = None,
    weights: npt.ArrayLike | None = None,
    teams: Mapping[str, str | None] | Sequence[str | None] | None = None,
    missing: Missing = "refuse",
    joint: bool = True,
) -> Metrics:
    """All metrics of one race's forecast against its outcome.

    Arguments and errors are those of `score_race`.

    Returns:
        Means over drivers by metric: `crps` and `coverage_50`, `coverage_80`, `coverage_95` of
        the headline variable (contest points where known, else the finish, else the array that
        was given; `variable` names it), `log_score` of the finish where there is one, and every
        other metric as `{metric}_{variable}`; joint scores; the number of drivers and scenarios;
        `excluded`, the drivers left out with the reason. A metric that does not exist is None.
    """
    scores = score_race(
        scenarios,
        outcomes,
        rules=rules,
        weights=weights,
        teams=teams,
        missing=missing,
        joint=joint,
    )
    means = {name: _mean(values) for name, values in scores.per_driver.items()}
    joint_scores = {name: _number(value) for name, value in scores.joint.items()}
    result = Metrics(headline({**means, **joint_scores}, scores.pit))
    result |= means
    result |= joint_scores
    result["variable"] = primary_variable(scores.pit)
    result["drivers"] = len(scores.driver_ids)
    result["scenarios"] = scores.scenarios
    result["effective_scenarios"] = scores.effective_scenarios
    result["excluded"] = dict(scores.excluded)
    return result


def primary_variable(names: Iterable[str]) -> str:
    """The variable of the headline: points, else finish, else the first that was given."""
    known = list(names)
    for name in _PRIMARY:
        if name in known:
            return name
    if not known:
        raise InputError("No variable has a CRPS.", field="scenarios")
    return known[0]


def headline(values: Mapping[str, Any], variables: Iterable[str]) -> dict[str, Any]:
    """The headline numbers out of all."""
    known = list(variables)
    main = primary_variable(known)
    scored = "finish" if "finish" in known else main
    names = {
        "crps": f"crps_{main}",
        "log_score": f"log_score_{scored}",
        **{f"coverage_{level}": f"coverage_{level}_{main}" for level in (50, 80, 95)},
    }
    return {short: values.get(name) for short, name in names.items()}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mean(values: Floats) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else None


@dataclass(frozen=True, slots=True)
class CalibrationRecord:
    """How well forecasts of many races were calibrated.

    Attributes:
        races: Number of races scored.
        drivers: Number of driver forecasts scored.
        metrics: Metric to its estimate over all races; the headline numbers among them.
        groups: Label (`track_type`, `season`) to its values to metric to estimate.
        pit: Variable or functional of the race to its non-random PIT histogram.
        reliability: Event to the CORP decomposition of its Brier score.
        exclusions: Reason to how many drivers or races were left out for it.
        reason: Why there are no metrics, where there are none.
    """

    races: int
    drivers: int
    metrics: Mapping[str, Estimate]
    groups: Mapping[str, Mapping[str, Mapping[str, Estimate]]] = field(default_factory=dict)
    pit: Mapping[str, Floats] = field(default_factory=dict)
    reliability: Mapping[str, BrierDecomposition] = field(default_factory=dict)
    exclusions: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None

    def value(self, metric: str) -> float | None:
        """A metric over all races; none where it does not exist."""
        estimate = self.metrics.get(metric)
        return None if estimate is None else estimate.value

    def headline(self) -> dict[str, float | None] | None:
        """crps, log_score and coverages; none where there was no history to measure on."""
        if self.races == 0:
            return None
        return {name: self.value(name) for name in HEADLINE}

    def to_polars(self) -> pl.DataFrame:
        """One row per group, label and metric, with standard error and number of races."""
        rows = [("all", "all", name, item) for name, item in self.metrics.items()]
        for group, labels in self.groups.items():
            for label, metrics in labels.items():
                rows += [(group, label, name, item) for name, item in metrics.items()]
        return pl.DataFrame(
            [
                {"group": group, "label": label, "metric": metric, **item.as_dict()}
                for group, label, metric, item in rows
            ],
            schema=types_of(CALIBRATION_RECORD),
        )

    def as_dict(self) -> dict[str, Any]:
        """The record for JSON."""
        return {
            "races": self.races,
            "drivers": self.drivers,
            "reason": self.reason,
            "metrics": {name: item.as_dict() for name, item in self.metrics.items()},
            "groups": {
                group: {
                    label: {name: item.as_dict() for name, item in metrics.items()}
                    for label, metrics in labels.items()
                }
                for group, labels in self.groups.items()
            },
            "pit": {name: [float(share) for share in shares] for name, shares in self.pit.items()},
            "brier": {
                event: {
                    name: getattr(item, name)
                    for name in ("brier", "miscalibration", "discrimination", "uncertainty")
                }
                for event, item in self.reliability.items()
            },
            "exclusions": dict(self.exclusions),
        }


def assess_scenario_calibration(
    races: Iterable[Any],
    *,
    rules: RuleSet | None = None,
    missing: Missing = "exclude",
    bins: int = 10,
    exclusions: Mapping[str, int] | None = None,
) -> CalibrationRecord:
    """Assess forecasts of many races: every metric with its race-clustered standard error.

    Args:
        races: Scores of races (`RaceScores`), or pairs (scenarios, outcomes), or triples with
            the race's labels, such as `{"track_type": "short", "season": "2025"}`.
        rules: The contest whose points are scored, for pairs and triples.
        missing: What to do about drivers on one side alone, for pairs and triples.
        bins: Bins of the PIT histograms.
        exclusions: Reasons and counts of what the caller left out already.

    Returns:
        The record; with no races, an empty one with the reason.

    Raises:
        InputError: If a race's forecast and outcome do not fit each other.
    """
    scored = [_as_scores(race, rules, missing) for race in races]
    left_out = Counter(exclusions or {})
    for race in scored:
        left_out.update(f"driver {reason}" for reason in race.excluded.values())
    if not scored:
        return CalibrationRecord(
            races=0,
            drivers=0,
            metrics={},
            exclusions=dict(left_out),
            reason="there is no past race with a forecast and a result",
        )
    means = [means_of(race) for race in scored]
    labels: dict[str, dict[str, list[int]]] = {}
    for number, race in enumerate(scored):
        for group, label in race.groups.items():
            labels.setdefault(group, {}).setdefault(label, []).append(number)
    return CalibrationRecord(
        races=len(scored),
        drivers=sum(len(race.driver_ids) for race in scored),
        metrics=estimates(scored, means),
        groups={
            group: {
                label: estimates([scored[k] for k in members], [means[k] for k in members])
                for label, members in sorted(by_label.items())
            }
            for group, by_label in labels.items()
        },
        pit=_pit_histograms(scored, bins),
        reliability=_reliability(scored),
        exclusions=dict(left_out),
    )


def _as_scores(race: Any, rules: RuleSet | None, missing: Missing) -> RaceScores:
    if isinstance(race, RaceScores):
        return race
    if not isinstance(race, Sequence) or len(race) not in (2, 3):
        raise InputError(
            "A race must be its scores, (scenarios, outcomes) or (scenarios, outcomes, labels).",
            field="races",
        )
    groups = race[2] if len(race) == 3 else None
    return score_race(race[0], race[1], rules=rules, groups=groups, missing=missing)


def race_means(scores: Sequence[RaceScores], metric: str) -> tuple[Floats, Floats, list[int]]:
    """A metric's mean in each race that has it, its drivers, and the races' indices."""
    means, sizes, index = [], [], []
    for number, race in enumerate(scores):
        if metric in race.per_driver:
            values = race.per_driver[metric]
            values = values[np.isfinite(values)]
            if values.size:
                means.append(float(values.mean()))
                sizes.append(float(values.size))
                index.append(number)
        elif metric in race.joint and np.isfinite(race.joint[metric]):
            means.append(race.joint[metric])
            sizes.append(1.0)
            index.append(number)
    return np.array(means), np.array(sizes), index


RaceMeans = Mapping[str, tuple[float, float]]
"""One race's mean and number of drivers by metric, for metrics that it has."""


def means_of(race: RaceScores) -> RaceMeans:
    """Every metric's mean over the drivers who have it: all of `race_means` of one race."""
    names = list(race.per_driver)
    values = np.array([race.per_driver[name] for name in names]).reshape(len(names), -1)
    known = np.isfinite(values)
    whole = values.mean(axis=1) if values.shape[1] else np.zeros(len(names))
    found: dict[str, tuple[float, float]] = {}
    for row, (name, count) in enumerate(zip(names, known.sum(axis=1).tolist(), strict=True)):
        if count:
            mean = whole[row] if count == values.shape[1] else values[row][known[row]].mean()
            found[name] = (float(mean), float(count))
    for name, value in race.joint.items():
        if np.isfinite(value):
            found[name] = (float(value), 1.0)
    return found


def estimates(
    scores: Sequence[RaceScores], means: Sequence[RaceMeans] | None = None
) -> dict[str, Estimate]:
    """Every metric over some races, the headline numbers first.

    Args:
        scores: The races.
        means: Their `means_of`, where they are at hand.
    """
    names: dict[str, None] = {}
    variables: dict[str, None] = {}
    for race in scores:
        names |= dict.fromkeys([*race.per_driver, *race.joint])
        variables |= dict.fromkeys(race.pit)
    by_race = [means_of(race) for race in scores] if means is None else means
    found: dict[str, Estimate] = {}
    for name in names:
        pairs = [race[name] for race in by_race if name in race]
        if pairs:
            found[name] = clustered_mean([mean for mean, _ in pairs], [size for _, size in pairs])
    short = {k: v for k, v in headline(found, variables).items() if v is not None}
    return {**short, **found}


def _pit_histograms(scores: Sequence[RaceScores], bins: int) -> dict[str, Floats]:
    bounds: dict[str, list[tuple[Floats, Floats]]] = {}
    for race in scores:
        for name, (low, high) in race.pit.items():
            bounds.setdefault(name, []).append((low, high))
        for name, (a, b) in race.joint_pit.items():
            key = f"race_{name}"
            bounds.setdefault(key, []).append((np.array([a]), np.array([b])))
    return {
        name: pit_histogram(
            np.concatenate([low for low, _ in items]),
            np.concatenate([high for _, high in items]),
            bins,
        )
        for name, items in bounds.items()
    }


def _reliability(scores: Sequence[RaceScores]) -> dict[str, BrierDecomposition]:
    events: dict[str, list[tuple[Floats, Floats]]] = {}
    for race in scores:
        for name, both in race.events.items():
            events.setdefault(name, []).append(both)
    return {
        name: corp_decomposition(
            np.concatenate([p for p, _ in items]), np.concatenate([y for _, y in items])
        )
        for name, items in events.items()
    }
