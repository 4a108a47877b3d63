"""Columns of lineups: each scenario's best, the portfolio, and what it is expected to win."""

from __future__ import annotations

import polars as pl

from nascar_assets.columns.column import Column, Columns, taken, types_of
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
        pl.Float64,
        "Monte Carlo standard error of the share, of as many equal scenarios as they are worth.",
        "share",
        _SCENARIOS,
    ),
}
"""One row per player."""

PLAYER: dict[str, pl.DataType | type[pl.DataType]] = {
    "driver_id": pl.String,
    "points_multiplier": pl.Float64,
    "mean_points": pl.Float64,
    "expected_ownership": pl.Float64,
    "cash_ownership": pl.Float64,
    "exposure": pl.Float64,
}
"""Every player as the portfolio saw him: a person's factor on his points, the mean under it, the
share of the field's lineups expected to hold him in tournaments and in cash games, and that of its
own; stored in each row of it."""

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
        "factor on his points, his mean points under it, the share of the field expected to hold "
        "him in tournaments and in cash games, and the share of these lineups that do.",
        "points, shares",
        "settings, scenarios and the ownership model",
    ),
    "run_id": Column(
        pl.String, "The run of the slate whose scenarios they are of.", "", "slate plan"
    ),
    "lineups_run_id": Column(
        pl.String,
        "The run that chose them: the slate's, or a later one that solved its portfolio again. "
        "Lineups of earlier versions lack it.",
        "",
        "Dagster",
        optional=True,
    ),
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

_SETTLED = "lineups settled in races that they were not chosen on, against drawn fields"
_FIELD = "the ownership model"


def _rate(name: str, meaning: str, unit: str) -> dict[str, Column]:
    return {
        name: Column(pl.Float64, meaning, unit, _SETTLED),
        f"{name}_se": Column(
            pl.Float64,
            f"Standard error of {name}, over races of different parameters and fields.",
            unit,
            _SETTLED,
        ),
    }


VALUE: Columns = {
    "lineup": Column(pl.Int32, "Number of the lineup, from 1.", "number", "lineups.lineup"),
    **_rate("mean_points", "Mean of its points.", "points"),
    **_rate("points_p90", "Nine races in ten give at most these points.", "points"),
    **_rate(
        "won_dollars",
        "What it wins in the mean, beside the other own entries; whole cents that add up to the "
        "set's.",
        "dollars",
    ),
    **_rate("roi", "Profit for each dollar of its fee.", "share"),
    **_rate("win_rate", "Chance that it is first, alone or tied.", "share"),
    **_rate("top_rate", "Chance that it is in the first hundredth.", "share"),
    **_rate("top10_rate", "Chance that it is in the first tenth.", "share"),
    **_rate("top50_rate", "Chance that it is in the first half.", "share"),
    **_rate("cash_rate", "Chance that it wins a prize.", "share"),
    "duplicates": Column(pl.Float64, "Rivals expected to enter the same.", "entries", _FIELD),
    **_rate(
        "correlation",
        "Correlation of its points with the sum of the other own lineups'; null where it is alone.",
        "correlation",
    ),
}
"""What a lineup is worth in a contest."""

CONTEST_FORECAST: Columns = {
    "contest": Column(
        pl.String,
        "Name of the contest: one of the usual shapes, or the person's own.",
        "",
        "presets",
    ),
    "kind": Column(
        pl.String, "`cash` where all who are paid win alike, else `tournament`.", "", "its prizes"
    ),
    "entries": Column(pl.Int64, "Entries in it, one's own included.", "entries", "the contest"),
    "own_entries": Column(
        pl.Int64, "One's own: the first lineups, as many as it allows.", "entries", "lineups.lineup"
    ),
    "entry_fee_dollars": Column(pl.Float64, "Fee of an entry.", "dollars", "the contest"),
    **_rate("roi", "Profit for each dollar of fees.", "share"),
    "roi_low": Column(
        pl.Float64,
        "The same against a field that one in ten is sharper than; not always the lower one.",
        "share",
        _SETTLED,
    ),
    "roi_high": Column(
        pl.Float64,
        "The same against a field that one in ten is duller than; not always the higher one.",
        "share",
        _SETTLED,
    ),
    "won_dollars": Column(
        pl.Float64, "What all own entries win together, in whole cents.", "dollars", _SETTLED
    ),
    **_rate("profit_dollars", "Profit of all own entries together.", "dollars"),
    **_rate("cash_rate", "Share of own entries that win a prize.", "share"),
    **_rate("top_rate", "Share of own entries in the first hundredth of the contest.", "share"),
    **_rate(
        "win_rate", "Share of scenarios in which an own entry is first, alone or tied.", "share"
    ),
    **_rate("any_top_rate", "Share of scenarios in which an own entry is there.", "share"),
    "duplicates": Column(
        pl.Float64,
        "Rivals expected to enter exactly the same lineup, mean over own entries.",
        "entries",
        _FIELD,
    ),
    "ownership_error": Column(
        pl.Float64,
        "Largest miss of the ownerships of the modelled field against the expected ones.",
        "share",
        _FIELD,
    ),
    "cash_line_points": Column(
        pl.Float64, "Least points of the rivals that win a prize, mean.", "points", _SETTLED
    ),
    "cash_line_p10": Column(
        pl.Float64, "In one race of ten they are at most these.", "points", _SETTLED
    ),
    "cash_line_p90": Column(
        pl.Float64, "In nine races of ten they are at most these.", "points", _SETTLED
    ),
    "field_contests": Column(
        pl.Int64,
        "Finished contests that the field's parameters were fitted on; 0 where they are assumed.",
        "contests",
        "contests",
    ),
    "scenarios": Column(pl.Int64, "Races that were settled.", "races", "race process"),
    "lineups": Column(
        pl.List(pl.Struct(types_of(VALUE))),
        "What each own lineup is worth, one struct each: " + ", ".join(VALUE) + ".",
        "as named",
        _SETTLED,
    ),
}
"""One row per contest."""
