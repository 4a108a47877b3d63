"""Rates of what happens to cars: expected by series and track type, and shrunk ratios to them."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CELL_PRIOR = 100.0
"""Rows that a series' rate is worth in each of its track types."""


def cell_rates(
    rows: pl.DataFrame, happened: Floats, tilt: Floats, *, prior: float = CELL_PRIOR
) -> Floats:
    """Expected rate per row: that of its series and track type, times a tilt of the row's own.

    Cells are drawn towards their series' rate by `prior` rows' worth.
    """
    out = np.zeros(rows.height)
    series = rows["series"].to_numpy()
    kinds = rows["track_type"].to_numpy()
    for name in np.unique(series):
        in_series = series == name
        overall = happened[in_series].sum() / max(tilt[in_series].sum(), 1e-9)
        for kind in np.unique(kinds[in_series]):
            cell = in_series & (kinds == kind)
            rate = (happened[cell].sum() + prior * overall) / max(tilt[cell].sum() + prior, 1e-9)
            out[cell] = rate * tilt[cell]
    return out


def log_ratio(seen: Floats, expected: Floats, prior: float) -> tuple[Floats, Floats]:
    """Posterior log ratio of a Poisson rate to its expectation and its standard deviation.

    A gamma prior of mean 1 and shape `prior` (in expected events): (O + prior) / (E + prior), with
    1 / sqrt(O + prior) as the standard deviation of its logarithm.
    """
    return np.log((seen + prior) / (expected + prior)), 1.0 / np.sqrt(seen + prior)
