"""From a slate's report to one self-contained HTML file: rows, drawings, the template."""

from __future__ import annotations

import base64
import hashlib
import math
from importlib import resources
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from jinja2 import BaseLoader, Environment, StrictUndefined
from markupsafe import Markup

from nascar_assets.calibration.words import plain_name
from nascar_assets.contest.field_fit import sharpness_words
from nascar_assets.reports import drawings
from nascar_assets.reports.formatting import decimal, dollars, eastern, percent, utc
from nascar_assets.reports.slate_report import SlateReport
from nascar_assets.visible import visible

_LINEUPS_SHOWN = 20
"""Lineups in sight; the rest are behind a fold."""


def render_slate_report(report: SlateReport) -> str:
    """One HTML file that opens offline: style, drawings and script are inside it.

    The same report gives the same text. Every text from the report is escaped; a content
    security policy in the file lets nothing load and only its own script run.

    Args:
        report: What to show.
    """
    folder = resources.files("nascar_assets.reports")
    style = folder.joinpath("slate_report.css").read_text(encoding="utf-8")
    script = _script(folder.joinpath("slate_report_script.html").read_text(encoding="utf-8"))
    environment = Environment(
        loader=BaseLoader(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        decimal=decimal, percent=percent, dollars=dollars, eastern=eastern, utc=utc, pretty=_pretty
    )
    template = environment.from_string(
        folder.joinpath("slate_report.html").read_text(encoding="utf-8")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    drivers, scale = _forecast_rows(report)
    lineups = report.lineups.to_dicts()
    page = template.render(
        report=report,
        race=report.race,
        made=report.provenance,
        style=Markup(style),
        script=Markup(script),
        script_hash=digest,
        drivers=drivers,
        scale=scale,
        most_error=100.0 * 0.5 / math.sqrt(_worth(report)),
        has_optimal=report.forecast["optimal_share"].drop_nulls().len() > 0,
        lineups=lineups[:_LINEUPS_SHOWN],
        folded=lineups[_LINEUPS_SHOWN:],
        overlap=_mean_overlap(lineups),
        exposures=_exposure_rows(report.exposures),
        regimes=_regime_rows(report.regimes),
        metrics=[
            {**row, "metric": plain_name(row["metric"])} for row in report.calibration.to_dicts()
        ],
        overrides=report.overrides.to_dicts(),
        effects=[] if report.views is None else report.views.effects.to_dicts(),
        contests=report.contests.to_dicts(),
        sharpness=sharpness_words(report.contests.to_dicts()),
        values=_values(report.values),
        age_days=None
        if report.newest_at is None
        else (report.race.as_of - report.newest_at).total_seconds() / 86_400,
        scaled=[row["driver_name"] for row in drivers if row.get("own_mean_points") is not None],
    )
    # Whoever prints the page gets nothing from names in files that steers a terminal.
    return "\n".join(map(visible, page.split("\n")))


def _script(html: str) -> str:
    """The script's own text, out of the file that wraps it."""
    return html.split("<script>", 1)[1].rsplit("</script>", 1)[0]


def _worth(report: SlateReport) -> float:
    """Equal scenarios that the report's are worth: fewer than there are where views tilted them."""
    tilted = None if report.views is None else report.views.effective
    return max(report.provenance.n_scenarios if tilted is None else tilted, 1.0)


def _pretty(name: str) -> str:
    return name.replace("_", " ").lower()


def _forecast_rows(report: SlateReport) -> tuple[list[dict[str, Any]], drawings.PointsScale]:
    forecast = report.forecast.sort("mean_points", "driver_id", descending=[True, False])
    quantiles = report.quantiles.sort("driver_id", "level")
    reach = [
        *quantiles["points"].drop_nulls(),
        *forecast["points_p10"].drop_nulls(),
        *forecast["points_p90"].drop_nulls(),
    ]
    scale = drawings.PointsScale(min(reach, default=0.0), max(reach, default=0.0))
    masses = {
        str(part["driver_id"][0]): scale.masses(
            part["level"].cast(pl.Float64).to_numpy(), part["points"].cast(pl.Float64).to_numpy()
        )
        for part in quantiles.drop_nulls().partition_by("driver_id", maintain_order=True)
    }
    # The same height for all, so that areas compare; a few spikes may be cut.
    peaks = [float(mass.max()) for mass in masses.values()]
    tallest = float(np.quantile(peaks, 0.9)) if peaks else 0.0
    rows = []
    for row in forecast.iter_rows(named=True):
        drawing = Markup("")
        if row["driver_id"] in masses:
            label = (
                f"{row['driver_name']}: 80% of scenarios between {decimal(row['points_p10'])} and "
                f"{decimal(row['points_p90'])} points, median {decimal(row['points_p50'])}"
            )
            # The drawing escapes its label itself.
            drawing = Markup(
                drawings.distribution(
                    scale,
                    masses[row["driver_id"]],
                    tallest,
                    low=row["points_p10"],
                    middle=row["points_p50"],
                    high=row["points_p90"],
                    label=label,
                )
            )
        error = row["sd_points"] / math.sqrt(_worth(report))
        # Where the quantiles' numbers stand under the drawing; kept off the edges.
        places = {
            "low_at": max(scale.at(row["points_p10"]), 11.0),
            "middle_at": min(max(scale.at(row["points_p50"]), 24.0), 76.0),
            "high_at": min(scale.at(row["points_p90"]), 89.0),
        }
        rows.append({**row, **places, "mean_se": error, "drawing": drawing})
    return rows, scale


def _values(values: pl.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    """What each lineup is worth, contest by contest, the most won at the top."""
    ordered = values.sort("won_dollars", "lineup", descending=[True, False])
    return [
        (name, ordered.filter(pl.col("contest") == name).to_dicts())
        for name in values["contest"].unique(maintain_order=True)
    ]


def _mean_overlap(lineups: list[dict[str, Any]]) -> float | None:
    """Mean number of drivers that two of the lineups share; none below two lineups."""
    sets = [set(lineup["drivers"]) for lineup in lineups]
    shared = [len(a & b) for a, b in combinations(sets, 2)]
    return sum(shared) / len(shared) if shared else None


def _exposure_rows(exposures: pl.DataFrame) -> list[dict[str, Any]]:
    rows = []
    ordered = exposures.sort("exposure", "driver_name", descending=[True, False])
    for row in ordered.iter_rows(named=True):
        optimal = row.get("optimal_share")
        label = f"{row['driver_name']}: in {percent(row['exposure'])}% of the lineups"
        drawing = Markup(drawings.bar(row["exposure"], optimal, label))
        rows.append({**row, "optimal_share": optimal, "drawing": drawing})
    return rows


def _regime_rows(regimes: pl.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for row in regimes.sort("frequency", "regime", descending=[True, False]).iter_rows(named=True):
        history = row.get("history_frequency")
        label = f"{_pretty(row['regime'])}: {percent(row['frequency'])}% of the scenarios"
        drawing = Markup(drawings.bar(row["frequency"], history, label))
        rows.append({**row, "history_frequency": history, "drawing": drawing})
    return rows
