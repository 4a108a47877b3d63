"""Deliveries: signed, retried, on failure too, and never to where they must not go."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize("url", [u for u in PRIVATE if "internal" not in u and "a.local" not in u])
def test_forbidden_targets_are_refused_again_when_they_are_called(url):
    """A name that is public when the request comes may be private when it is looked up."""
    with pytest.raises((ForbiddenTarget, OSError)):
        resolve(parse_target(url), allow_private=False)


def test_public_targets_are_taken_and_none_without_a_secret():
    check_webhook_url("https://example.org/hook?x=1", _settings())
    check_webhook_url("http://8.8.8.8:8080/hook", _settings())
    with pytest.raises(RequestRefused) as refused:
        check_webhook_url("https://example.org/", ServiceSettings())
    assert refused.value.problem.code == "WEBHOOK_DISABLED"
    check_webhook_url("http://127.0.0.1/", _settings(webhook_private=True))


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
