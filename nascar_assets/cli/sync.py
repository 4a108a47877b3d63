"""`nascar sync`: brings feed files in and materialises the races that they touch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from nascar_assets.cli.location import code_location
from nascar_assets.cli.options import Home, Json
from nascar_assets.cli.output import Output
from nascar_assets.errors import InputError

FIRST_SEASON = 2022
"""Where a sync begins by default: the first season of the present Cup car."""


def sync(
    home: Home,
    feed: Annotated[
        str | None,
        typer.Option(
            envvar="NASCAR_FEED",
            help="The feed: a base URL, or a folder like it. Needed here or in NASCAR_FEED.",
        ),
    ] = None,
    series: Annotated[
        list[str] | None,
        typer.Option(help="cup, xfinity or trucks; may be given several times. Default: cup."),
    ] = None,
    seasons: Annotated[
        str | None,
        typer.Option(
            help="A season (2025), a span, both ends included (2022-2026), or a list "
            "(2022,2024). "
            f"Default: {FIRST_SEASON} to this year."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Brings new and changed feed files in, and materialises the races that they touch.

    Example: nascar sync --feed https://cf.nascar.com --series cup --seasons 2022-2026
    """
    from nascar_assets.orchestration.commands.sync import sync_races

    if not feed:
        raise InputError(
            "No feed is given.",
            field="--feed",
            remedy="Name its base URL (https://cf.nascar.com) or a folder like it, here or in "
            "NASCAR_FEED.",
        )
    out = Output(as_json)
    with out.progress("feed files") as update:
        report = sync_races(
            home,
            feed,
            series or ["cup"],
            parse_seasons(seasons, datetime.now(UTC).year),
            location=code_location(home),
            progress=update,
        )
    out.notices(report.notices)
    out.table(
        "Synced",
        ["what", "count"],
        [
            ("files new or changed", len(report.changed)),
            ("files refused (see quarantine/)", len(report.quarantined)),
            ("races materialised", len(report.races)),
            ("races failed", len(report.failures)),
        ],
    )
    for key, reason in report.failures.items():
        out.notice(f"{key}: {reason}")
    out.line(", ".join(f"{name} {value:.1f} s" for name, value in report.seconds.items()))
    out.result(report.to_json())
    if report.input_at_fault:
        raise typer.Exit(2)
    if report.failures:
        raise typer.Exit(1)


def parse_seasons(text: str | None, this_year: int) -> list[int]:
    """The seasons of `2022-2026`, `2025` or `2022,2024`; of none, those up to this year.

    Raises:
        InputError: If the text is none of these.
    """
    if text is None:
        return list(range(FIRST_SEASON, this_year + 1))
    seasons: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.strip().partition("-")
            seasons.extend(range(int(first), int(last or first) + 1))
    except ValueError:
        seasons = []
    if not seasons or not all(1948 <= season <= 2100 for season in seasons):
        raise InputError(
            f"{text!r} names no seasons.",
            field="--seasons",
            remedy="Write a season (2025), a span (2022-2026) or a list (2022,2024).",
        )
    return seasons
