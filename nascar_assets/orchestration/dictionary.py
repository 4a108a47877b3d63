"""The data dictionary: every stored table, what a row of it is, and its columns.

A table that an asset stores is described here and nowhere else; Dagster's column schema and
lineage, `docs/data-dictionary.md` and exports are made from it. A new table is one entry, its
columns declared in `nascar_assets/columns`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType

from nascar_assets.columns import (
    calibration,
    contests,
    feed,
    history,
    lineups,
    scenarios,
    slates,
    views,
)
from nascar_assets.columns.column import Columns, taken
from nascar_assets.history.features import FEATURE_COLUMNS
from nascar_assets.rules.sites import RULE_SETS
from nascar_assets.telemetry.lap_columns import LAP_FEATURE_COLUMNS


@dataclass(frozen=True, slots=True)
class Table:
    """One stored table.

    Attributes:
        row: What a row is: "One row per ...".
        columns: Its columns, in order.
        key: Columns of which no two rows of one file are the same; none where rows have no key.
        made_by: The asset that writes it, where that is not the asset of its name.
        files: Where its files lie under the home, as a pattern of `fnmatch`; left out for tables
            of assets, which lie in `store/<name>.parquet` or `store/<name>/<partition>.parquet`.
    """

    row: str
    columns: Columns
    key: tuple[str, ...]
    made_by: str = ""
    files: str = ""


_RACE_DRIVER = ("race_id", "driver_id")
_POINTS = scenarios.points_columns(dict.fromkeys(rules.key for rules in RULE_SETS))

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "schedule": Table("One row per race of the landed seasons.", feed.SCHEDULE, ("race_id",)),
        "race_files": Table("One row per landed file of the race.", feed.RACE_FILES, ("path",)),
        "entries": Table("One row per car of the race's entry list.", feed.ENTRIES, _RACE_DRIVER),
        "practice": Table(
            "One row per session of practice and driver.",
            feed.PRACTICE,
            ("race_id", "session", "driver_id"),
        ),
        "race_results": Table(
            "One row per driver who started; the race's own columns repeated.",
            feed.RESULTS,
            _RACE_DRIVER,
        ),
        "laps": Table("One row per driver and lap.", feed.LAPS, (*_RACE_DRIVER, "lap")),
        "lap_features": Table(
            "One row per driver and lap.", LAP_FEATURE_COLUMNS, (*_RACE_DRIVER, "lap")
        ),
        "lap_summaries": Table(
            "One row per driver of a race with laps.",
            {**feed.LAP_SUMMARY, **feed.RACE_OF_SUMMARY},
            _RACE_DRIVER,
        ),
        "race_features": Table(
            "One row per entrant of a points race, as known at its start.",
            FEATURE_COLUMNS,
            _RACE_DRIVER,
        ),
        "driver_ratings": Table(
            "One row per entrant of the race, as known at its start.",
            history.RATINGS,
            _RACE_DRIVER,
        ),
        "track_profiles": Table(
            "One row per track that was raced before the race's start.",
            history.TRACK_PROFILES,
            ("track_id",),
        ),
        "driver_values": Table(
            "One row per driver of any past race.", history.DRIVER_VALUES, ("driver_id",)
        ),
        "track_values": Table(
            "One row per track of the schedule.", history.TRACK_VALUES, ("track_id",)
        ),
        "veto_rules": Table(
            "One row per veto rule in force.",
            history.VETO_RULES,
            ("subject", "subject_id", "code"),
        ),
        "slate": Table(
            "One row per row of the salary file, who may be picked first; the slate's own columns "
            "repeated.",
            slates.SLATE,
            ("site_id",),
        ),
        "slate_field": Table(
            "One row per car of the slate's race, as known by its as-of time.",
            {
                **taken("entries", feed.ENTRIES),
                "equipment_chance": history.EQUIPMENT_CHANCE,
            },
            _RACE_DRIVER,
        ),
        "slate_features": Table(
            "One row per car of the field, as known by the slate's as-of time.",
            FEATURE_COLUMNS,
            _RACE_DRIVER,
        ),
        "slate_ratings": Table("One row per car of the field.", history.RATINGS, _RACE_DRIVER),
        "slate_driver_values": Table(
            "One row per driver of any race known by the as-of time.",
            history.DRIVER_VALUES,
            ("driver_id",),
        ),
        "slate_track_values": Table(
            "One row per track of the schedule.", history.TRACK_VALUES, ("track_id",)
        ),
        "slate_summary": Table(
            "One row: the slate, its race and its track.", slates.SLATE_SUMMARY, ("slate_id",)
        ),
        "driver_summary": Table(
            "One row per driver of the slate or of the field.",
            slates.DRIVER_SUMMARY,
            ("driver_id",),
        ),
        "slate_telemetry": Table(
            "One row per driver of the field and past race with laps known by the as-of time.",
            slates.SLATE_TELEMETRY,
            _RACE_DRIVER,
        ),
        "model_parameters": Table(
            "One row per track type and parameter.",
            scenarios.MODEL_PARAMETERS,
            ("track_type", "parameter"),
        ),
        "scenarios": Table(
            "One row per scenario and driver.",
            {**scenarios.SCENARIOS, **_POINTS},
            ("scenario", "driver_id"),
        ),
        "scenario_races": Table(
            "One row per scenario: what all its cars share.",
            scenarios.SCENARIO_RACES,
            ("scenario",),
            made_by="scenarios",
        ),
        "scenario_summary": Table(
            "One row per car of the field.", scenarios.SCENARIO_SUMMARY, ("driver_id",)
        ),
        "scenario_optima": Table(
            "One row per player that a lineup may hold.", lineups.SCENARIO_OPTIMA, ("driver_id",)
        ),
        "slate_views": Table(
            "One row per statement of a view that was not dropped by the as-of time.",
            views.VIEWS,
            ("view_id", "quantity", "driver_id", "row"),
        ),
        "view_targets": Table(
            "One row per mean that views tilted the scenarios to; no file where none did.",
            views.VIEW_TARGETS,
            ("driver_id", "quantity", "threshold"),
            made_by="scenarios",
        ),
        "pure_scenarios": Table(
            "One row per scenario and driver without views; no file where none moves them.",
            {**views.PURE_SCENARIOS, **_POINTS},
            ("scenario", "driver_id"),
            made_by="scenarios",
        ),
        "view_effects": Table(
            "One row per player where views move the scenarios.",
            views.VIEW_EFFECTS,
            ("driver_id",),
        ),
        "lineups": Table(
            "One row per lineup; the set's own columns repeated.", lineups.LINEUPS, ("lineup",)
        ),
        "contests": Table(
            "One row per finished contest that was added.",
            contests.CONTESTS,
            ("slate_id", "contest_id"),
            "nascar contest add",
            "store/contests/*/*.parquet",
        ),
        "ledger": Table(
            "One row per entry of a person, from the site's entry history.",
            contests.LEDGER,
            ("entry_key",),
            "nascar ledger add",
        ),
        "contest_forecast": Table("One row per contest.", lineups.CONTEST_FORECAST, ("contest",)),
        "calibration_record": Table(
            "One row per group of races, label and metric.",
            calibration.CALIBRATION_RECORD,
            ("group", "label", "metric"),
        ),
        "race_scores": Table(
            "One row per driver of a past race that a slate's record was measured on.",
            calibration.RACE_SCORES,
            _RACE_DRIVER,
            made_by="calibration_record",
        ),
        "race_scores_no_grid": Table(
            "One row per driver of such a race, of a forecast that knew no starting order.",
            calibration.RACE_SCORES,
            _RACE_DRIVER,
            made_by="calibration_record",
        ),
        "recalibration": Table(
            "One row per track type with races enough.", calibration.RECALIBRATION, ("track_type",)
        ),
        "backtest": Table(
            "One row per forecaster and driver of the race.",
            calibration.BACKTEST,
            ("forecaster", "driver_id"),
        ),
        "model_version": Table(
            "One row per criterion of the release gate.",
            calibration.MODEL_VERSION,
            ("criterion",),
        ),
        "calibration_report": Table(
            "One row per forecaster, one column per metric.",
            calibration.CALIBRATION_REPORT,
            ("forecaster",),
        ),
        "backtest_races": Table(
            "One row per race and forecaster of a backtest run.",
            calibration.BACKTEST_RACES,
            ("race_id", "forecaster"),
            "backtest",
            "store/backtest_forecasts/*/scores.parquet",
        ),
        "sealed_forecasts": Table(
            "One row per scenario and driver of a race, sealed before its outcome was read.",
            calibration.FORECAST,
            ("scenario", "driver_id"),
            "backtest",
            "store/backtest_forecasts/*/forecasts/*.parquet",
        ),
        "landing_index": Table(
            "One row per file that a scan has seen.",
            feed.LANDING_INDEX,
            ("path",),
            "the sensors",
            "landing/.index/*.parquet",
        ),
    }
)
"""Every stored table by name."""


def table_of(path: str) -> str | None:
    """The name of the table that a file under the home belongs to; none for another file."""
    if not path.endswith(".parquet"):
        return None
    for name, table in TABLES.items():
        if table.files and fnmatchcase(path, table.files):
            return name
    folder, _, rest = path.partition("/")
    name = rest.split("/")[0].removesuffix(".parquet")
    return name if folder == "store" and name in TABLES else None


_NAMED = re.compile(r"\b([a-z_]+)\.([a-z_0-9.]*[a-z_0-9])")


def upstream(table: str, column: str) -> list[tuple[str, str]]:
    """The columns of other tables that a column's source names."""
    found = _NAMED.findall(TABLES[table].columns[column].source)
    return [(name, of) for name, of in found if name in TABLES]
