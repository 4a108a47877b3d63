"""The forecast: how far to trust it, the table of drivers, and one driver in full."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import events, ui

from nascar_assets.board.widgets import (
    NewerRun,
    decimals,
    heading,
    note,
    number,
    percents,
    rounded,
    said,
    spread_chart,
    table,
    text,
)
from nascar_assets.client import AsyncClient, Refused, slates
from nascar_assets.service.slate_contracts import DriverDetail, Sentence

_COLUMNS = [
    text("name", "Driver", pinned="left", width=160),
    decimals("mean_points", "Mean pts", "Mean contest points", sort="desc"),
    number("salary", "Salary $"),
    decimals("points_per_1000", "Pts/$1k", "Mean points per 1,000 dollars", 2),
    percents("optimal_share", "Optimal %", "Simulated races whose best lineup holds him"),
    percents("expected_ownership", "Owned %", "Rivals' lineups expected to hold him"),
    percents("leverage", "Leverage", "Optimal % less owned %"),
    number("start", "Start"),
    decimals("points_p10", "10%", "Points that one race in ten stays below"),
    decimals("points_p50", "50%", "Median points"),
    decimals("points_p90", "90%", "Points that one race in ten exceeds"),
    percents("win", "Win %"),
    percents("top5", "Top 5 %"),
    percents("top10", "Top 10 %"),
    percents("most_laps_led", "Most led %", "Chance to lead most laps"),
    percents("optimal_share_se", "± optimal", "Monte Carlo error of the optimal share", 2),
    text("team", "Team", width=170),
]


async def show_forecast(
    api: AsyncClient, slate: str, to_honesty: Callable[[], None], newer: NewerRun
) -> None:
    """Fills the part of the forecast."""
    trust = await api.call(slates.record(slate))
    found = await api.call(slates.forecast(slate))
    sentences(trust.sentences[:1], to_honesty)
    if more := trust.sentences[1:]:
        with ui.expansion(f"How far to trust it ({len(more)} more)").props("dense"):
            sentences(more, to_honesty)
    note(
        f"{found.n_scenarios:,} simulated races. Press a driver, or the space bar on his row, "
        "for his distributions, what drives them and his past races."
    )
    grid = table(
        "Forecast of every driver",
        _COLUMNS,
        found.rows,
        height="560px",
        key="driver_id",
        rowSelection={"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
    )
    dialog = ui.dialog().props("maximized aria-label='A driver'")

    async def opened(event: events.GenericEventArguments) -> None:
        if event.args.get("source", "spaceKey") != "spaceKey":  # a press comes as one of its own
            return
        try:
            one = await api.call(slates.driver(slate, event.args["data"]["driver_id"]))
            other = await newer.look()
        except Refused as error:
            ui.notify(said(error), type="negative")
            return
        dialog.clear()
        with dialog, ui.card().classes("w-full"):
            if other:
                newer.say()
            _driver(one, dialog.close)
        dialog.open()

    dialog.on("hide", lambda: grid.run_grid_method("deselectAll"))
    grid.on("cellClicked", opened, args=["data"])
    grid.on("rowSelected", opened, args=["source", "data"])


def sentences(found: tuple[Sentence, ...], to_evidence: Callable[[], None] | None = None) -> None:
    """What speaks for the forecast and against it, each with the way to its evidence."""
    with ui.column().classes("trust w-full"):
        for item in found:
            mark = {True: "good", False: "bad", None: "plain"}[item.good]
            with ui.row().classes(f"items-baseline {mark}").style("gap: 6px; flex-wrap: nowrap"):
                ui.label(item.text)
                if to_evidence is not None:
                    ui.button("evidence", on_click=to_evidence).props("flat dense no-caps size=sm")


def _driver(one: DriverDetail, close: Callable[[], object]) -> None:
    row = one.forecast
    with ui.row().classes("items-center w-full justify-between"):
        heading(row.name)
        ui.button("Close", on_click=close).props("outline no-caps autofocus")
    ui.label(
        f"{row.team or 'no team known'}, ${row.salary:,}, "
        f"{f'starts {row.start}' if row.start else 'start not known yet'}: "
        f"{row.mean_points:.1f} points in the mean, wins {row.win:.1%}, optimal "
        f"{row.optimal_share:.1%}."
    )
    with ui.element("div").classes("columns"):
        for title, spread, axis in (
            ("Contest points", one.points, "points"),
            ("Finish", one.finish, "place"),
            ("Laps led", one.laps_led, "laps"),
        ):
            with ui.column().style("min-width: 0; gap: 2px"):
                spread_chart(title, spread, axis)
    if one.rating is not None:
        rating = one.rating
        heading("What drives it", 3)
        ui.label(
            f"Past races rate him {rating.rating:+.2f} (give or take {rating.rating_sd:.2f}; the "
            f"field's mean is 0) over {rating.races} races. Start, qualifying and practice move "
            f"him by {rating.moved:+.2f} to {rating.level:+.2f}: {rating.rank} of {rating.of}."
            + (" He is new to this level." if rating.newcomer else "")
        )
    table(
        "What is known of the driver",
        [
            text("meaning", "What", flex=3, minWidth=220, wrapText=True, autoHeight=True),
            number("value", "Value", of=lambda item: rounded(item.value, 3)),
            text("unit", "Unit", width=110),
            number("field_mean", "Field mean", of=lambda item: rounded(item.field_mean, 3)),
            text("rank", "Rank by value", of=lambda item: f"{item.rank} of {item.of}", width=150),
            text("moves", "Moves it", of=lambda item: "yes" if item.moves else "", width=110),
        ],
        one.features,
    )
    heading("Past races", 3)
    table(
        "Past races of the driver",
        [
            text("date", "Date", width=110, sort="desc"),
            text("race_name", "Race", flex=2, minWidth=160),
            text("track_type", "Track", width=130),
            number("start", "Start"),
            number("finish", "Finish"),
            number("laps_led", "Led"),
            number("points", "Points"),
            text("status", "Status", width=110),
        ],
        one.history,
        height="360px",
    )
