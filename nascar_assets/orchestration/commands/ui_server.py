"""Dagster's webserver with a guard in front: no other web page can read it or make it do anything.

Dagster answers every Host and Origin, and carries out mutations that come by GET, so that any page
a person visits could run the platform. Here a request must name a host that this server is known
by, must come from the server's own pages or from no page at all, and changes something only as a
POST of JSON, which browsers never send across origins unasked. There is no login: whoever can
reach the port is the operator (docs/security.md).
"""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from collections.abc import Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from dagster import SupersessionWarning
from dagster._cli import dev
from dagster_webserver import cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nascar_assets.orchestration.commands.host_names import LOOPBACK, known_hosts

MODULE = "nascar_assets.orchestration.commands.ui_server"
_OTHER_SETTINGS = "Found a dagster instance configuration value"

HEADER_BYTES = 65_536
"""A request's head may be this large; more is refused before it is kept."""

SECURITY_HEADERS = {
    # A second policy beside Dagster's own: browsers hold to both.
    "content-security-policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-src 'none'; "
    "frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def refusal(scope: Scope, hosts: Collection[str]) -> tuple[int, str] | None:
    """Why a request or websocket is refused, as a status and a text; none where it is not.

    Args:
        scope: Of a connection, as ASGI has it.
        hosts: The names that this server is known by.
    """
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

    def header(name: str) -> str | None:
        return ",".join(headers[name]).strip().lower() if name in headers else None

    host = header("host") or ""
    found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d{1,5})?", host)
    if found is None or found[1].rstrip(".") not in hosts:
        return 421, (
            "This is no name of this server. If it is to be one, start nascar ui with "
            "NASCAR_UI_HOSTS=name."
        )
    origin = header("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return 403, "Requests of other pages are refused."
    reading = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
    opened = header("sec-fetch-mode") == "navigate" and header("sec-fetch-dest") == "document"
    if header("sec-fetch-site") not in (None, "same-origin", "none") and not (reading and opened):
        return 403, "Requests of other pages are refused."
    kind = (header("content-type") or "").partition(";")[0].strip()
    if scope["type"] == "http" and not reading and kind != "application/json":
        return 415, "What changes something comes as a POST of application/json."
    return None


class Guard:
    """Refuses what `refusal` refuses, and puts `SECURITY_HEADERS` on every answer.

    Args:
        app: What is behind it.
        hosts: The names that this server is known by.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers or passes on one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        answered = False

        async def guarded(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                _add_headers(message)
            await send(message)

        refused = refusal(scope, self._hosts)
        if refused is None:
            try:
                await self._app(scope, receive, guarded)
            except Exception:
                # Before Dagster's own answer to an error, which would lack the headers.
                if scope["type"] == "http" and not answered:
                    text = "The server failed at this request; its log says how.\n"
                    await PlainTextResponse(text, 500)(scope, receive, guarded)
                raise
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            status, text = refused
            await PlainTextResponse(f"{text}\n", status)(scope, receive, guarded)


def _add_headers(message: MutableMapping[str, Any]) -> None:
    # By its mark `nascar ui` knows the server that it started itself.
    said = SECURITY_HEADERS | {"x-nascar-ui": os.environ.get("_NASCAR_UI_MARK", "none")}
    ours = {name.encode(): value.encode() for name, value in said.items()}
    kept = [
        (name, value)
        for name, value in message.get("headers", [])
        if name.lower() not in ours or name.lower() == b"content-security-policy"
    ]
    message["headers"] = [*kept, *ours.items()]


class GuardedWebserver(DagsterWebserver[Any, Any]):
    """Dagster's webserver behind a `Guard`; its GraphQL answers POST alone."""

    hosts: frozenset[str] = frozenset(LOOPBACK)

    def build_middleware(self) -> list[Middleware]:
        """The guard before everything else."""
        return [Middleware(Guard, hosts=self.hosts), *super().build_middleware()]

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """Refuses GET, which carries out mutations and shows a console that runs its address."""
        if request.method != "POST":
            return PlainTextResponse("GraphQL is asked by POST.\n", 405, {"Allow": "POST"})
        return await super().graphql_http_endpoint(request)


def serve(
    context: Any,
    host: str | None,
    port: int | None,
    path_prefix: str,
    log_level: str,
    live_data_poll_rate: int | None = None,
) -> None:
    """Serves Dagster's UI behind the guard, as `dagster_webserver.cli` does it without one."""
    import uvicorn

    host = host or "127.0.0.1"
    server = GuardedWebserver(context, path_prefix, live_data_poll_rate)
    server.hosts = known_hosts(host)
    uvicorn.run(
        server.create_asgi_app(lifespan=cli._lifespan),
        host=host.strip("[]"),
        port=port or cli.DEFAULT_WEBSERVER_PORT,
        log_level=log_level,
        http="h11",  # the one with a bound on headers
        h11_max_incomplete_event_size=HEADER_BYTES,
        proxy_headers=False,
        server_header=False,
    )


def main(arguments: list[str]) -> None:
    """Runs `dagster-webserver` behind the guard; with `dev` first all of `dagster dev`, with
    `daemon` first the daemon alone."""
    commands: Any = cli
    commands.host_dagster_ui_with_workspace_process_context = serve
    if arguments[:1] == ["daemon"]:
        from dagster._daemon.cli import cli as daemon

        daemon(arguments[1:])
        return
    if arguments[:1] != ["dev"]:
        cli.dagster_webserver(arguments)
        return
    starter: Any = dev
    start = starter.open_ipc_subprocess

    def guarded(parts: list[str], **options: Any) -> Any:
        return start([MODULE if part == "dagster_webserver" else part for part in parts], **options)

    starter.open_ipc_subprocess = guarded
    # Remarks that are none of the person's business: which command Dagster would rather have had,
    # and that the project's own settings, of which the home has a copy, are not read from here.
    warnings.simplefilter("ignore", SupersessionWarning)
    logging.getLogger("dagster").addFilter(lambda record: _OTHER_SETTINGS not in record.msg)
    dev.dev_command(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
