"""A backtest's tables as Markdown, for a terminal, an asset's metadata and the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nascar_assets.calibration.gate import Criterion
from nascar_assets.calibration.metrics_skill import Estimate
from nascar_assets.calibration.report import number
from nascar_assets.calibration.summary import (
    ATTRITION,
    CLIMATOLOGY,
    BacktestSummary,
)
from nascar_assets.calibration.words import plain_name

MAIN_METRICS = (
    "rps_finish",
    "log_score_finish",
    "brier_win",
    "brier_top_10",
    "brier_most_laps_led",
    "rank_correlation",
    "crps_points",
)
COVERAGES = tuple(
    f"coverage_{level}_{variable}" for variable in ("finish", "points") for level in (50, 80, 95)
)


Grid = tuple[list[str], list[list[str]]]
"""A table's header and its rows, as text."""


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others numbers."""
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def comparison_grid(summary: BacktestSummary, metrics: Sequence[str] = MAIN_METRICS) -> Grid:
    """Forecasters against each other, and the model on the races of those that have fewer."""
    digits = {name: 4 if "brier" in name else 3 for name in metrics}
    rows = [
        [name, *(number(record.value(metric), digits[metric]) for metric in metrics)]
        for name, record in summary.compared()
    ]
    return ["", *(plain_name(metric) for metric in metrics)], rows


def comparison_table(summary: BacktestSummary, metrics: Sequence[str] = MAIN_METRICS) -> str:
    """The comparison as Markdown."""
    return markdown_table(*comparison_grid(summary, metrics))


def skill_grid(summary: BacktestSummary) -> Grid:
    """Skill of the model by track type, season and tier, with race-clustered 95% intervals."""
    rows = []
    for item in summary.comparisons:
        if item.against != CLIMATOLOGY or item.metric != "rps_finish":
            continue
        cells = [item.label, str(item.skill.races)]
        for metric, rival in (
            ("rps_finish", CLIMATOLOGY),
            ("crps_points", CLIMATOLOGY),
            ("rps_finish", ATTRITION),
        ):
            found = summary.find(metric, rival, item.group, item.label)
            cells.append("–" if found is None else percent_range(found.skill))
        log = summary.find("log_score_finish", ATTRITION, item.group, item.label)
        cells.append("–" if log is None else number(log.difference.value, 3))
        rows.append(cells)
    header = [
        "",
        "races",
        "RPS skill over climatology",
        "points skill over climatology",
        "RPS skill over attrition Plackett-Luce",
        "log score minus attrition Plackett-Luce",
    ]
    return header, rows


def percent_range(skill: Estimate) -> str:
    """A skill in percent with its 95% interval."""
    value = f"{100 * skill.value:.1f}%"
    if skill.lower is None or skill.upper is None:
        return value
    return f"{value} ({100 * skill.lower:.1f} to {100 * skill.upper:.1f})"


def coverage_grid(summary: BacktestSummary, metrics: Sequence[str] = COVERAGES) -> Grid:
    """Coverage of the model's intervals in percent, with standard errors, by track type."""
    record = summary.records[summary.model]
    groups = {"all": record.metrics, **record.groups.get("track_type", {})}
    rows = []
    for name, estimates in groups.items():
        cells = [name]
        for metric in metrics:
            found = estimates.get(metric)
            if found is None:
                cells.append("–")
                continue
            error = found.standard_error
            text = f"{100 * found.value:.1f}"
            cells.append(text if error is None else f"{text} ± {100 * error:.1f}")
        rows.append(cells)
    header = [name.replace("coverage_", "").replace("_", "% ") for name in metrics]
    return ["", *header], rows


def coverage_table(summary: BacktestSummary) -> str:
    """The coverages as Markdown."""
    return markdown_table(*coverage_grid(summary))


def stage_grid(summaries: Mapping[str, BacktestSummary]) -> Grid:
    """Skill, order and coverage by the stage of the week, or by series and stage.

    Args:
        summaries: Backtests of the same races by label.
    """
    rows = []
    for label, summary in summaries.items():
        record = summary.records[summary.model]
        skills = (summary.find(metric, CLIMATOLOGY) for metric in ("rps_finish", "crps_points"))
        cover = [
            "/".join(
                f"{100 * (record.value(f'coverage_{level}_{variable}') or 0.0):.0f}"
                for level in (50, 80, 95)
            )
            for variable in ("finish", "points")
        ]
        rows.append(
            [
                label,
                str(summary.races),
                *("–" if found is None else percent_range(found.skill) for found in skills),
                number(record.value("rank_correlation"), 3),
                *cover,
            ]
        )
    header = ["", "races", "finish skill", "points skill", "right order (rho)"]
    return [*header, "covered, finish", "covered, points"], rows


def gate_grid(criteria: Sequence[Criterion]) -> Grid:
    """Criteria of a gate with their verdicts."""
    rows = [
        [item.name, number(item.value), item.bound, "holds" if item.passed else "does not hold"]
        for item in criteria
    ]
    return ["criterion", "found", "asked", ""], rows
