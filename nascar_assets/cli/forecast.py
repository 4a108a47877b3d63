"""`nascar forecast`: the forecast of a slate for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascar_assets.cli.options import Home, Json, group
from nascar_assets.cli.output import Output

app = group(
    "A slate's forecast for other programs.", "nascar forecast export 2026-03-15-cup-dk-classic"
)


@app.callback()
def _group() -> None:
    """A slate's forecast for other programs."""


@app.command()
def export(
    slate: Annotated[str, typer.Argument(help="The slate's key.")],
    home: Home,
    header: Annotated[
        str,
        typer.Option("--as", help="fpts, projection, ceiling, name-id, ownership or chances."),
    ] = "fpts",
    out: Annotated[
        Path | None, typer.Option(help="The file to write; standard output without one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Writes the forecast as a CSV that other optimisers and spreadsheets read.

    Example: nascar forecast export 2026-03-15-cup-dk-classic --as fpts --out projections.csv
    """
    from nascar_assets.orchestration.commands.files import write_file
    from nascar_assets.orchestration.commands.forecast import exported

    output = Output(as_json)
    text = exported(home, slate, header)
    drivers = len(text.splitlines()) - 1
    if out is not None:
        write_file(out, text.encode())
        output.line(f"{drivers} drivers written: {out}")
    else:
        output.file(text)
    where = {"csv": text} if out is None else {"path": str(out)}
    output.result({"slate": slate, "as": header, "drivers": drivers, **where})
