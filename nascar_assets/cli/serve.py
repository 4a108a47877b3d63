"""`nascar serve`: the HTTP API with its resident workers."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from nascar_assets.cli.options import Home
from nascar_assets.cli.output import messages


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
) -> None:
    """Serves the API until it is stopped; its pages are at /docs.

    Example: nascar serve --port 8000 --workers 2
    """
    if new_key is not None:
        from nascar_assets.service.clients import hash_key
        from nascar_assets.service.clients import new_key as make_key

        key = make_key()
        messages.print("The key, shown once and stored nowhere; the line goes into the key file.")
        print(f"key:  {key}\nline: {new_key} {hash_key(key)}")
        return
    import uvicorn

    from nascar_assets.service.app import create_app
    from nascar_assets.service.logs import configure_logs
    from nascar_assets.service.settings import ServiceSettings

    location = home if "://" in home else os.path.abspath(home)
    settings = ServiceSettings.from_environment(workers=workers)
    configure_logs(settings.log_level)
    messages.print(f"The API on http://{host}:{port} with the data root {home}; Ctrl-C ends it.")
    uvicorn.run(
        create_app(location, settings),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=65_536,
    )
