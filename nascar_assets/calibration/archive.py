"""Walking forward through past races: each as it stood at its as-of time, with nothing later."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import polars as pl

from nascar_assets.calibration.forecasts import KnownHistory, RaceToForecast
from nascar_assets.calibration.stages import START, Stage
from nascar_assets.feed.schemas import ENTRIES, RESULTS
from nascar_assets.feed.sources import SOURCE
from nascar_assets.history.expected_entries import expected_entries
from nascar_assets.history.features import build_features
from nascar_assets.history.ratings_state import RESULT_ORDER, RatingState
from nascar_assets.history.schemas import DRIVER_VALUES, RATINGS, TRACK_VALUES
from nascar_assets.history.values import driver_values
from nascar_assets.history.values_tracks import track_values
from nascar_assets.rules.race_day import EASTERN
from nascar_assets.scenarios.setup import inner_stage_ends

FEWEST_RACES_FOR_VALUES = 10
"""Past races before ontology values are estimated; neutral ones until then."""

FEWEST_LAPS = 40
"""Scheduled laps below which a race cannot be simulated."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A race ready to forecast.

    Attributes:
        history: What was known, of the race's series.
        race: The race as it stood at its as-of time.
        everything: RESULTS of all series that were known, for fits of the race process.
        past: Earlier races of the series as they stood at their own starts, with neutral
            ontology values, whose results were known; for fits.
        reference: What forecasts of an earlier stage are measured against: the history and the race
            as of its start, of which the baselines' forecasts are made. None: the same.
    """

    history: KnownHistory
    race: RaceToForecast
    everything: pl.DataFrame
    past: tuple[RaceToForecast, ...] = ()
    reference: tuple[KnownHistory, RaceToForecast] | None = None

    def without_fit(self) -> Prepared:
        """The same without what only fits need: less to hand to another process."""
        return replace(self, everything=self.everything.clear(), past=())

    def for_fit(self, as_of: datetime) -> Prepared:
        """The same with what fits read cut off at an earlier time: results, ratings, past races.

        Args:
            as_of: The earlier time (UTC).
        """
        known = self.everything.filter(pl.col("results_at") <= as_of)
        over = set(known["race_id"].unique().to_list())
        history = KnownHistory(
            as_of=as_of,
            results=self.history.results.filter(pl.col("results_at") <= as_of),
            ratings=self.history.ratings.filter(pl.col("race_id").is_in(list(over))),
        )
        return replace(
            self,
            history=history,
            race=replace(self.race, as_of=as_of),
            everything=known,
            past=tuple(race for race in self.past if race.race_id in over),
        )


@dataclass
class WalkForward:
    """Races of one series in order, each prepared from what was known at its start.

    Every table that leaves here has passed through the as-of time: results whose `results_at` is
    later are absent, and starting positions that were not known are null.

    Attributes:
        schedule: SCHEDULE of all series.
        results: RESULTS of all series.
        series: The series that is forecast.
        with_values: Whether to estimate the ontology's driver and track values too.
        features: FEATURE_TABLE of past races, each as of its start.
        stage: When in the week races are forecast.
        sources: Practice and lap summaries, from which features of an earlier stage than the start
            are built.
    """

    schedule: pl.DataFrame
    results: pl.DataFrame
    series: str
    with_values: bool = True
    features: pl.DataFrame | None = None
    stage: Stage = START
    sources: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    _state: RatingState = field(default_factory=RatingState.empty, init=False, repr=False)
    _rated: list[pl.DataFrame] = field(default_factory=list, init=False, repr=False)
    _stood: list[RaceToForecast] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self.results = self.results.sort(RESULT_ORDER)

    def races(self, first: date, last: date) -> pl.DataFrame:
        """Schedule rows of the series' points races between two dates, both included.

        Dates are those of the scheduled start in US Eastern time.
        """
        day = pl.col("start_time").dt.convert_time_zone(EASTERN.key).dt.date()
        return self._points().filter(day.is_between(first, last))

    def _points(self) -> pl.DataFrame:
        """Schedule rows of the series' points races in order."""
        return self.schedule.filter(
            pl.col("series") == self.series, pl.col("race_type") == "points"
        ).sort("start_time", "race_id")

    def blocks(self, every: int) -> dict[str, str]:
        """Refit block of every points race of the series: season and number of the block.

        Args:
            every: Races of a season between two fits; the first race of a season begins a block.
        """
        blocks: dict[str, str] = {}
        for (season,), races in self._points().group_by("season", maintain_order=True):
            for number, race_id in enumerate(races["race_id"]):
                blocks[race_id] = f"{season}-{self.series}-{number // every + 1:02d}"
        return blocks

    def first_races(self, blocks: Mapping[str, str], wanted: Collection[str]) -> list[str]:
        """The first race that can be prepared of every block that a wanted race is in.

        The model of a block is fitted on what was known at the block's first race, whichever of
        its races are wanted.

        Args:
            blocks: Block by race.
            wanted: Race ids.
        """
        needed = {blocks[race_id] for race_id in wanted if race_id in blocks}
        runnable = self.results.filter(pl.col("scheduled_laps") >= FEWEST_LAPS)
        known = set(runnable["race_id"].unique().to_list())
        firsts: dict[str, str] = {}
        for race_id, block in blocks.items():
            if block in needed and race_id in known:
                firsts.setdefault(block, race_id)
        return list(firsts.values())

    def prepare(self, rows: pl.DataFrame) -> Iterator[Prepared]:
        """Prepare some races, in order of their starts.

        Ratings of all earlier races of every series are made on the way, each as of its own
        start, so that whatever is fitted on them is fitted out of sample. Races without an entry
        list, or too short to simulate, are passed over.

        Args:
            rows: SCHEDULE rows of the races.

        Yields:
            One preparation per race.
        """
        wanted = set(rows["race_id"].to_list())
        last = rows["start_time"].max()
        assert isinstance(last, datetime)
        early: dict[str, Prepared] = {}
        for row, entries, ratings, as_of in self._walk(last, wanted):
            race_id = row["race_id"]
            if race_id not in wanted or not _long_enough(row):
                continue
            # Baselines need no ontology values: the start that an early stage is measured against.
            reference_only = self.stage is not START and race_id in early
            values = self.with_values and not reference_only
            prepared = self._prepared(row, entries, ratings, as_of, values)
            if self.stage is START:
                yield prepared
            elif reference_only:
                reference = (prepared.history, prepared.race)
                yield replace(early.pop(race_id), reference=reference)
            else:
                early[race_id] = prepared

    def races_known_as_of(self, as_of: datetime) -> list[RaceToForecast]:
        """Races of the series whose results were known by a moment, as they stood at their starts.

        Their drivers and tracks have no ontology values.

        Args:
            as_of: The moment.
        """
        for _ in self._walk(as_of):
            pass
        known = self.results.filter(pl.col("results_at") <= as_of)
        over = set(known["race_id"].unique().to_list())
        return [race for race in self._stood if race.race_id in over]

    def _walk(
        self, last: datetime, wanted: Collection[str] = ()
    ) -> Iterator[tuple[dict[str, Any], pl.DataFrame, pl.DataFrame, datetime]]:
        """Points races of every series up to a moment: schedule row, entries, ratings, as-of time.

        Each race once as of its start; before, where it is wanted at an earlier stage, as of that.
        The walk is in order of these times, because the ratings only ever move forward.
        """
        points = self.schedule.filter(pl.col("race_type") == "points").sort("start_time", "race_id")
        moments: list[tuple[datetime, int, bool, dict[str, Any]]] = []
        for number, row in enumerate(
            points.filter(pl.col("start_time") <= last).iter_rows(named=True)
        ):
            moments.append((row["start_time"], number, False, row))
            if self.stage is not START and row["race_id"] in wanted:
                entries = self.entries(row["race_id"], row["start_time"])
                if entries.height:
                    moments.append((self.stage.as_of(row, entries), number, True, row))
        # Of two moments at once the earlier stage comes first; the start takes in what both know.
        for as_of, _, early, row in sorted(moments, key=lambda m: (m[0], m[1], not m[2])):
            entries = self.entries(row["race_id"], as_of)
            if entries.is_empty():
                continue
            self._state.extend(self.results, as_of, self.features)
            features = self.features
            if early:
                entries, features = self._known_early(row, entries, as_of)
            ratings = self._state.rate(entries, as_of, features)
            yield row, entries, ratings, as_of
            if early:
                continue
            self._rated.append(ratings)
            if row["series"] == self.series and _long_enough(row):
                none = pl.DataFrame(schema=DRIVER_VALUES), pl.DataFrame(schema=TRACK_VALUES)
                self._stood.append(race_to_forecast(row, entries, ratings, *none, as_of=as_of))

    def _known_early(
        self, row: Mapping[str, Any], entries: pl.DataFrame, as_of: datetime
    ) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """Entries and features of a race as known at a stage before its start.

        Who will race is taken from the entry list also before it is known, as a salary file says
        it; all else about the cars is then what `expected_entries` makes of it.
        """
        if not self.stage.entry_list:
            names = entries.select("driver_id", "driver_name")
            entries = expected_entries(names, self.results, row, as_of)
        elif not self.stage.grid:
            entries = SOURCE["entries"].before_later(entries)
        if not self.sources:
            return entries, None
        plain = entries.select(list(ENTRIES))
        return entries, build_features({**self.sources, "entries": plain}, row, as_of)

    def entries(self, race_id: str, as_of: datetime) -> pl.DataFrame:
        """ENTRIES of a race as they were known by an as-of time."""
        listed = self.results.filter(pl.col("race_id") == race_id).select(list(ENTRIES))
        return SOURCE["entries"].as_known(listed, as_of).sort("driver_id")

    def _prepared(
        self,
        row: dict[str, Any],
        entries: pl.DataFrame,
        ratings: pl.DataFrame,
        as_of: datetime,
        with_values: bool,
    ) -> Prepared:
        known = self.results.filter(pl.col("results_at") <= as_of)
        rated = (
            pl.concat(self._rated).join(
                known.select("race_id").unique(), on="race_id", how="semi", maintain_order="left"
            )
            if self._rated
            else pl.DataFrame(schema=RATINGS)
        )
        drivers, tracks = pl.DataFrame(schema=DRIVER_VALUES), pl.DataFrame(schema=TRACK_VALUES)
        if with_values and known["race_id"].n_unique() >= FEWEST_RACES_FOR_VALUES:
            drivers = driver_values(known, as_of, state=self._state)
            # The schedule's own outcomes (winner, cautions) stay behind: only what was known.
            tracks = track_values(known, self.schedule, as_of, row)
        history = KnownHistory(
            as_of=as_of,
            results=known.filter(pl.col("series") == self.series).select(list(RESULTS)),
            ratings=rated,
        )
        over = set(history.results["race_id"].unique().to_list())
        return Prepared(
            history=history,
            race=race_to_forecast(row, entries, ratings, drivers, tracks, as_of=as_of),
            everything=known,
            past=tuple(race for race in self._stood if race.race_id in over),
        )


def _long_enough(row: dict[str, Any]) -> bool:
    return int(row["scheduled_laps"] or 0) >= FEWEST_LAPS


def race_to_forecast(
    row: Mapping[str, Any],
    entries: pl.DataFrame,
    ratings: pl.DataFrame,
    drivers: pl.DataFrame,
    tracks: pl.DataFrame,
    *,
    as_of: datetime,
) -> RaceToForecast:
    """A race as a forecaster gets it, in a slate and in a backtest alike.

    Args:
        row: The race's SCHEDULE row.
        entries: ENTRIES as of the as-of time.
        ratings: RATINGS as of the as-of time.
        drivers: DRIVER_VALUES as of the as-of time; of a slate the skill alone.
        tracks: TRACK_VALUES as of the as-of time.
        as_of: When what is known ends (UTC); the race's start at the latest.
    """
    laps = row["scheduled_laps"] or 0  # a race of unknown length is refused as one of no laps
    return RaceToForecast(
        race_id=row["race_id"],
        race_key=row["race_key"],
        series=row["series"],
        season=row["season"],
        track_id=row["track_id"],
        track_type=row["track_type"],
        track_length_miles=row["track_length_miles"],
        scheduled_laps=laps,
        stage_ends=inner_stage_ends(row["stage_ends"], laps),
        start_time=row["start_time"],
        as_of=as_of,
        entries=entries,
        ratings=ratings,
        drivers=drivers,
        tracks=tracks,
    )
