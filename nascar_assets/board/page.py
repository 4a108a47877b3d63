"""The board's two pages: every slate, and one slate with its parts."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.dependencies import models
from nicegui import __version__, events, ui
from nicegui import app as board
from nicegui.dependencies import esm_modules
from starlette.requests import cookie_parser

from nascar_assets.board.build import Build
from nascar_assets.board.forecast import show_forecast
from nascar_assets.board.honesty import show_honesty
from nascar_assets.board.lineups import Lineups
from nascar_assets.board.live import show_live
from nascar_assets.board.race import show_contests, show_race
from nascar_assets.board.transport import InProcess
from nascar_assets.board.views import Views
from nascar_assets.board.widgets import (
    KeptJob,
    NewerRun,
    Progress,
    SlateRun,
    anchor,
    button,
    file_drop,
    heading,
    named,
    note,
    notices,
    said,
    unforeseen,
)
from nascar_assets.client import AsyncClient, Refused, slates
from nascar_assets.rules import SITES
from nascar_assets.service.admission import BY_KEY, KEY_COOKIE, LEAVE
from nascar_assets.service.slate_contracts import SlateDetail, SlateRunResult, SlateSummary

LARGEST_FILE = 1_000_000
ANSWER_SECONDS = 30.0
"""How long a page may take that reads a slate for the first time on a busy machine."""
_ADDING = "adding"
"""Where the run of a salary file that was dropped is kept for its visitor."""
_OUT = re.compile(
    r"row \d+, [^)]*\) .*\bleft out\b|no longer in the salary file|^[^:]* does not race \("
)
"""A remark that a driver is scratched, which stands in sight."""
_SAID_BY_NOTICES = "slate_features.sources_are_known"
"""A check that fails where the run's remarks say what is not known, and only there."""
_STYLE = """
body { font-family: system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; color: #1a1a1a; }
.nicegui-content { padding: 12px; gap: 12px; max-width: 1500px; margin: 0 auto; width: 100%; }
h1 { font-size: 1.4rem; margin: 0; font-weight: 700; }
h2 { font-size: 1.1rem; margin: 8px 0 0; font-weight: 700; }
h3 { font-size: 1rem; margin: 4px 0 0; font-weight: 700; }
h1, h2, h3 { line-height: 1.3; }
.q-dialog .q-card { flex-wrap: nowrap; overflow: auto; }
.q-dialog .q-card > * { flex-shrink: 0; }
a.file { background: #00507d; color: #fff; padding: 8px 16px; border-radius: 4px;
  text-decoration: none; }
.w-full { width: 100%; }
.note { color: #595959; font-size: .85rem; }
.notice { background: #fff4e0; border-left: 4px solid #b35900; padding: 6px 10px; width: 100%; }
.good::before { content: "\\2713  "; color: #006b4f; font-weight: 700; }
.bad::before { content: "!  "; color: #a04000; font-weight: 700; }
.plain::before { content: "\\2022  "; }
.trust { gap: 2px; } .trust .q-link, .trust a { color: #00507d; }
.conflict { background: #fdecea; border-left: 4px solid #a61b00; padding: 8px 12px; width: 100%; }
.slate { border: 1px solid #bbb; border-radius: 6px; padding: 10px 14px; width: 100%; gap: 2px; }
.fault .ag-cell, .at-fault { background: #fdecea !important; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 12px;
  width: 100%; }
a { color: #00507d; } a:focus-visible, button:focus-visible { outline: 3px solid #0072b2; }
.in-sight { gap: 0; position: sticky; top: 0; z-index: 10; background: #fff; }
.q-tab { min-height: 44px; } .q-tab-panel { padding: 8px 0; }
.q-field__label, .q-field__native, .q-placeholder { color: #333 !important; }
.ag-root-wrapper { border-radius: 4px; }
[class*=ag-theme-params] { --ag-cell-horizontal-padding: 8px; --ag-row-height: 36px;
  --ag-header-height: 40px; }
.ag-header-cell-filter-button { position: absolute; z-index: 2; left: 0; opacity: 0; padding: 4px;
  background: #fff; }
.ag-ltr .ag-header-cell:not(.ag-right-aligned-header) .ag-header-cell-filter-button {
  left: auto; right: 0; }
.ag-header-cell:hover .ag-header-cell-filter-button, .ag-header-cell-filter-button:focus,
.ag-header-cell-filtered .ag-header-cell-filter-button { opacity: 1; }
.items-center { align-items: center !important; }
.q-expansion-item .q-item { padding-left: 0; }
"""


def serve(app: FastAPI) -> None:
    """Defines the pages, which ask this application and nothing else."""
    board.state.service = app
    board.colors(
        primary="#00507d",
        secondary="#404040",
        accent="#00507d",
        positive="#006b4f",
        negative="#a61b00",
        warning="#8a4500",
        info="#00507d",
    )


_WHILE_REFUSED = """
window.refused ??= window.socket.io.on('reconnect_error', async () => {
  try {
    if ((await fetch('/api/v1/optimize?limit=1')).status === 401) location.reload();
  } catch { /* the server is away: it is tried again */ }
});
"""
"""The page of whose key is taken back leads to the door; the server refuses its connection."""


def _api() -> AsyncClient:
    """The API for this visitor: his address, his key."""
    request = ui.context.client.request
    peer = request.client.host if request.client else "unknown"
    headers = {}
    if forwarded := request.headers.get("x-forwarded-for"):
        headers["X-Forwarded-For"] = forwarded
    return AsyncClient(
        "http://localhost",
        api_key=request.cookies.get(KEY_COOKIE),
        transport=InProcess(board.state.service, peer),
        timeout=60.0,
        headers=headers,
    )


def _client() -> str:
    """Who the visitor is: by his key, or by his address where no key is needed."""
    return str(ui.context.client.request.state.client)


def _kept() -> MutableMapping[str, Any]:
    """What is kept for this visitor: of his browser, and of his key where one is needed.

    Two who share a browser see nothing of each other.
    """
    kept: MutableMapping[str, Any] = board.storage.user
    return kept.setdefault(_client(), {}) if _client().startswith(BY_KEY) else kept


def _keep_to_its_key() -> None:
    """Loads a page anew that comes back with another key, or with one that is known no more.

    Whoever left, and the next one who came in, did so in another tab of the same browser.
    """
    page = ui.context.client
    sent = cookie_parser((page.environ or {}).get("HTTP_COOKIE", "")).get(KEY_COOKIE)
    if sent != page.request.cookies.get(KEY_COOKIE):
        page.run_javascript("location.reload()")
    page.run_javascript(_WHILE_REFUSED)


def _leave() -> None:
    """The way out, where one came in with a key."""
    if _client().startswith(BY_KEY):
        anchor(f"Leave ({_client().removeprefix(BY_KEY)})", LEAVE)


TABLES, CHARTS = "nicegui-aggrid", "nicegui-echart"
"""Libraries of components, by their names among scripts."""


def scripts_of(library: str) -> str:
    """The folder of the scripts of a library of components, below the page library's own files."""
    return next(f"esm/{key}/" for key, item in esm_modules.items() if item.name == library)


def _ahead() -> str:
    """Has the browser fetch at once what it would only learn of from scripts that it fetches."""
    tables = f"{scripts_of(TABLES)}index.js"
    paths = ("static/dompurify.mjs", "static/utils/dynamic_properties.js", tables)
    return "".join(
        f'<link rel="modulepreload" href="../_nicegui/{__version__}/{path}">' for path in paths
    )


def _let_go() -> None:
    """Empties what the web framework remembers of handlers, for the file fields of a page left.

    It remembers thousands of functions; a file field's holds its whole page in memory.
    """
    for name in ("gen", "async_gen", "coroutine"):
        remembered = getattr(models, f"_is_{name}_callable_cached", None)
        if remembered is not None:
            remembered.cache_clear()


def _frame(title: str) -> None:
    ui.context.client.on_delete(_let_go)
    ui.context.client.on_connect(_keep_to_its_key)
    ui.add_head_html(f"<style>{_STYLE}</style>")  # not add_css: that is a script without a nonce
    ui.page_title(title)


def _when(moment: datetime) -> str:
    return f"{moment:%a %d %b %Y, %H:%M} UTC"


@ui.page("/", title="Slates", response_timeout=ANSWER_SECONDS)
async def slates_page() -> None:
    """Every slate; a salary file dropped here becomes a new one."""
    _frame("Slates")
    api = _api()
    with ui.column().classes("w-full").style("gap: 12px"):
        with ui.row().classes("w-full justify-between"):
            heading("Slates", 1)
            _leave()
        exports = ", ".join(f"{site.name}: {site.export}" for site in SITES.values())
        note(
            f"Drop a salary file as the contest site has it ({exports}, on the page where a "
            "lineup is drafted). In a minute or two it becomes a forecast, lineups and the file to "
            "upload."
        )
        add = _SalaryDrop(api)
        add.show()
        try:
            found = await api.call(slates.slates())
        except Refused as error:
            notices([said(error)])
            return
        notices([f"{item.slate}: {item.message} {item.remedy or ''}" for item in found.unreadable])
        if not (found.slates or found.unreadable or add.runs):
            note("There is no slate yet.")
        for item in found.slates:
            _slate_card(item)


def _title(item: SlateSummary) -> str:
    return f"{item.site}: {item.race_name}, {item.track_name}"


def _details(item: SlateSummary) -> str:
    return f"{item.series}, {item.track_type}, {item.slate}"


def _slate_card(item: SlateSummary) -> None:
    words = {
        "fresh": "data up to date",
        "stale": "something is known since its last run",
        "missing": "not run yet",
    }
    with ui.column().classes("slate"):
        ui.link(_title(item), f"/slate/{quote(item.slate)}").style("font-weight: 700")
        note(_details(item))
        ui.label(("Locked at " if item.locked else "Locks at ") + _when(item.lock))
        ui.label(f"{item.state}; {words[item.data]}")
        for line in (*item.absent, *item.data_notes):
            ui.label(line).classes("note")


class _SalaryDrop:
    """Takes a salary file and runs its slate; asks for the race where several fit."""

    def __init__(self, api: AsyncClient) -> None:
        self._api = api
        self._kept = _kept()
        self._file: tuple[bytes, str] | None = None

    @property
    def runs(self) -> bool:
        """Whether a file that this visitor dropped is at work, also before the page was left."""
        return _ADDING in self._kept

    def show(self) -> None:
        """The place to drop it, and how far its run is."""
        file_drop("Drop a salary file here", self._sent, ".csv,.zip,.txt", LARGEST_FILE, self._say)
        self._said = ui.column().classes("w-full").props("aria-live=polite")
        progress = Progress("The slate's run")
        self._job = KeptJob(self._api, progress, self._kept, _ADDING, self._taken, self._refused)
        self._job.again()

    async def _taken(self, _: str, made: slates.Made) -> None:
        assert isinstance(made, SlateRunResult)
        ui.navigate.to(f"/slate/{quote(made.slate)}")

    def _say(self, words: str) -> None:
        self._said.clear()
        with self._said:
            notices([words])

    async def _sent(self, event: events.UploadEventArguments) -> None:
        await self._run(await event.file.read(), event.file.name, None)

    async def _run(self, content: bytes, name: str, race: str | None) -> None:
        self._said.clear()
        self._file = content, name
        await self._job.start(slates.add(content, name, race=race, wait=0))

    def _refused(self, error: Refused) -> None:
        with self._said:
            if self._file is None or not error.problem.races:
                notices([said(error)])
                return
            content, name = self._file
            ui.label("Several races fit this file. Which one is it for?")
            for race in error.problem.races:

                async def chosen(key: str = race.race_key) -> None:
                    await self._run(content, name, key)

                button(f"{race.race_name}, {race.track_name}, {race.start_time:%d %b %Y}", chosen)


@ui.page("/slate/{slate}", title="Slate", response_timeout=ANSWER_SECONDS)
async def slate_page(slate: str) -> None:
    """One slate: forecast, race, settings, lineups, contests, and how far to trust it."""
    _frame(slate)
    ui.add_head_html(_ahead())
    api = _api()
    with ui.column().classes("w-full").style("gap: 8px"):
        with ui.row().classes("w-full justify-between"):
            ui.link("All slates", "/")
            _leave()
        try:
            detail = await api.call(slates.slate(slate))
        except Refused as error:
            heading("Slate", 1)
            notices([said(error)])
            return
        kept = _kept().setdefault(slate, {})
        run, newer = _slate_head(api, detail, kept)
        if newer is None:
            note("It has not been run. Press Refresh to run it.")
            return
        await _parts(api, detail, kept, run, newer)


def _was_run(detail: SlateDetail) -> bool:
    """Whether there is a run of it to show."""
    return detail.run_id is not None and detail.data != "missing"


def _slate_head(
    api: AsyncClient, detail: SlateDetail, kept: dict[str, Any]
) -> tuple[SlateRun, NewerRun | None]:
    """What the slate is and how its data stand; gives its run, and who tells of a newer one."""
    heading(_title(detail), 1)
    note(_details(detail))
    with ui.row().classes("items-center w-full"):
        ui.label(("Locked at " if detail.locked else "Locks at ") + _when(detail.lock))
        if detail.as_of:
            ui.label(f"Forecast of what was known at {_when(detail.as_of)}").classes("note")

        async def refresh() -> None:
            await run.start(slates.run(detail.slate))

        button("Refresh", refresh)
        if _was_run(detail):
            path = f"/api/v1/slates/{quote(detail.slate)}"
            anchor("Report", f"{path}/report.html")
            anchor("Upload file of the slate's own lineups", f"{path}/upload.csv")
    with ui.column().classes("w-full in-sight"):
        newer = NewerRun(api, detail) if _was_run(detail) else None
        run = SlateRun(api, detail, kept, newer)
    run.again()
    notices((*detail.absent, *detail.data_notes))
    failed = [
        check.name
        for check in detail.checks
        if not (check.passed or check.name == _SAID_BY_NOTICES)
    ]
    if failed:
        notices([f"Checks that did not pass: {', '.join(failed)}."])
    out = [line for line in detail.notices if _OUT.search(line)]
    notices(out)
    if rest := [line for line in detail.notices if line not in out]:
        with ui.expansion(f"Remarks of its run ({len(rest)})").props("dense").classes("w-full"):
            for line in rest:
                ui.label(line)
    return run, newer


async def _filled(panel: ui.tab_panel, fill: Callable[[], Awaitable[None]]) -> bool:
    """Fills a part, or says in it what went wrong."""
    try:
        with panel:
            await fill()
        return True
    except Exception as error:  # the page's other parts are there all the same
        words = unforeseen(error, "This part cannot be shown")
    with panel:
        notices([words])
    return False


async def _parts(
    api: AsyncClient, detail: SlateDetail, kept: dict[str, Any], run: SlateRun, newer: NewerRun
) -> None:
    """The tabs; each is filled when it is first opened."""
    key = detail.slate
    lineups = Lineups(api, key, kept, lambda: go("Build"))
    names = ("Forecast", "Build", "Lineups", "Race", "Live", "Contests", "Views", "Honesty")
    with (
        named(ui.tabs(), "Parts of the slate")
        .props("no-caps mobile-arrows outside-arrows align=left")
        .classes("w-full") as tabs
    ):
        made = {name: ui.tab(name) for name in names}

    def go(name: str) -> None:
        tabs.set_value(name)

    def built() -> None:
        for name in ("Forecast", "Contests"):  # told anew where the build was kept
            if name in opened:
                opened.discard(name)
                panels[name].clear()
        go("Lineups")

    build = Build(api, detail, kept, lineups, built)
    author = None if _client().startswith(BY_KEY) else "board"
    fill: dict[str, Callable[[], Awaitable[None]]] = {
        "Forecast": lambda: show_forecast(api, key, lambda: go("Honesty"), newer),
        "Build": build.show,
        "Lineups": lineups.show,
        "Race": lambda: show_race(api, key),
        "Live": lambda: show_live(api, key, detail.race_key),
        "Contests": lambda: show_contests(api, key),
        "Views": Views(api, detail, run, author).show,
        "Honesty": lambda: show_honesty(api, key),
    }
    first = kept.get("tab", "Forecast")
    opened: set[str] = set()
    panels: dict[str, ui.tab_panel] = {}

    async def open_part(name: str) -> None:
        kept["tab"] = name
        if name in opened or name not in fill:
            return
        opened.add(name)
        panels[name].clear()
        if not await _filled(panels[name], fill[name]):
            opened.discard(name)
            if kept.get("tab") == name:  # the page would open at it again
                kept.pop("tab")

    async def changed(event: events.ValueChangeEventArguments[Any]) -> None:
        await open_part(str(event.value))
        await newer.look()

    with ui.tab_panels(tabs, value=first, animated=False, keep_alive=True).classes("w-full"):
        for name in names:
            with ui.tab_panel(made[name]).classes("w-full") as panels[name]:
                pass
    tabs.on_value_change(changed)
    run.ended.append(lambda: open_part(str(tabs.value)))  # where it could not be shown before
    await open_part(first)
