"""What every request passes before a route sees it: client, key, rate, size; and what is noted."""

from __future__ import annotations

import ipaddress
import time
import uuid
from functools import partial
from urllib.parse import quote, urlencode, urlsplit

import structlog
from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nascar_assets.service.clients import ApiKeys, RateLimit, TrustedProxies, client_of
from nascar_assets.service.contracts import Problem
from nascar_assets.service.metrics import ServiceMetrics
from nascar_assets.service.settings import ServiceSettings

_log = structlog.get_logger(__name__)
OPTIMIZE = "/api/v1/optimize"
BOARD, LOGIN, LEAVE = "/board", "/board-login", "/board-leave"
BY_KEY = "key:"
"""What the name of a client begins with who is known by his key."""
KEY_COOKIE = "nascar_key"
"""The cookie in which a visitor's browser keeps the key that he gave."""
_OPEN = (
    LOGIN,
    LEAVE,
    "/docs",
    "/docs/{file}",
    "/api/v1/docs",
    "/openapi.json",
    "/ready",
    "/metrics",
)
"""Routes that need no key and have a limit of their own; /health has none at all."""
HELD_BYTES = 16_000_000
"""Most bytes of bodies that all requests in hand may hold together."""
_NOTED_ELSEWHERE = ("/health", "/ready", "/metrics")
KNOWN_METHODS = ("GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH")


class Gate:
    """ASGI middleware around the whole service."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: ServiceSettings,
        keys: ApiKeys | None,
        metrics: ServiceMetrics,
    ) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys
        self._metrics = metrics
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._work = RateLimit(settings.rate_limit)
        self._polls = RateLimit(settings.poll_limit)
        self._pages = RateLimit(settings.page_limit)
        self._hosts = {"localhost", *settings.hosts}
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "websocket":
            if not self._page_may_speak(scope):
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, partial(self._while_known, scope, receive), send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id = uuid.uuid4().hex
        status = 500
        state = scope.setdefault("state", {})

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        problem = self._refusal(scope, state)
        try:
            if problem is not None:
                await problem(scope, receive, send_noted)
            else:
                await self._within_limit(scope, receive, send_noted)
        finally:
            self._note(scope, state, status, time.perf_counter() - begun, request_id)

    def _refusal(self, scope: Scope, state: dict[str, object]) -> Response | None:
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else ""
        address = self._proxies.client(peer, headers.getlist("x-forwarded-for"))
        client = client_of(address)
        state["client"], state["known"] = client, partial(self._is_known, headers)
        if scope["path"] == "/health":
            return None
        method, route = scope["method"], _route_of(scope)
        strange = self._of_a_strange_page(headers, method)
        if strange is not None:
            return strange
        if route in _OPEN or method == "OPTIONS":
            wait = self._polls.take(f"{client} open")
            return None if wait is None else self._too_many(wait)
        if self._keys is not None:
            key = _key_of(headers)
            name = self._keys.name_of(key or "")
            if name is None:
                wait = self._polls.take(client)  # guessing costs, too
                if wait is not None:
                    return self._too_many(wait)
                if method == "GET" and (
                    route == BOARD or (route == "/" and _of_a_browser(headers))
                ):
                    return RedirectResponse(_login(scope["path"], refused=key is not None), 303)
                return self._problem(
                    401,
                    "KEY_NEEDED",
                    "This service needs a known key in the header X-API-Key.",
                    {"WWW-Authenticate": "ApiKey"},
                )
            client = state["client"] = f"{BY_KEY}{name}"
        # By the route that answers, not by how the path is written.
        if route == BOARD:  # a page is made of many files
            limit = self._pages
        else:
            limit = self._work if (method, route) == ("POST", OPTIMIZE) else self._polls
        wait = limit.take(client)
        if wait is not None:
            return self._too_many(wait)
        length = headers.get("content-length")
        if length is not None and length.isdigit() and int(length) > self._settings.max_body_bytes:
            return self._problem(
                413, "BODY_TOO_LARGE", self._size_message(), {"Connection": "close"}
            )
        return None

    def _page_may_speak(self, scope: Scope) -> bool:
        """Whether a WebSocket comes from a page of this very server, with a key where one is due.

        A browser sends the page's origin with each, and asks nobody before.
        """
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if headers.get("origin", "").partition("://")[2] != host:
            return False
        return self._is_ours(host) if self._keys is None else self._is_known(headers)

    def _is_known(self, headers: Headers) -> bool:
        """Whether the key of a request is in force now, where one is due."""
        return self._keys is None or self._keys.name_of(_key_of(headers) or "") is not None

    async def _while_known(self, scope: Scope, receive: Receive) -> Message:
        """What a WebSocket is sent; it ends once its key is taken back."""
        message = await receive()
        if self._is_known(Headers(scope=scope)):
            return message
        return {"type": "websocket.disconnect", "code": 1008}

    def _of_a_strange_page(self, headers: Headers, method: str) -> JSONResponse | None:
        """Refuses what a web page elsewhere had its visitor's browser send.

        Without keys anything that reaches the server may use it, so a page may not reach it: not
        from another origin, and not under a name of its own that leads here.
        """
        host = headers.get("host", "")
        if self._keys is None and not self._is_ours(host):
            return self._problem(
                403,
                "HOST_UNKNOWN",
                "This server is not known under the name that the request came to. "
                "NASCAR_API_HOSTS lists its names.",
                {},
            )
        origin = headers.get("origin")
        allowed = self._settings.cors_origins
        if origin is None or method in ("GET", "HEAD", "OPTIONS") or "*" in allowed:
            return None
        if origin in allowed or origin.partition("://")[2] == host:
            return None
        return self._problem(
            403,
            "ORIGIN_FORBIDDEN",
            "Pages of this origin may not call the service. If it is the service's own, a proxy "
            "before it has to pass on the Host that it was asked for.",
            {},
        )

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header holds an address or one of this server's names."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
            return name in self._hosts or bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def _too_many(self, wait: int) -> JSONResponse:
        return self._problem(
            429,
            "RATE_LIMITED",
            f"Too many requests from this client; try again in {wait} seconds.",
            {"Retry-After": str(wait)},
        )

    def _size_message(self) -> str:
        return f"The body is larger than {self._settings.max_body_bytes} bytes."

    def _problem(
        self, status: int, code: str, message: str, headers: dict[str, str]
    ) -> JSONResponse:
        self._metrics.refused.labels(code).inc()
        content = Problem(code=code, message=message).model_dump()
        return JSONResponse(content, status, headers)

    async def _within_limit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on; a body that grows past the limit ends it.

        So does one more where the bodies of all requests in hand take too much memory.
        """
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                size = len(message.get("body", b""))
                taken += size
                self._held += size
                if taken > self._settings.max_body_bytes:
                    # FastAPI lets this one kind of error through while it reads a body.
                    raise HTTPException(413, self._size_message(), {"Connection": "close"})
                if self._held > HELD_BYTES:
                    busy = {"Connection": "close", "Retry-After": "1"}
                    raise HTTPException(503, "Too many requests are being read.", busy)
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= taken

    def _note(
        self, scope: Scope, state: dict[str, object], status: int, seconds: float, request_id: str
    ) -> None:
        route = scope.get("route")
        path = getattr(route, "path", "other")
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "other"
        self._metrics.requests.labels(method, path, str(status)).inc()
        self._metrics.latency.labels(method, path).observe(seconds)
        if scope["path"] in _NOTED_ELSEWHERE and status < 400:
            return
        # Polls are many and say little.
        note = _log.debug if scope["method"] == "GET" and status < 400 else _log.info
        note(
            "request",
            request_id=request_id,
            method=method,
            path=scope["path"][:200],
            status=status,
            milliseconds=round(1000 * seconds, 2),
            client=state.get("client"),
        )


def _of_a_browser(headers: Headers) -> bool:
    return "text/html" in headers.get("accept", "")


def _login(path: str, *, refused: bool) -> str:
    """Where a visitor gives his key, and goes on from to the page that he asked for."""
    said = {"refused": "1"} if refused else {}
    if path.startswith(f"{BOARD}/") and path != f"{BOARD}/":
        said["to"] = quote(path)
    return f"{LOGIN}?{urlencode(said)}" if said else LOGIN


def _key_of(headers: Headers) -> str | None:
    """The key of a request, none where none came: a program's header, or a page's cookie."""
    return headers.get("x-api-key") or cookie_parser(headers.get("cookie", "")).get(KEY_COOKIE)


def _route_of(scope: Scope) -> str:
    """The path of the route that will answer a request; empty where none will."""
    partial = ""
    for route in scope["app"].router.routes:
        match, _ = route.matches(scope)
        if match is Match.FULL:
            return str(route.path)
        if match is Match.PARTIAL and not partial:
            partial = str(route.path)
    return partial
