"""Columns of a slate: its players, its summaries, its drivers in past races."""

from __future__ import annotations

import polars as pl

from nascar_assets.columns.column import UTC_TIME, Column, Columns, taken
from nascar_assets.columns.feed import LAP_SUMMARY, RACE_FACTS, RACE_OF_SUMMARY
from nascar_assets.columns.history import TRACK_VALUES

SLATE_ID = Column(
    pl.String,
    "Key of the slate: date of the race, series, site and contest (`2026-03-15-cup-dk-classic`).",
    "",
    "its registration",
)
_LOCK = Column(UTC_TIME, "When lineups lock: the race's start.", "UTC", "schedule.start_time")
_SALARY_FILE = "salary file"

SLATE: Columns = {
    "slate_id": SLATE_ID,
    **taken("schedule", RACE_FACTS, ("race_id", "race_key")),
    "rules": Column(
        pl.String, "Rule set of the contest: site and contest (`dk-classic`).", "", "registration"
    ),
    "lock": _LOCK,
    "source": Column(pl.String, "Path of the salary file under the home.", "", "registration"),
    "source_hash": Column(
        pl.String, "SHA-256 of the salary file, hexadecimal.", "", "registration"
    ),
    "notices": Column(
        pl.List(pl.String),
        "What a person should know: drivers left out, newcomers, names that were not resolved.",
        "",
        "reading of the salary file",
    ),
    "driver_id": Column(
        pl.String,
        "The feed's number of the driver; `new:<site id>` for one whom no feed knows.",
        "",
        "name in the salary file, looked up in entry list and driver directory",
    ),
    "name": Column(pl.String, "Name as the salary file spells it.", "", _SALARY_FILE),
    "site_id": Column(
        pl.String, "The site's own id of the player in this slate.", "", _SALARY_FILE
    ),
    "salary": Column(pl.Int32, "Salary.", "dollars", _SALARY_FILE),
    "team": Column(
        pl.String,
        "Team by the entry list, before there is one that of his last race; null where unknown.",
        "",
        "entries.team, race_results.team",
    ),
    "average_points": Column(
        pl.Float64,
        "The site's own average of the player's past points; null where the file has none.",
        "points",
        _SALARY_FILE,
    ),
    "status": Column(
        pl.String, "The site's own status (`OUT`, ...); null where there is none.", "", _SALARY_FILE
    ),
    "reason": Column(
        pl.String,
        "Why the driver does not race; null for one whom a lineup may hold.",
        "",
        "status, entry list and grid",
    ),
}
"""One row per row of the salary file, who may be picked first; the slate's own columns repeated."""

_SPEC = "the slate's ConstraintSpec"
_VETOES = "Codes of the veto rules that name this {}, sorted."
_OVERRIDDEN = "Names of the fields that a person set, sorted."

SLATE_SUMMARY: Columns = {
    "slate_id": SLATE_ID,
    **taken("slate", SLATE, ("race_id", "race_key")),
    **taken("schedule", RACE_FACTS, ("track_id",)),
    "lock": _LOCK.of("slate.lock"),
    "roster_size": Column(pl.Int32, "Drivers in a lineup.", "drivers", "the slate's rule set"),
    "salary_cap": Column(pl.Int32, "Most that a lineup may cost.", "dollars", "rule set"),
    **taken("schedule", RACE_FACTS, ("scheduled_laps",)),
    "features": Column(
        pl.List(pl.String),
        "Features that are known of every car by the slate's as-of time, sorted.",
        "",
        "columns of slate_features without a null",
    ),
    **{
        name: Column(
            TRACK_VALUES[name].kind,
            f"{TRACK_VALUES[name].meaning} A person's override goes before the estimate.",
            TRACK_VALUES[name].unit,
            f"slate_track_values.{name}, or a person's override",
        )
        for name in ("difficulty", "aggression_factor", "caution_rate", "pit_window_laps")
    },
    "track_veto_rules": Column(pl.List(pl.String), _VETOES.format("track"), "", _SPEC),
    "track_overridden": Column(pl.List(pl.String), _OVERRIDDEN, "", _SPEC),
    "spec_hash": Column(pl.String, "SHA-256 of the compiled constraints, hexadecimal.", "", _SPEC),
}
"""One row: the slate, its race and its track."""

_IN_UNIT = "value in [0, 1]"

DRIVER_SUMMARY: Columns = {
    "slate_id": SLATE_ID,
    "driver_id": Column(
        pl.String, "The driver, of the slate or of the field.", "", "slate.driver_id"
    ),
    "name": Column(
        pl.String,
        "Name as the salary file spells it; null for a driver of the field who is not in it.",
        "",
        "slate.name",
    ),
    "in_slate": Column(pl.Boolean, "Whether the salary file holds him.", "", "slate.driver_id"),
    "salary": Column(pl.Int32, "Salary; null where he is not in it.", "dollars", "slate.salary"),
    **taken("slate", SLATE, ("team",)),
    "status": Column(
        pl.String,
        "The site's own status; `OUT` also for one who does not race for another reason.",
        "",
        "slate.status, slate.reason",
    ),
    "skill": Column(
        pl.Float64,
        "Skill in the compiled constraints; 0.5 is neutral. Null where they do not hold him.",
        _IN_UNIT,
        "slate_driver_values.skill, or a person's override",
    ),
    "aggression": Column(
        pl.Float64,
        "Aggression in the compiled constraints; 0.5 is neutral. Null as `skill`.",
        _IN_UNIT,
        "slate_driver_values.psyche_aggression, or a person's override",
    ),
    "shadow_risk": Column(
        pl.Float64,
        "Shadow risk in the compiled constraints; 0.5 is neutral. Null as `skill`.",
        _IN_UNIT,
        "slate_driver_values.shadow_risk, or a person's override",
    ),
    "min_laps_led": Column(
        pl.Int32, "A scenario in which he leads fewer laps is rejected.", "laps", _SPEC
    ),
    "max_laps_led": Column(
        pl.Int32,
        "A scenario in which he leads more laps is rejected; null for no bound.",
        "laps",
        _SPEC,
    ),
    "veto_rules": Column(pl.List(pl.String), _VETOES.format("driver"), "", _SPEC),
    "overridden": Column(pl.List(pl.String), _OVERRIDDEN, "", _SPEC),
    "compiled": Column(pl.Boolean, "Whether the compiled constraints hold him.", "", _SPEC),
}
"""One row per driver of the slate or of the field, ascending by id."""

CONSTRAINTS: Columns = {
    **{
        f"constraint_{name}": DRIVER_SUMMARY[name].of(_SPEC)
        for name in ("skill", "aggression", "shadow_risk")
    },
    **{
        f"constraint_{name}": Column(
            pl.Int64, DRIVER_SUMMARY[name].meaning, DRIVER_SUMMARY[name].unit, _SPEC
        )
        for name in ("min_laps_led", "max_laps_led")
    },
    **{f"constraint_{name}": DRIVER_SUMMARY[name] for name in ("veto_rules", "overridden")},
}
"""Columns that come from the compiled spec; their types do not depend on a slate's values."""

SLATE_TELEMETRY: Columns = {
    **taken("lap_summaries", LAP_SUMMARY),
    **taken("lap_summaries", RACE_OF_SUMMARY, ("series", "race_type", "track_type", "start_time")),
    "available_at": RACE_OF_SUMMARY["results_at"].of("lap_summaries.results_at"),
    **dict(sorted(CONSTRAINTS.items())),
}
"""One row per driver of the slate and past race with laps known by the as-of time."""
