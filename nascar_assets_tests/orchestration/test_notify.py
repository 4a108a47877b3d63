"""Notices reach a log, a web server and a mail server; none holds a password."""

from __future__ import annotations

import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from nascar_assets.orchestration.automation.notify import (
    LogNotifier,
    MailNotifier,
    Notice,
    WebhookNotifier,
    notifiers,
    notify_all,
    notify_new,
)

PAGE = "https://ui.example.org/runs/run-1"
NOTICE = Notice("race_job failed for 2026-cup-05", "laps: row 4 is bad", "run-1", PAGE)


class Hook(HTTPServer):
    """A web server that keeps what it is sent."""

    answer = 200
    bodies: list[dict[str, object]]


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            server.bodies.append(json.loads(data))
            self.send_response(server.answer)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = Hook(("127.0.0.1", 0), Handler)
    server.bodies = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class MailServer(socketserver.ThreadingTCPServer):
    """A mail server of the fewest words (RFC 5321) that keeps what it is sent."""

    allow_reuse_address = True
    daemon_threads = True
    mails: list[str]


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 test")
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word == "DATA":
                    self.say("354 go on")
                    lines = []
                    while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                        lines.append(text)
                    server.mails.append("\n".join(lines))
                self.say("221 bye" if word == "QUIT" else "250 ok")
                if word == "QUIT":
                    return

    server = MailServer(("127.0.0.1", 0), Handler)
    server.mails = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_webhook_gets_json(hook: Hook) -> None:
    WebhookNotifier(f"http://127.0.0.1:{hook.server_port}/x").notify(NOTICE)
    (body,) = hook.bodies
    assert body == {
        "text": f"{NOTICE.subject}\n{NOTICE.text}\n{PAGE}",
        "subject": NOTICE.subject,
        "run_id": "run-1",
        "link": PAGE,
    }


def test_mail_is_sent(mail_server: MailServer) -> None:
    port = mail_server.server_address[1]
    MailNotifier(f"smtp://127.0.0.1:{port}", "a@example.org", ["b@example.org"]).notify(NOTICE)
    (mail,) = mail_server.mails
    assert "Subject: race_job failed for 2026-cup-05" in mail
    assert "To: b@example.org" in mail
    assert "laps: row 4 is bad" in mail


def test_the_environment_says_how_people_are_told() -> None:
    kinds = [type(way) for way in notifiers({})]
    assert kinds == [LogNotifier]
    everything = {
        "NASCAR_NOTIFY_WEBHOOK": "http://127.0.0.1:9/secret",
        "NASCAR_NOTIFY_MAIL_TO": "a@example.org, b@example.org",
    }
    kinds = [type(way) for way in notifiers(everything)]
    assert kinds == [LogNotifier, WebhookNotifier, MailNotifier]


def test_one_way_that_fails_keeps_no_other_from_telling(
    hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.answer = 500
    ways = [
        WebhookNotifier(f"http://127.0.0.1:{hook.server_port}/secret"),
        MailNotifier("smtp://user:secret@127.0.0.1:9", "a@example.org", ["b@example.org"]),
        LogNotifier(),
    ]
    with caplog.at_level(logging.WARNING):
        failed = notify_all(ways, NOTICE)
    assert len(failed) == 2
    assert NOTICE.text in caplog.text
    assert "secret" not in caplog.text + str(failed)


def test_what_stands_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("test_notify")
    with caplog.at_level(logging.WARNING):
        notified = notify_new(log, "sensor", {}, {"a.csv": "it waits"})
        notified = notify_new(log, "sensor", notified, {"a.csv": "it waits"})
        notified = notify_new(log, "sensor", notified, {"a.csv": "it is refused"})
        notified = notify_new(log, "sensor", notified, {})
        notify_new(log, "sensor", notified, {"a.csv": "it waits"})
    texts = [record.getMessage().rsplit(": ", 1)[-1] for record in caplog.records]
    assert texts == ["it waits", "it is refused", "it waits"]


def test_a_webhook_makes_no_links_of_names(hook: Hook) -> None:
    hostile = "![x](http://h/) <http://h|you won> [a](http://h)"
    WebhookNotifier(f"http://127.0.0.1:{hook.server_port}/x").notify(Notice(hostile, hostile))
    for text in map(str, (hook.bodies[-1]["text"], hook.bodies[-1]["subject"])):
        assert "](" not in text
        assert "<" not in text
        assert "you won" in text
