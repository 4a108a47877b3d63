"""The race as the scenarios have it, and what lineups win in contests."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from nascar_assets.board.widgets import (
    BLUE,
    ORANGE,
    chart,
    heading,
    note,
    number,
    percent,
    rounded,
    table,
    text,
)
from nascar_assets.client import AsyncClient, slates
from nascar_assets.service.slate_contracts import ContestRow


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
            number("mean", "Simulated mean"),
            number("p10", "10%"),
            number("p50", "50%"),
            number("p90", "90%"),
            number("past", "Past mean here"),
            number("races", "Past races"),
        ],
        [
            {
                "words": item.words,
                "mean": rounded(item.scenarios.mean),
                **{f"p{round(100 * q.level)}": rounded(q.value) for q in item.scenarios.quantiles},
                "past": rounded(item.past_mean),
                "races": item.past_races,
            }
            for item in found.counts
        ],
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
        [item.model_dump(mode="json") for item in found.track_races],
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
            number("fee", "Fee $"),
            number(
                "roi", "Profit %", "Profit of 100 dollars of entry fees, against an assumed field"
            ),
            number("roi_se", "± error", "Standard error: how far scenarios alone may be off"),
            number("cash", "Cash %", "Share of your entries that win something"),
            number("win", "Win %", "Share of races in which any of your entries comes first"),
            number("top", "Top 1 %", "Share of your entries in the best hundredth"),
            number(
                "any_top", "Any in top 1 %", "Share of races in which any of your entries is there"
            ),
            number("duplicates", "Duplicates", "Rivals expected to enter the same lineup"),
        ],
        [
            {
                "contest": row.contest,
                "entries": row.entries,
                "own_entries": row.own_entries,
                "fee": row.entry_fee_dollars,
                "roi": percent(row.roi),
                "roi_se": percent(row.roi_se),
                "cash": percent(row.cash_rate),
                "win": percent(row.win_rate, 2),
                "top": percent(row.top_rate, 2),
                "any_top": percent(row.any_top_rate),
                "duplicates": rounded(row.duplicates, 2),
            }
            for row in rows
        ],
    )
    ui.label(caution).classes("note")
