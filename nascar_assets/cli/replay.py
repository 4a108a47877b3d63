"""`nascar replay`: after the race, what was forecast against what happened."""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import typer

from nascar_assets.cli.options import Home, Json
from nascar_assets.cli.output import Output


def replay(
    slate: Annotated[str, typer.Argument(help="The slate's key.")],
    home: Home,
    standings: Annotated[
        Path | None, typer.Option(help="The contest's standings file, zipped or not.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compares a slate's stored forecast and lineups with the race's outcome.

    Example: nascar replay 2026-03-15-cup-dk-classic
    """
    from nascar_assets.orchestration.commands.replay import replay_slate

    out = Output(as_json)
    found = replay_slate(home, slate, standings)
    out.notices(found["notices"])
    out.table(
        f"{slate}: drivers, the most surprising first",
        ["driver", "expected points", "points", "percentile", "surprise (bits)"],
        map(
            itemgetter("name", "expected_points", "points", "percentile", "surprise"),
            found["drivers"],
        ),
    )
    ranked = itemgetter(
        "expected_points", "points", "percentile", "forecast_rank", "rank", "entries"
    )
    out.table(
        "Lineups",
        ["lineup", "expected points", "points", "percentile", "forecast rank", "rank", "entries"],
        [(str(row["lineup"]), *ranked(row)) for row in found["lineups"]],
    )
    if found["points_multipliers"]:
        factors = ", ".join(
            f"{name} (×{factor:g})" for name, factor in found["points_multipliers"].items()
        )
        out.line(
            "expected points of drivers are the forecast's; those of lineups, and what drivers "
            f"cost, are under your factors on the points of {factors}"
        )
    inside = [
        f"{100 * share:.0f}% in the middle {level}%"
        for level in (50, 80, 95)
        if (share := found["metrics"].get(f"coverage_{level}_points")) is not None
    ]
    if inside:
        said = ", ".join(inside)
        out.line(f"coverage of this race, drivers' points inside their intervals: {said}")
    if "views" in found:
        views = found["views"]
        out.line(
            f"your views: CRPS of points {views['crps_with']:.2f} with them, "
            f"{views['crps_without']:.2f} without ({100 * views['change']:+.1f}%, lower is better)"
        )
    for name, why in found["not_compared"].items():
        out.notice(f"{name} is not compared: {why}")
    if found["best"]:
        best = found["best"]
        out.line(
            f"best lineup: {best['lineup']:.0f} with {best['points']:.2f} points, rank "
            f"{best['forecast_rank']:.0f} in the forecast"
        )
    if found["optimum"]:
        out.line(f"best legal lineup in hindsight: {found['optimum']['points']:.2f} points")
    if "contest" in found:
        _show_contest(out, found["contest"])
    out.result(found)


def _show_contest(out: Output, contest: dict[str, Any]) -> None:
    """The own entries in a finished contest, and the drivers who brought or cost them points."""
    out.notices(contest["notices"])
    if not contest["lineups"]:
        out.line(f"None of your lineups is among the {contest['entries']:,} entries.")
    else:
        entered = itemgetter("points", "rank", "entered_by", "won_dollars")
        out.table(
            f"Own lineups among {contest['entries']:,} entries",
            ["lineup", "points", "rank", "entered by", "won $"],
            [(str(row["lineup"]), *entered(row)) for row in contest["lineups"]],
        )
    out.table(
        "Ownership and what each driver cost, points a lineup",
        ["driver", "expected own %", "own %", "exposure %", "cost", "against the field"],
        [
            (
                row["name"],
                100 * row["expected_ownership"],
                100 * row["realised_ownership"],
                100 * row["exposure"],
                row["cost_points"],
                row["leverage_points"],
            )
            for row in contest["drivers"]
        ],
    )
    out.line(f"expected ownership missed by {100 * contest['ownership_mae']:.1f}% a driver")
    if contest["realised_roi"] is not None:
        out.line(
            f"return on fees {contest['realised_roi']:+.1%}; forecast "
            f"{contest['simulated_roi']:+.1%} (standard error {contest['simulated_roi_se']:.1%})"
        )
