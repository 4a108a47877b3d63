"""The feature builder's source tables from a feed's tree, for tests on whole feeds."""

from collections.abc import Callable

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.parse_practice import parse_practice
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.parse_weekend import parse_entries
from nascar_assets.feed.paths import race_path, schedule_path
from nascar_assets.feed.schemas import ENTRIES, LAP_SUMMARY, PRACTICE, RACE_OF_SUMMARY, RESULTS
from nascar_assets.history.results import build_race_results
from nascar_assets.telemetry.convert_lap_times import laps_from_lap_times
from nascar_assets.telemetry.summary import summarise_laps


def feed_tables(read: Callable[[str], bytes | None], seasons, series=("cup",)):
    """The schedule and the sources of `build_features`.

    Args:
        read: Gives a file of the feed by its path, none where there is none.
        seasons: Years.
        series: Series wanted.
    """
    lists = {year: data for year in seasons if (data := read(schedule_path(year))) is not None}
    schedule = parse_schedule(lists).filter(pl.col("series").is_in(list(series)))
    parts: dict[str, list[pl.DataFrame]] = {
        "entries": [pl.DataFrame(schema=ENTRIES)],
        "results": [pl.DataFrame(schema=RESULTS)],
        "practice": [pl.DataFrame(schema=PRACTICE)],
        "lap_summaries": [pl.DataFrame(schema={**LAP_SUMMARY, **RACE_OF_SUMMARY})],
    }
    for race in schedule.iter_rows(named=True):
        files = {
            kind: read(race_path(kind, race["season"], race["series"], race["race_id"]))
            for kind in ("weekend", "loop_stats", "lap_averages", "lap_times")
        }
        if files["weekend"] is None:
            continue
        parts["entries"].append(parse_entries(files["weekend"], race).frame)
        try:
            results = build_race_results(race, files["weekend"], files["loop_stats"]).frame
            parts["results"].append(results)
        except InputError:
            pass  # the race was not run yet
        if files["lap_averages"] is not None:
            parts["practice"].append(parse_practice(files["lap_averages"], race).frame)
        if files["lap_times"] is not None:
            laps = laps_from_lap_times(files["lap_times"], race)
            parts["lap_summaries"].append(summarise_laps(laps, race))
    return schedule, {name: pl.concat(frames) for name, frames in parts.items()}
