"""`nascar ontology`: the graph loaded and shown, and a person's overrides of it."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from nascar_assets.cli.location import code_location
from nascar_assets.cli.options import Home, Json, group
from nascar_assets.cli.output import Output
from nascar_assets.errors import InputError

if TYPE_CHECKING:
    from nascar_assets.ontology import Statement

app = group("The ontology graph and people's overrides.", 'nascar ontology show "Kyle Larson"')


@app.command()
def load(home: Home, as_json: Json = False) -> None:
    """Builds the graph as of now from history and from what people entered.

    Example: nascar ontology load
    """
    from nascar_assets.orchestration.commands.ontology import load_ontology

    out = Output(as_json)
    result = load_ontology(home, code_location(home))
    rows = [(name, line) for name, value in result.items() for line in str(value).splitlines()]
    out.table("Ontology", ["what", "value"], rows, text=2, wraps=["value"])
    out.result(result)


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A driver's or track's name, or the feed's id.")
]
Slate = Annotated[
    str | None,
    typer.Option(help="The slate by which the effect is shown. Default: the newest that was run."),
]


@app.command()
def show(name: Name, home: Home, as_json: Json = False) -> None:
    """Shows a driver or a track: values in force, estimates with errors, overrides, vetoes.

    Example: nascar ontology show "Kyle Larson"
    """
    from nascar_assets.ontology.overrides import COUNT_FIELDS, UNIT_FIELDS
    from nascar_assets.orchestration.commands.ontology import show_subject

    out = Output(as_json)
    result = show_subject(home, name, code_location(home))
    kind, set_by = result["subject"], result["in_force"]
    fields = (*UNIT_FIELDS[kind], *COUNT_FIELDS[kind], *(["pit_window_laps"] * (kind == "track")))
    out.table(
        f"{result['name']} ({kind} {result[f'{kind}_id']})",
        ["field", "in force", "estimate", "± error", "set by"],
        [
            (
                field,
                set_by[field]["value"] if field in set_by else result.get(field),
                result.get(field),
                result.get(f"{field}_se"),
                set_by[field]["author"] if field in set_by else "",
            )
            for field in fields
        ],
    )
    shown = {*fields, *(f"{field}_se" for field in fields), "name", f"{kind}_id", "subject"}
    facts = {
        field: value
        for field, value in result.items()
        if field not in shown and not isinstance(value, list | dict) and value is not None
    }
    out.line(", ".join(f"{field.replace('_', ' ')} {value}" for field, value in facts.items()))
    for entry in result["entries"]:
        out.line(entry)
    out.result(result)


@app.command()
def override(
    name: Name,
    field: Annotated[str, typer.Argument(help="For example skill, shadow_risk or difficulty.")],
    value: Annotated[str, typer.Argument(help="The value; `clear` gives it back to history.")],
    home: Home,
    why: Annotated[str, typer.Option(help="The reason; it is kept with the value.")],
    author: Annotated[str | None, typer.Option(help="Who says so. Default: this user.")] = None,
    slate: Slate = None,
    as_json: Json = False,
) -> None:
    """Sets a value of the graph by hand, with a reason; it survives every rebuild.

    Before it is kept, it is shown what it does to mean points and win chance on a slate.

    Example: nascar ontology override "Kyle Larson" skill 0.9 --why "new crew chief"
    """
    from nascar_assets.orchestration.commands.ontology import override_entry

    now = datetime.now(UTC)
    entry = override_entry(home, name, field, value, author or getpass.getuser(), why, now)
    _keep(Output(as_json), home, entry, slate)


@app.command()
def veto(
    name: Name,
    code: Annotated[str, typer.Argument(help="A veto rule of docs/constraint-codes.md.")],
    home: Home,
    why: Annotated[str, typer.Option(help="The reason; it is kept with the rule.")],
    author: Annotated[str | None, typer.Option(help="Who says so. Default: this user.")] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Takes the rule away again.")] = False,
    slate: Slate = None,
    as_json: Json = False,
) -> None:
    """Adds a veto rule to a driver or a track, or lifts it.

    Before it is kept, it is shown what it does to mean points and win chance on a slate.

    Example: nascar ontology veto "Kyle Larson" leads-no-laps --why "starts from the rear"
    """
    from nascar_assets.orchestration.commands.ontology import veto_entry

    now = datetime.now(UTC)
    entry = veto_entry(home, name, code, author or getpass.getuser(), why, now, lift=lift)
    _keep(Output(as_json), home, entry, slate)


def _keep(out: Output, home: str, entry: Statement, slate: str | None) -> None:
    """Shows what an entry does to a slate's forecast, then keeps it."""
    from nascar_assets.orchestration.commands.ontology import entry_effect, keep

    effect = None
    try:
        effect = entry_effect(home, entry, slate)
        if effect is None:
            out.notice("No slate was run yet, so what this does to a forecast cannot be shown.")
    except InputError as error:
        if slate is not None:
            raise
        out.notice(f"What this does to a forecast cannot be shown: {error}")
    if effect is not None:
        out.table(
            f"What it does on {effect['slate']} ({effect['scenarios']:,} races)",
            ["driver", "mean points now", "then", "win % now", "then "],
            [
                (
                    row["name"],
                    *row["mean_points"],
                    *(None if share is None else 100 * share for share in row["win"]),
                )
                for row in effect["drivers"]
            ],
        )
    kept = keep(home, entry)
    out.line(f"kept: {kept['note']}")
    out.result({**kept, "effect": effect})
