"""`nascar views`: what a person knows of a slate's race, added, listed and dropped."""

from __future__ import annotations

import getpass
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nascar_assets.cli.options import Home, Json, group
from nascar_assets.cli.output import Output, minute
from nascar_assets.orchestration.automation.clock import clock_now

app = group(
    "What you know beside history: projections, ownership, odds, starts at the rear.",
    "nascar views list 2026-03-15-cup-dk-classic",
)

Slate = Annotated[str, typer.Argument(help="The slate's key.")]
Author = Annotated[str | None, typer.Option(help="Who says so. Default: this user.")]


@app.command()
def add(
    slate: Slate,
    file: Annotated[Path, typer.Argument(help="A CSV with a header of docs/views.md.")],
    home: Home,
    confidence: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="How far it moves the forecast towards itself. Default: 0.5; of odds 0.",
        ),
    ] = None,
    author: Author = None,
    why: Annotated[str, typer.Option(help="The reason; it is kept with the view.")] = "",
    odds: Annotated[
        Literal["american", "decimal"] | None,
        typer.Option(help="What odds without a sign are."),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The column that holds your own mean points.")
    ] = None,
    unit: Annotated[
        Literal["percent", "share"] | None,
        typer.Option(help="How ownership, exposures and chances are written."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Takes a file as a view of a slate, all of it or nothing.

    Projections, ownership, exposures, chances, odds, starts at the rear and practice times are told
    by their columns. The same file twice changes nothing.

    Example: nascar views add 2026-03-15-cup-dk-classic projections.csv --confidence 0.6
    """
    from nascar_assets.orchestration.commands.views import add_view_file
    from nascar_assets.views.statement import ReadOptions

    out = Output(as_json)
    result = add_view_file(
        home,
        slate,
        file,
        author=author or getpass.getuser(),
        now=clock_now(),
        confidence=confidence,
        why=why,
        options=ReadOptions(column, odds, unit),
    )
    _show_added(out, result)


@app.command()
def rear(
    slate: Slate,
    driver: Annotated[str, typer.Argument(metavar="DRIVER", help="His name or id.")],
    home: Home,
    scored: Annotated[
        str,
        typer.Option(help="grid: scored from his qualified place; rear: from the back."),
    ],
    why: Annotated[str, typer.Option(help="The reason; it is kept with the view.")],
    author: Author = None,
    as_json: Json = False,
) -> None:
    """Says that a driver starts behind the field, and where the contest scores him from.

    Example: nascar views rear 2026-03-15-cup-dk-classic "Kyle Larson" --scored grid --why backup
    """
    from nascar_assets.orchestration.commands.views import rear_start

    out = Output(as_json)
    result = rear_start(
        home,
        slate,
        driver,
        scored,
        author=author or getpass.getuser(),
        why=why,
        now=clock_now(),
    )
    _show_added(out, result)


@app.command("list")
def list_slate_views(slate: Slate, home: Home, as_json: Json = False) -> None:
    """Shows the views of a slate, dropped ones among them.

    Example: nascar views list 2026-03-15-cup-dk-classic
    """
    from nascar_assets.orchestration.commands.views import list_views

    out = Output(as_json)
    rows = list_views(home, slate)
    out.table(
        f"Views of {slate}",
        ["id", "author", "file", "states", "landed", "confidence", "dropped", "why"],
        [
            (
                row["view_id"],
                row["author"],
                row["file"],
                ", ".join(row["states"]),
                minute(row["landed_at"]),
                "default" if row["confidence"] is None else f"{row['confidence']:g}",
                minute(row["dropped_at"]),
                row["why"],
            )
            for row in rows
        ],
        text=8,
        wraps=["states", "why"],
    )
    out.result({"slate": slate, "views": rows})


@app.command()
def record(home: Home, as_json: Json = False) -> None:
    """Shows whether views helped: forecasts without and with them against what happened.

    Example: nascar views record
    """
    from nascar_assets.orchestration.commands.views import views_record

    out = Output(as_json)
    found = views_record(home, clock_now())
    scored = itemgetter("slate_id", "drivers", "crps_without", "crps_with")
    out.table(
        "Miss of contest points (CRPS, lower is better)",
        ["slate", "drivers", "without views", "with views", "change %"],
        [(*scored(row), 100 * row["change"]) for row in found["slates"]],
    )
    out.line(found["says"] or "No slate that views moved has a result yet.")
    out.result(found)


@app.command()
def drop(
    slate: Slate,
    view: Annotated[str, typer.Argument(metavar="ID", help="The view's id.")],
    home: Home,
    as_json: Json = False,
) -> None:
    """Takes a view back from now on.

    Example: nascar views drop 2026-03-15-cup-dk-classic 3f2a90c1d4e7
    """
    from nascar_assets.orchestration.commands.views import drop as drop_view

    out = Output(as_json)
    row = drop_view(home, slate, view, clock_now())
    out.line(f"dropped: {row['view_id']} ({row['file']}, {row['author']})")
    out.result(row)


def _show_added(out: Output, result: dict[str, Any]) -> None:
    out.notices(result["notices"])
    what = ", ".join(result["states"])
    fresh = "taken" if result["fresh"] else "there already, nothing changes"
    drivers = "1 driver" if result["drivers"] == 1 else f"{result['drivers']} drivers"
    out.line(f"{result['view_id']}: {what} of {drivers}, {fresh}")
    if not result["late"]:
        out.line(f"It counts from the slate's next run on: nascar slate run {result['slate']}")
    out.result(result)
