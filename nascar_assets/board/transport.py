"""Requests to an application of the same process, whose answers stream as over a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from starlette.types import ASGIApp, Message


class InProcess(httpx.AsyncBaseTransport):
    """Sends requests to an application without a socket.

    Args:
        client: The address for whom they are sent: limits count for it.
    """

    def __init__(self, app: ASGIApp, client: str) -> None:
        self._app, self._client = app, client

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request; returns once the answer's head is there."""
        body = await request.aread()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "server": (request.url.host, request.url.port),
            "client": (self._client, 0),
            "root_path": "",
            "state": {},
        }
        sent, gone = False, asyncio.Event()
        found: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=64)

        async def receive() -> Message:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": body, "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def run() -> None:
            try:
                await self._app(scope, receive, found.put)
            finally:
                await found.put(None)

        task = asyncio.ensure_future(run())
        head = await found.get()
        if head is None:
            await task  # raises what the application raised
            raise httpx.RemoteProtocolError("The application gave no answer.")
        return httpx.Response(
            head["status"], headers=head["headers"], stream=_Parts(task, found, gone)
        )


class _Parts(httpx.AsyncByteStream):
    def __init__(self, task: asyncio.Future[None], found: Any, gone: asyncio.Event) -> None:
        self._task, self._found, self._gone = task, found, gone

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (message := await self._found.get()) is not None:
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                return

    async def aclose(self) -> None:
        self._gone.set()
        self._task.cancel()
