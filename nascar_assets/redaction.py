r"""Secrets out of text: what settings and addresses keep to themselves is shown as `***`.

Every error, print, log line and report of ours goes through `redacted`, so that a password is
removed where text is made and not wherever it may turn up. What an address or a connection string
keeps to itself is hidden by its form; what the settings hold is hidden wherever it stands, in every
spelling: as it is, quoted for an address (`%2F`), escaped (`\/`, `\x2f`, `&#x2f;`), and all of
these over one another.
"""

from __future__ import annotations

import html
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote, unquote_plus

HIDDEN = "***"

_LOOKED_AT = re.compile(r"(NASCAR|AWS|PG|NEO4J|DAGSTER).*|.*_proxy", re.IGNORECASE)
"""Names of settings that may hold a secret."""

_WHOLE = re.compile(r"\w*(PASSWORD|SECRET|TOKEN|ACCESS_KEY_ID)\w*")
"""Names of those whose whole value is one."""

_WEBHOOK = "NASCAR_NOTIFY_WEBHOOK"
"""An address that lets in whoever knows it: all behind its host is secret."""

# What stands before an @ behind `://`, however many and whatever slashes; where there is none
# before the next slash, after a colon that no port follows: a password that nobody quoted.
_USER = re.compile(
    r"""((?::|%3A)(?:[/\\]|%2F)+)
        (?:[^\s/?\#'"<>]{0,512}|[^\s/?\#'"<>:@]{0,512}:(?!\d*[/?\#])[^\s'"<>]{0,512})(?:@|%40)
        |(?<![\w.+/-])[\w.+-]+:[^\s/'"<>:@]{1,512}@(?=\w)""",
    re.IGNORECASE | re.VERBOSE,
)
_KEYED = re.compile(
    r"""((?<![\w.-])[\w.-]*
         (?:passw(?:or)?d|passphrase|secret|token|signature|credential|access_?key(?:_?id)?|api_?key
          |(?<![^\W_])(?:sig|pwd))
         (?:\\*['"]\s*:|\s*=|%3D)\s*
        |[?&;](?:[\w.-]*[_.-])?(?:key|auth)=)
        (\\+['"][^'"]*['"]?|'(?:\\.|[^'\\])*'?|"(?:\\.|[^"\\])*"?|(?:\\.|[^\s&;\#,'"<>\\]|,(?=\S))+)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A name such as `sslpassword`, and its value: in a query, a connection string, a mapping."""

_HEX = "[0-9A-Fa-f]"
_MORE = rf"(?:(?:%|\\x)[89ABab]{_HEX})"
_ESCAPED = re.compile(
    rf"((?:%|\\x)(?:[CDcd]{_HEX}{_MORE}|[Ee]{_HEX}{_MORE}{{2}}|[Ff][0-7]{_MORE}{{3}}))"
    rf"|(\\u[Dd][89ABab]{_HEX}{{2}}\\u[Dd][C-Fc-f]{_HEX}{{2}})|(?:%|\\x)({_HEX}{{2}})"
    rf"|\\u({_HEX}{{4}})|\\U(00[01]{_HEX}{{5}})|&\#[xX]({_HEX}{{1,6}});|&\#([0-9]{{1,7}});"
    r"|(&\w{2,8};)|\\(.)",
    re.DOTALL,
)
_STEERING = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_DEPTH = 6
"""How many spellings over one another are taken off."""

_SHORTEST = 4
"""A shorter secret would take letters out of every word."""


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text without the secrets of the settings, nor of any address in it."""
    known = _known(frozenset(item for item in environment.items() if _LOOKED_AT.fullmatch(item[0])))
    if known is not None:
        held = bytearray(len(text))
        for read, starts in _levels(text):
            for found in known.finditer(read):
                begin, end = starts[found.start()], starts[found.end()]
                held[begin:end] = b"\1" * (end - begin)
        kept = re.finditer(b"\0+|(\1+)", held)
        text = "".join(HIDDEN if run[1] else text[slice(*run.span())] for run in kept)
    return _KEYED.sub(_quoted, _USER.sub(rf"\g<1>{HIDDEN}@", text))


def shown_setting(name: str, value: str) -> str:
    """The value of a setting for people: hidden in whole where it is a secret, however short."""
    return HIDDEN if _WHOLE.fullmatch(name) else redacted(value)


def _quoted(found: re.Match[str]) -> str:
    """The name with its value hidden, in the quotes that it had: JSON stays JSON."""
    begin = re.match(r"\\*['\"]?", found[2])
    sign = begin[0] if begin else ""
    return f"{found[1]}{sign}{HIDDEN}{sign if found[2].endswith(sign) else ''}"


@lru_cache(maxsize=8)
def _known(settings: frozenset[tuple[str, str]]) -> re.Pattern[str] | None:
    """What finds the secrets of these settings; none where they hold none."""
    held = {secret for name, value in settings for secret in _secrets(name, value)}
    held |= {plain(secret) for plain in (unquote, unquote_plus) for secret in held}
    forms = {read for secret in held for form in _forms(secret) for read, _ in _levels(form)}
    # A backslash at its end may have been read with what comes behind it.
    forms |= {form.rstrip("\\") for form in forms}
    longest = sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest))) if longest else None


def _secrets(name: str, value: str) -> Iterator[str]:
    """The secrets in a setting, whole and in the parts that a reader may take them apart into."""
    if _WHOLE.fullmatch(name):
        yield value
        return
    scheme = re.match(r"(?:[A-Za-z][\w+.-]*:(?=[/\\]))?[/\\]*", value)
    assert scheme is not None
    behind = value[scheme.end() :]
    if name == _WEBHOOK:
        yield re.sub(r"^[^/?#]*[/?#]?", "", behind)
    # Up to the last @, whatever is between: a password with / ? # or @ that nobody quoted ends up
    # in the path or the port of what is taken apart, and in its errors.
    user, colon, password = behind.rpartition("@")[0].partition(":")
    secret = password if colon or not scheme[0].startswith("http") else user  # a token has no user
    yield from (secret, *re.split("[/?#@]", secret))
    for found in _KEYED.finditer(value):
        yield from (found[2].strip("\\'\""), re.sub(r"\\(.)", r"\1", found[2].strip("'\"")))


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, and as Python writes it: some of that is read as another."""
    for form in (secret, secret.replace(" ", "+")):
        yield from (form, ascii(form)[1:-1])


def _levels(text: str) -> Iterator[tuple[str, Sequence[int]]]:
    """A text as it is and read again and again; with where each letter, and the end, stood."""
    starts: Sequence[int] = range(len(text) + 1)
    yield text, starts
    for _ in range(_DEPTH):
        at, letters, moved = 0, [], []
        for found in _ESCAPED.finditer(text):
            letters += [text[at : found.start()], letter := _letter(found)]
            moved += [*starts[at : found.start()], *[starts[found.start()]] * len(letter)]
            at = found.end()
        if not at:
            return
        text, starts = "".join([*letters, text[at:]]), [*moved, *starts[at:]]
        yield text, starts


def _letter(found: re.Match[str]) -> str:
    """What an escape stands for."""
    kind = found.lastindex or 0
    if kind < 3:
        raw = bytes.fromhex(re.sub(r"%|\\[xu]", "", found[0]))
        return raw.decode("utf-8" if kind == 1 else "utf-16-be", "replace")[:1]
    if kind < 8:
        return chr(min(int(found[kind], 10 if kind == 7 else 16), sys.maxunicode))
    return html.unescape(found[8]) if kind == 8 else _STEERING.get(found[9], found[9])
