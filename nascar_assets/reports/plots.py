"""Plots as PNG bytes, for the metadata of materialisations: small, calm, the same every time.

Matplotlib is imported by the first plot, not with this module, and never through `pyplot`, so
there is no global state and no window system. The bytes hold no date and no version.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from nascar_assets.reports.frames import require_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#22303c", "#667481", "#dfe4e8"
BLUE, PALE, ORANGE = "#2f6fab", "#b5cfe6", "#c9702b"

_DPI = 110
_MAX_IMAGE_BYTES = 100_000
"""Length of an inline image's data URI that still loads well in an event log."""


def as_markdown_image(png: bytes, title: str = "") -> str:
    """A PNG as a Markdown image with its bytes inline.

    Args:
        title: What it shows, for readers who do not see it.

    Raises:
        ValueError: If the text would be longer than 100,000 characters: too much for metadata
            that is stored with every materialisation.
    """
    encoded = base64.b64encode(png).decode("ascii")
    if len(encoded) > _MAX_IMAGE_BYTES:
        raise ValueError(
            f"The image takes {len(encoded):,} characters inline; at most {_MAX_IMAGE_BYTES:,} "
            "are stored with a materialisation. Draw fewer rows."
        )
    safe = title.translate(str.maketrans("[]\n", "() "))
    return f"![{safe}](data:image/png;base64,{encoded})"


def points_distribution(frame: pl.DataFrame, limit: int = 40) -> bytes:
    """Contest points by driver: median, central half and central 80%.

    Args:
        frame: `driver_name, mean_points, points_p10 to points_p90`.
        limit: Drivers drawn, best means first.
    """
    return _intervals(frame, "driver_name", "Contest points", limit)


def lineup_score_distribution(frame: pl.DataFrame, limit: int = 40) -> bytes:
    """Lineup scores: median, central half and central 80%.

    Args:
        frame: `lineup, mean_points, points_p10 to points_p90`.
        limit: Lineups drawn, best means first.
    """
    return _intervals(frame, "lineup", "Lineup score", limit)


def _intervals(frame: pl.DataFrame, label: str, title: str, limit: int) -> bytes:
    columns = (label, "mean_points", *(f"points_p{share}" for share in (10, 25, 50, 75, 90)))
    require_columns(frame, title, columns)
    rows = frame.sort("mean_points", descending=True).head(limit)
    figure, axes = _figure(6.8, 0.9 + 0.185 * max(rows.height, 1))
    y = np.arange(rows.height)
    axes.hlines(y, rows["points_p10"], rows["points_p90"], color=PALE, linewidth=2.2)
    axes.hlines(y, rows["points_p25"], rows["points_p75"], color=BLUE, linewidth=4.2)
    axes.plot(rows["points_p50"], y, "|", color="white", markersize=6, markeredgewidth=1.4)
    axes.plot(rows["mean_points"], y, "o", color=ORANGE, markersize=2.8)
    _label_rows(axes, [str(name) for name in rows[label]])
    axes.set_xlabel(f"{title}: 80% and 50% of scenarios, median (white), mean (orange)")
    return _png(figure)


def laps_led_shares(frame: pl.DataFrame, limit: int = 20) -> bytes:
    """Expected share of the race's laps that each driver leads.

    Args:
        frame: `driver_name, mean_laps_led`.
        limit: Drivers drawn, largest shares first; the rest is one bar.
    """
    require_columns(frame, "Laps led", ("driver_name", "mean_laps_led"))
    rows = frame.sort("mean_laps_led", descending=True)
    total = float(rows["mean_laps_led"].sum())
    shares = rows["mean_laps_led"].to_numpy() / total if total > 0 else np.zeros(rows.height)
    names = [str(name) for name in rows["driver_name"][:limit]]
    values = list(shares[:limit])
    if rows.height > limit:
        names.append(f"{rows.height - limit} others")
        values.append(float(shares[limit:].sum()))
    return _shares(names, values, "Expected share of laps led")


def coverage_plot(frame: pl.DataFrame) -> bytes:
    """Share of outcomes inside central intervals, against what the intervals promise.

    Args:
        frame: `level` (0.5, 0.8, ...), `coverage`, `standard_error`, and optionally `track_type`.
    """
    require_columns(frame, "Coverage", ("level", "coverage", "standard_error"))
    groups = _groups(frame, "track_type")
    figure, axes = _figure(5.2, 3.4)
    levels = sorted(set(frame["level"].to_list()))
    axes.axhline(0.0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    step = 0.7 / max(len(groups), 1)
    for i, ((name, rows), colour) in enumerate(zip(groups, _colours(len(groups)), strict=True)):
        at = np.array([levels.index(level) for level in rows["level"]]) - 0.35 + step * (i + 0.5)
        off = 100.0 * (rows["coverage"] - rows["level"]).to_numpy()
        error = 200.0 * rows["standard_error"].fill_null(0.0).to_numpy()
        axes.errorbar(at, off, error, fmt="o", color=colour, markersize=4, linewidth=1, label=name)
    axes.set_xticks(range(len(levels)), [f"{level:.0%}" for level in levels])
    axes.set_xlabel("Central interval")
    axes.set_ylabel("Covered less promised (points of %)")
    if any(name for name, _ in groups):
        axes.legend(frameon=False, fontsize=8, ncols=2)
    return _png(figure)


def exposure_plot(frame: pl.DataFrame, limit: int = 40) -> bytes:
    """Share of lineups that each driver is in, beside that in the scenarios' best lineups.

    Args:
        frame: `driver_name, exposure`, and optionally `optimal_share`.
        limit: Drivers drawn, largest exposures first.
    """
    require_columns(frame, "Exposure", ("driver_name", "exposure"))
    rows = frame.sort("exposure", descending=True).head(limit)
    marks, title = None, "Share of lineups"
    if "optimal_share" in rows.columns:
        marks = rows["optimal_share"]
        title += " (bar) and of scenarios whose best lineup has the driver"
    return _shares(map(str, rows["driver_name"]), rows["exposure"], title, marks, PALE)


def overlap_plot(frame: pl.DataFrame) -> bytes:
    """Drivers that two lineups share, for every pair.

    Args:
        frame: `lineup_a, lineup_b, shared`, each pair once or twice.
    """
    require_columns(frame, "Overlap", ("lineup_a", "lineup_b", "shared"))
    lineups = sorted(set(frame["lineup_a"].to_list()) | set(frame["lineup_b"].to_list()))
    place = {lineup: index for index, lineup in enumerate(lineups)}
    shared = np.full((max(len(lineups), 1), max(len(lineups), 1)), np.nan)
    for a, b, count in frame.select("lineup_a", "lineup_b", "shared").iter_rows():
        shared[place[a], place[b]] = shared[place[b], place[a]] = count
    np.fill_diagonal(shared, np.nan)
    figure, axes = _figure(5.2, 4.6)
    limit = int(np.nanmax(shared)) if np.isfinite(shared).any() else 1
    image = axes.imshow(shared, cmap="Blues", vmin=0, vmax=max(limit, 1), interpolation="nearest")
    axes.grid(visible=False)
    axes.set_xlabel("Lineup")
    axes.set_ylabel("Lineup")
    bar = figure.colorbar(image, ax=axes, ticks=range(max(limit, 1) + 1), shrink=0.8)
    bar.set_label("Drivers shared", fontsize=8, color=MUTED)
    bar.ax.tick_params(labelsize=8, colors=MUTED)
    return _png(figure)


def falloff_plot(frame: pl.DataFrame, limit: int = 40) -> bytes:
    """Time that each driver loses per lap on worn tyres, with two standard errors.

    Args:
        frame: `falloff_s_per_lap, falloff_se_s_per_lap` and `driver_name` or else `driver_id`;
            drivers without a fitted value are left out.
        limit: Drivers drawn, the smallest losses first.
    """
    require_columns(frame, "Falloff", ("falloff_s_per_lap", "falloff_se_s_per_lap"))
    label = "driver_name" if "driver_name" in frame.columns else "driver_id"
    require_columns(frame, "Falloff", (label,))
    rows = frame.drop_nulls("falloff_s_per_lap").sort("falloff_s_per_lap", label).head(limit)
    figure, axes = _figure(6.8, 0.9 + 0.185 * max(rows.height, 1))
    y = np.arange(rows.height)
    slope = rows["falloff_s_per_lap"].to_numpy()
    error = 2.0 * rows["falloff_se_s_per_lap"].fill_null(0.0).fill_nan(0.0).to_numpy()
    axes.axvline(0.0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.hlines(y, slope - error, slope + error, color=PALE, linewidth=2.4)
    axes.plot(slope, y, "o", color=BLUE, markersize=3.4)
    _label_rows(axes, [str(name) for name in rows[label]])
    axes.set_xlabel("Seconds lost per lap of a green run, with two standard errors")
    return _png(figure)


def regime_frequencies(frame: pl.DataFrame) -> bytes:
    """How often the race takes each course, with the past's frequency where it is given.

    Args:
        frame: `regime, frequency`, and optionally `history_frequency`.
    """
    require_columns(frame, "Regimes", ("regime", "frequency"))
    rows = frame.sort("frequency", "regime", descending=[True, False])
    marks, title = None, "Share of scenarios"
    if "history_frequency" in rows.columns:
        marks, title = rows["history_frequency"], f"{title} (bar) and of past races (mark)"
    names = (str(name).replace("_", " ").lower() for name in rows["regime"])
    return _shares(names, rows["frequency"], title, marks)


def _groups(frame: pl.DataFrame, by: str) -> list[tuple[str, pl.DataFrame]]:
    if by not in frame.columns or frame.is_empty():
        return [("", frame)]
    parts = frame.partition_by(by, maintain_order=True)
    return sorted(((str(part[by][0]), part) for part in parts), key=lambda group: group[0])


def _colours(n: int) -> list[str]:
    wheel = [BLUE, ORANGE, "#4a8f5d", "#8a5fa8", "#a8973a", "#5f8a94", MUTED, INK]
    return [wheel[i % len(wheel)] for i in range(n)]


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _calm(axes)
    return figure, axes


def _calm(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(length=0, labelsize=8, colors=MUTED)
    axes.xaxis.label.set(color=MUTED, fontsize=8)
    axes.yaxis.label.set(color=MUTED, fontsize=8)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _label_rows(axes: Axes, names: list[str]) -> None:
    # Names are data: a dollar sign in one must not start a formula.
    axes.set_yticks(range(len(names)), [name.replace("$", r"\$") for name in names])
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def _shares(
    names: Iterable[str],
    shares: Iterable[float],
    title: str,
    marks: pl.Series | None = None,
    colour: str = BLUE,
) -> bytes:
    """A bar for each name, from 0 to 1, and a mark where there are such."""
    from matplotlib.ticker import PercentFormatter

    names = list(names)
    figure, axes = _figure(6.8, 0.9 + 0.2 * max(len(names), 1))
    y = np.arange(len(names))
    axes.barh(y, list(shares), color=colour, height=0.66)
    if marks is not None:
        axes.plot(marks, y, "|", color=ORANGE, markersize=9, markeredgewidth=2)
    axes.set_xlabel(title)
    _label_rows(axes, names)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return _png(figure)


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)  # `_figure` made it
    canvas.draw()
    # A palette of 96 colours is not seen in drawings like these and makes a third of the bytes.
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    flat = drawn.quantize(96, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small = io.BytesIO()
    flat.save(small, format="png", optimize=True)
    return small.getvalue()
