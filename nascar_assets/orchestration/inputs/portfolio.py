"""The portfolio of a slate's run: chosen under settings, views and constraints; and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.columns.lineups import PLAYER
from nascar_assets.lineups import (
    OptimalLineups,
    Portfolio,
    PortfolioSettings,
    build_portfolio,
    optimal_lineups,
    veto_rules,
)
from nascar_assets.lineups.ownership import KINDS
from nascar_assets.lineups.projection import project
from nascar_assets.orchestration.inputs.payout_files import landed_payouts
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.rules import RuleSet
from nascar_assets.slates.slate import SlatePlayer


def choose(
    run: SlateRun, settings: PortfolioSettings, *, prove: bool = False
) -> tuple[Portfolio, tuple[str, ...]]:
    """The best portfolio that was found, and notices where views gave way.

    Args:
        settings: What is asked of the portfolio.
        prove: Whether a bound is searched for as well.

    Raises:
        InfeasiblePortfolio: If the settings cannot hold together.
        InputError: If the settings are at fault, or their payout table was not landed.
    """
    payouts = None if settings.payout is None else landed_payouts(run.root, settings.payout)
    return run.under_views(
        settings,
        lambda viewed: build_portfolio(
            run.points,
            run.slate,
            viewed,
            vetoes=veto_rules(run.slate, run.spec),
            prizes_cents=None if payouts is None else payouts.prizes_cents,
            entries=None if payouts is None else payouts.entries,
            prove=prove,
            rivals=run.rivals,
        ),
    )


def expected_ownership(run: SlateRun, settings: PortfolioSettings) -> pl.DataFrame:
    """Expected ownership of every player: `driver_id`, and a share for each kind of contest.

    What the settings and people's views say holds, the rest is the model's.
    """
    shares = {}
    for kind in KINDS:
        said = run.with_views(settings, cash=kind == "cash")
        projection = project(run.points, run.slate, said, rivals=run.rivals)
        shares[kind] = projection.field_of(kind).ownership
    return pl.DataFrame({"driver_id": [player.driver_id for player in run.slate.players], **shares})


def best_lineups(
    points: npt.NDArray[np.int32], players: Sequence[SlatePlayer], rules: RuleSet
) -> OptimalLineups:
    """The best lineup of some players in each scenario, by their points [S, N]."""
    salaries = np.array([player.salary for player in players])
    return optimal_lineups(points, salaries, rules.salary_cap, rules.roster_size)


def lineup_table(made: Portfolio, expected: pl.DataFrame) -> pl.DataFrame:
    """One row per lineup: its players, salary, mean and quantiles of its score, and `players`.

    A person's own factors on points are applied throughout.

    Args:
        expected: Expected ownership of the slate's players in `cash` games and `tournament`s, in
            their order.
    """
    projection = made.projection
    slate = projection.problem.slate
    shares = (0.10, 0.25, 0.50, 0.75, 0.90)
    grid = np.quantile(made.scores, shares, axis=0)
    columns = (
        projection.problem.scale,
        projection.mean_points,
        expected["tournament"].to_numpy(),
        expected["cash"].to_numpy(),
    )
    values = (made.exposures, *(c.tolist() for c in columns), made.exposures.values())
    players = [dict(zip(PLAYER, row, strict=True)) for row in zip(*values, strict=True)]
    seen = pl.Series([players], dtype=pl.List(pl.Struct(PLAYER)))
    return pl.DataFrame(
        {
            "lineup": np.arange(1, len(made.drivers) + 1, dtype=np.int32),
            "driver_ids": [list(ids) for ids in made.driver_ids],
            "drivers": [[slate.players[i].name for i in row] for row in made.drivers.tolist()],
            "salary": made.salaries,
            "mean_points": made.mean_points,
            **{f"points_p{round(100 * q)}": grid[k] for k, q in enumerate(shares)},
        }
    ).with_columns(players=pl.lit(seen).first())


def exposures(lineups: pl.DataFrame, optima: pl.DataFrame) -> pl.DataFrame:
    """Share of lineups with each driver, beside his share of optimal lineups.

    Args:
        lineups: The table `lineup_table`.
        optima: The table `scenario_optima`.
    """
    players = lineups.select(pl.col("players").first()).explode("players").unnest("players")
    share = pl.col("exposure")
    return (
        optima.join(players, on="driver_id", how="left", maintain_order="left")
        .select(
            "driver_id",
            "exposure",
            "optimal_share",
            driver_name="name",
            lineups=(share * lineups.height).round().cast(pl.Int32),
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
