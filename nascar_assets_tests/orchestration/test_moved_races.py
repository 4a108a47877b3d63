"""A race put off, struck from the schedule, or started without qualifying: what its slate does."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from nascar_assets.orchestration.automation.freshness import slate_staleness
from nascar_assets.orchestration.automation.sensor_salaries import slate_weeks
from nascar_assets.orchestration.inputs.past import known_entries
from nascar_assets.orchestration.inputs.registering import read_slate
from nascar_assets.orchestration.inputs.slate_plan import Registration
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.conftest import World
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Week:
    """The demo's slate in its week, the clock set by hand.

    Args:
        world: The demo.
        home: A copy of its home.
        patch: Sets the clock.
    """

    def __init__(self, world: World, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.slate, self.home, self._patch = world.slate, home, patch
        self.root, self.ticker = DataRoot.open(home), Ticker(home)
        self.race_id = Registration.load(self.root, self.slate).race_id
        (self.run,) = self.ticker.instance.get_runs(dg.RunsFilter(job_name="slate_job"))
        self.times = slate_weeks(self.root, [self.slate])[self.slate]

    def was_run(self, at: datetime) -> None:
        """The slate's newest run was made then."""
        self.ticker.instance.add_run_tags(self.run.run_id, {"nascar/at": at.isoformat()})

    def asked(self, at: datetime) -> list[str]:
        """Why the slate is run at a time, by the sensor and by the schedule."""
        self._patch.setenv("NASCAR_CLOCK", f"{at.isoformat()} from {time.time():.3f} x 1")
        requests = [*self.ticker.tick("landing_salaries"), *self.ticker.look_at_week()]
        assert {request.partition_key for request in requests} <= {self.slate}
        return [request.tags["nascar/why"] for request in requests]

    def schedule(self, rows: list[dict[str, Any]]) -> None:
        """Lands a schedule and has it read."""
        path = self.home / "landing/feed/cacher/2026/race_list_basic.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "series_1": rows}))
        settle_files(self.home)
        assert self.ticker.settle() == ["schedule_job range"]

    def rows(self) -> list[dict[str, Any]]:
        """The races of the landed schedule."""
        path = self.home / "landing/feed/cacher/2026/race_list_basic.json"
        return list(json.loads(path.read_text())["series_1"])


@pytest.fixture
def week(world: World, home: Path, monkeypatch: pytest.MonkeyPatch) -> Week:
    return Week(world, home, monkeypatch)


def put_off(row: dict[str, Any], by: timedelta) -> dict[str, Any]:
    """A race of the schedule at a later time; its qualifying was held."""
    dates = ("race_date", "date_scheduled", "tunein_date")
    later = {name: (datetime.fromisoformat(row[name]) + by).isoformat() for name in dates}
    return {**row, **later}


def test_a_slate_that_had_locked_is_open_again_when_its_race_is_put_off(week: Week) -> None:
    lock = week.times.lock
    week.was_run(lock - HOUR)
    before = {path: path.read_bytes() for path in (week.home / "slates").rglob("*.csv")}
    assert week.asked(lock + HOUR) == []
    week.schedule(
        [put_off(row, DAY) if str(row["race_id"]) == week.race_id else row for row in week.rows()]
    )
    now = slate_weeks(week.root, [week.slate])[week.slate]  # the same key
    assert now.lock == lock + DAY
    assert week.asked(lock + HOUR) == []  # nothing new is known yet
    assert week.asked(now.lock - HOUR + timedelta(minutes=1)) == ["lock"]
    assert week.asked(now.lock) == []
    assert {path: path.read_bytes() for path in before} == before
    salaries = Registration.load(week.root, week.slate).salaries(week.root)
    corrected = salaries + b"\n"
    registration, _ = read_slate(week.root, corrected, "salaries.csv", week.race_id, lock - HOUR)
    assert registration.slate_id == week.slate  # not a second slate of the new day


def test_a_race_that_is_struck_after_qualifying_runs_nothing_and_keeps_what_there_is(
    week: Week,
) -> None:
    lock = week.times.lock
    week.was_run(week.times.qualifying_at)
    rows = week.rows()
    kept = {path: path.read_bytes() for path in (week.home / "slates").rglob("*") if path.is_file()}
    week.schedule([row for row in rows if str(row["race_id"]) != week.race_id])
    assert week.asked(lock - HOUR + timedelta(minutes=1)) == []
    assert week.ticker.tick("landing_feed") == []
    assert "waits for a schedule that has it" in week.ticker.skipped
    (line,) = slate_staleness(week.root, week.slate, lock, datetime.now(UTC))
    assert line == "The schedule no longer has its race."
    week.schedule(rows)  # and back again, as if nothing had been
    assert week.asked(lock - HOUR + timedelta(minutes=1)) == ["lock"]
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_grid_by_rule_counts_where_qualifying_was_cancelled(week: Week) -> None:
    known_at = week.times.qualifying_at
    path = next(
        (week.home / "landing/feed").glob(f"cacher/2026/*/{week.race_id}/weekend-feed.json")
    )
    feed = json.loads(path.read_text())
    results = feed["weekend_race"][0]["results"]
    for place, row in enumerate(results, start=1):
        row |= {"starting_position": place, "qualifying_position": 0, "qualifying_speed": 0}
    path.write_text(json.dumps(feed))
    settle_files(week.home)
    week.was_run(known_at - DAY)
    key = Registration.load(week.root, week.slate).race_key
    assert week.ticker.settle()[0] == f"race_job {key}"
    early = known_entries(week.root, key, known_at - timedelta(minutes=1))
    late = known_entries(week.root, key, known_at)
    assert early is not None
    assert late is not None
    assert early["start"].null_count() == early.height
    assert sorted(late["start"]) == list(range(1, len(results) + 1))
    assert late["qualifying_position"].null_count() == late.height
    assert week.asked(known_at + timedelta(minutes=1)) == ["qualifying"]
