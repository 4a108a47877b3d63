"""One command that writes the page on Xfinity and Trucks from their backtests.

`python -m benchmarks.series_page FEED OUT --page docs/series.md` takes the folders that
`nascar backtest --as-of all --series all --out OUT` wrote: for each series it holds the sealed
forecasts of the start against what is particular to it (drivers who come down or move up, one-off
entries, tracks without history), and simulates past races with the models fitted for them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.calibration_page import between
from benchmarks.scenario_tables import markdown, parameters_markdown, realism
from nascar_assets.calibration.feed_tables import FeedTables, read_feed_tables
from nascar_assets.calibration.forecasts import RaceForecast
from nascar_assets.calibration.metrics_intervals import central_coverage, pit_bounds
from nascar_assets.calibration.tables_text import markdown_table
from nascar_assets.errors import InputError
from nascar_assets.history.ratings import rate_history
from nascar_assets.scenarios import ProcessParameters
from nascar_assets.scenarios.past_races import past_races
from nascar_assets.storage import DataRoot

SERIES = ("xfinity", "trucks")
ABOVE = {"xfinity": ("cup",), "trucks": ("cup", "xfinity")}
"""The series that drivers come down from."""
BELOW = {"xfinity": ("trucks",), "trucks": ()}
YEAR = timedelta(days=365)
REGULAR, FEW = 10, 3
"""Races of the last year that make a regular of a series, and those of a one-off at most."""


@dataclass(frozen=True, slots=True)
class Cars:
    """Cars of a series' sealed forecasts with what became of them, one row each.

    Attributes:
        table: `race_id`, `expected` and actual `finish`, PIT bounds `low` and `high`, and one
            boolean column a group.
    """

    table: pl.DataFrame

    def rows(self) -> Iterator[list[str]]:
        """Each group: cars, finish less expected finish by race, coverage of 80%."""
        for group in [name for name, kind in self.table.schema.items() if kind == pl.Boolean]:
            part = self.table.filter(group)
            if part.height < 2 * FEW:
                yield [group, str(part.height), "–", "–"]
                continue
            races = part.group_by("race_id").agg(
                (pl.col("finish") - pl.col("expected")).sum().alias("late"), pl.len().alias("cars")
            )
            late, cars = races["late"].to_numpy(), races["cars"].to_numpy()
            mean = late.sum() / cars.sum()
            # Of a ratio of sums, clustered by race.
            error = np.sqrt(((late - mean * cars) ** 2).sum()) / cars.sum()
            held = central_coverage(part["low"].to_numpy(), part["high"].to_numpy(), 0.8)
            yield [
                group,
                str(part.height),
                f"{mean:+.2f} ({error:.2f})",
                f"{100 * held.mean():.0f}",
            ]


def cars_of(series: str, folder: Path, tables: FeedTables) -> Cars:
    """The cars of a series' backtest at the start, with the groups that they are in."""
    results = tables.results.filter(
        pl.col("race_type") == "points", pl.col("finish").is_not_null()
    ).sort("start_time")
    names = {path.stem for path in (folder / "forecasts").glob("*.parquet")}
    parts = []
    for (race_id,), race in results.filter(pl.col("race_id").is_in(list(names))).group_by(
        "race_id", maintain_order=True
    ):
        content = (folder / "forecasts" / f"{race_id}.parquet").read_bytes()
        made = RaceForecast.from_parquet(content)
        start = race["start_time"][0]
        before = results.filter(pl.col("start_time") < start)
        lately = before.filter(pl.col("start_time") >= start - YEAR)
        counts = {
            name: dict(lately.filter(pl.col("series") == name)["driver_id"].value_counts().rows())
            for name in ("cup", "xfinity", "trucks")
        }
        seen = before.filter(
            pl.col("series") == series, pl.col("track_id") == race["track_id"][0]
        ).height
        place = dict(race.select("driver_id", "finish").iter_rows())
        both = [i for i, driver in enumerate(made.driver_ids) if driver in place]
        drivers = [made.driver_ids[i] for i in both]
        finish = np.array([place[driver] for driver in drivers])
        low, high = pit_bounds(made.finish[:, both].astype(np.float64), finish.astype(np.float64))

        def regular(driver: str, above: Sequence[str], counts: dict[str, dict[str, int]]) -> bool:
            return any(counts[name].get(driver, 0) >= REGULAR for name in above)

        own = [counts[series].get(driver, 0) for driver in drivers]
        down = [regular(driver, ABOVE[series], counts) for driver in drivers]
        up = [regular(driver, BELOW[series], counts) for driver in drivers]
        facts = list(zip(own, down, up, strict=True))
        parts.append(
            pl.DataFrame(
                {
                    "race_id": [race_id] * len(drivers),
                    "expected": made.finish[:, both].mean(axis=0),
                    "finish": finish.astype(np.float64),
                    "low": low,
                    "high": high,
                    "all": [True] * len(drivers),
                    "come down from a series above": down,
                    "moved up": [u and n <= REGULAR and not d for n, d, u in facts],
                    "one-off entries": [n <= FEW and not d and not u for n, d, u in facts],
                    "tracks new to the series": [seen == 0] * len(drivers),
                    "fields of fewer than 36": [race.height < 36] * len(drivers),
                }
            )
        )
    return Cars(pl.concat(parts))


def models_of(folder: Path) -> list[ProcessParameters]:
    """The race processes that a backtest fitted, in order."""
    stored = [json.loads(path.read_text()) for path in sorted((folder / "models").glob("*.json"))]
    return [ProcessParameters.from_dict(item["details"]["process"]) for item in stored]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.series_page")
    parser.add_argument("feed", help="folder that mirrors the feed")
    parser.add_argument("out", type=Path, help="folder of the backtests")
    parser.add_argument("--page", type=Path, default=Path("docs/series.md"))
    chosen = parser.parse_args(arguments)
    tables = read_feed_tables(DataRoot.open(chosen.feed))
    ratings = rate_history(tables.results, features=tables.features)
    header = ["cars", "number", "finish less expected", "80% intervals hold"]
    page = chosen.page.read_text()
    try:
        for series in SERIES:
            folder = chosen.out / series / "start"
            models = models_of(folder)
            races = past_races(
                tables.results,
                ratings,
                tables.schedule,
                datetime.now(UTC),
                series=(series,),
                full_distance=False,
            )
            fitted = {}
            for race in races:
                known = [m for m in models if m.as_of is not None and m.as_of <= race.start_time]
                if known:
                    fitted[race.setup.race_id] = known[-1]
            for marker, text in (
                ("groups", markdown_table(header, list(cars_of(series, folder, tables).rows()))),
                ("realism", markdown(realism(races, fitted)).strip()),
                ("parameters", parameters_markdown(models[-1]).strip()),
            ):
                page = between(page, f"{series} {marker}", text)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    chosen.page.write_text(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
