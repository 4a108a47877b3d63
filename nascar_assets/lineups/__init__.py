"""Lineups and portfolios: exact optima over scenarios and the files that carry them."""
