"""What is kept of jobs and what is not: by age, by number, and never what a refusal left behind."""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage import sqlite_storage
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.service.contracts import OptimizeRequest
from nascar_assets.service.jobs import job_folder, request_path, resolved_job
from nascar_assets.service.optimizer import Optimizer
from nascar_assets.service.retention import ORPHAN_AGE, Retention
from nascar_assets.service.run_store import WEBHOOK, RunStore
from nascar_assets.service.settings import ServiceSettings
from nascar_assets_tests.service.conftest import request_body


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def store(home):
    made = RunStore(open_instance(str(home)))
    made.register(resolved_job(Platform(home=str(home))))
    return made


def _ended(store, root, client, **tags) -> str:
    run_id = str(uuid.uuid4())
    root.write(request_path(run_id), b"{}")
    store.submit(run_id, {"slate_id": "s", "client": client} | tags, datetime.now(UTC))
    store.fail(store.find(run_id), "for this test")
    return run_id


def _sweep(store, root, now=None, **settings) -> int:
    forgot = []
    retention = Retention(store, root, ServiceSettings(**settings), lambda: forgot.append(1))
    retention.sweep(now or datetime.now(UTC))
    return len(forgot)


@pytest.mark.slow
def test_the_newest_jobs_of_each_client_are_kept_and_none_for_ever(store, home):
    root = Platform(home=str(home)).root
    many = [_ended(store, root, "a") for _ in range(6)]
    few = [_ended(store, root, "b") for _ in range(2)]
    due = _ended(store, root, "c", **{WEBHOOK: "pending"})
    waiting = str(uuid.uuid4())
    root.write(request_path(waiting), b"{}")
    store.submit(waiting, {"client": "a"}, datetime.now(UTC))
    assert _sweep(store, root, keep_jobs=3) >= 1
    assert [store.find(run_id) is not None for run_id in many] == [False] * 3 + [True] * 3
    assert [root.exists(request_path(run_id)) for run_id in many] == [False] * 3 + [True] * 3
    assert not (home / job_folder(many[0])).exists()
    assert all(store.find(run_id) for run_id in (*few, due, waiting))
    assert store.instance.get_records_for_run(many[0]).records == []
    assert _sweep(store, root, keep_jobs=3) == 0
    late = datetime.now(UTC) + timedelta(days=8)
    _sweep(store, root, late, keep_days=7.0)
    assert [store.find(run_id) for run_id in (*many, *few)] == [None] * 8
    assert store.find(waiting)  # one that has not ended is never too old
    assert store.find(due)  # its delivery has not ended


@pytest.mark.slow
def test_files_that_no_job_owns_go_when_they_are_old(store, home):
    root = Platform(home=str(home)).root
    kept = _ended(store, root, "a")
    old, fresh = str(uuid.uuid4()), str(uuid.uuid4())
    for run_id in (old, fresh):
        root.write(request_path(run_id), b"{}")
    root.write("api/.ready", b"")
    past = time.time() - ORPHAN_AGE.total_seconds() - 60
    for run_id in (old, kept):
        os.utime(home / request_path(run_id), (past, past))
    _sweep(store, root)
    assert not (home / job_folder(old)).exists()
    assert root.exists(request_path(fresh))  # its POST may be in hand at this moment
    assert root.exists(request_path(kept))
    assert root.exists("api/.ready")


@pytest.mark.slow
def test_a_request_that_the_storage_does_not_take_leaves_no_file(home):
    sqlite_storage.wait_at_most(0.2)
    try:
        platform = Platform(home=str(home))
        store = RunStore(open_instance(str(home)))
        store.register(resolved_job(platform))

        def nothing(*_):
            pass

        optimizer = Optimizer(
            store, platform, ServiceSettings(), wake=nothing, stop_job=nothing, ended=nothing
        )
        request = OptimizeRequest.model_validate(request_body(n_scenarios=10))
        database = next((home / "dagster").rglob("runs.db"))
        with sqlite3.connect(database, isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            for key in (None, None, "monday", "monday"):
                with pytest.raises(Exception, match="locked"):
                    optimizer.submit(request, client="a", key=key)
            other.execute("ROLLBACK")
        assert [path for path in (home / "api").rglob("*") if path.is_file()] == []
        first = optimizer.submit(request, client="a", key="monday")
        assert optimizer.submit(request, client="a", key="monday").run_id == first.run_id
        assert platform.root.exists(request_path(first.run_id))
    finally:
        sqlite_storage.wait_at_most(60.0)
