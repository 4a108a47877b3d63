"""The race as the scenarios have it, and what lineups win in contests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nicegui import ui

from nascar_assets.board.widgets import (
    BLUE,
    ORANGE,
    chart,
    decimals,
    heading,
    note,
    number,
    percent,
    percents,
    table,
    text,
)
from nascar_assets.client import AsyncClient, slates
from nascar_assets.service.slate_contracts import ContestRow, RaceCount


async def show_race(api: AsyncClient, slate: str) -> None:
    """Fills the part of the race."""
    found = await api.call(slates.race(slate))
    heading("The race as simulated")
    note(f"{found.n_scenarios:,} races; beside them what this track and its kind have had.")
    words = "; ".join(
        f"{item.regime.replace('_', ' ')} {item.share:.0%}"
        + ("" if item.past_share is None else f" (past {item.past_share:.0%})")
        for item in found.regimes
    )
    chart(
        f"How the race goes: {words}",
        {
            "legend": {"top": 0},
            "xAxis": {
                "type": "category",
                "data": [item.regime.replace("_", " ") for item in found.regimes],
                "axisLabel": {"interval": 0, "rotate": 20},
            },
            "yAxis": {"type": "value", "axisLabel": {"formatter": "{value}%"}},
            "series": [
                {
                    "name": "simulated",
                    "type": "bar",
                    "itemStyle": {"color": BLUE},
                    "data": [percent(item.share) for item in found.regimes],
                },
                {
                    "name": f"{found.regimes_past_races} past races on this kind of track",
                    "type": "bar",
                    "itemStyle": {"color": ORANGE},
                    "data": [percent(item.past_share) for item in found.regimes],
                },
            ],
        },
    )
    note(f"{words}.")
    table(
        "Counts of the race",
        [
            text("words", "What", flex=1, minWidth=170),
            decimals("mean", "Simulated mean", of=lambda item: item.scenarios.mean),
            *(decimals(f"p{level}", f"{level}%", of=_quantile(level)) for level in (10, 50, 90)),
            decimals("past_mean", "Past mean here"),
            number("past_races", "Past races"),
        ],
        found.counts,
    )
    heading("Races at this track")
    table(
        "Past races at this track",
        [
            text("date", "Date", width=110),
            text("race_name", "Race", flex=1, minWidth=170),
            text("winner", "Winner", width=160),
            number("cautions", "Cautions"),
            number("caution_laps", "Caution laps"),
            number("leaders", "Leaders"),
            number("accidents", "Accidents"),
            number("mechanical", "Failures"),
        ],
        found.track_races,
    )


def _quantile(level: int) -> Callable[[RaceCount], float | None]:
    """What so many percent of the scenarios stay below; none where it was not counted."""
    return lambda item: next(
        (
            quantile.value
            for quantile in item.scenarios.quantiles
            if round(100 * quantile.level) == level
        ),
        None,
    )


async def show_contests(api: AsyncClient, slate: str) -> None:
    """Fills the part of the contests, for the slate's own lineups."""
    found = await api.call(slates.contests(slate))
    heading("What the slate's own lineups win")
    note("What a build's lineups win stands under Lineups, unless they were kept as these.")
    contest_table(found.rows, found.caution)


def contest_table(rows: Sequence[ContestRow], caution: str) -> None:
    """Returns and chances, each with its error."""
    table(
        "Returns in contests",
        [
            text("contest", "Contest", width=130, pinned="left"),
            number("entries", "Entries"),
            number("own_entries", "Yours", "Entries that are yours"),
            number("entry_fee_dollars", "Fee $"),
            percents(
                "roi", "Return %", "Profit on 100 dollars of entry fees, in the mean over fields"
            ),
            percents(
                "roi_se",
                "± error",
                "Standard error of the return: of the scenarios, the race's parameters and fields",
            ),
            percents("cash_rate", "Cash %", "Share of your entries that win something"),
            percents(
                "win_rate", "Win %", "Share of races in which any of your entries comes first", 2
            ),
            percents(
                "top_rate", "Top 1 % of entries", "Share of your entries in the best hundredth", 2
            ),
            percents(
                "any_top_rate",
                "Any in top 1 %",
                "Share of races in which any of your entries is there",
            ),
            decimals("duplicates", "Duplicates", "Rivals expected to enter the same lineup", 2),
        ],
        rows,
    )
    ui.label(caution).classes("note")
