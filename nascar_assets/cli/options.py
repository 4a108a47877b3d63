"""Options that every command has."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from nascar_assets.errors import InputError
from nascar_assets.storage.unfinished import refuse_unfinished


def _default_home() -> str:
    return os.environ.get("NASCAR_HOME", "data")


_HOME = {
    "default_factory": _default_home,
    "show_default": "NASCAR_HOME, or data",
    "help": "The data root: everything the platform reads and writes.",
}

Home = Annotated[str, typer.Option("--home", callback=refuse_unfinished, **_HOME)]

NewHome = Annotated[str, typer.Option("--home", **_HOME)]
"""One that an import may not have finished."""

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]

Timings = Annotated[bool, typer.Option("--timings", help="Also print what each stage took.")]

Expose = Annotated[
    bool,
    typer.Option("--expose", help="Listen for other machines although nobody has to show a key."),
]


def refuse_exposure(host: str, reached: str, remedy: str) -> None:
    """Refuses an address that other machines reach.

    Args:
        host: The address or name to listen on.
        reached: What everybody on the network could do.
        remedy: What to do instead.

    Raises:
        InputError: Unless every address that it stands for is this machine's loopback.
    """
    import ipaddress
    import socket

    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host.strip("[]") or None, 0)}
    except (OSError, UnicodeError):
        found = set()
    inside = [ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in found]
    if not host or not inside or not all(inside):
        raise InputError(
            f"Other machines reach {host or 'every address'}, and {reached}.",
            field="--host",
            remedy=f"{remedy}; or say that this is meant with --expose.",
        )
