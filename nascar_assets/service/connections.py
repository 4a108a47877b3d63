"""The connections a server holds: how many, for how long each, and which one goes when it is full.

uvicorn's own protocol holds a request's head to a size. What it has no limit for is here: a
connection that sends nothing, a head or a body that never ends, an answer that is not read.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from nascar_assets.service.clients import client_of

_log = structlog.get_logger(__name__)

HEAD_BYTES = 32_768
"""Largest head of a request."""
SPARE_FILES = 300
"""Files that a server needs besides its connections: databases, workers, what it reads."""
ANSWER, BODY, HEAD = "an answer is not read", "a body does not end", "no request comes"
FULL = "the server is full"
SECONDS = {ANSWER: 60.0, BODY: 20.0, HEAD: 20.0}
"""How long a connection may be in each of these states for one request."""
_LOG_SECONDS = 5.0


class Connections:
    """All of a server's connections."""

    def __init__(self, upper: int) -> None:
        self._max = _files_for(upper)
        self._closed: Counter[str] = Counter()
        self._logged = float("-inf")

    def make_room(self, newcomer: Connection) -> None:
        """Where there are too many: lets the one go that waits longest for its client.

        It is one of the client who holds most of them, so that nobody shuts others out. The
        newcomer goes where every other connection has a request in work.
        """
        found = [c for c in _requests(newcomer.connections) if not c.transport.is_closing()]
        if len(found) <= self._max:
            return
        held = Counter(connection.address for connection in found)
        waiting = [c for c in found if c is not newcomer and c.state() in (HEAD, BODY)]
        waiting.sort(key=lambda c: (-held[c.address], c.since))
        next((c for c in waiting if not c.has_sent()), newcomer).let_go()
        self._closed[FULL] += 1

    def sweep(self, connections: Iterable[Any]) -> None:
        """Lets go what takes too long, and tells of all that was; called every second."""
        now = time.monotonic()
        for connection in _requests(connections):
            state = connection.overdue(now)
            if state is not None:
                # What is not read would keep a closed one open.
                (connection.transport.abort if state is ANSWER else connection.transport.close)()
                self._closed[state] += 1
        if self._closed and now - self._logged > _LOG_SECONDS:
            self._logged = now
            closed = {why.replace(" ", "_"): count for why, count in self._closed.items()}
            _log.warning("connections closed", upper=self._max, **closed)
            self._closed.clear()


class Connection(H11Protocol):
    """uvicorn's HTTP protocol, and since when it waits for its client."""

    def __init__(self, *arguments: Any, limits: Connections, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._seen: tuple[str | None, int] = (None, 0)
        self._answered = 0
        self.since = time.monotonic()
        self.address = "unknown"

    def connection_made(self, transport: Any) -> None:
        """A client is there."""
        super().connection_made(transport)
        self.address = client_of(self.client[0]) if self.client else "unknown"
        self._limits.make_room(self)

    def on_response_complete(self) -> None:
        """What is waited for from now on belongs to the next request."""
        self._answered += 1
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP; where an answer has begun already, only the end is left."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def has_sent(self) -> bool:
        """Whether bytes have come that the server has not got round to reading."""
        with self._socket() as raw, suppress(OSError):
            return bool(raw.recv(1, socket.MSG_PEEK))
        return False

    def let_go(self) -> None:
        """Ends it at once: a transport closes in its turn, and what comes until then is lost."""
        with self._socket() as raw, suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)
        self.transport.close()

    @contextmanager
    def _socket(self) -> Iterator[socket.socket]:
        """The transport's own socket, of which event loops give out less than a whole one."""
        raw = socket.socket(fileno=self.transport.get_extra_info("socket").fileno())
        try:
            yield raw
        finally:
            raw.detach()

    def state(self) -> str | None:
        """What is waited for; none while a request is in work."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            return ANSWER
        return {h11.IDLE: HEAD, h11.SEND_BODY: BODY}.get(self.conn.their_state)

    def overdue(self, now: float) -> str | None:
        """What was waited for too long; none where nothing was."""
        state = self.state()
        if (seen := (state, self._answered)) != self._seen:
            self._seen, self.since = seen, now
        return state if state is not None and now - self.since > SECONDS[state] else None


def _requests(connections: Iterable[Any]) -> list[Connection]:
    """Those that carry requests: a WebSocket of a page is let go by its own pings."""
    return [item for item in connections if isinstance(item, Connection)]


def _files_for(connections: int) -> int:
    """So many connections as the limit of open files allows; it is raised where it may be."""
    try:
        import resource
    except ImportError:  # a system without such a limit
        return connections
    wanted = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    upper = connections if soft == resource.RLIM_INFINITY else min(connections, soft - SPARE_FILES)
    if upper < connections:
        _log.warning("fewer connections", wanted=connections, held=upper, open_files=soft)
    return max(16, upper)
