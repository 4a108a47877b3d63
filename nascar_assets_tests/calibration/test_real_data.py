"""On the real Cup feed: the parts fit together, nothing leaks, skill is where it should be."""

import os
from datetime import date
from pathlib import Path

import pytest

from benchmarks.leaks import probe_leak
from benchmarks.planted import FixedModel
from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
from nascar_assets.calibration.feed_tables import read_feed_tables
from nascar_assets.calibration.race_forecast import RunningOrder
from nascar_assets.errors import InputError
from nascar_assets.storage import DataRoot

FEED = Path(os.environ.get("NASCAR_REAL_DATA", "")) / "feed"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        not os.environ.get("NASCAR_REAL_DATA") or not FEED.is_dir(), reason="no real data"
    ),
]


@pytest.fixture(scope="module")
def tables():
    return read_feed_tables(DataRoot(FEED))


def test_the_feed_is_read_without_problems(tables):
    assert tables.problems == ()
    assert tables.results["race_id"].n_unique() > 250


def test_a_season_beats_start_climatology(tables, tmp_path):
    result = run_backtest(
        lambda: tables,
        DataRoot(tmp_path),
        BacktestSettings(date(2024, 1, 1), date(2024, 7, 31), scenarios=300, report=False),
        model=FixedModel(RunningOrder()),
    )
    skill = result.summary.find("rps_finish", "start_climatology").skill
    assert result.summary.races == 22
    assert skill.value > 0.03
    assert result.summary.verdicts["running_order"].leak_suspected is False
    assert 0.74 < result.summary.records["running_order"].value("coverage_80_finish") < 0.86


def test_a_real_race_does_not_change_with_the_future(tables):
    race_id = tables.schedule.filter(race_key="2023-cup-20")["race_id"][0]
    assert not probe_leak(tables, race_id, lambda known: RunningOrder()).leaks


def test_a_folder_that_is_no_feed_is_refused(tmp_path):
    with pytest.raises(InputError, match="no schedule"):
        read_feed_tables(DataRoot(tmp_path))
