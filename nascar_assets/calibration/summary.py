"""A backtest in numbers: the comparison table, skills with intervals, gate, drift, verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.calibration.assess import (
    CalibrationRecord,
    assess_scenario_calibration,
    estimates,
    race_means,
)
from nascar_assets.calibration.backtest_tasks import SALARY_TIERS, Scored
from nascar_assets.calibration.comparisons import Comparison, compare_all, restricted
from nascar_assets.calibration.drift import DriftChart, drift_chart
from nascar_assets.calibration.gate import AIM, Criterion, GateValues, passes, release_gate
from nascar_assets.calibration.metrics_skill import Estimate, skill
from nascar_assets.calibration.race_scores import RaceScores
from nascar_assets.calibration.verdicts import Verdict, judge
from nascar_assets.calibration.words import forecaster
from nascar_assets.columns.calibration import JOINT_METRICS, TABLE_METRICS

CLIMATOLOGY = "start_climatology"
ATTRITION = "attrition_plackett_luce"


@dataclass(frozen=True)
class BacktestSummary:
    """Everything that a backtest's metrics file and report say.

    Attributes:
        model: The model's name.
        settings: Settings of the run.
        records: Calibration record of every forecaster.
        tiers: Forecaster to tier to metric to estimate.
        comparisons: The model against every baseline.
        gate: Criteria of the release gate.
        aim: Criteria of the project's aim.
        verdicts: Verdict on every forecaster.
        drift: Control chart of the finish RPS against start climatology; none with few races.
        race_table: One row per race and forecaster with mean scores.
        exclusions: Race key to the reason why it was left out.
        gained: Races that the feed gained while the backtest ran; not in it.
        unquoted: Market to race key to the reason why it has no forecast of the race.
        effective: Least and mean effective share of scenarios after tilting, where tilted.
        there: The model's record on the races of each forecaster that has fewer, such as a market.
    """

    model: str
    settings: Mapping[str, Any]
    records: Mapping[str, CalibrationRecord]
    tiers: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    comparisons: Sequence[Comparison]
    gate: tuple[Criterion, ...]
    aim: tuple[Criterion, ...]
    verdicts: Mapping[str, Verdict]
    drift: DriftChart | None
    race_table: pl.DataFrame
    exclusions: Mapping[str, str]
    gained: tuple[str, ...]
    unquoted: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    effective: tuple[float, float] | None = None
    there: Mapping[str, CalibrationRecord] = field(default_factory=dict)

    @property
    def races(self) -> int:
        """Number of races scored."""
        return self.records[self.model].races

    def table(self) -> pl.DataFrame:
        """The comparison: one row per forecaster, one column per metric."""
        rows = [
            {"forecaster": name, "races": record.races} | _measured(record)
            for name, record in self.records.items()
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def compared(self) -> list[tuple[str, CalibrationRecord]]:
        """Every forecaster's record by its name for people.

        A record of fewer races than the model's says so, and under it is the model's of those.
        """
        rows = []
        for name, record in self.records.items():
            if name not in self.there:
                rows.append((forecaster(name), record))
                continue
            rows.append((f"{forecaster(name)}, {record.races} of {self.races} races", record))
            rows.append((f"{forecaster(self.model)} there", self.there[name]))
        return rows

    def find(
        self, metric: str, against: str, group: str = "all", label: str = "all"
    ) -> Comparison | None:
        """One comparison, where it exists."""
        wanted = (metric, against, group, label)
        for item in self.comparisons:
            if (item.metric, item.against, item.group, item.label) == wanted:
                return item
        return None

    def as_dict(self) -> dict[str, Any]:
        """The content of `metrics.json`."""
        return {
            "model": self.model,
            "settings": dict(self.settings),
            "races": self.races,
            "exclusions": dict(self.exclusions),
            "exclusion_counts": dict(
                Counter(reason.split(":", 1)[0] for reason in self.exclusions.values())
            ),
            "feed_gained_while_running": list(self.gained),
            "unquoted": {name: dict(races) for name, races in self.unquoted.items()},
            "table": {
                row["forecaster"]: {k: v for k, v in row.items() if k != "forecaster"}
                for row in self.table().iter_rows(named=True)
            },
            "model_there": {name: _measured(record) for name, record in self.there.items()},
            "forecasters": {name: record.as_dict() for name, record in self.records.items()},
            "tiers": {
                name: {
                    tier: {metric: found.as_dict() for metric, found in metrics.items()}
                    for tier, metrics in tiers.items()
                }
                for name, tiers in self.tiers.items()
            },
            "comparisons": [asdict(item) for item in self.comparisons],
            "gate": {"passed": passes(self.gate), "criteria": [asdict(c) for c in self.gate]},
            "aim": {"passed": passes(self.aim), "criteria": [asdict(c) for c in self.aim]},
            "verdicts": {name: asdict(verdict) for name, verdict in self.verdicts.items()},
            "drift": None
            if self.drift is None
            else {
                name: getattr(self.drift, name).tolist()
                for name in ("rolling", "lower", "upper", "alarms")
            },
            "effective_share_after_tilting": None
            if self.effective is None
            else {"minimum": self.effective[0], "mean": self.effective[1]},
        }


def summarise_backtest(
    scored: Sequence[Scored],
    *,
    model: str,
    settings: Mapping[str, Any],
    exclusions: Mapping[str, str],
    gained: tuple[str, ...] = (),
    unquoted: Mapping[str, Mapping[str, str]] | None = None,
    seed: int = 1,
) -> BacktestSummary:
    """Put the scores of all races together.

    Args:
        scored: Scored races in order.
        model: The model's name.
        settings: Settings of the run.
        exclusions: What was left out and why.
        gained: Races that the feed gained meanwhile.
        unquoted: Market to race key to the reason why it has no forecast of the race.
        seed: Seed of the bootstrap.
    """
    names = list(dict.fromkeys([model, *(name for race in scored for name in race.scores)]))
    by_name = {
        name: [race.scores[name] for race in scored if name in race.scores] for name in names
    }
    records = {name: assess_scenario_calibration(races) for name, races in by_name.items()}
    tiers = {
        name: {
            tier: estimates(
                [restricted(r.scores[name], r.tiers, tier) for r in scored if name in r.scores]
            )
            for tier in SALARY_TIERS
        }
        for name in names
        if scored
    }
    comparisons = compare_all(scored, by_name, model, seed)
    values = _gate_values(records[model], comparisons)
    rivals = {name: _skill_of(by_name, name, seed) for name in names}
    there = {
        name: assess_scenario_calibration(_on_races_of(by_name, name, model))
        for name in names
        if records[name].races < records[model].races
    }
    effective = [race.effective for race in scored if race.effective is not None]
    return BacktestSummary(
        model=model,
        settings=settings,
        records=records,
        tiers=tiers,
        comparisons=comparisons,
        gate=release_gate(values),
        aim=release_gate(values, AIM),
        verdicts={name: judge(records[name].metrics, rivals[name]) for name in names},
        drift=_drift(by_name, model),
        race_table=_race_table(by_name),
        exclusions=exclusions,
        gained=gained,
        unquoted=unquoted or {},
        effective=(min(effective), float(np.mean(effective))) if effective else None,
        there=there,
    )


def _measured(record: CalibrationRecord) -> dict[str, float | None]:
    return {metric: record.value(metric) for metric in (*TABLE_METRICS, *JOINT_METRICS)}


def _on_races_of(
    by_name: Mapping[str, list[RaceScores]], name: str, other: str
) -> list[RaceScores]:
    """Another forecaster's scores on the races that a forecaster has."""
    quoted = {race.race_id for race in by_name[name]}
    return [race for race in by_name[other] if race.race_id in quoted]


def _skill_of(by_name: Mapping[str, list[RaceScores]], name: str, seed: int) -> Estimate | None:
    if CLIMATOLOGY not in by_name or not by_name[name]:
        return None
    theirs = _on_races_of(by_name, name, CLIMATOLOGY)
    a, sizes, _ = race_means(by_name[name], "rps_finish")
    b, _, _ = race_means(theirs, "rps_finish")
    if a.size == 0 or a.size != b.size:
        return None
    return skill(a, b, sizes, np.random.default_rng(seed))


def _gate_values(record: CalibrationRecord, comparisons: Sequence[Comparison]) -> GateValues:
    def coverage(metrics: Mapping[str, Estimate]) -> dict[str, dict[int, float]]:
        return {
            variable: {
                level: metrics[f"coverage_{level}_{variable}"].value
                for level in (50, 80, 95)
                if f"coverage_{level}_{variable}" in metrics
            }
            for variable in ("finish", "points")
        }

    overall = {(item.metric, item.against): item for item in comparisons if item.group == "all"}
    rps, points = (
        overall.get(("rps_finish", CLIMATOLOGY)),
        overall.get(("crps_points", CLIMATOLOGY)),
    )
    log = overall.get(("log_score_finish", ATTRITION))
    return GateValues(
        rps_skill=None if rps is None else rps.skill,
        points_skill=None if points is None else points.skill,
        log_score_difference=None if log is None else log.difference.value,
        coverage=coverage(record.metrics),
        coverage_by_type={
            kind: coverage(metrics) for kind, metrics in record.groups.get("track_type", {}).items()
        },
        type_skill={
            item.label: item.skill.value
            for item in comparisons
            if item.group == "track_type"
            and item.metric == "rps_finish"
            and item.against == CLIMATOLOGY
        },
    )


def _drift(by_name: Mapping[str, list[RaceScores]], model: str) -> DriftChart | None:
    if CLIMATOLOGY not in by_name:
        return None
    a, _, _ = race_means(by_name[model], "rps_finish")
    b, _, _ = race_means(by_name[CLIMATOLOGY], "rps_finish")
    return drift_chart(a, b) if a.size >= 4 and a.size == b.size else None


def _race_table(by_name: Mapping[str, list[RaceScores]]) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for name, races in by_name.items():
        for number, race in enumerate(races):
            row: dict[str, Any] = {
                "race_id": race.race_id,
                "race_number": number + 1,
                "forecaster": name,
                "drivers": len(race.driver_ids),
                **race.groups,
            }
            for metric in (*TABLE_METRICS, *JOINT_METRICS):
                values, _, found = race_means([race], metric)
                row[metric] = float(values[0]) if found else None
            rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)
