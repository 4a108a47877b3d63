"""`nascar ontology`: the graph loaded and shown, and a person's overrides of it."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from nascar_assets.cli.location import code_location
from nascar_assets.cli.options import Home, Json
from nascar_assets.cli.output import Output

app = typer.Typer(no_args_is_help=True, help="The ontology graph and people's overrides.")


@app.command()
def load(home: Home, as_json: Json = False) -> None:
    """Builds the graph as of now from history and from what people entered.

    Example: nascar ontology load
    """
    from nascar_assets.orchestration.commands.ontology import load_ontology

    out = Output(as_json)
    result = load_ontology(home, code_location(home))
    out.table("Ontology", ["what", "value"], list(result.items()), text=2)
    out.result(result)


@app.command()
def show(
    subject_id: Annotated[str, typer.Argument(metavar="ID", help="A driver's or track's id.")],
    home: Home,
    as_json: Json = False,
) -> None:
    """Shows a driver or a track: estimates with errors, overrides, vetoes.

    Example: nascar ontology show 4030
    """
    from nascar_assets.orchestration.commands.ontology import show_subject

    out = Output(as_json)
    result = show_subject(home, subject_id, code_location(home))
    out.table(
        str(result["name"]),
        ["field", "value"],
        [(name, value) for name, value in result.items() if not isinstance(value, list)],
        text=2,
    )
    for entry in result["entries"]:
        out.line(entry)
    out.result(result)


@app.command()
def override(
    subject_id: Annotated[str, typer.Argument(metavar="ID", help="A driver's or track's id.")],
    field: Annotated[str, typer.Argument(help="For example skill, shadow_risk or difficulty.")],
    value: Annotated[str, typer.Argument(help="The value; `clear` gives it back to history.")],
    home: Home,
    why: Annotated[str, typer.Option(help="The reason; it is kept with the value.")],
    author: Annotated[str | None, typer.Option(help="Who says so. Default: this user.")] = None,
    as_json: Json = False,
) -> None:
    """Sets a value of the graph by hand, with a reason; it survives every rebuild.

    Example: nascar ontology override 4030 skill 0.9 --why "new crew chief"
    """
    from nascar_assets.orchestration.commands.ontology import enter

    out = Output(as_json)
    entry: dict[str, Any] = enter(
        home, subject_id, field, value, author or getpass.getuser(), why, datetime.now(UTC)
    )
    out.line(f"kept: {entry['note']}")
    out.result(entry)


@app.command()
def veto(
    subject_id: Annotated[str, typer.Argument(metavar="ID", help="A driver's or track's id.")],
    code: Annotated[str, typer.Argument(help="A veto rule of docs/constraint-codes.md.")],
    home: Home,
    why: Annotated[str, typer.Option(help="The reason; it is kept with the rule.")],
    author: Annotated[str | None, typer.Option(help="Who says so. Default: this user.")] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Takes the rule away again.")] = False,
    as_json: Json = False,
) -> None:
    """Adds a veto rule to a driver or a track, or lifts it.

    Example: nascar ontology veto 4030 leads-no-laps --why "starts from the rear"
    """
    from nascar_assets.orchestration.commands.ontology import enter_veto

    out = Output(as_json)
    entry = enter_veto(
        home, subject_id, code, author or getpass.getuser(), why, datetime.now(UTC), lift=lift
    )
    out.line(f"kept: {entry['note']}")
    out.result(entry)
