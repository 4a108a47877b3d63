"""Salary files that land: slates registered, waiting, refused, run, and never after lock."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from nascar_assets.files import SourceFile
from nascar_assets.orchestration.automation.freshness import slate_staleness, stale_inputs
from nascar_assets.orchestration.automation.seen_races import unknown_to_run
from nascar_assets.orchestration.automation.slate_decisions import (
    Outcome,
    SalaryCursor,
    SalaryLanded,
    SlateInputs,
    decide_salaries,
    slates_to_run,
)
from nascar_assets.orchestration.automation.week import SlateWeek
from nascar_assets.orchestration.commands.slate import slate_states
from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan
from nascar_assets.orchestration.tables import AS_OF_TABLES
from nascar_assets.sample import Sample
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.conftest import World
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

SLATE = "2026-02-15-cup-dk-classic"
LOCK = datetime(2026, 2, 15, 20, tzinfo=UTC)
NOW = datetime(2026, 2, 14, 12, tzinfo=UTC)


@pytest.fixture
def race_week(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands in the week of the sample's next race."""
    start = time.time()
    monkeypatch.setenv("NASCAR_CLOCK", f"2026-02-11T12:00:00+00:00 from {start:.0f} x 1")


def drop(home: Path, name: str, data: bytes, *, minutes_ago: float = 1) -> Path:
    path = home / "landing" / "salaries" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    moment = time.time() - 60 * minutes_ago
    os.utime(path, (moment, moment))
    return path


def salaries(folder: tuple[Sample, Path]) -> tuple[str, bytes]:
    sample, _ = folder
    return sample.slate_file, sample.salaries[sample.slate_file]


@pytest.mark.usefixtures("race_week")
def test_a_dropped_file_registers_its_slate_and_runs_it_once(
    races: Path, sample_folder: tuple[Sample, Path]
) -> None:
    name, data = salaries(sample_folder)
    drop(races, name, data)
    ticker = Ticker(races)
    (request,) = ticker.tick("landing_salaries")
    assert request.partition_key == SLATE
    assert ticker.instance.get_dynamic_partitions("slates") == [SLATE]
    as_of = request.run_config["ops"]["slate_plan"]["config"]["as_of"]
    assert datetime.fromisoformat(as_of) < LOCK
    (again,) = Ticker(races).tick("landing_salaries")  # a second daemon
    assert again.run_key == request.run_key
    ticker.instance.create_run_for_job(
        ticker.definitions.resolve_job_def("slate_job"),
        status=dg.DagsterRunStatus.STARTED,
        tags={**request.tags, "dagster/run_key": str(request.run_key), "dagster/partition": SLATE},
    )
    assert ticker.tick("landing_salaries") == []


@pytest.mark.usefixtures("race_week")
def test_a_slate_whose_own_record_is_damaged_stops_no_other(
    races: Path, sample_folder: tuple[Sample, Path]
) -> None:
    for slate in ("cut-off", SLATE):
        (races / "slates" / slate).mkdir(parents=True)
        (races / "slates" / slate / "registration.json").write_bytes(b'{"slate_id": "cut')
    ticker = Ticker(races)
    assert ticker.tick("landing_salaries") == []
    assert "slates/cut-off/registration.json: The slate's own record is damaged." in ticker.skipped
    drop(races, *salaries(sample_folder))  # adding a slate again mends its record
    (request,) = ticker.tick("landing_salaries")
    assert request.partition_key == SLATE
    for sensor in ("landing_views", "landing_contests", "late_scratches", "locked_slates"):
        ticker.tick(sensor)
    states = {row["slate"]: row["state"] for row in slate_states(DataRoot.open(races))}
    assert states == {SLATE: "added", "cut-off": "damaged"}


def test_a_locked_slate_is_registered_and_not_run(
    races: Path, sample_folder: tuple[Sample, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = f"{LOCK.isoformat()} from {time.time():.0f} x 1"
    monkeypatch.setenv("NASCAR_CLOCK", clock)
    drop(races, *salaries(sample_folder))
    ticker = Ticker(races)
    assert ticker.tick("landing_salaries") == []
    assert Registration.load(DataRoot.open(races), SLATE).race_key == "2026-cup-01"


@pytest.mark.usefixtures("race_week")
def test_of_two_files_for_one_slate_the_later_counts(
    races: Path, sample_folder: tuple[Sample, Path]
) -> None:
    name, data = salaries(sample_folder)
    drop(races, name, data, minutes_ago=9)
    ticker = Ticker(races)
    ticker.tick("landing_salaries")
    newer = data.replace(b",11300,", b",11200,")
    drop(races, name.replace("DK", "v2_DK"), newer, minutes_ago=1)
    (request,) = ticker.tick("landing_salaries")
    registration = Registration.load(DataRoot.open(races), SLATE)
    assert registration.source.path.endswith(name.replace("DK", "v2_DK"))
    assert request.tags["nascar/salaries"] == registration.source.sha256
    assert registration.salaries(DataRoot.open(races)) == newer


def stand_at(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    monkeypatch.setenv("NASCAR_CLOCK", f"{moment}T12:00:00+00:00 from {time.time():.0f} x 1")


def fanduels(data: bytes) -> bytes:
    """The drivers of a DraftKings file as FanDuel lists them: no race is named."""
    lines = ["Id,Position,First Name,Nickname,Last Name,FPPG,Raced,Salary,Game,Team"]
    for number, row in enumerate(csv.DictReader(io.StringIO(data.decode()))):
        salary = max(5_000, min(14_000, int(row["Salary"])))
        lines.append(f"1270-{number},D,,{row['Name']},,40.5,4,{salary},,")
    return "\n".join(lines).encode("utf-16")


def test_a_list_that_names_no_race_waits_for_the_entry_list_and_is_placed_by_it(
    races: Path, sample_folder: tuple[Sample, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_at(monkeypatch, "2026-02-09")  # the entry list is known from 10 February on
    drop(races, "players-list.csv", fanduels(salaries(sample_folder)[1]))
    ticker = Ticker(races)
    assert ticker.tick("landing_salaries") == []
    assert "entry list of 2026-cup-01 is not known yet" in ticker.skipped
    assert "put the race's key into the file's name or its folder's" in ticker.skipped
    stand_at(monkeypatch, "2026-02-11")
    (request,) = ticker.tick("landing_salaries")
    slate = "2026-02-15-cup-fd-classic"
    assert request.partition_key == slate
    registration = Registration.load(DataRoot.open(races), slate)
    assert "drivers are entered in 2026-cup-01" in str(registration.race_notice)


def test_a_folder_named_by_the_races_key_says_which_race(
    races: Path, sample_folder: tuple[Sample, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_at(monkeypatch, "2026-02-09")
    _, data = salaries(sample_folder)
    drop(races, "2026-cup-01/DKSalaries.csv", data.replace(b"Prairie Lantern 400", b"Nowhere 9"))
    ticker = Ticker(races)
    (request,) = ticker.tick("landing_salaries")
    assert request.partition_key == SLATE
    registered = Registration.load(DataRoot.open(races), SLATE)
    assert registered.source.path == "landing/salaries/2026-cup-01/DKSalaries.csv"
    assert registered.race_notice is None


def test_a_salary_file_far_too_large_is_refused_unread(
    races: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_at(monkeypatch, "2026-02-11")
    path = drop(races, "DKSalaries.csv", b"")
    with path.open("r+b") as file:
        file.truncate(5_000_000)
    moment = time.time() - 60
    os.utime(path, (moment, moment))
    ticker = Ticker(races)
    assert ticker.tick("landing_salaries") == []
    assert "above the limit of 4,000,000" in ticker.skipped
    refused = races / "quarantine/salaries"
    assert [path.name for path in refused.iterdir()] == ["DKSalaries.csv.report.json"]
    report = json.loads((refused / "DKSalaries.csv.report.json").read_text())
    assert (report["bytes"], report["sha256"]) == (5_000_000, None)
    assert "above the limit" in report["reason"]


@pytest.mark.usefixtures("race_week")
def test_a_file_without_ids_does_not_replace_one_with_them(
    races: Path, sample_folder: tuple[Sample, Path]
) -> None:
    name, data = salaries(sample_folder)
    kept = drop(races, name, data, minutes_ago=2)
    Ticker(races).tick("landing_salaries")
    rows = csv.DictReader(io.StringIO(data.decode()))
    out = io.StringIO()
    wanted = ["Position", "Name", "Salary", "Game Info", "AvgPointsPerGame"]
    writer = csv.DictWriter(out, wanted, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    drop(races, f"older-form-{name}", out.getvalue().encode())
    ticker = Ticker(races)
    ticker.tick("landing_salaries")
    registration = Registration.load(DataRoot(str(races)), SLATE)
    assert registration.source.path.endswith(kept.name)
    report = races / f"quarantine/salaries/older-form-{name}.report.json"
    assert "that file stays" in json.loads(report.read_text())["reason"]


def test_an_unknown_race_waits_until_the_schedule_has_it(
    races: Path, sample_folder: tuple[Sample, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_at(monkeypatch, "2026-02-09")  # no entry list is known that would tell the race
    name, data = salaries(sample_folder)
    drop(races, name, data.replace(b"Prairie Lantern 400", b"Nowhere Grand Prix"))
    ticker = Ticker(races)
    assert ticker.tick("landing_salaries") == []
    assert "waits for its race" in ticker.skipped
    assert not (races / "slates").exists()
    path = races / "landing/feed/cacher/2026/race_list_basic.json"
    path.write_text(path.read_text().replace("Prairie Lantern 400", "Nowhere Grand Prix"))
    settle_files(races)
    assert ticker.settle() == ["schedule_job range"]
    (request,) = ticker.tick("landing_salaries")
    assert request.partition_key == SLATE


@pytest.mark.usefixtures("race_week")
def test_a_bad_file_is_refused_with_a_report_and_stays_where_it_is(races: Path) -> None:
    path = drop(races, "2026-02-15_DKCup.csv", b"Position,Name\nD,Nobody\n")
    for beside in ("._2026-02-15_DKCup.csv", "__MACOSX/2026-02-15_DKCup.csv"):
        drop(races, beside, b"\0\5\x16\7")
    ticker = Ticker(races)
    assert ticker.tick("landing_salaries") == []
    assert "MACOSX" not in ticker.skipped
    assert "._" not in ticker.skipped
    assert path.exists()
    report = json.loads(
        (races / "quarantine/salaries/2026-02-15_DKCup.csv.report.json").read_text()
    )
    assert report["file"] == "landing/salaries/2026-02-15_DKCup.csv"
    assert "row 1" in report["reason"]
    assert (races / "quarantine/salaries/2026-02-15_DKCup.csv").read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("race_week")
def test_a_file_refused_for_a_list_of_which_a_part_had_landed_is_read_again(
    races: Path, sample_folder: tuple[Sample, Path]
) -> None:
    table = races / "store/entries/2026-cup-01.parquet"
    whole = table.read_bytes()
    pl.read_parquet(table).head(4).write_parquet(table)
    drop(races, *salaries(sample_folder))
    ticker = Ticker(races)
    for _ in range(2):  # it is said for as long as it stands
        assert ticker.tick("landing_salaries") == []
        assert "4 drivers can be picked" in ticker.skipped
    table.write_bytes(whole)
    (request,) = ticker.tick("landing_salaries")
    assert request.partition_key == SLATE


@pytest.mark.usefixtures("race_week")
def test_a_file_being_copied_is_left_alone(races: Path, sample_folder: tuple[Sample, Path]) -> None:
    name, data = salaries(sample_folder)
    drop(races, name, data[: len(data) // 2], minutes_ago=0)
    ticker = Ticker(races)
    assert ticker.tick("landing_salaries") == []
    assert not (races / "slates").exists()
    assert not (races / "quarantine").exists()


@pytest.mark.usefixtures("race_week")
def test_a_run_from_the_command_line_is_not_repeated(world: World, home: Path) -> None:
    settle_files(home)
    ticker = Ticker(home)
    assert ticker.tick("landing_salaries") == []


def other_content(home: Path, table: str) -> Path:
    """Changes a table of the last past race, a moment ago; returns its path."""
    *_, before, last = sorted((home / "store" / table).glob("2025-*.parquet"))
    shutil.copy(before, last)
    os.utime(last)
    return last


def made_now(home: Path, *tables: str) -> None:
    for table in tables:
        for path in (home / "store" / table).glob("*.parquet"):
            os.utime(path)


@pytest.mark.usefixtures("race_week")
@pytest.mark.parametrize("table", ["race_results", "race_features", "practice", "lap_summaries"])
def test_what_is_new_of_past_races_runs_open_slates_again(home: Path, table: str) -> None:
    ticker = Ticker(home)
    assert ticker.tick("landing_salaries") == []
    other_content(home, table)
    made_now(home, *AS_OF_TABLES)
    (request,) = ticker.tick("landing_salaries")
    assert request.tags["nascar/why"] == "inputs"
    assert request.run_config["ops"]["slate_plan"]["config"]["n_scenarios"] == 300


def test_a_slate_waits_for_the_ratings_of_a_new_result(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_at(monkeypatch, "2026-02-13")
    ticker = Ticker(home)
    (run,) = ticker.instance.get_runs(dg.RunsFilter(job_name="slate_job"))
    ticker.instance.add_run_tags(run.run_id, {"nascar/at": "2026-02-13T11:00:00+00:00"})
    assert ticker.tick("landing_salaries") == []
    changed = other_content(home, "race_results")
    assert ticker.tick("landing_salaries") == []
    assert "Slates wait for the ratings" in ticker.skipped
    stand_at(monkeypatch, "2026-02-15")  # practice and qualifying are known by now
    assert ticker.look_at_week() == []
    (ratings,) = ticker.tick("landing_feed")
    assert ratings.job_name == "as_of_job"
    failed = ticker.instance.create_run_for_job(
        ticker.definitions.resolve_job_def("as_of_job"),
        status=dg.DagsterRunStatus.FAILURE,
        tags={"dagster/run_key": str(ratings.run_key)},
    )
    (request,) = ticker.look_at_week()  # ratings that failed are not waited for
    assert request.tags["nascar/why"] == "qualifying"
    ticker.instance.delete_run(failed.run_id)
    assert ticker.look_at_week() == []
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    ago = time.time() - 1000
    os.utime(changed, (ago, ago))  # a run that has not begun since then is not waited for
    for name in AS_OF_TABLES:
        os.utime(home / f"store/{name}/{changed.name}", (ago - 1, ago - 1))
    assert len(ticker.look_at_week()) == 1


def test_a_result_that_landed_before_it_counts_is_news_once_it_does(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, ticker = DataRoot.open(home), Ticker(home)
    last = sorted(path.stem for path in (home / "store/race_results").glob("2025-*.parquet"))[-1]
    schedule = pl.read_parquet(home / "store/schedule.parquet")
    known = schedule.filter(pl.col("race_key") == last)["results_at"].item()
    early = known - timedelta(hours=1)
    (run,) = ticker.instance.get_runs(dg.RunsFilter(job_name="slate_job"))
    ticker.instance.add_run_tags(run.run_id, {"nascar/at": early.isoformat()})
    replace(SlatePlan.load(root, SLATE), as_of=early).save(root)
    shutil.rmtree(home / "landing/.index", ignore_errors=True)
    for path in (home / "store").rglob("*.parquet"):
        os.utime(path, (early.timestamp(),) * 2)

    def asked(at: datetime) -> list[str]:
        monkeypatch.setenv("NASCAR_CLOCK", f"{at.isoformat()} from {time.time():.3f} x 1")
        return [request.tags["nascar/why"] for request in ticker.tick("landing_salaries")]

    def stale(at: datetime) -> list[str]:
        return [line for line in slate_staleness(root, SLATE, at, at) if last in line]

    minute = timedelta(minutes=1)
    assert asked(known - minute) == stale(known - minute) == []
    assert asked(known) == ["inputs"]
    (line,) = stale(known)
    assert line.startswith("Results of earlier races")
    ticker.instance.add_run_tags(run.run_id, {"nascar/at": known.isoformat()})
    replace(SlatePlan.load(root, SLATE), as_of=known).save(root)
    assert asked(known + minute) == stale(known + minute) == []
    os.utime(other_content(home, "race_features"), ((known + minute).timestamp(),) * 2)
    (line,) = stale(known + 2 * minute)
    assert line.startswith("Results of earlier races")
    to_come = {"2026-cup-01": (early, known)}  # its time has passed, and it has no result
    assert unknown_to_run(root, to_come, "another", early, early) == {}


def test_the_first_run_of_a_slate_is_the_sensors_and_a_refresh_the_schedules(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = LOCK - timedelta(minutes=59)
    monkeypatch.setenv("NASCAR_CLOCK", f"{now.isoformat()} from {time.time():.0f} x 1")
    ticker = Ticker(home)
    (run,) = ticker.instance.get_runs(dg.RunsFilter(job_name="slate_job"))
    ticker.instance.add_run_tags(run.run_id, {"nascar/at": NOW.isoformat()})
    other_content(home, "race_results")  # and a refresh is due: one run for both
    assert ticker.tick("landing_salaries") == []
    (request,) = ticker.look_at_week()
    assert request.tags["nascar/why"] == "lock"
    ticker.instance.delete_run(run.run_id)
    assert ticker.look_at_week() == []  # nobody has asked for it yet: that is the sensor's


def slate_week(lock: datetime = LOCK) -> SlateWeek:
    return SlateWeek(SLATE, lock, lock - timedelta(days=5), lock - timedelta(days=1))


def inputs(**changes: object) -> SlateInputs:
    base = SlateInputs(slate_week(), "new", NOW, None, None)
    return replace(base, **changes)  # type: ignore[arg-type]


def test_slates_to_run() -> None:
    def whys(item: SlateInputs, now: datetime = NOW) -> list[str]:
        return [request.why for request in slates_to_run(now, [item])]

    hour = timedelta(hours=1)
    assert whys(inputs()) == ["salaries"]
    assert whys(inputs(run_salary="new", run_at=NOW + hour)) == []
    assert whys(inputs(run_salary="new", run_at=NOW - hour)) == ["inputs"]
    assert whys(inputs(run_salary="new", run_at=NOW - hour, refresh_due=True)) == []  # one for both
    assert whys(inputs(run_salary="old", run_at=NOW + hour)) == ["salaries"]
    assert whys(inputs(run_salary="old", run_at=NOW - hour, refresh_due=True)) == ["salaries"]
    assert whys(inputs(), LOCK) == []
    assert whys(inputs(), LOCK - timedelta(minutes=1)) == []  # it would end after lock


def test_a_cursor_survives_and_a_damaged_one_costs_a_look() -> None:
    file = SalaryLanded("landing/salaries/a.csv", "h", NOW)
    reads = []

    def read(file: SalaryLanded) -> Outcome:
        reads.append(file.path)
        return Outcome("waiting", "no race")

    first = decide_salaries([file], {}, SalaryCursor(), "s1", read)
    cursor = SalaryCursor.from_text(first.cursor.to_text())
    assert cursor == first.cursor
    second = decide_salaries([file], {}, cursor, "s1", read)
    assert (len(reads), dict(second.news)) == (1, {})
    decide_salaries([file], {}, cursor, "s2", read)
    assert len(reads) == 2
    for damaged in ("{", "[]", '{"version": 2}', '{"version":1,"files":{"a":[1]}}'):
        assert SalaryCursor.from_text(damaged) == SalaryCursor()


def test_a_file_that_was_replaced_since_it_was_seen_is_left_to_the_next_look() -> None:
    file = SalaryLanded("landing/salaries/a.csv", "h", NOW)
    older = SalaryLanded("landing/salaries/b.csv", "i", NOW - timedelta(hours=1))
    answers: list[Outcome | None] = [Outcome("slate", "s"), None, Outcome("slate", "s")]

    def read(_: SalaryLanded) -> Outcome | None:
        return answers.pop(0)

    first = decide_salaries([older], {}, SalaryCursor(), "x", read)
    assert first.register == {"s": older.path}
    second = decide_salaries([older, file], {"s": SourceFile("a", "g")}, first.cursor, "x", read)
    assert file.path not in second.cursor.outcomes
    held = decide_salaries([older], {"s": file.source}, first.cursor, "x", read, [file.path])
    assert held.register == {}  # its file is being written: the older one does not step in
    kept = {"s": older.source}
    third = decide_salaries([older, file], kept, second.cursor, "x", read)
    assert (third.register, answers) == ({"s": file.path}, [])


def test_a_file_whose_slate_was_never_kept_is_read_again() -> None:
    file = SalaryLanded("landing/salaries/a.csv", "one", NOW)
    read: list[str] = []

    def reads(landed: SalaryLanded) -> Outcome:
        read.append(landed.path)
        return Outcome("slate", SLATE)

    first = decide_salaries([file], {}, SalaryCursor(), "s", reads)
    again = decide_salaries([file], {}, first.cursor, "s", reads)  # it was replaced in between
    assert again.register == {SLATE: file.path}
    kept = decide_salaries([file], {SLATE: file.source}, again.cursor, "s", reads)
    assert kept.register == {}
    assert read == [file.path, file.path]


def test_a_file_that_nobody_foresaw_keeps_no_other_out(
    races: Path, sample_folder: tuple[Sample, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASCAR_CLOCK", f"2026-02-11T12:00:00+00:00 from {time.time():.0f} x 1")
    name, data = salaries(sample_folder)
    lines = data.decode().splitlines()
    at = next(i for i, line in enumerate(lines) if "Salary" in line) + 1
    row = next(csv.reader([lines[at]]))
    place = next(csv.reader([lines[at - 1]])).index("Salary")
    row[place] = "9" * 5000  # more digits than Python makes a number of
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    lines[at] = text.getvalue()
    drop(races, f"poison-{name}", "\n".join(lines).encode(), minutes_ago=2)
    drop(races, name, data)
    ticker = Ticker(races)
    (request,) = ticker.tick("landing_salaries")
    assert request.partition_key == SLATE
    (report,) = (races / "quarantine/salaries").glob("poison-*.json")
    assert "cannot be read" in report.read_text() or "Salary" in report.read_text()


def test_a_file_with_ids_counts_before_one_without_and_the_order_does_not_matter() -> None:
    with_ids = SalaryLanded("landing/salaries/a.csv", "ids", NOW - timedelta(hours=1))
    without = SalaryLanded("landing/salaries/b.csv", "none", NOW)

    def read(file: SalaryLanded) -> Outcome:
        return Outcome("slate", "s", has_ids=file is with_ids)

    once = decide_salaries([with_ids, without], {}, SalaryCursor(), "x", read)
    first = decide_salaries([without], {}, SalaryCursor(), "x", read)
    assert first.register == {"s": without.path}
    cursor = SalaryCursor.from_text(first.cursor.to_text())
    then = decide_salaries([with_ids, without], {"s": without.source}, cursor, "x", read)
    for decision in (once, then):
        assert decision.register == {"s": with_ids.path}
        assert decision.superseded == {without.path: with_ids.path}
        kept = decision.cursor
        later = decide_salaries([with_ids, without], {"s": with_ids.source}, kept, "x", read)
        assert later.register == {}


def test_a_persons_choice_of_race_counts() -> None:
    file = SalaryLanded("landing/salaries/a.csv", "h", NOW)
    registered = {"theirs": file.source}

    def read(file: SalaryLanded) -> Outcome:
        raise AssertionError("what is registered is not read again")

    assert decide_salaries([file], registered, SalaryCursor(), "s", read).register == {}


def test_a_slate_locked_with_old_data_says_so() -> None:
    week = slate_week()
    early, late = LOCK - timedelta(days=2), LOCK - timedelta(hours=1)
    assert stale_inputs(week, late, late, {}, LOCK) == []
    (line,) = stale_inputs(week, early, early, {}, LOCK)
    assert "before practice and qualifying" in line
    changed = {"The entries of 2026-cup-01": (LOCK - timedelta(minutes=30), week.entries_at)}
    (line,) = stale_inputs(week, late, late, changed, LOCK)
    assert line.startswith("The entries of 2026-cup-01 changed")
    after = {"The entries of 2026-cup-01": (LOCK + timedelta(hours=3), week.entries_at)}
    assert stale_inputs(week, late, late, after, LOCK + timedelta(hours=9)) == []
