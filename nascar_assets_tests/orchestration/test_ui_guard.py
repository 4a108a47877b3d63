"""The guard before Dagster's UI: hosts, origins, mutations, addresses in a run's configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from nascar_assets.cli.app import run

DELETE = 'mutation { deletePipelineRun(runId: "none") { __typename } }'
LAUNCH = """mutation($run: ExecutionParams!) { launchRun(executionParams: $run) {
    __typename ... on RunConfigValidationInvalid { errors { message } } } }"""


def scope(method: str = "GET", **headers: str) -> dict[str, Any]:
    given = {"host": "localhost:3000", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return {
        "type": "websocket" if method == "WS" else "http",
        "method": method,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
    }


JSON = {"content_type": "application/json"}
PAGE = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
IMAGE = {"sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        scope(),
        scope("HEAD", host="127.0.0.1"),
        scope(host="[::1]:3000"),
        scope("WS", origin="http://localhost:3000"),
        scope("POST", origin="http://localhost:3000", sec_fetch_site="same-origin", **JSON),
        scope("POST", content_type="application/json; charset=utf-8"),  # no browser
        scope(sec_fetch_site="cross-site", **PAGE),  # a link in a mail
        scope(sec_fetch_site="none", **PAGE),
        scope(host="ui.example"),
    ],
)
def test_the_servers_own_pages_and_programs_pass(asked: dict[str, Any]) -> None:
    from nascar_assets.orchestration.commands.host_names import known_hosts
    from nascar_assets.orchestration.commands.ui_server import refusal

    assert (
        refusal(asked, known_hosts("127.0.0.1", {"NASCAR_UI_HOSTS": "UI.example:8443, "})) is None
    )


@pytest.mark.parametrize("name", ["https://ui.example", "ui.example/", "*.ui.example", "a b"])
def test_a_name_that_matches_nothing_stops_the_ui(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NASCAR_UI_HOSTS", f"ui.example,{name}")
    assert run(["ui", "--home", str(tmp_path / "home")]) == 2
    assert "NASCAR_UI_HOSTS" in capfd.readouterr().err
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (scope(host="evil.example"), 421),  # DNS made to point at this machine
        (scope(host="localhost.evil.example:3000"), 421),
        (scope(host="localhost:3000@evil.example"), 421),
        (scope(host="127.0.0.1, evil.example"), 421),
        (scope(host="0.0.0.0:3000"), 421),
        (scope(host=""), 421),
        ({**scope(), "headers": []}, 421),
        ({**scope(), "headers": [(b"Host", b"localhost"), (b"host", b"evil.example")]}, 421),
        (scope("WS", host="evil.example"), 421),
        (scope("WS", origin="http://evil.example"), 403),
        (scope("WS", origin="http://localhost:8000"), 403),  # another server of this machine
        (scope("POST", origin="http://evil.example", **JSON), 403),
        (scope("POST", origin="null", **JSON), 403),  # a sandboxed frame
        (scope("POST", origin="", **JSON), 403),
        (scope("POST", sec_fetch_site="cross-site", **PAGE, **JSON), 403),  # a form
        (scope("GET", sec_fetch_site="cross-site", **IMAGE), 403),
        (scope("GET", sec_fetch_site="same-site", **IMAGE), 403),
        (scope("GET", sec_fetch_site="cross-site", **{**PAGE, "sec_fetch_dest": "iframe"}), 403),
        (scope("POST"), 415),
        (scope("POST", content_type="text/plain"), 415),
        (scope("POST", content_type="text/plain;application/json"), 415),
        (scope("POST", content_type="application/x-www-form-urlencoded"), 415),
        (scope("PUT"), 415),
    ],
)
def test_all_others_are_refused(asked: dict[str, Any], status: int) -> None:
    from nascar_assets.orchestration.commands.host_names import known_hosts
    from nascar_assets.orchestration.commands.ui_server import refusal

    refused = refusal(asked, known_hosts("0.0.0.0", {}))
    assert refused is not None
    assert refused[0] == status


@pytest.fixture(scope="module")
def address(webserver: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The webserver of `nascar ui` on an empty home."""
    return webserver(tmp_path_factory.mktemp("guarded")).removeprefix("http://")


def test_no_mutation_comes_by_get(address: str) -> None:
    for path in ("/graphql", "/graphql%0A", "/graphql/"):
        for accept in ("*/*", "text/html"):
            answer = httpx.get(
                f"http://{address}{path}",
                params={"query": DELETE},
                headers={"Accept": accept},
                follow_redirects=True,
                timeout=60,
            )
            assert "deletePipelineRun" not in answer.text, path
            assert "DeletePipelineRun" not in answer.text, path
            assert "GraphiQL" not in answer.text, path


def test_an_own_page_works_and_may_not_be_framed(address: str) -> None:
    answer = httpx.get(f"http://{address}/", timeout=60)
    policies = ", ".join(answer.headers.get_list("content-security-policy"))
    assert answer.status_code == 200
    assert "frame-ancestors 'none'" in policies
    assert "nonce-" in policies  # Dagster's own policy holds too
    assert answer.headers["x-frame-options"] == "DENY"
    failed = httpx.get(f"http://{address}/download_debug/x", timeout=60)
    assert failed.status_code == 500
    assert failed.headers["x-frame-options"] == "DENY"  # also where Dagster itself fails
    foreign = httpx.get(f"http://{address}/", headers={"Host": "evil.example"}, timeout=60)
    assert foreign.status_code == 421
    assert "frame-ancestors" in foreign.headers["content-security-policy"]


def test_a_websocket_of_another_page_is_refused(address: str) -> None:
    url = f"ws://{address}/graphql"
    with pytest.raises(InvalidStatus):
        connect(url, origin="http://evil.example", subprotocols=["graphql-ws"])
    with connect(url, origin=f"http://{address}", subprotocols=["graphql-ws"]) as own:
        own.send(json.dumps({"type": "connection_init"}))
        assert json.loads(own.recv(timeout=30))["type"] == "connection_ack"


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"platform": {"config": {"graph": "bolt://evil.example"}}},
        {"platform": {"config": {"home": "/elsewhere"}}},
        {"platform": {"config": {"local": "/elsewhere"}}},
        {"io_manager": {"config": {"platform": {"home": "/elsewhere"}}}},
    ],
)
def test_a_run_cannot_point_the_platform_elsewhere(address: str, elsewhere: Any) -> None:
    run = {
        "selector": {
            "repositoryLocationName": "nascar_assets.definitions",
            "repositoryName": "__repository__",
            "jobName": "ontology_job",
        },
        "runConfigData": {"resources": elsewhere},
    }
    answer = httpx.post(
        f"http://{address}/graphql",
        json={"query": LAUNCH, "variables": {"run": run}},
        headers={"Origin": f"http://{address}"},
        timeout=120,
    )
    found = answer.json()["data"]["launchRun"]
    assert found["__typename"] == "RunConfigValidationInvalid", answer.text
    (key,) = elsewhere
    assert key in found["errors"][0]["message"]
