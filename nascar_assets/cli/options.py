"""Options that every command has."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from nascar_assets.errors import EnvironmentFault, InputError
from nascar_assets.storage.unfinished import refuse_unfinished

if TYPE_CHECKING:
    import socket


def _default_home() -> str:
    return os.environ.get("NASCAR_HOME") or "data"


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


def group(words: str, example: str) -> typer.Typer:
    """A group of commands, which shows its help where none of them is named."""
    return typer.Typer(no_args_is_help=True, help=f"{words}\n\nExample: {example}")


def refuse_exposure(host: str, reached: str, remedy: str) -> None:
    """Refuses an address that other machines reach.

    Args:
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


@contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    """The sockets of an address, for the length of a block: who connects waits to be served.

    Raises:
        EnvironmentFault: If something else listens there, or the address is none of this machine's.
    """
    import socket

    name, passive = host.strip("[]") or None, socket.AI_PASSIVE
    with ExitStack() as stack:
        sockets: list[socket.socket] = []
        absent: OSError | None = None
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=passive)
            for family, kind, _, _, where in dict.fromkeys(found):
                try:
                    made = stack.enter_context(socket.socket(family, kind))
                    if sys.platform != "win32":  # one that has just ended does not hold its port
                        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:  # that of IPv4 has a socket of its own
                        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    made.bind(where)
                    made.listen()  # bound alone, the port is still there for others to bind
                except OSError as error:
                    if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                        raise
                    absent = error  # as one of localhost's where there is no IPv6
                else:
                    sockets.append(made)
            if absent is not None and not sockets:
                raise absent
        except OSError as error:
            raise not_free(host, port, error.strerror) from error
        yield sockets


def not_free(host: str, port: int, why: str | None) -> EnvironmentFault:
    """What to say of an address that something else listens on, or that cannot be listened on."""
    return EnvironmentFault(
        f"Nothing can listen on {host}, port {port} ({why}): choose another with --port."
    )
