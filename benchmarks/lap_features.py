"""What practice and laps add to ratings from results: `python -m benchmarks.lap_features`.

Needs the folder of real feed files in NASCAR_REAL_DATA. For every points race with the feature at
hand, the finish's normal score less the level that ratings from results alone gave at the start is
regressed on the feature as levels read it: its robust z within the field, 0 where unknown, about
the race's mean. Coefficients are per standard deviation; standard errors are robust to dependence
within a race. Prints the table of docs/telemetry.md.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import chi2

from benchmarks.history import read_points
from nascar_assets.calibration.feed_tables import FeedTables
from nascar_assets.history.level_features import (
    FROM_PAST,
    FROM_WEEKEND,
    LEVEL_FEATURES,
    level_features,
)
from nascar_assets.history.ratings import rate_history
from nascar_assets.history.ratings_scores import finish_scores

Floats = NDArray[np.float64]


def starts(tables: FeedTables) -> pl.DataFrame:
    """One row per start: what ratings left over, and the race's features; null where unknown."""
    levels = rate_history(tables.results).select("race_id", "driver_id", "level")
    ran = tables.results.filter(pl.col("finish").is_not_null()).sort("start_time", "race_id")
    rows = []
    for race in ran.partition_by("race_id", maintain_order=True):
        field = race.join(levels, on=["race_id", "driver_id"], how="left", maintain_order="left")
        own = tables.features.filter(pl.col("race_id") == field["race_id"][0])
        values = level_features(own, field, field["start_time"][0])
        rows.append(
            field.select("race_id", "series").with_columns(
                (pl.Series("left_over", finish_scores(field)) - field["level"]),
                *(
                    # A race in which no car has the feature says nothing about it.
                    pl.Series(name, found if found.any() else [None] * field.height).cast(
                        pl.Float64
                    )
                    for name, found in values.items()
                ),
            )
        )
    return pl.concat(rows)


def regress(table: pl.DataFrame, names: tuple[str, ...]) -> tuple[Floats, Floats, dict[str, Any]]:
    """Coefficients, their covariance clustered by race, and counts."""
    whole = table.drop_nulls(names)
    about = pl.col(*names, "left_over") - pl.col(*names, "left_over").mean().over("race_id")
    centred = whole.select("race_id", about)
    x = centred.select(names).to_numpy()
    x = x / x.std(axis=0)
    y = centred["left_over"].to_numpy()
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ (x.T @ y)
    scores = pl.DataFrame(x * (y - x @ beta)[:, None]).with_columns(race=centred["race_id"])
    sums = scores.group_by("race", maintain_order=True).sum().drop("race").to_numpy()
    explained = float(np.sum((x @ beta) ** 2) / np.sum(y**2))
    counts = {"starts": len(y), "races": len(sums), "explained": explained}
    return beta, inverse @ (sums.T @ sums) @ inverse, counts


def main() -> int:
    """Prints the table."""
    place = os.environ.get("NASCAR_REAL_DATA")
    if not place or not Path(place, "feed").is_dir():
        sys.stderr.write("lap_features: NASCAR_REAL_DATA names no folder of real feed files\n")
        return 1
    every = starts(read_points(Path(place, "feed")))
    for title, table in (("cup", every.filter(series="cup")), ("all series", every)):
        print(f"\n| {title} | starts | races | coefficient | standard error | t | explained |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        for name in LEVEL_FEATURES:
            (beta,), ((variance,),), counts = regress(table, (name,))
            error = float(np.sqrt(variance))
            print(
                f"| `{name}` | {counts['starts']} | {counts['races']} | {beta:+.3f} | {error:.3f} "
                f"| {beta / error:+.2f} | {100 * counts['explained']:.2f}% |"
            )
        for what, names in (("laps", FROM_PAST), ("practice", FROM_WEEKEND)):
            beta, covariance, counts = regress(table, names)
            wald = float(beta @ np.linalg.solve(covariance, beta))
            print(
                f"\n{what} together: Wald {wald:.1f} on {len(names)}, "
                f"p {chi2.sf(wald, len(names)):.2f}, "
                f"variance explained {100 * counts['explained']:.2f}%."
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
