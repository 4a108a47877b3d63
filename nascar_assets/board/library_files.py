"""The page library's own scripts and styles, compressed once and kept."""

from __future__ import annotations

import gzip

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KINDS = ("text/javascript", "text/css")
_FOR_GOOD = "public, max-age=31536000, immutable"
_LEVEL = 6
"""Higher ones take several times as long for a hundredth of the bytes."""


class LibraryFiles:
    """ASGI middleware: answers with what it has compressed before; passes on everything else.

    A first visit asks for two megabytes of scripts, which compress in a third of a second of one
    core: the first visitor waits for that, those after him do not.

    Args:
        app: The library's application, which compresses nothing itself.
        prefixes: What paths of files begin with that never change while the server runs.
    """

    def __init__(self, app: ASGIApp, prefixes: tuple[str, ...]) -> None:
        self._app, self._prefixes = app, prefixes
        self._kept: dict[str, tuple[Message, Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path = _path(scope)
        if path is None or not path.startswith(self._prefixes):
            await self._app(scope, receive, send)
            return
        for message in self._kept.get(path) or await self._answer(path, scope, receive):
            await send(dict(message))

    async def _answer(self, path: str, scope: Scope, receive: Receive) -> tuple[Message, Message]:
        """The application's answer as one piece, compressed and kept where it is one to keep."""
        head: Message = {}
        body = bytearray()

        async def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                body.extend(message.get("body", b""))

        plain = [item for item in scope["headers"] if item[0] != b"accept-encoding"]
        await self._app({**scope, "headers": plain}, receive, take)
        kind = Headers(raw=head["headers"]).get("content-type", "").partition(";")[0]
        if head["status"] != 200 or kind not in _KINDS:
            return head, {"type": "http.response.body", "body": bytes(body)}
        packed = await to_thread.run_sync(lambda: gzip.compress(body, _LEVEL, mtime=0))
        headers = MutableHeaders(raw=list(head["headers"]))
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(packed))
        headers["Vary"] = "Accept-Encoding"
        headers["Cache-Control"] = _FOR_GOOD  # version and content stand in the path
        head["headers"] = headers.raw
        self._kept[path] = (head, {"type": "http.response.body", "body": packed})
        return self._kept[path]


def _path(scope: Scope) -> str | None:
    """The path of a request for a whole file by someone who takes it compressed."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    asked = Headers(scope=scope)
    whole = "range" not in asked and "if-none-match" not in asked
    return str(scope["path"]) if whole and "gzip" in asked.get("accept-encoding", "") else None
