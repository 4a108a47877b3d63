"""How past forecasts kept their word: coverage, PIT, reliability, and the races behind them."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from nascar_assets.board.forecast import sentences
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
    rounded,
    table,
    text,
)
from nascar_assets.client import AsyncClient, slates
from nascar_assets.service.slate_contracts import RecordMetric, SlateRecord


async def show_honesty(api: AsyncClient, slate: str) -> None:
    """Fills the part of the record."""
    found = await api.call(slates.record(slate))
    source = await api.call(slates.provenance(slate))
    heading("How past forecasts kept their word")
    sentences(found.sentences)
    note(
        f"Measured on {found.races} races: {found.measured}. The newest result became known: "
        f"{f'{found.data_through:%Y-%m-%d %H:%M} UTC' if found.data_through else 'none yet'}. "
        f"{found.model}."
    )
    _coverage(found)
    with ui.element("div").classes("columns"):
        _pit(found)
        _reliability(found)
    _races(found)
    if found.gate:
        heading("The release gate of the model")
        table(
            "Criteria of the release gate",
            [
                text("criterion", "Criterion", flex=1, minWidth=240),
                number("found", "Found", of=lambda line: rounded(line.found, 3)),
                text("asked", "Asked", width=180),
                text("passed", "Passed", of=lambda line: "yes" if line.passed else "no", width=90),
            ],
            found.gate,
        )
    heading("Where the numbers come from")
    note(
        f"Run {source.run_id}, code {source.code_version}, seed {source.seed}, "
        f"{source.n_scenarios:,} scenarios, constraints {source.constraint_spec_hash[:12]}."
    )
    table(
        "Files and tables that the run read",
        [text("path", "File or table", flex=1, minWidth=200), text("sha256", "SHA-256", flex=2)],
        source.inputs,
    )


def _coverage(found: SlateRecord) -> None:
    heading("How often the ranges held", 3)

    def kind(row: RecordMetric) -> str:
        return row.label if row.group == "track_type" else "all races"

    shown = [row for row in found.metrics if row.group in ("all", "track_type")]
    by = {(kind(row), row.metric): row for row in shown}

    def beside(metric: str) -> Callable[[RecordMetric], float | None]:
        """Another score of the same races."""

        def value(row: RecordMetric) -> float | None:
            other = by.get((kind(row), metric))
            return None if other is None else other.value

        return value

    table(
        "Coverage by type of track",
        [
            text("kind", "Track", of=kind, flex=1, minWidth=130),
            number("races", "Races"),
            percents("c50", "50% ranges held %", of=beside("coverage_50_points")),
            percents("value", "80% ranges held %"),
            percents("standard_error", "± error"),
            percents("c95", "95% ranges held %", of=beside("coverage_95_points")),
            decimals(
                "crps",
                "CRPS",
                "Mean score of the points; smaller is better",
                2,
                of=beside("crps_points"),
            ),
        ],
        [row for (_, metric), row in by.items() if metric == "coverage_80_points"],
    )


def _pit(found: SlateRecord) -> None:
    points = next((item for item in found.pit if item.name == "points"), None)
    if points is None:
        return
    bins = len(points.shares)
    names = [f"{100 * at // bins}-{100 * (at + 1) // bins}%" for at in range(bins)]
    with ui.column().style("min-width: 0"):
        chart(
            "Where results fell in the forecasts (PIT of points); flat is calibrated: "
            + ", ".join(f"{n} {s:.0%}" for n, s in zip(names, points.shares, strict=True)),
            {
                "title": {"text": "Where results fell (PIT)", "textStyle": {"fontSize": 14}},
                "xAxis": {"type": "category", "data": names},
                "yAxis": {"type": "value", "axisLabel": {"formatter": "{value}%"}},
                "series": [
                    {
                        "type": "bar",
                        "itemStyle": {"color": BLUE},
                        "data": [percent(share) for share in points.shares],
                    }
                ],
            },
        )
        note("Each bar should be as high as the others: results fall anywhere equally often.")


def _reliability(found: SlateRecord) -> None:
    bins = [item for item in found.reliability if item.event == "top_10"]
    if not bins:
        return
    with ui.column().style("min-width: 0"):
        chart(
            "Reliability of the chance of a top ten: "
            + ", ".join(f"said {b.said:.0%} happened {b.happened:.0%}" for b in bins),
            {
                "title": {"text": "Chance of a top ten", "textStyle": {"fontSize": 14}},
                "xAxis": {
                    "type": "value",
                    "max": 100,
                    "name": "said %",
                    "nameLocation": "middle",
                    "nameGap": 26,
                },
                "yAxis": {"type": "value", "max": 100, "name": "happened %"},
                "series": [
                    {
                        "name": "forecasts",
                        "type": "scatter",
                        "itemStyle": {"color": BLUE},
                        "data": [[percent(b.said), percent(b.happened)] for b in bins],
                    },
                    {
                        "name": "calibrated",
                        "type": "line",
                        "symbol": "none",
                        "lineStyle": {"color": ORANGE},
                        "data": [[0, 0], [100, 100]],
                    },
                ],
            },
        )
        note("Points on the line happened as often as was said.")


def _races(found: SlateRecord) -> None:
    heading("The races behind it", 3)
    table(
        "Races that were measured",
        [
            text("date", "Date", width=110, sort="desc"),
            text("race_name", "Race", flex=1, minWidth=160),
            text("track_type", "Track", width=130),
            percents("coverage_80", "80% held %"),
            decimals("crps", "CRPS"),
            text("worst", "Worst miss", of=lambda race: race.worst.name, width=160),
            decimals("points", "His points", of=lambda race: race.worst.points),
            decimals(
                "percentile",
                "Percentile",
                "Where he fell among his simulated results",
                of=lambda race: race.worst.percentile,
            ),
        ],
        found.recent,
        height="360px",
    )
