"""Records at a track: each driver's and team's own deviation there, kept apart from the filter.

There are thousands of pairs of driver and track, each seen once or twice a year: in the filter's
joint covariance they would make it ten times as costly. Each pair keeps its own small posterior
instead, as if independent of everything else between races (assumed density filtering). Measured
against the exact filter on 285 races the forecasts have the same skill.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nascar_assets.feed.teams import team_key
from nascar_assets.history import kernel
from nascar_assets.history.ratings_parameters import TARGETS, Hyperparameters

Floats = NDArray[np.float64]


class Record(NamedTuple):
    """Posterior of one deviation.

    Attributes:
        means: For each of the four scores.
        variance: For a score of unit scale.
        day: Of the last race there.
    """

    means: tuple[float, ...]
    variance: float
    day: float


class Local(NamedTuple):
    """One deviation in one race.

    Attributes:
        part: `driver_track` or `team_track`.
        key: Whose, and where.
        rows: Cars that it acts on.
        means: Prior means on the race's day, [4].
        variance: Prior variance on that day.
    """

    part: str
    key: str
    rows: list[int]
    means: Floats
    variance: float


@dataclass
class TrackRecords:
    """All deviations by key."""

    records: dict[str, Record] = field(default_factory=dict)

    def at(self, cars: pl.DataFrame, parameters: Hyperparameters, day: float) -> list[Local]:
        """Deviations that act on the cars of a race, as they are on its day.

        Args:
            cars: ENTRIES or RESULTS rows of one race; none act where the track is unknown.
            parameters: Prior variances and time constants.
            day: Days since 1970.

        Returns:
            One entry per driver and per team with a positive prior variance.
        """
        rows: dict[tuple[str, str], list[int]] = {}
        columns = cars.select("driver_id", "series", "team", "track_id")
        for i, (driver, series, name, track) in enumerate(columns.iter_rows()):
            if track is None:
                continue
            rows.setdefault(("driver_track", f"driver|{driver}|{track}"), []).append(i)
            team = team_key(name, series)
            if team is not None:
                rows.setdefault(("team_track", f"team|{team}|{track}"), []).append(i)
        prior = {"driver_track": parameters.driver_track, "team_track": parameters.team_track}
        days = {
            "driver_track": parameters.driver_track_days,
            "team_track": parameters.team_track_days,
        }
        out = []
        for (part, key), members in rows.items():
            variance, means = prior[part], np.zeros(len(TARGETS))
            if variance <= 0.0:
                continue
            record = self.records.get(key)
            if record is not None:
                keep = float(np.exp(-max(day - record.day, 0.0) / days[part]))
                means = keep * np.array(record.means)
                variance += keep * keep * (record.variance - variance)
            out.append(Local(part, key, members, means, variance))
        return out

    def learn(self, local: list[Local], factor: Floats, white: Floats, day: float) -> None:
        """Take in one race.

        Args:
            local: What `at` gave for its cars.
            factor: Cholesky factor of the covariance of the cars' scores, [n, n].
            white: Whitened errors, [n, 4].
            day: Days since 1970.
        """
        crossed = np.zeros((len(white), len(local)))
        for q, item in enumerate(local):
            crossed[item.rows, q] = item.variance
        rows = kernel.solve_lower(factor, crossed)
        means = np.einsum("nd,nk->dk", rows, white)
        known = np.sum(rows * rows, axis=0)
        for q, item in enumerate(local):
            after = tuple((item.means + means[q]).tolist())
            self.records[item.key] = Record(after, float(item.variance - known[q]), day)

    def forget(self, before: float) -> None:
        """Drop the records whose last race was before a day."""
        self.records = {key: r for key, r in self.records.items() if r.day >= before}


def local_prior(local: list[Local], cars: int) -> tuple[Floats, Floats]:
    """What deviations add to the cars' joint prior: covariance [n, n] and means [n, 4]."""
    covariance, means = np.zeros((cars, cars)), np.zeros((cars, len(TARGETS)))
    for item in local:
        for i in item.rows:
            means[i] += item.means
            for j in item.rows:
                covariance[i, j] += item.variance
    return covariance, means
