"""A job that failed says in words why, and what to do, not Dagster's account of it."""

import json
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace

import dagster as dg
import pytest
from fastapi.testclient import TestClient

from nascar_assets.errors import InputError
from nascar_assets.orchestration.assets.slate import resolve_as_of
from nascar_assets.service.app import create_app
from nascar_assets.service.contracts import (
    JobStatus,
    OptimizationStatus,
    in_words_of_the_api,
)
from nascar_assets.service.jobs import request_path
from nascar_assets.service.problems import ended_without, of_input_error
from nascar_assets.service.run_log import reason_of
from nascar_assets.service.run_store import CLIENT
from nascar_assets.service.slate_contracts import RaceChoice, SlateProblem, SlateRunResult
from nascar_assets.service.slate_jobs import _answering, file_path, problem_path
from nascar_assets.storage import DataRoot


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


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """The application, asked without a socket; its workers are not started."""
    app = create_app(str(tmp_path_factory.mktemp("home")))
    return TestClient(app, "http://localhost", raise_server_exceptions=False)


@pytest.mark.slow
def test_the_races_that_a_file_may_be_for_come_with_the_refusal(client):
    service, run_id = client.app.state.service, str(uuid.uuid4())
    now = datetime(2026, 3, 1, 20, tzinfo=UTC)
    race = RaceChoice(race_key="2026-cup-03", race_name="R", track_name="T", start_time=now)
    problem = SlateProblem(code="RACE_AMBIGUOUS", message="Two.", races=(race,), run_id=run_id)
    content = json.dumps({"status": 409, "problem": problem.model_dump(mode="json")})
    service.platform.root.write(problem_path(run_id), content.encode())
    stored = service.store.submit(run_id, {CLIENT: "c"}, now, name="api_slate")
    service.store.instance.report_run_failed(stored.run)
    answer = client.get(f"/api/v1/jobs/{run_id}/result")
    assert answer.status_code == 409
    assert SlateProblem.model_validate_json(answer.content) == problem


@pytest.mark.slow
def test_a_filled_entries_file_is_called_after_the_one_that_was_sent(client):
    service, run_id = client.app.state.service, str(uuid.uuid4())
    root = service.platform.root
    root.write(request_path(run_id), b'{"slate": "s", "filename": "FDEntries.csv"}')
    root.write(file_path(run_id), b"filled")
    service.store.submit(run_id, {CLIENT: "c"}, datetime.now(UTC), name="api_entries")
    done = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "api_entries")
    service.store.instance.report_dagster_event(done, run_id)
    answer = client.get(f"/api/v1/jobs/{run_id}/file.csv")
    assert answer.content == b"filled"
    named = answer.headers["Content-Disposition"]
    assert named == 'attachment; filename="FDEntries-filled.csv"'


def test_a_fault_of_a_slates_request_has_the_requests_own_field(tmp_path):
    root = DataRoot.open(tmp_path)
    order = SimpleNamespace(root=root, run_id="r", request={"as_of": "2026-13-45"})
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with pytest.raises(InputError), _answering(order):
        resolve_as_of("2026-13-45", now, now)
    assert json.loads(root.read(problem_path("r")))["problem"]["field"] == "as_of"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Build more (--contest).", "Build more (contest)."),
        ("--as-of", "as_of"),
        ("field DRIVER: 'Al' is nobody.", "field driver: 'Al' is nobody."),
        ("my--file.csv", "my--file.csv"),
        ("Say --odds american.", "Say odds=american."),
        (
            "nascar ontology veto X RULE --lift, or --as-of",
            "nascar ontology veto X RULE --lift, or as_of",
        ),
    ],
)
def test_options_of_the_command_line_are_the_requests_parameters(said, words):
    assert in_words_of_the_api(said) == words
    assert SlateRunResult(slate="s", run_id="r", notices=(said,)).notices == (words,)
    status = OptimizationStatus(run_id="r", status=JobStatus.FAILED, progress=0, error=said)
    assert ended_without(status).problem.message == status.error == words
    refused = of_input_error(InputError(said, field="--race", remedy=said)).problem
    assert (refused.message, refused.field, refused.remedy) == (words, "race", words)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("races/%00/live", "RACE_UNKNOWN"),
        ("slates/%00", "SLATE_UNKNOWN"),
        (f"slates/2026-03-15-cup-dk-classic/drivers/{'x' * 201}", "DRIVER_UNKNOWN"),
        (f"slates/2026-03-15-cup-dk-classic/views/{'x' * 101}", "VIEW_UNKNOWN"),
        (f"jobs/{'x' * 201}", "JOB_UNKNOWN"),
    ],
)
def test_what_no_path_may_hold_is_unknown_by_its_own_name(path, code, client):
    answer = client.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert answer.json()["field"] in ("race", "slate", "driver", "view", "run_id")


@pytest.mark.parametrize("as_of", ["yesterday", "2026-02-14T12:00:00", "2026-13-45"])
def test_an_as_of_that_is_no_time_is_refused_at_once(as_of, client):
    answer = client.post("/api/v1/slates", params={"as_of": as_of}, content=b"Name,Salary\n")
    assert answer.status_code == 422
    assert (answer.json()["field"], answer.json()["run_id"]) == ("as_of", None)
