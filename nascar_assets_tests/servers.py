"""Real servers that the project's scripts start: PostgreSQL, S3, a broker."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.processes import free_port

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


class LocalServer:
    """One server of a script; called with what the script is to do (`halt`, `resume`).

    Args:
        script: The script's name.
        port: Where it listens.
        environment: What the script reads.
    """

    def __init__(self, script: str, port: int, environment: dict[str, str]) -> None:
        self._script, self.port = SCRIPTS / script, port
        self._environment = {**os.environ, **environment}
        self.url = ""

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            ["bash", str(self._script), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()


class S3Server(LocalServer):
    """A server of buckets, with one named `nascar`."""

    KEYS = {  # noqa: RUF012
        "AWS_ACCESS_KEY_ID": "a-test-s-own-key",
        "AWS_SECRET_ACCESS_KEY": "a-test-s-own-secret",
    }

    @property
    def settings(self) -> dict[str, str]:
        """What a process needs to reach it."""
        return {
            **self.KEYS,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
        }

    def root(self, prefix: str) -> DataRoot:
        """The data root below a prefix, whatever the environment says."""
        options = {name.lower(): value for name, value in self.settings.items()}
        return DataRoot.open(f"s3://nascar/{prefix}", options)


@contextmanager
def started(
    script: str,
    setting: str,
    kind: type[LocalServer] = LocalServer,
    address: str | None = None,
    **more: str,
) -> Iterator[LocalServer]:
    """A server for the length of a block; the test is skipped where it is not installed."""
    name = script.removesuffix(".sh")
    # Not in pytest's own folder: PostgreSQL runs as another user, who may not enter that one.
    home = Path(tempfile.mkdtemp(prefix=f"nascar-{name}-"))
    where = {} if address is None else {setting.replace("HOME", "ADDRESS"): address}
    server = kind(script, free_port(), {setting: str(home), **where, **more})
    try:
        server.url = server("start", str(server.port))
    except RuntimeError as error:
        shutil.rmtree(home, ignore_errors=True)
        if "not installed" in str(error):
            pytest.skip(str(error).strip())
        raise
    try:
        yield server
    finally:
        server("stop")


def postgres_server(address: str | None = None) -> AbstractContextManager[LocalServer]:
    """A PostgreSQL server for the length of a block."""
    return started("postgres.sh", "NASCAR_POSTGRES_HOME", address=address)


def s3_server(address: str | None = None) -> AbstractContextManager[LocalServer]:
    """A server of buckets for the length of a block."""
    return started("s3.sh", "NASCAR_S3_HOME", S3Server, address, **S3Server.KEYS)


def broker_server(address: str | None = None) -> AbstractContextManager[LocalServer]:
    """A Redis broker for the length of a block."""
    password = {"NASCAR_BROKER_PASSWORD": "a-test-s-own-password"}
    return started("broker.sh", "NASCAR_BROKER_HOME", LocalServer, address, **password)
