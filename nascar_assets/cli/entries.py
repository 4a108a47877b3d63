"""`nascar entries`: the portfolio put into an entries file, and mended there after a scratch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nascar_assets.cli.options import Home, Json, group
from nascar_assets.cli.output import Output

if TYPE_CHECKING:
    from nascar_assets.orchestration.commands.entries import EntriesOutcome

app = group(
    "DKEntries.csv filled and swapped, losslessly.",
    "nascar entries fill 2026-03-15-cup-dk-classic DKEntries.csv --out filled.csv",
)


@app.command()
def fill(
    slate: Annotated[str, typer.Argument(help="The slate's key.")],
    entries: Annotated[Path, typer.Argument(metavar="DKEntries.csv")],
    home: Home,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    contest: Annotated[
        str | None, typer.Option(metavar="ID", help="Fill the entries of this contest only.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Writes the portfolio into an entries file; everything else in it is kept.

    A contest that fits a section of the settings ([[contests]]) gets lineups of its own.

    Example: nascar entries fill 2026-03-15-cup-dk-classic DKEntries.csv --out filled.csv
    """
    from nascar_assets.orchestration.commands import entries as entries_command

    output = Output(as_json)
    done = entries_command.fill(home, slate, entries, out, contest)
    output.notices(done.notices)
    _tell(output, slate, done, out, "filled", {})


@app.command()
def swap(
    slate: Annotated[str, typer.Argument(help="The slate's key.")],
    entries: Annotated[Path, typer.Argument(metavar="DKEntries.csv")],
    home: Home,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    scratched: Annotated[
        list[str] | None,
        typer.Option(
            "--out-driver",
            help="Who will not race besides those whom the slate knows; once for each.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Replaces drivers who do not race in a filled entries file with the fewest changes.

    A contest that fits a section of the settings ([[contests]]) is mended under its own. Who
    does not race is known to the slate once it was run after the scratch.

    Example: nascar entries swap SLATE DKEntries.csv --out-driver "Kyle Larson" --out mended.csv
    """
    from nascar_assets.orchestration.commands import entries as entries_command

    output = Output(as_json)
    done = entries_command.swap(home, slate, entries, scratched or [], out)
    output.notices(done.notices)
    for change in done.changes:
        output.line(change)
    if not done.changes:
        output.line("no lineup in the file had to change")
    _tell(output, slate, done, out, "written", {"changes": list(done.changes)})


def _tell(
    output: Output,
    slate: str,
    done: EntriesOutcome,
    path: Path,
    what: str,
    changes: dict[str, Any],
) -> None:
    output.table(
        "Dollars at risk",
        ["driver", "entries", "fees $", "limit $"],
        [(row.name, row.entries, row.dollars, row.limit) for row in done.at_risk],
    )
    output.line(f"{done.entries} entries {what}: {path}")
    output.result(
        {
            "slate": slate,
            "entries": done.entries,
            **changes,
            "notices": list(done.notices),
            "at_risk": [asdict(row) for row in done.at_risk],
            "path": str(path),
        }
    )
