"""A journey with marked secrets in every setting: no byte of them is written or printed."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nascar_assets.sample import Sample

MARK = "mark3d"
SECRETS = {
    "NASCAR_GRAPH_PASSWORD": f"{MARK}-graph",
    "NASCAR_API_WEBHOOK_SECRET": f"{MARK}-hook-{'x' * 40}",
    "NASCAR_NOTIFY_WEBHOOK": f"http://127.0.0.1:9/{MARK}-notify",
    "NASCAR_NOTIFY_MAIL_TO": "ann@example.org",
    "NASCAR_NOTIFY_MAIL_SERVER": f"smtp://ann:{MARK}-mail@127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": f"{MARK}-key-id",
    "AWS_SECRET_ACCESS_KEY": f"{MARK}-key",
}
CLOSED = "127.0.0.1:9"


class Guarded(SimpleHTTPRequestHandler):
    """The sample's feed, for one user alone."""

    wanted = "Basic " + base64.b64encode(f"ann:{MARK}-feed@".encode()).decode()

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != self.wanted:
            self.send_error(401)
        else:
            super().do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def few(sample_folder: tuple[Sample, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's feed with the last three races of 2025: a secret is in none or in all."""
    folder = tmp_path_factory.mktemp("few") / "feed"
    shutil.copytree(sample_folder[1] / "feed", folder)
    for race in sorted((folder / "cacher/2025/1").iterdir())[:-3]:
        shutil.rmtree(race)
        (folder / f"loopstats/prod/2025/1/{race.name}.json").unlink(missing_ok=True)
    return folder


@pytest.fixture
def feed(few: Path) -> Iterator[str]:
    handler = partial(Guarded, directory=str(few))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://ann:{MARK}-feed%40@127.0.0.1:{server.server_port}"
        server.shutdown()


MANY = """
import json, os, sys
from nascar_assets.cli.app import run

for name, words, settings in json.load(sys.stdin):
    before = dict(os.environ)
    os.environ |= settings
    print("begins", name, flush=True)
    code = run(words)
    print("ended", code, flush=True)
    os.environ.clear()
    os.environ |= before
"""


def nascar(home: Path, commands: list[tuple[str, list[str], dict[str, str]]]) -> str:
    """What commands say on both streams, one after the other in a process of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NASCAR_")}
    done = subprocess.run(
        [sys.executable, "-c", MANY],
        env={**kept, **SECRETS, "NASCAR_HOME": str(home), "NASCAR_TRACE": "1"},
        input=json.dumps(commands),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_secret_is_written_or_printed(feed: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    commands: list[tuple[str, list[str], dict[str, str]]] = []
    codes: dict[str, int] = {}

    def go(name: str, code: int, *words: str, **settings: str) -> None:
        commands.append((name, list(words), settings))
        codes[name] = code

    seasons = ["--series", "cup", "--seasons", "2025"]
    go("sync", 0, "sync", *seasons, NASCAR_FEED=feed)
    go("sync by option", 0, "sync", "--feed", feed, *seasons, "--json")
    away = f"http://ann:{MARK}-away@{CLOSED}"
    go("feed away", 1, "sync", "--feed", away, *seasons, "--home", str(tmp_path / "none"))
    go("refused feed", 2, "sync", "--feed", f"ftp://ann:{MARK}@h/x", *seasons)
    go("doctor", 0, "doctor", "--json", NASCAR_FEED=feed)
    graph = f"bolt://ann:{MARK}-in-address@{CLOSED}"
    go("doctor of a graph", 1, "doctor", "--json", NASCAR_GRAPH=graph, NASCAR_FEED=feed)
    go(
        "graph away",
        1,
        "ontology",
        "load",
        NASCAR_GRAPH=f"bolt://{CLOSED}",
        NASCAR_GRAPH_USER="ann",
    )
    storage = f"postgresql://ann:{MARK}-postgres@{CLOSED}/x"
    go("doctor of a storage", 1, "doctor", "--json", NASCAR_STORAGE=storage)
    bucket = {"AWS_ENDPOINT_URL": f"http://{CLOSED}", "AWS_ALLOW_HTTP": "true"}
    local = str(tmp_path / "local")
    go("bucket away", 1, "coverage", "--home", "s3://bucket/x", NASCAR_LOCAL=local, **bucket)
    text = nascar(home, commands)
    told = re.findall(r"^begins ([^\n]+)\n(.*?)^ended (\d+)$", text, re.DOTALL | re.MULTILINE)
    assert {name: int(code) for name, _, code in told} == codes, text
    said = {name: text for name, text, _ in told} | {"the whole": text}
    for name, text in said.items():
        assert MARK not in text, (name, text)
    assert "***" in said["doctor"]  # the setting is named, its user is not
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 50
    assert [str(path) for path in written if MARK.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_a_quarantine_report_of_the_feed_holds_no_secret(
    few: Path, feed: str, tmp_path: Path
) -> None:
    from datetime import UTC, datetime

    from nascar_assets.feed.landing import sync_from
    from nascar_assets.storage import DataRoot

    path = few / "cacher/2025/race_list_basic.json"
    path.write_bytes(path.read_bytes()[:100])
    root = DataRoot.open(tmp_path / "home")
    with pytest.raises(Exception, match="no usable schedule") as error:
        sync_from(feed, root, ["cup"], [2025], now=datetime.now(UTC))
    assert MARK not in str(error.value)
    reports = list((tmp_path / "home").rglob("*.report.json"))
    assert len(reports) == 1
    assert MARK not in reports[0].read_text()
