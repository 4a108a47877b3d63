"""Server-sent events: values as they come, a beat while there is none, so many streams at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi.responses import StreamingResponse

from nascar_assets.service.contracts import Contract
from nascar_assets.service.problems import RequestRefused

STREAMS = 200
"""Streams of a kind that are open at once."""
BEAT_SECONDS = 10.0
"""How often a stream says something, so that nobody between takes it for dead."""

Event = tuple[str, Contract]
"""An event's name and its value."""


class EventStreams:
    """Answers with streams, up to a number of them at once.

    Args:
        what: What is followed, for whom one more is refused: `jobs`.
    """

    def __init__(self, what: str) -> None:
        self._what, self._open = what, 0

    def answer(self, found: AsyncIterator[Event]) -> StreamingResponse:
        """A stream of these events, which ends with them.

        Raises:
            RequestRefused: 503 where too many are open.
        """
        if self._open >= STREAMS:
            raise RequestRefused(
                503, "BUSY", f"Too many {self._what} are followed at once.", retry_after=5
            )

        async def stream() -> AsyncIterator[bytes]:
            self._open += 1
            try:
                async for part in _with_beats(found):
                    yield part
            finally:
                self._open -= 1

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


async def _with_beats(found: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    """Events with a comment now and then while there is none."""
    waiting: asyncio.Future[Event] | None = None
    try:
        while True:
            if waiting is None:
                waiting = asyncio.ensure_future(anext(found))
            done, _ = await asyncio.wait({waiting}, timeout=BEAT_SECONDS)
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
        if waiting is not None:
            waiting.cancel()
