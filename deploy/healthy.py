"""Whether what this container serves answers: an address is asked, or whichever port is open."""

import socket
import sys
import urllib.request
from contextlib import suppress

ADDRESSES = ("http://127.0.0.1:3000/server_info", "http://127.0.0.1:8000/ready")


def serves(address: str) -> bool:
    """Whether something listens at an address."""
    host, _, port = address.split("/")[2].partition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=2):
        return True
    return False


def main(addresses: list[str]) -> int:
    """Asks each; one that was named must be there."""
    for address in addresses or [item for item in ADDRESSES if serves(item)]:
        try:
            urllib.request.urlopen(address, timeout=4).close()
        except OSError as error:
            sys.stderr.write(f"{address}: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
