"""The routes over a real server with a real worker."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from nascar_assets.service.stored_slates import StoredSlates
from nascar_assets.storage import DataRoot
from nascar_assets_tests.service.conftest import request_body
from nascar_assets_tests.service.stored import CALIBRATION, CARS, SLATE_ID, slate_request

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_a_request_becomes_a_job_and_the_job_a_result(server):
    answer = server.post(request_body())
    assert answer.status_code == 200
    job = answer.json()
    assert (job["status"], job["progress"], job["error"]) == ("pending", 0.0, None)
    assert answer.headers["Location"] == f"/api/v1/optimize/{job['run_id']}/status"
    status = server.ended(job["run_id"])
    assert (status["status"], status["progress"], status["error"]) == ("completed", 1.0, None)
    assert status["created_at"] == job["created_at"]
    result = server.result(job["run_id"])
    assert result["run_id"] == job["run_id"]
    assert len({driver["driver_id"] for driver in result["lineup"]}) == 6
    assert result["total_salary"] == sum(driver["salary"] for driver in result["lineup"]) <= 50_000
    points = sum(driver["projected_points"] for driver in result["lineup"])
    assert result["total_projected_points"] == pytest.approx(points, abs=1e-5)
    assert {driver["position"] for driver in result["lineup"]} == {"D"}
    found = result["scenario_diagnostics"]
    assert (found["n_scenarios_generated"], found["n_valid"], found["rejection_rate"]) == (
        100,
        100,
        0,
    )
    assert sum(found["regime_frequencies"].values()) == pytest.approx(1)
    assert found["conservation"]
    assert all((law["checked"], law["broken"]) == (100, 0) for law in found["conservation"])
    assert found["calibration_metrics"] is None
    assert "history" in found["calibration_reason"]
    assert result["run_config"]["constraint_spec_hash"] == result["constraint_spec_hash"]
    assert result["run_config"]["random_seed"] == 7


def _essence(result):
    diagnostics = result["scenario_diagnostics"]
    return result["lineups"], result["constraint_spec_hash"], diagnostics


def test_the_same_request_with_the_same_seed_gives_the_same_lineup(server):
    first, second = (server.result(server.submit(request_body(seed=11))) for _ in range(2))
    assert first["run_id"] != second["run_id"]
    assert _essence(first) == _essence(second)
    other = server.result(server.submit(request_body(seed=12)))
    assert _essence(other) != _essence(first)


def test_a_run_config_repeats_a_run_by_its_id_and_as_a_whole(server):
    first = server.result(server.submit(request_body(seed=None, n_scenarios=50)))
    for config in (first["run_id"], first["run_config"]):
        # Seed and number of scenarios come from the run config, whatever the request says.
        again = request_body(seed=99, n_scenarios=200, run_config=config)
        assert _essence(server.result(server.submit(again))) == _essence(first)
    unknown_here = {**first["run_config"], "run_id": "elsewhere", "checksum": None}
    again = request_body(seed=99, run_config=unknown_here)
    assert _essence(server.result(server.submit(again))) == _essence(first)


def test_a_run_config_of_other_drivers_or_a_changed_one_is_refused(server):
    first = server.result(server.submit(request_body()))
    body = request_body(run_config=first["run_id"])
    body["drivers"][0]["skill"] = 0.1
    answer = server.post(body)
    assert (answer.status_code, answer.json()["code"]) == (422, "RUN_CONFIG_MISMATCH")
    changed = {**first["run_config"], "random_seed": 8}
    answer = server.post(request_body(run_config=changed))
    assert (answer.status_code, answer.json()["code"]) == (422, "RUN_CONFIG_CHANGED")
    other = {**first["run_config"], "run_id": "x", "constraint_spec_hash": "0" * 64}
    answer = server.post(request_body(run_config={**other, "checksum": None}))
    assert (answer.status_code, answer.json()["code"]) == (422, "RUN_CONFIG_MISMATCH")
    fitted_anew = {**first["run_config"], "run_id": "x", "checksum": None}
    fitted_anew["sim_params"] |= {"parameters_hash": "0" * 64}
    problem = server.post(request_body(run_config=fitted_anew)).json()
    assert problem["code"] == "RUN_CONFIG_MISMATCH"
    assert problem["field"] == "run_config.sim_params.parameters_hash"
    for unknown in ("run-0123456789abcdef", UNKNOWN, "../../etc/passwd"):
        answer = server.post(request_body(run_config=unknown))
        assert (answer.status_code, answer.json()["code"]) == (422, "RUN_CONFIG_UNKNOWN")


def test_a_known_slate_is_computed_with_what_its_own_run_left(server):
    result = server.result(server.submit(slate_request()))
    found = result["scenario_diagnostics"]
    assert found["calibration_metrics"] == CALIBRATION | {"races": 30}
    assert result["run_config"]["sim_params"]["field_size"] == CARS
    # The RunConfig of the slate's own run: the graph's values, its seed, its scenarios.
    own = StoredSlates(DataRoot(server.home)).get(SLATE_ID)
    stored = json.loads(own.run_config)
    body = slate_request(random_seed=77)
    for driver in body["drivers"]:
        driver["skill"] = 0.5
    again = server.result(server.submit(body | {"run_config": stored}))
    assert again["lineups"] == result["lineups"]
    body["run_config"] = stored | {"random_seed": 6}
    assert server.post(body).json()["code"] == "RUN_CONFIG_CHANGED"


def test_a_seed_of_zero_is_stored_as_two_to_the_thirty_second(server):
    result = server.result(server.submit(request_body(seed=0)))
    assert result["run_config"]["random_seed"] == 2**32


def test_a_portfolio_gives_several_lineups_within_its_settings(server):
    settings = {
        "lineups": 5,
        "max_shared": 4,
        "drivers": {"Driver 0": {"max_exposure": 0.4}, "driver-9": {"exclude": True}},
    }
    result = server.result(server.submit(request_body(drivers=12, portfolio=settings)))
    lineups = [frozenset(d["driver_id"] for d in lineup["drivers"]) for lineup in result["lineups"]]
    assert len(set(lineups)) == 5
    assert max(len(a & b) for a in lineups for b in lineups if a != b) <= 4
    assert sum("driver-0" in lineup for lineup in lineups) <= 2
    assert not any("driver-9" in lineup for lineup in lineups)
    assert result["lineup"] == result["lineups"][0]["drivers"]


def test_bounds_on_laps_led_reject_scenarios_and_are_counted(server):
    body = request_body(n_scenarios=200)
    body["drivers"][0]["max_laps_led"] = 20
    found = server.result(server.submit(body))["scenario_diagnostics"]
    assert found["n_valid"] == 200
    assert found["n_scenarios_generated"] > 200
    rejected = found["n_scenarios_generated"] - found["n_valid"]
    assert found["rejection_rate"] == pytest.approx(rejected / found["n_scenarios_generated"])


def test_vetoes_that_reject_too_much_fail_the_job_with_the_reason(server):
    body = request_body()
    body["drivers"][9]["min_laps_led"] = 59
    run_id = server.submit(body)
    status = server.ended(run_id)
    assert status["status"] == "failed"
    assert "reject" in status["error"]
    assert "Traceback" not in status["error"]
    answer = server.http.get(f"/api/v1/optimize/{run_id}/result")
    assert answer.status_code == 409
    assert answer.json()["message"] == status["error"]


def test_the_result_of_a_job_that_runs_is_202(server):
    run_id = server.submit(request_body(n_scenarios=10_000))
    answer = server.http.get(f"/api/v1/optimize/{run_id}/result")
    assert answer.status_code == 202
    assert answer.json()["status"] in ("pending", "running")
    server.http.delete(f"/api/v1/optimize/{run_id}")


@pytest.mark.parametrize(
    "run_id", [UNKNOWN, "x", "x" * 5_000, "..%2f..%2fetc%2fpasswd", "%00", "%F0%9F%8F%81"]
)
def test_an_unknown_id_is_404(server, run_id):
    for answer in (
        server.http.get(f"/api/v1/optimize/{run_id}/status"),
        server.http.get(f"/api/v1/optimize/{run_id}/result"),
        server.http.delete(f"/api/v1/optimize/{run_id}"),
    ):
        assert answer.status_code == 404
        assert set(answer.json()) == {"code", "message", "field", "remedy", "run_id"}


def test_progress_only_ever_grows_and_counts_the_scenarios(server):
    body = request_body(drivers=50, n_scenarios=10_000)
    body["scenario_config"]["race_length"] = 500
    run_id = server.submit(body)
    seen = []
    while True:
        seen.append(server.status(run_id))
        if seen[-1]["status"] == "completed":
            break
        time.sleep(0.02)
    progress = [status["progress"] for status in seen]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    assert "scenarios" in {status["stage"] for status in seen}
    done = [status["scenarios_done"] for status in seen if status["scenarios_done"] is not None]
    assert done == sorted(done)
    assert len(set(done)) > 1
    assert all(0 < count <= 10_000 for count in done)
    counted = next(status for status in seen if status["scenarios_done"] is not None)
    assert counted["progress"] == pytest.approx(0.05 + 0.7 * counted["scenarios_done"] / 10_000)


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_soon(server):
    long = [server.submit(request_body(drivers=40, n_scenarios=10_000)) for _ in range(3)]
    waiting = server.http.delete(f"/api/v1/optimize/{long[2]}")
    assert waiting.status_code == 200
    assert waiting.json()["status"] == "cancelled"
    while server.status(long[0])["status"] == "pending":
        time.sleep(0.02)
    running = server.http.delete(f"/api/v1/optimize/{long[0]}")
    assert running.status_code == 200
    assert server.ended(long[0])["status"] == "cancelled"
    assert server.http.get(f"/api/v1/optimize/{long[0]}/result").status_code == 409
    assert server.http.delete(f"/api/v1/optimize/{long[0]}").status_code == 200
    assert server.ended(long[1])["status"] == "completed"
    again = server.http.delete(f"/api/v1/optimize/{long[1]}")
    assert (again.status_code, again.json()["code"]) == (409, "JOB_FINISHED")


def test_jobs_are_listed_by_slate_and_status_page_by_page(server):
    slate = f"listed-{uuid.uuid4()}"
    ids = [server.submit(request_body(slate_id=slate, n_scenarios=10)) for _ in range(5)]
    for run_id in ids:
        server.ended(run_id)
    seen, cursor = [], None
    while True:
        query = {"slate_id": slate, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = server.http.get("/api/v1/optimize", params=query).json()
        seen += [job["run_id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]
    failed = {"slate_id": slate, "status": "failed"}
    assert server.http.get("/api/v1/optimize", params=failed).json()["jobs"] == []
    answer = server.http.get("/api/v1/optimize", params={"cursor": "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "CURSOR_UNKNOWN")


def test_the_same_idempotency_key_and_body_give_the_same_job(server):
    key = str(uuid.uuid4())
    headers = {"Idempotency-Key": key}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.post(request_body(), **headers), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    server.ended(answers[0].json()["run_id"])
    assert server.post(request_body(), **headers).json()["status"] == "completed"
    other = server.post(request_body(seed=8), **headers)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_many_jobs_at_once_all_complete_each_with_its_own_status(server):
    with ThreadPoolExecutor(8) as pool:
        bodies = [request_body(seed=seed, n_scenarios=20) for seed in range(1, 17)]
        ids = list(pool.map(server.submit, bodies))
    assert len(set(ids)) == 16
    results = [server.result(run_id) for run_id in ids]
    seeds = [result["run_config"]["random_seed"] for result in results]
    assert seeds == list(range(1, 17))


def test_the_pages_and_the_document_are_there(server):
    document = server.http.get("/openapi.json").json()
    assert document["paths"]["/api/v1/optimize"]["post"]["tags"] == ["optimization"]
    for page in ("/docs", "/api/v1/docs"):
        answer = server.http.get(page)
        assert answer.status_code == 200
        assert "/docs/start.js" in answer.text
    assert "/openapi.json" in server.http.get("/docs/start.js").text
    assert server.http.get("/health").json() == {"status": "ok"}
    ready = server.http.get("/ready")
    assert ready.json() == {"ready": True, "graph": "ok", "storage": "ok", "workers": "ok"}


def test_metrics_count_requests_and_jobs_by_stage(server):
    server.result(server.submit(request_body()))
    text = server.http.get("/metrics").text
    assert 'nascar_api_requests_total{method="POST",route="/api/v1/optimize",status="200"}' in text
    for stage in ("request", "scenarios", "lineups", "result"):
        assert f'nascar_api_stage_seconds_count{{stage="{stage}"}}' in text
    assert "nascar_api_workers 1.0" in text
