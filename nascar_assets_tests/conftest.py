"""Markers, each from the fixtures that a test uses; a webserver and a browser for all packages."""

from __future__ import annotations

import gc
import shutil
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from nascar_assets.calibration.feed_tables import FeedTables

MARKS = {
    "neo4j_server": "neo4j",
    "postgres": "postgres",
    "s3": "s3",
    "broker": "broker",
    "browser": "browser",
    "webserver": "server",
    "server": "server",
    "make_server": "server",
    "raced": "home",
    "world": "home",
    "small": "server",
    "released": "slow",
    "fitted": "slow",
    "sample_tables": "slow",
}
"""The marker of a test that uses a fixture, directly or through others."""


LONG = {"neo4j", "postgres", "s3", "broker", "browser", "server", "faults", "slow"}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Looks for no garbage while all tests are imported, nor among them later: they stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test by what it uses, so that `-m` finds them all and none is marked by hand.

    Long files come first, so that no worker is left with one at the end. One of those that need a
    home begins: while its worker makes the home, the other has those that need none.
    """
    marks: dict[Path, set[str]] = {}
    for item in items:
        for name in MARKS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKS[name])
        marks.setdefault(item.path, set()).update(mark.name for mark in item.iter_markers())
    first = next((path for path, names in marks.items() if "home" in names), None)

    def turn(item: pytest.Item) -> int:
        names = marks[item.path]
        return 2 * (item.path != first) if "home" in names else 1 if names & LONG else 3

    items.sort(key=turn)


@pytest.fixture(scope="session")
def sample_tables(tmp_path_factory: pytest.TempPathFactory) -> FeedTables:
    """Schedule, results and features of the sample's feed, as a backtest reads them."""
    from nascar_assets.calibration.feed_tables import read_feed_tables
    from nascar_assets.sample import write_sample
    from nascar_assets.storage import DataRoot
    from nascar_assets_tests.samples import sample_of

    folder = tmp_path_factory.mktemp("sample")
    write_sample(sample_of(1), folder)
    return read_feed_tables(DataRoot.open(folder / "feed"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A real PostgreSQL server; skipped where it is not installed."""
    from nascar_assets_tests.servers import postgres_server

    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[Any]:
    """A real server of buckets; skipped where it is not installed."""
    from nascar_assets_tests.servers import s3_server

    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def broker() -> Iterator[Any]:
    """A real broker; skipped where it is not installed."""
    from nascar_assets_tests.servers import broker_server

    with broker_server() as server:
        yield server


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def any_root(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An empty data root of each kind: a folder, and a bucket on a real server."""
    from nascar_assets.storage import DataRoot

    if request.param == "folder":
        return DataRoot.open(tmp_path / "data")
    return request.getfixturevalue("s3").root(tmp_path.name + uuid.uuid4().hex[:8])


@pytest.fixture(scope="module")
def webserver() -> Iterator[Callable[[Path], str]]:
    """Starts the webserver of `nascar ui` on a home and gives its address; stopped at the end."""
    from nascar_assets_tests.orchestration.processes import serving

    with ExitStack() as stack:
        yield lambda home: stack.enter_context(serving(home))


@pytest.fixture(scope="module")  # while Playwright runs, no other event loop may
def browser() -> Iterator[Any]:
    """A real Chromium; skipped where it is not installed."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (scripts/system-packages.sh)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-background-networking", "--disable-sync"],
        )
        yield browser
        browser.close()
