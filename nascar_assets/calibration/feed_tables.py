"""Schedule and results of a feed folder, as a backtest needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.paths import loop_stats_path, parse_path, schedule_path, weekend_path
from nascar_assets.feed.schemas import RESULTS
from nascar_assets.history.results import build_race_results
from nascar_assets.storage.data_root import DataRoot


@dataclass(frozen=True, slots=True)
class FeedTables:
    """What a backtest reads of a feed.

    Attributes:
        schedule: SCHEDULE of all series.
        results: RESULTS of every race that has them, all series.
        problems: Race ids of files that could not be used, with the reason.
    """

    schedule: pl.DataFrame
    results: pl.DataFrame
    problems: tuple[tuple[str, str], ...] = ()


def read_feed_tables(feed: DataRoot, seasons: Sequence[int] | None = None) -> FeedTables:
    """Schedule and results of a folder that mirrors the feed.

    Races whose files are malformed are left out and listed in `problems`.

    Args:
        feed: The folder that holds `cacher/` and `loopstats/`.
        seasons: Seasons to read; all that have a schedule if left out.

    Raises:
        InputError: If the folder holds no schedule, or a schedule is malformed.
    """
    payloads: dict[int, bytes] = {}
    for season in _seasons(feed) if seasons is None else seasons:
        content = feed.read(schedule_path(season))
        if content is not None:
            payloads[season] = content
    if not payloads:
        raise InputError(
            "The folder holds no schedule (cacher/<year>/race_list_basic.json).",
            file=str(feed.location),
            remedy="Name the folder that holds cacher/ and loopstats/.",
        )
    schedule = parse_schedule(payloads)
    tables: list[pl.DataFrame] = []
    problems: list[tuple[str, str]] = []
    for race in schedule.filter(pl.col("status") == "complete").iter_rows(named=True):
        parts = race["season"], race["series"], race["race_id"]
        weekend = feed.read(weekend_path(*parts))
        if weekend is None:
            continue
        try:
            parsed = build_race_results(race, weekend, feed.read(loop_stats_path(*parts)))
        except InputError as error:
            problems.append((race["race_id"], str(error)))
            continue
        tables.append(parsed.frame)
    results = pl.concat(tables) if tables else pl.DataFrame(schema=RESULTS)
    return FeedTables(schedule, results, tuple(problems))


def _seasons(feed: DataRoot) -> list[int]:
    files = [parse_path(stored.path) for stored in feed.list("cacher")]
    return sorted({file.season for file in files if file is not None and file.kind == "schedule"})
