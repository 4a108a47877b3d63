"""Which races of the schedule have which feed files."""

from __future__ import annotations

from typing import Any

import polars as pl

from nascar_assets.feed.landing import LANDING
from nascar_assets.feed.paths import RACE_KINDS, parse_path
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import scan_table

WANTED = ("weekend", "loop_stats")
"""What every race that has been run should have; the rest is a bonus of some races."""


def coverage_table(home: str) -> dict[str, Any]:
    """Counts per season and series, and the races that lack something.

    Returns:
        `seasons`: one row per season and series with the points races run and how many of them
        have each kind of file; `missing`: the races that lack the weekend feed or loop
        statistics.

    Raises:
        MissingPartition: If no schedule was ever synced.
    """
    root = Platform(home=home).root
    files: dict[str, set[str]] = {kind: set() for kind in RACE_KINDS}
    for item in root.list(LANDING):
        parsed = parse_path(item.path.removeprefix(f"{LANDING}/"))
        if parsed is not None and parsed.race_id is not None and parsed.kind in files:
            files[parsed.kind].add(parsed.race_id)
    races = (
        scan_table(root, "schedule")
        .filter((pl.col("status") == "complete") & (pl.col("race_type") == "points"))
        .sort("start_time", "race_id")
        .with_columns(
            pl.col("race_id").is_in(sorted(files[kind])).alias(kind) for kind in RACE_KINDS
        )
        .collect()
    )
    seasons = (
        races.group_by("season", "series")
        .agg(
            pl.len().alias("races"),
            *(pl.col(kind).sum() for kind in RACE_KINDS),
            (~pl.all_horizontal(WANTED)).sum().alias("missing"),
        )
        .sort("season", "series")
    )
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
