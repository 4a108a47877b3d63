"""Lineups and portfolios: exact optima over scenarios and the files that carry them."""

from nascar_assets.lineups.optimal import (
    BestLineups,
    NoLegalLineup,
    OptimalLineups,
    best_lineups,
    optimal_lineups,
)

__all__ = [
    "BestLineups",
    "NoLegalLineup",
    "OptimalLineups",
    "best_lineups",
    "optimal_lineups",
]
