"""The calibration record of a slate: our forecasts of the races just before its cut-off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

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
from nascar_assets.history.schemas import DRIVER_VALUES, TRACK_VALUES
from nascar_assets.scenarios import STARTING_VALUES, ProcessParameters

RECENT_RACES = 30
RECENT_SCENARIOS = 500


def walk_forward_record(
    results: pl.DataFrame,
    ratings_history: pl.DataFrame,
    as_of: datetime,
    *,
    n_races: int = RECENT_RACES,
    n_scenarios: int = RECENT_SCENARIOS,
    seed: int = 1,
    series: str = "cup",
    schedule: pl.DataFrame | None = None,
    parameters: Sequence[ProcessParameters] | ProcessParameters | None = None,
    forecaster: Forecaster | None = None,
    threads: int = 1,
) -> CalibrationRecord:
    """Measure our scenarios on the last races that were known by a cut-off.

    Each race is forecast as of its own start from ratings that knew only earlier races, and from
    race-process parameters whose cut-off lies before it; drivers and tracks have neutral ontology
    values. The energy and variogram scores are left out for speed.

    Args:
        results: RESULTS of the series; rows known after `as_of` are not used.
        ratings_history: RATINGS of past races, each as of its own start or earlier.
        as_of: The slate's cut-off.
        n_races: Most races to measure on, the latest ones.
        n_scenarios: Scenarios for each race.
        seed: Seed.
        series: cup, xfinity or trucks.
        schedule: SCHEDULE, for the stage ends; none without.
        parameters: Fits of the race process, of which each race gets the latest whose cut-off is
            not after its start; the starting values where there is none.
        forecaster: Another forecaster to measure instead, such as a baseline.
        threads: Threads of the simulation; results do not depend on it.

    Returns:
        The record: estimates with standard errors and the number of races, overall, by track type
        and by season; an empty one with the reason where there is no history to measure on.

    Raises:
        InputError: If a rating is later than its race's start: it may know the outcome.
    """
    known = results.filter(
        pl.col("results_at") <= as_of,
        pl.col("series") == series,
        pl.col("race_type") == "points",
        pl.col("finish").is_not_null(),
    )
    races = known.select("race_id", "start_time", "scheduled_laps").unique(maintain_order=True)
    races = races.sort("start_time", "race_id")
    exclusions: dict[str, int] = {}
    rated = set(ratings_history["race_id"].unique().to_list())
    ends = _stage_ends(schedule)
    scored: list[RaceScores] = []
    for race_id in reversed(races["race_id"].to_list()):
        if len(scored) == n_races:
            break
        rows = known.filter(pl.col("race_id") == race_id).sort("driver_id")
        if race_id not in rated:
            _count(exclusions, "race without out-of-sample ratings")
            continue
        if (rows["scheduled_laps"][0] or 0) < FEWEST_LAPS:
            _count(exclusions, f"race of fewer than {FEWEST_LAPS} laps")
            continue
        ratings = ratings_history.filter(pl.col("race_id") == race_id)
        race = _as_it_stood(rows, ratings, ends.get(race_id, ()))
        if not _all_rated(race):
            _count(exclusions, "race with an unrated entrant")
            continue
        history = KnownHistory(
            cut_off=race.cut_off,
            results=known.filter(pl.col("results_at") <= race.cut_off),
            ratings=ratings_history,
        )
        model = forecaster or RunningOrder(
            parameters=_fitted_before(parameters, race.cut_off), values=False, threads=threads
        )
        made = model.forecast(history, race, n_scenarios, race_seed(seed, race_id, model.name))
        groups = {"track_type": race.track_type, "season": str(race.season)}
        scored.append(
            score_race(
                made.arrays(),
                rows,
                rules=race.rules,
                race_id=race_id,
                groups=groups,
                teams=dict(zip(rows["driver_id"], rows["team"], strict=True)),
                missing="exclude",
                joint=False,
            )
        )
    scored.reverse()
    return assess_scenario_calibration(scored, exclusions=exclusions)


def _count(exclusions: dict[str, int], reason: str) -> None:
    exclusions[reason] = exclusions.get(reason, 0) + 1


def _stage_ends(schedule: pl.DataFrame | None) -> dict[str, list[int]]:
    if schedule is None:
        return {}
    return dict(zip(schedule["race_id"], schedule["stage_ends"].to_list(), strict=True))


def _as_it_stood(
    rows: pl.DataFrame, ratings: pl.DataFrame, stage_ends: Sequence[int]
) -> RaceToForecast:
    entries = rows.select(list(ENTRIES))
    facts: dict[str, Any] = {**entries.row(0, named=True), "stage_ends": list(stage_ends or ())}
    cut_off = facts["start_time"]
    late = ratings.filter(pl.col("as_of") > cut_off)
    if late.height:
        raise InputError(
            f"The ratings of race {facts['race_id']} are as of {late['as_of'][0]}, after its "
            f"start at {cut_off}: they may know its outcome.",
            field="as_of",
            remedy="Rate each past race as of its own start.",
        )
    return race_to_forecast(
        facts,
        entries,
        ratings,
        pl.DataFrame(schema=DRIVER_VALUES),
        pl.DataFrame(schema=TRACK_VALUES),
    )


def _all_rated(race: RaceToForecast) -> bool:
    return set(race.driver_ids) <= set(race.ratings["driver_id"].to_list())


def _fitted_before(
    parameters: Sequence[ProcessParameters] | ProcessParameters | None, cut_off: datetime
) -> ProcessParameters:
    """The latest fit that knew nothing after a race's start."""
    if parameters is None:
        return STARTING_VALUES
    fits = [parameters] if isinstance(parameters, ProcessParameters) else list(parameters)
    usable = [fit for fit in fits if fit.cut_off is not None and fit.cut_off <= cut_off]
    return max(usable, key=lambda fit: fit.cut_off or cut_off, default=STARTING_VALUES)
