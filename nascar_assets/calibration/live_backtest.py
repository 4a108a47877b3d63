"""Backtest of the race while it is run: forecasts from the state at shares of the distance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.calibration.archive import Prepared, WalkForward
from nascar_assets.calibration.backtest import REFIT_EVERY, check_window, json_bytes
from nascar_assets.calibration.feed_tables import FeedTables
from nascar_assets.calibration.forecasts import RaceForecast, RaceToForecast, race_seed
from nascar_assets.calibration.metrics_crps import crps_ensemble
from nascar_assets.calibration.metrics_intervals import central_coverage, pit_bounds
from nascar_assets.calibration.models import KnownForFit, RunningOrderModel
from nascar_assets.calibration.race_forecast import RunningOrder
from nascar_assets.errors import InputError
from nascar_assets.feed.paths import race_path
from nascar_assets.storage.data_root import DataRoot
from nascar_assets.telemetry.race_state import RaceState
from nascar_assets.telemetry.state_from_laps import state_from_lap_times

Floats = npt.NDArray[np.float64]

FRACTIONS: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Shares of the scheduled distance at which races are forecast."""
NEIGHBOURS = 3
"""Places on either side that the climatology of a running position pools."""

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


@dataclass
class LiveBacktest:
    """Scores of a finished live backtest.

    Attributes:
        scores: One row per race, fraction and forecaster: race_id, race_key, track_type, fraction,
            lap, forecaster, cars, crps, log_score_win, brier_top_5, brier_top_10, coverage_50,
            coverage_80, coverage_95.
        exclusions: What was left out, with its reason, by race or race and fraction.
    """

    scores: pl.DataFrame
    exclusions: dict[str, str] = field(default_factory=dict)

    def table(self, *by: str) -> pl.DataFrame:
        """Means of the scores by forecaster and further columns, each race counted once."""
        measures = [name for name in self.scores.columns if name in MEASURES]
        return (
            self.scores.group_by(*by, "forecaster", maintain_order=True)
            .agg(pl.len().alias("races"), *(pl.col(name).mean() for name in measures))
            .sort(*by, pl.col("forecaster").cast(pl.Enum(FORECASTERS)))
        )


MEASURES = (
    "crps", "log_score_win", "brier_top_5", "brier_top_10", "coverage_50", "coverage_80",
    "coverage_95",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Case:
    """One race at one share of its distance, with its outcome."""

    race: RaceToForecast
    fraction: float
    state: RaceState
    finish: Mapping[str, int]


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
        out: Gets `forecasts/<race_id>-<fraction>.parquet`, `scores.parquet` and `metrics.json`.
        settings: Window, fractions, scenarios, seed.
        progress: Notified of every race that is done.

    Raises:
        InputError: If no race of the window has laps and results.
    """
    walker = walk_forward(tables, settings.series)
    window = walker.races(settings.first, settings.last)
    exclusions: dict[str, str] = {}
    payloads: dict[str, bytes] = {}
    for row in window.iter_rows(named=True):
        content = feed.read(race_path("lap_times", row["season"], row["series"], row["race_id"]))
        if content is None or content.strip() == b"null":
            exclusions[row["race_key"]] = "no lap times"
        else:
            payloads[row["race_id"]] = content
    if not payloads:
        raise InputError(
            f"None of the {window.height} {settings.series} points races between "
            f"{settings.first} and {settings.last} has lap times in this feed.",
            field="--from",
            remedy="Name a window with races that have a lap-times.json.",
        )
    cases: list[_Case] = []
    before: dict[str, RaceForecast] = {}
    live: dict[tuple[str, float], RaceForecast] = {}
    for prepared, model in with_models(tables, walker, set(payloads), settings):
        race = prepared.race
        out.write(f"models/{race.race_id}.json", json_bytes(model.describe()))
        before[race.race_id] = model.forecast_from(
            None, race, settings.scenarios, race_seed(settings.seed, race.race_id, "before")
        )
        states = _states(race, payloads[race.race_id], tables, settings, exclusions)
        for fraction, state in states.items():
            seed = race_seed(settings.seed, race.race_id, f"live {fraction:g}")
            try:
                made = model.forecast_from(state, race, settings.scenarios, seed)
            except InputError as error:
                exclusions[f"{race.race_key} at {fraction:g}"] = error.message
                continue
            out.write(
                f"forecasts/{race.race_id}-{fraction:g}.parquet",
                made.to_parquet({"lap": str(state.lap), "as_of": race.as_of.isoformat()}),
            )
            live[race.race_id, fraction] = made
        # Only now the outcome.
        rows = tables.results.filter(
            pl.col("race_id") == race.race_id, pl.col("finish").is_not_null()
        )
        finish = dict(zip(rows["driver_id"], rows["finish"], strict=True))
        cases += [
            _Case(race, fraction, state, finish)
            for fraction, state in states.items()
            if (race.race_id, fraction) in live
        ]
        progress(len(before), len(payloads), f"{race.race_key} forecast")
    if not cases:
        reasons = "; ".join(f"{race}: {why}" for race, why in list(exclusions.items())[:3])
        raise InputError(f"No race could be forecast while it was run. {reasons}")
    scores = [row for case in cases for row in _scored(case, cases, live, before)]
    result = LiveBacktest(pl.DataFrame(scores), exclusions)
    out.write_frame("scores.parquet", result.scores)
    out.write(
        "metrics.json",
        json_bytes(
            {
                "by_fraction": result.table("fraction").to_dicts(),
                "by_track_type": result.table("fraction", "track_type").to_dicts(),
                "exclusions": exclusions,
                "settings": {
                    "series": settings.series,
                    "from": settings.first.isoformat(),
                    "to": settings.last.isoformat(),
                    "scenarios": settings.scenarios,
                    "seed": settings.seed,
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
    payload: bytes,
    tables: FeedTables,
    settings: LiveSettings,
    exclusions: dict[str, str],
) -> dict[float, RaceState]:
    """The race's state at each share of its distance that it reached."""
    row = tables.schedule.row(by_predicate=pl.col("race_id") == race.race_id, named=True)
    found: dict[float, RaceState] = {}
    for fraction in settings.fractions:
        lap = max(1, round(fraction * race.scheduled_laps))
        facts = {**row, "scheduled_laps": race.scheduled_laps}
        try:
            found[fraction] = state_from_lap_times(payload, facts, lap)
        except InputError as error:
            exclusions[f"{race.race_key} at {fraction:g}"] = error.message
    return found


def _scored(
    case: _Case,
    cases: Sequence[_Case],
    live: Mapping[tuple[str, float], RaceForecast],
    before: Mapping[str, RaceForecast],
) -> list[dict[str, Any]]:
    """Scores of every forecaster of one case."""
    race = case.race
    made = live[race.race_id, case.fraction]
    kept = [k for k, driver in enumerate(made.driver_ids) if driver in case.finish]
    drivers = [made.driver_ids[k] for k in kept]
    truth = np.array([case.finish[driver] for driver in drivers])
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


def climatology(
    case: _Case, cases: Sequence[_Case], positions: npt.NDArray[np.int64]
) -> npt.NDArray[Any] | None:
    """Finishes of cars that ran within three places at this share, in other races of the type.

    Leave-one-race-out: it knows later races too, which a forecast does not.

    Returns:
        [m, N] as many quantiles of each car's finishes; none without another race of the type.
    """
    pairs = [
        (int(place), other.finish[driver])
        for other in cases
        if other.fraction == case.fraction
        and other.race.track_type == case.race.track_type
        and other.race.race_id != case.race.race_id
        for driver, place in zip(other.state.driver_ids, other.state.position, strict=True)
        if driver in other.finish
    ]
    if not pairs:
        return None
    run, ended = np.array(pairs).T
    shares = (np.arange(1000) + 0.5) / 1000
    made = np.empty((1000, len(positions)))
    for car, position in enumerate(positions):
        away = np.abs(run - position)
        near = ended[away <= max(NEIGHBOURS, int(away.min()))]
        made[:, car] = np.quantile(near, shares, method="inverted_cdf")
    return made


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
