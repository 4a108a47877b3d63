"""The sample obeys the laws of racing, is the same for the same seed, and can be played."""

import csv
import io
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.rules import SITES, rule_set
from nascar_assets.sample import Sample, generate_sample, write_sample
from nascar_assets.sample.race import GREEN, RUNNING, run_race
from nascar_assets.sample.statistics import race_statistics
from nascar_assets.sample.world import TRACKS
from nascar_assets.slates.salaries import read_salaries
from nascar_assets_tests.samples import sample_of


@pytest.fixture(scope="module")
def sample() -> Sample:
    return sample_of(1)


def load(sample, suffix):
    return {
        path: json.loads(content) for path, content in sample.files.items() if path.endswith(suffix)
    }


def finished(sample):
    """Weekend feed and loop statistics of every finished race, by race id."""
    races = {}
    for document in load(sample, "weekend-feed.json").values():
        race = document["weekend_race"][0]
        if race["actual_laps"]:
            path = f"loopstats/prod/{race['race_season']}/1/{race['race_id']}.json"
            races[race["race_id"]] = (race, json.loads(sample.files[path])[0]["drivers"])
    return races


@pytest.mark.slow
def test_same_seed_same_bytes_other_seed_other_bytes(sample):
    again = generate_sample(1)
    assert again == sample
    other = generate_sample(2)
    assert other.files.keys() != sample.files.keys() or other.files != sample.files
    assert other.salaries != sample.salaries


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 6))
def test_every_seed_gives_a_whole_sample(seed):
    made = sample_of(seed)
    assert len(finished(made)) == 40
    assert len(made.salaries) == len(SITES)


@pytest.mark.slow
def test_forty_finished_points_races_two_exhibitions_a_season_and_one_to_come(sample):
    assert len(finished(sample)) == 40
    for path, document in load(sample, "race_list_basic.json").items():
        kinds = Counter(row["race_type_id"] for row in document["series_1"])
        assert kinds == {1: 20, 2: 2}, path
        names = [row["race_name"] for row in document["series_1"]]
        assert len(set(names)) == len(names)
    weekend = sample.files[f"cacher/2026/1/{sample.race_id}/weekend-feed.json"]
    race = json.loads(weekend)["weekend_race"][0]
    assert race["winner_driver_id"] is None
    assert race["actual_laps"] == 0
    assert {row["finishing_position"] for row in race["results"]} == {0}
    starts = sorted(row["starting_position"] for row in race["results"])
    assert starts == list(range(1, len(starts) + 1))
    assert len(load(sample, "lap-times.json")) == 8


def test_ids_are_those_of_no_real_race_or_driver(sample):
    for race, drivers in finished(sample).values():
        assert 9000 < race["race_id"] < 10_000
        assert 900 < race["track_id"] < 1000
        assert all(970_000 < row["driver_id"] < 980_000 for row in drivers)


def test_as_of_lies_between_qualifying_and_start(sample):
    weekend = sample.files[f"cacher/2026/1/{sample.race_id}/weekend-feed.json"]
    race = json.loads(weekend)["weekend_race"][0]
    # Eastern standard time in February is five hours behind UTC.
    start = datetime.fromisoformat(race["race_date"] + "-05:00").astimezone(UTC)
    qualified = datetime.fromisoformat(race["qualifying_date"] + "-05:00").astimezone(UTC)
    assert (sample.as_of - qualified).total_seconds() > 2 * 3600
    assert sample.as_of < start


def test_laws_of_the_race(sample):
    disqualifications = 0
    for race, loops in finished(sample).values():
        rows = race["results"]
        laps = race["actual_laps"]
        n = len(rows)
        assert [row["finishing_position"] for row in rows] == list(range(1, n + 1))
        assert sorted(row["starting_position"] for row in rows) == list(range(1, n + 1))
        assert len({row["driver_id"] for row in rows}) == n
        assert sum(row["laps_led"] for row in rows) == laps
        completed = [row["laps_completed"] for row in rows if not row["disqualified"]]
        assert completed == sorted(completed, reverse=True)
        assert completed[0] == laps
        assert all(row["laps_led"] <= row["laps_completed"] for row in rows)
        assert all(row["finishing_status"] for row in rows)
        # Loop statistics hold the order on track; the two agree but for disqualifications.
        by_driver = {row["driver_id"]: row for row in loops}
        out = [row for row in rows if row["disqualified"]]
        disqualifications += len(out)
        for row in rows:
            loop = by_driver[row["driver_id"]]
            assert loop["lead_laps"] == row["laps_led"]
            assert loop["laps"] == row["laps_completed"]
            assert loop["start_ps"] == row["starting_position"]
            if not out:
                assert loop["ps"] == row["finishing_position"]
            assert loop["best_ps"] <= loop["avg_ps"] <= max(loop["worst_ps"], loop["start_ps"])
            assert 0 <= loop["rating"] <= 150
        assert sum(row["passing_diff"] for row in loops) == 0
        assert sum(row["fast_laps"] for row in loops) == laps - race["number_of_caution_laps"]
    assert disqualifications == 1


@pytest.mark.slow
def test_lap_files_agree_with_loop_statistics(sample):
    races = finished(sample)
    for path, document in load(sample, "lap-times.json").items():
        race, loops = races[int(path.split("/")[-2])]
        laps = race["actual_laps"]
        by_driver = {row["driver_id"]: row for row in loops}
        assert [row["LapsCompleted"] for row in document["flags"]] == list(range(laps + 1))
        state = [row["FlagState"] for row in document["flags"]]
        assert (state[0], state[-1]) == (8, 4)
        led, fastest, best = Counter(), Counter(), defaultdict(lambda: (np.inf, None))
        for car in document["laps"]:
            driver = car["NASCARDriverID"]
            rows = car["Laps"]
            assert [row["Lap"] for row in rows] == list(range(by_driver[driver]["laps"] + 1))
            assert rows[0]["LapTime"] is None
            for row in rows[1:]:
                speed = 3600 * race["scheduled_distance"] / race["scheduled_laps"]
                assert float(row["LapSpeed"]) == pytest.approx(speed / row["LapTime"], abs=1e-3)
                led[driver] += row["RunningPos"] == 1
                best[row["Lap"]] = min(best[row["Lap"]], (row["LapTime"], driver))
            positions = [row["RunningPos"] for row in rows[1:]]
            assert min(positions, default=0) == by_driver[driver]["best_ps"] or not positions
        for lap, (_, driver) in best.items():
            # The flag of lap n stands at n - 1 completed laps.
            if lap == 1 or state[lap - 1] == 1:
                fastest[driver] += 1
        for driver, row in by_driver.items():
            assert led[driver] == row["lead_laps"]
            # Two cars with the same time to the thousandth may share a lap.
            assert abs(fastest[driver] - row["fast_laps"]) <= 1


def test_quirks_of_real_files_are_in_it(sample):
    averages = load(sample, "lap-averages.json")
    rows = [row for document in averages.values() for row in document[0]["Items"]]
    assert any(row["Con30Lap"] == 999 and row["Con30LapRank"] is None for row in rows)
    marks = {name for row in rows for name in ("#", "(i)", "*") if name in row["FullName"]}
    assert marks == {"#", "(i)", "*"}
    schedule = [
        row for doc in load(sample, "race_list_basic.json").values() for row in doc["series_1"]
    ]
    assert sum(row["date_scheduled"] != row["race_date"] for row in schedule) == 1
    rained = [
        race
        for race, _ in finished(sample).values()
        if all(row["qualifying_speed"] == 0 for row in race["results"])
    ]
    assert len(rained) == 1


def salary_rows(sample, name):
    return list(csv.DictReader(io.StringIO(sample.salaries[name].decode())))


def test_salaries_follow_ability_and_allow_many_lineups(sample):
    rows = salary_rows(sample, sample.slate_file)
    rules = rule_set("dk-classic", sample.as_of.date())
    dollars = sorted(int(row["Salary"]) for row in rows)
    assert sum(dollars[: rules.roster_size]) < rules.salary_cap < sum(dollars[-rules.roster_size :])
    assert sum(dollars) / len(dollars) * rules.roster_size == pytest.approx(
        rules.salary_cap, rel=0.2
    )
    assert all(value % 100 == 0 for value in dollars)
    assert len({row["ID"] for row in rows}) == len(rows)
    assert all(row["Name + ID"] == f"{row['Name']} ({row['ID']})" for row in rows)
    # Ability is what last season's finishes show of it.
    averages = np.array([float(row["AvgPointsPerGame"]) for row in rows])
    known = averages > 0
    salary = np.array([float(row["Salary"]) for row in rows])
    assert np.corrcoef(salary[known], averages[known])[0, 1] > 0.4


def test_the_files_of_all_sites_list_the_same_drivers_and_one_has_withdrawn(sample):
    files = [read_salaries(data, name) for name, data in sample.salaries.items()]
    assert {file.site.key for file in files} == SITES.keys()
    weekend = sample.files[f"cacher/2026/1/{sample.race_id}/weekend-feed.json"]
    entered = json.loads(weekend)["weekend_race"][0]["results"]
    for file in files:
        assert {row.name for row in file.rows} == {row.name for row in files[0].rows}
        assert len(file.rows) == len(entered) + 1
        rules = rule_set(file.site.contest, sample.as_of.date())
        dollars, size = sorted(row.salary for row in file.rows), rules.roster_size
        assert sum(dollars[:size]) < rules.salary_cap < sum(dollars[-size:])


def test_sample_is_written_whole_and_says_that_it_is_invented(sample, tmp_path: Path):
    write_sample(sample, tmp_path)
    files = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    expected = {f"feed/{path}": content for path, content in sample.files.items()}
    expected |= {f"salaries/{name}": content for name, content in sample.salaries.items()}
    assert files.pop("README.md").decode() == sample.readme
    assert files == expected
    assert "invented" in sample.readme


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    track=st.sampled_from(TRACKS),
    n=st.integers(12, 43),
)
def test_laws_hold_for_any_field_track_and_seed(seed, track, n):
    rng = np.random.default_rng(seed)
    start = rng.permutation(n) + 1
    run = run_race(rng, track, rng.normal(size=n), start)
    statistics = race_statistics(run, start)
    assert sorted(run.order) == list(range(n))
    assert run.laps >= track.laps
    completed = run.laps_completed[run.order]
    assert (np.diff(completed) <= 0).all()
    assert completed[0] == run.laps
    assert run.status[run.order[0]] == RUNNING
    assert statistics.laps_led.sum() == run.laps
    assert (statistics.laps_led <= run.laps_completed).all()
    assert run.leaders[-1] == run.order[0]
    assert statistics.fastest_laps.sum() == (run.flags == GREEN).sum()
    assert (run.lap_times[1:][~np.isnan(run.lap_times[1:])] > 0).all()
    for lap in range(1, run.laps + 1):
        on_track = run.positions[lap][run.positions[lap] > 0]
        assert sorted(on_track) == list(range(1, len(on_track) + 1))


@pytest.mark.slow
def test_races_look_like_races():
    # Rough marks of real Cup races since 2019 over twenty seeds' worth of one race each; the
    # bounds are wide enough that only a broken process falls outside.
    marks = defaultdict(list)
    for seed in range(60):
        track = TRACKS[seed % len(TRACKS)]
        rng = np.random.default_rng(seed)
        level = rng.normal(size=38)
        start = np.argsort(np.argsort(-(level + rng.normal(0, 0.6, 38)))) + 1
        run = run_race(rng, track, level, start)
        statistics = race_statistics(run, start)
        rank = np.argsort(np.argsort(-level))
        marks[track.track_type].append(
            (
                (run.status == 1).sum(),
                statistics.laps_led.max() / run.laps,
                (run.flags[1:] == GREEN).mean(),
                np.corrcoef(rank, statistics.finish)[0, 1],
                statistics.fastest_laps.sum() / run.laps,
            )
        )
    means = {kind: np.mean(rows, axis=0) for kind, rows in marks.items()}
    for kind in ("intermediate", "short", "road"):
        wrecked, top, green, ability, fastest = means[kind]
        assert 0.8 < wrecked < 7
        assert 0.35 < top < 0.75
        assert 0.7 < green < 0.92
        assert ability > 0.35
        assert 0.7 < fastest < 0.92
    wrecked, top, _, ability, _ = means["superspeedway"]
    assert wrecked > means["intermediate"][0]
    assert top < means["intermediate"][1]
    assert ability < means["intermediate"][3]
