"""The names that a server is known by, as settings list them and as a Host header has them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from nascar_assets.errors import InputError

UI_HOSTS = "NASCAR_UI_HOSTS"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"([a-z0-9_-][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::\d{1,5})?")


def host_name(text: str) -> str:
    """A name or address of a setting: lower case, without a port, IPv6 in brackets.

    Raises:
        ValueError: If it is none, so that no request would ever come to it.
    """
    name = text.strip().lower()
    found = _HOST.fullmatch(f"[{name}]" if name.count(":") > 1 and name[0] != "[" else name)
    if found is None:
        raise ValueError(f"{text!r} is no name of a host; write it as board.example, without https")
    return found[1].rstrip(".")


def known_hosts(host: str, environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """The names that a request may call Dagster's UI by, lower case, IPv6 in brackets.

    Args:
        host: The address that the server listens on.
        environment: `NASCAR_UI_HOSTS` has further names, with commas between them.

    Raises:
        InputError: If one of them is no name of a host.
    """
    try:
        named = {
            host_name(name) for name in environment.get(UI_HOSTS, "").split(",") if name.strip()
        }
    except ValueError as error:
        raise InputError(f"{error}.", field=UI_HOSTS) from error
    bare = host.strip().lower().strip("[]")
    own = f"[{bare}]" if ":" in bare else bare
    return frozenset({*LOOPBACK, own, *named} - {"", "0.0.0.0", "[::]"})
