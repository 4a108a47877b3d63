"""The feature table of a race's entrants as of a time: what a forecast may know, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

from nascar_assets.columns import feed
from nascar_assets.columns.column import UTC_TIME, Column, Columns, taken, types_of
from nascar_assets.errors import InputError
from nascar_assets.history.feature_laps import lap_features
from nascar_assets.history.feature_results import result_features
from nascar_assets.history.feature_weekend import weekend_features
from nascar_assets.telemetry.catalogue import FEATURES

FEATURE_COLUMNS: Columns = {
    **taken("entries", feed.ENTRIES, ("race_id", "driver_id")),
    "available_at": Column(
        UTC_TIME,
        "Since when all values of the row are known; never after the as-of time.",
        "UTC",
        "entries_at, qualifying_at and results_at of what the row uses",
    ),
    **{feature.name: feature.column for feature in FEATURES},
}
FEATURE_TABLE = types_of(FEATURE_COLUMNS)
"""One row per entrant; the features in the catalogue's order and units."""

_COUNTS = [feature.name for feature in FEATURES if feature.whole and feature.unit == "races"]

_RACE_FACTS = ("race_id", "series", "track_type", "start_time")


def build_features(
    sources: Mapping[str, pl.DataFrame | pl.LazyFrame], race: Mapping[str, Any], as_of: datetime
) -> pl.DataFrame:
    """Build the feature table of a race's entrants as of an as-of time.

    Every source may hold more than was known: rows and columns whose moment of knowledge
    (`entries_at`, `qualifying_at`, `results_at`) lies after the as-of time are not looked at. Where
    a source holds several versions of a row (a disqualification days later), the last one known by
    the as-of time counts. Historical features look at earlier points races of the race's series.

    Args:
        sources: `entries` (`ENTRIES`) is needed; `results` (`RESULTS`), `practice` (`PRACTICE`)
            and `lap_summaries` (`LAP_SUMMARY`; with `RACE_OF_SUMMARY`, or the facts of its races
            are taken from the results) may be absent: their features are then null. Frames may be
            lazy.
        race: The race's `race_id`, `series`, `track_type`, `start_time`, and
            `track_length_miles` for practice speeds and qualifying gaps; a schedule row will do.
        as_of: Moment of knowledge, with a time zone.

    Returns:
        `FEATURE_TABLE`, ordered by driver id; one row per entrant known by the as-of time, so empty
        before the entry list is out. Unknown values are null.

    Raises:
        InputError: If the entries are missing, the race lacks a fact, or a time lacks its zone.
    """
    if "entries" not in sources:
        raise InputError("No table of entries is given.", field="entries")
    missing = [name for name in _RACE_FACTS if race.get(name) is None]
    if missing:
        raise InputError(f"The race lacks {', '.join(missing)}.", field=missing[0])
    if as_of.tzinfo is None or race["start_time"].tzinfo is None:
        raise InputError(
            "The as-of time or the race's start names no time zone.",
            field="as_of" if as_of.tzinfo is None else "start_time",
        )
    moment = as_of.astimezone(UTC)
    race_id = str(race["race_id"])
    entrants = (
        sources["entries"]
        .lazy()
        .filter(pl.col("race_id") == race_id, pl.col("entries_at") <= moment)
        .sort("driver_id", "entries_at")
        .unique("driver_id", keep="last", maintain_order=True)
    )
    given = {name: source.lazy() for name, source in sources.items()}
    parts = [weekend_features(given, entrants, race, moment)]
    if "results" in given:
        parts.append(result_features(given, entrants, race, moment))
    if "lap_summaries" in given:
        parts.append(lap_features(given, entrants, race, moment))
    table = entrants.select(
        "race_id", "driver_id", pl.col("entries_at").cast(UTC_TIME).alias("known_entry")
    )
    for part in parts:
        table = table.join(part, on="driver_id", how="left", maintain_order="left")
    present = set(table.collect_schema().names())
    known = [name for name in present if name.startswith("known_")]
    return (
        table.with_columns(
            pl.max_horizontal(sorted(known)).alias("available_at"),
            *(
                pl.lit(None).alias(name)
                for name in FEATURE_TABLE
                if name not in {*present, "available_at"}
            ),
        )
        .with_columns(pl.col(_COUNTS).fill_null(0))
        .select(pl.col(name).cast(kind) for name, kind in FEATURE_TABLE.items())
        .collect()
    )


def features_at_starts(
    sources: Mapping[str, pl.DataFrame | pl.LazyFrame], races: Iterable[Mapping[str, Any]]
) -> pl.DataFrame:
    """The feature tables of several races, each as of its own start.

    Args:
        sources: As `build_features` takes them.
        races: The races, as `build_features` takes them.

    Returns:
        `FEATURE_TABLE`, race by race in the order given.
    """
    tables = [build_features(sources, race, race["start_time"]) for race in races]
    return pl.concat(tables) if tables else pl.DataFrame(schema=FEATURE_TABLE)
