"""A Neo4j server that goes away: 503 for what needs it, and nothing else changes."""

from __future__ import annotations

import time

import pytest

from nascar_assets.constraints import ConstraintSpec, TrackConstraints
from nascar_assets.ontology import load_state
from nascar_assets.storage import DataRoot
from nascar_assets_tests.constraints.made_up import LOCK, driver
from nascar_assets_tests.constraints.test_agreement import graph_of
from nascar_assets_tests.ontology.neo4j_server import USER, neo4j_server
from nascar_assets_tests.service.conftest import request_body
from nascar_assets_tests.service.stored import SLATE_ID, car_id, write_slate

__all__ = ["neo4j_server"]
pytestmark = [pytest.mark.neo4j, pytest.mark.faults]

TRACK = "105"


def _unknown_slate() -> dict:
    body = request_body(n_scenarios=50)
    body["scenario_config"]["track_id"] = TRACK
    return body


def _known_slate() -> dict:
    body = request_body(n_scenarios=50, slate_id=SLATE_ID)
    for place, one in enumerate(body["drivers"]):
        one |= {"driver_id": car_id(place), "name": None}
    body["scenario_config"] = {"track_id": "903", "n_scenarios": 50}
    return body


def _until_ready(server, ready: bool) -> dict:
    end = time.monotonic() + 60
    while True:
        answer = server.http.get("/ready")
        if answer.json()["ready"] is ready:
            assert answer.status_code == (200 if ready else 503)
            return answer.json()
        assert time.monotonic() < end, answer.text
        time.sleep(0.2)


def _refused(server) -> None:
    begun = time.monotonic()
    answer = server.post(_unknown_slate())
    assert time.monotonic() - begun < 15
    assert (answer.status_code, answer.json()["code"]) == (503, "GRAPH_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0
    found = _until_ready(server, False)
    assert "graph does not answer" in found["graph"]
    assert (found["storage"], found["workers"]) == ("ok", "ok")
    assert server.http.get("/health").status_code == 200


def test_a_graph_server_that_is_down_comes_back_and_hangs(make_server, neo4j_server):
    neo4j_server.clear()
    engine = neo4j_server.engine()
    drivers = [driver("driver-0", "not-in-lineups"), driver("driver-1")]
    tracks = [TrackConstraints(track, 0.5, 0.5, 0.5) for track in ("9", TRACK)]
    load_state(engine, graph_of(ConstraintSpec("any", LOCK, drivers, tracks)))
    engine.close()
    server = make_server(
        workers=1,
        NASCAR_GRAPH=neo4j_server.address,
        NASCAR_GRAPH_USER=USER,
        NASCAR_GRAPH_PASSWORD=neo4j_server.password,
    )
    write_slate(DataRoot(server.home))
    neo4j_server.stop()
    try:
        # A service that starts while the graph is down comes up all the same.
        server.start(ready=False)
        end = time.monotonic() + 120
        while server.http.get("/ready").json()["workers"] != "ok":
            assert time.monotonic() < end
            time.sleep(0.2)
        _refused(server)
        # What was compiled needs no graph.
        known = server.result(server.submit(_known_slate()))
        assert len(known["lineup"]) == 6
    finally:
        neo4j_server.start()
    _until_ready(server, True)
    first = server.result(server.submit(_unknown_slate()))
    # The graph's own track and the veto that it holds were used.
    assert not any("graph knows nothing" in notice for notice in first["notices"])
    assert "driver-0" not in {one["driver_id"] for one in first["lineup"]}
    neo4j_server.signal("SIGSTOP")
    try:
        _refused(server)
        assert server.status(first["run_id"])["status"] == "completed"
    finally:
        neo4j_server.signal("SIGCONT")
    _until_ready(server, True)
    assert server.result(server.submit(_unknown_slate()))["lineups"] == first["lineups"]
    assert neo4j_server.password not in server.log.read_text()
