"""Columns of the forecast: simulated races, their summary, and the process's parameters."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from nascar_assets.columns.column import Column, Columns, taken
from nascar_assets.columns.feed import ENTRIES

_SCENARIO = Column(pl.Int32, "Number of the scenario, from 0.", "number", "the simulation")
_SIMULATED = "the simulation"

SCENARIOS: Columns = {
    "scenario": _SCENARIO,
    "driver_id": ENTRIES["driver_id"].of("slate_field.driver_id"),
    "start": Column(
        pl.Int8,
        "Place in which the car runs off, from 1: as qualified, at the rear by a view, else drawn.",
        "position",
        "slate_field.start; else the simulation",
    ),
    "finish": Column(pl.Int8, "Finishing position, from 1.", "position", _SIMULATED),
    "laps_led": Column(pl.Int16, "Laps led.", "laps", _SIMULATED),
    "fastest_laps": Column(
        pl.Int16, "Green laps on which the car was the fastest.", "laps", _SIMULATED
    ),
    "laps_completed": Column(pl.Int16, "Laps completed.", "laps", _SIMULATED),
    "status": Column(
        pl.Enum(["running", "accident", "mechanical"]),
        "running, accident or mechanical: how the car's race ended.",
        "",
        _SIMULATED,
    ),
    "dnf_lap": Column(
        pl.Int16,
        "Lap on which the car retired, which it did not complete; null where it ran to the end.",
        "lap",
        _SIMULATED,
    ),
    "mid_position": Column(
        pl.Int8,
        "Running position after half of the scheduled laps; null where it had retired.",
        "position",
        _SIMULATED,
    ),
    "scored_start": Column(
        pl.Int8,
        "Start that points count from. A column where somebody starts at the rear by a view.",
        "position",
        "slate_field.start, slate_views.value",
        optional=True,
    ),
}
"""One row per scenario and driver; `points_columns` follow."""


def points_columns(rules: Iterable[str]) -> dict[str, Column]:
    """The columns of points that a slate's scenarios may hold, one of each rule set's key."""
    return {
        f"points_{key.replace('-', '_')}": Column(
            pl.Int32,
            f"Contest points under the rules {key}. A column of slates of that contest.",
            "1 / the rule set's points_scale",
            "the other columns, by the contest's scoring",
            optional=True,
        )
        for key in rules
    }


SCENARIO_RACES: Columns = {
    "scenario": _SCENARIO,
    "regime": Column(
        pl.Enum(["dominator", "chaos", "fuel_mileage", "long_green", "standard"]),
        "What kind of race it was, by the classifier that real races get as well.",
        "",
        _SIMULATED,
    ),
    "cautions": Column(pl.Int8, "Cautions, stage ends included.", "cautions", _SIMULATED),
    "green_laps": Column(pl.Int16, "Laps not under caution.", "laps", _SIMULATED),
    "race_laps": Column(pl.Int16, "Laps run, overtime included.", "laps", _SIMULATED),
    "late_cautions": Column(
        pl.Int8, "Cautions in the last fifth and in overtime.", "cautions", _SIMULATED
    ),
    "strategy": Column(
        pl.Enum(["AGGRESSIVE", "STANDARD", "CONSERVATIVE"]),
        "How the field as a whole treated its stops.",
        "",
        "drawn from the mix of strategies",
    ),
    "fuel_gambles": Column(
        pl.Int8, "Cars that stretched their fuel to the end.", "cars", _SIMULATED
    ),
    "last_leader": Column(pl.String, "The car that led the last lap.", "", _SIMULATED),
}
"""One row per scenario: what all its cars share."""

_POINTS, _CHANCE = "points", "chance in [0, 1]"
_OF_POINTS = "scenarios, scored under the slate's rules"


def _mean(name: str, meaning: str, unit: str, source: str) -> dict[str, Column]:
    """A mean or chance over scenarios and its Monte Carlo error."""
    error = "Monte Carlo standard error of {}: its standard deviation over root scenarios; where "
    error += "views tilted them, over the root of the equal ones that they are worth."
    return {
        name: Column(pl.Float64, meaning, unit, source),
        f"{name}_se": Column(pl.Float64, error.format(name), unit, source),
    }


SCENARIO_SUMMARY: Columns = {
    **taken("slate_field", ENTRIES, ("driver_id",)),
    "driver_name": Column(
        pl.String,
        "The driver's name: the salary file's where he is on the slate, else the feed's.",
        "",
        "slate.name, slate_field.driver_name",
    ),
    **taken("slate_field", ENTRIES, ("team", "start")),
    **_mean("mean_points", "Mean contest points.", _POINTS, _OF_POINTS),
    "sd_points": Column(pl.Float64, "Standard deviation of contest points.", _POINTS, _OF_POINTS),
    **{
        f"points_p{share:02d}": Column(
            pl.Float64, f"{share}% of scenarios give at most these points.", _POINTS, _OF_POINTS
        )
        for share in (5, 10, 25, 50, 75, 90, 95)
    },
    **_mean("finish_mean", "Mean finishing position.", "position", "scenarios.finish"),
    "start_mean": Column(pl.Float64, "Mean starting position.", "position", "scenarios.start"),
    **_mean("win", "Chance to win.", _CHANCE, "scenarios.finish"),
    **_mean("top5", "Chance to finish in the top 5.", _CHANCE, "scenarios.finish"),
    **_mean("top10", "Chance to finish in the top 10.", _CHANCE, "scenarios.finish"),
    **_mean("dnf", "Chance to retire, by accident or failure.", _CHANCE, "scenarios.status"),
    **_mean(
        "most_laps_led",
        "Chance to lead the most laps; cars that led equally many share it.",
        _CHANCE,
        "scenarios.laps_led",
    ),
    **_mean("laps_led_mean", "Mean laps led.", "laps", "scenarios.laps_led"),
    "laps_led_share": Column(
        pl.Float64,
        "Mean share of the race's laps that he led.",
        "share",
        "scenarios.laps_led, scenario_races.race_laps",
    ),
    **_mean("fastest_laps_mean", "Mean fastest laps.", "laps", "scenarios.fastest_laps"),
}
"""One row per car of the field."""

MODEL_PARAMETERS: Columns = {
    "track_type": Column(
        pl.String, "superspeedway, intermediate, short or road.", "", "the parameters"
    ),
    "parameter": Column(
        pl.String, "Name of the parameter, as docs/race-model.md explains it.", "", "the parameters"
    ),
    "value": Column(
        pl.Float64,
        "Its value. Times are in % of the scheduled race, rates per 1% of it.",
        "the parameter's own",
        "the model version that was last released by the as-of time",
    ),
    "standard_error": Column(
        pl.Float64,
        "Its standard error; null where it was not fitted.",
        "the parameter's own",
        "the fit of the race process",
    ),
}
"""One row per track type and parameter."""
