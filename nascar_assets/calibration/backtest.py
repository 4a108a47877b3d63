"""Walk-forward backtest: forecast, seal, only then read the outcome and score."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from nascar_assets.calibration.archive import Prepared, WalkForward
from nascar_assets.calibration.backtest_tasks import (
    Forecasts,
    Scored,
    executor,
    forecast_race,
    score_forecasts,
)
from nascar_assets.calibration.baselines import standard_baselines
from nascar_assets.calibration.feed_tables import AT_FAULT, FeedTables
from nascar_assets.calibration.forecasts import Forecaster
from nascar_assets.calibration.models import KnownForFit, ModelSource, RunningOrderModel
from nascar_assets.calibration.report import backtest_page
from nascar_assets.calibration.sealing import (
    OutcomeVault,
    Seal,
    SealBrokenError,
    seals_from_json,
    seals_to_json,
    sha256,
    verify,
)
from nascar_assets.calibration.stages import STAGES, START, Stage
from nascar_assets.calibration.summary import BacktestSummary, summarise_backtest
from nascar_assets.calibration.tilting import Tilted, TiltingMaps, fit_maps
from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import SERIES
from nascar_assets.processes import cores
from nascar_assets.storage.data_root import DataRoot

Progress = Callable[[int, int, str], None]
"""Called with races done, races in all, and what was done last."""

NOT_PREPARED = "too short to simulate, or no entry list"
"""Why `WalkForward.prepare` passes over a race with results."""

REFIT_EVERY = 10
"""Races of a season between two fits of the race process."""


def check_window(series: str, first: date, last: date) -> None:
    """Whether races can be asked for.

    Args:
        series: cup, xfinity or trucks.
        first: First date of the window, included.
        last: Last date, included.

    Raises:
        InputError: If the series is unknown or the window is upside down.
    """
    if series not in SERIES.values():
        raise InputError(
            f"No series is called {series!r}.",
            field="--series",
            remedy=f"Known: {', '.join(SERIES.values())}.",
        )
    if last < first:
        raise InputError(f"The window ends ({last}) before it begins ({first}).", field="--to")


def said_of_files(exclusions: Mapping[str, str]) -> str:
    """The races that are left out for a damaged file, to go on with in an error."""
    return "".join(
        f" {race}: {why}" for race, why in exclusions.items() if why.startswith(AT_FAULT)
    )


@dataclass(frozen=True)
class BacktestSettings:
    """What a backtest forecasts, and how.

    Attributes:
        first: First date of the window (US Eastern), included.
        last: Last date, included.
        series: cup, xfinity or trucks.
        scenarios: Scenarios per race.
        seed: Seed.
        refit_every: Races of a season between two refits; the first race of a season is one.
        tilt: Whether scenarios are tilted towards calibrated probabilities where maps fitted on
            earlier races of the window helped.
        workers: Processes; one per core where left out. Results do not depend on it.
        report: Whether to draw the report.
        only: Keys of the window's races to forecast; all of them where left out.
        stage: The stage of the week at which each race is forecast.
    """

    first: date
    last: date
    series: str = "cup"
    scenarios: int = 2000
    seed: int = 1
    refit_every: int = REFIT_EVERY
    tilt: bool = False
    workers: int | None = None
    report: bool = True
    only: frozenset[str] | None = None
    stage: Stage = START

    def fixed(self, model: str, baselines: Sequence[Forecaster]) -> dict[str, Any]:
        """What must be the same when a folder is taken up again."""
        stored: dict[str, Any] = {
            "series": self.series,
            "scenarios": self.scenarios,
            "seed": self.seed,
            "refit_every": self.refit_every,
            "tilt": self.tilt,
            "model": model,
            "baselines": {baseline.name: baseline.version for baseline in baselines},
        }
        if self.stage is not START:
            stored["stage"] = self.stage.name
        if self.tilt:  # maps are fitted on the window's earlier races
            stored["first"] = self.first.isoformat()
        return stored


SEALS = "seals.json"
METRICS = "metrics.json"
REPORT = "report.html"


class BacktestFolder:
    """Forecasts, seals, metrics and report of one backtest.

    Args:
        root: The folder, local or in an object store; every write is atomic.
    """

    def __init__(self, root: DataRoot) -> None:
        self.root = root

    @staticmethod
    def forecast_path(race_id: str) -> str:
        """Where a race's forecast lies."""
        return f"forecasts/{race_id}.parquet"

    def seals(self, settings: Mapping[str, Any]) -> dict[str, Seal]:
        """Seals of an earlier run by race id; empty in a new folder.

        Args:
            settings: The settings of this run.

        Raises:
            InputError: If the folder holds a backtest with other settings.
        """
        content = self.root.read(SEALS)
        if content is None:
            return {}
        seals, stored = seals_from_json(content)
        check_settings(stored, settings, self.root.uri(SEALS))
        return seals

    def read_forecast(self, race_id: str) -> bytes | None:
        """A stored forecast file; none where there is none."""
        return self.root.read(self.forecast_path(race_id))


def check_settings(stored: Mapping[str, Any], settings: Mapping[str, Any], file: str) -> None:
    """Whether a folder that holds a backtest may be taken up again.

    Args:
        stored: The settings that it was made with.
        settings: The settings of this run.
        file: Where the stored ones stand.

    Raises:
        InputError: If they are others.
    """
    wanted = json.loads(json.dumps(dict(settings)))
    changed = sorted(key for key in {*wanted, *stored} if wanted.get(key) != stored.get(key))
    if changed:
        text = ", ".join(f"{key} {stored.get(key)!r}" for key in changed)
        raise InputError(
            f"The folder holds a backtest with other settings: {text}.",
            file=file,
            remedy="Name another folder, or repeat the run with those settings.",
        )


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """JSON text with stable key order, as a file holds it."""
    return (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


@dataclass
class Run:
    """A backtest under way: races prepared in order, forecast together, sealed, then scored."""

    tables: FeedTables
    folder: BacktestFolder
    settings: BacktestSettings
    source: ModelSource
    baselines: tuple[Forecaster, ...]
    salaries: Mapping[str, Mapping[str, float]]
    pool: Executor
    fits: dict[str, Future[Forecaster]] = field(default_factory=dict)
    exclusions: dict[str, str] = field(default_factory=dict)
    seals: dict[str, Seal] = field(default_factory=dict)
    scored: dict[str, Scored] = field(default_factory=dict)
    unquoted: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fixed = self.settings.fixed(self.source.name, self.baselines)
        self.seals = self.folder.seals(self.fixed)
        self.walker = WalkForward(
            self.tables.schedule,
            self.tables.results,
            self.settings.series,
            with_values=self.source.values,
            features=self.tables.features,
            stage=self.settings.stage,
            sources=self.tables.sources,
        )
        self.vault = OutcomeVault(self.tables.results)
        self.window = self.walker.races(self.settings.first, self.settings.last)
        if self.settings.only is not None:
            self.window = self.window.filter(pl.col("race_key").is_in(list(self.settings.only)))
        self.blocks = self.walker.blocks(self.settings.refit_every)
        self.first_of: dict[str, Prepared] = {}
        self.open_races: dict[Future[Any], Callable[[Future[Any]], None]] = {}
        self.waiting: list[tuple[str, Prepared]] = []
        self.models: dict[str, Forecaster] = {}
        self.done = 0

    def walk(self, progress: Progress, max_open: int) -> None:
        """Prepare races in order and keep the workers busy with them."""
        self.exclusions |= self.tables.without_results(self.window)
        rows = self.window.filter(~pl.col("race_key").is_in(list(self.exclusions)))
        if rows.is_empty():
            raise self._nothing_to_forecast()
        self.progress, self.total = progress, rows.height
        prepared_ids: set[str] = set()
        wanted = set(rows["race_id"].to_list())
        for prepared in self.walker.prepare(self._with_refits(rows)):
            block = self.blocks[prepared.race.race_id]
            if block not in self.first_of:
                self.first_of = {block: prepared}
            if prepared.race.race_id not in wanted:
                continue
            prepared_ids.add(prepared.race.race_id)
            self._enter(prepared)
            self._pump()
            while len(self.open_races) + len(self.waiting) >= max_open:
                self._wait()
        while self.open_races or self.waiting:
            self._wait()
        for race_id, key in rows.select("race_id", "race_key").iter_rows():
            if race_id not in prepared_ids:
                self.exclusions[key] = NOT_PREPARED
        # Races end in any order; the tables follow the calendar.
        self.scored = {race: self.scored[race] for race in rows["race_id"] if race in self.scored}

    def _nothing_to_forecast(self) -> InputError:
        """What is wrong with a window in which no race has results."""
        span = f"between {self.settings.first} and {self.settings.last}"
        points = self.tables.schedule.filter(
            pl.col("series") == self.settings.series, pl.col("race_type") == "points"
        )
        if self.window.height:
            return InputError(
                f"None of the {self.window.height} {self.settings.series} points races {span} has "
                f"results in this feed.{said_of_files(self.exclusions)}",
                field="--from",
                remedy="Name a window with races that were run, or sync the feed.",
            )
        seasons = sorted(points["season"].unique().to_list())
        held = f"{seasons[0]} to {seasons[-1]}" if seasons else "no season of this series"
        return InputError(
            f"There is no {self.settings.series} points race {span}.",
            field="--from",
            remedy=f"Check dates and series; the feed's schedules hold {held}.",
        )

    def _with_refits(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The races, and the first race of every block that has one which is not sealed yet."""
        races = rows["race_id"].to_list()
        open_races = [race_id for race_id in races if race_id not in self.seals]
        wanted = {*races, *self.walker.first_races(self.blocks, open_races)}
        return self.tables.schedule.filter(pl.col("race_id").is_in(list(wanted)))

    def _enter(self, prepared: Prepared) -> None:
        race = prepared.race
        sealed = self.seals.get(race.race_id)
        if sealed is not None:
            content = self.folder.read_forecast(race.race_id)
            try:
                verify(sealed, content)
            except SealBrokenError as error:
                self._exclude(race.race_key, f"void: {error}")
                return
            self._submit(prepared, None)
            return
        block = self.blocks[race.race_id]
        if block not in self.fits:
            self.fits[block] = self.pool.submit(self.source.fit, self._known(block))
        self.waiting.append((block, prepared.without_fit()))

    def _known(self, block: str) -> KnownForFit:
        """What a block's model is fitted on: what was known at its first race.

        Every stage before the start takes what was known on the Monday, so that one fit serves them
        all and their forecasts differ by what they know of the race alone.
        """
        first = self.first_of[block]
        if self.settings.stage is not START:
            row = self.tables.schedule.row(
                by_predicate=pl.col("race_id") == first.race.race_id, named=True
            )
            entries = self.walker.entries(row["race_id"], row["start_time"])
            first = first.for_fit(STAGES[0].as_of(row, entries))
        return KnownForFit(first, self.tables.schedule)

    def _pump(self) -> None:
        """Submit the races whose model is ready."""
        waiting, self.waiting = self.waiting, []
        for block, prepared in waiting:
            if not self._is_ready(block):
                self.waiting.append((block, prepared))
                continue
            try:
                model = self._model(block)
            except InputError as error:
                self._exclude(prepared.race.race_key, f"the model could not be fitted: {error}")
                continue
            self._submit(prepared, model)

    def _is_ready(self, block: str) -> bool:
        if not self.fits[block].done():
            return False
        if not self.settings.tilt or block in self.models:
            return True
        # Maps need every earlier race of the window scored.
        busy = {waiting for waiting, _ in self.waiting if waiting < block}
        return not busy and not self.open_races

    def _model(self, block: str) -> Forecaster:
        if block not in self.models:
            model = self.fits[block].result()
            maps = TiltingMaps()
            if self.settings.tilt:
                order = self.window["race_id"].to_list()
                earlier = [self.scored[race] for race in order if race in self.scored]
                maps = fit_maps([scored.untilted for scored in earlier if scored.untilted])
                model = Tilted(model, maps)
            self.models[block] = model
            describe = getattr(getattr(model, "base", model), "describe", None)
            made = {
                "model": model.name,
                "version": model.version,
                "details": describe() if callable(describe) else {},
                "tilting": {
                    event: {
                        "gain": gain,
                        "standard_error": error,
                        "kept": event in maps.by_event,
                    }
                    for event, (gain, error) in maps.gains.items()
                },
            }
            self.folder.root.write(f"models/{block}.json", json_bytes(made))  # for people
        return self.models[block]

    def _submit(self, prepared: Prepared, model: Forecaster | None) -> None:
        future = self.pool.submit(
            forecast_race,
            prepared.without_fit(),
            model,
            self.baselines,
            self.settings.scenarios,
            self.settings.seed,
        )
        self.open_races[future] = lambda done: self._seal(prepared, model, done)

    def _seal(self, prepared: Prepared, model: Forecaster | None, done: Future[Any]) -> None:
        """Fix a race's forecasts; only then is its outcome read."""
        race = prepared.race
        try:
            made: Forecasts = done.result()
        except InputError as error:
            self._exclude(race.race_key, f"could not be forecast: {error}")
            return
        content = made.content
        if content is not None:
            assert model is not None
            path = self.folder.forecast_path(race.race_id)
            self.folder.root.write(path, content)
            self.seals[race.race_id] = Seal(
                race_id=race.race_id,
                race_key=race.race_key,
                as_of=race.as_of,
                sha256=sha256(content),
                seed=made.seed,
                scenarios=self.settings.scenarios,
                model=model.name,
                model_version=made.version,
                known_races=prepared.history.results["race_id"].n_unique(),
                baselines=made.hashes,
                file=path,
            )
            self.folder.root.write(SEALS, seals_to_json(self.seals, self.fixed))
        seal = self.seals[race.race_id]
        if dict(seal.baselines) != dict(made.hashes):
            self._exclude(
                race.race_key,
                "void: a baseline's forecast is not the one that was sealed: the history before "
                "the race, or the program, has changed since",
            )
            return
        try:
            stored = self.folder.read_forecast(race.race_id) or b""
            outcome = self.vault.open(seal, stored)
        except InputError as error:
            self._exclude(race.race_key, f"void: {error}")
            return
        for name, why in made.unquoted.items():
            self.unquoted.setdefault(name, {})[race.race_key] = why
        future = self.pool.submit(
            score_forecasts,
            race,
            self.source.name,
            stored,
            made.baselines,
            outcome,
            self.salaries.get(race.race_id),
        )
        self.open_races[future] = lambda finished: self._score(prepared, finished)

    def _score(self, prepared: Prepared, done: Future[Any]) -> None:
        race = prepared.race
        try:
            self.scored[race.race_id] = done.result()
        except InputError as error:
            self._exclude(race.race_key, f"could not be scored: {error}")
            return
        self._report(f"{race.race_key} scored")

    def _exclude(self, race_key: str, reason: str) -> None:
        self.exclusions[race_key] = reason
        self._report(f"{race_key} left out: {reason}")

    def _report(self, text: str) -> None:
        self.done += 1
        self.progress(self.done, self.total, text)

    def _wait(self) -> None:
        """Wait for something to end, and do what follows from it."""
        pending: set[Future[Any]] = {*self.open_races}
        pending |= {self.fits[block] for block, _ in self.waiting if not self.fits[block].done()}
        if pending:
            wait(pending, return_when=FIRST_COMPLETED)
        for future in [future for future in self.open_races if future.done()]:
            self.open_races.pop(future)(future)
        self._pump()


@dataclass
class BacktestResult:
    """A finished backtest.

    Attributes:
        summary: Everything that `metrics.json` says.
        seals: Seals by race id.
        folder: Where the files lie.
        scored: Every race's scores by race id.
        tables: What the races were forecast from.
    """

    summary: BacktestSummary
    seals: Mapping[str, Seal]
    folder: BacktestFolder
    scored: Mapping[str, Scored]
    tables: FeedTables


def run_backtest(
    read_tables: Callable[[], FeedTables],
    out: DataRoot,
    settings: BacktestSettings,
    *,
    model: ModelSource | None = None,
    baselines: Sequence[Forecaster] | None = None,
    salaries: Mapping[str, Mapping[str, float]] | None = None,
    progress: Progress | None = None,
    early_fits: dict[str, Future[Forecaster]] | None = None,
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
        early_fits: Models of stages before the start by refit block, taken from and added to;
            the same source and tables only.

    Returns:
        The result; its files are in place.

    Raises:
        InputError: If the window is upside down or holds no race with results, or the folder
            holds a backtest with other settings.
    """
    check_window(settings.series, settings.first, settings.last)
    tables = read_tables()
    source = model or RunningOrderModel(series=settings.series)
    rivals = tuple(standard_baselines() if baselines is None else baselines)
    if source.name in {rival.name for rival in rivals}:
        raise InputError(f"Model and a baseline are both called {source.name!r}.", field="model")
    workers = settings.workers or cores()
    fits = {} if early_fits is None or settings.stage is START else early_fits
    with executor(workers) as pool:
        run = Run(tables, BacktestFolder(out), settings, source, rivals, salaries or {}, pool, fits)
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
        unquoted={name: dict(sorted(races.items())) for name, races in run.unquoted.items()},
        seed=settings.seed,
    )
    out.write_frame("scores.parquet", summary.race_table)
    out.write(METRICS, json_bytes(summary.as_dict()))
    if settings.report:
        out.write(REPORT, backtest_page(summary).encode())
    return BacktestResult(summary, run.seals, run.folder, run.scored, tables)


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
