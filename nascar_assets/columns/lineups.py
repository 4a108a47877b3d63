"""Columns of lineups: each scenario's best, the portfolio, and what it is expected to win."""

from __future__ import annotations

import polars as pl

from nascar_assets.columns.column import Column, Columns, taken
from nascar_assets.columns.slates import SLATE

_SCENARIOS = "scenarios and slate"

SCENARIO_OPTIMA: Columns = {
    **taken("slate", SLATE, ("driver_id", "name")),
    "salary": Column(pl.Int64, "Salary.", "dollars", "slate.salary"),
    "optimal_share": Column(
        pl.Float64,
        "Share of scenarios whose best lineup holds the driver; of lineups that tie one counts.",
        "share",
        _SCENARIOS,
    ),
    "optimal_share_se": Column(
        pl.Float64, "Monte Carlo standard error of the share.", "share", _SCENARIOS
    ),
}
"""One row per player."""

PLAYER: dict[str, pl.DataType | type[pl.DataType]] = {
    "driver_id": pl.String,
    "points_multiplier": pl.Float64,
    "mean_points": pl.Float64,
    "expected_ownership": pl.Float64,
    "exposure": pl.Float64,
}
"""Every player as the portfolio saw him: a person's factor on his points, the mean under it, the
share of the field's lineups expected to hold him and that of its own; stored in each row of it."""

_SCORE = "scenarios, a person's own factors on points applied"

LINEUPS: Columns = {
    "lineup": Column(
        pl.Int32, "Number of the lineup, from 1: that of most mean points first.", "number", "order"
    ),
    "driver_ids": Column(
        pl.List(pl.String), "Its drivers by the feed's number.", "", "slate.driver_id"
    ),
    "drivers": Column(pl.List(pl.String), "Their names, in the same order.", "", "slate.name"),
    "salary": Column(pl.Int64, "What the lineup costs.", "dollars", "slate.salary"),
    "mean_points": Column(pl.Float64, "Mean of its points.", "points", _SCORE),
    **{
        f"points_p{share}": Column(
            pl.Float64, f"{share}% of scenarios give at most these points.", "points", _SCORE
        )
        for share in (10, 25, 50, 75, 90)
    },
    "players": Column(
        pl.List(pl.Struct(PLAYER)),
        "Every player of the slate as the portfolio saw him, the same in each row: a person's own "
        "factor on his points, his mean points under it, the share of the contest's field "
        "expected to hold him, and the share of these lineups that do.",
        "points, shares",
        "settings, scenarios and the ownership model",
    ),
    "run_id": Column(pl.String, "The run of the slate that made them.", "", "slate plan"),
    "objective": Column(
        pl.String, "What the set was chosen for, as docs/lineups.md lists it.", "", "settings"
    ),
    "objective_value": Column(
        pl.Float64,
        "What the set is worth under the objective, on scenarios held back from choosing.",
        "the objective's own",
        _SCORE,
    ),
    "objective_se": Column(pl.Float64, "Standard error of that.", "the objective's own", _SCORE),
    "notices": Column(
        pl.List(pl.String), "What a person should know of the set.", "", "the portfolio search"
    ),
}
"""One row per lineup of the portfolio; the set's own columns repeated."""

_SETTLED = "lineups settled in scenarios against a field drawn from expected ownerships"


def _rate(name: str, meaning: str, unit: str) -> dict[str, Column]:
    return {
        name: Column(pl.Float64, meaning, unit, _SETTLED),
        f"{name}_se": Column(
            pl.Float64, f"Standard error of {name} over scenarios.", unit, _SETTLED
        ),
    }


CONTEST_FORECAST: Columns = {
    "contest": Column(
        pl.String,
        "Name of the contest: one of the usual shapes, or the person's own.",
        "",
        "presets",
    ),
    "entries": Column(pl.Int64, "Entries in it, one's own included.", "entries", "the contest"),
    "own_entries": Column(
        pl.Int64, "One's own: the first lineups, as many as it allows.", "entries", "lineups.lineup"
    ),
    "entry_fee_dollars": Column(pl.Float64, "Fee of an entry.", "dollars", "the contest"),
    **_rate("roi", "Profit for each dollar of fees.", "share"),
    **_rate("profit_dollars", "Profit of all own entries together.", "dollars"),
    **_rate("cash_rate", "Share of own entries that win a prize.", "share"),
    **_rate(
        "win_rate", "Share of scenarios in which an own entry is first, alone or tied.", "share"
    ),
    **_rate("top_rate", "Share of own entries in the first hundredth of the contest.", "share"),
    **_rate("any_top_rate", "Share of scenarios in which an own entry is there.", "share"),
    "duplicates": Column(
        pl.Float64,
        "Rivals expected to enter exactly the same lineup, mean over own entries.",
        "entries",
        "the ownership model",
    ),
    "ownership_error": Column(
        pl.Float64,
        "Largest miss of the ownerships of the modelled field against the expected ones.",
        "share",
        "the ownership model",
    ),
}
"""One row per contest."""
