"""`nascar export`: everything that is stored, for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascar_assets.cli.options import Home, Json, group
from nascar_assets.cli.output import Output

app = group("Everything that is stored, for other tools.", "nascar export duckdb nascar.duckdb")

Tables = Annotated[
    list[str] | None,
    typer.Option("--table", help="Only this table; may be given several times."),
]


@app.command()
def duckdb(
    file: Annotated[Path, typer.Argument(help="The database to write.")],
    home: Home,
    table: Tables = None,
    as_json: Json = False,
) -> None:
    """Writes every table of the home into one DuckDB database, with views and comments.

    Example: nascar export duckdb nascar.duckdb
    """
    from nascar_assets.orchestration.commands.export import export_duckdb
    from nascar_assets.orchestration.resources import Platform

    _tell(export_duckdb(Platform(home=home).root, file, table or ()), file, as_json)


@app.command()
def parquet(
    folder: Annotated[Path, typer.Argument(help="The folder to write.")],
    home: Home,
    table: Tables = None,
    as_json: Json = False,
) -> None:
    """Writes every table of the home into one Parquet file each, and a catalogue of them.

    Example: nascar export parquet exported
    """
    from nascar_assets.orchestration.commands.export import export_parquet
    from nascar_assets.orchestration.resources import Platform

    _tell(export_parquet(Platform(home=home).root, folder, table or ()), folder, as_json)


def _tell(rows: dict[str, int], path: Path, as_json: bool) -> None:
    out = Output(as_json)
    out.line(f"{len(rows)} tables with {sum(rows.values()):,} rows written: {path}")
    out.result({"path": str(path), "rows": rows})
