"""Columns of views: what people stated of a slate's race, and what it did to the forecast."""

from __future__ import annotations

import polars as pl

from nascar_assets.columns.column import UTC_TIME, Column, Columns, taken
from nascar_assets.columns.scenarios import SCENARIOS

_VIEW = "view"
_STATED = "file of the view"
_CHANCE = "chance in [0, 1]"

VIEWS: Columns = {
    "view_id": Column(pl.String, "What the view is known by on its slate.", "", _VIEW),
    "file": Column(pl.String, "Name of the file.", "", _VIEW),
    "row": Column(pl.Int32, "Line of the file on which it stands.", "line", _STATED),
    "author": Column(pl.String, "Who says so.", "", _VIEW),
    "why": Column(pl.String, "The reason that was given; empty without one.", "", _VIEW),
    "landed_at": Column(UTC_TIME, "Since when the view is known.", "UTC", _VIEW),
    "quantity": Column(
        pl.String, "What is stated: mean_points, win, ownership, odds_win, ....", "", _STATED
    ),
    "family": Column(
        pl.String,
        "Kind of view: projections, chances, ownership, exposures, odds, rear or practice.",
        "",
        _STATED,
    ),
    "driver_id": Column(
        pl.String, "The feed's number of the driver.", "", "name or id in the file, looked up"
    ),
    "name": Column(pl.String, "Name of the driver.", "", "salary file or entry list"),
    "value": Column(
        pl.Float64,
        "What is stated of him: points, a share of one, decimal odds, seconds; of a start at the "
        "rear 0 where he is scored from his qualified place and 1 where from the back.",
        "the quantity's own",
        _STATED,
    ),
    "confidence": Column(
        pl.Float64, "How far the view moves the forecast towards itself.", "share", _VIEW
    ),
    "state": Column(
        pl.String, "`in force`, or why it does not count.", "", "the as-of time and other views"
    ),
}
"""A row for each statement of each view of a slate, in the order in which they landed."""

VIEW_TARGETS: Columns = {
    **taken("slate_views", VIEWS, ("driver_id", "name", "quantity")),
    "threshold": Column(
        pl.Float64, "Of a ceiling the points meant; else null.", "points", "slate_views.value"
    ),
    "own": Column(
        pl.Float64, "What the scenarios say by themselves.", "the quantity's own", "the race model"
    ),
    "wanted": Column(
        pl.Float64,
        "Theirs and ours, blended by the views' confidence.",
        "the quantity's own",
        "slate_views.value, slate_views.confidence",
    ),
    "reached": Column(
        pl.Float64, "What the tilted scenarios say.", "the quantity's own", "scenarios.scenario"
    ),
    "effective_scenarios": Column(
        pl.Float64,
        "Equal scenarios that the weights are worth, the same in every row.",
        "scenarios",
        "entropic tilting",
    ),
    "share": Column(
        pl.Float64,
        "Share of the way to the targets that keeps half of the scenarios effective, the same in "
        "every row.",
        "share",
        "entropic tilting",
    ),
}
"""One row per mean that the scenarios were tilted to."""

PURE_SCENARIOS: Columns = taken("scenarios", SCENARIOS, ("scenario", "driver_id", "finish"))
"""One row per scenario and driver before views moved them, without the points."""

VIEW_EFFECTS: Columns = {
    "driver_id": Column(pl.String, "The feed's number of the driver.", "", "slate.driver_id"),
    "name": Column(pl.String, "Name as the salary file spells it.", "", "slate.name"),
    "start": Column(
        pl.Int32,
        "Place in which he runs off; null before qualifying.",
        "position",
        "entries.start, slate_views.value",
    ),
    "scored_start": Column(
        pl.Int32,
        "Start that his points count from; null before qualifying.",
        "position",
        "entries.start, slate_views.value",
    ),
    "mean_points_before": Column(
        pl.Float64, "Mean contest points without the views.", "points", "pure_scenarios.finish"
    ),
    "mean_points": Column(
        pl.Float64, "The same with them.", "points", "scenario_summary.mean_points"
    ),
    "win_before": Column(
        pl.Float64, "Chance to win without the views.", _CHANCE, "pure_scenarios.finish"
    ),
    "win": Column(pl.Float64, "The same with them.", _CHANCE, "scenario_summary.win"),
    "optimal_share_before": Column(
        pl.Float64,
        "Share of the scenarios without views whose best lineup holds him.",
        "share",
        "pure_scenarios.finish",
    ),
    "optimal_share": Column(
        pl.Float64, "The same with them.", "share", "scenario_optima.optimal_share"
    ),
}
"""One row per player: the forecast without and with the views."""
