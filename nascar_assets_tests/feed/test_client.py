"""The feed's client against a real server: absent files, retries, conditions, pace."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nascar_assets.errors import InputError
from nascar_assets.feed import client
from nascar_assets.feed.client import DirectoryFeed, FeedReadError, HttpFeed, open_feed
from nascar_assets.feed.payload import LARGEST_JSON_BYTES, FeedFormatError


class Server:
    """A web server that answers from lists of (status, headers, body) by path."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, dict(self.headers)))
                queue = server.answers[self.path]
                status, headers, body = queue.pop(0) if len(queue) > 1 else queue[0]
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                if "Content-Length" not in headers and status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


class Time:
    """A clock that moves only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def feed(server: Server, clock: Time, min_interval_s: float = 0.0) -> HttpFeed:
    times = {"sleep": clock.sleep, "clock": clock.clock}
    return HttpFeed(server.url, min_interval_s=min_interval_s, **times)


def test_a_file_is_read(server):
    server.answers["/a/b.json"] = [(200, {}, b"[1]")]
    assert feed(server, Time()).read("a/b.json") == b"[1]"


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_absent_file_is_none_and_is_asked_for_once(server, status):
    server.answers["/a"] = [(status, {}, b"no")]
    assert feed(server, Time()).read("a") is None
    assert len(server.requests) == 1


def test_a_busy_server_is_asked_again_with_growing_pauses(server):
    server.answers["/a"] = [(503, {}, b""), (500, {}, b""), (200, {}, b"ok")]
    clock = Time()
    assert feed(server, clock).read("a") == b"ok"
    assert clock.slept == [1.0, 2.0]


def test_the_pause_that_the_server_asks_for_is_kept(server):
    server.answers["/a"] = [(429, {"Retry-After": "7"}, b""), (200, {}, b"ok")]
    clock = Time()
    assert feed(server, clock).read("a") == b"ok"
    assert clock.slept == [7.0]


def test_a_server_that_stays_down_is_an_error_never_a_missing_file(server):
    server.answers["/a"] = [(500, {}, b"")]
    with pytest.raises(FeedReadError, match="500"):
        feed(server, Time()).read("a")
    assert len(server.requests) == 4


def test_a_refusal_that_waiting_does_not_mend_is_an_error_at_once(server):
    server.answers["/a"] = [(401, {}, b"")]
    with pytest.raises(FeedReadError, match="401"):
        feed(server, Time()).read("a")
    assert len(server.requests) == 1


def test_an_unreachable_server_is_an_error():
    clock = Time()
    unreachable = HttpFeed("http://127.0.0.1:9", sleep=clock.sleep, clock=clock.clock)
    with pytest.raises(FeedReadError, match=r"127\.0\.0\.1:9/a"):
        unreachable.read("a")


def test_a_body_that_breaks_off_is_read_again(server):
    server.answers["/a"] = [(200, {"Content-Length": "10"}, b"half"), (200, {}, b"whole")]
    assert feed(server, Time()).read("a") == b"whole"


def test_an_unchanged_file_is_not_sent_again(server):
    stamp = "Sun, 01 Mar 2026 20:30:00 GMT"
    server.answers["/a"] = [
        (200, {"ETag": '"v1"', "Last-Modified": stamp}, b"old"),
        (304, {}, b""),
        (200, {"ETag": '"v2"'}, b"new"),
    ]
    client = feed(server, Time())
    assert [client.read("a") for _ in range(3)] == [b"old", b"old", b"new"]
    conditions = [
        (headers.get("If-None-Match"), headers.get("If-Modified-Since"))
        for _, headers in server.requests
    ]
    assert conditions == [(None, None), ('"v1"', stamp), ('"v1"', stamp)]


def test_an_answer_that_is_too_large_is_left_unread(server):
    server.answers["/large"] = [(200, {}, b"[" * (LARGEST_JSON_BYTES + 1))]
    bomb = gzip.compress(bytes(20 * LARGEST_JSON_BYTES))
    server.answers["/bomb"] = [(200, {"Content-Encoding": "gzip"}, bomb)]
    twice = {"Content-Encoding": "gzip, gzip"}
    server.answers["/twice"] = [(200, twice, gzip.compress(bomb))]
    client = feed(server, Time())
    for path in ("large", "bomb"):
        with pytest.raises(FeedFormatError, match=f"{server.url}/{path} has more than 16,777,216"):
            client.read(path)
    with pytest.raises(FeedFormatError, match="twice: It is compressed more than once"):
        client.read("twice")
    assert len(server.requests) == 3


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"])
def test_an_answer_that_never_ends_is_given_up(begun):
    """One that sends a byte now and then, in its head or in its body."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            with listener.accept()[0] as connection, contextlib.suppress(OSError):
                connection.sendall(begun)
                while True:
                    connection.sendall(b"H")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = HttpFeed(url, min_interval_s=0.0, deadline_s=0.5)
        began = time.monotonic()
        with pytest.raises(FeedReadError, match=f"{url}/a failed: no whole answer within 0.5 sec"):
            client.read("a")
    assert time.monotonic() - began < 10


def test_requests_are_kept_apart(server):
    server.answers["/a"] = [(200, {}, b"x")]
    clock = Time()
    client = feed(server, clock, min_interval_s=0.5)
    for _ in range(3):
        client.read("a")
    assert clock.slept == [0.5, 0.5]


def test_a_folder_is_read_like_a_server(tmp_path):
    (tmp_path / "cacher").mkdir()
    (tmp_path / "cacher/x.json").write_bytes(b"{}")
    folder = open_feed(tmp_path)
    assert isinstance(folder, DirectoryFeed)
    assert folder.read("cacher/x.json") == b"{}"
    assert folder.read("cacher/y.json") is None
    assert folder.read("cacher/x.json/y") is None


def test_a_folder_that_cannot_be_read_is_an_error_not_a_missing_file(tmp_path):
    folder = tmp_path / "feed"
    (folder / "cacher/x.json").mkdir(parents=True)
    source = open_feed(folder)
    with pytest.raises(FeedFormatError, match=r"x\.json is no plain file"):
        source.read("cacher/x.json")
    os.mkfifo(folder / "cacher/pipe.json")
    with pytest.raises(FeedFormatError, match=r"pipe\.json is no plain file"):
        source.read("cacher/pipe.json")
    (folder / "cacher/pipe.json").unlink()
    (folder / "cacher/loop.json").symlink_to("loop.json")
    with pytest.raises(FeedFormatError, match=r"loop\.json is a link that leads to itself"):
        source.read("cacher/loop.json")
    (folder / "cacher/loop.json").unlink()
    with pytest.raises(FeedReadError, match="too long"):
        source.read(f"cacher/{300 * 'x'}.json")
    with (folder / "cacher/large.json").open("wb") as large:
        large.truncate(LARGEST_JSON_BYTES + 1)
    with pytest.raises(FeedFormatError, match=r"large\.json has more than"):
        source.read("cacher/large.json")
    (folder / "cacher/large.json").unlink()
    (folder / "cacher/x.json").rmdir()
    (folder / "cacher").rmdir()
    folder.rmdir()
    with pytest.raises(FeedReadError, match="gone"):
        source.read("cacher/x.json")


def refusing(error: OSError) -> Callable[..., Any]:
    def refused(*_: Any) -> Any:
        raise error

    return refused


def test_one_file_that_may_not_be_read_is_at_fault_and_a_folder_is_the_machines(
    tmp_path, monkeypatch
):
    source = open_feed(tmp_path)
    monkeypatch.setattr(client, "_plain", refusing(PermissionError(13, "Permission denied")))
    with pytest.raises(FeedFormatError, match=r"x\.json cannot be read: Permission denied. Let"):
        source.read("cacher/x.json")
    monkeypatch.setattr(os, "scandir", refusing(PermissionError(13, "Permission denied")))
    with pytest.raises(FeedReadError, match="Permission denied"):
        source.read("cacher/x.json")


@pytest.mark.parametrize("sign", "/?#")
def test_no_part_of_a_password_that_nobody_quoted_is_told(sign):
    with pytest.raises(
        InputError, match=r"http://\*\*\*@host.* is no URL. In a user or"
    ) as refused:
        open_feed(f"http://ann:begin{sign}s3cret@host/x").read("a")
    assert "begin" not in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__suppress_context__  # nor where NASCAR_TRACE shows what lies behind


def test_no_feed_at_all_is_the_inputs_fault(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        open_feed(tmp_path / "nowhere")
    with pytest.raises(InputError, match="ftp"):
        open_feed("ftp://example.org")
    assert isinstance(open_feed("https://example.org/feed/"), HttpFeed)
