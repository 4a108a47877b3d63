"""Secrets out of text: what settings and addresses keep to themselves is shown as `***`.

Every error, print, log line and report of ours goes through `redacted`, so that a password is
removed where text is made and not wherever it may turn up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

HIDDEN = "***"

_SETTINGS = re.compile(r"(NASCAR|AWS|PG|NEO4J|DAGSTER)\w*(PASSWORD|SECRET|TOKEN|ACCESS_KEY_ID)\w*")
"""Names of settings whose whole value is a secret."""

_WHOLE = ("NASCAR_NOTIFY_WEBHOOK",)
"""Addresses that let in whoever knows them."""

_USER = re.compile(r"(?<![A-Za-z])([A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#'\"<>]*@")
_QUERY = re.compile(
    r"([?&;](?:(?:[\w.-]*[_.-]|api|access)?"
    r"(?:token|key|secret|password|passwd|signature|auth|credential)|sig|pwd)=)"
    r"[^&;#\s'\"<>]+",
    re.IGNORECASE,
)
_SHORTEST = 4
"""A shorter secret would take letters out of every word."""


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text without the secrets of the settings, nor of any address in it."""
    for secret in sorted(set(_secrets(environment)), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _QUERY.sub(rf"\g<1>{HIDDEN}", _USER.sub(rf"\g<1>{HIDDEN}@", text))


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Every spelling of every secret that the environment holds."""
    for name, value in environment.items():
        if _SETTINGS.fullmatch(name):
            yield from _spellings(value)
        elif name.startswith("NASCAR_") and "://" in value:
            behind = value.partition("://")[2]
            if name in _WHOLE:
                yield from _spellings(re.sub("^[^/?#]*[/?#]?", "", behind))
            # Up to the last @, whatever is between: a password with / ? # or @ that nobody quoted
            # ends up in the path or the port of what is taken apart, and in its errors.
            password = behind.rpartition("@")[0].partition(":")[2]
            yield from _spellings(password)
            for part in re.split("[/?#@]", password):
                yield from _spellings(part)


def _spellings(secret: str) -> Iterator[str]:
    if len(secret) >= _SHORTEST:
        yield from (
            secret,
            unquote(secret),
            quote(secret, safe=""),
            quote(unquote(secret), safe=""),
        )
