"""Tables of a portfolio: its lineups, what it took players for, exposures and overlaps."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.lineups import Portfolio
from nascar_assets.lineups.portfolio import expected_rivals
from nascar_assets.lineups.problem import Problem
from nascar_assets.slates.slate import Slate


def lineup_table(made: Portfolio, slate: Slate, points: npt.NDArray[np.int32]) -> pl.DataFrame:
    """One row per lineup: its players, salary, mean and quantiles of its score.

    Args:
        made: The portfolio.
        slate: Its slate.
        points: [S, players] points that it was chosen by, a person's own factors applied.
    """
    scores = points[:, made.drivers].sum(axis=2) / slate.rules.points_scale
    shares = (0.10, 0.25, 0.50, 0.75, 0.90)
    grid = np.quantile(scores, shares, axis=0)
    return pl.DataFrame(
        {
            "lineup": np.arange(1, len(made.drivers) + 1, dtype=np.int32),
            "driver_ids": [list(ids) for ids in made.driver_ids],
            "drivers": [[slate.players[i].name for i in row] for row in made.drivers.tolist()],
            "salary": made.salaries,
            "mean_points": scores.mean(axis=0),
            **{f"points_p{round(100 * q)}": grid[k] for k, q in enumerate(shares)},
        }
    )


PLAYERS = pl.List(
    pl.Struct(
        {
            "driver_id": pl.String,
            "points_multiplier": pl.Float64,
            "mean_points": pl.Float64,
            "expected_ownership": pl.Float64,
        }
    )
)
"""What a portfolio took every player for; stored in each row of its lineups."""


def player_table(problem: Problem, scaled: npt.NDArray[np.int32]) -> pl.Expr:
    """Every player as the portfolio saw him: a person's factor on his points, the mean under it,
    and the share of the field's lineups expected to hold him. One literal of type `PLAYERS`.

    Args:
        problem: The slate under the settings.
        scaled: [S, players] points, the factors applied.
    """
    means = scaled.mean(axis=0) / problem.slate.rules.points_scale
    columns = (problem.scale, means, expected_rivals(problem, scaled).ownership)
    rows = [
        {
            "driver_id": player.driver_id,
            "points_multiplier": factor,
            "mean_points": mean,
            "expected_ownership": share,
        }
        for player, factor, mean, share in zip(
            problem.slate.players, *(column.tolist() for column in columns), strict=True
        )
    ]
    return pl.lit(pl.Series([rows], dtype=PLAYERS)).first()


def exposures(table: pl.DataFrame, optima: pl.DataFrame) -> pl.DataFrame:
    """Share of lineups with each driver, beside his share of optimal lineups."""
    counts = table.select(pl.col("driver_ids").explode()).to_series().value_counts()
    return (
        optima.join(counts, left_on="driver_id", right_on="driver_ids", how="left")
        .with_columns(
            driver_name="name",
            lineups=pl.col("count").fill_null(0).cast(pl.Int32),
            exposure=pl.col("count").fill_null(0) / table.height,
        )
        .select("driver_id", "driver_name", "lineups", "exposure", "optimal_share")
        .sort("exposure", "optimal_share", descending=True)
    )


def overlaps(table: pl.DataFrame) -> pl.DataFrame:
    """How many drivers each pair of lineups shares."""
    rows = table.select("lineup", "driver_ids").rows()
    return pl.DataFrame(
        [(a, b, len(set(x) & set(y))) for (a, x), (b, y) in combinations(rows, 2)],
        schema={"lineup_a": pl.Int32, "lineup_b": pl.Int32, "shared": pl.Int32},
        orient="row",
    )
