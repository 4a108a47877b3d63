"""The backtest as race partitions, the release gate on model versions, and the report."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
from pydantic import Field

from nascar_assets.orchestration.assets.feed import schedule
from nascar_assets.orchestration.assets.history import ALL_FEATURES, ALL_RESULTS
from nascar_assets.orchestration.assets.slate import ALL_RACES
from nascar_assets.orchestration.inputs.past import all_results, past_features
from nascar_assets.orchestration.inputs.schedule import Race, schedule_rows
from nascar_assets.orchestration.metadata import file_at, image, shown, table_metadata, text_table
from nascar_assets.orchestration.partitions import RACES
from nascar_assets.orchestration.previews import pinned_previews
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import scan_table, stored_partitions, table_path
from nascar_assets.rules.race_day import race_day
from nascar_assets.storage import DataRoot

if TYPE_CHECKING:
    from nascar_assets.calibration.backtest import BacktestResult
    from nascar_assets.calibration.backtest_tasks import Scored
    from nascar_assets.calibration.model_version import ModelRecipe
    from nascar_assets.calibration.summary import BacktestSummary

SEALED = "store/backtest_forecasts"
"""Sealed forecasts: a backtest's folder for every series and version."""

REPORTS = "store/calibration_report"


class Candidate(dg.Config):
    """A model version: how the race process comes about. The defaults are the project's own."""

    series: str = Field(default="cup", description="cup, xfinity or trucks.")
    fit_process: bool = Field(
        default=True, description="Fit it on past races; the starting values otherwise."
    )
    recalibrate: bool = Field(default=True, description="Correct it where that proved itself.")
    changes: dict[str, float] = Field(
        default_factory=dict,
        description="Starting values set by hand: `<track type>.<parameter>` to value.",
    )

    def recipe(self) -> "ModelRecipe":
        """The recipe that this describes."""
        from nascar_assets.calibration.model_version import ModelRecipe

        return ModelRecipe(self.fit_process, self.recalibrate, dict(self.changes))


class BacktestRun(Candidate):
    """A version and how it is measured."""

    scenarios: int = Field(default=2000, ge=10, description="Scenarios for each race.")
    seed: int = Field(default=1, ge=1)
    workers: int | None = Field(default=None, description="Processes; one per core if left out.")


def sealed_folder(root: DataRoot, series: str, version: str) -> DataRoot:
    """The folder that holds a version's sealed forecasts."""
    return Platform(home=root.uri(f"{SEALED}/{series}-{version}")).root


def sealed_settings(root: DataRoot, series: str, version: str) -> dict[str, Any]:
    """The settings under which a version's forecasts were sealed, the same for all of them."""
    from nascar_assets.calibration.backtest import SEALS
    from nascar_assets.calibration.sealing import seals_from_json

    content = sealed_folder(root, series, version).read(SEALS)
    return {} if content is None else seals_from_json(content)[1]


def backtested(root: DataRoot, series: str, version: str) -> dict[str, pl.DataFrame]:
    """The stored races of a version's backtest by race key, in order."""
    found = {}
    for key in stored_partitions(root, "backtest"):
        table = scan_table(root, "backtest", key).collect()
        if table["series"][0] == series and table["model_version"][0] == version:
            found[key] = table
    return found


with pinned_previews():
    _SEAL = dg.AssetCheckSpec(
        "sealed_before_outcome",
        asset="backtest",
        description="The forecast is the file that was sealed before its outcome was read.",
        blocking=True,
        partitions_def=RACES,
    )
    _backtest_asset = dg.asset(
        name="backtest",
        partitions_def=RACES,
        group_name="calibration",
        description="Walk-forward: the race forecast from what was known at its start, sealed, "
        "then scored beside every baseline.",
        deps=[schedule, ALL_RESULTS, ALL_FEATURES],
        kinds={"numba", "parquet"},
        owners=["team:model"],
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[_SEAL],
    )


def _backtest(
    context: dg.AssetExecutionContext, config: BacktestRun, platform: Platform
) -> Iterator[Any]:
    """One table a race: every score of every forecaster, driver by driver.

    Races that were sealed by an earlier run are not forecast again, so that a run that was
    stopped is taken up where it was, and a new race costs itself alone.
    """
    from nascar_assets.calibration.score_tables import scored_to_table
    from nascar_assets.orchestration.inputs.race_scores import forecasting_code

    root = platform.root
    version = config.recipe().version(forecasting_code())
    rows = schedule_rows(root, list(context.partition_keys))
    results = all_results(root)
    ran = set(results.filter(pl.col("finish").is_not_null())["race_id"].to_list())
    wanted: dict[str, Race] = {}
    for key, race in rows.items():
        if race["series"] != config.series or race["race_type"] != "points":
            context.log.info("%s is no points race of %s: left out.", key, config.series)
        elif race["race_id"] not in ran:
            context.log.info("%s has no results: left out.", key)
        else:
            wanted[key] = race
    left_out: dict[str, str] = {}
    if wanted:
        done = _run(root, config, version, wanted, results)
        left_out = dict(done.summary.exclusions)
        for key, race in wanted.items():
            scored = done.scored.get(race["race_id"])
            if scored is None:
                context.log.warning("%s left out: %s", key, left_out.get(key, "unknown"))
            else:
                seal = done.seals[race["race_id"]]
                table = scored_to_table(scored).with_columns(
                    pl.lit(config.series).alias("series"),
                    pl.lit(version).alias("model_version"),
                    pl.lit(race["start_time"]).alias("start_time"),
                    pl.lit(seal.sha256).alias("forecast_sha256"),
                )
                size = root.write_frame(table_path("backtest", key), table)
                context.add_asset_metadata(
                    shown(
                        table_metadata("backtest", table, size=size),
                        model_version=version,
                        as_of=seal.as_of.isoformat(),
                        forecast_sha256=seal.sha256,
                        known_races=seal.known_races,
                        **_headline(scored),
                    ),
                    asset_key="backtest",
                    partition_key=key,
                )
    void = {key: why for key, why in left_out.items() if why.startswith("void")}
    for key in rows if len(rows) > 1 else ():
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("backtest"),
            check_name=_SEAL.name,
            passed=key not in void,
            metadata=shown(failures=void[key]) if key in void else {},
            blocking=True,
            partition=key,
        )
    yield dg.Output(None, metadata=shown(left_out=left_out))
    yield dg.AssetCheckResult(passed=not void, check_name=_SEAL.name, metadata=shown(void))


with pinned_previews():
    backtest = _backtest_asset(_backtest)


def _run(
    root: DataRoot,
    config: BacktestRun,
    version: str,
    races: dict[str, Race],
    results: pl.DataFrame,
) -> "BacktestResult":
    from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
    from nascar_assets.calibration.feed_tables import FeedTables

    tables = FeedTables(
        scan_table(root, "schedule").collect(), results, features=past_features(root)
    )
    days = [race_day(race["start_time"]) for race in races.values()]
    return run_backtest(
        lambda: tables,
        sealed_folder(root, config.series, version),
        BacktestSettings(
            min(days),
            max(days),
            series=config.series,
            scenarios=config.scenarios,
            seed=config.seed,
            workers=config.workers,
            report=False,
            only=frozenset(races),
        ),
        model=config.recipe().source(config.series),
    )


def _headline(scored: "Scored") -> dict[str, Any]:
    """A race's mean scores, ours and start climatology's, for the UI."""
    from nascar_assets.calibration.assess import means_of
    from nascar_assets.calibration.race_forecast import NAME
    from nascar_assets.calibration.summary import CLIMATOLOGY

    found = {}
    for name in (NAME, CLIMATOLOGY):
        means = means_of(scored.scores[name])
        for metric in ("rps_finish", "crps_points", "log_score_finish"):
            found[f"{metric} {name}"] = means[metric][0]
    return found


def summary_of(root: DataRoot, config: Candidate) -> "tuple[str, BacktestSummary, datetime]":
    """A version's name, its backtest over all stored races, and when the last became known.

    Raises:
        InputError: If no race of the version's backtest is stored.
    """
    from nascar_assets.calibration.race_forecast import NAME
    from nascar_assets.calibration.score_tables import scored_from_table
    from nascar_assets.calibration.summary import summarise_backtest
    from nascar_assets.errors import InputError
    from nascar_assets.orchestration.inputs.race_scores import forecasting_code

    version = config.recipe().version(forecasting_code())
    tables = backtested(root, config.series, version)
    if not tables:
        raise InputError(
            f"The model version {version} has no backtest of {config.series} races.",
            remedy="Materialise the race partitions of backtest with the same settings first.",
        )
    ordered = sorted(
        tables.values(), key=lambda table: (table["start_time"][0], table["race_id"][0])
    )
    results = all_results(root)
    races = [table["race_id"][0] for table in ordered]
    known_until = results.filter(pl.col("race_id").is_in(races))["results_at"].max()
    assert isinstance(known_until, datetime)
    summary = summarise_backtest(
        [scored_from_table(table) for table in ordered],
        model=NAME,
        settings={
            **sealed_settings(root, config.series, version),
            "model_version": version,
            "from": f"{ordered[0]['start_time'][0]:%Y-%m-%d}",
            "to": f"{ordered[-1]['start_time'][0]:%Y-%m-%d}",
        },
        exclusions={},
    )
    return version, summary, known_until


@dg.asset(
    group_name="calibration",
    description="A version of the model, named by the hash of its recipe and code, with what the "
    "release gate found of it. Slates use the newest version that passed.",
    deps=[dg.AssetDep(backtest, partition_mapping=ALL_RACES)],
    kinds={"polars"},
    owners=["team:model"],
    check_specs=[
        dg.AssetCheckSpec(
            "release_gate",
            asset="model_version",
            description="Skill, log score and coverage of the backtest are within the limits of a "
            "release. A version that fails is not used; the last good one stays.",
        )
    ],
)
def model_version(config: Candidate, platform: Platform) -> Iterator[Any]:
    """One row per criterion of the gate."""
    from nascar_assets.calibration.gate import passes
    from nascar_assets.calibration.model_version import GateRecord, enough_races, last_good
    from nascar_assets.calibration.tables_text import gate_grid
    from nascar_assets.orchestration.inputs.process_parameters import (
        gate_records,
        save_gate_record,
    )
    from nascar_assets.orchestration.inputs.race_scores import forecasting_code

    root = platform.root
    version, summary, known_until = summary_of(root, config)
    criteria = (enough_races(summary.races), *summary.gate)
    passed = passes(criteria)
    record = GateRecord(
        version=version,
        code=forecasting_code(),
        series=config.series,
        recipe=config.recipe(),
        passed=passed,
        criteria=criteria,
        races=summary.races,
        known_until=known_until,
        decided_at=datetime.now(UTC),
    )
    path = save_gate_record(root, record)
    records, passed_over = gate_records(root, config.series)
    good = last_good(records)
    table = pl.DataFrame(
        {
            "criterion": [item.name for item in criteria],
            "found": [item.value for item in criteria],
            "asked": [item.bound for item in criteria],
            "passed": [item.passed for item in criteria],
        },
        schema_overrides={"found": pl.Float64},
    )
    said = shown(
        version=version,
        races=summary.races,
        known_until=known_until.isoformat(),
        slates_use=good.version if good is not None else "none yet",
        passed_over=" ".join(passed_over) or "none",
        gate=text_table(*gate_grid(criteria)),
    )
    yield dg.Output(table, metadata=shown(said, path=file_at(root.uri(path))))
    yield dg.AssetCheckResult(passed=passed, check_name="release_gate", metadata=said)


@dg.asset(
    group_name="calibration",
    description="The backtest in plots and tables: reliability, PIT, coverage, skill and drift; "
    "the same as one HTML page.",
    deps=[dg.AssetDep(backtest, partition_mapping=ALL_RACES)],
    kinds={"polars", "html"},
    owners=["team:model"],
)
def calibration_report(config: Candidate, platform: Platform) -> dg.Output[pl.DataFrame]:
    """One row per forecaster, one column per metric."""
    from nascar_assets.calibration.report import backtest_page, pictures
    from nascar_assets.calibration.tables_text import comparison_grid, coverage_grid, skill_grid
    from nascar_assets.reports.plots import as_markdown_image

    root = platform.root
    version, summary, _ = summary_of(root, config)
    path = f"{REPORTS}/{config.series}-{version}.html"
    drawn = pictures(summary)
    root.write(path, backtest_page(summary, drawn).encode())
    plots = {
        name: image(as_markdown_image(content, name.replace("_", " ")))
        for name, content in drawn.items()
    }
    drift: Sequence[int] = () if summary.drift is None else summary.drift.alarms.tolist()
    return dg.Output(
        summary.table(),
        metadata=shown(
            report=file_at(root.uri(path)),
            model_version=version,
            races=summary.races,
            races_outside_control_limits=len(drift),
            comparison=text_table(*comparison_grid(summary)),
            coverage_by_track_type=text_table(*coverage_grid(summary)),
            skill=text_table(*skill_grid(summary)),
            **plots,
        ),
    )
