"""`nascar portfolio`: solves a slate's portfolio again on its stored scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascar_assets.cli.location import code_location
from nascar_assets.cli.options import Home, Json, Timings
from nascar_assets.cli.output import Output
from nascar_assets.cli.slate import read_settings, show_result


def portfolio(
    slate: Annotated[str, typer.Argument(help="The slate's key.")],
    home: Home,
    settings: Annotated[Path, typer.Option(help="Portfolio settings (TOML).")],
    timings: Timings = False,
    as_json: Json = False,
) -> None:
    """Solves the portfolio again on stored scenarios, without simulating.

    Where the slate's newest run did not end, the slate is run again under the settings.

    Example: nascar portfolio 2026-03-15-cup-dk-classic --settings portfolio.toml
    """
    from nascar_assets.lineups.problem import check_settings
    from nascar_assets.orchestration.commands.entries import stored_slate
    from nascar_assets.orchestration.commands.slate import run_portfolio

    out = Output(as_json)
    text = read_settings(settings, home)
    # Names are looked up before anything runs, while the file that holds them is known.
    check_settings(stored_slate(home, slate), text, file=settings.name)
    outcome = run_portfolio(home, slate, text, code_location(home), out.notice)
    show_result(out, outcome.result, timings=timings)
    out.result(outcome.result)
