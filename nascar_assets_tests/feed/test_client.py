"""The feed's client against a real server: absent files, retries, conditions, pace."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nascar_assets.errors import InputError
from nascar_assets.feed.client import DirectoryFeed, FeedReadError, HttpFeed, open_feed


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


def feed(server: Server, time: Time, min_interval_s: float = 0.0) -> HttpFeed:
    return HttpFeed(server.url, min_interval_s=min_interval_s, sleep=time.sleep, clock=time.clock)


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
    time = Time()
    assert feed(server, time).read("a") == b"ok"
    assert time.slept == [1.0, 2.0]


def test_the_pause_that_the_server_asks_for_is_kept(server):
    server.answers["/a"] = [(429, {"Retry-After": "7"}, b""), (200, {}, b"ok")]
    time = Time()
    assert feed(server, time).read("a") == b"ok"
    assert time.slept == [7.0]


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
    time = Time()
    unreachable = HttpFeed("http://127.0.0.1:9", sleep=time.sleep, clock=time.clock)
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


def test_requests_are_kept_apart(server):
    server.answers["/a"] = [(200, {}, b"x")]
    time = Time()
    client = feed(server, time, min_interval_s=0.5)
    for _ in range(3):
        client.read("a")
    assert time.slept == [0.5, 0.5]


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
    with pytest.raises(FeedReadError, match=r"x\.json"):
        source.read("cacher/x.json")
    (folder / "cacher/x.json").rmdir()
    (folder / "cacher").rmdir()
    folder.rmdir()
    with pytest.raises(FeedReadError, match="gone"):
        source.read("cacher/x.json")


def test_no_feed_at_all_is_the_inputs_fault(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        open_feed(tmp_path / "nowhere")
    with pytest.raises(InputError, match="ftp"):
        open_feed("ftp://example.org")
    assert isinstance(open_feed("https://example.org/feed/"), HttpFeed)
