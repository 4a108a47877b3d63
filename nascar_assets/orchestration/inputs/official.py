"""Contest points that drivers came to, by a race's results."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.rules import RuleSet, score
from nascar_assets.slates.slate import Slate

_COLUMNS = ("start", "finish", "laps_led", "fastest_laps", "laps_completed")


def official_by_id(rules: RuleSet, race_id: str, results: pl.DataFrame) -> dict[str, int]:
    """Points by driver id in units of 1 / `rules.points_scale`; without who has no full result.

    Args:
        results: RESULTS, of other races too.
    """
    rows = results.filter(pl.col("race_id") == race_id).select("driver_id", *_COLUMNS).drop_nulls()
    if rows.is_empty():
        return {}
    points = score(rules, **{name: rows[name].to_numpy() for name in _COLUMNS})
    return dict(zip(rows["driver_id"].to_list(), map(int, points), strict=True))


def official_points(slate: Slate, results: pl.DataFrame) -> npt.NDArray[np.float64]:
    """[M] contest points of each of `slate.everyone`, NaN without."""
    units = official_by_id(slate.rules, slate.race_id, results)
    return np.array(
        [
            slate.rules.points(units[player.driver_id]) if player.driver_id in units else np.nan
            for player in slate.everyone
        ]
    )
