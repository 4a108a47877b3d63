"""One bad race: the others go on, it fails once and is told once, and its runs are on its page."""

from __future__ import annotations

import copy
import json
import signal
import urllib.request
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from nascar_assets.cli.location import code_location
from nascar_assets.definitions import build_definitions
from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.feed.landing import LANDING
from nascar_assets.feed.paths import (
    lap_averages_path,
    loop_stats_path,
    schedule_path,
    weekend_path,
)
from nascar_assets.orchestration.assets.race_tables import RaceInputs
from nascar_assets.orchestration.automation import sensor_runs
from nascar_assets.orchestration.commands.sync import (
    SyncOutcome,
    is_input_fault,
    reason,
    sync_races,
)
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.runs import run_job
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.store import scan_table, table_path
from nascar_assets.orchestration.tags import BACKFILL, PARTITION, filters_of
from nascar_assets.service.run_store import JOB_NAMES, RunStore
from nascar_assets.storage import DataRoot
from nascar_assets_tests.feed.feed_files import (
    four_results,
    loop_row,
    loop_stats,
    practice_item,
    race,
    ran,
    result,
    weekend,
    write_feed,
)
from nascar_assets_tests.orchestration.processes import serving

BAD = "2026-cup-02"


def listed(race_id: int, day: str, **changes: Any) -> dict[str, Any]:
    dates = dict.fromkeys(("date_scheduled", "race_date", "tunein_date"), f"2026-{day}T15:30:00")
    return ran(race_id=race_id, **dates, qualifying_date=None, **changes)


def season() -> dict[str, bytes]:
    """Three Cup races, two of whose cars share a place in the second, and a truck race.

    The schedule does not know yet who won the third, and lists a race of an unknown type; a fourth
    has loop statistics and no weekend feed yet.
    """
    late = listed(7004, "03-22")
    cup = [listed(7001, "03-01"), listed(7002, "03-08"), listed(7003, "03-15")]
    truck = listed(7101, "03-01", series_id=3)
    unknown = {"actual_laps": 0, "winner_driver_id": None, "number_of_leaders": 0}
    lists = {
        "series_1": [*cup[:2], {**cup[2], **unknown}, late, race(7009, race_type_id=3)],
        "series_3": [truck],
    }
    files: dict[str, Any] = {schedule_path(2026): lists}
    for item in (*cup, truck):
        rows = copy.deepcopy(four_results())
        if item["race_id"] == 7002:
            rows.append(result(15, 2))
        series = "cup" if item["series_id"] == 1 else "trucks"
        files[weekend_path(2026, series, item["race_id"])] = weekend(rows, item)
    blank = {**dict.fromkeys(loop_row(12, 2)), "driver_id": 12}
    drivers = [loop_row(11, 1, lead_laps=60), blank, loop_row(13, 3)]
    files[loop_stats_path(2026, "cup", 7001)] = loop_stats(drivers, 7001)
    files[loop_stats_path(2026, "cup", 7004)] = loop_stats([loop_row(11, 1)], 7004)
    files[weekend_path(2026, "cup", 7004)] = {"weekend_race": None}
    return {path: json.dumps(value).encode() for path, value in files.items()}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    write_feed(folder / "feed", season())
    return folder


def sync(home: Path, series: str) -> SyncOutcome:
    data = str(home / "data")
    return sync_races(data, str(home / "feed"), [series], [2026], location=code_location(data))


@pytest.fixture(scope="module")
def synced(home: Path) -> SyncOutcome:
    return sync(home, "cup")


@pytest.fixture
def instance(home: Path, synced: SyncOutcome) -> dg.DagsterInstance:
    return open_instance(str(home / "data"))


@pytest.mark.slow
def test_a_sync_ends_and_says_which_cars_of_which_race(home: Path, synced: SyncOutcome) -> None:
    assert synced.races == ["2026-cup-01", "2026-cup-03"]
    assert list(synced.failures) == [BAD]
    notify = synced.failures[BAD]
    assert "Race 7002 (Fictional 150): Driver Number12 (12) and Driver Number15 (15)" in notify
    assert "Sync again when the feed has corrected the file" in notify
    assert synced.input_at_fault
    assert "Race 7009: the race type 3 is unknown" in synced.notices[0]
    assert "2026-cup-04 waits for its weekend feed" in synced.notices[1]
    root = DataRoot.open(home / "data")
    for key in synced.races:  # the third has results that its schedule does not know yet
        assert scan_table(root, "race_results", key).collect().height == 4
        assert scan_table(root, "driver_ratings", key).collect().height == 4
    # What does not rest on its results is made all the same.
    for table in ("practice", "laps", "lap_summaries"):
        assert root.exists(table_path(table, BAD)), table
    assert not root.exists(table_path("race_results", BAD))
    first = scan_table(root, "race_results", "2026-cup-01").collect()
    assert first.filter(pl.col("fastest_laps").is_null())["driver_id"].to_list() == ["12", "14"]


@pytest.mark.slow
def test_it_fails_in_one_run_and_the_others_are_made_in_theirs(
    instance: dg.DagsterInstance,
) -> None:
    runs = instance.get_runs(dg.RunsFilter(job_name="race_job"))
    (failed,) = [run for run in runs if not run.is_success]
    assert failed.tags["dagster/partition"] == failed.tags["nascar/race"] == BAD
    (shared,) = [run for run in runs if run.is_success]
    assert shared.tags[f"nascar/skipped/{BAD}"] == shared.tags["nascar/skipped"] == "yes"


def job_of(**raised: BaseException | None) -> dg.JobDefinition:
    """A job of assets that rest on nothing, and one more that rests on the first."""

    def asset(name: str, error: BaseException | None, deps: list[str]) -> dg.AssetsDefinition:
        @dg.asset(name=name, deps=deps)
        def made() -> None:
            if isinstance(error, KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            elif error is not None:
                raise error

        return made

    assets = [asset(name, error, []) for name, error in raised.items()]
    assets.append(asset("z_after", None, [next(iter(raised))]))
    job: dg.JobDefinition = dg.Definitions(
        assets, jobs=[dg.define_asset_job("all", executor_def=dg.in_process_executor)]
    ).resolve_job_def("all")
    return job


def made_in(instance: dg.DagsterInstance) -> list[str]:
    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.FAILURE
    kinds = {dg.DagsterEventType.STEP_SUCCESS}
    records = instance.get_records_for_run(run.run_id, of_type=kinds).records
    events = [record.event_log_entry.dagster_event for record in records]
    return [str(event.step_key) for event in events if event is not None]


@pytest.mark.slow
def test_a_run_that_goes_on_makes_the_rest_and_raises_what_failed() -> None:
    wrong = InputError("A name is missing.", file="x.csv")
    with dg.instance_for_test() as instance:
        with pytest.raises(InputError) as one:
            run_job(job_of(a=wrong, b=None), instance, go_on=True)
        assert one.value is wrong
        assert made_in(instance) == ["b"]
    full = EnvironmentFault("The disk is full.")
    with dg.instance_for_test() as instance:
        with pytest.raises(ExceptionGroup) as several:
            run_job(job_of(a=full, b=wrong, c=wrong, d=None), instance, go_on=True)
        assert made_in(instance) == ["d"]
    assert reason(several.value) == "The disk is full. x.csv: A name is missing."
    assert is_input_fault(several.value)
    assert not is_input_fault(full)


@pytest.mark.slow
def test_a_run_that_goes_on_ends_when_it_is_stopped() -> None:
    job = job_of(a=InputError("A name is missing."), b=KeyboardInterrupt(), c=None)
    with dg.instance_for_test() as instance:
        with pytest.raises(dg.DagsterExecutionInterruptedError):
            run_job(job, instance, go_on=True)
        assert made_in(instance) == []


@pytest.mark.slow
def test_it_is_none_of_another_series_failures(home: Path, synced: SyncOutcome) -> None:
    other = sync(home, "trucks")
    assert other.races == ["2026-trucks-01"]
    assert (other.failures, other.input_at_fault) == ({}, False)
    assert list(sync(home, "cup").failures) == [BAD]


@pytest.mark.slow
def test_a_landed_file_that_may_not_be_read_keeps_no_other_race_out(
    tmp_path: Path, closed: set[str]
) -> None:
    files = {path: data for path, data in season().items() if "7002" not in path}
    write_feed(tmp_path / "feed", files)
    assert sync(tmp_path, "cup").races == ["2026-cup-01", "2026-cup-03"]
    first, third = (f"{LANDING}/{weekend_path(2026, 'cup', number)}" for number in (7001, 7003))
    # Known from the scan before, and another file of each race is new.
    closed.add(first)
    for number in (7001, 7003):
        path = loop_stats_path(2026, "cup", number)
        drivers = [loop_row(11, 1), loop_row(12, 2), loop_row(13, 3)]
        write_feed(tmp_path / "feed", {path: json.dumps(loop_stats(drivers, number)).encode()})
    again = sync(tmp_path, "cup")
    assert again.races == ["2026-cup-03"]
    assert list(again.failures) == ["2026-cup-01"]
    assert "Permission denied" in again.failures["2026-cup-01"]
    assert first in again.failures["2026-cup-01"]
    # New and never read.
    closed.clear()
    closed.add(third)
    (tmp_path / "data" / third).touch()
    again = sync(tmp_path, "cup")
    assert again.races == ["2026-cup-01"]
    assert "Permission denied" in again.failures["2026-cup-03"]
    assert not any("2026-cup-03 waits" in notice for notice in again.notices)


@pytest.mark.slow
def test_a_file_that_holds_nothing_empties_no_stored_table(tmp_path: Path) -> None:
    """Landed by hand, past what a sync would refuse."""
    key = "2026-cup-01"
    feed = {path: data for path, data in season().items() if "7001" in path or "race_list" in path}
    named, averages = weekend_path(2026, "cup", 7001), lap_averages_path(2026, "cup", 7001)
    driven = [practice_item(11, "Driver Number11", 30.0), practice_item(0, "Driver Number12", 31.0)]
    practice = [{"Title": "Practice", "Items": driven}]
    write_feed(tmp_path / "feed", {**feed, averages: json.dumps(practice).encode()})
    assert sync(tmp_path, "cup").races == [key]
    root = DataRoot.open(tmp_path / "data")
    tables = ("entries", "race_results", "practice")
    before = {name: root.read(table_path(name, key)) for name in tables}
    # Who has no id in practice has that of his entry.
    assert scan_table(root, "practice", key).collect()["driver_id"].to_list() == ["11", "12"]
    landed = json.loads(feed[named])
    for row in landed["weekend_race"][0]["results"]:
        row |= {"driver_id": 0, "driver_fullname": ""}
    practice[0]["Items"] = [practice_item(0, "Driver Number11", 30.0)]
    bodies = {named: landed, averages: practice}
    write_feed(
        tmp_path / "data" / LANDING,
        {path: json.dumps(body).encode() for path, body in bodies.items()},
    )
    again = sync(tmp_path, "cup")
    assert {name: root.read(table_path(name, key)) for name in tables} == before
    assert f"{named}: The entry list is empty." in again.failures[key]
    for name, file in (("race_results", named), ("practice", averages)):
        path = table_path(name, key)
        assert f"{LANDING}/{file} no longer holds what {path} was made" in again.failures[key]
    # What the failure says to do where it is right to hold nothing.
    assert f"delete that table and run race_job for {key}" in again.failures[key]
    root.delete(table_path("practice", key))
    again = sync(tmp_path, "cup")
    assert scan_table(root, "practice", key).collect().is_empty()
    assert averages not in again.failures[key]
    assert f"{LANDING}/{named} no longer holds" in again.failures[key]


@pytest.mark.parametrize("stored", [b"", b"PAR1garbage", b"PAR1" + bytes(60) + b"PAR1"])
def test_a_damaged_table_is_nothing_to_protect(tmp_path: Path, stored: bytes) -> None:
    root, path = DataRoot.open(tmp_path), table_path("race_results", BAD)
    inputs, empty = RaceInputs(root, {"race_key": BAD}), pl.DataFrame()
    root.write_frame(path, pl.DataFrame({"finish": [1]}))
    assert len(inputs.emptied("race_results", empty, ["x.json"])) == 1
    root.write(path, stored)
    assert inputs.emptied("race_results", empty, ["x.json"]) == []


def failure_context(
    home: Path, instance: dg.DagsterInstance, run: dg.DagsterRun
) -> dg.RunFailureSensorContext:
    kinds = {dg.DagsterEventType.RUN_FAILURE}
    (record,) = instance.get_records_for_run(run.run_id, of_type=kinds).records
    event = record.event_log_entry.dagster_event
    assert event is not None
    return dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_event=event,
        dagster_instance=instance,
        dagster_run=run,
    ).for_run_failure()


@pytest.mark.slow
def test_the_same_failure_is_told_once(home: Path, instance: dg.DagsterInstance) -> None:
    sync(home, "cup")  # the same again, by hand
    failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    assert len(failed) >= 2
    notify = [sensor_runs.was_notified(failure_context(home, instance, run)) for run in failed]
    assert notify == [False] + [True] * (len(failed) - 1)
    notice = sensor_runs.failure_notice(failure_context(home, instance, failed[0]))
    assert notice.subject == f"race_job failed for {BAD}"
    assert "both finished in place 2" in notice.text


@pytest.mark.slow
def test_nothing_runs_it_again_by_itself(home: Path, instance: dg.DagsterInstance) -> None:
    """Its new files would ask for its results, a run that fails for the same reason."""
    definitions = build_definitions(platform=Platform(home=str(home / "data")))
    chosen = dg.AssetSelection.assets("entries", "race_results", "practice", "lap_summaries")
    first = dg.evaluate_automation_conditions(definitions, instance, asset_selection=chosen)
    again = dg.evaluate_automation_conditions(
        definitions, instance, asset_selection=chosen, cursor=first.cursor
    )
    for found in (first, again):
        assert BAD not in found.get_requested_partitions(dg.AssetKey("race_results"))


QUERY = """
query Runs($repository: RepositorySelector!) {
  repositoryOrError(repositorySelector: $repository) {
    ... on Repository { pipelines { name runs { runId repositoryOrigin {
      repositoryName repositoryLocationName } } } }
  }
}
"""
LAUNCH = """
mutation Launch($repository: String!, $location: String!, $race: String!) {
  launchPipelineExecution(executionParams: {
    selector: {repositoryName: $repository, repositoryLocationName: $location, jobName: "race_job"},
    mode: "default",
    executionMetadata: {tags: [{key: "dagster/partition", value: $race}]}
  }) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""


def asked(url: str, query: str, **variables: object) -> dict[str, Any]:
    """The answer of the webserver's GraphQL."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        found: dict[str, Any] = json.loads(answer.read())["data"]
    return found


@pytest.mark.server
@pytest.mark.slow
def test_runs_stand_under_their_jobs_whoever_started_them(
    home: Path, instance: dg.DagsterInstance
) -> None:
    """Of commands, of a client of the API, and of a person in the UI."""
    where = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "nascar_assets.definitions",
    }
    tags = {"slate_id": "2026-03-15-cup-dk-classic", "client": "c"}
    for name in JOB_NAMES:
        RunStore(instance).submit(str(uuid.uuid4()), tags, datetime.now(UTC), name=name)
    with serving(home / "data") as url:
        launched = asked(
            url,
            LAUNCH,
            repository=where["repositoryName"],
            location=where["repositoryLocationName"],
            race="2026-cup-01",
        )["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess"
        jobs = asked(url, QUERY, repository=where)["repositoryOrError"]["pipelines"]
    found = {job["name"]: job["runs"] for job in jobs}
    assert launched["run"]["runId"] in {run["runId"] for run in found["race_job"]}
    for name in ("schedule_job", "race_job", "as_of_job", *JOB_NAMES):
        ours = {run.run_id for run in instance.get_runs(dg.RunsFilter(job_name=name))}
        assert ours
        assert {run["runId"] for run in found[name]} == ours
        assert all(run["repositoryOrigin"] == where for run in found[name])  # as the timeline asks


@pytest.mark.slow
def test_a_run_is_found_by_its_race_whoever_started_it(
    home: Path, instance: dg.DagsterInstance
) -> None:
    """The UI and backfills start a run with its partition alone; it tags itself."""
    definitions = code_location(str(home / "data"))()
    repository = definitions.get_repository_def()
    jobs = (definitions.resolve_job_def("race_job"), repository.get_job("__ASSET_JOB"))
    ours = set()
    for job, backfill in zip(jobs, ({}, {BACKFILL: "abcdefgh"}), strict=True):
        run = instance.create_run_for_job(
            job_def=job,
            tags={PARTITION: "2026-cup-01", **backfill},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            asset_selection=frozenset({dg.AssetKey("race_files")}),
        )
        assert execute_run(InMemoryJob(job), run, instance).success
        ours.add(run.run_id)
    by = {"nascar/race": "2026-cup-01", "nascar/series": "cup"}
    found = instance.get_runs(dg.RunsFilter(tags=by))
    assert ours <= {run.run_id for run in found}
    assert instance.get_runs(dg.RunsFilter(tags={"nascar/series": "trucks"}))


@pytest.mark.parametrize(
    ("key", "tags"),
    [
        ("2026-cup-05", {"nascar/race": "2026-cup-05", "nascar/series": "cup"}),
        ("2026-trucks-x01", {"nascar/race": "2026-trucks-x01", "nascar/series": "trucks"}),
        (
            "2026-02-12-cup-dk-classic-x02",
            {"nascar/slate": "2026-02-12-cup-dk-classic-x02", "nascar/series": "cup"},
        ),
        ("my own slate", {}),
        (None, {}),
    ],
)
def test_a_key_says_what_a_run_is_found_by(key: str | None, tags: dict[str, str]) -> None:
    assert filters_of(key) == tags
