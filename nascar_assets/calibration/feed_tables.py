"""Schedule, results and features of a feed folder, as a backtest needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.parse_weekend import laps_run
from nascar_assets.feed.paths import parse_path, race_path, schedule_path
from nascar_assets.feed.schemas import RESULTS
from nascar_assets.feed.sources import PARSED
from nascar_assets.history.features import FEATURE_TABLE, features_at_starts
from nascar_assets.history.results import build_race_results
from nascar_assets.storage.data_root import DataRoot
from nascar_assets.telemetry.clean_lap_times import clean_lap_times
from nascar_assets.telemetry.convert_lap_times import laps_from_lap_times
from nascar_assets.telemetry.feed_values import parse_json
from nascar_assets.telemetry.summary import summarise_laps

AT_FAULT = "feed file at fault"
"""Begins the reason of a race that is left out for a damaged file."""


@dataclass(frozen=True, slots=True)
class FeedTables:
    """What a backtest reads of a feed.

    Attributes:
        schedule: SCHEDULE of all series.
        results: RESULTS of every race that has them, all series.
        problems: Race ids of files that could not be used, with the reason.
        features: FEATURE_TABLE of every points race that has results, as of its start; empty where
            neither practice nor laps are at hand.
        sources: The practice and lap summaries that these are built from.
    """

    schedule: pl.DataFrame
    results: pl.DataFrame
    problems: tuple[tuple[str, str], ...] = ()
    features: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FEATURE_TABLE))
    sources: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def without_results(self, races: pl.DataFrame) -> dict[str, str]:
        """Those of some races that have no results, by key, with the reason.

        Args:
            races: SCHEDULE rows.
        """
        at_fault = dict(self.problems)
        finished = set(self.results.filter(pl.col("finish").is_not_null())["race_id"].to_list())
        return {
            key: f"{AT_FAULT}: {at_fault[race_id]}" if race_id in at_fault else "no results"
            for race_id, key in races.select("race_id", "race_key").iter_rows()
            if race_id not in finished
        }


def read_feed_tables(feed: DataRoot, seasons: Sequence[int] | None = None) -> FeedTables:
    """Schedule, results and features of a folder that mirrors the feed.

    Races whose files are malformed are left out and listed in `problems`. Features are those of
    practice and laps: what a forecast knows of past results it takes from the results themselves.

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
    sources: dict[str, list[pl.DataFrame]] = {}
    problems: list[tuple[str, str]] = []
    for race in schedule.iter_rows(named=True):
        try:
            tables = _race_tables(feed, race)
        except InputError as error:
            problems.append((race["race_id"], str(error)))
            continue
        for name, table in tables.items():
            sources.setdefault(name, []).append(table)
    found = {name: pl.concat(parts) for name, parts in sources.items()}
    results = found.pop("results", pl.DataFrame(schema=RESULTS))
    ran = schedule.filter(
        pl.col("race_type") == "points",
        pl.col("race_id").is_in(results["race_id"].unique().to_list()),
    )
    features = features_at_starts(
        {**found, "entries": results}, ran.iter_rows(named=True) if found else ()
    )
    return FeedTables(schedule, results, tuple(problems), features, found)


def _race_tables(feed: DataRoot, race: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    """A race's results, practice and lap summary, those of them that its files hold."""

    def read(kind: str) -> bytes | None:
        return feed.read(race_path(kind, race["season"], race["series"], race["race_id"]))

    weekend = read("weekend")
    if weekend is None or laps_run(weekend, race) is None:
        return {}
    tables = {"results": build_race_results(race, weekend, read("loop_stats")).frame}
    if race["race_type"] != "points":
        return tables
    for source in PARSED:
        content = read(source.file)
        if content is not None and content.strip() != b"null":  # what the feed sends for none
            assert source.parse is not None
            tables[source.name] = source.parse(content, race, tables["results"]).frame
    laps = read("lap_times")
    if laps is not None and laps.strip() != b"null":
        file = race_path("lap_times", race["season"], race["series"], race["race_id"])
        body, _ = clean_lap_times(parse_json(laps, file), file, forgiving=True)
        tables["lap_summaries"] = summarise_laps(laps_from_lap_times(body, race), race)
    return tables


def _seasons(feed: DataRoot) -> list[int]:
    files = [parse_path(stored.path) for stored in feed.list("cacher")]
    return sorted({file.season for file in files if file is not None and file.kind == "schedule"})
