"""A job that failed says in words why, and what to do, not Dagster's account of it."""

import json
import uuid
from datetime import UTC, datetime

import dagster as dg
import pytest
from fastapi.testclient import TestClient

from nascar_assets.service.app import create_app
from nascar_assets.service.contracts import JobStatus, OptimizationStatus
from nascar_assets.service.problems import ended_without
from nascar_assets.service.run_log import reason_of
from nascar_assets.service.run_store import CLIENT
from nascar_assets.service.slate_contracts import RaceChoice, SlateProblem
from nascar_assets.service.slate_jobs import problem_path


def failed(error):
    @dg.op
    def fails():
        raise error

    @dg.job
    def job():
        fails()

    instance = dg.DagsterInstance.ephemeral()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    done = job.execute_in_process(instance=instance, raise_on_error=False, run_config=quiet)
    return reason_of(instance, done.run_id)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (dg.Failure("The disk is full.", allow_retries=False), "The disk is full."),
        (ZeroDivisionError("no lap"), "It failed by a fault of the program: "
         "ZeroDivisionError: no lap"),
    ],
)  # fmt: skip
def test_the_reason_is_the_faults_own_words(error, said):
    assert failed(error) == said


def test_what_to_do_comes_with_it():
    status = OptimizationStatus(
        run_id="0f", status=JobStatus.FAILED, progress=0.2, error="The disk is full."
    )
    problem = ended_without(status).problem
    assert (problem.code, problem.message) == ("JOB_FAILED", "The disk is full.")
    assert "Send it again" in problem.remedy
    assert "0f" in problem.remedy
    gone = ended_without(status.model_copy(update={"status": JobStatus.CANCELLED})).problem
    assert gone.remedy is None


def test_the_races_that_a_file_may_be_for_come_with_the_refusal(tmp_path):
    app = create_app(str(tmp_path))
    service, run_id = app.state.service, str(uuid.uuid4())
    now = datetime(2026, 3, 1, 20, tzinfo=UTC)
    race = RaceChoice(race_key="2026-cup-03", race_name="R", track_name="T", start_time=now)
    problem = SlateProblem(code="RACE_AMBIGUOUS", message="Two.", races=(race,), run_id=run_id)
    content = json.dumps({"status": 409, "problem": problem.model_dump(mode="json")})
    service.platform.root.write(problem_path(run_id), content.encode())
    stored = service.store.submit(run_id, {CLIENT: "c"}, now, name="api_slate")
    service.store.instance.report_run_failed(stored.run)
    client = TestClient(app, "http://localhost", raise_server_exceptions=False)
    answer = client.get(f"/api/v1/jobs/{run_id}/result")
    assert answer.status_code == 409
    assert SlateProblem.model_validate_json(answer.content) == problem
