"""What counts as a secret, in every spelling, and what does not."""

import pytest

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
    ],
)
def test_secrets_are_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert redacted(text, SETTINGS) == shown


@pytest.mark.parametrize("sign", "/?#")
def test_a_password_that_nobody_quoted_is_hidden_whole_and_in_part(sign: str) -> None:
    feed = f"http://ann:begin{sign}s3cret@host/x"
    shown = redacted(f"{feed} is no URL: Invalid port: 'begin'; s3cret", {"NASCAR_FEED": feed})
    assert shown == "http://***@host/x is no URL: Invalid port: '***'; ***"


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
