"""The whole real feed through every parser: nothing fails, and what it tells adds up."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from nascar_assets.feed import paths
from nascar_assets.feed.client import DirectoryFeed
from nascar_assets.feed.landing import sync_feed
from nascar_assets.feed.names import DriverDirectory
from nascar_assets.feed.parse_practice import parse_practice
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.parse_weekend import parse_entries
from nascar_assets.history.results import build_race_results
from nascar_assets.storage import DataRoot
from nascar_assets_tests.feed.real_feed import real_data

pytestmark = pytest.mark.real_data

SEASONS = range(2022, 2027)


class Feed:
    """Every table of the real feed, parsed once."""

    def __init__(self, folder: Path) -> None:
        source = DirectoryFeed(folder)
        payloads = {
            season: data
            for season in SEASONS
            if (data := source.read(paths.schedule_path(season))) is not None
        }
        self.schedule = parse_schedule(payloads)
        entries, results, practice = [], [], []
        self.notices: list[str] = []
        for race in self.schedule.iter_rows(named=True):
            key = (race["season"], race["series"], race["race_id"])
            weekend = source.read(paths.weekend_path(*key))
            if weekend is None:
                continue
            parsed = parse_entries(weekend, race)
            entries.append(parsed.frame)
            loop = source.read(paths.loop_stats_path(*key))
            result = build_race_results(race, weekend, loop)
            results.append(result.frame)
            self.notices += result.notices
            averages = source.read(paths.lap_averages_path(*key))
            if averages is not None:
                practice.append(parse_practice(averages, race, parsed.frame).frame)
        self.entries = pl.concat(entries)
        self.results = pl.concat(results)
        self.practice = pl.concat(practice)


@pytest.fixture(scope="module")
def feed() -> Feed:
    return Feed(real_data() / "feed")


def test_every_race_is_parsed(feed):
    assert feed.results["race_id"].n_unique() == 285
    assert feed.practice["race_id"].n_unique() == 208


def test_every_result_obeys_the_laws(feed):
    laws = feed.results.group_by("race_id").agg(
        (pl.col("finish").sort() == pl.int_range(1, pl.len() + 1)).all().alias("finish"),
        (pl.col("start").sort() == pl.int_range(1, pl.len() + 1)).all().alias("start"),
        (pl.col("start") - pl.col("finish")).sum().alias("differential"),
        (pl.col("laps_led").sum() == pl.col("actual_laps").first()).alias("led"),
        (pl.col("laps_completed").max() <= pl.col("actual_laps").first()).alias("laps"),
        pl.col("driver_id").is_unique().all().alias("drivers"),
    )
    assert laws.select("finish", "start", "led", "laps", "drivers").to_numpy().all()
    assert laws["differential"].to_list() == [0] * laws.height


def test_fastest_laps_are_those_under_green(feed):
    races = (
        feed.results.filter(series="cup")
        .group_by("race_id")
        .agg((pl.col("fastest_laps").sum() / pl.col("actual_laps").first()).alias("share"))
    )
    assert races["share"].max() <= 1
    assert 0.75 < races["share"].mean() < 0.85


def test_the_disqualified_are_last_officially_and_further_up_on_track(feed):
    out = feed.results.filter(
        (pl.col("status") == "disqualified") & (pl.col("finish_on_track") < pl.col("finish"))
    )
    assert out.height >= 15


def test_starts_lie_in_the_hours_in_which_races_are_run(feed):
    hours = feed.schedule.select(
        pl.col("start_time").dt.convert_time_zone("America/New_York").dt.hour()
    ).to_series()
    assert hours.min() >= 10
    assert hours.max() <= 22


def test_times_of_knowledge_are_in_order(feed):
    wrong = feed.schedule.filter(
        (pl.col("entries_at") > pl.col("qualifying_at"))
        | (pl.col("qualifying_at") > pl.col("start_time"))
        | (pl.col("start_time") >= pl.col("results_at"))
    )
    assert wrong.is_empty()


def test_a_season_has_its_points_races(feed):
    points = feed.schedule.filter(race_type="points", series="cup")
    assert points.group_by("season").len()["len"].to_list() == [36] * 5
    fifth = feed.schedule.filter(race_key="2026-cup-05").row(0, named=True)
    assert fifth["race_name"].startswith("Pennzoil 400")


def test_points_races_of_few_laps_are_read_like_any(feed):
    short = feed.schedule.filter(pl.col("scheduled_laps").is_between(42, 48), status="complete")
    assert short.height >= 5
    assert set(short["race_type"]) == {"points"}
    assert set(short["track_type"]) == {"road"}
    assert short["actual_laps"].is_between(42, 50).all()


def test_entries_are_those_who_started(feed):
    # Who has no place on the grid did not qualify, and stays on the entry list.
    placed = feed.entries.filter(pl.col("start").is_not_null())
    extra = placed.join(feed.results, on=["race_id", "driver_id"], how="anti")
    missing = feed.results.join(feed.entries, on=["race_id", "driver_id"], how="anti")
    assert missing.is_empty()
    # A truck race of 2023 whose schedule counts two who did not qualify among its field.
    assert extra["race_id"].unique().to_list() == ["5368"]


def test_the_made_up_ids_of_2026_are_merged_by_name(feed):
    directory = DriverDirectory.from_frames(feed.entries, feed.results)
    assert directory.merged == {"990002": "4416", "990006": "4490"}


def test_syncing_the_whole_feed_again_changes_nothing(tmp_path):
    source = DirectoryFeed(real_data() / "feed")
    root = DataRoot.open(tmp_path)
    series = ("cup", "xfinity", "trucks")
    first = sync_feed(source, root, series, SEASONS)
    assert first.quarantined == ()
    assert len(first.touched) == 285
    again = sync_feed(source, root, series, SEASONS)
    assert again.changed == ()
