"""What the service relies on in Dagster's storage beyond its public interface."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.tags import API_JOB
from nascar_assets.service.contracts import JobStatus
from nascar_assets.service.jobs import API_ASSETS, resolved_job
from nascar_assets.service.run_log import STAGES, report_scenarios, stage_seconds
from nascar_assets.service.run_store import ATTEMPTS, SERVER, AlreadySubmitted, RunStore

NOW = datetime(2031, 3, 2, 19, 30, 0, 123_456, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    made = RunStore(open_instance(str(tmp_path)))
    made.without_compute_logs()
    made.register(resolved_job(Platform(home=str(tmp_path))))
    return made


def _submit(store, **tags):
    run_id = str(uuid.uuid4())
    store.submit(run_id, {"slate_id": "s", "client": "c"} | tags, NOW)
    return run_id


@pytest.mark.slow
def test_a_submitted_job_is_a_run_that_the_ui_can_draw(store):
    run_id = _submit(store)
    run = store.instance.get_run_by_id(run_id)
    assert (run.status, run.job_name) == (dg.DagsterRunStatus.NOT_STARTED, "api_optimize")
    assert run.tags["slate_id"] == "s"
    snapshot = store.instance.get_job_snapshot(run.job_snapshot_id)
    assert set(snapshot.node_names) == set(STAGES)
    assert {asset.key.path[-1] for asset in API_ASSETS} == set(STAGES)


@pytest.mark.slow
def test_an_id_is_taken_once(store):
    run_id = _submit(store)
    with pytest.raises(AlreadySubmitted):
        store.submit(run_id, {}, NOW)


@pytest.mark.slow
def test_many_workers_claim_each_job_once_the_oldest_first(store):
    ids = [_submit(store) for _ in range(20)]
    with ThreadPoolExecutor(6) as pool:
        claimed = list(pool.map(lambda i: store.claim(f"server-{i}").run_id, range(20)))
    assert sorted(claimed) == sorted(ids)
    assert store.claim("server") is None
    more = [_submit(store) for _ in range(5)]
    assert [store.claim("server").run_id for _ in range(5)] == more


@pytest.mark.slow
def test_a_claim_and_a_return_to_the_queue_are_in_the_runs_tags(store):
    run_id = _submit(store)
    job = store.claim("server-a")
    assert (job.status, job.tag(SERVER), job.tag(ATTEMPTS)) == (JobStatus.RUNNING, "server-a", "1")
    assert [found.run_id for found in store.in_flight()] == [run_id]
    later = _submit(store)
    assert store.requeue(job, "its worker is gone")
    assert not store.requeue(job, "a second time")
    again = store.claim("server-b")
    assert again.run_id == run_id  # at its old place, before what came later
    assert (again.tag(SERVER), again.attempts) == ("server-b", 2)
    found = store.instance.get_runs(dg.RunsFilter(tags={SERVER: "server-b"}))
    assert [run.run_id for run in found] == [run_id]
    assert store.claim("server-b").run_id == later


@pytest.mark.slow
@pytest.mark.parametrize("end", ["requeue", "fail", "end_cancelled"])
def test_the_slates_run_of_a_job_whose_worker_is_gone_ends_with_it(store, end):
    _submit(store)
    job = store.claim("server-a")
    begun = {"status": dg.DagsterRunStatus.STARTED, "job_name": "slate_job"}
    inner = dg.DagsterRun(**begun, tags={API_JOB: job.run_id})
    other = dg.DagsterRun(**begun, tags={API_JOB: "another job"})
    for run in (inner, other):
        store.instance.add_run(run)
    getattr(store, end)(job, *([] if end == "end_cancelled" else ["its worker is gone"]))
    found = [store.instance.get_run_by_id(run.run_id).status.value for run in (inner, other)]
    assert found == ["CANCELED", "STARTED"]


@pytest.mark.slow
def test_the_slates_run_of_a_job_that_was_taken_up_again_goes_on(store, monkeypatch):
    _submit(store)
    job = store.claim("server-a")
    healthy = dg.DagsterRun(
        job_name="slate_job", status=dg.DagsterRunStatus.STARTED, tags={API_JOB: job.run_id}
    )

    def taken_up(*_):  # at once, as another server does
        assert store.claim("server-b").run_id == job.run_id
        store.instance.add_run(healthy)

    monkeypatch.setattr(store.instance, "report_engine_event", taken_up)
    assert store.requeue(job, "its worker is gone")
    assert store.instance.get_run_by_id(healthy.run_id).status is dg.DagsterRunStatus.STARTED


@pytest.mark.slow
def test_a_server_that_was_away_does_not_end_what_another_has_taken_up(store):
    _submit(store)
    before = store.claim("server-a")
    assert store.requeue(before, "server-a is silent")
    taken = store.claim("server-b")
    assert not store.requeue(before, "its worker is gone")
    store.fail(before, "Its worker died.")
    store.end_cancelled(before)
    now = store.find(taken.run_id)
    assert (now.status, now.tag(SERVER), now.attempts) == (JobStatus.RUNNING, "server-b", 2)
    store.fail(taken, "Its worker died.")
    assert store.find(taken.run_id).status is JobStatus.FAILED


@pytest.mark.slow
def test_what_fails_inside_a_job_is_its_reason_in_plain_words(store, tmp_path):
    run_id = _submit(store)
    job = store.claim("server")
    assert not store.execute(resolved_job(Platform(home=str(tmp_path))), job)
    status = store.describe(store.find(run_id))
    assert status.status is JobStatus.FAILED
    assert status.error.startswith(f"api/{run_id}/request.json: There is no request for this run.")


@pytest.mark.slow
def test_a_waiting_job_is_cancelled_and_never_claimed(store):
    run_id = _submit(store)
    assert store.cancel(store.find(run_id)) is JobStatus.CANCELLED
    assert store.claim("server") is None
    status = store.describe(store.find(run_id))
    assert (status.status, status.error) == (JobStatus.CANCELLED, "Cancelled on request.")


@pytest.mark.slow
def test_a_job_that_is_cancelled_while_it_runs_stops_before_its_next_stage(store, tmp_path):
    run_id = _submit(store)
    job = store.claim("server")
    assert store.cancel(job) is JobStatus.RUNNING
    assert store.find(run_id).cancelling
    store.end_cancelled(store.find(run_id))
    assert store.find(run_id).status is JobStatus.CANCELLED


@pytest.mark.slow
def test_a_job_that_is_cancelled_between_claim_and_start_ends_cancelled(store, tmp_path):
    run_id = _submit(store)
    job = store.claim("server")
    store.cancel(job)
    assert not store.execute(resolved_job(Platform(home=str(tmp_path))), job)
    status = store.describe(store.find(run_id))
    assert (status.status, status.error) == (JobStatus.CANCELLED, "Cancelled on request.")


@pytest.mark.slow
def test_a_job_that_is_cancelled_at_the_moment_of_its_start_ends_cancelled(store, tmp_path):
    """The start of the run overwrites the status that asked it to stop."""
    run_id = _submit(store)
    job = store.claim("server")
    store.cancel(job)
    assert store.asked_to_stop(job)  # claimed before: its own status does not say so
    definition = resolved_job(Platform(home=str(tmp_path)))
    # The store would not start it any more; here it had looked a moment earlier.
    assert not execute_run(InMemoryJob(definition), job.run, store.instance).success
    status = store.describe(store.find(run_id))
    assert (status.status, status.error) == (JobStatus.CANCELLED, "Cancelled on request.")


@pytest.mark.slow
def test_a_job_ended_by_the_supervisor_says_why(store):
    run_id = _submit(store)
    store.fail(store.claim("server"), "it took too long")
    status = store.describe(store.find(run_id))
    assert (status.status, status.error) == (JobStatus.FAILED, "it took too long")


@pytest.mark.slow
def test_jobs_are_counted_by_client_and_status(store):
    for client in ("a", "a", "b"):
        _submit(store, client=client)
    store.claim("server")
    assert (store.count(JobStatus.PENDING), store.count(JobStatus.RUNNING)) == (2, 1)
    assert [store.unfinished(client) for client in ("a", "b", "c")] == [2, 1, 0]
    store.fail(store.in_flight()[0], "for this test")
    assert [store.unfinished(client) for client in ("a", "b", "c")] == [1, 1, 0]


@pytest.mark.slow
def test_a_job_is_read_again_only_where_it_moved_on(store):
    run_id = _submit(store)
    job = store.find(run_id)
    assert job.created_at == NOW
    assert store.refreshed(job) is job
    claimed = store.claim("server")
    moved = store.refreshed(job)
    assert (moved.status, moved.attempts) == (JobStatus.RUNNING, 1)
    assert store.refreshed(claimed) is claimed
    store.instance.delete_run(run_id)
    assert store.refreshed(claimed) is None


@pytest.mark.slow
def test_other_runs_of_the_platform_are_no_jobs(store):
    run_id = str(uuid.uuid4())
    store.instance.add_run(dg.DagsterRun(job_name="slate_job", run_id=run_id))
    assert store.find(run_id) is None
    assert store.claim("server") is None
    assert store.jobs() == []


@pytest.mark.slow
def test_a_server_says_that_it_lives(store):
    assert store.last_beat("server") is None
    store.beat("server", {"beat": 1.0})
    store.beat("server", {"beat": 2.0})
    assert store.last_beat("server") == {"beat": 2.0}
    store.ping()


@pytest.mark.slow
def test_scenarios_that_are_told_of_are_the_jobs_progress(store):
    run_id = _submit(store)
    run = store.claim("server").run
    assert store.describe(store.find(run_id)).progress == 0.0
    for done in (250, 4_000):
        report_scenarios(store.instance, run, done, 10_000)
    store.instance.report_engine_event("something else", run)
    status = store.describe(store.find(run_id))
    assert (status.stage, status.scenarios_done) == ("scenarios", 4_000)
    assert status.progress == pytest.approx(0.05 + 0.7 * 0.4)
    assert stage_seconds(store.instance, run_id) == {}
