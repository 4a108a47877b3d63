"""`nascar constraints`: a slate's compiled spec."""

from __future__ import annotations

from typing import Annotated

import typer

from nascar_assets.cli.location import code_location
from nascar_assets.cli.options import Home, Json, group
from nascar_assets.cli.output import Output

app = group(
    "Constraints, compiled from the graph.", "nascar constraints compile 2026-03-15-cup-dk-classic"
)


@app.callback()
def _group() -> None:
    """Keeps `compile` a command of its own group."""


@app.command("compile")
def compile_slate(
    slate: Annotated[str, typer.Argument(help="The slate's key.")],
    home: Home,
    graph: Annotated[
        str | None, typer.Option(help="bolt://... of a Neo4j server. Default: NASCAR_GRAPH.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compiles the constraints of a slate that was run, and prints the spec's hash.

    Example: nascar constraints compile 2026-03-15-cup-dk-classic
    """
    from nascar_assets.ontology.vetoes import parse_veto
    from nascar_assets.orchestration.commands.slate import compile_constraints

    out = Output(as_json)
    spec, names = compile_constraints(home, slate, code_location(home, graph))
    out.table(
        f"Constraints of {slate}",
        ["driver", "id", "skill", "aggression", "shadow risk", "laps led", "vetoes", "overridden"],
        [
            (
                names.get(driver.driver_id, driver.driver_id),
                driver.driver_id,
                driver.skill,
                driver.aggression,
                driver.shadow_risk,
                f"{driver.min_laps_led} to {_bound(driver.max_laps_led)}",
                "; ".join(parse_veto(code).said(names) for code in driver.veto_rules),
                ", ".join(driver.overridden),
            )
            for driver in spec.drivers.values()
        ],
        text=2,
        wraps=["vetoes", "overridden"],
    )
    out.line(f"hash: {spec.hash}")
    out.result({**spec.to_dict(), "names": {key: names.get(key) for key in spec.drivers}})


def _bound(laps: int | None) -> str:
    return "all" if laps is None else str(laps)
