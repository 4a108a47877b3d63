"""Server-sent events: values as they come, a beat while there is none, so many streams at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi.responses import StreamingResponse

from nascar_assets.service.contracts import Contract
from nascar_assets.service.problems import Answers, RequestRefused, problem_answers

STREAMS = 200
"""Streams of a kind that are open at once."""
STREAMS_OF_ONE = 20
"""How many of them one client may have: a person's pages, and nobody holds all of them."""
BEAT_SECONDS = 10.0
"""How often a stream says something, so that nobody between takes it for dead."""

EVENTS: Answers = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
    **problem_answers(401, 403, 404, 422, 429, 503),
}
"""What a route may answer that answers with a stream."""

Event = tuple[str, Contract]
"""An event's name and its value."""


class EventStreams:
    """Answers with streams, up to a number of them at once, and of each client.

    Args:
        what: What is followed, for whom one more is refused: `jobs`.
        ending: Set once the server is to end; it ends the streams.
    """

    def __init__(self, what: str, ending: asyncio.Event) -> None:
        self._what, self._ending = what, ending
        self._open: Counter[str] = Counter()

    def answer(
        self, found: AsyncIterator[Event], client: str, known: Callable[[], bool]
    ) -> StreamingResponse:
        """A stream of these events, which ends with them, and once its client is not known.

        Raises:
            RequestRefused: 429 where this client has too many open, 503 where all together have.
        """
        if self._open[client] >= STREAMS_OF_ONE:
            raise RequestRefused(
                429,
                "TOO_MANY_STREAMS",
                f"This client follows {STREAMS_OF_ONE} {self._what} at once, which are the most.",
                remedy="Close some of them.",
                retry_after=5,
            )
        if self._open.total() >= STREAMS:
            raise RequestRefused(
                503, "BUSY", f"Too many {self._what} are followed at once.", retry_after=5
            )

        async def stream() -> AsyncIterator[bytes]:
            self._open[client] += 1
            try:
                async for part in _with_beats(found, self._ending):
                    if not known():
                        return
                    yield part
            finally:
                self._open[client] -= 1
                self._open += Counter()  # forgets who has none

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


async def _with_beats(found: AsyncIterator[Event], ending: asyncio.Event) -> AsyncIterator[bytes]:
    """Events with a comment now and then while there is none, until the server is to end."""
    waiting: asyncio.Future[Event] | None = None
    end = asyncio.ensure_future(ending.wait())
    try:
        while not ending.is_set():
            if waiting is None:
                waiting = asyncio.ensure_future(anext(found))
            either: set[asyncio.Future[Any]] = {waiting, end}
            done, _ = await asyncio.wait(
                either, timeout=BEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if waiting not in done:
                if not done:
                    yield b": still there\n\n"
                continue
            try:
                name, value = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield f"event: {name}\ndata: {value.model_dump_json()}\n\n".encode()
    finally:
        end.cancel()
        if waiting is not None:
            waiting.cancel()
