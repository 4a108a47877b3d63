"""The feed's client: one way to read the feed's tree, from a server or from a folder like it."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.feed.payload import LARGEST_JSON_BYTES, FeedFormatError

if TYPE_CHECKING:
    import httpx

LIVE_FEED_URL = "https://cf.nascar.com"
"""Base of the public feed."""

MIN_INTERVAL_S = 0.25
"""Seconds between two requests, so that the feed's server is not burdened."""

DEADLINE_S = 120.0
"""Seconds that one answer may take in all, from the look-up of the name to its last byte."""

_ATTEMPTS = 4
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_ABSENT = frozenset({403, 404, 410})  # the feed's CDN answers 403 for a file that it does not have
_OF_ONE_FILE = frozenset({errno.EACCES, errno.EPERM, errno.EIO})
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


def _default_client() -> httpx.Client:
    # Imported where it is used: it costs a third of importing the whole code location.
    import httpx

    # Compressed once at most: a bound on what is read holds for what it expands to as well.
    headers = {"Accept-Encoding": "gzip"}
    return httpx.Client(timeout=30.0, follow_redirects=True, headers=headers)


class FeedReadError(EnvironmentFault):
    """A file of the feed could not be read; whether the feed has it is not known."""


class FeedSource(Protocol):
    """Whatever has files at the feed's paths."""

    @property
    def location(self) -> str:
        """Where the feed is, for people."""
        ...

    def read(self, path: str) -> bytes | None:
        """The content of a file; none where the feed does not have it.

        Raises:
            FeedReadError: If the read failed; a failed read is never taken for a missing file.
            FeedFormatError: If it is larger than any file of the feed.
        """
        ...


class DirectoryFeed:
    """A folder that mirrors the feed's tree.

    Args:
        folder: The folder with `cacher/` and `loopstats/`.

    Raises:
        InputError: If there is no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder).expanduser()
        if not self._folder.is_dir():
            raise InputError(
                f"There is no feed folder {self._folder}.",
                remedy="Name a folder that mirrors the feed's tree, or a URL.",
            )

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._folder)

    def read(self, path: str) -> bytes | None:
        """The content of a file; none where there is no such file.

        Raises:
            FeedReadError: If the read failed.
            FeedFormatError: If it is larger than any file of the feed, or no plain file at all: a
                folder, a pipe, links in a circle; or if it alone may not or cannot be read.
        """
        try:
            with open(self._folder / path, "rb", opener=_plain) as file:
                return _whole(iter(lambda: file.read(1 << 20), b""), path, str(self._folder / path))
        except _NoPlainFile as error:
            raise FeedFormatError(f"{error} is no plain file.", file=path) from error
        except (FileNotFoundError, NotADirectoryError) as error:
            if self._folder.is_dir():
                return None
            raise FeedReadError(f"The feed folder {self._folder} is gone.") from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                message = f"{self._folder / path} is a link that leads to itself."
                raise FeedFormatError(message, file=path) from error
            if error.errno in _OF_ONE_FILE and self._can_be_listed():
                raise FeedFormatError(
                    f"{self._folder / path} cannot be read: {error.strerror}.",
                    file=path,
                    remedy="Let this user read it, or put the file there anew.",
                ) from error
            raise FeedReadError(f"Reading {self._folder / path} failed: {error}") from error

    def _can_be_listed(self) -> bool:
        """Whether the folder itself can be read, so that a fault is of one file in it."""
        try:
            os.scandir(self._folder).close()
        except OSError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file as the server sent it last, with what tells whether it has changed since.

    Attributes:
        body: The content.
        etag: The server's entity tag, if any.
        last_modified: The server's time of change, if any.
    """

    body: bytes
    etag: str | None
    last_modified: str | None


class FeedCache(Protocol):
    """Where a client keeps what it read, so that unchanged files are not sent again."""

    def get(self, path: str) -> CachedFile | None:
        """What the server sent last; none where nothing usable is there."""
        ...

    def put(self, path: str, file: CachedFile) -> None:
        """Remembers what the server sent."""
        ...


class MemoryCache:
    """A cache for the life of one process."""

    def __init__(self) -> None:
        self._files: dict[str, CachedFile] = {}

    def get(self, path: str) -> CachedFile | None:
        """What the server sent last."""
        return self._files.get(path)

    def put(self, path: str, file: CachedFile) -> None:
        """Remembers what the server sent."""
        self._files[path] = file


class HttpFeed:
    """The feed on a server, read politely.

    Requests are kept apart by a minimum interval, conditional where the server's last answer had
    an entity tag or a time of change, and repeated with growing pauses (those that the server
    asks for, where it does) when the server is busy or the connection breaks.

    Args:
        base_url: What the feed's paths are appended to.
        cache: What was read before; an empty one by default.
        min_interval_s: Least seconds between two requests.
        deadline_s: Seconds that one answer may take in all.
        sleep: Waits a number of seconds.
        clock: A monotonic clock in seconds.
    """

    def __init__(
        self,
        base_url: str = LIVE_FEED_URL,
        cache: FeedCache | None = None,
        min_interval_s: float = MIN_INTERVAL_S,
        *,
        deadline_s: float = DEADLINE_S,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            parts = urlsplit(base_url.rstrip("/"))
            parts.port  # noqa: B018 - refused here, where it is none
        except ValueError:
            raise _no_url(base_url) from None
        # Apart from the address, which libraries write into logs and errors.
        self._base_url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._auth: dict[str, Any] = {}
        if parts.username is not None:
            self._auth["auth"] = (unquote(parts.username), unquote(parts.password or ""))
        self._cache = cache if cache is not None else MemoryCache()
        self._min_interval_s = min_interval_s
        self._deadline_s = deadline_s
        self._client = _default_client()
        self._sleep = sleep
        self._clock = clock
        self._last_request: float | None = None

    @property
    def location(self) -> str:
        """The base URL."""
        return self._base_url

    def read(self, path: str) -> bytes | None:
        """The content of a file; none where the server does not have it.

        Raises:
            FeedReadError: If the server could not be reached, or did not answer in earnest, after
                several attempts.
            FeedFormatError: If the answer is larger than any file of the feed.
        """
        import httpx

        url = f"{self._base_url}/{path}"
        cached = self._cache.get(path)
        headers = _conditions(cached)
        wait, reason = _FIRST_WAIT_S, ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT_S)
            self._keep_apart()
            try:
                answer, body = self._get(url, path, headers)
            except httpx.InvalidURL:
                raise _no_url(url) from None
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                continue
            if answer.status_code == 304 and cached is not None:
                return cached.body
            if answer.status_code in _ABSENT:
                return None
            if answer.status_code == 200:
                self._cache.put(
                    path,
                    CachedFile(
                        body, answer.headers.get("etag"), answer.headers.get("last-modified")
                    ),
                )
                return body
            reason = f"the server answered {answer.status_code}"
            if answer.status_code not in _RETRIED:
                break
            wait = max(wait, _asked_wait(answer.headers.get("retry-after")))
        raise FeedReadError(f"Reading {url} failed: {reason}.")

    def _get(self, url: str, path: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
        """An answer with its body; httpx itself limits the wait for each piece alone."""
        client = self._client
        done: list[tuple[httpx.Response, bytes] | Exception] = []

        def get() -> None:
            try:
                with client.stream("GET", url, headers=headers, **self._auth) as answer:
                    if "," in answer.headers.get("content-encoding", ""):
                        raise FeedFormatError("It is compressed more than once.", file=path)
                    done.append((answer, _whole(answer.iter_bytes(), path, url)))
            except Exception as error:  # raised again where it is waited for
                done.append(error)

        thread = threading.Thread(target=get, daemon=True)
        thread.start()
        thread.join(self._deadline_s)
        if not done:
            self._client = _default_client()
            client.close()  # what the thread waits for fails at the next piece
            raise FeedReadError(
                f"Reading {url} failed: no whole answer within {self._deadline_s:g} seconds."
            )
        if isinstance(done[0], Exception):
            raise done[0]
        return done[0]

    def _keep_apart(self) -> None:
        now = self._clock()
        if self._last_request is not None:
            pause = self._last_request + self._min_interval_s - now
            if pause > 0:
                self._sleep(pause)
                now += pause
        self._last_request = now


def open_feed(url_or_dir: str | Path, cache: FeedCache | None = None) -> FeedSource:
    """The feed at a URL or in a folder.

    Args:
        url_or_dir: `https://...`, or a folder that mirrors the feed's tree.
        cache: For a URL: what was read before.

    Raises:
        InputError: If it is neither.
    """
    text = str(url_or_dir)
    if text.startswith(("http://", "https://")):
        return HttpFeed(text, cache)
    if "://" in text and not text.startswith("file://"):
        raise InputError(f"{text} is no feed.", remedy="Name an http or https URL, or a folder.")
    return DirectoryFeed(text.removeprefix("file://"))


class _NoPlainFile(Exception):
    """What is opened is no plain file; its path."""


def _plain(path: str, flags: int) -> int:
    """Opens a plain file; a pipe in its place is not waited for."""
    opened = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise _NoPlainFile(path)
    return opened


def _whole(pieces: Iterable[bytes], path: str, where: str) -> bytes:
    """All pieces together.

    Raises:
        FeedFormatError: If they are more than any file of the feed has.
    """
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > LARGEST_JSON_BYTES:
            raise FeedFormatError(
                f"{where} has more than {LARGEST_JSON_BYTES:,} bytes, the most that is read of a "
                "file of the feed.",
                file=path,
            )
    return bytes(body)


def _no_url(text: str) -> InputError:
    """Not in the library's words, which take a password apart that nobody quoted."""
    return InputError(
        f"{text} is no URL.", remedy="In a user or password write %2F for /, %3F for ?, %23 for #."
    )


def _conditions(cached: CachedFile | None) -> dict[str, str]:
    headers: dict[str, str] = {}
    if cached is not None and cached.etag:
        headers["If-None-Match"] = cached.etag
    if cached is not None and cached.last_modified:
        headers["If-Modified-Since"] = cached.last_modified
    return headers


def _asked_wait(retry_after: str | None) -> float:
    """Seconds that the server asks to wait; none where it gives a date instead."""
    if retry_after is None:
        return 0.0
    try:
        return min(max(float(retry_after), 0.0), _LONGEST_WAIT_S)
    except ValueError:
        return 0.0
