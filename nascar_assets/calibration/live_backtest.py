"""Backtest of the race while it is run: forecasts from the state at shares of the distance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.calibration.archive import Prepared, WalkForward
from nascar_assets.calibration.backtest import (
    NOT_PREPARED,
    REFIT_EVERY,
    check_settings,
    check_window,
    json_bytes,
    said_of_files,
)
from nascar_assets.calibration.feed_tables import FeedTables
from nascar_assets.calibration.forecasts import RaceForecast, RaceToForecast, race_seed
from nascar_assets.calibration.laps_ahead import (
    OrderAhead,
    laps_to_trace,
    places_after,
    scored_ahead,
)
from nascar_assets.calibration.live_climatology import Case, climatology
from nascar_assets.calibration.metrics_crps import crps_ensemble
from nascar_assets.calibration.metrics_intervals import central_coverage, pit_bounds
from nascar_assets.calibration.models import KnownForFit, RunningOrderModel
from nascar_assets.calibration.race_forecast import RunningOrder, forecast_of
from nascar_assets.errors import InputError
from nascar_assets.feed.paths import race_path
from nascar_assets.storage.data_root import DataRoot
from nascar_assets.telemetry.feed_values import parse_json
from nascar_assets.telemetry.race_state import RaceState
from nascar_assets.telemetry.state_from_laps import state_from_lap_times

Floats = npt.NDArray[np.float64]

FRACTIONS: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Shares of the scheduled distance at which races are forecast."""

SETTINGS = "settings.json"

LIVE, ORDER, CLIMATOLOGY, BEFORE = "live", "running order", "climatology", "before the race"
FORECASTERS = (LIVE, CLIMATOLOGY, BEFORE, ORDER)


@dataclass(frozen=True)
class LiveSettings:
    """What a live backtest forecasts.

    Attributes:
        first: First date of the window (US Eastern), included.
        last: Last date, included.
        series: cup, xfinity or trucks.
        fractions: Shares of the scheduled distance.
        scenarios: Scenarios a forecast.
        seed: Seed.
        refit_every: Races of a season between two fits of the race process.

    Raises:
        InputError: If the series is unknown or the window is upside down.
    """

    first: date
    last: date
    series: str = "cup"
    fractions: tuple[float, ...] = FRACTIONS
    scenarios: int = 2_000
    seed: int = 1
    refit_every: int = REFIT_EVERY

    def __post_init__(self) -> None:
        check_window(self.series, self.first, self.last)

    def fixed(self) -> dict[str, Any]:
        """What must be the same when a folder is used again."""
        return {
            "series": self.series,
            "fractions": self.fractions,
            "scenarios": self.scenarios,
            "seed": self.seed,
            "refit_every": self.refit_every,
        }


@dataclass
class LiveBacktest:
    """Scores of a finished live backtest.

    Attributes:
        scores: One row per race, fraction and forecaster: race_id, race_key, track_type, fraction,
            lap, forecaster, cars, crps, log_score_win, brier_top_5, brier_top_10, coverage_50,
            coverage_80, coverage_95.
        exclusions: What was left out, with its reason, by race or race and fraction.
        ahead: Scores of the order some laps ahead (`scored_ahead`), with laps_ahead.
    """

    scores: pl.DataFrame
    exclusions: dict[str, str] = field(default_factory=dict)
    ahead: pl.DataFrame = field(default_factory=pl.DataFrame)

    def tables(self) -> dict[str, pl.DataFrame]:
        """Means by forecaster: by fraction, by track type, and some laps ahead."""
        return {
            "by_fraction": means(self.scores, "fraction"),
            "by_track_type": means(self.scores, "fraction", "track_type"),
            "laps_ahead": means(self.ahead, "fraction", "laps_ahead"),
        }


MEASURES = (
    "crps", "log_score_win", "brier_top_5", "brier_top_10", "coverage_50", "coverage_80",
    "coverage_95", "mae", "leader",
)  # fmt: skip


def means(scores: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Means of scores by forecaster and further columns, each race counted once."""
    if scores.is_empty():
        return scores
    measures = [name for name in scores.columns if name in MEASURES]
    return (
        scores.group_by(*by, "forecaster", maintain_order=True)
        .agg(pl.len().alias("races"), *(pl.col(name).mean() for name in measures))
        .sort(*by, pl.col("forecaster").cast(pl.Enum(FORECASTERS)))
    )


def run_live_backtest(
    tables: FeedTables,
    feed: DataRoot,
    out: DataRoot,
    settings: LiveSettings,
    *,
    progress: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> LiveBacktest:
    """Forecast every race with laps from its state at shares of the distance, and score it.

    The race process is fitted on what was known before each block of races; ratings are as of each
    race's start. Each forecast reads laps up to its own and is written before the outcome is read.

    Args:
        tables: Schedule, results and features of the feed.
        feed: The folder with the lap times.
        out: Gets `settings.json`, `forecasts/<race_id>-<fraction>.parquet`, `scores.parquet`,
            `laps-ahead.parquet` and `metrics.json`.
        settings: Window, fractions, scenarios, seed.
        progress: Notified of every race that is done.

    Raises:
        InputError: If no race of the window has laps and results, or the folder holds a backtest
            with other settings.
    """
    walker = walk_forward(tables, settings.series)
    window = walker.races(settings.first, settings.last)
    exclusions = tables.without_results(window)
    payloads: dict[str, bytes] = {}
    for row in window.filter(~pl.col("race_key").is_in(list(exclusions))).iter_rows(named=True):
        content = feed.read(race_path("lap_times", row["season"], row["series"], row["race_id"]))
        if content is None or content.strip() == b"null":
            exclusions[row["race_key"]] = "no lap times"
        else:
            payloads[row["race_id"]] = content
    if not payloads:
        raise InputError(
            f"None of the {window.height} {settings.series} points races between "
            f"{settings.first} and {settings.last} has results and lap times in this feed."
            f"{said_of_files(exclusions)}",
            field="--from",
            remedy="Name a window with races that were run and have a lap-times.json.",
        )
    stored = out.read(SETTINGS)
    if stored is not None:
        check_settings(parse_json(stored, SETTINGS), settings.fixed(), out.uri(SETTINGS))
    out.write(SETTINGS, json_bytes(settings.fixed()))
    cases: list[Case] = []
    before: dict[str, RaceForecast] = {}
    live: dict[tuple[str, float], RaceForecast] = {}
    ahead: dict[tuple[str, float, int], OrderAhead] = {}
    later: dict[int, list[Case]] = {}
    for prepared, model in with_models(tables, walker, set(payloads), settings):
        race = prepared.race
        out.write(f"models/{race.race_id}.json", json_bytes(model.describe()))
        before[race.race_id] = model.forecast_from(
            None, race, settings.scenarios, race_seed(settings.seed, race.race_id, "before")
        )
        facts = tables.schedule.row(by_predicate=pl.col("race_id") == race.race_id, named=True)
        after = partial(
            state_from_lap_times,
            payloads[race.race_id],
            {**facts, "scheduled_laps": race.scheduled_laps},
        )
        states = _states(race, after, settings, exclusions)
        for fraction, state in states.items():
            seed = race_seed(settings.seed, race.race_id, f"live {fraction:g}")
            laps = laps_to_trace(state)
            try:
                simulated = model.scenarios(
                    race, settings.scenarios, seed, state, list(laps.values())
                )
            except InputError as error:
                exclusions[f"{race.race_key} at {fraction:g}"] = error.message
                continue
            made = forecast_of(race, simulated)
            out.write(
                f"forecasts/{race.race_id}-{fraction:g}.parquet",
                made.to_parquet({"lap": str(state.lap), "as_of": race.as_of.isoformat()}),
            )
            live[race.race_id, fraction] = made
            if simulated.trace is not None:
                for number, k in enumerate(laps):
                    ahead[race.race_id, fraction, k] = OrderAhead.of(
                        simulated.driver_ids, simulated.trace[:, number]
                    )
        # Only now the outcome.
        rows = tables.results.filter(
            pl.col("race_id") == race.race_id, pl.col("finish").is_not_null()
        )
        finish = dict(zip(rows["driver_id"], rows["finish"], strict=True))
        cases += [
            Case(race, fraction, state, finish)
            for fraction, state in states.items()
            if (race.race_id, fraction) in live
        ]
        for fraction, state in states.items():
            for k, lap in laps_to_trace(state).items():
                if (race.race_id, fraction, k) in ahead:
                    with suppress(InputError):  # the race ended before that lap
                        came = Case(race, fraction, state, places_after(state, after(lap)))
                        later.setdefault(k, []).append(came)
        progress(len(before), len(payloads), f"{race.race_key} forecast")
    for race_id, key in window.select("race_id", "race_key").iter_rows():
        if race_id in payloads and race_id not in before:
            exclusions[key] = NOT_PREPARED
    if not cases:
        reasons = "; ".join(f"{race}: {why}" for race, why in list(exclusions.items())[:3])
        raise InputError(f"No race could be forecast while it was run. {reasons}")
    scores = [row for case in cases for row in _scored(case, cases, live, before)]
    ahead_scores = [
        {"laps_ahead": k, **row}
        for k, came in sorted(later.items())
        for case in came
        for row in scored_ahead(
            case, came, ahead[case.race.race_id, case.fraction, k], (LIVE, CLIMATOLOGY, ORDER)
        )
    ]
    result = LiveBacktest(pl.DataFrame(scores), exclusions, pl.DataFrame(ahead_scores))
    out.write_frame("scores.parquet", result.scores)
    out.write_frame("laps-ahead.parquet", result.ahead)
    out.write(
        "metrics.json",
        json_bytes(
            {
                **{name: table.to_dicts() for name, table in result.tables().items()},
                "exclusions": exclusions,
                "settings": {
                    **settings.fixed(),
                    "from": settings.first.isoformat(),
                    "to": settings.last.isoformat(),
                },
            }
        ),
    )
    return result


def walk_forward(tables: FeedTables, series: str) -> WalkForward:
    """The races of a series, each to be prepared as of its start."""
    return WalkForward(
        tables.schedule,
        tables.results,
        series,
        features=tables.features,
        sources=tables.sources,
    )


def with_models(
    tables: FeedTables, walker: WalkForward, wanted: set[str], settings: LiveSettings
) -> Iterator[tuple[Prepared, RunningOrder]]:
    """Races as they stood at their starts, each with the race process fitted before its block.

    Args:
        tables: Of the feed.
        walker: Prepares the races.
        wanted: Race ids.
        settings: Series, and how often the process is fitted.
    """
    blocks = walker.blocks(settings.refit_every)
    firsts = walker.first_races(blocks, wanted)
    rows = tables.schedule.filter(pl.col("race_id").is_in([*wanted, *firsts]))
    model: RunningOrder | None = None
    fitted = ""
    for prepared in walker.prepare(rows):
        race_id = prepared.race.race_id
        if blocks[race_id] != fitted:
            fitted = blocks[race_id]
            known = KnownForFit(prepared, tables.schedule)
            model = RunningOrderModel(series=settings.series).fit(known)
        if race_id in wanted and model is not None:
            yield prepared, model


def _states(
    race: RaceToForecast,
    after: Callable[[int], RaceState],
    settings: LiveSettings,
    exclusions: dict[str, str],
) -> dict[float, RaceState]:
    """The race's state at each share of its distance that it reached."""
    found: dict[float, RaceState] = {}
    for fraction in settings.fractions:
        try:
            found[fraction] = after(max(1, round(fraction * race.scheduled_laps)))
        except InputError as error:
            exclusions[f"{race.race_key} at {fraction:g}"] = error.message
    return found


def _scored(
    case: Case,
    cases: Sequence[Case],
    live: Mapping[tuple[str, float], RaceForecast],
    before: Mapping[str, RaceForecast],
) -> list[dict[str, Any]]:
    """Scores of every forecaster of one case."""
    race = case.race
    made = live[race.race_id, case.fraction]
    kept = [k for k, driver in enumerate(made.driver_ids) if driver in case.places]
    drivers = [made.driver_ids[k] for k in kept]
    truth = np.array([case.places[driver] for driver in drivers])
    place = dict(zip(case.state.driver_ids, case.state.position, strict=True))
    positions = np.array([int(place.get(driver, len(place) + 1)) for driver in drivers])
    ensembles: dict[str, npt.NDArray[Any] | None] = {
        LIVE: made.finish[:, kept],
        CLIMATOLOGY: climatology(case, cases, positions),
        BEFORE: before[race.race_id].finish[:, kept],
        ORDER: positions[None, :],
    }
    return [
        {
            "race_id": race.race_id,
            "race_key": race.race_key,
            "track_type": race.track_type,
            "fraction": case.fraction,
            "lap": case.state.lap,
            "forecaster": name,
            "cars": len(kept),
            **score_finish(ensemble, truth),
        }
        for name, ensemble in ensembles.items()
        if ensemble is not None
    ]


def score_finish(ensemble: npt.NDArray[Any], truth: npt.NDArray[Any]) -> dict[str, float]:
    """Scores of forecasts of the finish of one race's cars.

    The chance to win is the share of scenarios with half a scenario for every car, scaled to sum
    to one, so that a winner whom no scenario had costs much, not infinitely much.

    Args:
        ensemble: Finishes [m, N].
        truth: What came [N].
    """
    values = np.asarray(ensemble, np.float64)
    chance = (values == 1).sum(axis=0) + 0.5
    won = int(np.argmin(truth))
    lower, upper = pit_bounds(values, truth)
    scores = {
        "crps": float(np.mean(crps_ensemble(values, truth, fair=False))),
        "log_score_win": float(-np.log(chance[won] / chance.sum())),
    }
    for top in (5, 10):
        share = (values <= top).mean(axis=0)
        scores[f"brier_top_{top}"] = float(np.mean((share - (truth <= top)) ** 2))
    for level in (0.5, 0.8, 0.95):
        covered = central_coverage(lower, upper, level)
        scores[f"coverage_{round(100 * level)}"] = float(np.mean(covered))
    return scores
