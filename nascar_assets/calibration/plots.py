"""Pictures of a calibration record: coverage, PIT, reliability, skill, drift; as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nascar_assets.calibration.assess import CalibrationRecord
from nascar_assets.calibration.drift import DriftChart
from nascar_assets.calibration.metrics_skill import Estimate
from nascar_assets.calibration.summary import BacktestSummary

BLUE, ORANGE, GREY, RED, GREEN = "#2b6cb0", "#c05621", "#718096", "#c53030", "#2f855a"
DPI = 110


def _figure(columns: int, rows: int, width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns), dtype=object)).ravel()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.title.set_fontsize(9)
    return figure, axes


def png(figure: Figure) -> bytes:
    """A figure's PNG bytes, without dates, so that the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def coverage_plot(record: CalibrationRecord) -> bytes:
    """Coverage of the central 50, 80 and 95% intervals, overall and by track type."""
    figure, axes = _figure(2, 1, 8.4, 2.9)
    groups: dict[str, Mapping[str, Estimate]] = {"all": record.metrics}
    groups |= record.groups.get("track_type", {})
    for axis, variable in zip(axes, ("finish", "points"), strict=True):
        for shift, (level, colour) in enumerate(
            zip((50, 80, 95), (BLUE, ORANGE, GREEN), strict=True)
        ):
            axis.axvline(level, color=colour, lw=0.8, ls=":")
            for row, metrics in enumerate(groups.values()):
                found = metrics.get(f"coverage_{level}_{variable}")
                if found is None:
                    continue
                error = 196.0 * (found.standard_error or 0.0)
                axis.errorbar(
                    100 * found.value,
                    row + 0.12 * (shift - 1),
                    xerr=error,
                    fmt="o",
                    ms=4,
                    color=colour,
                    lw=1,
                )
        axis.set_yticks(range(len(groups)), list(groups))
        axis.invert_yaxis()
        axis.set_title(f"Coverage of central intervals, {variable}", fontsize=9)
        axis.set_xlabel("% covered (dotted: nominal; bars: 95% interval)", fontsize=8)
    return png(figure)


def pit_plot(record: CalibrationRecord, names: Sequence[str] | None = None) -> bytes:
    """Non-random PIT histograms; flat if calibrated, a cup if over-confident, a hump if not."""
    shown = [name for name in (names or _PIT_ORDER) if name in record.pit]
    columns = min(4, max(1, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    figure, axes = _figure(columns, rows, 2.1 * columns, 1.75 * rows)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    for axis, name in zip(axes, shown, strict=False):
        shares = record.pit[name]
        bins = len(shares)
        axis.bar(
            (np.arange(bins) + 0.5) / bins, shares * bins, width=0.92 / bins, color=BLUE, alpha=0.8
        )
        axis.axhline(1.0, color=GREY, lw=0.8, ls="--")
        axis.set_ylim(0, max(2.0, float(np.max(shares)) * bins * 1.05))
        axis.set_xticks([0, 0.5, 1])
        axis.set_title(name.replace("race_", "race: ").replace("_", " "), fontsize=8)
    return png(figure)


_PIT_ORDER = (
    "finish",
    "points",
    "laps_led",
    "fastest_laps",
    "race_best_six",
    "race_most_laps_led",
    "race_leaders",
    "race_retirements",
    "race_teammates",
)


def reliability_plot(record: CalibrationRecord) -> bytes:
    """CORP reliability diagrams: recalibrated against forecast probability."""
    events = [
        name
        for name in ("win", "top_5", "top_10", "most_laps_led", "retired", "optimal")
        if name in record.reliability
    ]
    figure, axes = _figure(max(1, len(events)), 1, 2.1 * max(1, len(events)), 2.3)
    for axis, name in zip(axes, events, strict=False):
        found = record.reliability[name]
        top = max(0.05, float(found.probability.max()) * 1.05)
        axis.plot([0, top], [0, top], color=GREY, lw=0.8, ls="--")
        axis.plot(found.probability, found.recalibrated, color=BLUE, lw=1.5)
        weight = found.weight / found.weight.max()
        axis.vlines(found.probability, 0, 0.08 * top * weight, color=ORANGE, lw=0.6)
        axis.set_xlim(0, top)
        axis.set_ylim(0, max(top, float(found.recalibrated.max()) * 1.02))
        axis.set_title(
            f"{name.replace('_', ' ')}\nMCB {found.miscalibration:.4f} "
            f"DSC {found.discrimination:.4f}",
            fontsize=7.5,
        )
    return png(figure)


def skill_plot(summary: BacktestSummary, against: str) -> bytes:
    """Skill against one baseline, overall, by track type, season and tier, with 95% intervals."""
    figure, axes = _figure(2, 1, 8.4, 3.4)
    for axis, metric in zip(axes, ("rps_finish", "crps_points"), strict=True):
        items = [i for i in summary.comparisons if i.metric == metric and i.against == against]
        for row, item in enumerate(items):
            value = item.skill
            colour = BLUE if item.group == "all" else GREY if item.group == "season" else ORANGE
            low = value.lower if value.lower is not None else value.value
            high = value.upper if value.upper is not None else value.value
            axis.plot([100 * low, 100 * high], [row, row], color=colour, lw=1.2)
            axis.plot(100 * value.value, row, "o", ms=4, color=colour)
        axis.set_yticks(range(len(items)), [item.label for item in items])
        axis.invert_yaxis()
        axis.axvline(0, color=GREY, lw=0.8, ls="--")
        axis.set_title(f"Skill of {metric.replace('_', ' ')}\nagainst {against}", fontsize=8.5)
        axis.set_xlabel("%", fontsize=8)
    return png(figure)


def drift_plot(chart: DriftChart) -> bytes:
    """Rolling gain over the baseline with its control limits."""
    figure, axes = _figure(1, 1, 8.4, 2.5)
    axis, steps = axes[0], np.arange(1, chart.rolling.size + 1)
    axis.bar(steps, 100 * chart.gain, color=GREY, alpha=0.25, width=0.9)
    axis.plot(steps, 100 * chart.rolling, color=BLUE, lw=1.5)
    axis.plot(steps, 100 * chart.lower, color=RED, lw=0.8, ls="--")
    axis.plot(steps, 100 * chart.upper, color=RED, lw=0.8, ls="--")
    axis.axhline(100 * chart.centre, color=GREY, lw=0.8)
    axis.axvline(chart.reference + 0.5, color=GREY, lw=0.8, ls=":")
    alarms = chart.alarms
    axis.plot(alarms + 1, 100 * chart.rolling[alarms], "o", ms=4, color=RED)
    axis.set_title(
        "Gain in finish RPS over start climatology: each race, rolling mean, control limits",
        fontsize=9,
    )
    axis.set_xlabel("race (left of the dotted line: reference)", fontsize=8)
    axis.set_ylabel("%", fontsize=8)
    return png(figure)
