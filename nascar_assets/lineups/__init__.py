"""Lineups and portfolios: exact optima over scenarios and the files that carry them."""

from nascar_assets.lineups.entries_file import (
    ContestEntry,
    LockedEntry,
    read_entries,
    write_entries,
)
from nascar_assets.lineups.field import FieldModel, fit_field
from nascar_assets.lineups.late_swap import Change, Swap, late_swap
from nascar_assets.lineups.legality import IllegalLineup, check_lineups, lineup_problems
from nascar_assets.lineups.objectives import Estimate
from nascar_assets.lineups.optimal import (
    BestLineups,
    NoLegalLineup,
    OptimalLineups,
    best_lineups,
    optimal_lineups,
)
from nascar_assets.lineups.ownership import FieldParameters, Rivals, expected_field
from nascar_assets.lineups.portfolio import InfeasiblePortfolio, Portfolio, build_portfolio
from nascar_assets.lineups.settings import PortfolioSettings, SettingsError
from nascar_assets.lineups.swapped_entries import SwappedEntries, swap_entries
from nascar_assets.lineups.upload import read_upload, upload_csv
from nascar_assets.lineups.vetoes import veto_rules

__all__ = [
    "BestLineups",
    "Change",
    "ContestEntry",
    "Estimate",
    "FieldModel",
    "FieldParameters",
    "IllegalLineup",
    "InfeasiblePortfolio",
    "LockedEntry",
    "NoLegalLineup",
    "OptimalLineups",
    "Portfolio",
    "PortfolioSettings",
    "Rivals",
    "SettingsError",
    "Swap",
    "SwappedEntries",
    "best_lineups",
    "build_portfolio",
    "check_lineups",
    "expected_field",
    "fit_field",
    "late_swap",
    "lineup_problems",
    "optimal_lineups",
    "read_entries",
    "read_upload",
    "swap_entries",
    "upload_csv",
    "veto_rules",
    "write_entries",
]
