"""The sensor of landed feed files on a real home with real runs."""

from __future__ import annotations

import json
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from nascar_assets.orchestration.partitions import range_tags
from nascar_assets.orchestration.storage.store import scan_table
from nascar_assets.sample import Sample
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

EARLY, LATER = 15, 17
"""Two races of the twenty of 2025; those after a corrected one are rated anew."""

CHIEF, SPONSOR = '"crew_chief_fullname":"', '"sponsor":"'


def weekend(home: Path, season: int, number: int) -> Path:
    found = sorted((home / "landing/feed/cacher" / str(season) / "1").glob("*/weekend-feed.json"))
    return found[number]


def edit(path: Path, old: str, new: str) -> None:
    """Replaces a file as a correction does, a while ago."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    back = time.time() - 60
    os.utime(path, (back, back))


def key_of(home: Path, path: Path) -> str:
    schedule = scan_table(DataRoot.open(home), "schedule").collect()
    return str(schedule.filter(pl.col("race_id") == path.parent.name)["race_key"][0])


def test_what_a_sync_made_needs_no_run(races: Path) -> None:
    ticker = Ticker(races)
    assert ticker.tick("landing_feed") == []
    assert ticker.skipped == "Everything that landed is up to date."


def test_a_correction_runs_its_race_then_the_ratings_after_it(races: Path) -> None:
    path = weekend(races, 2025, 17)
    key = key_of(races, path)
    ticker = Ticker(races)
    ticker.tick("landing_feed")
    ratings = races / "store/track_profiles"
    before = {item.stem: item.stat().st_mtime_ns for item in ratings.glob("*.parquet")}
    edit(path, '"finishing_position":1,', '"finishing_position":1, ')  # the same race
    assert ticker.settle() == [f"race_job {key}"]
    edit(path, CHIEF, f"{CHIEF}New ")  # results hold the crew chief
    done = ticker.settle()
    assert done[0] == f"race_job {key}"
    assert [line.split()[0] for line in done[1:]] == ["as_of_job"]
    after = {item.stem: item.stat().st_mtime_ns for item in ratings.glob("*.parquet")}
    moved = {name for name in after if after[name] != before[name]}
    dated = scan_table(DataRoot.open(races), "schedule").sort("start_time").collect()
    order = [name for name in dated["race_key"].to_list() if name in after]
    assert moved == set(order[order.index(key) :])  # its own rest on who was in it
    assert ticker.settle() == []


def test_ratings_follow_a_correction_of_practice_or_laps_through_the_features(races: Path) -> None:
    def slower(sessions: Any) -> None:
        for session in sessions:
            session["Items"][0]["BestLapTime"] += 1.0

    def swapped(content: Any) -> None:
        first, second = content["laps"][:2]
        first["Laps"], second["Laps"] = second["Laps"], first["Laps"]

    ticker = Ticker(races)
    ticker.tick("landing_feed")
    last = sorted(path.stem for path in (races / "store/driver_ratings").glob("2025-cup-*"))[-1]
    for kind, correct in (("lap-averages.json", slower), ("lap-times.json", swapped)):
        path = sorted((races / "landing/feed/cacher").glob(f"2025/1/*/{kind}"))[-4]
        features = races / f"store/race_features/{key_of(races, path)}.parquet"
        made = features.stat().st_mtime_ns
        before = scan_table(DataRoot.open(races), "driver_ratings", last).collect()
        content = json.loads(path.read_text())
        correct(content)
        path.write_text(json.dumps(content))
        settle_files(races)
        assert [line.split()[0] for line in ticker.settle()] == ["race_job", "as_of_job"]
        assert features.stat().st_mtime_ns > made
        after = scan_table(DataRoot.open(races), "driver_ratings", last).collect()
        assert not after["level"].equals(before["level"])
    assert ticker.settle() == []
    features.unlink()  # as in a home that was made before there were features
    assert [line.split()[0] for line in ticker.settle()] == ["as_of_job"]
    assert features.exists()


def test_the_same_content_again_starts_nothing(races: Path) -> None:
    path = weekend(races, 2025, EARLY)
    data = path.read_bytes()
    ticker = Ticker(races)
    ticker.tick("landing_feed")
    path.unlink()
    path.write_bytes(data)
    settle_files(races)
    assert ticker.tick("landing_feed") == []


def test_a_daemon_that_was_restarted_asks_for_the_same_run(races: Path) -> None:
    Ticker(races).tick("landing_feed")
    edit(weekend(races, 2025, EARLY), SPONSOR, f"{SPONSOR}New ")
    first, second = Ticker(races), Ticker(races)  # two daemons, or one without its cursor
    (one,) = first.tick("landing_feed")
    (other,) = second.tick("landing_feed")
    assert one.run_key == other.run_key
    first.carry_out(one)
    assert second.tick("landing_feed") == []


def test_a_race_whose_run_was_ended_half_way_is_not_up_to_date(races: Path) -> None:
    keys = [key_of(races, weekend(races, 2025, number)) for number in (EARLY, LATER)]
    os.utime(races / f"store/race_files/{keys[0]}.parquet")  # made anew, and nothing after it
    (races / f"store/lap_summaries/{keys[1]}.parquet").unlink()
    ticker = Ticker(races)
    assert [request.partition_key for request in ticker.tick("landing_feed")] == keys
    assert ticker.settle()[:2] == [f"race_job {key}" for key in keys]
    assert ticker.settle() == []


def test_a_change_while_its_race_is_being_run_waits_for_that_run(races: Path) -> None:
    path, other = weekend(races, 2025, EARLY), weekend(races, 2025, LATER)
    ticker = Ticker(races)
    ticker.tick("landing_feed")
    key = key_of(races, path)
    running = ticker.instance.create_run_for_job(
        ticker.definitions.resolve_job_def("race_job"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": key},
    )
    edit(path, SPONSOR, f"{SPONSOR}New ")
    edit(other, SPONSOR, f"{SPONSOR}New ")
    (request,) = ticker.tick("landing_feed")
    assert request.partition_key == key_of(races, other)
    assert ticker.carry_out(request)
    ticker.instance.add_run_tags(running.run_id, {"nascar/lost": "true"})
    ticker.instance.report_run_failed(running)
    assert ticker.tick("landing_feed") == []  # that run is about to be repeated
    (again,) = ticker.tick("lost_runs")
    assert again.partition_key == key
    assert ticker.carry_out(again)
    assert ticker.settle() == []  # it took the change with it


def test_a_correction_waits_for_ratings_that_are_being_made(races: Path) -> None:
    ticker = Ticker(races)
    ticker.tick("landing_feed")
    rating = ticker.instance.create_run_for_job(
        ticker.definitions.resolve_job_def("as_of_job"), status=dg.DagsterRunStatus.STARTED
    )
    path = weekend(races, 2025, EARLY)
    edit(path, CHIEF, f"{CHIEF}New ")
    assert ticker.tick("landing_feed") == []  # they have read the results of before
    assert "Races wait for the ratings" in ticker.skipped
    ticker.instance.add_run_tags(rating.run_id, {"nascar/lost": "true"})
    ticker.instance.report_run_failed(rating)
    assert ticker.tick("landing_feed") == []  # they are about to be made again
    (again,) = ticker.tick("lost_runs")
    assert again.job_name == "as_of_job"
    ticker.instance.create_run_for_job(
        ticker.definitions.resolve_job_def("as_of_job"),
        status=dg.DagsterRunStatus.SUCCESS,
        tags={"dagster/run_key": str(again.run_key)},
    )
    assert [line.split()[0] for line in ticker.settle()] == ["race_job", "as_of_job"]


def test_ratings_wait_for_tables_that_a_person_has_made(races: Path) -> None:
    ticker = Ticker(races)
    ticker.tick("landing_feed")
    newest = sorted((races / "store/track_profiles").glob("2025-cup-*"))[-1]
    newest.unlink()
    by_hand = ticker.instance.create_run_for_job(
        ticker.definitions.resolve_implicit_global_asset_job_def(),
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=frozenset({dg.AssetKey("race_results")}),
    )
    assert ticker.tick("landing_feed") == []
    assert "Ratings wait" in ticker.skipped
    ticker.instance.report_run_canceled(by_hand)
    assert [line.split()[0] for line in ticker.settle()] == ["as_of_job"]


def test_a_file_that_is_copied_again_starts_nothing_and_is_no_fault(races: Path) -> None:
    path = weekend(races, 2025, EARLY)
    whole = path.read_bytes()
    ticker = Ticker(races)
    ticker.tick("landing_feed")
    path.write_bytes(whole)  # a moment ago
    assert ticker.tick("landing_feed") == []
    path.write_bytes(whole[:1000])  # and still going on
    assert ticker.tick("landing_feed") == []
    assert "is being written" in ticker.skipped
    assert "JSON" not in ticker.skipped
    path.write_bytes(whole)
    settle_files(races)
    assert ticker.tick("landing_feed") == []


@pytest.mark.parametrize(
    ("job", "lost"),
    [
        ("race_job", {}),
        ("__ASSET_JOB", {}),
        ("__ASSET_JOB", {"nascar/lost": "true"}),  # which no job could repeat as it was
    ],
)
def test_one_bad_race_does_not_stop_the_others_of_a_backfill(
    races: Path, job: str, lost: dict[str, str]
) -> None:
    ticker = Ticker(races)
    ticker.tick("landing_feed")
    order = list(ticker.instance.get_dynamic_partitions("races"))
    keys = order[33:36]
    whole = job == "race_job"
    failed = ticker.instance.create_run_for_job(
        ticker.definitions.resolve_job_def(job)
        if whole
        else ticker.definitions.resolve_implicit_global_asset_job_def(),
        status=dg.DagsterRunStatus.FAILURE,
        asset_selection=None if whole else frozenset({dg.AssetKey("entries")}),
        tags={**range_tags(keys), "dagster/backfill": "by-hand", **lost},
    )
    requests = ticker.tick("landing_feed")
    assert [request.partition_key for request in requests] == keys
    assert {request.run_key for request in requests} == {
        f"apart:{failed.run_id}:{key}" for key in keys
    }
    assert all(ticker.carry_out(request) for request in requests)
    assert ticker.tick("landing_feed") == []


def test_a_home_without_tables_gets_all_of_them_in_few_runs(
    sample_folder: tuple[Sample, Path], raced: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    later = shutil.ignore_patterns("2025", "2026")
    shutil.copytree(sample_folder[1] / "feed", home / "landing" / "feed", ignore=later)
    settle_files(home)
    ticker = Ticker(home)
    assert ticker.settle() == ["schedule_job range", "race_job range", "as_of_job range"]
    tables = {path.stem for path in (home / "store/race_results").glob("*.parquet")}
    assert tables == {path.stem for path in (raced / "store/race_results").glob("2024-*.parquet")}
    for name in ("race_results", "race_features", "driver_ratings", "lap_features"):
        for path in (raced / "store" / name).glob("2024-*.parquet"):
            assert (home / "store" / name / path.name).read_bytes() == path.read_bytes()


def test_a_half_copied_file_waits_and_then_holds_its_race_alone(races: Path) -> None:
    path = weekend(races, 2025, EARLY)
    whole = path.read_bytes()
    other = weekend(races, 2025, LATER)
    entries = races / "store/entries" / f"{key_of(races, path)}.parquet"
    before = entries.read_bytes()
    ticker = Ticker(races)
    ticker.tick("landing_feed")
    path.write_bytes(whole[: len(whole) // 2])  # now: a writer may still be at it
    assert ticker.tick("landing_feed") == []
    assert "is being written" in ticker.skipped
    settle_files(races)  # a while ago: the copy broke off
    edit(other, SPONSOR, f"{SPONSOR}New ")
    assert ticker.settle() == [f"race_job {key_of(races, other)}"]
    assert path.name in ticker.skipped
    assert entries.read_bytes() == before
    path.write_bytes(whole)
    settle_files(races)
    assert ticker.settle() == []  # what its tables were made from is there again


def failures_of(instance: dg.DagsterInstance, asset: str, check: str, key: str) -> list[str]:
    """What the UI shows of every failed evaluation of a race's check, each with what to do."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey(asset), check), limit=100
    )
    texts = []
    for record in records:
        if record.partition == key and record.status.value != "SUCCEEDED":
            assert record.status.value == "FAILED", record  # without a reason it stays PLANNED
            assert record.event is not None
            assert record.event.dagster_event is not None
            found = record.event.dagster_event.asset_check_evaluation_data
            assert "the next scan takes it" in str(found.metadata["what_to_do"].value)
            texts.append(str(found.metadata["failures"].value))
    return texts


def test_one_bad_race_does_not_keep_the_others_from_being_run(races: Path) -> None:
    for number in range(12, 17):
        edit(weekend(races, 2025, number), CHIEF, f"{CHIEF}New ")
    bad = weekend(races, 2025, 14)
    content = json.loads(bad.read_text())
    rows = content["weekend_race"][0]["results"]
    second = next(row for row in rows if row["finishing_position"] == 2)
    third = next(row for row in rows if row["finishing_position"] == 3)
    third["finishing_position"] = 2  # passes as a file, fails as a race
    bad.write_text(json.dumps(content))
    settle_files(races)
    ticker = Ticker(races)
    done = ticker.settle()
    assert done.count("race_job range") >= 1
    singles = [line for line in done if line.startswith("race_job 2025")]
    assert f"race_job {key_of(races, bad)}" in singles
    (failed,) = ticker.instance.get_runs(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE], tags={"dagster/partition": key_of(races, bad)}
        )
    )
    assert failed.job_name == "race_job"
    key, name = key_of(races, bad), content["weekend_race"][0]["race_name"]
    in_range, alone = failures_of(ticker.instance, "race_results", "finish_is_unique", key)
    assert in_range == alone
    assert in_range.startswith(f"• {key} ({name}): ")
    names = f"{second['driver_fullname']} ({second['car_number']}) and {third['driver_fullname']}"
    assert f"{names} ({third['car_number']}) both finished in place 2." in in_range
    for number in (12, 13, 15, 16):
        path = weekend(races, 2025, number)
        table = pl.read_parquet(races / "store/entries" / f"{key_of(races, path)}.parquet")
        assert table["crew_chief"].str.starts_with("New ").any()


def test_a_file_of_no_known_race_is_told_and_waits(races: Path) -> None:
    stranger = races / "landing/feed/cacher/2025/1/777777/weekend-feed.json"
    stranger.parent.mkdir()
    stranger.write_text('{"weekend_race":[{"race_id":777777,"results":[]}]}')
    settle_files(races)
    ticker = Ticker(races)
    assert ticker.tick("landing_feed") == []
    assert "777777" in ticker.skipped


def test_a_new_schedule_is_read_first_and_a_bad_one_changes_nothing(races: Path) -> None:
    path = races / "landing/feed/cacher/2026/race_list_basic.json"
    whole = path.read_text()
    ticker = Ticker(races)
    ticker.tick("landing_feed")
    content = json.loads(whole)
    race = (
        next(
            row
            for row in content["series_1"]
            if row["race_date"] > "2026-06" and not row["schedule"]
        )
        if "schedule" in content["series_1"][0]
        else next(row for row in content["series_1"] if row["race_date"] > "2026-06")
    )
    for field in ("race_date", "date_scheduled", "tunein_date"):  # put off by a day
        moved = datetime.fromisoformat(race[field]).replace(tzinfo=UTC).timestamp() + 86_400
        race[field] = datetime.fromtimestamp(moved, UTC).replace(tzinfo=None).isoformat()
    path.write_text(json.dumps(content))
    settle_files(races)
    before = scan_table(DataRoot.open(races), "schedule").collect()
    assert ticker.settle() == ["schedule_job range"]
    after = scan_table(DataRoot.open(races), "schedule").collect()
    both = before.join(after, on=["race_id", "race_key"], how="inner")
    assert both.height == before.height  # keys once given are kept
    changed = both.filter(pl.col("start_time") != pl.col("start_time_right"))
    assert changed["race_id"].to_list() == [str(race["race_id"])]
    path.write_text(whole[:1000])
    settle_files(races)
    assert ticker.settle() == []
    assert "race_list_basic.json" in ticker.skipped
    assert scan_table(DataRoot.open(races), "schedule").collect().equals(after)


@pytest.mark.parametrize("sensor", ["landing_feed", "landing_telemetry"])
def test_a_folder_that_cannot_be_read_decides_nothing(races: Path, sensor: str) -> None:
    ticker = Ticker(races)
    ticker.tick(sensor)
    cursor = ticker.cursors[sensor]
    shutil.move(races / "landing", races / "away")
    (races / "landing").symlink_to(races / "landing")  # a loop: listing it fails
    with pytest.raises(Exception, match=r"(?i)symbolic|loop|Listing|levels"):
        ticker.tick(sensor)
    assert ticker.cursors[sensor] == cursor
    (races / "landing").unlink()
    shutil.move(races / "away", races / "landing")
    assert ticker.tick(sensor) == []
