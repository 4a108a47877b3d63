"""Who is calling, how often, with which key, from which page."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from nascar_assets.client import AsyncClient, Unavailable
from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.service import clients
from nascar_assets.service.admission import KEY_COOKIE, Gate
from nascar_assets.service.clients import (
    ApiKeys,
    RateLimit,
    TrustedProxies,
    client_of,
    hash_key,
    new_key,
)
from nascar_assets.service.contracts import JobStatus, OptimizationStatus
from nascar_assets.service.event_streams import STREAMS_OF_ONE, EventStreams
from nascar_assets.service.metrics import ServiceMetrics
from nascar_assets.service.problems import RequestRefused
from nascar_assets.service.settings import ServiceSettings
from nascar_assets.service.slate_contracts import SlateJob
from nascar_assets_tests.service.conftest import request_body


def test_limits_keys_cors_and_queue_on_a_server(make_server, tmp_path):
    key = new_key()
    keys = tmp_path / "keys"
    keys.write_text(f"# who calls\nmodeller {hash_key(key)}\n")
    server = make_server(
        RATE_LIMIT="10/minute",
        KEYS_FILE=str(keys),
        CORS_ORIGINS="https://page.example",
        TRUSTED_PROXIES="127.0.0.1",
        MAX_QUEUED="2",
    ).start()
    page = {"Origin": "https://page.example"}
    answer = server.post(request_body(), **page)
    assert (answer.status_code, answer.json()["code"]) == (401, "KEY_NEEDED")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert server.post(request_body(), **{"X-API-Key": "wrong"}).status_code == 401
    assert server.http.get("/api/v1/optimize").status_code == 401
    assert server.http.get("/health").status_code == 200
    server.http.headers["X-API-Key"] = key
    long = request_body(drivers=50, n_scenarios=10_000)
    answers = [server.post(long) for _ in range(10)]
    codes = [answer.status_code for answer in answers]
    assert codes[:2] == [200, 200]
    full = next(answer for answer in answers if answer.status_code == 429)
    assert full.json()["code"] == "QUEUE_FULL"
    assert int(full.headers["Retry-After"]) >= 1
    # The eleventh request of the minute, whatever address the proxy says it comes from.
    last = server.post(long, **{"X-Forwarded-For": "203.0.113.9"}, **page)
    assert (last.status_code, last.json()["code"]) == (429, "RATE_LIMITED")
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    assert last.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert {"ETag", "Retry-After"} <= set(last.headers["Access-Control-Expose-Headers"].split(", "))
    # Polling has its own limit.
    run_id = answers[0].json()["run_id"]
    assert server.http.get(f"/api/v1/optimize/{run_id}/status").status_code == 200
    allowed = server.http.get(f"/api/v1/optimize/{run_id}/status", headers=page)
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://page.example"
    asked = server.http.options(
        "/api/v1/optimize",
        headers={
            **page,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "If-None-Match",
        },
    )
    assert asked.status_code == 200
    other = server.http.get(
        f"/api/v1/optimize/{run_id}/status", headers={"Origin": "https://other.example"}
    )
    assert "Access-Control-Allow-Origin" not in other.headers
    # A job that is followed does not hold up the end of the server.
    waits = answers[1].json()["run_id"]
    with server.http.stream("GET", f"/api/v1/jobs/{waits}/events") as events:
        lines = events.iter_lines()
        assert next(lines) == "event: status"
        server.process.terminate()
        assert not [line for line in lines if "completed" in line]
    server.process.wait(timeout=30)
    log = server.log.read_text()
    assert "graceful shutdown" not in log
    assert key not in log


def test_limits_count_by_the_route_however_its_path_is_written(make_server):
    """Ways to write the path and methods besides: none of them is a way around a limit."""
    # Asking whether it is ready counts as well: it would be refused for the rest of the minute.
    server = make_server(RATE_LIMIT="3/minute", POLL_LIMIT="20/minute").start(ready=False)
    paths = ("/api/v1/optimize", "/api/v1/optimize%0A", "/api/v1/%6Fptimize", "/%61pi/v1/optimize")
    found = []
    for path in paths * 2:
        answer = server.http.post(path, json=request_body(n_scenarios=10))
        found.append(answer.status_code)
        if answer.status_code == 429:
            assert answer.json()["code"] == "RATE_LIMITED"
    assert found.count(200) <= 3
    assert set(found) <= {200, 404, 429}
    others = [
        *(
            ("POST", path)
            for path in ("//api/v1/optimize", "/api//v1/optimize", "/api/v1/optimize/")
        ),
        *(("HEAD", path) for path in paths),
        *(("OPTIONS", path) for path in paths),
        ("GET", "/api/v1/nowhere"),
        ("GET", "/nowhere"),
    ]
    asked = [server.http.request(*other).status_code for other in others * 5]
    assert asked.count(429) >= len(asked) - 20 - 20  # preflights are counted by themselves
    assert set(asked) <= {200, 404, 405, 429}
    assert server.http.get("/health").status_code == 200
    assert [server.http.get("/metrics").status_code for _ in range(25)].count(429) >= 5


def test_a_web_page_elsewhere_reaches_nothing(server):
    """A form of another origin, and a name of that page's own that leads to this server."""
    body = request_body(n_scenarios=10)
    for origin in ("https://page.example", "null", "http://127.0.0.1:1"):
        answer = server.post(body, Origin=origin)
        assert (answer.status_code, answer.json()["code"]) == (403, "ORIGIN_FORBIDDEN"), origin
        assert (
            server.http.delete("/api/v1/optimize/x", headers={"Origin": origin}).status_code == 403
        )
    assert server.post(body, Origin=server.url).status_code == 200
    for host in (
        "page.example",
        "localhost.page.example",
        "127.0.0.1.page.example",
        "[",
        "",
        "a b",
    ):
        for path in ("/api/v1/optimize", "/metrics", "/docs"):
            answer = server.http.get(path, headers={"Host": host})
            assert 400 <= answer.status_code < 404, (host, path)
    for host in ("localhost", "LOCALHOST:9", "[::1]:80", "192.0.2.1"):
        assert server.http.get("/api/v1/optimize", headers={"Host": host}).status_code == 200


def test_no_origin_is_allowed_by_default(server):
    answer = server.http.get("/health", headers={"Origin": "https://page.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),  # no proxy of ours: not believed
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        # What stands before the first address that is no proxy may be forged.
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9, rubbish"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["2001:db8::7"], "2001:db8::7"),
    ],
)
def test_only_trusted_proxies_are_believed(peer, forwarded, client):
    assert TrustedProxies(["10.0.0.0/24"]).client(peer, forwarded) == client


def test_an_ipv6_client_is_its_network():
    assert client_of("2001:db8:1:2:3::4") == client_of("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert client_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert client_of("nonsense") == "unknown"


def test_a_limit_counts_each_client_by_itself():
    limit = RateLimit("3/minute")
    assert [limit.take("a") for _ in range(3)] == [None] * 3
    wait = limit.take("a")
    assert wait is not None
    assert 1 <= wait <= 60
    assert limit.take("b") is None
    assert [RateLimit("").take("a") for _ in range(100)] == [None] * 100


def test_one_clients_streams_shut_nobody_out():
    async def silent():
        await asyncio.sleep(60)
        yield "status", None

    async def follow():
        streams = EventStreams("jobs", asyncio.Event())

        async def opened(client):
            body = streams.answer(silent(), client, lambda: True).body_iterator
            task = asyncio.ensure_future(anext(body))
            await asyncio.sleep(0)
            return task

        mine = [await opened("mine") for _ in range(STREAMS_OF_ONE)]
        with pytest.raises(RequestRefused) as refused:
            await opened("mine")
        assert (refused.value.status, refused.value.problem.code) == (429, "TOO_MANY_STREAMS")
        other = await opened("other")
        mine[0].cancel()
        await asyncio.wait(mine[:1])
        mine.append(await opened("mine"))
        for task in (*mine, other):
            task.cancel()

    asyncio.run(follow())


def test_a_server_that_ends_ends_its_streams_and_followers_are_told():
    status = OptimizationStatus(run_id="r", status=JobStatus.RUNNING, progress=0.5)
    job = SlateJob(**status.model_dump(), kind="portfolio", result=None)

    async def follow():
        ending = asyncio.Event()

        async def silent():
            yield "status", job
            await asyncio.sleep(60)
            yield "status", job

        def send(_):
            stream = EventStreams("jobs", ending).answer(silent(), "me", lambda: True)
            return httpx.Response(200, content=stream.body_iterator)

        async with AsyncClient("http://x", transport=httpx.MockTransport(send)) as client:
            async for found in client.follow("r"):
                assert found == job
                ending.set()

    with pytest.raises(Unavailable, match="stream of events ended"):
        asyncio.run(asyncio.wait_for(follow(), 10))


def test_a_stream_ends_once_its_key_is_taken_back(tmp_path):
    path, key = tmp_path / "keys", new_key()
    path.write_text(f"alice {hash_key(key)}\n")
    keys = ApiKeys.read(str(path))
    status = OptimizationStatus(run_id="r", status=JobStatus.RUNNING, progress=0.5)

    async def many():
        for _ in range(3):
            yield "status", status

    async def follow():
        streams = EventStreams("jobs", asyncio.Event())
        body = streams.answer(many(), "key:alice", lambda: keys.name_of(key) is not None)
        parts = body.body_iterator
        await anext(parts)
        path.write_text("# nobody\n")
        return [part async for part in parts]

    assert asyncio.run(follow()) == []


def test_a_clock_that_is_set_back_changes_no_wait(monkeypatch):
    limit = RateLimit("1/minute")
    assert limit.take("a") is None
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert 59 <= limit.take("a") <= 60
    monkeypatch.setattr(clients, "_CLIENTS_KEPT", 100)
    now = time.monotonic()
    for number in range(300):  # who has not asked of late is forgotten
        monkeypatch.setattr(time, "monotonic", lambda at=now + number: at)
        assert limit.take(f"client {number}") is None
    assert len(limit._taken) <= 101


@given(st.text())
def test_only_the_key_itself_opens(text):
    key = new_key()
    keys = ApiKeys({hash_key(key): "me"})
    assert keys.name_of(key) == "me"
    assert keys.name_of(text) is None


@pytest.mark.parametrize("line", ["name", f"name {'A' * 64}", f"two words {'0' * 64}"])
def test_a_malformed_line_of_keys_is_refused(tmp_path, line):
    path = tmp_path / "keys"
    path.write_text(f"good {'0' * 64}\n{line}\n")
    with pytest.raises(InputError, match="row 2"):
        ApiKeys.read(str(path))
    with pytest.raises(EnvironmentFault):
        ApiKeys.read(str(tmp_path / "missing"))


@pytest.mark.parametrize("line", [f"bob {'1' * 64}", f"alice {'2' * 64}"])
def test_a_key_or_name_that_stands_twice_is_refused_with_both_lines(tmp_path, line):
    path = tmp_path / "keys"
    path.write_text(f"# keys\nalice {'1' * 64}\n\n{line}\n")
    with pytest.raises(InputError, match=r"row 4.* of row 2"):
        ApiKeys.read(str(path))


def test_keys_are_those_that_the_file_has_now(tmp_path):
    path, alice, bob = tmp_path / "keys", new_key(), new_key()
    path.write_text(f"alice {hash_key(alice)}\n")
    keys = ApiKeys.read(str(path))
    with path.open("a") as file:
        file.write(f"bob {hash_key(bob)}\n")
    assert (keys.name_of(alice), keys.name_of(bob)) == ("alice", "bob")
    path.write_text("alice is gone\n")  # half written, say
    with capture_logs() as logs:
        assert [keys.name_of(alice) for _ in range(3)] == ["alice"] * 3
    assert [(log["log_level"], "row 1" in log["reason"]) for log in logs] == [("error", True)]
    path.unlink()
    assert keys.name_of(alice) == "alice"
    path.write_text(f"bob {hash_key(bob)}\n")
    assert (keys.name_of(alice), keys.name_of(bob)) == (None, "bob")


def test_a_socket_ends_once_its_key_is_taken_back(tmp_path):
    heard = []

    async def page(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while not heard or heard[-1] != "websocket.disconnect":
            heard.append((await receive())["type"])
            await send({"type": "websocket.send", "text": "heard"})

    path, key = tmp_path / "keys", new_key()
    path.write_text(f"alice {hash_key(key)}\n")
    keys, metrics = ApiKeys.read(str(path)), ServiceMetrics()
    gate = Gate(page, settings=ServiceSettings(), keys=keys, metrics=metrics)
    own = {"Cookie": f"{KEY_COOKIE}={key}", "Origin": "http://testserver"}
    with TestClient(gate).websocket_connect("/", headers=own) as socket:
        for line in (None, "# nobody"):
            if line:
                path.write_text(line)
            socket.send_text("press")
            socket.receive_text()
    assert heard == ["websocket.receive", "websocket.disconnect"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMIT", "ten a minute"),
        ("WORKERS", "0"),
        ("WORKERS", "two"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("CORS_ORIGINS", "page.example"),
        ("CORS_ORIGINS", "https://page.example/"),
        ("CORS_ORIGINS", "https://*.page.example"),
        ("CORS_ORIGINS", "https://me@page.example"),
        ("HOSTS", "https://board.example"),
        ("HOSTS", "board.example/"),
        ("HOSTS", "board.example, *.board.example"),
        ("WEBHOOK_SECRET", "short"),
        ("NO_SUCH_SETTING", "1"),
    ],
)
def test_a_setting_at_fault_is_named(name, value):
    with pytest.raises(InputError, match=f"NASCAR_API_{name}"):
        ServiceSettings.from_environment({f"NASCAR_API_{name}": value})


def test_what_is_empty_counts_as_not_given():
    given = {
        f"NASCAR_API_{name.upper()}": ""
        for name in ServiceSettings.model_fields
        if not name.endswith("_limit")
    }
    assert ServiceSettings.from_environment(given) == ServiceSettings()
    assert ServiceSettings(keys_file="").keys_file is None
    assert ServiceSettings.from_environment({"NASCAR_API_POLL_LIMIT": ""}).poll_limit == ""
    with pytest.raises(InputError, match="NASCAR_API_NO_SUCH"):
        ServiceSettings.from_environment({"NASCAR_API_NO_SUCH": ""})


def test_what_kubernetes_says_of_a_service_beside_it_is_no_setting():
    said = {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "8000",
        "SERVICE_PORT_HTTP": "8000",
        "PORT": "tcp://10.0.0.1:8000",
        "PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "PORT_8000_TCP_ADDR": "10.0.0.1",
        "PORT_8000_TCP_PROTO": "tcp",
    }
    given = {f"NASCAR_API_{name}": value for name, value in said.items()}
    assert ServiceSettings.from_environment(given) == ServiceSettings()
    with pytest.raises(InputError, match="NASCAR_API_PORT"):  # a person's own
        ServiceSettings.from_environment({"NASCAR_API_PORT": "9000"})


def test_names_are_compared_as_requests_have_them():
    settings = ServiceSettings.from_environment(
        {
            "NASCAR_API_HOSTS": "Board.example:8000, other.example., [::1]:80, 2001:DB8::1",
            "NASCAR_API_CORS_ORIGINS": "HTTPS://Page.example:443, http://page.example:8080, *",
        }
    )
    assert settings.hosts == ("board.example", "other.example", "[::1]", "[2001:db8::1]")
    assert settings.cors_origins == ("https://page.example", "http://page.example:8080", "*")


def test_settings_come_from_the_environment():
    settings = ServiceSettings.from_environment(
        {"NASCAR_API_WORKERS": "3", "NASCAR_API_TRUSTED_PROXIES": "10.0.0.1, 10.1.0.0/16"},
        workers=None,
    )
    assert settings.workers == 3
    assert settings.trusted_proxies == ("10.0.0.1", "10.1.0.0/16")
    assert settings.rate_limit == "10/minute"
    assert settings.cors_origins == ()
