"""The race while it is run: chances by lap, points now and expected, places; it moves by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from nicegui import background_tasks, ui

from nascar_assets.board.widgets import (
    cells,
    chart,
    decimals,
    heading,
    note,
    notices,
    number,
    percent,
    percents,
    table,
    text,
)
from nascar_assets.client import AsyncClient, Refused
from nascar_assets.service.contracts import Problem
from nascar_assets.service.live_contracts import (
    LiveDriver,
    LiveForecast,
    LiveSlate,
    LiveValue,
)

LEADING = 6
"""Drivers whose chances are drawn: the most likely winners of now."""
_LINES = ("#0072b2", "#d55e00", "#009e73", "#a6558c", "#8a6d00", "#404040")
"""Okabe and Ito's colours, the pale ones darker, each with a mark of its own."""
_MARKS = ("circle", "rect", "triangle", "diamond", "pin", "arrow")
AGE_SECONDS = 5.0
AGAIN_SECONDS = 5.0
"""After which a stream that broke is asked for again."""

_DRIVERS = [
    number("position", "Place", sort="asc"),
    text("name", "Driver", width=160, pinned="left"),
    text(
        "laps_down",
        "Laps down",
        of=lambda row: str(row.laps_down or 0) if row.moving else "stands",
        width=130,
    ),
    number("laps_led", "Laps led"),
    percents("win", "Win %"),
    percents("top_5", "Top 5 %"),
    percents("top_10", "Top 10 %"),
    decimals("points_now", "Pts now", "Contest points if the race ended as it stands"),
    decimals("mean_points", "Pts expected"),
    decimals("points_p10", "Pts 10%"),
    decimals("points_p50", "Pts 50%"),
    decimals("points_p90", "Pts 90%"),
    number("finish_p10", "Finish 10%", "A finish that one race in ten betters or equals"),
    number("finish_p50", "Finish 50%", "Median finish"),
    number("finish_p90", "Finish 90%", "A finish that nine races in ten better or equal"),
]
_VALUES = [
    decimals("points_now", "Pts now", "Points if the race ended as it stands"),
    decimals("mean_points", "Pts expected"),
    decimals("points_p10", "Pts 10%"),
    decimals("points_p90", "Pts 90%"),
    decimals("expected_place", "Expected place", digits=0, sort="asc"),
    percents("best_tenth", "Best tenth %", "Chance to end in the contest's best tenth"),
]
_NAMES = text("names", "Drivers", of=lambda _: "", flex=1, minWidth=200, tooltipField="names")
_LINEUPS = [number("lineup", "Lineup", pinned="left"), *_VALUES, _NAMES]
_ENTRIES = [text("entry_id", "Entry", width=130, pinned="left"), *_VALUES, _NAMES]


async def show_live(api: AsyncClient, slate: str, race: str) -> None:
    """Fills the part of the race under way, and keeps it moving while the page is open."""
    heading("The race while it is run")
    live = _Live(slate)

    async def follow() -> None:
        while True:
            try:
                async for found in api.follow_race(race):
                    live.take(found)
            except Refused as error:
                live.say(error.problem)
            await asyncio.sleep(AGAIN_SECONDS)

    # A task of its own: the part is there before the first forecast, and goes with the page.
    task = background_tasks.create(follow(), name=f"live {race}")
    ui.context.client.on_delete(task.cancel)


class _Live:
    """What is shown of a race, drawn once and then changed."""

    def __init__(self, slate: str) -> None:
        self._slate = slate
        self._made_at: datetime | None = None
        self._head = ui.label("Waiting for the race's first forecast.").props("aria-live=polite")
        self._age = ui.label("").classes("note")
        self._said = ui.column().classes("w-full").props("aria-live=polite")
        self._parts = ui.column().classes("w-full")
        self._drawn = False
        self._drawn_as: dict[str, int] = {}
        ui.timer(AGE_SECONDS, self._tell_age)

    def say(self, problem: Problem) -> None:
        """Why there is no forecast."""
        self._notices([f"{problem.message} {problem.remedy or ''}".strip()])

    def _notices(self, lines: Sequence[str]) -> None:
        self._said.clear()
        with self._said:
            notices(lines)

    def take(self, found: LiveForecast | Problem) -> None:
        """Shows what came."""
        if isinstance(found, Problem):
            self.say(found)
            return
        own = found.slates.get(self._slate)
        lines = list(found.notices)
        if found.refused is not None:
            lines.insert(
                0,
                f"The newest feed was refused at {found.refused.at:%H:%M:%S} UTC: "
                f"{found.refused.reason} The last good forecast stays.",
            )
        if own is None:
            lines.append("The race is forecast, but not for this slate: it was not run in time.")
        self._notices(lines)
        self._made_at = found.made_at
        flag = f", under {found.flag}" if found.flag else ""
        self._head.text = f"After lap {found.lap} of {found.scheduled_laps}{flag}"
        self._tell_age()
        if own is None:
            return
        if not self._drawn:
            self._draw(own)
        self._change(found, own)

    def _tell_age(self) -> None:
        if self._made_at is not None:
            age = max(0, int((datetime.now(UTC) - self._made_at).total_seconds()))
            self._age.text = f"Forecast made {_ago(age)} ago, at {self._made_at:%H:%M:%S} UTC"

    def _draw(self, own: LiveSlate) -> None:
        self._drawn = True
        with self._parts:
            self._chart = chart("Chance to win by lap", _axes(), "320px")
            self._words = ui.label("").classes("note")
            self._drivers = table(
                "Drivers while the race is run", _DRIVERS, [], height="520px", key="driver_id"
            )
            contest = own.contest
            heading("Lineups")
            note(
                f"Places among {contest.entries:,} entries of {contest.name}, against rivals as "
                "they were expected before the race."
            )
            self._lineups = table(
                "Lineups while the race is run",
                _LINEUPS,
                [],
                height="360px",
                key="lineup",
            )
            self._entries = None
            if own.entries:
                heading("Entries")
                self._entries = table(
                    "Entries while the race is run",
                    _ENTRIES,
                    [],
                    height="300px",
                    key="entry_id",
                )

    def _change(self, found: LiveForecast, own: LiveSlate) -> None:
        leading = sorted(own.drivers, key=lambda row: -row.win)[:LEADING]
        self._chart.options["xAxis"]["max"] = max(found.scheduled_laps, found.lap)
        self._chart.options["series"] = [
            {
                "id": str(slot),
                "name": row.name,
                "type": "line",
                "symbol": _MARKS[slot],
                "symbolSize": 7,
                "itemStyle": {"color": _LINES[slot]},
                "lineStyle": {"color": _LINES[slot]},
                "data": self._chances(found, row),
            }
            for slot, row in sorted(self._slots(leading).items())
        ]
        words = "; ".join(f"{row.name} {row.win:.0%}" for row in leading)
        self._words.text = f"Chance to win after lap {found.lap}: {words}."
        self._chart.options["aria"]["label"]["description"] = self._words.text
        self._chart.update()
        _put(self._drivers, cells(_DRIVERS, own.drivers, "driver_id"))
        names = {row.driver_id: row.name for row in own.drivers}
        _put(self._lineups, _held(cells(_LINEUPS, own.lineups, "lineup"), own.lineups, names))
        if self._entries is not None:
            _put(self._entries, _held(cells(_ENTRIES, own.entries, "entry_id"), own.entries, names))

    def _chances(self, found: LiveForecast, row: LiveDriver) -> list[list[float | None]]:
        """A driver's chance to win by lap, where it was forecast."""
        known: list[tuple[float, float | None]] = [(0, row.win_before)]
        for at in found.series:
            known.append((at.lap, at.win_by_slate.get(self._slate, {}).get(row.driver_id)))
        return [[lap, percent(win)] for lap, win in known if win is not None]

    def _slots(self, leading: Sequence[LiveDriver]) -> dict[int, LiveDriver]:
        """Who is drawn in which colour: whoever stays among the leading keeps his."""
        kept = {row.driver_id: self._drawn_as.get(row.driver_id) for row in leading}
        free = iter(sorted(set(range(LEADING)) - set(kept.values())))
        self._drawn_as = {
            driver: next(free) if slot is None else slot for driver, slot in kept.items()
        }
        return {self._drawn_as[row.driver_id]: row for row in leading}


def _held(
    rows: list[dict[str, Any]], values: Sequence[LiveValue], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Rows with the names of the drivers whom each holds."""
    for row, value in zip(rows, values, strict=True):
        row["names"] = ", ".join(names.get(driver, driver) for driver in value.drivers)
    return rows


def _put(grid: ui.aggrid, rows: list[dict[str, Any]]) -> None:
    """Other rows in a grid, which keeps its sorting, filters and place."""
    with grid.props.suspend_updates():
        grid.options["rowData"] = rows
    grid.run_grid_method("setGridOption", "rowData", rows)


def _axes() -> dict[str, Any]:
    return {
        "legend": {"top": 0, "type": "scroll"},
        "xAxis": {"type": "value", "name": "lap", "nameLocation": "middle", "nameGap": 28},
        "yAxis": {"type": "value", "min": 0, "axisLabel": {"formatter": "{value}%"}},
        "series": [],
    }


def _ago(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
