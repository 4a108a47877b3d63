"""A slate at lock: notified once whether it knew what was known, and never overwritten after."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from nascar_assets.orchestration.automation.sensor_salaries import slate_weeks
from nascar_assets.orchestration.inputs.slate_plan import Registration, SlatePlan, plan_path
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.conftest import World
from nascar_assets_tests.orchestration.ticks import Ticker


def verdicts(ticker: Ticker, slate: str) -> list[tuple[bool, str]]:
    """What the locked slates' check said of a slate, oldest first."""
    records = ticker.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("slate"), "knows_what_was_known"), limit=50
    )
    found = []
    for record in reversed(records):
        assert record.event is not None
        event = record.event.dagster_event
        if event is not None and record.partition == slate:
            data = event.asset_check_evaluation_data
            found.append((data.passed, str(data.metadata["stale"].value)))
    return found


@pytest.fixture
def locked(world: World, home: Path, monkeypatch: pytest.MonkeyPatch) -> Ticker:
    """A home whose slate locked an hour ago."""
    root = DataRoot.open(home)
    lock = slate_weeks(root, [world.slate])[world.slate].lock
    plan = SlatePlan.load(root, world.slate)
    replace(plan, as_of=lock - timedelta(minutes=30)).save(root)
    after = lock + timedelta(hours=1)
    monkeypatch.setenv("NASCAR_CLOCK", f"{after.isoformat()} from {time.time():.3f} x 1")
    return Ticker(home)


def test_a_slate_is_judged_once_after_its_lock(world: World, locked: Ticker) -> None:
    before = len(verdicts(locked, world.slate))
    locked.tick("locked_slates")
    (verdict,) = verdicts(locked, world.slate)[before:]
    assert verdict == (True, "nothing")
    assert locked.skipped == f"Locked: {world.slate}."
    locked.tick("locked_slates")
    assert len(verdicts(locked, world.slate)) == before + 1


@pytest.mark.parametrize("lost", ["lineups", "upload"])
def test_a_slate_whose_newest_run_did_not_end_shows_as_such(
    lost: str, world: World, locked: Ticker
) -> None:
    root = DataRoot.open(locked.home)
    if lost == "lineups":  # of the run before
        replace(SlatePlan.load(root, world.slate), run_id="a newer one").save(root)
    else:
        (locked.home / "slates" / world.slate / "upload.csv").unlink()
    locked.tick("locked_slates")
    passed, stale = verdicts(locked, world.slate)[-1]
    assert not passed
    assert "did not come to its upload file" in stale


def test_a_slate_that_cannot_be_judged_hides_no_other(world: World, locked: Ticker) -> None:
    root = DataRoot.open(locked.home)
    known = Registration.load(root, world.slate)
    never_run = replace(known, slate_id="never-run")
    never_run.save(root, known.salaries(root))
    broken = replace(known, slate_id="a-broken-one")
    broken.save(root, known.salaries(root))
    root.write(plan_path("a-broken-one"), b"{")
    locked.tick("locked_slates")
    assert locked.skipped == f"Locked: {world.slate}, never-run."
    assert verdicts(locked, "never-run") == [(False, "• No run of it has come to its players.")]
    assert verdicts(locked, world.slate)[-1] == (True, "nothing")


def test_a_run_that_waited_until_after_lock_keeps_the_files_of_before(
    world: World, home: Path
) -> None:
    ticker = Ticker(home)
    root = DataRoot.open(home)
    lock = slate_weeks(root, [world.slate])[world.slate].lock
    files = [path for path in (home / "slates").rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    job = ticker.definitions.resolve_job_def("slate_job")
    for asked, begins in ((lock, False), (lock - timedelta(hours=2), True)):
        result = job.execute_in_process(
            instance=ticker.instance,
            partition_key=world.slate,
            run_config={"ops": {"slate_plan": {"config": {"as_of": asked.isoformat()}}}},
            tags={"nascar/at": asked.isoformat()},
            raise_on_error=False,
            op_selection=["slate_plan", "slate"],
        )
        assert result.success is begins
        if not begins:
            assert {path: path.read_bytes() for path in before} == before
    assert SlatePlan.load(root, world.slate).as_of < datetime.now(UTC)
