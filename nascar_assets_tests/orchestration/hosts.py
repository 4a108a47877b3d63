"""Hosts of a test: network namespaces with a name, an address and processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

NETWORK = "10.213.77"
HUB = f"{NETWORK}.1"
"""Where the servers are that the hosts share."""

_BRIDGE = "nascar0"


def own_namespace() -> bool:
    """Whether this process is in a network of its own, still without any, as `unshare` makes it."""
    return [name for _, name in socket.if_nameindex()] == ["lo"]


def make_hub() -> None:
    """The network that the hosts hang on; it ends with this process's namespace."""
    _ip("link set lo up")
    _ip(f"link add {_BRIDGE} type bridge")
    _ip(f"addr add {HUB}/24 dev {_BRIDGE}")
    _ip(f"link set {_BRIDGE} up")


class Host:
    """One host: its own loopback, address and name; of files only its own local folder.

    Args:
        name: Its name, a letter or two.
        number: The last part of its address.
        folder: Where its local folder and its logs are.
        settings: What all its processes are set by.
    """

    def __init__(self, name: str, number: int, folder: Path, settings: dict[str, str]) -> None:
        self.name, self.address = f"host-{name}", f"{NETWORK}.{number}"
        self.folder = folder / self.name
        self.folder.mkdir()
        self._settings = {**settings, "NASCAR_LOCAL": str(self.folder / "local")}
        self._cable = f"cable-{name}"
        self._started: list[subprocess.Popen[bytes]] = []
        self._core = subprocess.Popen(
            ["unshare", "--net", "--uts", "sh", "-c", f"hostname {self.name}; exec sleep infinity"]
        )
        until = time.monotonic() + 10
        while os.readlink(f"/proc/{self._core.pid}/ns/uts") == os.readlink("/proc/self/ns/uts"):
            assert time.monotonic() < until
            time.sleep(0.02)
        time.sleep(0.1)
        _ip(f"link add {self._cable} type veth peer name eth0 netns {self._core.pid}")
        _ip(f"link set {self._cable} master {_BRIDGE} up")
        for words in (f"addr add {self.address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            subprocess.run([*self._inside, "ip", *words.split()], check=True)

    @property
    def _inside(self) -> list[str]:
        return ["nsenter", "-t", str(self._core.pid), "--net", "--uts"]

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("NASCAR_", "DAGSTER_", "AWS_"))
        }
        return {**kept, **self._settings, "PYTHONUNBUFFERED": "1", **more}

    def run(
        self, *words: str, timeout: float = 300, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command on it to its end."""
        return subprocess.run(
            [*self._inside, *words],
            env=self._environment(more),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=self.folder,
        )

    def start(self, log: str, *words: str, **more: str) -> None:
        """Starts a process on it that stays; its output goes to a log of the host's folder."""
        with (self.folder / f"{log}.log").open("ab") as out:
            self._started.append(
                subprocess.Popen(
                    [*self._inside, *words],
                    env=self._environment(more),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                    cwd=self.folder,
                )
            )

    def cable(self, *, plugged: bool) -> None:
        """Takes its cable out or puts it in."""
        _ip(f"link set {self._cable} {'up' if plugged else 'down'}")

    def vanish(self) -> None:
        """It is gone from one moment to the next: cable and processes."""
        self.cable(plugged=False)
        self.kill()

    def kill(self) -> None:
        """Ends all its processes at once, whatever sessions they are in."""
        here = os.readlink(f"/proc/{self._core.pid}/ns/net")
        for _ in range(3):  # one may start another in between
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit() or int(entry.name) == self._core.pid:
                    continue
                with suppress(OSError):
                    if os.readlink(entry / "ns" / "net") == here:
                        os.kill(int(entry.name), signal.SIGKILL)
        for process in self._started:
            process.wait(10)
        self._started.clear()

    def close(self) -> None:
        """Ends it with all that it has."""
        self.kill()
        self._core.kill()
        self._core.wait()

    def logs(self) -> str:
        """The end of what its processes said."""
        return "\n".join(
            f"--- {self.name} {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted(self.folder.glob("*.log"))
        )


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def answers(address: str, port: int) -> bool:
    """Whether something listens there."""
    with suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False
