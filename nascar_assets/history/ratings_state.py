"""The state of all ratings after the races known so far: extended race by race, saved as bytes."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import SERIES
from nascar_assets.history.level_features import check_features, level_features
from nascar_assets.history.levels import PRIOR_KNOWN, PRIOR_RATINGS, RATED, LevelRidge
from nascar_assets.history.ratings_filter import Prediction, RatingFilter
from nascar_assets.history.ratings_parameters import DEFAULT, TARGETS, Hyperparameters
from nascar_assets.history.ratings_records import Record, TrackRecords
from nascar_assets.history.ratings_scores import (
    finish_scores,
    floats,
    qualifying_scores,
    start_scores,
    target_scores,
)
from nascar_assets.history.schemas import EQUIPMENT_CHANCE, RATINGS

Floats = NDArray[np.float64]

RESULT_ORDER = ("results_at", "start_time", "race_id", "driver_id")
"""Races are taken in as they become known; cars in an order that no file decides."""

LADDER = tuple(SERIES.values())
"""The series, highest first."""

PRIOR_STARTS = 10.0
"""Starts in his own series that a driver is given beside those he has, so that two starts in a
higher one make nobody its regular."""

_FORMAT = 3


@dataclass
class RatingState:
    """Ratings and levels as of the last race taken in.

    Attributes:
        filter: Posterior of drivers, teams, cars and manufacturers.
        before: Ridge of the finish on ratings and the laps of past races.
        known: Ridge of the finish on these, start, qualifying and practice.
        races: Past races by driver, all series.
        series_starts: Past races by series and driver.
        seen: Races taken in.
        data_through: Start of the last of them.
        known_at: When the last of them was known.
    """

    filter: RatingFilter = field(default_factory=RatingFilter)
    before: LevelRidge = field(default_factory=lambda: LevelRidge(PRIOR_RATINGS))
    known: LevelRidge = field(default_factory=lambda: LevelRidge(PRIOR_KNOWN))
    races: dict[str, int] = field(default_factory=dict)
    series_starts: dict[str, dict[str, int]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    data_through: datetime | None = None
    known_at: datetime | None = None

    @classmethod
    def empty(cls, hyperparameters: Hyperparameters = DEFAULT) -> RatingState:
        """A state that has seen no race."""
        return cls(filter=RatingFilter(hyperparameters))

    def extend(
        self, results: pl.DataFrame, as_of: datetime, features: pl.DataFrame | None = None
    ) -> int:
        """Take in all races known by a time that are not in yet.

        Args:
            results: RESULTS of any series, in any order; exhibitions are left out.
            as_of: Races known later are left out.
            features: FEATURE_TABLE rows of any races, each race's as of its start; a row known
                after its race's start counts as unknown.

        Returns:
            Number of races taken in.

        Raises:
            InputError: A race not yet in was known before one that is (the state would depend on
                the order of its making), a driver has two rows in a race, or the feature table
                lacks a column.
        """
        known = known_results(results, as_of).filter(
            ~pl.col("race_id").is_in(sorted(self.seen) or [""])
        )
        races = known.partition_by("race_id", maintain_order=True)
        tables: dict[tuple[object, ...], pl.DataFrame] = {}
        if features is not None:
            new = pl.col("race_id").is_in(known["race_id"].unique().to_list())
            features = features.filter(new)
            check_features(features)
            tables = features.partition_by("race_id", as_dict=True)
        for race in races:
            self._observe(race, tables.get((race["race_id"][0],)))
        return len(races)

    def _observe(self, race: pl.DataFrame, table: pl.DataFrame | None) -> None:
        race_id, started, known_at = race.select("race_id", "start_time", "results_at").row(0)
        if self.known_at is not None and known_at < self.known_at:
            raise InputError(
                f"race {race_id} was known before a race that the ratings already hold",
                field="results_at",
                remedy="Build the ratings anew from all results.",
            )
        if race["driver_id"].n_unique() != race.height:
            raise InputError(
                f"a driver has two rows in race {race_id}",
                field="driver_id",
                remedy="Keep one row per race and driver.",
            )
        kind, day = race["track_type"][0], days_since_epoch(started)
        retired = race["status"].is_in(["accident", "mechanical"]).fill_null(False).to_numpy()
        scores = self.filter.score_covariance
        prediction = self.filter.observe(race, target_scores(race), retired, day)
        features, finish = self.features(prediction, race, table, started), finish_scores(race)
        for ridge in (self.before, self.known):
            levels, _ = ridge.predict(features, kind, prediction.variances, scores)
            ridge.observe(features, kind, finish, levels, day)
        series = race["series"][0]
        for driver in race["driver_id"]:
            self.races[driver] = self.races.get(driver, 0) + 1
            starts = self.series_starts.setdefault(series, {})
            starts[driver] = starts.get(driver, 0) + 1
        self.seen.add(race_id)
        self.known_at = known_at
        self.data_through = max(started, self.data_through or started)

    def rate(
        self, entries: pl.DataFrame, as_of: datetime, features: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Rate the entrants of one race.

        Args:
            entries: ENTRIES rows of the race; with `equipment_chance` where teams and cars are
                not sure (further columns are not read).
            as_of: What was known by then is used: start and qualifying only if `qualifying_at` is
                not later and at least half of the field has a starting position.
            features: FEATURE_TABLE rows of any races; the race's own are read, as far as they
                were known by `as_of`. Without any, the levels rest on results alone.

        Returns:
            RATINGS in the order of `entries`.

        Raises:
            InputError: No rows, rows of several races, a driver twice, a state that already
                holds races known later than `as_of`, or a feature table that lacks a column.
        """
        check_entries(entries)
        if features is not None:
            features = features.filter(pl.col("race_id") == entries["race_id"][0])
            check_features(features)
        if self.known_at is not None and self.known_at > as_of:
            raise InputError(
                f"the ratings hold a race known at {self.known_at}, after {as_of}",
                field="as_of",
                remedy="Rate from a state that ends earlier.",
            )
        place = entries.with_row_index("_place").sort("driver_id")
        kind, started, qualified = place.select("track_type", "start_time", "qualifying_at").row(0)
        prediction = self._predict(place, days_since_epoch(started))
        scores = self.filter.score_covariance
        inputs = self.features(prediction, place, features, as_of)
        rating, rating_sd = self.before.predict(inputs, kind, prediction.variances, scores)
        level, level_sd = rating, rating_sd
        has_start = place["start"].is_not_null().sum() * 2 >= place.height
        if qualified is not None and qualified <= as_of and has_start:
            level, level_sd = self.known.predict(inputs, kind, prediction.variances, scores)
        races = [self.races.get(driver, 0) for driver in place["driver_id"]]
        table = place.select("_place", "race_id", "driver_id").with_columns(
            pl.lit(as_of).cast(RATINGS["as_of"]).alias("as_of"),
            pl.Series("rating", rating),
            pl.Series("rating_sd", rating_sd),
            pl.Series("level", level),
            pl.Series("level_sd", level_sd),
            pl.Series("races", races, dtype=pl.Int32),
            pl.Series("newcomer", [count == 0 for count in races]),
        )
        return table.sort("_place").select(list(RATINGS)).cast(pl.Schema(RATINGS))

    def _predict(self, cars: pl.DataFrame, day: float) -> Prediction:
        """What the filter expects; where the equipment is not sure, of both cases together.

        With chance p a car is as stated, else of equipment that nothing is known of. Mean and
        variance are those of the mixture of the two: the law of total variance, the difference of
        the four means taken in units of their own spread.
        """
        stated = self.filter.predict(cars, day)
        if EQUIPMENT_CHANCE not in cars.columns or (cars[EQUIPMENT_CHANCE] == 1.0).all():
            return stated
        chance = floats(cars[EQUIPMENT_CHANCE])
        nothing = [pl.lit(None, pl.String).alias(c) for c in ("team", "car_number", "manufacturer")]
        other = self.filter.predict(cars.with_columns(nothing), day)
        apart = (stated.means - other.means) ** 2 / np.diag(self.filter.score_covariance)
        return Prediction(
            chance[:, None] * stated.means + (1.0 - chance[:, None]) * other.means,
            chance * stated.variances
            + (1.0 - chance) * (other.variances + chance * apart.mean(axis=1)),
        )

    def features(
        self,
        prediction: Prediction,
        cars: pl.DataFrame,
        table: pl.DataFrame | None = None,
        as_of: datetime | None = None,
    ) -> Floats:
        """What levels are regressed on, about the field's mean: [n, p] as `PRIOR_KNOWN` names them.

        A ridge reads as many of them, from the first on, as it has coefficients.

        Args:
            prediction: Of the cars' ratings.
            cars: Rows of the cars.
            table: FEATURE_TABLE rows of the race.
            as_of: Rows of the table known later count as unknown.
        """
        own, above = self._starts(cars["series"][0], cars["driver_id"])
        speed = floats(cars["qualifying_speed_mph"])
        qualifying, has_qualified = qualifying_scores(speed)
        columns = {
            **dict(zip(RATED, prediction.means.T, strict=True)),
            "rating_sd": np.sqrt(prediction.variances),
            "log_starts": np.log1p(own),
            "share_above": above / (above + own + PRIOR_STARTS),
            "start_score": start_scores(floats(cars["start"])),
            "qualifying_speed": qualifying,
            "qualifying_known": has_qualified,
            **level_features(table, cars, as_of),
        }
        features = np.column_stack([columns[name] for name in PRIOR_KNOWN])
        return features - features.mean(axis=0)

    def _starts(self, series: str, drivers: pl.Series) -> tuple[Floats, Floats]:
        """Past starts of each driver [n] in a series, and in the series above it."""

        def counts(name: str) -> Floats:
            starts = self.series_starts.get(name, {})
            return np.array([starts.get(driver, 0) for driver in drivers], np.float64)

        above = LADDER[: LADDER.index(series)]
        return counts(series), sum((counts(name) for name in above), np.zeros(len(drivers)))

    def to_bytes(self) -> bytes:
        """The state as bytes (NumPy's npz); the same state gives the same bytes."""
        f = self.filter
        size = f.size
        head = {
            "format": _FORMAT,
            "parameters": _plain(f.parameters),
            "clock": f.clock,
            "errors": f.errors,
            "log_score": f.log_score,
            "ridges": {
                name: {"residual": r.residual, "rows": r.rows, "clock": r.clock}
                for name, r in (("before", self.before), ("known", self.known))
            },
            "races": self.races,
            "series_starts": self.series_starts,
            "records": list(f.tracks.records),
            "seen": sorted(self.seen),
            "data_through": _stamp(self.data_through),
            "known_at": _stamp(self.known_at),
            "index": list(f.index),
        }
        records = f.tracks.records.values()
        buffer = io.BytesIO()
        np.savez(
            buffer,
            head=np.frombuffer(json.dumps(head).encode(), np.uint8),
            covariance=f.covariance[:size, :size][np.tril_indices(size)],
            means=f.means[:size],
            variance=f.variance[:size],
            days=f.days[:size],
            last_seen=f.last_seen[:size],
            error_products=f.error_products,
            record_means=np.array([r.means for r in records]).reshape(-1, len(TARGETS)),
            record_variances=np.array([r.variance for r in records]),
            record_days=np.array([r.day for r in records]),
            before_products=self.before.products,
            before_response=self.before.response,
            known_products=self.known.products,
            known_response=self.known.response,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> RatingState:
        """The state that `to_bytes` wrote.

        Raises:
            InputError: The bytes are no such state, or one of another format.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                parts = dict(arrays)
            head = json.loads(bytes(parts["head"]))
            if head["format"] != _FORMAT:
                raise ValueError(f"format {head['format']}")
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"This is no saved state of ratings of this version: {error}.",
                remedy="Build the ratings anew from the results.",
            ) from error
        size = len(head["index"])
        covariance = np.zeros((size, size))
        covariance[np.tril_indices(size)] = parts["covariance"]
        rating_filter = RatingFilter(
            parameters=Hyperparameters(**head["parameters"]),
            index={key: slot for slot, key in enumerate(head["index"])},
            covariance=covariance,
            means=parts["means"],
            variance=parts["variance"],
            days=parts["days"],
            last_seen=parts["last_seen"],
            clock=head["clock"],
            error_products=parts["error_products"],
            errors=head["errors"],
            log_score=head["log_score"],
            tracks=TrackRecords(
                {
                    key: Record(tuple(means), variance, day)
                    for key, means, variance, day in zip(
                        head["records"],
                        parts["record_means"].tolist(),
                        parts["record_variances"].tolist(),
                        parts["record_days"].tolist(),
                        strict=True,
                    )
                }
            ),
        )
        ridges = {
            name: LevelRidge(
                prior,
                products=parts[f"{name}_products"],
                response=parts[f"{name}_response"],
                **head["ridges"][name],
            )
            for name, prior in (("before", PRIOR_RATINGS), ("known", PRIOR_KNOWN))
        }
        return cls(
            filter=rating_filter,
            races=head["races"],
            series_starts=head["series_starts"],
            seen=set(head["seen"]),
            data_through=_time(head["data_through"]),
            known_at=_time(head["known_at"]),
            **ridges,
        )


def known_results(results: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Rows of points races known by a time, in the order in which they became known.

    Rows without a finish (cars that withdrew) are left out.
    """
    if as_of.tzinfo is None:
        raise InputError("as_of has no time zone", field="as_of", remedy="Give it in UTC.")
    known = results.filter(
        pl.col("results_at") <= as_of,
        pl.col("race_type") == "points",
        pl.col("finish").is_not_null(),
    ).sort(RESULT_ORDER)
    if known.height and known["results_at"].max() > as_of:  # type: ignore[operator]
        raise AssertionError("a race known after the as-of time got past the filter")
    return known


def check_entries(entries: pl.DataFrame) -> None:
    """Refuse entries that are not one race's, one row per driver."""
    if not entries.height:
        raise InputError("there are no entries to rate", field="entries")
    if entries["race_id"].n_unique() != 1:
        raise InputError("the entries belong to several races", field="race_id")
    twice = entries.filter(pl.col("driver_id").is_duplicated())["driver_id"].unique().sort()
    if len(twice):
        raise InputError(
            f"driver {', '.join(twice)} is entered twice in race {entries['race_id'][0]}",
            field="driver_id",
            remedy="Keep one row per driver.",
        )


def days_since_epoch(time: datetime) -> float:
    """Days since 1970 (UTC)."""
    return time.timestamp() / 86400.0


def _stamp(time: datetime | None) -> int | None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return None if time is None else (time - epoch) // timedelta(microseconds=1)


def _time(stamp: int | None) -> datetime | None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return None if stamp is None else epoch + timedelta(microseconds=stamp)


def _plain(parameters: Hyperparameters) -> dict[str, object]:
    return {
        name: dict(value) if name in ("scale", "noise") else value
        for name, value in ((n, getattr(parameters, n)) for n in parameters.__slots__)
    }
