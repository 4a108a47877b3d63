"""What counts as a secret, in every spelling, and what does not."""

import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.redaction import redacted

SETTINGS = {
    "NASCAR_GRAPH_PASSWORD": "gr@ph-pass",
    "NASCAR_STORAGE": "postgresql://user:p%40ss%2Fword@host/db",
    "NASCAR_NOTIFY_WEBHOOK": "https://hooks.example/services/T0/B0/xyzzy",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUt",
    "NASCAR_HOME": "data",
    "PATH": "/usr/bin",
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("refused gr@ph-pass.", "refused ***."),
        ("https://h/?next=gr%40ph-pass", "https://h/?next=***"),
        ("password p@ss/word or p%40ss%2Fword", "password *** or ***"),
        ("POST services/T0/B0/xyzzy failed", "POST *** failed"),
        ("key wJalrXUt", "key ***"),
        (
            "http://ann:b@c@host:80/x and bolt://bob@graph",
            "http://***@host:80/x and bolt://***@graph",
        ),
        (
            "https://h/x?api_key=abc&y=1&X-Amz-Signature=f#z",
            "https://h/x?api_key=***&y=1&X-Amz-Signature=***#z",
        ),
        ("read data in /usr/bin, mail ann@host", "read data in /usr/bin, mail ann@host"),
        ("https://host/a?monkey=1", "https://host/a?monkey=1"),
        ("http:/u:p@h, u:p@h, http:\\\\/u:p@h", "http:/***@h, ***@h, http:\\\\/***@h"),
        ("http%3A%2F%2Fu%3Ap%40h", "http%3A%2F%2F***@h"),
        ("sync --feed http://u:beg/in@h/x", "sync --feed http://***@h/x"),
        ("http://host:80/a@b at 12:30 of row 3: x@y", "http://host:80/a@b at 12:30 of row 3: x@y"),
        ("host=h password='a b\\' c' port=1", "host=h password='***' port=1"),
        ("sslpassword = abc host=h", "sslpassword = *** host=h"),
        ('{"password": "a b", "key": "b"}', '{"password": "***", "key": "b"}'),
        ('"{\\"token\\": \\"a b\\"}"', '"{\\"token\\": \\"***\\"}"'),
        ("AWSAccessKeyId=abc&Signature=x", "AWSAccessKeyId=***&Signature=***"),
    ],
)
def test_secrets_are_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert redacted(text, SETTINGS) == shown


@pytest.mark.parametrize("sign", "/?#")
def test_a_password_that_nobody_quoted_is_hidden_whole_and_in_part(sign: str) -> None:
    feed = f"http://ann:begin{sign}s3cret@host/x"
    shown = redacted(f"{feed} is no URL: Invalid port: 'begin'; s3cret", {"NASCAR_FEED": feed})
    assert shown == "http://***@host/x is no URL: Invalid port: '***'; ***"


@pytest.mark.parametrize(
    ("setting", "secret"),
    [
        ("postgresql://host/db?user=ann&password=s%33cret+x&sslmode=require", "s3cret x"),
        ("host=h user=ann password='s3cret\\' x'", "s3cret' x"),
        ("https://host/feed?token=s3cret", "s3cret"),
        ("https://host/feed?x=1&key=s3cret", "s3cret"),
        ("postgresql://host/db?sslpassword=s3cret", "s3cret"),
        ("s3://bucket?aws_secret_access_key=s3cret", "s3cret"),
        ("http:/ann:s3cret@host", "s3cret"),
        ("ann:s3cret@host", "s3cret"),
        ("https://s3cret@host", "s3cret"),
    ],
)
def test_a_settings_secret_is_hidden_where_it_stands_alone(setting: str, secret: str) -> None:
    for name in ("NASCAR_STORAGE", "https_proxy"):
        assert redacted(f"with {secret}, no", {name: setting}) == "with ***, no"


def _inner(spell: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: spell(text)[1:-1]


SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    quote,
    quote_plus,
    html.escape,
    _inner(repr),
    _inner(ascii),
    _inner(json.dumps),
    _inner(lambda text: json.dumps(text, ensure_ascii=False)),
    lambda text: quote(text, safe=""),
    lambda text: repr(text.encode())[2:-1],
    lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    lambda text: "".join(f"&#{ord(letter)};" for letter in text),
)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=4, max_size=12).filter(
        lambda secret: secret == secret.strip("\\")
    ),
    st.lists(st.sampled_from(SPELLINGS), max_size=3),
)
def test_a_known_secret_is_hidden_in_every_spelling(
    secret: str, spellings: list[Callable[[str], str]]
) -> None:
    text = secret
    for spell in spellings:
        text = spell(text)
    shown = redacted(f"[{text}]", {"NASCAR_GRAPH_PASSWORD": secret})
    assert shown.replace("\\", "") == "[***]"  # a sign of escaping may be left before it


def test_what_is_behind_a_webhooks_host_is_hidden_without_a_slash_too() -> None:
    hook = "https://hooks.example?xyzzy"
    assert (
        redacted(f"POST {hook}", {"NASCAR_NOTIFY_WEBHOOK": hook})
        == "POST https://hooks.example?***"
    )


def test_errors_never_hold_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASCAR_GRAPH_PASSWORD", "gr@ph-pass")
    error = InputError("gr@ph-pass", file="http://a:b@c/d", remedy="not gr@ph-pass")
    assert str(error) == "http://***@c/d: *** not ***"
    assert error.message == "***"
    assert str(EnvironmentFault("at bolt://a:b@c with gr@ph-pass")) == "at bolt://***@c with ***"
