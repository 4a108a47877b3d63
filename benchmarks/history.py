"""Skill of the ratings, walk-forward on real Cup races: `python -m benchmarks.history`.

Needs the folder of real feed files in NASCAR_REAL_DATA. Prints the tables of docs/ratings.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.rank_mixture import (
    START_MIXTURES,
    RankedRace,
    fit_mixtures,
    rank_distribution,
    ranked_probability_score,
)
from nascar_assets.calibration.feed_tables import FeedTables, read_feed_tables
from nascar_assets.feed.schemas import TRACK_TYPES
from nascar_assets.history.level_features import FROM_PAST, FROM_WEEKEND
from nascar_assets.history.levels_ranks import RankMixture
from nascar_assets.history.ratings import rate_history
from nascar_assets.history.ratings_parameters import DEFAULT
from nascar_assets.history.ratings_state import RatingState
from nascar_assets.storage import DataRoot

Floats = NDArray[np.float64]
NEAREST_STARTS = 120
FIRST_SEASON = 2023


def read_points(feed: Path) -> FeedTables:
    """Schedule, results and features of all finished points races in a feed folder."""
    tables = read_feed_tables(DataRoot(str(feed)))
    return replace(tables, results=tables.results.filter(pl.col("race_type") == "points"))


@dataclass(frozen=True)
class Race:
    """One Cup race with the levels that were known before it."""

    track_type: str
    season: int
    levels: Floats
    start: Floats
    finish: NDArray[np.int64]

    @property
    def ranked(self) -> RankedRace:
        return RankedRace(self.track_type, self.levels, self.finish)


def cup_races(results: pl.DataFrame, ratings: pl.DataFrame, column: str = "level") -> list[Race]:
    """Cup races in order of start, with a column of the ratings as level."""
    table = results.filter(pl.col("series") == "cup").join(ratings, on=["race_id", "driver_id"])
    table = table.sort("start_time", "race_id", "driver_id")
    return [
        Race(
            race["track_type"][0],
            race["season"][0],
            race[column].to_numpy(),
            race["start"].cast(pl.Float64).fill_null((race.height + 1) / 2).to_numpy(),
            race["finish"].cast(pl.Int64).rank("ordinal").cast(pl.Int64).to_numpy(),
        )
        for race in table.partition_by("race_id", maintain_order=True)
    ]


def climatology(races: list[Race]) -> list[Floats | None]:
    """Finish distributions from the nearest starts of the same track type in past races."""
    past: dict[str, tuple[list[Floats], list[Floats]]] = {t: ([], []) for t in TRACK_TYPES}
    out: list[Floats | None] = []
    for race in races:
        starts, finishes = past[race.track_type]
        size = len(race.finish)
        if race.season >= FIRST_SEASON and starts:
            s, f = np.concatenate(starts), np.concatenate(finishes)
            rows = []
            for own in race.start:
                near = f[np.argsort(np.abs(s - own), kind="stable")[:NEAREST_STARTS]]
                rows.append([(np.minimum(near, size) <= r).mean() for r in range(1, size + 1)])
            out.append(np.array(rows))
        else:
            out.append(None)
        starts.append(race.start)
        finishes.append(race.finish.astype(np.float64))
    return out


def season_mixtures(races: list[Race]) -> dict[int, Mapping[str, RankMixture]]:
    """Mixtures fitted before each season on the races before it."""
    seasons = sorted({race.season for race in races if race.season >= FIRST_SEASON})
    return {
        season: fit_mixtures([race.ranked for race in races if race.season < season])
        for season in seasons
    }


def scores(
    races: list[Race],
    reference: list[Floats | None],
    mixtures: Callable[[Race], Mapping[str, RankMixture]],
) -> pl.DataFrame:
    """Score, score of the reference and rank correlation of each race from the first season on."""
    rows = []
    for race, base in zip(races, reference, strict=True):
        if base is None:
            continue
        own = rank_distribution(race.levels, race.track_type, mixtures=mixtures(race))
        rows.append(
            {
                "track_type": race.track_type,
                "season": race.season,
                "crps": ranked_probability_score(own, race.finish),
                "reference": ranked_probability_score(base, race.finish),
                "rho": spearmanr(-race.levels, race.finish).statistic,
            }
        )
    return pl.DataFrame(rows)


def skill(table: pl.DataFrame) -> tuple[float, float]:
    """Skill against the reference and its standard error, clustered by race (delta method)."""
    own, base = table["crps"].to_numpy(), table["reference"].to_numpy()
    value = 1.0 - own.mean() / base.mean()
    influence = (own - (1.0 - value) * base) / base.mean()
    return float(value), float(influence.std(ddof=1) / np.sqrt(len(own)))


def line(name: str, table: pl.DataFrame) -> str:
    """One row of the skill table."""
    value, error = skill(table)
    rho = table["rho"].to_numpy()
    return (
        f"| {name} | {table.height} | {table['crps'].mean():.3f} | {table['reference'].mean():.3f} "
        f"| {100 * value:.2f}% ({100 * error:.2f}) "
        f"| {rho.mean():.3f} ({rho.std(ddof=1) / np.sqrt(len(rho)):.3f}) |"
    )


def ablations(tables: FeedTables) -> dict[str, Callable[[], tuple[pl.DataFrame, str]]]:
    """Ratings without one source each: name to (ratings, column that serves as level)."""
    results, features = tables.results, tables.features
    nothing = replace(
        DEFAULT,
        driver=0.0,
        driver_type=0.0,
        driver_track=0.0,
        team=0.0,
        team_track=0.0,
        car=0.0,
        make_type=0.0,
    )
    no_loop = results.with_columns(
        driver_rating=pl.lit(None, pl.Float64), fastest_laps=pl.lit(None, pl.Int32)
    )
    cup = results.filter(pl.col("series") == "cup")

    def rated(table: pl.DataFrame = results, **changes: float) -> tuple[pl.DataFrame, str]:
        changed = replace(DEFAULT, **changes)
        return rate_history(table, features=features, hyperparameters=changed), "level"

    def without(*columns: str) -> tuple[pl.DataFrame, str]:
        known = features.with_columns(pl.lit(None, pl.Float64).alias(name) for name in columns)
        return rate_history(results, features=known), "level"

    return {
        "all ratings (start, qualifying, experience and features stay)": lambda: (
            rate_history(results, features=features, hyperparameters=nothing),
            "level",
        ),
        "start, qualifying and practice": lambda: (
            rate_history(results, features=features),
            "rating",
        ),
        "practice": lambda: without(*FROM_WEEKEND),
        "laps of past races": lambda: without(*FROM_PAST),
        "practice and laps": lambda: without(*FROM_WEEKEND, *FROM_PAST),
        "loop statistics (finish and start stay)": lambda: rated(no_loop),
        "Xfinity and Trucks": lambda: rated(cup),
        "teams": lambda: rated(team=0.0, team_track=0.0),
        "driver at the track type": lambda: rated(driver_type=0.0),
        "driver at the track": lambda: rated(driver_track=0.0),
        "team at the track": lambda: rated(team_track=0.0),
        "car": lambda: rated(car=0.0),
        "manufacturer": lambda: rated(make_type=0.0),
        "no decay: drivers and teams at 1,000 days instead": lambda: rated(
            driver_days=1000.0, team_days=1000.0
        ),
    }


def ablation_table(
    tables: FeedTables,
    base: pl.DataFrame,
    reference: list[Floats | None],
    mixtures: Mapping[int, Mapping[str, RankMixture]],
) -> None:
    """Print what each source is worth: change of the score when it is left out."""
    print("| left out | change of CRPS (standard error) | rank correlation |")
    print("| --- | --- | --- |")
    for name, make in ablations(tables).items():
        ratings, column = make()
        races = cup_races(tables.results, ratings, column)
        table = scores(races, reference, lambda race: mixtures[race.season])
        change = (table["crps"] - base["crps"]).to_numpy()
        error = change.std(ddof=1) / np.sqrt(len(change))
        print(f"| {name} | {change.mean():+.3f} ({error:.3f}) | {table['rho'].mean():.3f} |")


def timings(tables: FeedTables) -> Iterator[tuple[str, float, float | None]]:
    """What the ratings cost: name, seconds, target."""
    results, features = tables.results, tables.features
    rate_history(results.head(200))  # compiles the kernels
    known = results["results_at"].sort()
    last = results.filter(pl.col("results_at") == known[-1])
    last = last.filter(pl.col("race_id") == last["race_id"][0])
    started = last["start_time"][0]
    state = RatingState.empty()

    def timed(work: Callable[[], object]) -> float:
        clock = time.perf_counter()
        work()
        return time.perf_counter() - clock

    races = results["race_id"].n_unique()
    yield (
        f"walk-forward ratings of {races} races",
        timed(lambda: rate_history(results, features=features)),
        60.0,
    )
    yield (
        f"state after {races} races, from nothing",
        timed(lambda: state.extend(results, started, features)),
        None,
    )
    data = state.to_bytes()
    yield (
        f"state loaded ({len(data) / 1e6:.0f} MB)",
        timed(lambda: RatingState.from_bytes(data)),
        None,
    )
    yield (
        "one race rated from a state",
        timed(lambda: state.rate(last, started, features)),
        None,
    )
    yield (
        "one more race taken in",
        timed(lambda: state.extend(results, known[-1], features)),
        0.5,
    )


def rows() -> Iterator[dict[str, object]]:
    """Rows of `make bench`; none without real data."""
    folder = os.environ.get("NASCAR_REAL_DATA")
    if not folder:
        print("history: NASCAR_REAL_DATA names no folder of real feed files", file=sys.stderr)
        return
    tables = read_points(Path(folder) / "feed")
    for name, seconds, target in timings(tables):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield {"name": name, "value": seconds, "unit": "s", "target": target, "peak_mb": peak}
    races = cup_races(tables.results, rate_history(tables.results, features=tables.features))
    table = scores(races, climatology(races), lambda race: START_MIXTURES)
    value, error = skill(table)
    note = f"{table.height} Cup races since {FIRST_SEASON}, standard error {100 * error:.2f}"
    yield {
        "name": "skill of the finish against start climatology, mixture not fitted",
        "value": 100 * value,
        "unit": "%",
        "target": ">= 6.5",
        "note": note,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave the ablations out")
    arguments = parser.parse_args()
    folder = os.environ.get("NASCAR_REAL_DATA")
    if not folder:
        print("NASCAR_REAL_DATA names no folder of real feed files.", file=sys.stderr)
        return 2
    tables = read_points(Path(folder) / "feed")
    results = tables.results
    ratings = rate_history(results, features=tables.features)
    races = cup_races(results, ratings)
    reference = climatology(races)
    mixtures = season_mixtures(races)
    table = scores(races, reference, lambda race: mixtures[race.season])
    print("| races | n | CRPS | start climatology | skill | rank correlation |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(line("all", table))
    print(line("2023 to 2025", table.filter(pl.col("season") <= 2025)))
    for kind in TRACK_TYPES:
        print(line(kind, table.filter(pl.col("track_type") == kind)))
    for season in table["season"].unique().sort():
        print(line(str(season), table.filter(pl.col("season") == season)))
    fixed = scores(races, reference, lambda race: START_MIXTURES)
    print(line("mixture not fitted", fixed))
    print()
    for season, mixture in mixtures.items():
        print(season, {kind: [round(v, 2) for v in astuple(m)] for kind, m in mixture.items()})
    print()
    if not arguments.quick:
        ablation_table(tables, table, reference, mixtures)
        print()
    print("| what | seconds |")
    print("| --- | --- |")
    for name, seconds, _ in timings(tables):
        print(f"| {name} | {seconds:.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
