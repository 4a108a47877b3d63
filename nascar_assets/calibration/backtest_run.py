"""One backtest under way: races prepared in order, forecast side by side, sealed, then scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from nascar_assets.calibration.archive import FEWEST_LAPS, Prepared, WalkForward
from nascar_assets.calibration.backtest_files import BacktestFolder
from nascar_assets.calibration.backtest_settings import BacktestSettings, Progress
from nascar_assets.calibration.backtest_tasks import (
    Forecasts,
    Scored,
    fit_model,
    forecast_race,
    score_forecasts,
)
from nascar_assets.calibration.feed_tables import FeedTables
from nascar_assets.calibration.forecasts import Forecaster
from nascar_assets.calibration.models import KnownForFit, ModelSource
from nascar_assets.calibration.sealing import OutcomeVault, Seal, SealBrokenError, sha256, verify
from nascar_assets.calibration.tilting import Tilted, TiltingMaps, fit_maps
from nascar_assets.errors import InputError


@dataclass
class Run:
    """The moving parts of one backtest."""

    tables: FeedTables
    folder: BacktestFolder
    settings: BacktestSettings
    source: ModelSource
    baselines: tuple[Forecaster, ...]
    salaries: Mapping[str, Mapping[str, float]]
    pool: Executor
    exclusions: dict[str, str] = field(default_factory=dict)
    seals: dict[str, Seal] = field(default_factory=dict)
    scored: dict[str, Scored] = field(default_factory=dict)

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
        self.blocks = self._blocks()
        self.first_of: dict[str, Prepared] = {}
        self.open_races: dict[Future[Any], Callable[[Future[Any]], None]] = {}
        self.fits: dict[str, Future[Forecaster]] = {}
        self.waiting: list[tuple[str, Prepared]] = []
        self.models: dict[str, Forecaster] = {}
        self.done = 0

    def _blocks(self) -> dict[str, str]:
        """Refit block of every race of the series: season and tens of its points races."""
        points = self.tables.schedule.filter(
            pl.col("series") == self.settings.series, pl.col("race_type") == "points"
        ).sort("start_time", "race_id")
        blocks: dict[str, str] = {}
        for (season,), races in points.group_by("season", maintain_order=True):
            for number, race_id in enumerate(races["race_id"]):
                block = number // self.settings.refit_every
                blocks[race_id] = f"{season}-{self.settings.series}-{block + 1:02d}"
        return blocks

    def walk(self, progress: Progress, max_open: int) -> None:
        """Prepare races in order and keep the workers busy with them."""
        results = self.tables.results.filter(pl.col("finish").is_not_null())
        finished = set(results["race_id"].unique().to_list())
        rows = self.window.filter(pl.col("race_id").is_in(list(finished)))
        for race_id, key in self.window.select("race_id", "race_key").iter_rows():
            if race_id not in finished:
                self.exclusions[key] = "no results"
        for race_id, reason in self.tables.problems:
            self.exclusions[race_id] = f"feed file at fault: {reason}"
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
                self.exclusions[key] = "too short to simulate, or no entry list"
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
                "results in this feed.",
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
        """The races, and the first race of every block that has one which is not sealed yet.

        The model of a block is fitted on what was known at the block's first race, wherever the
        window begins and wherever an earlier run stopped.
        """
        open_blocks = {
            self.blocks[race] for race in rows["race_id"].to_list() if race not in self.seals
        }
        runnable = self.tables.results.filter(pl.col("scheduled_laps") >= FEWEST_LAPS)
        known = set(runnable["race_id"].unique().to_list())
        firsts: dict[str, str] = {}
        for race, block in self.blocks.items():
            if block in open_blocks and race in known:
                firsts.setdefault(block, race)
        wanted = {*rows["race_id"].to_list(), *firsts.values()}
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
            known = KnownForFit(self.first_of[block], self.tables.schedule)
            self.fits[block] = self.pool.submit(fit_model, self.source, known)
        self.waiting.append((block, prepared.without_fit()))

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
            self.folder.write_model(
                block,
                {
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
                },
            )
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
            self.folder.write_forecast(race.race_id, content)
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
                file=self.folder.forecast_path(race.race_id),
            )
            self.folder.write_seals(self.seals, self.fixed)
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
