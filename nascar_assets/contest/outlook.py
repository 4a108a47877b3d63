"""What a portfolio is expected to win in contests of the usual shapes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.contest.presets import CASH, PRESETS, Contest, preset
from nascar_assets.contest.simulate import forecast_contest, settled_scenarios
from nascar_assets.lineups import FieldModel
from nascar_assets.lineups.projection import project
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.slates.slate import Slate


def contest_outlook(
    points: npt.NDArray[np.integer],
    slate: Slate,
    lineups: npt.NDArray[np.integer],
    *,
    seed: int,
    own: Contest | None = None,
    settings: PortfolioSettings | None = None,
    cash_settings: PortfolioSettings | None = None,
) -> pl.DataFrame:
    """One row per contest: the presets, and the contest of a payout table where one is given.

    Args:
        points: [S, N] points as integers.
        slate: The slate.
        lineups: [n, K] own lineups, the ones to enter first at the top.
        seed: Seed of the rivals drawn; the same for every contest.
        own: The contest that the lineups are meant for.
        settings: The portfolio's settings, for given ownerships and factors on points.
        cash_settings: The same for cash games, where their field is owned otherwise.

    Returns:
        `contest`, `entries`, `own_entries`, `entry_fee_dollars`, then `roi`, `profit_dollars`,
        `cash_rate`, `win_rate`, `top_rate` and `any_top_rate`, each with its standard error over
        scenarios (`_se`), `duplicates` (rivals expected to enter one of the own lineups, a lineup)
        and `ownership_error` (largest miss of the field's ownerships).
    """
    projection = project(points, slate, settings or PortfolioSettings())
    cash = projection
    if cash_settings is not None and cash_settings != settings:
        cash = project(points, slate, cash_settings)
    settled = settled_scenarios(projection.points)
    contests = [preset(name) for name in PRESETS]
    if own is not None:
        contests.append(own)
    return pl.DataFrame(
        [
            _row(
                settled,
                lineups,
                contest,
                (cash if contest.name == CASH else projection).field,
                seed,
            )
            for contest in contests
        ]
    )


def _row(
    points: npt.NDArray[np.integer],
    lineups: npt.NDArray[np.integer],
    contest: Contest,
    field: FieldModel,
    seed: int,
) -> dict[str, object]:
    entered = np.asarray(lineups)[: contest.max_entries]
    rng = np.random.Generator(np.random.Philox(seed))
    forecast = forecast_contest(points, entered, contest, field, rng)
    result = forecast.result
    rates = {
        "roi": result.roi,
        "profit_dollars": result.profit_dollars,
        "cash_rate": result.cash_rate,
        "win_rate": result.win_rate,
        "top_rate": result.top_rate,
        "any_top_rate": result.any_top_rate,
    }
    row: dict[str, object] = {
        "contest": contest.name,
        "entries": contest.entries,
        "own_entries": entered.shape[0],
        "entry_fee_dollars": contest.entry_fee_cents / 100,
    }
    for name, rate in rates.items():
        row[name] = rate.value
        row[f"{name}_se"] = rate.standard_error
    row["duplicates"] = float(forecast.expected_duplicates.mean())
    row["ownership_error"] = forecast.ownership_error
    return row
