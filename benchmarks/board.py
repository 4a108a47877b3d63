"""Benchmarks of the slate board: a real server, real workers, and people in a real browser."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.service import SECONDS, load, percentiles, resident, serving

Row = dict[str, Any]

NASCAR = "from nascar_assets.cli import main; main()"
SCENARIOS = 10_000
ACTIONS = int(os.environ.get("NASCAR_BENCH_BOARD_ACTIONS", "1000"))
PEOPLE = 20
REPEATS = 5
WAIT_MS = 120_000
PARTS = ("Forecast", "Build", "Lineups", "Race", "Contests", "Honesty")

_SEEN = """(words) => new Promise((done) => {
  const look = () => {
    const part = [...document.querySelectorAll('.q-tab-panel')].find((one) => one.offsetParent);
    const row = part?.querySelector('.ag-row');
    const there = row?.offsetParent && part.textContent.includes(words);
    requestAnimationFrame(there ? done : look);
  };
  look();
})"""
"""Waits for words and a table's row in the part that is shown, until they are painted.

The browser itself looks, at each frame: who drives it looks twice a second, which would count.
"""


def rows() -> Iterator[Row]:
    """What this group measures, on a demo's home that is made for it.

    `NASCAR_BENCH_BOARD_HOME` names the home of a demo to measure on instead.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = os.environ.get("NASCAR_BENCH_BOARD_HOME")
        if home is None:
            words = ["demo", "--home", folder, "--no-release", "--scenarios", str(SCENARIOS)]
            subprocess.run(
                [sys.executable, "-c", NASCAR, *words, "--json"],
                stdout=subprocess.DEVNULL,
                check=True,
            )
            home = f"{folder}/demo"
        with (
            serving(Path(home)) as (url, process),
            sync_playwright() as playwright,
            contextlib.closing(
                playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
            ) as browser,
        ):
            slate = httpx.get(f"{url}/api/v1/slates", timeout=60).json()["slates"][0]["slate"]
            yield from measured(url, slate, process.pid, browser)


def measured(url: str, slate: str, pid: int, browser: Browser) -> Iterator[Row]:
    """Times, errors and memory of a server's board.

    Args:
        url: The server, which nobody has asked for a page yet.
        slate: One of its slates.
        pid: Its process.
        browser: Where the pages are opened.
    """
    yield from _first_visits(url, slate, browser)
    for lineups, target in ((20, 2.0), (150, 5.0)):
        yield from _click_to_table(url, slate, browser, lineups, target)
    yield from _reads(url, slate)
    yield from _people(url, slate, browser)
    yield from _memory(url, slate, pid, browser)


@contextlib.contextmanager
def _visitor(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(WAIT_MS)
    try:
        yield context.new_page()
    finally:
        context.close()


def _open(page: Page, url: str, slate: str, part: str | None = None) -> float:
    """Opens a slate, and a part of it; seconds until its first table has rows."""
    begun = time.perf_counter()
    page.goto(f"{url}/board/slate/{slate}", wait_until="commit")
    page.evaluate(_SEEN, "")
    if part is not None:
        page.get_by_role("tab", name=part).click()
        page.evaluate(_SEEN, "")
    return time.perf_counter() - begun


def _first_visits(url: str, slate: str, browser: Browser) -> Iterator[Row]:
    times = []
    with _visitor(browser) as page:  # the browser's own start is none of the page's
        page.goto("data:text/html,<p>up</p>")
    for _ in range(REPEATS + 1):
        with _visitor(browser) as page:  # a browser that has kept nothing
            times.append(_open(page, url, slate))
    yield _row("first visit of a server that is up: forecast shown", times[0], "s", 2.0)
    again = statistics.median(times[1:])
    yield _row("a later visitor's first visit (median)", again, "s", 2.0)


def _click_to_table(
    url: str, slate: str, browser: Browser, lineups: int, target: float
) -> Iterator[Row]:
    """From the click on `Build lineups` to the table of lineups, workers warm."""
    shown, whole = [], []
    with _visitor(browser) as page:
        for step in range(REPEATS + 2):  # the first two warm each worker
            _open(page, url, slate)
            page.get_by_role("tab", name="Build").click()
            field = page.get_by_role("spinbutton", name="Lineups", exact=True)
            field.fill(str(lineups + step))  # other settings each time
            page.wait_for_timeout(600)  # the field says it after a pause
            begun = time.perf_counter()
            page.get_by_role("button", name="Build lineups").click()
            page.evaluate(_SEEN, f"{lineups + step} lineups, chosen for")
            shown.append(time.perf_counter() - begun)
            part = page.locator(".q-tab-panel:visible")
            part.get_by_role("region", name="Returns in contests").wait_for()
            whole.append(time.perf_counter() - begun)
    name = f"portfolio of {lineups} on {SCENARIOS:,} scenarios, click to table, warm"
    yield _row(f"{name} (median)", statistics.median(shown[2:]), "s", target)
    yield _row(f"the same, until its contests are shown, {lineups}", statistics.median(whole[2:]))


def _reads(url: str, slate: str) -> Iterator[Row]:
    paths = [
        f"/api/v1/slates/{slate}{rest}"
        for rest in ("", "/forecast", "/scenarios/summary", "/lineups", "/exposures", "/contests",
                     "/record", "/provenance", "/upload.csv")
    ]  # fmt: skip
    for path in paths:
        httpx.get(url + path, timeout=60)
    made = load(url, method="GET", path=paths, body=None, rate=50, seconds=SECONDS)
    yield from percentiles(
        "stored reads at 50/s, all kinds in turn", made, ((50, 25.0), (99, 50.0))
    )


def _people(url: str, slate: str, browser: Browser) -> Iterator[Row]:
    """People at once, each with a browser of his own that opens every part and builds lineups."""
    faults: list[str] = []
    begun = time.perf_counter()
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(_visitor(browser)) for _ in range(PEOPLE)]
        for page in pages:
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("response", lambda answer: _note(answer.status, answer.url, faults))
            page.goto(f"{url}/board/slate/{slate}", wait_until="commit")
        for part in PARTS:
            for page in pages:
                page.get_by_role("tab", name=part).click()
            for page in pages:
                page.locator(".q-tab-panel:visible .ag-row").first.wait_for()
        for page in pages:
            page.get_by_role("tab", name="Build").click()
            page.get_by_role("button", name="Build lineups").click()
        for page in pages:
            page.get_by_text(re.compile(r"^20 lineups, chosen for")).wait_for()
    note = f"{time.perf_counter() - begun:.0f} s until all had their lineups"
    yield _row(f"{PEOPLE} people at once: errors", len(faults), "errors", 0, note)


def _note(status: int, url: str, faults: list[str]) -> None:
    if status >= 400:
        faults.append(f"{status} {url}")


def _memory(url: str, slate: str, pid: int, browser: Browser) -> Iterator[Row]:
    """Resident memory of server and workers over many visits, each left without a word."""
    seen: list[tuple[int, float]] = []
    early = 0.0
    done = visits = 0
    while done < ACTIONS:
        with _visitor(browser) as page:
            done += _visit(page, url, slate, build=visits % 3 == 0)
        visits += 1
        seen.append((done, resident(pid)))
        if not early and done >= ACTIONS / 10:
            time.sleep(25)  # what a page held goes once it has not come back
            early = resident(pid)
    time.sleep(25)
    late = resident(pid)
    name = f"growth of memory from action {ACTIONS // 10} to {ACTIONS}"
    yield _row(name, 100.0 * (late / early - 1.0), "%", 10.0, f"{late:.0f} MB in the end")
    warm = [pair for pair in seen if pair[0] >= ACTIONS / 2]
    if len(warm) > 2:
        slope = statistics.linear_regression(*zip(*warm, strict=True)).slope
        name = f"the same, from action {ACTIONS // 2} on, by 100 actions (fitted line)"
        yield _row(name, 100 * slope, "MB")


def _visit(page: Page, url: str, slate: str, *, build: bool) -> int:
    """Opens every part and a driver, changes a setting, builds where asked; how many actions."""
    _open(page, url, slate)
    for part in (*PARTS[1:], *PARTS):
        page.get_by_role("tab", name=part).click()
        page.locator(".q-tab-panel:visible .ag-row").first.wait_for()
    page.get_by_role("tab", name="Forecast").click()
    page.locator(".q-tab-panel:visible .ag-pinned-left-cols-container .ag-row").first.click()
    page.get_by_role("dialog").get_by_text("What drives it").wait_for()
    page.get_by_role("button", name="Close").click()
    page.get_by_role("tab", name="Build").click()
    page.get_by_role("spinbutton", name="Lineups", exact=True).fill("5")
    page.wait_for_timeout(600)
    if build:
        page.get_by_role("button", name="Build lineups").click()
        page.get_by_text(re.compile(r"^5 lineups, chosen for")).wait_for()
    return 1 + len(PARTS[1:]) + len(PARTS) + 5 + build


def _row(
    name: str, value: float, unit: str = "s", target: float | None = None, note: str = ""
) -> Row:
    row: Row = {"name": name, "value": round(value, 3), "unit": unit, "note": note}
    return row if target is None else {**row, "target": target}


if __name__ == "__main__":
    for found in rows():
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
