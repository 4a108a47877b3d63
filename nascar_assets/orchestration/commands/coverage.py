"""Which races of the schedule have which feed files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from nascar_assets.feed.landing import LANDING
from nascar_assets.feed.paths import RACE_KINDS, parse_path
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import scan_table

WANTED = ("weekend", "loop_stats")
"""What every race that has been run should have; the rest is a bonus of some races."""


def coverage_table(home: str, now: datetime) -> dict[str, Any]:
    """Counts per season and series, and the races that lack something.

    Args:
        now: The time: a season with races still to come is running.

    Returns:
        `seasons`: one row per season and series, the newest season first: `state` (see
        `season_states`), the points races that were run (`races`) and planned (`scheduled`), how
        many have what a forecast learns from (`usable`), and how many have each kind of file;
        `missing`: the races that lack the weekend feed or loop statistics.

    Raises:
        MissingPartition: If no schedule was ever synced.
    """
    root = Platform(home=home).root
    files: dict[str, set[str]] = {kind: set() for kind in RACE_KINDS}
    for item in root.list(LANDING):
        parsed = parse_path(item.path.removeprefix(f"{LANDING}/"))
        if parsed is not None and parsed.race_id is not None and parsed.kind in files:
            files[parsed.kind].add(parsed.race_id)
    planned = (
        scan_table(root, "schedule")
        .filter(pl.col("race_type") == "points")
        .sort("start_time", "race_id")
        .with_columns(
            pl.col("race_id").is_in(sorted(files[kind])).alias(kind) for kind in RACE_KINDS
        )
        .collect()
    )
    seasons = season_states(planned, now)
    races = planned.filter(pl.col("status") == "complete")
    lacking = races.filter(~pl.all_horizontal(WANTED))
    return {
        "seasons": seasons.to_dicts(),
        "missing": [
            {
                "race_key": race["race_key"],
                "race_name": race["race_name"],
                "lacks": [kind for kind in WANTED if not race[kind]],
            }
            for race in lacking.iter_rows(named=True)
        ],
    }


def season_states(planned: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """How far each season of each series has come, the newest season first.

    Args:
        planned: Points races: `season`, `series`, `status`, `start_time`, and for every kind of
            file whether it landed.

    Returns:
        `season`, `series`, `state`, `races`, `scheduled`, `usable`, the kinds of files, `missing`.
        The state is `complete` where every race that is planned has the weekend feed and loop
        statistics, else `running: 18 of 36 races` while races are to come and none that was run
        lacks a file, else `incomplete: 18 of 36 races`.
    """
    run = pl.col("status") == "complete"
    whole = run & pl.all_horizontal(WANTED)
    part = pl.format("{} of {} races", "usable", "scheduled")
    return (
        planned.group_by("season", "series")
        .agg(
            races=run.sum(),
            scheduled=pl.len(),
            usable=whole.sum(),
            missing=(run & ~whole).sum(),
            late=(~run & (pl.col("start_time") <= now)).sum(),
            **{kind: (run & pl.col(kind)).sum() for kind in RACE_KINDS},
        )
        .with_columns(
            state=pl.when(pl.col("usable") == pl.col("scheduled"))
            .then(pl.lit("complete"))
            .when(pl.col("missing") + pl.col("late") == 0)
            .then(pl.format("running: {}", part))
            .otherwise(pl.format("incomplete: {}", part))
        )
        .select("season", "series", "state", "races", "scheduled", "usable", *RACE_KINDS, "missing")
        .sort("season", "series", descending=[True, False])
    )
