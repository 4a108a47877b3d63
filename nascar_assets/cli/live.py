"""`nascar live`: forecasts of a race while it is run, replayed, backtested, and shown."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from nascar_assets.cli.options import Home, Json, group
from nascar_assets.cli.output import Output

app = group("The race while it is run.", "nascar live show 2026-cup-05")

Race = Annotated[str, typer.Argument(help="The race: its id, its key or a part of its name.")]
Scenarios = Annotated[int, typer.Option(min=10, max=100_000, help="For each forecast.")]
Feed = Annotated[
    Path | None,
    typer.Option(envvar="NASCAR_FEED", help="A folder like the feed; else the data root's files."),
]


@app.command()
def backtest(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First date.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last date.")],
    folder: Annotated[Path, typer.Option("--out", help="Where forecasts and scores go.")],
    home: Home,
    feed: Feed = None,
    series: Annotated[str, typer.Option(help="cup, xfinity or trucks.")] = "cup",
    scenarios: Scenarios = 2_000,
    seed: Annotated[int, typer.Option(min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Forecasts races with laps at 10, 25, 50, 75 and 90% of their distance, and scores them.

    Beside the running order, its climatology by track type, and the forecast before the race; the
    order 2, 10, 20 and 50 laps ahead as well.

    Example: nascar live backtest --feed feed --from 2025-01-01 --to 2025-06-30 --out live
    """
    from nascar_assets.calibration.feed_tables import read_feed_tables
    from nascar_assets.calibration.live_backtest import LiveSettings, run_live_backtest
    from nascar_assets.cli.backtest import left_out, not_in_history
    from nascar_assets.feed.landing import LANDING
    from nascar_assets.storage import DataRoot

    out = Output(as_json)
    settings = LiveSettings(first.date(), last.date(), series, scenarios=scenarios, seed=seed)
    files = DataRoot.open(f"{home}/{LANDING}" if feed is None else feed)
    with out.progress("races") as update:
        tables = read_feed_tables(files)
        found = run_live_backtest(tables, files, DataRoot.open(folder), settings, progress=update)
    titles = {
        "by_fraction": "Forecasts at shares of the distance",
        "by_track_type": "By track type",
        "laps_ahead": "Position of the cars that run, some laps ahead: mean absolute error of "
        "the median, and how often the likeliest leader led",
    }
    means = found.tables()
    for name, table in means.items():
        rows = [
            [f"{value:.3f}" if isinstance(value, float) and column != "fraction" else str(value)
             for column, value in row.items()]
            for row in table.iter_rows(named=True)
        ]  # fmt: skip
        out.table(titles[name], table.columns, rows)
    out.notices(left_out(found.exclusions))
    out.notices(not_in_history(tables, settings.last, found.exclusions))
    out.line(f"forecasts: {folder / 'forecasts'}")
    out.result(
        {
            **{name: table.to_dicts() for name, table in means.items()},
            "exclusions": found.exclusions,
        }
    )


@app.command()
def replay(
    race: Race,
    home: Home,
    at: Annotated[float, typer.Option("--at", help="Share of the distance, as 0.5.")] = 0.5,
    feed: Feed = None,
    scenarios: Scenarios = 10_000,
    seed: Annotated[int, typer.Option(min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Forecasts a race with laps as of a share of its distance; nothing after that lap is read.

    Example: nascar live replay 2025-cup-05 --at 0.5
    """
    from nascar_assets.orchestration.commands.live import replayed

    out = Output(as_json)
    found = replayed(home, race, at, feed, scenarios, seed)
    out.notices(found["notices"])
    out.table(
        f"{found['race_key']} after lap {found['lap']} of {found['scheduled_laps']}, "
        f"{found['flag']}",
        [
            *("place", "driver", "laps down", "win %", "top 5 %", "top 10 %"),
            *("expected", "80%", "finish"),
        ],
        [
            [
                *_car(row),
                f"{100 * row['top_5']:.1f}",
                f"{100 * row['top_10']:.1f}",
                f"{row['expected_finish']:.1f}",
                f"{row['finish_p10']} to {row['finish_p90']}",
                "-" if row["finish"] is None else str(row["finish"]),
            ]
            for row in found["drivers"]
        ],
    )
    if found["scores"]:
        out.line(f"missed by {found['scores']['crps']:.2f} places a car (CRPS)")
    out.result(found)


@app.command()
def show(
    race: Race,
    home: Home,
    as_json: Json = False,
) -> None:
    """Shows the newest forecast that was made of a race while it is run, and how old it is.

    Example: nascar live show 2026-cup-05
    """
    from nascar_assets.orchestration.commands.live import shown

    out = Output(as_json)
    found = shown(home, race)
    if found["refused"]:
        out.notice(f"the newest feed was refused: {found['refused']['reason']}")
    for text in found["notices"]:
        out.notice(text)
    for slate, forecast in found["slates"].items():
        out.table(
            f"{slate} after lap {found['lap']} of {found['scheduled_laps']}, "
            f"{found['age_s']:.0f} s old",
            ["place", "driver", "laps down", "win %", "points now", "points expected"],
            [
                [
                    *_car(row),
                    f"{row['points_now']:.1f}",
                    f"{row['mean_points']:.1f}",
                ]
                for row in forecast["drivers"]
            ],
        )
        best = sorted(forecast["lineups"], key=lambda one: one["expected_place"])[:10]
        out.table(
            f"Lineups, the best ten; places among {forecast['contest']['entries']:,} entries of "
            f"{forecast['contest']['name']}",
            ["lineup", "points now", "points expected", "expected place", "best tenth %"],
            [
                [
                    str(row["lineup"]),
                    f"{row['points_now']:.1f}",
                    f"{row['mean_points']:.1f}",
                    f"{row['expected_place']:,.0f}",
                    f"{100 * row['best_tenth']:.1f}",
                ]
                for row in best
            ],
        )
    out.result(found)


def _car(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """Place, driver, laps down and chance to win."""
    return (
        "-" if row["position"] is None else str(row["position"]),
        row["name"] or row["driver_id"],
        str(row["laps_down"]) if row["moving"] else "stands",
        f"{100 * row['win']:.1f}",
    )
