"""The sample passes through the platform's own parsers without a complaint."""

import polars as pl
import pytest

from nascar_assets.feed.file_check import check_race_file
from nascar_assets.feed.names import DriverDirectory
from nascar_assets.feed.parse_loop_stats import parse_loop_stats
from nascar_assets.feed.parse_practice import parse_practice
from nascar_assets.feed.parse_schedule import parse_schedule
from nascar_assets.feed.parse_weekend import parse_entries, parse_official_results
from nascar_assets.feed.paths import parse_path
from nascar_assets.rules import SITES, rule_set
from nascar_assets.sample import Sample
from nascar_assets.slates.build import build_slate, slate_key
from nascar_assets.slates.race_match import find_race
from nascar_assets.slates.salaries import read_salaries
from nascar_assets.telemetry.check_loop_statistics import compare_with_loop_statistics
from nascar_assets.telemetry.convert_lap_times import laps_from_lap_times
from nascar_assets_tests.samples import sample_of


@pytest.fixture(scope="module")
def sample() -> Sample:
    return sample_of(1)


@pytest.fixture(scope="module")
def schedule(sample) -> pl.DataFrame:
    return parse_schedule(
        {year: sample.files[f"cacher/{year}/race_list_basic.json"] for year in (2024, 2025, 2026)}
    )


def races(schedule):
    return {row["race_id"]: row for row in schedule.iter_rows(named=True)}


def test_every_race_has_a_key_a_type_and_a_length(schedule):
    assert schedule.height == 66
    types = dict(
        schedule.filter(race_type="points", season=2025).group_by("track_type").len().iter_rows()
    )
    assert types == {"superspeedway": 3, "intermediate": 8, "short": 6, "road": 3}
    assert schedule["track_length_miles"].is_between(0.5, 3.1).all()
    assert schedule["race_key"].n_unique() == schedule.height


@pytest.mark.slow
def test_no_file_gives_a_notice(sample, schedule):
    by_id = races(schedule)
    for path, content in sample.files.items():
        if path.endswith("race_list_basic.json"):
            continue
        file = parse_path(path)
        assert file is not None, path
        check_race_file(content, file, path)
        race = by_id[file.race_id]
        if path.endswith("weekend-feed.json"):
            assert parse_entries(content, race).notices == ()
            assert race["race_id"] == sample.race_id or not (
                parse_official_results(content, race).notices
            )
        elif path.endswith("lap-averages.json"):
            parsed = parse_practice(content, race)
            assert parsed.notices == ()
            assert parsed.frame.height > 30
        elif path.startswith("loopstats"):
            assert parse_loop_stats(content, race).notices == ()


@pytest.mark.slow
def test_laps_agree_with_loop_statistics(sample, schedule):
    by_id = races(schedule)
    paths = [path for path in sample.files if path.endswith("lap-times.json")]
    for path in paths:
        race = by_id[path.split("/")[-2]]
        laps = laps_from_lap_times(sample.files[path], race, file=path)
        loops = sample.files[f"loopstats/prod/{race['season']}/1/{race['race_id']}.json"]
        compared = compare_with_loop_statistics(laps, loops)
        assert compared["agrees"].all()
        assert (compared["laps_led"] == compared["laps_led_by_loops"]).all()


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_salary_files_become_slates_with_all_but_the_withdrawn_driver(sample, schedule, site):
    files = [read_salaries(data, name) for name, data in sample.salaries.items()]
    (salaries,) = [file for file in files if file.site is site]
    race, _ = find_race(salaries, schedule, now=sample.as_of)
    assert race["race_id"] == sample.race_id
    weekend = sample.files[f"cacher/2026/1/{sample.race_id}/weekend-feed.json"]
    entries = parse_entries(weekend, race).frame
    rules = rule_set(site.contest, sample.as_of.date())
    assert slate_key(race, rules) == f"2026-02-15-cup-{site.contest}"
    slate = build_slate(salaries, race, entries, DriverDirectory.from_frames(entries), rules)
    assert {player.driver_id for player in slate.players} == set(entries["driver_id"])
    assert len(slate.notices) == 1
    assert entries["start"].null_count() == 0
    assert race["qualifying_at"] < sample.as_of < race["start_time"]
