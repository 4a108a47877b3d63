"""`nascar backtest`: walk-forward forecasts of past races, sealed before their outcome is read."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from nascar_assets.cli.options import Json
from nascar_assets.cli.output import Output


def backtest(
    feed: Annotated[Path, typer.Option(envvar="NASCAR_FEED", help="A folder like the feed.")],
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First date.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last date.")],
    folder: Annotated[Path, typer.Option("--out", help="Where forecasts and report go.")],
    series: Annotated[str, typer.Option(help="cup, xfinity or trucks.")] = "cup",
    scenarios: Annotated[int, typer.Option(min=10, max=100_000, help="For each race.")] = 2_000,
    seed: Annotated[int, typer.Option(min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Forecasts every points race of the window from what was known at its start, and scores it.

    An interrupted backtest goes on where it stopped.

    Example: nascar backtest --feed feed --from 2025-01-01 --to 2025-06-30 --out backtest
    """
    from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
    from nascar_assets.calibration.feed_tables import read_feed_tables
    from nascar_assets.storage import DataRoot

    out = Output(as_json)
    settings = BacktestSettings(
        first=first.date(), last=last.date(), series=series, scenarios=scenarios, seed=seed
    )
    with out.progress("races") as update:
        result = run_backtest(
            partial(read_feed_tables, DataRoot.open(feed)),
            DataRoot.open(folder),
            settings,
            progress=update,
        )
    table = result.summary.table()
    out.table(
        f"{result.summary.races} races, {first:%Y-%m-%d} to {last:%Y-%m-%d}",
        table.columns,
        table.rows(),
    )
    for race, why in result.summary.exclusions.items():
        out.notice(f"{race}: {why}")
    for criterion in result.summary.gate:
        out.line(f"{'passed' if criterion.passed else 'FAILED'}: {criterion.name}")
    out.line(f"report: {folder / 'report.html'}")
    out.result(result.summary.as_dict())
