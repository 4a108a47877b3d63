"""The walk-forward backtest: sealed first, resumable, honest about what it leaves out."""

import json
import shutil
from datetime import date, timedelta
from functools import partial

import numpy as np
import polars as pl
import pytest

from benchmarks.leaks import probe_leak, scramble_future
from benchmarks.planted import FixedModel, Peeking, Pulled, Stretched
from nascar_assets.calibration.archive import WalkForward
from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
from nascar_assets.calibration.baselines import StartClimatology, Uniform, standard_baselines
from nascar_assets.calibration.feed_tables import FeedTables
from nascar_assets.calibration.forecasts import FORECAST_COLUMNS
from nascar_assets.calibration.race_forecast import RunningOrder
from nascar_assets.calibration.sealing import sha256
from nascar_assets.errors import InputError
from nascar_assets.storage import DataRoot

from .world import Leaking, Planted, world

WINDOW = (date(2024, 1, 1), date(2024, 12, 31))


def settings(**changes):
    return BacktestSettings(*WINDOW, **{"scenarios": 200, "workers": 1, "report": False, **changes})


def backtest(tables, folder, model=None, **changes):
    return run_backtest(
        lambda: tables,
        DataRoot(folder),
        settings(**changes),
        model=FixedModel(model or Planted()),
        baselines=(StartClimatology(),),
    )


@pytest.fixture(scope="module")
def tables():
    return world()


@pytest.fixture(scope="module")
def honest(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest")
    return backtest(tables, folder, report=True), folder


@pytest.mark.slow
def test_files_are_those_of_the_command_line(honest):
    result, folder = honest
    assert sorted(path.name for path in folder.iterdir()) == [
        "forecasts",
        "metrics.json",
        "models",
        "report.html",
        "scores.parquet",
        "seals.json",
    ]
    seals = json.loads((folder / "seals.json").read_text())["races"]
    assert len(seals) == 20
    for race_id, seal in seals.items():
        content = (folder / "forecasts" / f"{race_id}.parquet").read_bytes()
        assert seal["sha256"] == sha256(content)
        assert {"as_of", "seed", "model_version"} <= set(seal)
    table = pl.read_parquet(folder / "forecasts" / "24003.parquet")
    assert table.columns == list(FORECAST_COLUMNS)
    assert table.height == 200 * 20
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["races"] == 20
    assert "</html>" in (folder / "report.html").read_text()
    assert "http" not in (folder / "report.html").read_text().replace("http-equiv", "")
    assert result.summary.races == 20


@pytest.mark.slow
def test_an_honest_forecaster_is_found_calibrated(honest):
    result, _ = honest
    verdict = result.summary.verdicts["planted"]
    assert verdict.dispersion == "calibrated"
    record = result.summary.records["planted"]
    assert record.value("coverage_80_finish") == pytest.approx(0.8, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spread", "dispersion"), [(0.35, "over-confident"), (3.0, "under-confident")]
)
def test_planted_dispersion_is_detected(tables, tmp_path, spread, dispersion):
    result = backtest(tables, tmp_path, Planted(spread=spread))
    assert result.summary.verdicts["planted"].dispersion == dispersion
    coverage = [c for c in result.summary.gate if c.name.startswith("coverage of 80%")]
    assert not all(criterion.passed for criterion in coverage)
    pit = result.summary.records["planted"].pit["finish"]
    edges, middle = pit[[0, -1]].mean(), pit[4:6].mean()
    assert (edges > 1.5 * middle) == (dispersion == "over-confident")


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Pulled(Planted()), Stretched(Planted())], ids=lambda f: f.name)
def test_the_planted_dispersions_of_the_documentation_are_found(tables, tmp_path, fault):
    result = backtest(tables, tmp_path, fault)
    assert result.summary.verdicts[fault.name].dispersion == fault.name


@pytest.mark.slow
def test_the_planted_leak_of_the_documentation_is_found(tables, tmp_path):
    # Its base knows nothing, so that all skill comes from the leak.
    result = backtest(tables, tmp_path, Peeking(Uniform(), tables.results))
    assert result.summary.verdicts["leaking"].leak_suspected


@pytest.mark.slow
def test_reordered_races_keep_their_laws(tables):
    walker = WalkForward(tables.schedule, tables.results, "cup", with_values=False)
    prepared = next(walker.prepare(walker.races(*WINDOW)))
    for forecaster in (Pulled(RunningOrder()), Peeking(RunningOrder(), tables.results)):
        made = forecaster.forecast(prepared.history, prepared.race, 50, 1)
        base = RunningOrder().forecast(prepared.history, prepared.race, 50, 1)
        assert (np.sort(made.finish, axis=1) == np.arange(1, 21)).all()
        np.testing.assert_array_equal(made.laps_led.sum(axis=1), base.laps_led.sum(axis=1))
        winners = made.laps_completed[made.finish == 1]
        assert (winners == made.laps_completed.max(axis=1)).all()


@pytest.mark.slow
def test_a_leaking_forecaster_is_detected_by_its_skill_and_by_the_probe(tables, tmp_path):
    result = backtest(tables, tmp_path, Leaking(tables.results))
    assert result.summary.verdicts["leaking"].leak_suspected
    probe = probe_leak(tables, "24004", lambda known: Leaking(known.results))
    assert probe.leaks


@pytest.mark.slow
@pytest.mark.parametrize(
    "forecaster", [*standard_baselines(), RunningOrder()], ids=lambda forecaster: forecaster.name
)
def test_our_forecasters_do_not_change_with_the_future(tables, forecaster):
    assert not probe_leak(tables, "24004", lambda known: forecaster, scenarios=20).leaks


def test_the_scrambled_future_leaves_the_past_alone_and_changes_the_rest(tables):
    as_of = tables.schedule.filter(pl.col("race_id") == "24004")["start_time"][0]
    other = scramble_future(tables, as_of).results.sort("race_id", "driver_id")
    real = tables.results.sort("race_id", "driver_id")
    past = pl.col("results_at") <= as_of
    assert other.filter(past).equals(real.filter(past))
    assert not other.filter(~past)["finish"].equals(real.filter(~past)["finish"])


@pytest.mark.slow
def test_nothing_later_than_the_as_of_time_reaches_a_forecaster(tables):
    walker = WalkForward(tables.schedule, tables.results, "cup", with_values=False)
    rows = walker.races(*WINDOW)
    seen = 0
    for prepared in walker.prepare(rows):
        as_of = prepared.race.as_of
        assert (prepared.history.results["results_at"] <= as_of).all()
        assert (prepared.everything["results_at"] <= as_of).all()
        assert prepared.race.race_id not in prepared.history.results["race_id"].to_list()
        assert (prepared.history.ratings["as_of"] <= as_of).all()
        assert "finish" not in prepared.race.entries.columns
        seen += 1
    assert seen == 20


def test_starts_that_were_not_known_as_of_are_null(tables):
    late = tables.results.with_columns(qualifying_at=pl.col("start_time") + timedelta(hours=1))
    walker = WalkForward(tables.schedule, late, "cup")
    entries = walker.entries("24004", tables.schedule.filter(race_id="24004")["start_time"][0])
    assert entries["start"].null_count() == entries.height


@pytest.mark.slow
def test_an_interrupted_run_is_taken_up_and_ends_with_the_same_files(tables, honest, tmp_path):
    _, whole = honest

    class Stop(Exception):
        pass

    def stop(done, total, text):
        if done == 7:
            raise Stop

    run = partial(
        run_backtest,
        lambda: tables,
        DataRoot(tmp_path),
        settings(),
        model=FixedModel(Planted()),
        baselines=(StartClimatology(),),
    )
    with pytest.raises(Stop):
        run(progress=stop)
    sealed = json.loads((tmp_path / "seals.json").read_text())["races"]
    assert 0 < len(sealed) < 20
    stamp = {
        race: (tmp_path / "forecasts" / f"{race}.parquet").stat().st_mtime_ns for race in sealed
    }
    run()
    for race, before in stamp.items():
        assert (tmp_path / "forecasts" / f"{race}.parquet").stat().st_mtime_ns == before
    for name in ("seals.json", "metrics.json", "scores.parquet"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.slow
def test_a_changed_forecast_makes_its_race_void(tables, honest, tmp_path):
    shutil.copytree(honest[1], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "forecasts" / "24005.parquet"
    path.write_bytes((tmp_path / "forecasts" / "24006.parquet").read_bytes())
    result = backtest(tables, tmp_path)
    assert result.summary.races == 19
    assert "void" in result.summary.exclusions["2024-cup-05"]
    assert "changed afterwards" in result.summary.exclusions["2024-cup-05"]
    path.unlink()
    again = backtest(tables, tmp_path)
    assert "gone" in again.summary.exclusions["2024-cup-05"]


@pytest.mark.slow
def test_other_settings_in_the_same_folder_are_refused(tables, honest):
    _, folder = honest
    with pytest.raises(InputError, match="other settings: seed 1"):
        backtest(tables, folder, seed=2)


@pytest.mark.slow
def test_a_history_that_changed_makes_the_races_after_it_void(tables, honest, tmp_path):
    shutil.copytree(honest[1], tmp_path, dirs_exist_ok=True)
    first = pl.col("race_id") == "23001"
    other = FeedTables(
        tables.schedule,
        tables.results.with_columns(
            finish=pl.when(first).then(21 - pl.col("finish")).otherwise("finish")
        ),
    )
    result = backtest(other, tmp_path)
    assert all("history before" in reason for reason in result.summary.exclusions.values())
    assert len(result.summary.exclusions) > 0


@pytest.mark.slow
def test_races_without_results_are_counted_and_races_gained_meanwhile_are_stated(tmp_path):
    made = world(races=8)
    sound = made.results.filter(pl.col("race_id") != "24007")
    # A damaged file of another season is no race of this window.
    problems = (("24007", "lap-times.json: cut off"), ("23008", "lap-times.json: cut off"))
    full = FeedTables(made.schedule, sound, problems)
    early = FeedTables(made.schedule, sound.filter(pl.col("race_id") != "24008"), problems)
    reads = iter([early, full])
    result = run_backtest(
        lambda: next(reads),
        DataRoot(tmp_path),
        settings(),
        model=FixedModel(Planted()),
        baselines=(StartClimatology(),),
    )
    assert result.summary.exclusions == {
        "2024-cup-07": "feed file at fault: lap-times.json: cut off",
        "2024-cup-08": "no results",
    }
    assert result.summary.gained == ("2024-cup-08",)
    assert result.summary.as_dict()["feed_gained_while_running"] == ["2024-cup-08"]


def test_a_window_without_races_or_upside_down_is_refused(tables, tmp_path):
    for window, text in (
        ((date(2020, 1, 1), date(2020, 2, 1)), "no cup points race.*hold 2023 to 2024"),
        ((date(2024, 2, 1), date(2024, 1, 1)), "before it begins"),
    ):
        with pytest.raises(InputError, match=text):
            run_backtest(lambda: tables, DataRoot(tmp_path), BacktestSettings(*window, workers=1))
    assert list(tmp_path.iterdir()) == []


def test_a_window_of_races_to_come_says_that_they_have_no_results(tables, tmp_path):
    damaged = (("24001", "weekend-feed.json: cut off"),)
    before = FeedTables(tables.schedule, tables.results.filter(pl.col("season") < 2024), damaged)
    why = r"None of the 20 cup points races .* has results.*2024-cup-01: feed file at fault: week"
    with pytest.raises(InputError, match=why):
        backtest(before, tmp_path)
    with pytest.raises(InputError, match="No series is called 'arca'"):
        backtest(tables, tmp_path, series="arca")
    assert list(tmp_path.iterdir()) == []


class Noting(FixedModel):
    """A model that notes the race whose start each of its fits stands at."""

    def __init__(self, forecaster):
        super().__init__(forecaster)
        object.__setattr__(self, "fitted_at", [])

    def fit(self, known):
        self.fitted_at.append(known.next_race.race.race_key)
        return super().fit(known)


@pytest.mark.slow
def test_a_model_is_fitted_at_its_blocks_first_race_wherever_a_run_begins(tables, tmp_path):
    def fits(folder, *window):
        model = Noting(Planted())
        run_backtest(
            lambda: tables,
            DataRoot(tmp_path / folder),
            BacktestSettings(*window, scenarios=30, workers=1, report=False),
            model=model,
            baselines=(),
        )
        return model.fitted_at

    spring = date(2024, 3, 1), date(2024, 4, 1)  # races 4 to 8
    autumn = date(2024, 3, 1), date(2024, 5, 31)  # races 4 to 16
    assert fits("a", *spring) == ["2024-cup-01"]
    # Taken up again with a longer window: one more race of the first block, all of the second.
    assert fits("a", *autumn) == ["2024-cup-01", "2024-cup-11"]
    assert fits("a", *autumn) == []
    fits("b", *autumn)
    names = sorted(path.name for path in (tmp_path / "b" / "forecasts").iterdir())
    assert len(names) == 13
    for name in names:
        path = f"forecasts/{name}"
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()


@pytest.mark.slow
def test_one_and_two_processes_give_the_same_bytes(tables, honest, tmp_path):
    short = (date(2024, 1, 1), date(2024, 2, 20))
    for workers in (1, 2):
        run_backtest(
            lambda: tables,
            DataRoot(tmp_path / str(workers)),
            BacktestSettings(*short, scenarios=40, workers=workers, report=False),
            model=FixedModel(RunningOrder()),
            baselines=(StartClimatology(),),
        )
    for name in ("seals.json", "metrics.json", "scores.parquet"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_tiers_and_types_are_compared(honest):
    result, _ = honest
    item = result.summary.find("rps_finish", "start_climatology", "track_type", "short")
    assert item is not None
    assert item.skill.races == 5
    assert result.summary.find("rps_finish", "start_climatology", "tier", "top") is not None
    overall = result.summary.find("rps_finish", "start_climatology")
    table = result.summary.table()
    ours, theirs = (
        table.filter(pl.col("forecaster") == name)["rps_finish"][0]
        for name in ("planted", "start_climatology")
    )
    assert overall.skill.value == pytest.approx(1 - ours / theirs)
    assert overall.skill.lower < overall.skill.value < overall.skill.upper
    assert np.isfinite(overall.difference.value)
