"""The calibration record of a slate: our forecasts of the races just before its as-of time."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import polars as pl

from nascar_assets.calibration.archive import FEWEST_LAPS, race_to_forecast
from nascar_assets.calibration.assess import (
    CalibrationRecord,
    assess_scenario_calibration,
    score_race,
)
from nascar_assets.calibration.forecasts import (
    Forecaster,
    KnownHistory,
    RaceToForecast,
    race_seed,
)
from nascar_assets.calibration.race_forecast import RunningOrder
from nascar_assets.calibration.race_scores import RaceScores
from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import ENTRIES
from nascar_assets.feed.sources import SOURCE
from nascar_assets.history.schemas import DRIVER_VALUES, TRACK_VALUES
from nascar_assets.rules import DEFAULT_CONTEST, rule_set, site_of
from nascar_assets.rules.race_day import race_day
from nascar_assets.scenarios import STARTING_VALUES, ProcessParameters

RECENT_RACES = 30
RECENT_SCENARIOS = 500


def measured(grid: bool, contest: str = DEFAULT_CONTEST) -> str:
    """What a record measures, for people. A slate's own forecast uses the ontology's values too.

    Args:
        grid: Whether each race's starting order was known to its forecast.
        contest: Key of the rules that points are of; said where they are not the usual ones.

    Example:
        >>> measured(False).endswith("before its starting order was known")
        True
    """
    moment = "as of its own start" if grid else "before its starting order was known"
    points = "" if contest == DEFAULT_CONTEST else f"; points are {site_of(contest).name}'s"
    return (
        "the race process on each race's own ratings, with neutral ontology values for drivers "
        f"and tracks; each race {moment}{points}"
    )


Known = (
    Sequence[ProcessParameters] | ProcessParameters | Callable[[datetime], ProcessParameters] | None
)
"""Fits of the race process, or the function from a moment to the one that was known then."""


class ScoreArchive(Protocol):
    """Scores of past races that were kept; a past race's forecast does not change any more."""

    def find(self, race_key: str, inputs_hash: str) -> RaceScores | None:
        """The scores that were kept under these very inputs; none where there are none."""
        ...

    def keep(self, race_key: str, inputs_hash: str, scores: RaceScores) -> None:
        """Keeps a race's scores; what was kept of the race before may go."""
        ...


@dataclass(frozen=True, slots=True)
class MeasuredRace:
    """A past race as it stood at its start, with its outcome beside it.

    Attributes:
        race: The race, nothing of it known that was not known at its start.
        outcome: RESULTS rows of the race by driver id.
        parameters: The race process that was known at its start.
        grid: Whether its forecast knows the starting order.
        contest: Key of the rules that its points are scored by.
    """

    race: RaceToForecast
    outcome: pl.DataFrame
    parameters: ProcessParameters
    grid: bool = True
    contest: str = DEFAULT_CONTEST

    def inputs_hash(self, n_scenarios: int, seed: int) -> str:
        """SHA-256 of everything that the scores follow from, the program's code excepted."""
        race = self.race
        facts = {
            "race": (race.race_id, race.track_type, race.track_length_miles, race.scheduled_laps),
            "stage_ends": race.stage_ends,
            "start": race.start_time.isoformat(),
            "process": self.parameters.hash,
            "scenarios": n_scenarios,
            "seed": seed,
            "measured": measured(self.grid, self.contest),
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for frame in (self.outcome, race.ratings):  # the entries are columns of the outcome
            buffer = io.BytesIO()
            frame.rechunk().write_ipc(buffer, compression="uncompressed")
            digest.update(buffer.getbuffer())
        return digest.hexdigest()

    def score(
        self, forecaster: Forecaster, history: KnownHistory, n_scenarios: int, seed: int
    ) -> RaceScores:
        """Forecast the race and score it; energy and variogram score are left out for speed."""
        race, rows = self.race, self.outcome
        own_seed = race_seed(seed, race.race_id, forecaster.name)
        made = forecaster.forecast(history, race, n_scenarios, own_seed)
        rules = race.rules
        if self.contest != rules.key:
            rules = rule_set(self.contest, race_day(race.start_time))
            made = made.scored_by(rules)
        return score_race(
            made,
            rows,
            rules=rules,
            race_id=race.race_id,
            groups={"track_type": race.track_type, "season": str(race.season)},
            teams=dict(zip(rows["driver_id"], rows["team"], strict=True)),
            missing="exclude",
            joint=False,
        )


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """How races are forecast for the record.

    Attributes:
        n_races: Most races to measure on, the latest ones.
        n_scenarios: Scenarios for each race.
        seed: Seed.
        grid: Whether the starting order of each race is known to its forecast. Without it each
            scenario draws its own, as in a slate before qualifying.
        contest: Key of the contest whose points are scored.
        threads: Threads of the simulation; results do not depend on it.
    """

    n_races: int = RECENT_RACES
    n_scenarios: int = RECENT_SCENARIOS
    seed: int = 1
    grid: bool = True
    contest: str = DEFAULT_CONTEST
    threads: int = 1


def walk_forward_record(
    results: pl.DataFrame,
    ratings_history: pl.DataFrame,
    as_of: datetime,
    settings: RecordSettings | None = None,
    *,
    series: str = "cup",
    schedule: pl.DataFrame | None = None,
    parameters: Known = None,
    forecaster: Forecaster | None = None,
    archive: ScoreArchive | None = None,
) -> CalibrationRecord:
    """Measure our scenarios on the last races that were known by an as-of time.

    Each race is forecast as of its own start from ratings that knew only earlier races, and from
    race-process parameters whose as-of time lies before it; drivers and tracks have neutral
    ontology values. The energy and variogram scores are left out for speed.

    Args:
        results: RESULTS of the series; rows known after `as_of` are not used.
        ratings_history: RATINGS of past races, each as of its own start or earlier.
        as_of: The slate's as-of time.
        settings: How races are forecast; as a slate shows it where not given.
        series: cup, xfinity or trucks.
        schedule: SCHEDULE, for the stage ends; none without.
        parameters: Fits of the race process, of which each race gets the latest whose as-of time is
            not after its start, or the function that says so; the starting values where there
            is none.
        forecaster: Another forecaster to measure instead, such as a baseline.
        archive: Scores of earlier calls; races found there are not simulated again. Not used
            with another forecaster.

    Returns:
        The record: estimates with standard errors and the number of races, overall, by track type
        and by season; an empty one with the reason where there is no history to measure on.

    Raises:
        InputError: If a rating is later than its race's start: it may know the outcome.
    """
    settings = settings or RecordSettings()
    n_scenarios, seed = settings.n_scenarios, settings.seed
    known = results.filter(
        pl.col("results_at") <= as_of,
        pl.col("series") == series,
        pl.col("race_type") == "points",
        pl.col("finish").is_not_null(),
    )
    fitted = _as_function(parameters)
    exclusions: Counter[str] = Counter()
    scored: list[RaceScores] = []
    ends = _stage_ends(schedule)
    for past in _latest_first(known, ratings_history, ends, fitted, exclusions, settings):
        if len(scored) == settings.n_races:
            break
        key = past.inputs_hash(n_scenarios, seed) if archive and forecaster is None else ""
        found = archive.find(past.race.race_key, key) if archive and key else None
        if found is None:
            found = past.score(
                forecaster or RunningOrder(past.parameters, values=False, threads=settings.threads),
                _history(known, ratings_history, past.race.as_of, forecaster),
                n_scenarios,
                seed,
            )
            if archive and key:
                archive.keep(past.race.race_key, key, found)
        scored.append(found)
    scored.reverse()
    return assess_scenario_calibration(scored, exclusions=exclusions)


def _latest_first(
    known: pl.DataFrame,
    ratings_history: pl.DataFrame,
    stage_ends: Mapping[str, Sequence[int]],
    fitted: Callable[[datetime], ProcessParameters],
    exclusions: Counter[str],
    settings: RecordSettings,
) -> Iterator[MeasuredRace]:
    """Past races that can be measured, the latest first; counts those that cannot."""
    races = known.select("race_id", "start_time").unique(maintain_order=True)
    order = races.sort("start_time", "race_id", descending=True)["race_id"].to_list()
    outcomes = known.partition_by("race_id", as_dict=True)
    rated = ratings_history.partition_by("race_id", as_dict=True)
    for race_id in order:
        ratings = rated.get((race_id,))
        if ratings is None:
            exclusions["race without out-of-sample ratings"] += 1
            continue
        rows = outcomes[(race_id,)].sort("driver_id")
        if (rows["scheduled_laps"][0] or 0) < FEWEST_LAPS:
            exclusions[f"race of fewer than {FEWEST_LAPS} laps"] += 1
            continue
        race = _as_it_stood(rows, ratings, stage_ends.get(race_id, ()))
        if not settings.grid:
            race = replace(race, entries=SOURCE["entries"].before_later(race.entries))
        if not set(race.driver_ids) <= set(race.ratings["driver_id"].to_list()):
            exclusions["race with an unrated entrant"] += 1
            continue
        yield MeasuredRace(race, rows, fitted(race.as_of), settings.grid, settings.contest)


def _history(
    known: pl.DataFrame,
    ratings: pl.DataFrame,
    as_of: datetime,
    forecaster: Forecaster | None,
) -> KnownHistory:
    """What was known by an as-of time; our own process has all it needs in the race's ratings."""
    if forecaster is None:
        return KnownHistory(as_of, known.clear(), ratings.clear())
    return KnownHistory(as_of, known.filter(pl.col("results_at") <= as_of), ratings)


def _stage_ends(schedule: pl.DataFrame | None) -> dict[str, list[int]]:
    if schedule is None:
        return {}
    return dict(zip(schedule["race_id"], schedule["stage_ends"].to_list(), strict=True))


def _as_it_stood(
    rows: pl.DataFrame, ratings: pl.DataFrame, stage_ends: Sequence[int]
) -> RaceToForecast:
    entries = rows.select(list(ENTRIES))
    facts: dict[str, Any] = {**entries.row(0, named=True), "stage_ends": list(stage_ends or ())}
    as_of = facts["start_time"]
    latest = ratings["as_of"].max()
    if isinstance(latest, datetime) and latest > as_of:
        raise InputError(
            f"The ratings of race {facts['race_id']} are as of {latest}, after its "
            f"start at {as_of}: they may know its outcome.",
            field="as_of",
            remedy="Rate each past race as of its own start.",
        )
    return race_to_forecast(
        facts,
        entries,
        ratings,
        pl.DataFrame(schema=DRIVER_VALUES),
        pl.DataFrame(schema=TRACK_VALUES),
        as_of=as_of,
    )


def _as_function(parameters: Known) -> Callable[[datetime], ProcessParameters]:
    if callable(parameters):
        return parameters
    if parameters is None:
        return partial(_fitted_before, ())
    fits = [parameters] if isinstance(parameters, ProcessParameters) else list(parameters)
    return partial(_fitted_before, fits)


def _fitted_before(fits: Sequence[ProcessParameters], as_of: datetime) -> ProcessParameters:
    """The latest fit that knew nothing after a race's start."""
    usable = [fit for fit in fits if fit.as_of is not None and fit.as_of <= as_of]
    return max(usable, key=lambda fit: fit.as_of or as_of, default=STARTING_VALUES)
