"""What a forecast does not know yet, what stands in for it, and how old its data are."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from nascar_assets.feed.sources import SOURCE

GRID = "starting order"
"""Known with the entry list's later columns; a source of its own in people's eyes."""

GRID_STAND_IN = "each scenario draws its own from the ratings"

YEAR = timedelta(days=365)


def not_known_yet(known: Collection[str], qualified: bool) -> dict[str, str]:
    """What is not known, and what the forecast goes by instead.

    Args:
        known: Names of the sources that have records.
        qualified: Whether the starting order is known.

    Returns:
        Labels of sources to their stand-ins, in the order of the registry, the grid last.

    Example:
        >>> not_known_yet({"entries", "results", "lap_summaries"}, qualified=True)
        {'practice': 'levels rest on ratings, and on qualifying where that is known'}
    """
    missing = {item.label: item.stand_in for name, item in SOURCE.items() if name not in known}
    return missing if qualified else {**missing, GRID: GRID_STAND_IN}


def results_missing(
    schedule: pl.DataFrame, results: pl.DataFrame, series: str, as_of: datetime
) -> str | None:
    """How old the results are where races of the series' last year lack them; none where not.

    Args:
        schedule: SCHEDULE.
        results: RESULTS known by the as-of time.
        series: The series.
        as_of: The as-of time.

    Returns:
        A sentence, such as "No results since 2025-06-22 but for 5 of 40 races." or "3 of the 36
        races of the year before have no results, the last on 2026-03-01.".
    """
    run = schedule.filter(
        pl.col("series") == series,
        pl.col("race_type") == "points",
        pl.col("start_time").is_between(as_of - YEAR, as_of - timedelta(hours=8)),
    ).sort("start_time")
    held = set(results["race_id"].unique().to_list())
    has = [race in held for race in run["race_id"]]
    if all(has):
        return None
    days = [f"{start:%Y-%m-%d}" for start in run["start_time"]]
    missing = [day for day, there in zip(days, has, strict=True) if not there]
    if len(missing) * 2 <= len(days):
        return (
            f"{len(missing)} of the {len(days)} {series} races of the year before have no "
            f"results, the last on {missing[-1]}."
        )
    # Most are missing: since when there are hardly any, and how many there are after that.
    first = has.index(False)
    since = days[first - 1] if first else f"{as_of - YEAR:%Y-%m-%d}"
    after = sum(has[first:])
    but = f" but for {after} of {len(days) - first} {series} races" if after else ""
    return f"No {series} results since {since}{but}."
