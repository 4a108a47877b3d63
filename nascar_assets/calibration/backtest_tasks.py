"""The pieces of a backtest that run side by side: forecast a race, score a race."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from typing import Any, TypeVar

import numpy as np
import polars as pl

from nascar_assets.calibration.archive import Prepared
from nascar_assets.calibration.assess import score_race
from nascar_assets.calibration.forecasts import (
    Forecaster,
    RaceForecast,
    RaceToForecast,
    race_seed,
)
from nascar_assets.calibration.market import NotQuotedError
from nascar_assets.calibration.race_scores import RaceScores
from nascar_assets.processes import end_with_parent

T = TypeVar("T")

SALARY_TIERS = ("top", "middle", "low")
"""Tiers of a field by salary, or by expected points where no salaries are known."""


class Inline(Executor):
    """Runs everything at once in the calling process."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """The finished future of a call."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def executor(workers: int) -> Executor:
    """Where tasks run: new processes, or this one for a single worker."""
    if workers <= 1:
        return Inline()
    return _Workers(workers)


class _Workers(ProcessPoolExecutor):
    """New processes, not forks: Polars and Numba keep threads that do not survive a fork.

    They end with their parent, however that ends, and at once where its work broke off.
    """

    def __init__(self, workers: int) -> None:
        super().__init__(workers, mp_context=get_context("spawn"), initializer=end_with_parent)

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> bool | None:
        if kind is not None:
            results: Any = self._result_queue
            self.shutdown(wait=False, cancel_futures=True)
            for worker in active_children():
                worker.kill()
            # One that was killed in the middle of a result never sends its rest. Who reads it hears
            # of that only when nobody can write any more, and this process could, too.
            results._writer.close()
        return super().__exit__(kind, *error)


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Every forecast of one race, before anything of its outcome is known.

    Attributes:
        content: The model's forecast file; none where it was sealed in an earlier run.
        baselines: The other forecasters' scenarios by name.
        hashes: Their content hashes.
        unquoted: Why a market has no forecast of the race, by its name.
        seed: Seed of the model's scenarios.
        version: Version of the model.
    """

    content: bytes | None
    baselines: Mapping[str, RaceForecast]
    hashes: Mapping[str, str]
    unquoted: Mapping[str, str]
    seed: int
    version: str


def forecast_race(
    prepared: Prepared,
    model: Forecaster | None,
    baselines: Sequence[Forecaster],
    scenarios: int,
    seed: int,
) -> Forecasts:
    """Forecast one race by the model and by all baselines.

    Args:
        prepared: What was known and the race as it stood.
        model: The model; none where its sealed forecast is at hand.
        baselines: The forecasters it is compared with.
        scenarios: Scenarios of each forecast.
        seed: Seed of the backtest.
    """
    race, history = prepared.race, prepared.history
    content, own_seed, version = None, 0, ""
    if model is not None:
        own_seed = race_seed(seed, race.race_id, model.name)
        made = model.forecast(history, race, scenarios, own_seed)
        version = model.version
        content = made.to_parquet(
            {
                "race_id": race.race_id,
                "race_key": race.race_key,
                "as_of": race.as_of.isoformat(),
                "model": model.name,
                "model_version": version,
                "seed": str(own_seed),
            }
        )
    known, as_it_stood = prepared.reference or (history, race)
    others: dict[str, RaceForecast] = {}
    unquoted: dict[str, str] = {}
    for baseline in baselines:
        own = race_seed(seed, race.race_id, baseline.name)
        # A market is compared on the races that it quotes.
        try:
            others[baseline.name] = baseline.forecast(known, as_it_stood, scenarios, own)
        except NotQuotedError as error:
            unquoted[baseline.name] = error.message
    return Forecasts(
        content=content,
        baselines=others,
        hashes={name: made.content_hash() for name, made in others.items()},
        unquoted=unquoted,
        seed=own_seed,
        version=version,
    )


@dataclass(frozen=True, slots=True)
class Scored:
    """One race scored.

    Attributes:
        scores: Scores by forecaster, the same drivers in each.
        tiers: Salary tier of each of those drivers.
        untilted: Events of the model before tilting, for later maps.
        effective: Effective share of scenarios after tilting, where tilted.
    """

    scores: Mapping[str, RaceScores]
    tiers: tuple[str, ...]
    untilted: Mapping[str, tuple[Any, Any]]
    effective: float | None


def score_forecasts(
    race: RaceToForecast,
    model: str,
    content: bytes,
    baselines: Mapping[str, RaceForecast],
    outcome: pl.DataFrame,
    salaries: Mapping[str, float] | None,
) -> Scored:
    """Score every forecast of a race against its outcome.

    Args:
        race: The race.
        model: The model's name.
        content: Its sealed forecast file.
        baselines: The other forecasts by name.
        outcome: RESULTS rows of the race.
        salaries: Salary by driver id, where known.
    """
    own = RaceForecast.from_parquet(content)
    groups = {"track_type": race.track_type, "season": str(race.season)}
    teams = dict(zip(race.entries["driver_id"], race.entries["team"], strict=True))
    scores = {
        name: score_race(
            made,
            outcome,
            rules=race.rules,
            race_id=race.race_id,
            groups=groups,
            teams=teams if made.joint else None,
            missing="exclude",
            joint=made.joint,
        )
        for name, made in {model: own, **baselines}.items()
    }
    kept = scores[model].driver_ids
    finish = dict(zip(outcome["driver_id"], outcome["finish"], strict=True))
    untilted: dict[str, tuple[Any, Any]] = {}
    if own.untilted:
        known = np.array([driver in finish for driver in own.driver_ids])
        places = np.array([finish.get(driver, 0) for driver in own.driver_ids])[known]
        for event, top in (("win", 1), ("top_5", 5), ("top_10", 10)):
            untilted[event] = (own.untilted[event][known], (places <= top).astype(np.float64))
    effective = own.untilted.get("effective_scenarios")
    return Scored(
        scores=scores,
        tiers=salary_tiers(own, kept, salaries),
        untilted=untilted,
        effective=None if effective is None else float(effective[0]) / own.scenarios,
    )


def salary_tiers(
    forecast: RaceForecast, drivers: Sequence[str], salaries: Mapping[str, float] | None
) -> tuple[str, ...]:
    """Tier of each driver: the dearest fifth, the next two fifths, the rest.

    Without salaries the forecast's own expected points stand in for them.

    Args:
        forecast: The sealed forecast.
        drivers: Drivers to label.
        salaries: Salary by driver id.
    """
    means = forecast.points.mean(axis=0)
    expected = {
        driver: float(mean) for driver, mean in zip(forecast.driver_ids, means, strict=True)
    }
    worth = {driver: (salaries or expected).get(driver, 0.0) for driver in drivers}
    order = sorted(drivers, key=lambda driver: (-worth[driver], driver))
    n = len(order)
    tier = {
        driver: SALARY_TIERS[0 if rank < n / 5 else 1 if rank < 3 * n / 5 else 2]
        for rank, driver in enumerate(order)
    }
    return tuple(tier[driver] for driver in drivers)
