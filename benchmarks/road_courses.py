"""Do specialists on road courses get too little? Winners under other priors of the ratings.

`python -m benchmarks.road_courses FEED` rates every race under some priors and asks, on the road
courses since 2023, how likely levels make the winner and the first five: the log likelihood of a
Plackett-Luce model of the levels, its one scale fitted for each prior. Differences from the prior
in use are paired by race.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.optimize import minimize_scalar

from nascar_assets.calibration.feed_tables import read_feed_tables
from nascar_assets.calibration.tables_text import markdown_table
from nascar_assets.history.ratings import rate_history
from nascar_assets.history.ratings_parameters import DEFAULT, Hyperparameters
from nascar_assets.storage import DataRoot

Floats = npt.NDArray[np.float64]
FIRST_SEASON = 2023


def priors() -> Mapping[str, Hyperparameters]:
    """The prior in use, and others that shrink what a driver does on road courses less or more."""
    scale, noise = {**DEFAULT.scale, "road": 0.8}, {**DEFAULT.noise, "road": 0.4}
    wide = replace(DEFAULT, driver_type=2 * DEFAULT.driver_type)
    return {
        "in use": DEFAULT,
        "own deviation at a track type: variance x 0.5": replace(
            DEFAULT, driver_type=DEFAULT.driver_type / 2
        ),
        "x 2": wide,
        "x 4": replace(DEFAULT, driver_type=4 * DEFAULT.driver_type),
        "drivers and teams count 0.8 there, not 0.61": replace(DEFAULT, scale=scale),
        "x 2, and 0.8": replace(wide, scale=scale),
        "noise of a race 0.40, not 0.56": replace(DEFAULT, noise=noise),
    }


def log_likelihood(scale: float, levels: Floats, finish: Floats, first: int) -> float:
    """Log likelihood of the first places of a race under Plackett-Luce.

    Args:
        scale: Factor of the levels.
        levels: Level of each car [N].
        finish: Its finish [N].
        first: How many places.
    """
    worth = scale * levels[np.argsort(finish, kind="stable")]
    rest = np.logaddexp.accumulate(worth[::-1])[::-1]
    return float((worth - rest)[:first].sum())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.road_courses")
    parser.add_argument("feed", help="folder that mirrors the feed")
    tables = read_feed_tables(DataRoot.open(parser.parse_args(arguments).feed))
    road = tables.results.filter(
        pl.col("race_type") == "points",
        pl.col("track_type") == "road",
        pl.col("finish").is_not_null(),
        pl.col("start_time").dt.year() >= FIRST_SEASON,
    ).select("race_id", "driver_id", "series", "finish", "start_time")
    found: dict[tuple[str, int], Floats] = {}
    rows, cup = [], np.array([], bool)
    for name, prior in priors().items():
        rated = rate_history(tables.results, features=tables.features, hyperparameters=prior)
        races = (
            road.join(rated.select("race_id", "driver_id", "level"), on=["race_id", "driver_id"])
            .sort("start_time", "race_id", "driver_id")
            .partition_by("race_id", maintain_order=True)
        )
        cup = np.array([race["series"][0] == "cup" for race in races])
        pairs = [(race["level"].to_numpy(), race["finish"].to_numpy()) for race in races]
        cells = [name]
        for first in (1, 5):

            def worth(
                scale: float, first: int = first, pairs: list[tuple[Floats, Floats]] = pairs
            ) -> Floats:
                return np.array([log_likelihood(scale, *pair, first) for pair in pairs])

            best = minimize_scalar(lambda s: -worth(s).sum(), bounds=(0.1, 8.0), method="bounded").x
            found[name, first] = worth(best)
            change = found[name, first] - found["in use", first]
            cells += [f"{found[name, first].mean():.3f}"] if first == 1 else []
            for part in (change, change[cup]):
                error = part.std(ddof=1) / np.sqrt(part.size)
                cells.append("–" if name == "in use" else f"{part.mean():+.3f} ({error:.3f})")
        rows.append(cells)
    header = ["prior", "winner", "change", "Cup alone", "first five, change", "Cup alone"]
    sys.stdout.write(f"{cup.size} races, {cup.sum()} of them Cup\n\n")
    sys.stdout.write(markdown_table(header, rows) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
