"""Lap files of whole feeds: the sample's, and the real one's where it is at hand."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from nascar_assets.telemetry import (
    compute_aggregate_features,
    compute_falloff_metrics,
    handle_missing_data,
    summarise_laps,
)
from nascar_assets.telemetry.check_loop_statistics import compare_with_loop_statistics
from nascar_assets.telemetry.convert_flags import mark_flags
from nascar_assets.telemetry.convert_lap_times import laps_from_lap_times
from nascar_assets.telemetry.convert_live_feed import laps_from_live_feed
from nascar_assets.telemetry.convert_pits import car_numbers, mark_pit_laps
from nascar_assets.telemetry.validate import validate_landed
from nascar_assets_tests.samples import sample_of

START = datetime(2025, 3, 2, 20, tzinfo=UTC)


def race_of(race_id, **facts):
    return {"race_id": race_id, "track_id": "1", "start_time": START, **facts}


def real(*parts):
    folder = os.environ.get("NASCAR_REAL_DATA")
    if not folder or not Path(folder, *parts).exists():
        pytest.skip(f"NASCAR_REAL_DATA names no folder with {'/'.join(parts)}")
    return Path(folder, *parts)


@pytest.mark.slow
def test_the_samples_lap_files_are_accepted_and_agree_with_its_loop_statistics():
    files = sample_of(1).files
    paths = [path for path in files if path.endswith("/lap-times.json")]
    assert len(paths) >= 8
    for path in paths:
        _, year, series, race_id, _ = path.split("/")
        found = validate_landed(files[path], path, race_of(race_id))
        assert found.accepted, found.report()
        laps = found.laps.collect()
        summary = summarise_laps(laps)
        assert summary["falloff_s_per_lap"].count() > 0.8 * summary.height
        loops = files[f"loopstats/prod/{year}/{series}/{race_id}.json"]
        assert compare_with_loop_statistics(laps, loops)["agrees"].mean() > 0.9


@pytest.mark.real_data
def test_every_lap_file_of_the_real_feed():
    paths = sorted(real("feed").rglob("lap-times.json"))
    assert len(paths) >= 20
    agreeing = []
    for path in paths:
        weekend = json.loads((path.parent / "weekend-feed.json").read_bytes())["weekend_race"][0]
        race = race_of(
            path.parent.name,
            scheduled_laps=weekend["scheduled_laps"],
            track_length_miles=weekend["scheduled_distance"] / weekend["scheduled_laps"],
            driver_ids=[str(result["driver_id"]) for result in weekend["results"]],
        )
        found = validate_landed(path.read_bytes(), path.name, race)
        assert found.accepted, found.report()
        laps = found.laps.collect()
        # Laps led at the line are all but a few of the race's laps, and so are the official ones.
        assert abs(laps["laps_led"].sum() - weekend["actual_laps"]) <= 2
        features = compute_falloff_metrics(compute_aggregate_features(handle_missing_data(laps)))
        assert features.height == laps.height
        assert features["avg_lap_time_last_10l"].max() < 300
        # Whatever the track, a lap costs less than a third of a second of wear.
        assert summarise_laps(laps)["falloff_s_per_lap"].median() == pytest.approx(0.0, abs=0.33)
        year, series, race_id = path.parts[-4:-1]
        loops = real("feed", "loopstats") / "prod" / year / series / f"{race_id}.json"
        agreeing.append(compare_with_loop_statistics(laps, loops.read_bytes())["agrees"].mean())
    assert sum(agreeing) / len(agreeing) > 0.95


@pytest.mark.real_data
def test_flags_and_pit_laps_of_the_real_samples():
    folder = real("feed-samples")
    body = (folder / "lap-times.json").read_bytes()
    laps = laps_from_lap_times(body, race_of("5314"))
    flags = mark_flags(laps, (folder / "live-flag-data.json").read_bytes(), race_of("5314"))
    # Two sources that were written apart: flags per lap, and flags by the clock.
    agree = flags["flag"].eq_missing(laps["flag"]).mean()
    assert agree > 0.99
    pits = (folder / "live-pit-data.json").read_bytes()
    marked = mark_pit_laps(laps, pits, car_numbers(body), race_of("5314"))
    green = marked.filter(flag="green").group_by("pit").agg(pl.col("lap_time_s").median())
    times = dict(green.drop_nulls("pit").iter_rows())
    assert times[True] > 1.05 * times[False]


@pytest.mark.real_data
def test_the_real_sample_of_the_live_feed_agrees_with_the_lap_times():
    race = race_of("5272")
    live = laps_from_live_feed([(real("feed-samples") / "live-feed.json").read_bytes()], race)
    (path,) = real("feed").rglob("5272/lap-times.json")
    laps = laps_from_lap_times(path.read_bytes(), race)
    both = live.join(laps, on=["driver_id", "lap"], suffix="_later")
    assert both.height >= 0.95 * live.height
    assert (both["lap_time_s"] - both["lap_time_s_later"]).abs().max() < 0.002
    running = both.filter(pl.col("lap") >= both["lap"].max() - 1)
    assert (running["position"] == running["position_later"]).mean() > 0.8
