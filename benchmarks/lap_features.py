"""What features from laps add to the ratings: `python -m benchmarks.lap_features`.

Needs the folder of real feed files in NASCAR_REAL_DATA. For every Cup points race whose entrants
have past laps on its track type, the finish's normal score less the level that the ratings gave at
the start is regressed on each feature (about the race's mean, in its standard deviations). Standard
errors are robust to dependence within a race. Prints the table of docs/telemetry.md.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import chi2

from nascar_assets.feed.parse_practice import parse_practice
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.parse_weekend import parse_entries
from nascar_assets.feed.paths import race_path, schedule_path
from nascar_assets.history.features import build_features
from nascar_assets.history.ratings_scores import finish_scores
from nascar_assets.history.ratings_state import RatingState
from nascar_assets.history.results import build_race_results
from nascar_assets.telemetry import summarise_laps
from nascar_assets.telemetry.convert_lap_times import laps_from_lap_times

Floats = NDArray[np.float64]

SEASONS = (2022, 2023, 2024, 2025)
FROM_LAPS = (
    "track_type_falloff",
    "track_type_long_run_speed",
    "track_type_restart_gain",
    "track_type_green_speed_rank",
    "track_type_slow_lap_rate",
)


def tables(feed: Path) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The Cup schedule, and the sources of `build_features`."""

    def read(path: str) -> bytes | None:
        data = (feed / path).read_bytes() if (feed / path).is_file() else b"null"
        return None if data.strip() == b"null" else data

    lists = {year: data for year in SEASONS if (data := read(schedule_path(year))) is not None}
    schedule = parse_schedule(lists).filter(series="cup", race_type="points", status="complete")
    parts: dict[str, list[pl.DataFrame]] = {}
    for race in schedule.iter_rows(named=True):
        files = {
            kind: read(race_path(kind, race["season"], race["series"], race["race_id"]))
            for kind in ("weekend", "loop_stats", "lap_averages", "lap_times")
        }
        weekend, practice, laps = files["weekend"], files["lap_averages"], files["lap_times"]
        if weekend is None:
            continue
        parts.setdefault("entries", []).append(parse_entries(weekend, race).frame)
        results = build_race_results(race, weekend, files["loop_stats"]).frame
        parts.setdefault("results", []).append(results)
        if practice is not None:
            parts.setdefault("practice", []).append(parse_practice(practice, race).frame)
        if laps is not None:
            summary = summarise_laps(laps_from_lap_times(laps, race), race)
            parts.setdefault("lap_summaries", []).append(summary)
    return schedule, {name: pl.concat(frames) for name, frames in parts.items()}


def starts(schedule: pl.DataFrame, sources: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """One row per start whose entrant's race has features from laps: what ratings left over."""
    state, rows = RatingState.empty(), []
    first = sources["lap_summaries"]["start_time"].min()
    for race in schedule.sort("start_time").iter_rows(named=True):
        field = sources["results"].filter(
            pl.col("race_id") == race["race_id"], pl.col("finish").is_not_null()
        )
        if race["start_time"] <= first or field.is_empty():
            continue
        features = build_features(sources, race, race["start_time"])
        if features["track_type_lap_races"].sum() == 0:
            continue
        state.extend(sources["results"], race["start_time"])
        level = state.rate(field, race["start_time"])["level"]
        left = pl.Series("left_over", finish_scores(field)) - level
        rows.append(
            field.select("race_id", "driver_id")
            .with_columns(left)
            .join(features.select("driver_id", *FROM_LAPS), on="driver_id", how="left")
        )
    return pl.concat(rows)


def regress(table: pl.DataFrame, names: tuple[str, ...]) -> tuple[Floats, Floats, dict[str, Any]]:
    """Coefficients, their covariance clustered by race, and counts."""
    whole = table.drop_nulls(names)
    about = pl.col(*names, "left_over") - pl.col(*names, "left_over").mean().over("race_id")
    centred = whole.select("race_id", about)
    x = centred.select(names).to_numpy()
    x = x / x.std(axis=0)
    y = centred["left_over"].to_numpy()
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ (x.T @ y)
    scores = pl.DataFrame(x * (y - x @ beta)[:, None]).with_columns(race=centred["race_id"])
    sums = scores.group_by("race", maintain_order=True).sum().drop("race").to_numpy()
    explained = float(np.sum((x @ beta) ** 2) / np.sum(y**2))
    counts = {"starts": len(y), "races": len(sums), "explained": explained}
    return beta, inverse @ (sums.T @ sums) @ inverse, counts


def main() -> int:
    """Prints the table."""
    place = os.environ.get("NASCAR_REAL_DATA")
    if not place or not Path(place, "feed").is_dir():
        sys.stderr.write("lap_features: NASCAR_REAL_DATA names no folder of real feed files\n")
        return 1
    table = starts(*tables(Path(place, "feed")))
    print("| feature | starts | races | coefficient | standard error | t | variance explained |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in FROM_LAPS:
        (beta,), ((variance,),), counts = regress(table, (name,))
        error = float(np.sqrt(variance))
        print(
            f"| `{name}` | {counts['starts']} | {counts['races']} | {beta:+.3f} | {error:.3f} | "
            f"{beta / error:+.2f} | {100 * counts['explained']:.2f}% |"
        )
    beta, covariance, counts = regress(table, FROM_LAPS)
    wald = float(beta @ np.linalg.solve(covariance, beta))
    print(
        f"\nAll five: Wald {wald:.1f}, p {chi2.sf(wald, len(FROM_LAPS)):.2f}, "
        f"variance explained {100 * counts['explained']:.2f}%."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
