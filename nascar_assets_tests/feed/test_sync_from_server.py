"""A sync from a real web server: only what changed is sent, and settled races are left alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nascar_assets.feed.landing import sync_from
from nascar_assets.feed.paths import schedule_path, weekend_path
from nascar_assets.feed.payload import LARGEST_JSON_BYTES
from nascar_assets.storage import DataRoot
from nascar_assets_tests.feed.feed_files import four_results, ran, weekend, write_feed

SCHEDULE = schedule_path(2026)
WEEKEND = weekend_path(2026, "cup", 7001)
RACE_WEEK = datetime(2026, 3, 3, tzinfo=UTC)


class FileServer:
    """Python's own file server on a folder, noting the answers it gives."""

    def __init__(self, folder: Path) -> None:
        self.answers: list[tuple[str, int]] = []
        answers = self.answers

        class Handler(SimpleHTTPRequestHandler):
            def log_request(self, code: object = "-", size: object = "-") -> None:
                answers.append((self.path.lstrip("/"), int(str(getattr(code, "value", code)))))

            def log_message(self, *_: object) -> None:
                pass

        handler = partial(Handler, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(tmp_path) -> Iterator[FileServer]:
    folder = tmp_path / "feed"
    write_feed(
        folder,
        {
            SCHEDULE: json.dumps({"series_1": [ran()]}).encode(),
            WEEKEND: json.dumps(weekend(four_results())).encode(),
        },
    )
    running = FileServer(folder)
    yield running
    running.stop()


def test_unchanged_files_are_not_sent_again_and_settled_races_not_asked_for(server, tmp_path):
    root = DataRoot.open(tmp_path / "data")
    first = sync_from(server.url, root, ["cup"], [2026], now=RACE_WEEK)
    assert set(first.changed) == {SCHEDULE, WEEKEND}
    assert {answer for answer in server.answers if answer[1] == 200} == {
        (SCHEDULE, 200),
        (WEEKEND, 200),
    }
    server.answers.clear()
    again = sync_from(server.url, root, ["cup"], [2026], now=RACE_WEEK)
    assert again.changed == ()
    assert {code for _, code in server.answers} == {304, 404}
    server.answers.clear()
    later = sync_from(server.url, root, ["cup"], [2026], now=datetime(2026, 9, 1, tzinfo=UTC))
    assert later.changed == ()
    assert WEEKEND not in {path for path, _ in server.answers}


def test_a_file_that_is_too_large_is_refused_and_the_others_go_on(server, tmp_path):
    with (tmp_path / "feed" / WEEKEND).open("r+b") as large:
        large.truncate(LARGEST_JSON_BYTES + 1)
    root = DataRoot.open(tmp_path / "data")
    for _ in range(2):
        found = sync_from(server.url, root, ["cup"], [2026], now=RACE_WEEK)
        (refused,) = found.quarantined
        assert refused.path == WEEKEND
        assert f"{server.url}/{WEEKEND} has more than" in refused.reason
    assert root.read(f"landing/feed/{SCHEDULE}") is not None
    (report,) = root.list("quarantine")
    assert json.loads(root.read(report.path) or b"")["reason"] in refused.reason
