"""The same service with Dagster's storage in a real PostgreSQL server."""

from __future__ import annotations

import time

import pytest

from nascar_assets_tests.service.conftest import request_body
from nascar_assets_tests.service.records import new_database

pytestmark = pytest.mark.faults


def test_jobs_live_in_postgres_survive_a_kill_and_its_going_away(make_server, postgres):
    server = make_server(workers=1, NASCAR_STORAGE=new_database(postgres.url)).start()
    body = request_body(n_scenarios=50)
    first = server.result(server.submit(body))
    assert "NASCAR_STORAGE\n" not in (server.home / "dagster" / "dagster.yaml").read_text()
    assert not list((server.home / "dagster").rglob("runs.db"))
    run_id = server.submit(request_body(drivers=30, n_scenarios=5_000))
    server.kill()
    server.start()
    assert server.ended(run_id)["status"] == "completed"
    # PostgreSQL goes away: 503, and recovery without a restart.
    postgres("halt")
    answer = server.post(body)
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"]
    assert server.http.get("/ready").status_code == 503
    assert server.http.get("/health").status_code == 200
    postgres("resume")
    end = time.monotonic() + 60
    while server.http.get("/ready").status_code != 200:
        assert time.monotonic() < end, server.log.read_text()[-3000:]
        time.sleep(0.2)
    assert server.result(server.submit(body))["lineups"] == first["lineups"]
