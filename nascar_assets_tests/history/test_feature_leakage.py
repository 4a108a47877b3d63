"""Level three of the contract on whole feeds: every race of the sample, every race of the real."""

import os
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from nascar_assets.history.features import build_features
from nascar_assets.telemetry import FeatureAvailabilityContract
from nascar_assets.telemetry.leakage import prove_no_leakage
from nascar_assets_tests.history.feature_sources import feed_tables
from nascar_assets_tests.samples import sample_of


@pytest.fixture(scope="module")
def sample():
    files = sample_of(3).files
    seasons = sorted(
        {int(path.split("/")[1]) for path in files if path.endswith("race_list_basic.json")}
    )
    return feed_tables(files.get, seasons, ("cup", "xfinity", "trucks"))


def proved(schedule, sources, step=1):
    """Every `step`th race with entries, by turns before and after its qualifying.

    Every tenth of them thoroughly.

    Returns:
        Number of races and trials, and the reports that fail.
    """
    entered = set(sources["entries"]["race_id"])
    races = [race for race in schedule.iter_rows(named=True) if race["race_id"] in entered]
    failed, trials = [], 0
    races = races[::step]
    for number, race in enumerate(races):
        as_of = race["start_time"] - timedelta(days=4 if number % 2 else 0)
        tables = []

        def builder(*arguments, made=tables):
            made.append(build_features(*arguments))
            return made[-1]

        report = prove_no_leakage(
            builder, race, as_of, sources, seed=number, rounds=1, thorough=number % 10 == 0
        )
        trials += report.trials
        if not report.passed:
            failed.append(str(report))
        FeatureAvailabilityContract.validate_dataframe(tables[0], as_of)  # with nothing changed
    return len(races), trials, failed


@pytest.mark.slow
def test_no_race_of_the_sample_leaks(sample):
    schedule, sources = sample
    races, trials, failed = proved(schedule, sources)
    assert failed == []
    assert races >= 40
    assert trials >= 3 * races


@pytest.mark.slow
def test_the_samples_features_hold_something(sample):
    schedule, sources = sample
    race = schedule.filter(pl.col("race_id").is_in(sources["entries"]["race_id"].implode())).row(
        -1, named=True
    )
    table = build_features(sources, race, race["start_time"])
    assert table.height >= 30
    for name in ("avg_finish_position", "track_type_falloff", "practice_speed", "qualifying_gap"):
        assert table[name].count() > 0.5 * table.height, name


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_no_race_of_the_real_feed_leaks():
    root = Path(os.environ.get("NASCAR_REAL_DATA", ""), "feed")
    if not os.environ.get("NASCAR_REAL_DATA") or not root.is_dir():
        pytest.skip("NASCAR_REAL_DATA names no folder with feed/")

    def read(path):
        file = root / path
        return (
            file.read_bytes() if file.is_file() and file.read_bytes().strip() != b"null" else None
        )

    years = sorted(int(path.parent.name) for path in root.glob("cacher/*/race_list_basic.json"))
    schedule, sources = feed_tables(read, years, ("cup", "xfinity", "trucks"))
    # A fault of the features is in every race; the long form goes through all of them.
    step = 1 if int(os.environ.get("NASCAR_FAULT_ROUNDS", "1")) >= 10 else 5
    races, _, failed = proved(schedule, sources, step)
    assert failed == []
    assert races >= 200 // step
