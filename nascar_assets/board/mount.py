"""The board on the service's application: its path, its safety, what a visitor's browser keeps."""

from __future__ import annotations

import os
import re
import secrets
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from prometheus_client import Gauge
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nascar_assets.board.library_files import LibraryFiles
from nascar_assets.board.transport import InProcess
from nascar_assets.service.admission import BOARD, KEY_COOKIE, LEAVE, LOGIN

TAB_SECONDS = 600.0
"""How long the library keeps what a browser's tab stored, which is nothing: it would keep the
storage of every tab that ever came for a month."""

_nonce: ContextVar[str] = ContextVar("nonce", default="")

_POLICY = (
    "default-src 'none'; "
    # Its components' templates are compiled in the browser ('unsafe-eval'); a script in the page
    # runs only with the nonce of this very answer, which no text from a file can know.
    "script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_LOGIN_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
_LOGIN_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slate board: key</title>
<style>body { font-family: system-ui, sans-serif; max-width: 30rem; margin: 3rem auto;
padding: 0 1rem; } input, button { font-size: 1rem; padding: .4rem; width: 100%; margin: .3rem 0; }
</style>
</head>
<body>
<main>
<h1>Slate board</h1>
{said}<form method="post">
<label for="key">This server needs a key. Whoever runs it has one for you.</label>
<input id="key" name="key" type="password" autocomplete="current-password" required
autofocus>
<button>Go on</button>
</form>
</main>
</body>
</html>
"""

_REFUSED = """<p role="alert"><strong>This key is not known here.</strong> It was mistyped, or taken
back.</p>
"""


class _Policy:
    """ASGI middleware: a nonce for each page, and the headers that keep it to itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        _nonce.set(nonce)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-Frame-Options"] = "DENY"
            await send(message)

        await self._app(scope, receive, with_headers)


def add_board(app: FastAPI, folder: Path) -> None:
    """Serves the board at /board of the service; its library is loaded here, not before.

    Args:
        folder: Where it keeps what visitors have set and not sent yet, and its cookie's secret.
    """
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(folder / "board"))
    import nicegui
    from nicegui import client as pages
    from nicegui import core, ui
    from nicegui.storage import Storage

    from nascar_assets.board import page

    Storage.path = folder / "board"
    core.sio.eio.cors_allowed_origins = None  # the page's own origin alone
    _with_nonces(pages.templates.env)
    page.serve(app)
    ui.run_with(
        app,
        mount_path=BOARD,
        title="Slate board",
        language="en-US",
        tailwind=False,
        binding_refresh_interval=None,
        reconnect_timeout=20.0,
        storage_secret=_secret(folder / "board.secret"),
        session_middleware_kwargs={"session_cookie": "board", "same_site": "strict"},
        show_welcome_message=False,
    )
    files = f"{BOARD}/_nicegui/{nicegui.__version__}"
    unchanging = tuple(f"{files}/{kind}/" for kind in ("static", "components", "esm", "libraries"))
    core.app.storage.max_tab_storage_age = TAB_SECONDS
    # The library's bar over a loading page has no name that a screen reader could say.
    core.app.config.quasar_config["loadingBar"]["skipHijack"] = True
    core.app.add_middleware(LibraryFiles, prefixes=unchanging)
    core.app.add_middleware(_Policy)

    Gauge(
        "nascar_api_board_pages",
        "Pages of the board that the server holds: those open, and those left just now.",
        registry=app.state.service.metrics.registry,
    ).set_function(lambda: len(pages.Client.instances))
    core.app.on_startup(
        lambda: _read_ahead(app, (page.scripts_of(page.TABLES), page.scripts_of(page.CHARTS)))
    )

    def end_pages(request: Request, key: str) -> None:
        """Loads the pages anew that are open with the key that goes, once the browser has lost it.

        Those of another browser with that key come back as they are.
        """
        gone = request.cookies.get(KEY_COOKIE)
        for open_page in list(pages.Client.instances.values()):
            held = open_page.request.cookies.get(KEY_COOKIE)
            if held and held == gone != key and open_page.has_socket_connection:
                open_page.run_javascript("setTimeout(() => location.reload(), 1000)")

    @app.get(BOARD, include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def home() -> RedirectResponse:
        return RedirectResponse(f"{BOARD}/")

    @app.get(LOGIN, include_in_schema=False)
    async def login(request: Request) -> HTMLResponse:
        said = _REFUSED if "refused" in request.query_params else ""
        return HTMLResponse(_LOGIN_PAGE.replace("{said}", said), headers=_LOGIN_HEADERS)

    @app.post(LOGIN, include_in_schema=False)
    async def logged_in(request: Request) -> RedirectResponse:
        """Keeps the key in the visitor's browser; the next request shows whether it is one."""
        sent = parse_qs((await request.body()).decode("utf-8", "replace"))
        answer = RedirectResponse(_page_of(request.query_params.get("to", "")), 303)
        secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        key = quote(sent.get("key", [""])[0].strip()[:200], safe="")
        end_pages(request, key)
        answer.set_cookie(KEY_COOKIE, key, httponly=True, samesite="strict", secure=secure)
        return answer

    @app.get(LEAVE, include_in_schema=False)
    async def left(request: Request) -> RedirectResponse:
        """Takes the key out of the visitor's browser, which sends it from this server's pages."""
        answer = RedirectResponse(LOGIN, 303, {"Cache-Control": "no-store"})
        if KEY_COOKIE in request.cookies:  # else a page elsewhere sends him
            end_pages(request, "")
            answer.delete_cookie(KEY_COOKIE, httponly=True, samesite="strict")
        return answer


def _page_of(wanted: str) -> str:
    """The page of the board that a visitor wanted; the first one where it is none of the board."""
    inside = wanted.startswith(f"{BOARD}/") and ".." not in unquote(wanted)
    return wanted if inside else f"{BOARD}/"


async def _read_ahead(app: ASGIApp, libraries: tuple[str, ...]) -> None:
    """Asks for what a first visitor would wait for: the list of slates, scripts and styles.

    A server that wants a key gives nothing to who has none: there the first visitor waits.

    Args:
        libraries: Parts of the paths of those libraries of components that the pages use.
    """
    async with httpx.AsyncClient(
        base_url="http://localhost",
        transport=InProcess(app, "localhost"),
        headers={"Accept-Encoding": "gzip"},
    ) as http:
        page = (await http.get(f"{BOARD}/")).text
        for path in sorted(set(re.findall(rf"{BOARD}/_nicegui/[^\"')\s]+\.(?:m?js|css)", page))):
            if "/esm/" not in path or any(part in path for part in libraries):
                await http.get(path)


def _with_nonces(environment: object) -> None:
    """Gives every script of the library's own page template the nonce of its answer."""
    import jinja2

    assert isinstance(environment, jinja2.Environment)
    if environment.loader is None or "nonce" in environment.globals:
        return
    source, _, _ = environment.loader.get_source(environment, "index.html")
    own = jinja2.DictLoader(
        {"index.html": source.replace("<script", '<script nonce="{{ nonce() }}"')}
    )
    environment.loader = jinja2.ChoiceLoader([own, environment.loader])
    environment.globals["nonce"] = _nonce.get


def _secret(path: Path) -> str:
    """The secret that signs visitors' cookies, made once and read by its owner alone."""
    try:
        return path.read_text()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = secrets.token_urlsafe(32)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(made)
        return made
