"""A distribution over scenarios as a few numbers: mean, quantiles and the bars of a histogram."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nascar_assets.service.slate_contracts import Bar, Quantile, Spread

LEVELS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
BARS = 30
"""Bars aimed at; their width is a round number."""


def spread(values: npt.ArrayLike, *, whole: bool = False) -> Spread:
    """The distribution of values.

    Args:
        values: [S] one value a scenario.
        whole: Whether they are counts or places: a bar for each whole number where they are few.
    """
    found = np.asarray(values, np.float64)
    quantiles = np.quantile(found, LEVELS)
    return Spread(
        mean=float(found.mean()),
        quantiles=tuple(
            Quantile(level=level, value=float(value))
            for level, value in zip(LEVELS, quantiles, strict=True)
        ),
        bars=_bars(found, 1.0 if whole else 0.0),
    )


def _bars(values: npt.NDArray[np.float64], lower: float) -> tuple[Bar, ...]:
    """Bars of one round width over all values, empty ones at the ends left out."""
    low, high = float(values.min()), float(values.max())
    width = lower if lower and high - low <= 2 * BARS else _round_width((high - low) / BARS, lower)
    first = math.floor(low / width)
    places = np.floor(values / width).astype(np.int64) - first
    shares = np.bincount(places) / values.size
    return tuple(
        Bar(lower=(first + i) * width, upper=(first + i + 1) * width, share=float(share))
        for i, share in enumerate(shares)
    )


def _round_width(width: float, lower: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not smaller."""
    width = max(width, lower, 1e-9)
    power = 10.0 ** math.floor(math.log10(width))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= width * 0.999)
