"""`nascar serve`: the HTTP API with its resident workers."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from nascar_assets.cli.options import Expose, Home, Json, listening, refuse_exposure
from nascar_assets.cli.output import Output, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    import uvicorn

    from nascar_assets.service.connections import Connections


def serve(
    home: Home,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Worker processes (NASCAR_API_WORKERS, or 2)."),
    ] = None,
    new_key: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Print a new API key and the line of it for NASCAR_API_KEYS_FILE, and end.",
        ),
    ] = None,
    board: Annotated[
        bool, typer.Option(help="Whether to serve the slate board, the page at /board, as well.")
    ] = True,
    expose: Expose = False,
    as_json: Json = False,
) -> None:
    """Serves the API and the slate board until it is stopped; the API's pages are at /docs.

    With --json the object holds the address; it is printed once the API answers there.

    Example: nascar serve --port 8000 --workers 2
    """
    out = Output(as_json)
    if new_key is not None:
        from nascar_assets.service.clients import key_line
        from nascar_assets.service.clients import new_key as make_key

        key = make_key()
        line = key_line(new_key, key)
        say("The key, shown once and stored nowhere; the line goes into the key file.")
        out.line(f"key:  {key}")
        out.line(f"line: {line}")
        out.result({"key": key, "line": line})
        return
    start(home, host=host, port=port, workers=workers, board=board, expose=expose, as_json=as_json)


def start(
    home: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int | None = None,
    board: bool = True,
    expose: bool = False,
    as_json: bool = False,
    opened: bool = False,
) -> None:
    """Serves a data root until it is stopped.

    Args:
        port: Port; 0 takes a free one.
        workers: Worker processes; the setting's where none is given.
        expose: Whether other machines may reach it although nobody has to show a key.

    Raises:
        InputError: If the host would be reached by others without a key.
    """
    out = Output(as_json)
    import uvicorn

    from nascar_assets.service.app import create_app
    from nascar_assets.service.connections import HEAD_BYTES, Connection, Connections
    from nascar_assets.service.logs import configure_logs
    from nascar_assets.service.settings import ServiceSettings

    location = home if "://" in home else os.path.abspath(home)
    settings = ServiceSettings.from_environment(workers=workers)
    if settings.keys_file is None and not expose:
        refuse_exposure(
            host,
            "without keys everybody there may ask for jobs, see and cancel them",
            "Make keys with nascar serve --new-key NAME and name their file in "
            "NASCAR_API_KEYS_FILE",
        )

    def report(there: int) -> None:
        address = f"http://[{host}]:{there}" if ":" in host else f"http://{host}:{there}"
        where = f"The API on {address} with the data root {home}; Ctrl-C ends it."
        say(where)
        page = {"board": f"{address}/board/"} if board else {}
        if board:
            say(f"The slate board: {address}/board/")
        if opened:
            import webbrowser

            webbrowser.open(f"{address}/board/")
        out.result({"address": address, "home": location, **page})

    with listening(host, port) as sockets:  # before anything is started
        app = create_app(location, settings)
        if board:
            from nascar_assets.board.mount import add_board
            from nascar_assets.orchestration.storage.instance import dagster_home

            add_board(app, dagster_home(location))
        # Not before: what keeps it from serving is said in words.
        configure_logs(settings.log_level)
        connections = Connections(settings.max_connections)
        config = uvicorn.Config(
            app,
            http=partial(Connection, limits=connections),  # type: ignore[arg-type]
            ws="wsproto" if board else "none",
            ws_max_size=settings.max_body_bytes,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=10,
            h11_max_incomplete_event_size=HEAD_BYTES,
        )
        _serve(config, sockets, connections, report, app.state.service.ending.set)


def _serve(
    config: uvicorn.Config,
    sockets: list[socket],
    connections: Connections,
    report: Callable[[int], None],
    ends: Callable[[], None],
) -> None:
    """Serves until it is stopped.

    Args:
        report: Is given the port once requests are answered there.
        ends: Called once the server is to end, before it waits for what it has in hand.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket] | None = None) -> None:
            await super().startup(sockets)
            report(self.servers[0].sockets[0].getsockname()[1])

        async def shutdown(self, sockets: list[socket] | None = None) -> None:
            ends()
            await super().shutdown(sockets)

        async def on_tick(self, counter: int) -> bool:
            if counter % 10 == 0:  # every second
                connections.sweep(self.server_state.connections)
            return await super().on_tick(counter)

    try:
        Server(config).run(sockets)
    except KeyboardInterrupt:
        return
    except SystemExit as ended:  # uvicorn's own code where the service does not start
        raise typer.Exit(1) from ended
