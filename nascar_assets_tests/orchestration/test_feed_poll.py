"""The feed asked over HTTP: once an interval, what is new lands, and a feed that is down changes
nothing.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from nascar_assets.feed.client import HttpFeed
from nascar_assets.orchestration.storage.store import scan_table
from nascar_assets.sample import Sample
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

CHIEF = '"crew_chief_fullname":"'


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(sample_folder: tuple[Sample, Path], tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A copy of the sample's feed and the address at which it is served."""
    folder = tmp_path / "feed"
    shutil.copytree(sample_folder[1] / "feed", folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_what_is_new_at_the_feed_lands_and_runs_its_race(
    races: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    # Requests are kept apart by a quarter of a second, which feed/test_client.py tests.
    apart = property(lambda _: 0.0, lambda *_: None)
    monkeypatch.setattr(HttpFeed, "_min_interval_s", apart, raising=False)
    path = sorted(folder.glob("cacher/2025/1/*/weekend-feed.json"))[-1]
    race_id = pl.col("race_id") == path.parent.name
    schedule = scan_table(DataRoot.open(races), "schedule").filter(race_id).collect()
    after = schedule["start_time"][0] + timedelta(days=2)
    monkeypatch.setenv("NASCAR_CLOCK", f"{after.isoformat()} from {time.time():.0f} x 1")
    ticker = Ticker(races)
    assert ticker.tick("feed_poll") == []
    assert ticker.skipped == "NASCAR_FEED is not set."
    monkeypatch.setenv("NASCAR_FEED", address)
    path.write_text(path.read_text().replace(CHIEF, f"{CHIEF}New ", 1))
    (request,) = ticker.tick("feed_poll")
    assert ticker.tick("feed_poll") == []  # once an interval
    assert ticker.carry_out(request, "poll_job")
    landed = races / "landing/feed" / path.relative_to(folder)
    assert landed.read_bytes() == path.read_bytes()
    settle_files(races)
    (race,) = ticker.tick("landing_feed")
    assert race.job_name == "race_job"
    whole = {item: item.read_bytes() for item in (races / "landing/feed").rglob("*.json")}
    monkeypatch.setenv("NASCAR_FEED", "http://127.0.0.1:9")  # nobody answers there
    assert not ticker.carry_out(request.with_replaced_attrs(run_key="poll:later"), "poll_job")
    assert {item: item.read_bytes() for item in whole} == whole
    ticker.cursors["feed_poll"] = None
    ticker.instance.create_run_for_job(
        ticker.definitions.resolve_job_def("poll_job"), status=dg.DagsterRunStatus.STARTED
    )
    assert ticker.tick("feed_poll") == []
    assert ticker.skipped == "The feed is being asked."
