"""The report of a backtest: one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2

from nascar_assets.calibration import plots
from nascar_assets.calibration.comparisons import SKILL_METRICS
from nascar_assets.calibration.summary import (
    ATTRITION,
    CLIMATOLOGY,
    BacktestSummary,
)
from nascar_assets.calibration.words import forecaster, plain_name
from nascar_assets.columns.calibration import JOINT_METRICS, TABLE_METRICS


def pictures(summary: BacktestSummary) -> dict[str, bytes]:
    """Every picture of the report, by name, as PNG.

    Args:
        summary: The backtest.
    """
    record = summary.records[summary.model]
    found = {
        "coverage": plots.coverage_plot(record),
        "pit": plots.pit_plot(record),
        "reliability": plots.reliability_plot(record),
    }
    for name in (CLIMATOLOGY, ATTRITION):
        if name in summary.records and summary.model != name:
            found[f"skill_{name}"] = plots.skill_plot(summary, name)
    if summary.drift is not None:
        found["drift"] = plots.drift_plot(summary.drift)
    return found


def backtest_page(summary: BacktestSummary, drawn: Mapping[str, bytes] | None = None) -> str:
    """The page.

    Args:
        summary: The backtest.
        drawn: Its `pictures`, where they are at hand.

    Returns:
        HTML that needs no other file and no network.
    """
    template = files("nascar_assets.calibration").joinpath("report_page.html").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"number": number, "forecaster": forecaster}
    images = {
        name: "data:image/png;base64," + base64.b64encode(content).decode()
        for name, content in (pictures(summary) if drawn is None else drawn).items()
    }
    return environment.from_string(template).render(
        summary=summary,
        columns=[(metric, plain_name(metric)) for metric in TABLE_METRICS],
        joint=[(metric, plain_name(metric)) for metric in JOINT_METRICS],
        skills=_skills(summary),
        images=images,
        verdicts=summary.verdicts,
        passed=all(criterion.passed for criterion in summary.gate),
    )


def number(value: float | None, digits: int = 4) -> str:
    """A number for a table; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _skills(summary: BacktestSummary) -> list[dict[str, Any]]:
    rows = []
    for item in summary.comparisons:
        if item.metric not in SKILL_METRICS[:3] or item.group == "tier":
            continue
        if item.against in (CLIMATOLOGY, ATTRITION) or item.group == "all":
            rows.append(
                {
                    "metric": plain_name(item.metric),
                    "against": item.against,
                    "label": item.label,
                    "skill": item.skill,
                    "difference": item.difference,
                }
            )
    return rows
