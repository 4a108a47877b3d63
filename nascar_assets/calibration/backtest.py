"""Walk-forward backtest: forecast, seal, only then read the outcome and score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from nascar_assets.calibration.backtest_files import BacktestFolder
from nascar_assets.calibration.backtest_run import Run
from nascar_assets.calibration.backtest_settings import BacktestSettings, Progress
from nascar_assets.calibration.backtest_tasks import Scored, executor
from nascar_assets.calibration.baselines import standard_baselines
from nascar_assets.calibration.feed_tables import FeedTables
from nascar_assets.calibration.forecasts import Forecaster
from nascar_assets.calibration.models import ModelSource, RunningOrderModel
from nascar_assets.calibration.report import backtest_page
from nascar_assets.calibration.sealing import Seal
from nascar_assets.calibration.summary import BacktestSummary, summarise_backtest
from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import SERIES
from nascar_assets.processes import cores
from nascar_assets.storage.data_root import DataRoot

__all__ = ["BacktestResult", "BacktestSettings", "run_backtest"]


@dataclass
class BacktestResult:
    """A finished backtest.

    Attributes:
        summary: Everything that `metrics.json` says.
        seals: Seals by race id.
        folder: Where the files lie.
        scored: Every race's scores by race id.
    """

    summary: BacktestSummary
    seals: Mapping[str, Seal]
    folder: BacktestFolder
    scored: Mapping[str, Scored]


def run_backtest(
    read_tables: Callable[[], FeedTables],
    out: DataRoot,
    settings: BacktestSettings,
    *,
    model: ModelSource | None = None,
    baselines: Sequence[Forecaster] | None = None,
    salaries: Mapping[str, Mapping[str, float]] | None = None,
    progress: Progress | None = None,
) -> BacktestResult:
    """Forecast every points race of a window as of its start, and score it.

    Each forecast is written and sealed before its outcome is read. Races that were sealed by an
    earlier run in the same folder are not forecast again; a sealed file that was changed
    makes its race void. What is left out is counted with its reason.

    Args:
        read_tables: Reads schedule and results; called again at the end, so that races which the
            feed gained meanwhile are stated.
        out: The folder that gets `forecasts/`, `seals.json`, `metrics.json` and `report.html`.
        settings: Window, seed, number of scenarios and the like.
        model: Where the model comes from; the fitted running-order process if left out.
        baselines: What it is compared with; those of the project if left out.
        salaries: Salary by race and driver, for tiers.
        progress: Notified of every race that is done.

    Returns:
        The result; its files are in place.

    Raises:
        InputError: If the window is upside down or holds no race with results, or the folder
            holds a backtest with other settings.
    """
    if settings.series not in SERIES.values():
        raise InputError(
            f"No series is called {settings.series!r}.",
            field="--series",
            remedy=f"Known: {', '.join(SERIES.values())}.",
        )
    if settings.last < settings.first:
        raise InputError(
            f"The window ends ({settings.last}) before it begins ({settings.first}).", field="--to"
        )
    tables = read_tables()
    source = model or RunningOrderModel(series=settings.series)
    rivals = tuple(standard_baselines() if baselines is None else baselines)
    if source.name in {rival.name for rival in rivals}:
        raise InputError(f"Model and a baseline are both called {source.name!r}.", field="model")
    workers = settings.workers or cores()
    with executor(workers) as pool:
        run = Run(tables, BacktestFolder(out), settings, source, rivals, salaries or {}, pool)
        run.walk(progress or (lambda done, total, text: None), 4 * workers)
    if not run.scored:
        reasons = "; ".join(f"{race}: {why}" for race, why in list(run.exclusions.items())[:3])
        raise InputError(
            f"No race could be scored. {reasons}",
            file=str(out.location),
            remedy="Name another folder for a new run.",
        )
    gained = _gained(tables, read_tables(), run.window)
    summary = summarise_backtest(
        list(run.scored.values()),
        model=source.name,
        settings={
            **settings.fixed(source.name, rivals),
            "from": settings.first.isoformat(),
            "to": settings.last.isoformat(),
        },
        exclusions=run.exclusions,
        gained=gained,
        seed=settings.seed,
    )
    run.folder.write_scores(summary.race_table)
    run.folder.write_metrics(summary.as_dict())
    if settings.report:
        run.folder.write_report(backtest_page(summary))
    return BacktestResult(summary, run.seals, run.folder, run.scored)


def _gained(before: FeedTables, after: FeedTables, window: pl.DataFrame) -> tuple[str, ...]:
    """Races of the window's series and span that have results only now."""
    old = set(before.results["race_id"].unique().to_list())
    span = after.schedule.filter(
        pl.col("series").is_in(window["series"].unique().to_list()),
        pl.col("start_time").is_between(window["start_time"].min(), window["start_time"].max()),
    )
    names = dict(zip(span["race_id"], span["race_key"], strict=True))
    new = set(after.results["race_id"].unique().to_list()) - old
    return tuple(sorted(names[race] for race in new if race in names))
