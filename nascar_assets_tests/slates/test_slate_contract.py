"""Level three of the contract on ratings and ontology values: nothing later moves a byte."""

import os
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from nascar_assets.orchestration.assets.slate_contract import (
    NEWEST_RACES,
    forecast_basis,
    prove_basis,
)
from nascar_assets.telemetry.leakage import prove_no_leakage
from nascar_assets_tests.history.feature_sources import feed_tables
from nascar_assets_tests.samples import sample_of


@pytest.fixture(scope="module")
def sample():
    files = sample_of(3).files
    seasons = sorted(
        {int(path.split("/")[1]) for path in files if path.endswith("race_list_basic.json")}
    )
    return feed_tables(files.get, seasons, ("cup",))


def basis(sources):
    return {name: sources[name] for name in ("results", "entries", "practice", "lap_summaries")}


def proved(schedule, sources, step):
    """Every `step`th race with entries, by turns before and after its qualifying."""
    entered = set(sources["entries"]["race_id"])
    races = [race for race in schedule.iter_rows(named=True) if race["race_id"] in entered]
    for number, race in enumerate(races[step - 1 :: step]):
        as_of = race["start_time"] - timedelta(days=3 if number % 2 else 0)
        yield prove_basis(basis(sources), schedule, race, as_of, seed=number)


@pytest.mark.slow
def test_ratings_and_values_of_the_sample_do_not_leak(sample):
    schedule, sources = sample
    reports = list(proved(schedule, sources, 10))
    assert len(reports) >= 4
    for report in reports:
        assert report.passed, str(report)
        assert {"rating", "level", "skill", "shadow_risk", "track_caution_rate"} <= set(
            report.features
        )


def a_race(schedule, sources):
    """A race with both known and later races around it, and its sources cut to those near it."""
    race = schedule.filter(pl.col("race_type") == "points").row(14, named=True)
    near = sources["results"].filter(
        (pl.col("start_time") - race["start_time"]).abs() < timedelta(days=40)
    )
    return race, {**basis(sources), "results": near}


def unmoved(builder, race, as_of, sources):
    """Whether nothing moves where all sources change together."""
    return prove_no_leakage(builder, race, as_of, sources, rounds=1, thorough=False).passed


@pytest.mark.slow
def test_results_known_after_the_as_of_time_are_caught(sample):
    schedule, sources = sample
    race, near = a_race(schedule, sources)
    honest = forecast_basis(schedule)

    def hasty(tables, this, as_of):
        """Takes in results that became known within a week after the as-of time."""
        sooner = tables["results"].with_columns(pl.col("results_at") - timedelta(days=7))
        return honest({**tables, "results": sooner}, this, as_of)

    report = prove_no_leakage(hasty, race, race["start_time"], near, rounds=1)
    moved = report.by_feature()
    assert moved["rating"] == ("results",)
    assert moved["skill"] == ("results",)
    assert unmoved(honest, race, race["start_time"], near)


@pytest.mark.slow
def test_a_start_known_after_the_as_of_time_is_caught(sample):
    schedule, sources = sample
    race, near = a_race(schedule, sources)
    honest = forecast_basis(schedule)

    def peeks(tables, this, as_of):
        qualified = tables["entries"].with_columns(qualifying_at=pl.col("entries_at"))
        return honest({**tables, "entries": qualified}, this, as_of)

    early = race["start_time"] - timedelta(days=3)
    assert early > race["entries_at"]
    report = prove_no_leakage(peeks, race, early, near, rounds=1)
    assert report.by_feature()["level"] == ("entries",)
    assert "rating" not in report.by_feature()
    assert unmoved(honest, race, early, near)


@pytest.mark.slow
def test_laps_known_after_the_as_of_time_are_caught_in_the_ratings(sample):
    schedule, sources = sample
    last = sources["lap_summaries"]["start_time"].max()
    lapped = sources["lap_summaries"].filter(pl.col("start_time") == last)
    kind = pl.col("track_type") == lapped["track_type"][0]
    started = pl.col("start_time") < last
    race = schedule.filter(kind, started, race_type="points").row(-1, named=True)
    as_of = race["start_time"]
    near = {
        **basis(sources),
        "results": sources["results"].filter(
            (pl.col("start_time") - as_of).abs() < timedelta(days=40)
        ),
    }
    honest = forecast_basis(schedule)

    def hasty(tables, this, as_of):
        """Takes the laps of later races for those of earlier ones."""
        sooner = tables["lap_summaries"].with_columns(
            pl.col("results_at", "start_time") - timedelta(days=400)
        )
        return honest({**tables, "lap_summaries": sooner}, this, as_of)

    moved = prove_no_leakage(hasty, race, as_of, near, rounds=1).by_feature()
    assert moved["rating"] == ("lap_summaries",)
    assert moved["level"] == ("lap_summaries",)
    assert unmoved(honest, race, as_of, near)


@pytest.mark.slow
def test_practice_known_after_the_as_of_time_is_caught_in_the_levels(sample):
    schedule, sources = sample
    race, near = a_race(schedule, sources)
    honest = forecast_basis(schedule)
    own = pl.col("race_id") == race["race_id"]
    near["practice"] = near["practice"].with_columns(
        pl.when(own)
        .then(race["start_time"] + timedelta(hours=1))
        .otherwise("qualifying_at")
        .alias("qualifying_at")
    )

    def hasty(tables, this, as_of):
        sooner = tables["practice"].with_columns(pl.col("qualifying_at") - timedelta(hours=2))
        return honest({**tables, "practice": sooner}, this, as_of)

    moved = prove_no_leakage(hasty, race, race["start_time"], near, rounds=1).by_feature()
    assert moved["level"] == ("practice",)
    assert "rating" not in moved
    assert unmoved(honest, race, race["start_time"], near)


@pytest.mark.slow
def test_only_the_newest_known_races_are_built_on_and_every_later_one_is_changed(sample):
    schedule, sources = sample
    race = schedule.filter(pl.col("race_type") == "points").row(20, named=True)
    results = sources["results"]
    later = results.filter(pl.col("results_at") > race["start_time"]).height
    known = results.filter(pl.col("results_at") <= race["start_time"])["race_id"].n_unique()
    report = prove_basis(basis(sources), schedule, race, race["start_time"], seed=1)
    assert known > NEWEST_RACES
    assert report.records["results"] == later > 0


@pytest.mark.slow
def test_before_the_entry_list_the_values_alone_are_proven(sample):
    schedule, sources = sample
    race, near = a_race(schedule, sources)
    report = prove_basis(near, schedule, race, race["start_time"] - timedelta(days=6), seed=1)
    assert report.passed, str(report)
    assert {"skill", "track_pit_window_laps"} <= set(report.features)
    assert "level" not in report.features


@pytest.mark.real_data
@pytest.mark.slow
def test_ratings_and_values_of_the_real_feed_do_not_leak():
    root = Path(os.environ.get("NASCAR_REAL_DATA", ""), "feed")
    if not os.environ.get("NASCAR_REAL_DATA") or not root.is_dir():
        pytest.skip("NASCAR_REAL_DATA names no folder with feed/")

    def read(path):
        file = root / path
        data = file.read_bytes() if file.is_file() else b"null"
        return None if data.strip() == b"null" or path.endswith("lap-times.json") else data

    schedule, sources = feed_tables(read, [2024, 2025, 2026], ("cup",))
    reports = list(proved(schedule, sources, 4))
    assert len(reports) >= 15
    for report in reports:
        assert report.passed, str(report)
