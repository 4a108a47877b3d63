"""A race week of real files replayed: every expected run happens, and no other.

The short form ticks the sensors and the schedule itself, step by step, and carries the runs out in
this process. The long form (`make test-faults`) has a real daemon on an accelerated clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from nascar_assets.cli.location import code_location
from nascar_assets.orchestration.automation.landing_index import SETTLE
from nascar_assets.orchestration.commands.sync import sync_races
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.processes import daemon, runs, wait_for_quiet
from nascar_assets_tests.orchestration.race_week import (
    EARLIER_KEY,
    LOCK,
    OUT,
    RACE_KEY,
    SLATE,
    STEPS,
    RaceWeek,
    Step,
)
from nascar_assets_tests.orchestration.ticks import Ticker

REAL = os.environ.get("NASCAR_REAL_DATA", "")
ROUNDS = int(os.environ.get("NASCAR_FAULT_ROUNDS", "1"))

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not REAL, reason="NASCAR_REAL_DATA names no real data"),
]

RACE_RUNS = {RACE_KEY, EARLIER_KEY, "as_of", "schedule_job"}
SENSORS = ("landing_feed", "landing_salaries", "lost_runs")


def week_of(tmp_path: Path, seasons: list[int]) -> RaceWeek:
    """A home with all races before the week."""
    week = RaceWeek(Path(REAL), tmp_path / "feed", tmp_path / "home", seasons)
    home = str(week.home)
    synced = sync_races(home, str(week.feed), ["cup"], seasons, location=code_location(home))
    assert not synced.failures
    week.settle()
    return week


def name_of(job: str, tags: dict[str, str]) -> str:
    """A run as the steps name it."""
    if job == "slate_job":
        return tags["nascar/why"]
    return "as_of" if job == "as_of_job" else tags.get("dagster/partition", job)


def touched(home: Path, before: dict[Path, int]) -> set[str]:
    """`asset/partition` of every table written since, without those that keep what was scored."""
    return {
        f"{path.parent.name}/{path.stem}"
        for path, stamp in stamps(home).items()
        if before.get(path) != stamp and not path.parent.name.startswith("race_scores")
    }


def stamps(home: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (home / "store").rglob("*.parquet")}


def what_a_step_left(week: RaceWeek, step: Step, written: set[str], upload: bytes | None) -> None:
    """What holds after each step: only what depends on the change, and nothing after lock."""
    race_tables = {f"{name}/{RACE_KEY}" for name in ("race_files", "entries", "race_results")}
    slates = {item for item in written if item.endswith(f"/{SLATE}")}
    others = written - slates
    path = week.home / "slates" / SLATE / "upload.csv"
    if "disqualification" in step.name:
        keys = {item.split("/")[1] for item in others}
        assert keys == {EARLIER_KEY, RACE_KEY}, others
        later = {item.split("/")[0] for item in others if item.endswith(RACE_KEY)}
        assert later == {"race_features", "driver_ratings", "track_profiles"}
    elif RACE_KEY in step.runs:
        assert race_tables <= others
        assert {item.split("/")[1] for item in others} <= {RACE_KEY, "schedule"}, others
    else:
        assert not others
    if step.at >= LOCK:
        assert not slates
        assert path.read_bytes() == upload
    else:
        assert bool(slates) == bool(set(step.runs) - RACE_RUNS)
    if set(step.runs) - RACE_RUNS:
        plan = SlatePlan.load(DataRoot.open(week.home), SLATE)
        assert step.at - timedelta(minutes=1) <= plan.as_of < LOCK
        field = pl.read_parquet(week.home / "store/slate_field" / f"{SLATE}.parquet")
        known = step.at > STEPS[4].at - timedelta(minutes=1)
        assert (field["start"].null_count() < field.height) == known
        rows = pl.read_parquet(week.home / "store/slate" / f"{SLATE}.parquet")
        players = rows.filter(pl.col("reason").is_null())["driver_id"]
        replaced = step.at >= STEPS[5].at
        assert (OUT in players.to_list()) != replaced


@pytest.mark.timeout(1500)
def test_a_week_ticked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    week = week_of(tmp_path, [2026])
    week.run_small(100, "lineups = 3")
    ticker = Ticker(week.home)
    upload: bytes | None = None

    def scan() -> Iterator[dg.RunRequest]:
        for name in SENSORS:
            yield from (request for request in ticker.tick(name))
        yield from (replace_job(request) for request in ticker.look_at_week())

    for step in STEPS:
        monkeypatch.setenv("NASCAR_CLOCK", f"{step.at.isoformat()} from {time.time():.3f} x 20")
        before = stamps(week.home)
        step.lands(week)
        week.settle()
        done = []
        while True:
            request = next(scan(), None)
            if request is None:
                break
            job = request.job_name or "slate_job"
            tags = {**request.tags}
            if request.partition_key:
                tags["dagster/partition"] = request.partition_key
            assert ticker.carry_out(request, "slate_job"), (step.name, job)
            done.append(name_of(job, tags))
            assert len(done) < 9, done
        assert done == list(step.runs), step.name
        what_a_step_left(week, step, touched(week.home, before), upload)
        path = week.home / "slates" / SLATE / "upload.csv"
        upload = path.read_bytes() if path.exists() else None


def replace_job(request: dg.RunRequest) -> dg.RunRequest:
    return request._replace(job_name="slate_job")


def names_of(found: list[dg.DagsterRun]) -> list[str]:
    """Runs as the steps name them; the graph's own, which follow by condition, left out."""
    return [
        name_of(run.job_name, dict(run.tags)) for run in found if not run.job_name.startswith("__")
    ]


SPEED = 20
"""A second is twenty seconds: the hour before lock takes three minutes."""


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.skipif(ROUNDS < 10, reason="the long form: make test-faults")
def test_a_week_with_a_real_daemon(tmp_path: Path) -> None:
    week = week_of(tmp_path, [2025, 2026])
    week.run_small(200, "lineups = 3")
    home, clock = week.home, tmp_path / "clock.txt"

    def set_clock(step: Step) -> None:
        aside = clock.with_suffix(".aside")
        aside.write_text(f"{step.at.isoformat()} from {time.time():.3f} x {SPEED}")
        aside.replace(clock)

    set_clock(STEPS[0])
    seen = len(runs(home))
    upload: bytes | None = None
    with daemon(home, NASCAR_CLOCK=f"@{clock}", NASCAR_REFRESH_CRON="* * * * *"):
        for step in STEPS:
            set_clock(step)
            before = stamps(home)
            step.lands(week)
            wait_for_quiet(home, step.name, since=time.time() + SETTLE.total_seconds())
            found = runs(home)[seen:]
            assert names_of(found) == list(step.runs), step.name
            assert all(run.is_success for run in found), step.name
            for run in found:
                if run.job_name.startswith("__"):  # the graph follows at its own pace
                    assert {key.path[-1] for key in run.asset_selection or ()} <= GRAPH_TABLES
            written = {
                item for item in touched(home, before) if item.split("/")[0] not in GRAPH_TABLES
            }
            what_a_step_left(week, step, written, upload)
            path = home / "slates" / SLATE / "upload.csv"
            upload = path.read_bytes() if path.exists() else None
            seen += len(found)


GRAPH_TABLES = frozenset({"driver_values", "track_values", "veto_rules", "ontology_graph", "store"})
