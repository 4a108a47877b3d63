"""Who is calling: the address behind trusted proxies, the API key, and how often."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import os
import re
import secrets
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import structlog

from nascar_assets.errors import EnvironmentFault, InputError

_KEY_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})\s+([0-9a-f]{64})")
_LIMIT = re.compile(r"([1-9][0-9]{0,5}) ?(?:/|per) ?(second|minute|hour|day)")
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_Stamp: TypeAlias = tuple[int, int, int, int] | None
_log = structlog.get_logger(__name__)
_CLIENTS_KEPT = 10_000
"""Clients that are remembered before those who have not asked of late are forgotten."""


class ApiKeys:
    """Keys by their SHA-256; the keys themselves are nowhere.

    A key has 256 random bits, so a plain hash cannot be searched.

    Args:
        hashes: Name by hash.
        path: The file that they were read from, which is read again whenever it changes.
        stamp: What the file was by its stamp when it was read.
    """

    def __init__(self, hashes: dict[str, str], path: str = "", stamp: _Stamp = None) -> None:
        self._hashes = dict(hashes)
        self._path, self._stamp = path, stamp

    @property
    def names(self) -> tuple[str, ...]:
        """Whose keys they are."""
        return tuple(self._hashes.values())

    @classmethod
    def read(cls, path: str) -> ApiKeys:
        """The keys of a file with lines `name sha256`; empty lines and `#` lines are left out.

        Raises:
            InputError: If a line is malformed, or a name or a hash occurs twice.
            EnvironmentFault: If the file cannot be read.
        """
        stamp = _stamp_of(path)  # before it is read: what is written meanwhile is read again
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise EnvironmentFault(
                f"The file of API keys {path} cannot be read: {error}"
            ) from error
        hashes: dict[str, str] = {}
        seen: dict[str, int] = {}
        for row, line in enumerate(lines, 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            found = _KEY_LINE.fullmatch(line.strip())
            if found is None:
                raise InputError(
                    "A line of the file of API keys is a name and a SHA-256 in hex.",
                    file=path,
                    row=row,
                    remedy="nascar serve --new-key NAME prints such a line.",
                )
            for part, what in ((found[1], "name"), (found[2], "key")):
                if part in seen:
                    raise InputError(
                        f"Its {what} is that of row {seen[part]}, too.",
                        file=path,
                        row=row,
                        remedy="Each key has a name of its own: remove one of the two lines.",
                    )
                seen[part] = row
            hashes[found[2]] = found[1]
        return cls(hashes, path, stamp)

    def name_of(self, key: str) -> str | None:
        """The name of a key, none for one that is not known."""
        if self._path and (stamp := _stamp_of(self._path)) != self._stamp:
            self._read_again(stamp)
        asked = hash_key(key)
        name = None
        for known, owner in self._hashes.items():
            if hmac.compare_digest(known, asked):
                name = owner
        return name

    def _read_again(self, stamp: _Stamp) -> None:
        """Takes the file as it is now; where it cannot be used, the keys before stay in force."""
        self._stamp = stamp  # one that cannot be used is told of once
        try:
            fresh = ApiKeys.read(self._path)
        except (InputError, EnvironmentFault) as error:
            _log.error("keys not read, those before stay in force", reason=str(error))
        else:
            self._hashes, self._stamp = fresh._hashes, fresh._stamp
            _log.info("keys read again", names=self.names)


def _stamp_of(path: str) -> _Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    # The last of these changes also when a file that could not be read is given other rights.
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns


def hash_key(key: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def key_line(name: str, key: str) -> str:
    """The line of a key in the file of keys.

    Raises:
        InputError: If the file may hold no such name.
    """
    line = f"{name} {hash_key(key)}"
    found = _KEY_LINE.fullmatch(line)
    if found is None or found[1] != name:
        raise InputError(
            f"{name!r} is no name of a key.",
            field="--new-key",
            remedy="Take letters, digits, '.', '_' and '-', 64 at most, a letter or digit first.",
        )
    return line


def new_key() -> str:
    """A fresh key."""
    return f"nascar_{secrets.token_urlsafe(32)}"


class TrustedProxies:
    """The address of the client behind proxies that are believed."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(item, strict=False) for item in networks]

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """The client's address: the last one of X-Forwarded-For that is no trusted proxy.

        Args:
            peer: Who opened the connection.
            forwarded: Values of the X-Forwarded-For headers, in their order.
        """
        if not self._networks or not self._trusted(peer):
            return peer
        hops = [hop.strip() for value in forwarded for hop in value.split(",")]
        last = peer
        for hop in reversed(hops):
            if _address(hop) is None:
                return last
            last = hop
            if not self._trusted(hop):
                return hop
        return last

    def _trusted(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def client_of(address: str) -> str:
    """The client that an address stands for: an IPv6 client holds a whole /64."""
    parsed = _address(address)
    if parsed is None:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class RateLimit:
    """So many requests for each client in a moving window, by a clock that is never set back.

    Args:
        limit: Such as `10/minute`; empty for none.
    """

    def __init__(self, limit: str) -> None:
        self._max, self._seconds = parse_limit(limit)
        self._taken: dict[str, deque[float]] = {}

    def take(self, client: str) -> int | None:
        """Counts a request; returns the seconds to wait where it is one too many."""
        if not self._max:
            return None
        since = time.monotonic() - self._seconds
        if client not in self._taken and len(self._taken) >= _CLIENTS_KEPT:
            self._taken = {name: seen for name, seen in self._taken.items() if seen[-1] > since}
        taken = self._taken.setdefault(client, deque())
        while taken and taken[0] <= since:
            taken.popleft()
        if len(taken) >= self._max:
            return max(1, math.ceil(taken[0] - since))
        taken.append(since + self._seconds)
        return None


def parse_limit(limit: str) -> tuple[int, int]:
    """How many requests in how many seconds; 0 and 0 for an empty limit.

    Raises:
        ValueError: If it is not written as `10/minute`.
    """
    if not limit:
        return 0, 0
    found = _LIMIT.fullmatch(limit)
    if found is None:
        raise ValueError(f"{limit!r} is no limit; write it as 10/minute")
    return int(found[1]), _SECONDS[found[2]]
