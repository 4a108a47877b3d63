"""Small inline SVG drawings for the report; colours come from its style sheet."""

from __future__ import annotations

import math
from html import escape

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BINS = 48


class PointsScale:
    """One horizontal scale, in contest points, that every driver's drawing shares."""

    def __init__(self, lowest: float, highest: float) -> None:
        """Rounds outwards to tens, so that the scale's ends are readable.

        Args:
            lowest: Lowest number of points that must fit.
            highest: Highest.
        """
        self.lowest = 10.0 * math.floor(min(lowest, 0.0) / 10.0)
        self.highest = max(10.0 * math.ceil(highest / 10.0), self.lowest + 10.0)

    def at(self, points: float) -> float:
        """Where a number of points lies, from 0 to 100; clipped to the scale."""
        share = (points - self.lowest) / (self.highest - self.lowest)
        return 100.0 * min(max(share, 0.0), 1.0)

    def masses(self, levels: Floats, points: Floats) -> Floats:
        """Share of scenarios in each of 48 equal bins, from a grid of quantiles.

        Args:
            levels: Levels of the quantiles, rising, between 0 and 1.
            points: The quantiles.

        Returns:
            Shares; they sum to 1. Between two quantiles the points count as spread evenly.
        """
        levels, points = with_tails(levels, points)
        # Several levels may share a value: the cumulative share there is the highest of them.
        values, last = np.unique(points[::-1], return_index=True)
        heights = levels[::-1][last]
        edges = np.linspace(self.lowest, self.highest, _BINS + 1)
        share = np.interp(edges, values, heights, left=0.0, right=1.0)
        share[0], share[-1] = 0.0, 1.0
        return np.asarray(np.diff(share), dtype=np.float64)


def with_tails(levels: Floats, points: Floats) -> tuple[Floats, Floats]:
    """A grid of quantiles carried on to levels 0 and 1.

    What lies beyond the outermost quantiles is spread as thinly as between the outer two.
    """
    if len(levels) < 2:
        return levels, points
    first = (points[1] - points[0]) / max(levels[1] - levels[0], 1e-9) * levels[0]
    last = (points[-1] - points[-2]) / max(levels[-1] - levels[-2], 1e-9) * (1.0 - levels[-1])
    return (
        np.concatenate([[0.0], levels, [1.0]]),
        np.concatenate([[points[0] - first], points, [points[-1] + last]]),
    )


def distribution(
    scale: PointsScale,
    masses: Floats,
    tallest: float,
    *,
    low: float,
    middle: float,
    high: float,
    label: str,
) -> str:
    """A driver's distribution of points as a small area, with median and central 80%.

    Args:
        masses: From `PointsScale.masses`.
        tallest: The mass that fills the height; the same for all drivers, so areas compare.
        low, middle, high: 10%, 50% and 90% quantiles.
        label: What readers hear who do not see the drawing.
    """
    width = 100.0 / _BINS
    heights = [22.0 * min(1.0, mass / tallest) if tallest > 0 else 0.0 for mass in masses]
    # Straight lines through the bins' middles look calm and keep the areas.
    line = " ".join(
        f"L{width * (i + 0.5):.2f} {24.0 - height:.2f}" for i, height in enumerate(heights)
    )
    zero = scale.at(0.0)
    return (
        f'<svg class="dist" viewBox="0 0 100 28" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">'
        f'<line class="zero" x1="{zero:.2f}" y1="0" x2="{zero:.2f}" y2="25"/>'
        f'<path class="area" d="M0 24 {line} L100 24 Z"/>'
        f'<line class="span" x1="{scale.at(low):.2f}" y1="26" x2="{scale.at(high):.2f}" y2="26"/>'
        f'<line class="middle" x1="{scale.at(middle):.2f}" y1="4" x2="{scale.at(middle):.2f}" '
        f'y2="26"/></svg>'
    )


def bar(share: float, mark: float | None, label: str) -> str:
    """A horizontal bar from 0 to 1, with an optional mark on the same scale."""
    length = 100.0 * min(max(share, 0.0), 1.0)
    ticked = ""
    if mark is not None:
        x = 100.0 * min(max(mark, 0.0), 1.0)
        ticked = f'<line class="mark" x1="{x:.2f}" y1="0" x2="{x:.2f}" y2="10"/>'
    return (
        f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}"><rect class="track" width="100" height="10"/>'
        f'<rect class="fill" width="{length:.2f}" height="10"/>{ticked}</svg>'
    )
