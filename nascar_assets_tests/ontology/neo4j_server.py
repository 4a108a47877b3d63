"""A real Neo4j server for tests, started by the project's own script on a free port.

`from nascar_assets_tests.ontology.neo4j_server import neo4j_server` in a conftest makes the
session's server a fixture there.
"""

import contextlib
import os
import random
import secrets
import signal
import socket
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "neo4j.sh"
USER = "neo4j"


def lasting_port():
    """A free port below those that the system hands out, so that it is free at a restart too."""
    for port in random.Random(os.getpid()).sample(range(15_000, 32_000), 100):
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("none of 100 ports between 15000 and 32000 is free")


class Neo4jServer:
    """One server with a home of its own."""

    def __init__(self, home):
        self.home = home
        self.port = lasting_port()
        self.address = f"bolt://127.0.0.1:{self.port}"
        self.password = secrets.token_urlsafe(16)

    def script(self, *arguments):
        environment = {
            **os.environ,
            "NASCAR_NEO4J_HOME": str(self.home),
            "NASCAR_GRAPH_PASSWORD": self.password,
            # Quick to start rather than quick to run: a session makes few queries.
            "NASCAR_NEO4J_JAVA": "-XX:TieredStopAtLevel=1 -Xshare:auto",
        }
        done = subprocess.run(
            ["bash", str(SCRIPT), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode not in (0, 3):
            raise RuntimeError(f"neo4j.sh {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done

    def start(self):
        self.script("start", str(self.port))

    def stop(self):
        self.script("stop")

    @property
    def process(self):
        return int((self.home / "run" / "server.pid").read_text())

    def signal(self, name):
        os.kill(self.process, getattr(signal, name))

    def kill(self):
        self.signal("SIGKILL")

    def engine(self, **settings):
        from nascar_assets.ontology.neo4j_engine import Neo4jEngine

        return Neo4jEngine(self.address, user=USER, password=self.password, **settings)

    def clear(self):
        engine = self.engine()
        # Emptied first: a test may have left what the graph's own rules on keys forbid.
        engine.write("MATCH (n) DETACH DELETE n")
        engine.prepare()
        engine.close()


_SERVER = pytest.StashKey()


@pytest.fixture(scope="session")
def neo4j_server(request, tmp_path_factory):
    """The session's server, one for all packages of tests.

    Fails where it cannot start; skips only where a person says so.
    """
    if os.environ.get("NASCAR_SKIP_NEO4J") == "1" and os.environ.get("CI") != "true":
        pytest.skip("NASCAR_SKIP_NEO4J=1: the tests on a real Neo4j server were not run")
    if _SERVER not in request.config.stash:
        server = Neo4jServer(tmp_path_factory.mktemp("neo4j"))
        try:
            server.script("install")
            server.start()
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            pytest.fail(
                f"The real Neo4j server could not be started: {error}\n"
                "Java 17 and Maven are needed (scripts/system-packages.sh); NASCAR_SKIP_NEO4J=1 "
                "leaves these tests out on a machine that cannot have them."
            )
        request.config.stash[_SERVER] = server
        request.config.add_cleanup(server.stop)
    return request.config.stash[_SERVER]
