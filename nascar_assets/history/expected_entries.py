"""Before the entry list: the car that each driver of a salary file is expected to race in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from nascar_assets.feed.schemas import ENTRIES
from nascar_assets.feed.teams import team_key
from nascar_assets.history.ratings_state import known_results
from nascar_assets.history.schemas import EQUIPMENT_CHANCE

CARRIED = ("team", "car_number", "manufacturer", "crew_chief")
"""What a driver brings along from his last race in the series."""

PAUSES = (10, 40)
"""Days since a driver's last race in the series, up to which pauses count as alike: he raced the
weekend before, he left out a few, he left out many."""

_NEW_SEASON = "new season"
_PRIOR_ROWS, _PRIOR_CHANCE = 10.0, 0.9
"""What the share of drivers who stay rests on before any race: ten of whom nine stayed."""


def expected_entries(
    drivers: pl.DataFrame, results: pl.DataFrame, race: Mapping[str, Any], as_of: datetime
) -> pl.DataFrame:
    """The entry list that is expected before there is one.

    Each driver carries team, car, make and crew chief from his last points race in the series, as
    known by then, with the chance that he still races for that team: the share of those who did
    after as long a pause, over all races of the series known by then. Measured on 2022 to 2026:
    from one weekend to the next 99.6% stay in Cup, 97.8% in Xfinity, 99.7% in Trucks; over a winter
    75%, 51% and 61%. A driver without a race in the series has no car and is rated as a newcomer
    to it.

    Args:
        drivers: `driver_id` and `driver_name` of each driver expected to race.
        results: RESULTS of any races; those known by the as-of time count.
        race: The race's SCHEDULE row.
        as_of: What was known by then is used, with a time zone.

    Returns:
        ENTRIES with `equipment_chance` [0, 1]; a row per driver in the order given, `entries_at`
        the as-of time, without starting positions or qualifying.
    """
    past = known_results(results, as_of)
    last = _last(past, race["series"])
    carried = drivers.select("driver_id", "driver_name").join(
        last.select("driver_id", "start_time", "season", *CARRIED), on="driver_id", how="left"
    )
    chances = _chances(past, race["series"])
    start = pl.lit(race["start_time"]).cast(past.schema["start_time"])
    pause = _pause(start, pl.col("start_time"), pl.lit(race["season"]), pl.col("season"))
    made: dict[str, pl.Expr] = {
        name: pl.lit(race.get(name), dtype=kind) for name, kind in ENTRIES.items()
    }
    made |= {name: pl.col(name) for name in ("driver_id", "driver_name", *CARRIED)}
    made["entries_at"] = pl.lit(as_of)
    chance = (
        pl.when(pl.col("start_time").is_null())
        .then(1.0)
        .otherwise(pause.replace_strict(chances, return_dtype=pl.Float64))
    )
    return carried.select(
        **{name: column.cast(ENTRIES[name]) for name, column in made.items()},
        **{EQUIPMENT_CHANCE: chance},
    )


def last_entries(results: pl.DataFrame, series: str, as_of: datetime) -> pl.DataFrame:
    """Each driver's row of his last points race in a series, as known by a time.

    Args:
        results: RESULTS of any races.
        series: The series.
        as_of: Results known later are left out.
    """
    return _last(known_results(results, as_of), series)


def _last(past: pl.DataFrame, series: str) -> pl.DataFrame:
    own = past.filter(pl.col("series") == series)
    return own.unique("driver_id", keep="last", maintain_order=True)


def _pause(start: pl.Expr, before: pl.Expr, season: pl.Expr, season_before: pl.Expr) -> pl.Expr:
    """The kind of pause between two races of a driver."""
    days = (start - before).dt.total_days()
    kind = pl.lit("0")
    for index, limit in enumerate(PAUSES):
        kind = pl.when(days > limit).then(pl.lit(str(index + 1))).otherwise(kind)
    return pl.when(season != season_before).then(pl.lit(_NEW_SEASON)).otherwise(kind)


def _chances(past: pl.DataFrame, series: str) -> dict[str, float]:
    """Chance to stay by kind of pause: the series' share, pulled to that of all series, and that
    to the share over all pauses."""
    changes = _changes(past)
    of_series = changes.filter(pl.col("series") == series)
    overall = _stayed(changes, _PRIOR_CHANCE)
    chances = {}
    for pause in (_NEW_SEASON, *map(str, range(len(PAUSES) + 1))):
        alike = pl.col("pause") == pause
        pooled = _stayed(changes.filter(alike), overall)
        chances[pause] = _stayed(of_series.filter(alike), pooled)
    return chances


def _changes(past: pl.DataFrame) -> pl.DataFrame:
    """Each two races in a row of a driver in a series: `series`, `pause`, `stayed`."""
    teams = {
        (name, series): team_key(name, series)
        for name, series in past.select("team", "series").unique().iter_rows()
    }
    keys = pl.Series("key", [teams[pair] for pair in past.select("team", "series").iter_rows()])
    before = {
        name: pl.col(name).shift(1).over("driver_id", "series")
        for name in ("start_time", "season", "key")
    }
    return (
        past.with_columns(keys.cast(pl.String))
        .select(
            "series",
            _pause(
                pl.col("start_time"), before["start_time"], pl.col("season"), before["season"]
            ).alias("pause"),
            (pl.col("key") == before["key"]).alias("stayed"),
        )
        .drop_nulls()
    )


def _stayed(changes: pl.DataFrame, prior: float) -> float:
    """Share that stayed, beside a prior worth ten rows."""
    stayed = float(changes["stayed"].sum())
    return (stayed + _PRIOR_ROWS * prior) / (changes.height + _PRIOR_ROWS)
