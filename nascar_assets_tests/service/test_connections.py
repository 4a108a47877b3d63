"""What a client may hold before anybody knows who it is: heads, bodies, connections, memory."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from functools import partial
from pathlib import Path

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from nascar_assets.service.connections import (
    ANSWER,
    BODY,
    HEAD,
    HEAD_BYTES,
    Connection,
    Connections,
)
from nascar_assets_tests.service.conftest import request_body

SECONDS = {ANSWER: 16.0, BODY: 8.0, HEAD: 8.0}
"""How long the server holds a connection in each state: nobody waits here for its own minute."""
HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A server under a small limit of open files, which it may not raise."""
    from nascar_assets_tests.service.conftest import Server

    limited = ("sh", "-c", 'ulimit -n 400 && exec "$0" "$@"')
    made = Server(
        tmp_path_factory.mktemp("small") / "home",
        within=limited,
        first=f"from nascar_assets.service import connections; connections.SECONDS |= {SECONDS}",
        POLL_LIMIT="",
        MAX_BODY_BYTES="1000000",
    )
    yield made.start()
    made.stop()


def _connect(server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def _memory(server) -> int:
    """Most bytes that the server's process ever had in memory."""
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError


def _ended(connection: socket.socket) -> bytes:
    """What a connection still says until the server has closed it."""
    said = b""
    try:
        while data := connection.recv(65_536):
            said += data
    except ConnectionResetError:
        pass
    return said


@pytest.mark.parametrize(
    "header", [b"X-A: b\r\n", b"X-%d: " + b"y" * 8_000 + b"\r\n", b"z" * 8_192]
)
def test_a_head_is_refused_at_its_limit_and_costs_no_memory(small, header):
    before = _memory(small)
    with _connect(small) as connection:
        connection.sendall(HEALTH)
        sent = 0
        try:
            while sent < 50_000_000:
                connection.sendall(header * 1_000)
                sent += len(header) * 1_000
        except OSError:
            pass
        assert sent < 20_000_000  # what the system's buffers took
    assert _memory(small) - before < 30_000_000
    assert small.http.get("/health").status_code == 200
    with _connect(small) as connection:
        connection.sendall(HEALTH + b"X-A: " + b"b" * (HEAD_BYTES - 1_000) + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_idle_connections_shut_nobody_out(small):
    idle = []
    try:
        for _ in range(450):  # more than the server may have open files
            idle.append(_connect(small))
        begun = time.monotonic()
        # Connections of their own: one that was kept open may go like any other idle one.
        assert httpx.get(f"{small.url}/health", timeout=30).status_code == 200
        body = request_body(n_scenarios=10)
        assert httpx.post(f"{small.url}/api/v1/optimize", json=body, timeout=30).status_code == 200
        assert time.monotonic() - begun < 5
    finally:
        for connection in idle:
            connection.close()
    end = time.monotonic() + 30
    while "the_server_is_full" not in small.log.read_text():
        assert time.monotonic() < end
        time.sleep(0.5)


async def _answer(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _crowded(turns: int) -> str:
    """What becomes of a request on the connection that waited longest while a crowd is let in."""
    loop, state = asyncio.get_running_loop(), ServerState()
    config = uvicorn.Config(_answer, http=partial(Connection, limits=Connections(16)))
    config.load()
    server = await loop.create_server(
        lambda: config.http_protocol_class(config, state, {}), "127.0.0.1", 0
    )
    address = server.sockets[0].getsockname()
    with contextlib.ExitStack() as stack:
        stack.callback(server.close)
        kept = stack.enter_context(socket.create_connection(address))
        kept.setblocking(False)
        await loop.sock_sendall(kept, HEALTH + b"\r\n")
        assert (await loop.sock_recv(kept, 1_000)).startswith(b"HTTP/1.1 200")
        for _ in range(40):
            stack.enter_context(socket.create_connection(address))
        for _ in range(turns):  # so far has the server got with them
            await asyncio.sleep(0)
        try:
            assert kept.recv(1) == b""
            return "told that it is closed"
        except BlockingIOError:
            kept.send(HEALTH + b"\r\n")
        try:
            said = await asyncio.wait_for(loop.sock_recv(kept, 1_000), 10)
        except ConnectionResetError:
            said = b""
        return "answered" if said.startswith(b"HTTP/1.1 200") else "lost"


@pytest.mark.slow
@pytest.mark.parametrize("library", ["asyncio", "uvloop"])
def test_a_request_that_was_sent_in_time_is_answered_while_others_are_let_in(library):
    found = set()
    for turns in (*range(8), *range(8, 64, 4)):
        with asyncio.Runner(loop_factory=pytest.importorskip(library).new_event_loop) as runner:
            found.add(runner.run(_crowded(turns)))
    assert found == {"answered", "told that it is closed"}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_never_ends_is_held_for_so_long_only(small):
    """Nothing, half a head, a byte of it now and then, half a body, an answer that is not read."""
    post = b"POST /api/v1/optimize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
    post += b"Content-Type: application/json\r\n\r\n{"
    starts = {b"": HEAD, b"GET /hea": HEAD, HEALTH + b"X-A": HEAD, post: BODY}
    unread = HEALTH.replace(b"health", b"docs/swagger-ui-bundle.js") + b"\r\n"
    starts[unread * 20] = ANSWER
    begun = time.monotonic()
    held = {_connect(small): start for start in starts}
    for connection, start in held.items():
        connection.sendall(start)
    while held:
        passed = time.monotonic() - begun
        for connection, start in list(held.items()):
            state = starts[start]
            try:
                if start and state != ANSWER:
                    connection.sendall(b"x")
                if state != ANSWER:
                    connection.settimeout(0.1)
                    alive = bool(connection.recv(1_000))
                else:  # who does not read does not see the end either
                    alive = "an_answer_is_not_read" not in small.log.read_text()
            except TimeoutError:
                alive = True
            except OSError:
                alive = False
            if not alive:
                assert SECONDS[state] - 2 < passed, state
                del held[connection]
                connection.close()
            else:
                assert passed < SECONDS[state] + 15, state
        time.sleep(0.5)


def test_bodies_of_many_requests_at_once_have_one_limit(small):
    """Forty bodies, each within its own limit, none of which ends."""
    head = b"POST /api/v1/optimize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999000\r\n"
    head += b"Content-Type: application/json\r\n\r\n"
    before = _memory(small)
    held = [_connect(small) for _ in range(40)]
    try:
        for connection in held:
            try:
                connection.sendall(head + b"[" * 990_000)
            except OSError:
                continue  # refused already
        time.sleep(1)
        assert _memory(small) - before < 60_000_000
        busy = 0
        for connection in held:
            connection.settimeout(0.2)
            try:
                busy += connection.recv(100).startswith(b"HTTP/1.1 503")
            except OSError:
                continue
        assert busy >= 10
        assert small.http.get("/health").status_code == 200
    finally:
        for connection in held:
            connection.close()


def test_what_is_no_http_is_refused(small):
    for content in (b"\x16\x03\x01" + bytes(200), b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 50_000):
        with _connect(small) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            said = _ended(connection)
        assert not said or said.startswith(b"HTTP/1.1 40"), content
    assert small.http.get("/health").status_code == 200
