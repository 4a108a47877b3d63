"""Lineups: what was chosen, how it keeps its bounds, what it may win, and the files of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from nicegui import events, ui

from nascar_assets.board.race import contest_table
from nascar_assets.board.widgets import (
    ENDED_WITHOUT,
    Column,
    Progress,
    anchor,
    button,
    decimals,
    file_drop,
    heading,
    note,
    notices,
    number,
    percents,
    said,
    spread_chart,
    table,
    text,
)
from nascar_assets.client import AsyncClient, Refused, slates
from nascar_assets.lineups.entries_file import filled_name
from nascar_assets.service.slate_contracts import (
    ContestRow,
    EntriesResult,
    Exposure,
    PortfolioResult,
    SlateLineups,
)

LARGEST_FILE = 1_000_000
SECOND_LOOK = 0.5
"""Seconds after the lineups when the rest is sent.

What came sooner, the browser would draw before the lineups' rows: half a second more until they are
there.
"""


class Lineups:
    """The part of the lineups: those built on this page, or the slate's own."""

    def __init__(
        self, api: AsyncClient, slate: str, kept: dict[str, Any], to_build: Callable[[], None]
    ) -> None:
        self._api, self._slate, self._kept, self._to_build = api, slate, kept, to_build
        self._box: ui.column | None = None
        self._waits: str | None = None

    async def show(self) -> None:
        """Fills the part."""
        self._box = ui.column().classes("w-full")
        try:
            await self._draw(first=True)
        except Refused:
            self._box = None  # the part says why, and is filled when it is next opened
            raise

    async def take(self, run_id: str) -> None:
        """Shows what a job chose, from now on; of lineups that are shown, only what they win."""
        self._kept["portfolio"] = run_id
        if self._box is not None:
            await self._draw()

    async def _own(self) -> None:
        self._kept["built"] = self._kept.pop("portfolio", None)
        await self._draw()

    async def _built(self) -> None:
        self._kept["portfolio"] = self._kept.pop("built", None)
        await self._draw()

    async def _draw(self, *, first: bool = False) -> None:
        box = self._box
        assert box is not None
        run_id, old = self._kept.get("portfolio"), False
        try:
            if run_id:
                made = await self._api.call(slates.result(run_id))
                assert isinstance(made, PortfolioResult)
                newest = (await self._api.call(slates.slate(self._slate))).run_id
                old = made.slate_run_id is not None and made.slate_run_id != newest
                if run_id == self._waits and made.contests is not None:
                    self._waits = None
                    self._fill_contests(made.contests, made.caution)
                    return
                shown = (made.lineups, made.exposures, made.contests, made.caution)
            else:
                contests = await self._api.call(slates.contests(self._slate))
                shown = (
                    await self._api.call(slates.lineups(self._slate)),
                    (await self._api.call(slates.exposures(self._slate))).rows,
                    contests.rows,
                    contests.caution,
                )
        except Refused as error:
            box.clear()
            self._waits = None
            if run_id and error.status in ENDED_WITHOUT:
                self._kept.pop("portfolio", None)
                await self._draw(first=first)
                return
            if first:
                raise
            with box:
                notices([said(error)])
            return
        box.clear()
        with box:
            if old:
                self._old()
            self._all(run_id, *shown)

    def _old(self) -> None:
        """Says that the slate was run again after these lineups were built."""
        with ui.row().classes("notice items-center"):
            ui.label(
                "The slate was run again after these lineups were built: they know nothing of what "
                "has changed since, and may hold a driver who does not race any more."
            )
            ui.button("Build again", on_click=self._to_build).props("outline no-caps")

    def _all(
        self,
        run_id: str | None,
        lineups: SlateLineups,
        exposures: tuple[Exposure, ...],
        contests: tuple[ContestRow, ...] | None,
        caution: str,
    ) -> None:
        heading("Lineups")
        # Results of earlier versions have no text.
        worth = lineups.value_text or f"{lineups.value:g} {lineups.unit}"
        ui.label(
            f"{len(lineups.rows)} lineups, chosen for {lineups.objective_words}: "
            f"{worth}, on races that were not searched."
        )
        with ui.row().classes("items-center"):
            path = (
                f"{slates.job_path(run_id)}/file.csv"
                if run_id
                else f"/api/v1/slates/{quote(self._slate)}/upload.csv"
            )
            anchor("Download upload file of these lineups", path).classes("file")
            if run_id:
                button("Show the slate's own lineups", self._own, "flat no-caps dense")
            elif self._kept.get("built"):
                button("Show the lineups of the build", self._built, "flat no-caps dense")
        notices(lineups.notices)
        _lineup_table(lineups)
        rest = ui.column().classes("w-full")
        self._waits = None

        def more() -> None:
            with rest:
                self._entries(run_id)
                _spread_and_overlap(lineups)
                heading("Exposures against their bounds", 3)
                _exposure_table(exposures)
                heading("What they win", 3)
                self._wins = ui.column().classes("w-full")
                self._fill_contests(contests, caution)
            self._waits = run_id if contests is None else None

        ui.timer(SECOND_LOOK, more, once=True)  # the lineups are not kept waiting for it

    def _fill_contests(self, rows: tuple[ContestRow, ...] | None, caution: str) -> None:
        self._wins.clear()
        with self._wins:
            if rows is None:
                note("Being worked out.")
            else:
                contest_table(rows, caution)

    def _entries(self, run_id: str | None) -> None:
        """The place to drop an entries file; it comes back filled."""
        remarks = ui.column().classes("w-full").props("aria-live=polite")
        progress = Progress("The entries file")
        mend = ui.checkbox("mend a filled file: replace who does not race")

        def say(words: str) -> None:
            remarks.clear()
            with remarks:
                notices([words])

        async def sent(event: events.UploadEventArguments) -> None:
            content, mended = await event.file.read(), bool(mend.value)
            remarks.clear()
            try:
                job = await self._api.call(
                    slates.entries(
                        self._slate,
                        content,
                        event.file.name,
                        portfolio=None if mended else run_id,
                        swap=mended,
                        wait=0,
                    )
                )
                await progress.follow(self._api, job.run_id)
                result = await self._api.call(slates.result(job.run_id))
                filled = await self._api.call(slates.file(job.run_id))
            except Refused as error:
                say(said(error))
                return
            assert isinstance(result, EntriesResult)
            with remarks:
                done = "mended" if mended else "filled"
                ui.label(f"{result.entries} entries {done}; the file is downloaded.")
                for line in (*result.changes, *result.notices):
                    note(line)
            ui.download.content(filled, filled_name(event.file.name), "text/csv")

        file_drop("Drop an entries file here to fill it", sent, ".csv", LARGEST_FILE, say)


def _spread_and_overlap(lineups: SlateLineups) -> None:
    with ui.element("div").classes("columns"):
        with ui.column().style("min-width: 0"):
            spread_chart("Best lineup of the set", lineups.best, "points")
            note("Over all simulated races; the value at the top is of those not searched alone.")
        with ui.column().style("min-width: 0"):
            heading("Drivers that two lineups share", 3)
            table(
                "Overlap of lineups",
                [number("shared", "Shared drivers"), number("pairs", "Pairs")],
                lineups.overlap,
            )


def _lineup_table(lineups: SlateLineups) -> None:
    def seat(at: int) -> Column:
        return text(
            f"d{at}",
            f"Driver {at + 1}",
            of=lambda row: row.drivers[at].name,
            minWidth=125,
            flex=1,
            tooltipField=f"d{at}",
        )

    seats = len(lineups.rows[0].drivers) if lineups.rows else 0
    table(
        "Lineups",
        [
            number("lineup", "#", pinned="left"),
            decimals("mean_points", "Mean pts"),
            decimals("points_p10", "10%"),
            decimals("points_p50", "50%"),
            decimals("points_p90", "90%"),
            number("salary", "Salary $"),
            *map(seat, range(seats)),
        ],
        lineups.rows,
        height="420px",
        key="lineup",
    )


def _exposure_table(rows: tuple[Exposure, ...]) -> None:
    table(
        "Exposures",
        [
            text("name", "Driver", width=160, pinned="left"),
            number("lineups", "Lineups"),
            percents("exposure", "Exposure %"),
            percents("min_exposure", "Min %"),
            percents("max_exposure", "Max %"),
            percents("optimal_share", "Optimal %"),
            percents("expected_ownership", "Owned %"),
        ],
        rows,
        height="360px",
    )
