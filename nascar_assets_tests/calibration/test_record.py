"""The slate's calibration record: out of sample, honest about what it lacks."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from nascar_assets.calibration import walk_forward_record
from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
from nascar_assets.calibration.baselines import StartClimatology
from nascar_assets.calibration.models import FixedModel
from nascar_assets.calibration.record import _fitted_before
from nascar_assets.errors import InputError
from nascar_assets.history.ratings import rate_history
from nascar_assets.scenarios import STARTING_VALUES, ProcessParameters
from nascar_assets.storage import DataRoot

from .world import Planted, world

AS_OF = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def tables():
    return world()


@pytest.fixture(scope="module")
def ratings(tables):
    return rate_history(tables.results)


def test_measures_the_last_races_before_the_cut_off(tables, ratings):
    record = walk_forward_record(
        tables.results, ratings, AS_OF, n_races=8, n_scenarios=100, schedule=tables.schedule
    )
    assert record.races == 8
    assert all(value is not None for value in record.headline().values())
    assert record.metrics["crps"].standard_error > 0
    assert record.metrics["crps"].races == 8
    again = walk_forward_record(
        tables.results, ratings, AS_OF, n_races=8, n_scenarios=100, schedule=tables.schedule
    )
    assert again.as_dict() == record.as_dict()


def test_what_happens_after_the_cut_off_changes_nothing(tables, ratings):
    late = pl.col("results_at") > AS_OF
    other = tables.results.with_columns(
        finish=pl.when(late).then(21 - pl.col("finish")).otherwise("finish")
    )
    first, second = (
        walk_forward_record(results, ratings, AS_OF, n_races=5, n_scenarios=50)
        for results in (tables.results, other)
    )
    assert first.as_dict() == second.as_dict()


def test_no_history_gives_no_numbers_and_the_reason(tables, ratings):
    record = walk_forward_record(tables.results, ratings, datetime(2023, 1, 1, tzinfo=UTC))
    assert record.races == 0
    assert record.headline() is None
    assert "no past race" in record.reason
    unrated = walk_forward_record(tables.results, ratings.clear(), AS_OF)
    assert unrated.headline() is None
    assert unrated.exclusions["race without out-of-sample ratings"] > 20


def test_ratings_that_may_know_the_outcome_are_refused(tables, ratings):
    late = ratings.with_columns(as_of=pl.col("as_of") + timedelta(days=1))
    with pytest.raises(InputError, match="may know its outcome"):
        walk_forward_record(tables.results, late, AS_OF)


def test_a_baseline_can_be_measured_on_the_same_races(tables, ratings):
    record = walk_forward_record(
        tables.results, ratings, AS_OF, n_races=6, n_scenarios=100, forecaster=StartClimatology()
    )
    assert record.races == 6


def test_each_race_gets_the_latest_fit_that_knew_nothing_later():
    def fit(day):
        return ProcessParameters(STARTING_VALUES.by_type, "fit", datetime(2024, 1, day, tzinfo=UTC))

    fits = [fit(5), fit(20), fit(12)]
    assert _fitted_before(fits, datetime(2024, 1, 15, tzinfo=UTC)).cut_off.day == 12
    assert _fitted_before(fits, datetime(2024, 1, 1, tzinfo=UTC)) is STARTING_VALUES
    assert _fitted_before(None, AS_OF) is STARTING_VALUES


def test_tilting_maps_follow_the_races_scored_before(tables, tmp_path):
    settings = BacktestSettings(
        date(2023, 1, 1),
        date(2024, 12, 31),
        scenarios=60,
        workers=1,
        tilt=True,
        report=False,
    )

    def run(folder):
        return run_backtest(
            lambda: tables,
            DataRoot(folder),
            settings,
            model=FixedModel(Planted(spread=0.3)),
            baselines=(StartClimatology(),),
        )

    result = run(tmp_path)
    versions = {seal.race_key: seal.model_version for seal in result.seals.values()}
    assert "tilt" not in versions["2023-cup-01"]
    assert "tilt" in versions["2024-cup-15"]
    assert result.summary.effective[0] >= 0.5 - 1e-9
    again = run(tmp_path)
    assert again.summary.as_dict() == result.summary.as_dict()
