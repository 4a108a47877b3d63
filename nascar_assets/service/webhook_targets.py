"""Where a webhook may go: never to the machine itself, its network, or what only it can reach."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from nascar_assets.service.problems import invalid
from nascar_assets.service.settings import ServiceSettings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = (80, 443)

_FORBIDDEN = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments; one cloud's metadata at 192.0.0.192
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # another cloud's host, at a public address
        # Parts of 2000::/3 that are no place, or lead to an IPv4 address inside them.
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)
"""Refused besides what is not global."""
_UNICAST = ipaddress.ip_network("2000::/3")
"""Every public IPv6 address lies here; translated, mapped, local ones do not."""
_ISATAP = (0x00005EFE, 0x02005EFE)
"""Upper half of an interface's id that holds an IPv4 address as its lower half."""


_ONLY_PORTS = "Webhooks go to the ports 80 and 443 only."


class ForbiddenTarget(Exception):
    """A webhook's address may not be called."""


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook's URL taken apart.

    Attributes:
        host: The host's name or address, as given.
        path: Path and query, as given.
    """

    scheme: str
    host: str
    port: int
    path: str


def parse_target(url: str) -> Target:
    """A webhook's URL.

    Raises:
        ForbiddenTarget: If it is no plain http or https URL.
    """
    if any(ord(sign) <= 0x20 or ord(sign) >= 0x7F for sign in url) or "\\" in url:
        raise ForbiddenTarget("The URL holds signs that a URL does not have.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenTarget(f"It is no URL: {error}.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ForbiddenTarget("Only http and https URLs with a host can be called.")
    if parts.username is not None or parts.password is not None:
        raise ForbiddenTarget("The URL holds credentials.")
    if port == 0:
        raise ForbiddenTarget("Port 0 cannot be called.")
    default = 443 if parts.scheme == "https" else 80
    path = parts.path or "/"
    return Target(
        parts.scheme,
        parts.hostname,
        port or default,
        f"{path}?{parts.query}" if parts.query else path,
    )


def is_public(address: Address) -> bool:
    """Whether an address belongs to the open internet, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _UNICAST or int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
            return False
    if any(address in network for network in _FORBIDDEN if network.version == address.version):
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_loopback
        and not address.is_link_local
        and not address.is_private
        and not address.is_unspecified
    )


def resolve(target: Target, *, allow_private: bool) -> str:
    """The one address that a delivery connects to; the name is not looked up again.

    Every address of the name has to be allowed, so that it does not matter which one is taken;
    and the port has to be one of the web's, where private addresses are not allowed.

    Raises:
        ForbiddenTarget: If an address of the name is not public.
        OSError: If the name cannot be resolved now.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(item[4][0]).split("%", 1)[0]) for item in found]
    if not addresses:
        raise OSError(f"{target.host} has no address.")
    if not allow_private:
        if target.port not in PORTS:
            raise ForbiddenTarget(_ONLY_PORTS)
        if not all(is_public(address) for address in addresses):
            raise ForbiddenTarget(f"{target.host} is no public address.")
    return str(addresses[0])


def check_webhook_url(url: str, settings: ServiceSettings) -> None:
    """Refuses a URL that can be seen to be forbidden without asking a name server.

    Raises:
        RequestRefused: 422.
    """
    field = "webhook_url"
    if settings.webhook_secret is None:
        raise invalid(
            "WEBHOOK_DISABLED",
            "This service sends no webhooks: it has no secret to sign them with.",
            field=field,
            remedy="Poll the job's status, or have NASCAR_API_WEBHOOK_SECRET set.",
        )
    try:
        target = parse_target(url)
    except ForbiddenTarget as error:
        raise invalid("WEBHOOK_FORBIDDEN", str(error), field=field) from error
    if settings.webhook_private:
        return
    if target.port not in PORTS:
        raise invalid("WEBHOOK_FORBIDDEN", _ONLY_PORTS, field=field)
    host = target.host.rstrip(".").lower()
    forbidden = host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    try:
        # inet_aton knows the short and octal spellings (127.1, 0177.0.0.1) that resolvers do.
        numeric = ipaddress.ip_address(
            host if ":" in host else socket.inet_ntoa(socket.inet_aton(host))
        )
        forbidden = forbidden or not is_public(numeric)
    except (OSError, ValueError):
        pass  # a name: looked up when it is called
    if forbidden:
        raise invalid(
            "WEBHOOK_FORBIDDEN",
            "Webhooks go to public addresses only.",
            field=field,
        )
