"""What people stated of the race: one driver, files, starts at the rear, and what it did."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from nicegui import events, ui

from nascar_assets.board.widgets import (
    NumberField,
    Progress,
    SlateRun,
    button,
    decimals,
    file_drop,
    focus,
    heading,
    named,
    note,
    notices,
    number,
    percent,
    percents,
    rounded,
    said,
    table,
    text,
)
from nascar_assets.client import AsyncClient, Refused, slates, views
from nascar_assets.service.slate_contracts import ForecastRow, RunRequest, SlateDetail, SlateJob
from nascar_assets.service.view_contracts import (
    RearStart,
    SlateView,
    SlateViews,
    ViewTaken,
    ViewTarget,
)

LARGEST_FILE = 1_000_000
_DRAWN_MILLISECONDS = 100
"""After which the browser has drawn what it was sent."""
_TWO_WAYS = "Where the file may be read in two ways"
_SAY_WHICH = re.compile(r"\b(?:odds|unit|column)=")
"""In a remedy of the API: a parameter that the page has under these words."""
_SHOWN = 12
"""Rows at fault that are listed."""


class _Stated(NamedTuple):
    """What a person may state: in words, in short, and what the forecast has."""

    words: str
    short: str
    ours: Callable[[ForecastRow], float | None]


_STATED = {
    "Fpts": _Stated("Mean points", "mean points", lambda row: rounded(row.mean_points)),
    "Win": _Stated("Chance to win, in percent", "win", lambda row: percent(row.win)),
    "T5": _Stated("Chance of the top 5, in percent", "top 5", lambda row: percent(row.top5)),
    "T10": _Stated("Chance of the top 10, in percent", "top 10", lambda row: percent(row.top10)),
    "Own": _Stated(
        "Share of rivals' lineups that hold him, in percent",
        "ownership",
        lambda row: percent(row.expected_ownership),
    ),
}
"""By header of a file: what a person may state of one driver, and what the forecast has."""


class Views:
    """The part of views.

    Args:
        author: Who says what is stated here where nobody is named; none: the key's name.
    """

    def __init__(
        self, api: AsyncClient, detail: SlateDetail, run: SlateRun, author: str | None
    ) -> None:
        self._api, self._detail, self._run, self._author = api, detail, run, author
        self._slate = detail.slate
        self._found: ui.column | None = None
        run.ended.append(self._fill)

    async def show(self) -> None:
        """Fills the part."""
        heading("What you know beside history")
        note(
            "Projections, ownership, exposures, others' chances, odds, practice times, starts at "
            "the rear."
        )
        if self._detail.locked:
            notices(["This slate is locked: what is stated now is kept and does not count."])
        else:
            note("Each moves the forecast by its weight, from the next run on.")
        drivers = (await self._api.call(slates.forecast(self._slate))).rows
        with ui.element("div").classes("columns"):
            self._driver_form(drivers)
            self._file_form()
            self._rear_form({row.driver_id: row.name for row in drivers})
        self._said = ui.column().classes("w-full").props("aria-live=polite tabindex=-1")
        self._said.style("scroll-margin: 80px")  # brought into sight, not just to its edge
        self._progress = Progress("The view")
        self._found = ui.column().classes("w-full")
        await self._fill()

    # --- saying something ---

    def _driver_form(self, drivers: Sequence[ForecastRow]) -> None:
        """One driver better or worse than the forecast has him: sent as a file of one row."""
        rows = {row.driver_id: row for row in drivers}
        with ui.column().style("min-width: 0"):
            heading("One driver", 3)
            driver = ui.select(
                {row.driver_id: row.name for row in drivers}, label="Whom you mean", with_input=True
            ).classes("w-full")
            what = ui.select(
                {header: stated.words for header, stated in _STATED.items()},
                label="What you know of him",
                value="Fpts",
            ).classes("w-full")
            value = NumberField("Your number").classes("w-full")
            weight = NumberField(
                "Weight of your number, 0 to 1", placeholder="0.5", lower=0, upper=1
            ).classes("w-full")
            why = ui.input("Why you think so").props("maxlength=500").classes("w-full")
            ours = ui.label("").classes("note")

            def compare() -> None:
                row = rows.get(driver.value)
                own = None if row is None else _STATED[what.value].ours(row)
                ours.text = "" if own is None else f"The forecast says {own:g}."

            driver.on_value_change(compare)
            what.on_value_change(compare)

            async def add() -> None:
                if wrong := value.wrong or weight.wrong:
                    self._say(wrong)
                    return
                if not driver.value or value.number is None:
                    ui.notify("Choose a driver and give a number.")
                    return
                row = rows[driver.value]
                content = io.StringIO()
                csv.writer(content).writerows([("Name", what.value), (row.name, value.number)])
                call = views.add(
                    self._slate,
                    content.getvalue().encode(),
                    f"{row.name}, {_STATED[what.value].short}",
                    confidence=weight.number,
                    author=self._author,
                    why=why.value or None,
                    unit=None if what.value == "Fpts" else "percent",
                    wait=0,
                )
                await self._take(lambda: self._api.call(call))

            button("State it", add)

    def _file_form(self) -> None:
        with ui.column().style("min-width: 0"):
            heading("A file", 3)
            weight = NumberField(
                "Weight, 0 to 1", placeholder="0.5; of odds 0", lower=0, upper=1
            ).classes("w-full")
            author = ui.input("Who says so").props("maxlength=500").classes("w-full")
            why = ui.input("Why").props("maxlength=500").classes("w-full")
            self._two_ways = ui.expansion(_TWO_WAYS).classes("w-full")
            with self._two_ways:
                odds = ui.select(
                    {"american": "American", "decimal": "Decimal"},
                    label="Odds without a sign are",
                    clearable=True,
                ).classes("w-full")
                unit = ui.select(
                    {"percent": "Percent", "share": "Shares of one"},
                    label="Ownership, exposures and chances are",
                    clearable=True,
                ).classes("w-full")
                column = ui.input("Column that holds your own mean points").classes("w-full")

            async def sent(event: events.UploadEventArguments) -> None:
                if weight.wrong:
                    self._say(weight.wrong)
                    return
                content = await event.file.read()
                call = views.add(
                    self._slate,
                    content,
                    event.file.name,
                    confidence=weight.number,
                    author=(author.value or "").strip() or self._author,
                    why=why.value or None,
                    odds=odds.value,
                    unit=unit.value,
                    column=(column.value or "").strip() or None,
                    wait=0,
                )
                await self._take(lambda: self._api.call(call))

            kinds = ".csv,.tsv,.txt,.zip,.json"
            file_drop("Drop a file here", sent, kinds, LARGEST_FILE, self._say)

    def _rear_form(self, drivers: dict[str, str]) -> None:
        with ui.column().style("min-width: 0"):
            heading("A start at the rear", 3)
            driver = ui.select(drivers, label="Driver", with_input=True).classes("w-full")
            scored = ui.select(
                {
                    "grid": "Scored from his qualified place (a backup car, an adjustment)",
                    "rear": "Scored from the back (qualifying disallowed)",
                },
                label="Scored from",
                value="grid",
            ).classes("w-full")
            why = ui.input("Why he starts there").props("maxlength=500").classes("w-full")

            async def add() -> None:
                if not driver.value or not (why.value or "").strip():
                    ui.notify("Choose a driver and say why.")
                    return
                start = RearStart(
                    driver=driver.value, scored=scored.value, why=why.value, author=self._author
                )
                await self._take(lambda: self._api.call(views.rear(self._slate, start, wait=0)))

            button("Put him at the rear", add)

    async def _take(self, send: Callable[[], Awaitable[SlateJob]]) -> None:
        """Sends a view, and says what was taken or why not."""
        self._said.clear()
        try:
            job = await send()
            await self._progress.follow(self._api, job.run_id)
            taken = await self._api.call(slates.result(job.run_id))
        except Refused as error:
            self._refused(error)
            return
        assert isinstance(taken, ViewTaken)
        with self._said:
            drivers = "1 driver" if taken.drivers == 1 else f"{taken.drivers} drivers"
            what = f"{', '.join(taken.states)} of {drivers}"
            ui.label(
                f"Taken: {what}." if taken.fresh else f"It was there already: {what}."
            ).classes("good")
            notices(taken.notices)
        self._show_said()
        await self._fill()

    def _say(self, words: str) -> None:
        self._said.clear()
        with self._said:
            notices([words])
        self._show_said()

    def _show_said(self) -> None:
        """Brings what is said into sight: on a phone it stands below all of the forms."""
        self._said.client.run_javascript(
            f"setTimeout(() => getHtmlElement({self._said.id})?.scrollIntoView("
            f"{{block: 'nearest'}}), {_DRAWN_MILLISECONDS})"
        )

    def _refused(self, error: Refused) -> None:
        self._show_said()
        rows, remedy = error.problem.rows, error.problem.remedy
        if remedy and _SAY_WHICH.search(remedy):
            remedy = f'Say how to read it under "{_TWO_WAYS}", and drop it again.'
            self._two_ways.open()
        with self._said, ui.column().classes("conflict").props("role=alert"):
            if not rows:
                ui.label(said(error, remedy))
                return
            ui.label("Nothing of the file is taken: these rows cannot be used.")
            with ui.element("ul").style("margin: 0"):
                for row in rows[:_SHOWN]:
                    near = f" Nearest: {', '.join(row.nearest)}." if row.nearest else ""
                    with ui.element("li"):
                        ui.label(f"Row {row.row} ({row.name or 'no name'}): {row.reason}{near}")
            if len(rows) > _SHOWN:
                ui.label(f"And {len(rows) - _SHOWN} more.")
            if remedy:
                ui.label(remedy)

    # --- what was said, and what it did ---

    async def _fill(self) -> None:
        """Shows anew what was said and what it did; what is being typed stays."""
        if self._found is None or self._found.is_deleted:
            return
        found = await self._api.call(views.of(self._slate))
        self._found.clear()
        with self._found:
            if found.waits:
                with ui.row().classes("notice items-center"):
                    ui.label("The newest run does not know all of this. A run takes it in.")
                    self._run_button("Run the slate again")
            self._list(found)
            self._effects(found)
            if found.record:
                note(found.record)

    def _run_button(self, words: str, *, without: bool = False) -> None:
        async def run() -> None:
            request = RunRequest(without_views=without)
            await self._run.start(slates.run(self._slate, request))

        button(words, run)

    def _list(self, found: SlateViews) -> None:
        heading("Who said what", 3)
        if not found.views:
            note("Nobody has said anything: the forecast is the model's own.")
            return
        table(
            "Views of this slate",
            [
                text("file", "What", flex=1, minWidth=140),
                text("author", "Who", width=120),
                text("when", "When", of=lambda view: _minute(view.landed_at), width=150),
                text(
                    "states", "States", of=lambda view: ", ".join(view.states), flex=1, minWidth=140
                ),
                number("drivers", "Drivers"),
                text("weight", "Weight", of=_weight, width=100),
                text(
                    "standing",
                    "Now",
                    of=_standing,
                    flex=1,
                    minWidth=180,
                    tooltipField="standing",
                ),
                text("why", "Why", flex=1, minWidth=140, tooltipField="why"),
            ],
            found.views,
            key="view_id",
        )
        held = [view for view in found.views if view.dropped_at is None]
        if held:
            with named(ui.row(), "Take a view back", "group").classes("items-center w-full"):
                ui.label("Take back:")
                for view in held:
                    self._drop_button(view)

    def _drop_button(self, view: SlateView) -> None:
        async def drop() -> None:
            self._said.clear()
            try:
                await self._api.call(views.drop(self._slate, view.view_id))
            except Refused as error:
                self._refused(error)
                return
            with self._said:
                ui.label(f"Taken back: {view.file}.").classes("good")
            self._show_said()
            focus(self._said)
            await self._fill()

        button(f"{view.file} ({view.author})", drop, "outline dense no-caps")

    def _effects(self, found: SlateViews) -> None:
        heading("The forecast without and with them", 3)
        if found.without_views:
            note("The newest run was asked to leave views out.")
            self._run_button("Run with views")
            return
        if not found.effects:
            note("No view moves the newest run's scenarios.")
            return
        if found.effective_scenarios is not None and found.share is not None:
            note(
                f"{found.n_scenarios:,} scenarios are worth {found.effective_scenarios:,.0f} equal "
                f"ones; views were taken at {found.share:.0%} of their weight."
            )
        table(
            "Forecast without and with the views",
            [
                text("name", "Driver", width=160, pinned="left"),
                decimals("mean_points_before", "Mean without"),
                decimals("mean_points", "Mean with"),
                decimals("moved", "Moved", of=lambda row: row.mean_points - row.mean_points_before),
                percents("win_before", "Win % without"),
                percents("win", "Win % with"),
                percents("optimal_share_before", "Optimal % without"),
                percents("optimal_share", "Optimal % with"),
                number("start", "Start"),
                number("scored_start", "Scored from"),
            ],
            found.effects,
            height="420px",
            key="driver_id",
        )
        if found.targets:
            heading("What the scenarios were moved to", 3)
            table(
                "Targets of the views",
                [
                    text("name", "Driver", width=160, pinned="left"),
                    text("words", "What", flex=1, minWidth=150),
                    number("own", "Ours", of=lambda row: _in_unit(row, row.own), digits=1),
                    number("wanted", "Wanted", of=lambda row: _in_unit(row, row.wanted), digits=1),
                    number(
                        "reached", "Reached", of=lambda row: _in_unit(row, row.reached), digits=1
                    ),
                    text(
                        "unit",
                        "In",
                        of=lambda row: "%" if row.unit == "share" else row.unit,
                        width=90,
                    ),
                ],
                found.targets,
                height="260px",
            )
        self._run_button("Run without views", without=True)


def _weight(view: SlateView) -> str:
    return "default" if view.confidence is None else f"{view.confidence:g}"


def _standing(view: SlateView) -> str:
    dropped = f" ({_minute(view.dropped_at)})" if view.dropped_at else ""
    counted = "; ".join(f"{count} {state}" for state, count in view.counts.items())
    return f"{view.standing}{dropped}{f': {counted}' if counted else ''}"


def _in_unit(row: ViewTarget, value: float) -> float | None:
    return percent(value) if row.unit == "share" else rounded(value)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
