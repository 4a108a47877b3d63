"""Lineups and portfolios: exact optima over scenarios and the files that carry them."""

from nascar_assets.lineups.legality import IllegalLineup, check_lineups, lineup_problems
from nascar_assets.lineups.optimal import (
    BestLineups,
    NoLegalLineup,
    OptimalLineups,
    best_lineups,
    optimal_lineups,
)
from nascar_assets.lineups.portfolio import InfeasiblePortfolio, Portfolio, build_portfolio
from nascar_assets.lineups.settings import PortfolioSettings, SettingsError
from nascar_assets.lineups.upload import read_upload, upload_csv

__all__ = [
    "BestLineups",
    "IllegalLineup",
    "InfeasiblePortfolio",
    "NoLegalLineup",
    "OptimalLineups",
    "Portfolio",
    "PortfolioSettings",
    "SettingsError",
    "best_lineups",
    "build_portfolio",
    "check_lineups",
    "lineup_problems",
    "optimal_lineups",
    "read_upload",
    "upload_csv",
]
