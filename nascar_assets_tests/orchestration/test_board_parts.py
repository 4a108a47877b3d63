"""The parts of the slate board without a browser or a server: answers that each test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from nicegui import Client, core, ui
from nicegui.page import page

from nascar_assets.board.build import Build
from nascar_assets.board.page import _filled
from nascar_assets.client import Call, Refused
from nascar_assets.lineups.settings import PortfolioSettings
from nascar_assets.service.slate_contracts import (
    ForecastRow,
    SettingsChecked,
    SlateDetail,
    SlateForecast,
    SlateProblem,
)

SLATE = "2026-02-15-cup-dk-classic"


class Api:
    """Gives what the test says for each method and end of a path, and notes what was sent.

    An answer that is a function gives it, one that is an error is raised.
    """

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.sent: list[str] = []

    async def call(self, call: Call[Any]) -> Any:
        name = call.path.rsplit("/", 1)[-1]
        self.sent.append(f"{call.method} {name}")
        await asyncio.sleep(0)
        found = self.answers[{SLATE: "slate"}.get(name, name)]
        found = found() if callable(found) else found
        if isinstance(found, Exception):
            raise found
        return found


def on_a_page(test: Callable[[], Awaitable[None]]) -> None:
    """Runs a test as the handler of a page that a browser has open."""

    async def run() -> None:
        core.loop = asyncio.get_running_loop()
        client = Client(page("/", reconnect_timeout=1.0))
        client.tab_id = "open"
        try:
            async with asyncio.timeout(10):
                with client:
                    await test()
        finally:
            client.delete()

    asyncio.run(run())


def words() -> str:
    """Everything that the page says."""
    shown = ui.context.client.elements.values()
    return "\n".join(item.text for item in shown if isinstance(item, ui.label))


def press(name: str, times: int = 1) -> None:
    """Presses of a button, as the browser tells of them: the later ones before the first is done."""
    shown = ui.context.client.elements.values()
    made = next(item for item in shown if isinstance(item, ui.button) and item.text == name)
    for _ in range(times):
        for listener in list(made._event_listeners.values()):
            made._handle_event({"listener_id": listener.id, "args": {}})


def row(name: str, **more: Any) -> ForecastRow:
    values = {key: 0 for key, field in ForecastRow.model_fields.items() if field.is_required()}
    names = {"driver_id": f"id {name}", "site_id": f"site {name}", "name": name, "team": None}
    return ForecastRow.model_validate({**values, **names, **more})


def detail(run_id: str = "first") -> SlateDetail:
    values = {key: "" for key, field in SlateDetail.model_fields.items() if field.is_required()}
    return SlateDetail.model_construct(**{**values, "slate": SLATE, "run_id": run_id})


def checked(**settings: Any) -> SettingsChecked:
    return SettingsChecked(settings=PortfolioSettings.from_mapping(settings), toml="")


def forecast(*names: str) -> SlateForecast:
    return SlateForecast.model_construct(rows=tuple(row(name) for name in names), n_scenarios=1)


class NoLineups:
    """Stands in for the part of the lineups."""

    async def take(self, run_id: str) -> None:
        self.taken = run_id


def build(api: Api, kept: dict[str, Any]) -> Build:
    return Build(api, detail(), kept, NoLineups(), lambda: None)  # type: ignore[arg-type]


def test_a_payout_file_of_the_settings_is_shown_as_what_it_is():
    async def test() -> None:
        api = Api(forecast=forecast("A"), settings=checked(objective="payout", payout="mine.csv"))
        await build(api, {}).show()
        shown = ui.context.client.elements.values()
        (contest,) = [
            item
            for item in shown
            if isinstance(item, ui.select) and item.props.get("label") == "Contest"
        ]
        assert contest.value == "mine.csv"
        assert contest.options[:2] == ["cash", "single-entry"]

    on_a_page(test)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ValueError("no such option"), "This part cannot be shown: ValueError: no such option"),
        (Refused(503, SlateProblem(code="BUSY", message="Too much at once.")), "Too much at once."),
    ],
)
def test_a_part_that_fails_says_so_and_leaves_the_others(fault, said):
    async def test() -> None:
        async def fill() -> None:
            raise fault

        with ui.tabs():
            tab = ui.tab("Build")
        with ui.tab_panels(), ui.tab_panel(tab) as panel:
            pass
        assert not await _filled(panel, fill)
        assert said in words()

    on_a_page(test)
