"""Deliveries: signed, retried, on failure too, and never to where they must not go."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.client import verify_webhook
from nascar_assets.service.problems import RequestRefused
from nascar_assets.service.settings import ServiceSettings
from nascar_assets.service.signatures import signature
from nascar_assets.service.webhook_targets import (
    ForbiddenTarget,
    check_webhook_url,
    is_public,
    parse_target,
    resolve,
)
from nascar_assets_tests.service.conftest import SECRET, request_body


def test_a_completed_job_is_delivered_signed_after_failed_tries(server, receiver):
    hook = receiver(500, 302)
    run_id = server.submit(request_body(webhook_url=hook.url))
    result = server.result(run_id)
    hook.wait(3)
    time.sleep(0.3)
    assert len(hook.got) == 3  # two that failed, one that was taken; no redirect was followed
    for headers, body, path in hook.got:
        assert path == "/hook?a=1"
        assert verify_webhook(SECRET, headers, body)
        assert not verify_webhook(SECRET, headers, body + b" ")
        assert not verify_webhook("another secret", headers, body)
        assert not verify_webhook(SECRET, headers, body, now=time.time() + 301)
        assert headers["X-Delivery-ID"] == run_id
    content = json.loads(hook.got[-1][1])
    assert content["event"] == "job.completed"
    assert content["result"] == result


class Dripping:
    """A receiver that sends a byte of its answer's head now and then, and never ends it."""

    def __init__(self) -> None:
        self.held = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        self.held += 1
        try:
            with connection, contextlib.suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.5)
        finally:
            self.held -= 1


def test_a_receiver_that_drips_holds_nobody_elses_delivery_back(server, receiver):
    slow, hook = Dripping(), receiver()
    hostile, other = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    many = [
        server.submit(request_body(n_scenarios=10, webhook_url=slow.url), **hostile)
        for _ in range(6)
    ]
    for run_id in many:
        server.ended(run_id)
    end = time.monotonic() + 20
    while not slow.held:
        assert time.monotonic() < end
        time.sleep(0.05)
    run_id = server.submit(request_body(n_scenarios=10, webhook_url=hook.url), **other)
    server.ended(run_id)
    begun = time.monotonic()
    hook.wait(1)
    assert time.monotonic() - begun < 5
    assert slow.held <= 2  # of one client, so many at once
    end = time.monotonic() + 40
    while "no answer within 10 seconds" not in server.log.read_text():
        assert time.monotonic() < end
        time.sleep(0.2)
    slow.socket.close()


def test_a_failed_job_is_delivered_too(server, receiver):
    hook = receiver()
    body = request_body(webhook_url=hook.url)
    body["drivers"][9]["min_laps_led"] = 59
    run_id = server.submit(body)
    hook.wait(1)
    content = json.loads(hook.got[0][1])
    assert (content["event"], content["job"]["run_id"]) == ("job.failed", run_id)
    assert content["job"]["error"]
    assert content["result"] is None


PRIVATE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0177.0.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://localhost:8000/",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://0.0.0.0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[ff02::1]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://metadata.google.internal/",
    # Hosts of clouds and parts of the address space that only look public.
    "http://192.0.0.192/opc/v2/instance/",
    "http://192.0.0.9/",
    "http://168.63.129.16/machine?comp=goalstate",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://203.0.113.1/",
    "http://240.0.0.1/",
    "http://[fec0::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:a00:1::1]/",
    "http://[2001:0:a00:1::1]/",
    "http://[2001:db8::1]/",
    "http://[2001:20::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[100::1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[2606:4700::5efe:10.0.0.1]/",
    "http://[2606:4700::200:5efe:192.168.1.1]/",
    # Ports that are no web server's.
    "http://8.8.8.8:8080/hook",
    "http://8.8.8.8:22/",
    "https://example.org:6379/",
]
MALFORMED = [
    "",
    "example.org",
    "ftp://example.org/",
    "file:///etc/passwd",
    "gopher://example.org/",
    "http://",
    "http://user:password@example.org/",
    "http://example.org:99999/",
    "http://example.org:0/",
    "http://example.org/\r\nX: y",
    "http://example.org\\@127.0.0.1/",
    "http://exa mple.org/",
    "http://exämple.org/",
]


def _settings(**values) -> ServiceSettings:
    return ServiceSettings(webhook_secret=SECRET, **values)


@pytest.mark.parametrize("url", PRIVATE + MALFORMED)
def test_forbidden_targets_are_refused_when_the_request_comes(url):
    with pytest.raises(RequestRefused) as refused:
        check_webhook_url(url, _settings())
    assert (refused.value.status, refused.value.problem.code) == (422, "WEBHOOK_FORBIDDEN")
    assert refused.value.problem.field == "webhook_url"


@pytest.mark.parametrize(
    "url",
    [u for u in PRIVATE if "internal" not in u and "a.local" not in u and "example.org" not in u],
)
def test_forbidden_targets_are_refused_again_when_they_are_called(url):
    """A name that is public when the request comes may be private when it is looked up."""
    with pytest.raises((ForbiddenTarget, OSError)):
        resolve(parse_target(url), allow_private=False)


def test_public_targets_are_taken_and_none_without_a_secret():
    check_webhook_url("https://example.org/hook?x=1", _settings())
    for address in ("8.8.8.8:443", "[2606:4700:4700::1111]", "[2606:4700:4700::1111]:443"):
        check_webhook_url(f"https://{address}/hook", _settings())
        resolve(parse_target(f"https://{address}/hook"), allow_private=False)
    with pytest.raises(RequestRefused) as refused:
        check_webhook_url("https://example.org/", ServiceSettings())
    assert refused.value.problem.code == "WEBHOOK_DISABLED"
    check_webhook_url("http://127.0.0.1:8080/", _settings(webhook_private=True))


@given(st.ip_addresses())
def test_what_is_called_public_is_global(address):
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast


def test_the_signature_is_the_hmac_of_time_and_body():
    # Computed apart: printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'key'
    import hashlib
    import hmac

    expected = hmac.new(b"key", b'1700000000.{"a":1}', hashlib.sha256).hexdigest()
    assert signature("key", "1700000000", b'{"a":1}') == f"sha256={expected}"


@given(st.text(), st.text())
def test_no_header_whatever_breaks_the_check(stamp, given_signature):
    headers = {"X-Signature-Timestamp": stamp, "X-Signature-256": given_signature}
    assert not verify_webhook(SECRET, headers, b"body", now=1.7e9)
