"""`nascar contest`: finished contests added from their standings, and what they taught."""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import typer

from nascar_assets.cli.options import Home, Json, group
from nascar_assets.cli.output import Output

app = group("Finished contests: their field, scores and prizes.", "nascar contest list")


@app.command()
def add(
    standings: Annotated[
        Path, typer.Argument(metavar="STANDINGS.csv", help="As the site exports it, zipped or not.")
    ],
    home: Home,
    slate: Annotated[
        str | None, typer.Option(help="Its slate's key; found by drivers and points if left out.")
    ] = None,
    payout: Annotated[
        str | None, typer.Option(help="Its payout table, or the name of a contest preset.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="cash or tournament, where not clear.")] = None,
    name: Annotated[str | None, typer.Option(help="The contest's name.")] = None,
    as_json: Json = False,
) -> None:
    """Keeps what a contest's field chose and scored, from its standings file.

    The site has the file for about a week. The same file twice changes nothing.

    Example: nascar contest add contest-standings-187654321.zip --payout payouts.csv
    """
    from nascar_assets.orchestration.automation.clock import clock_now
    from nascar_assets.orchestration.commands import contest as contests

    out = Output(as_json)
    done = contests.add(
        home, standings, clock_now(), slate_id=slate, payout=payout, kind=kind, name=name
    )
    out.notices(done.notices)
    row = done.record
    out.line(
        f"contest {row['contest_id']} of {row['slate_id']}: {row['kind']}, {row['state']}, "
        f"{row['entries']:,} entries, {len(row['own'])} of them yours"
        + ("" if done.fresh else "; it was there already")
    )
    result = {key: row[key] for key in row if key not in ("scores", "lock", "known_at")}
    out.result({**result, "new": done.fresh, "notices": [*done.notices]})


@app.command("list")
def list_contests(home: Home, as_json: Json = False) -> None:
    """Shows the contests that were added, and the field's parameters fitted on them.

    Example: nascar contest list
    """
    from nascar_assets.orchestration.commands import contest as contests

    out = Output(as_json)
    found = contests.listed(home)
    fields = ["contest_id", "slate_id", "kind", "state", "entries", "own_entries", "won_dollars"]
    facts = itemgetter(*fields, "cash_line_points")
    out.table(
        "Contests",
        ["contest", "slate", "kind", "state", "entries", "own", "won $", "cash line", "own. miss"],
        [
            (*facts(row), None if row["ownership_mae"] is None else f"{row['ownership_mae']:.1%}")
            for row in found["contests"]
        ],
        text=4,
    )
    for kind, fit in found["fits"].items():
        out.line(fit_line(kind, fit))
    out.result(found)


def fit_line(kind: str, fit: dict[str, Any]) -> str:
    """What is known of a kind's field, in one line."""
    if not fit["contests"]:
        return f"{kind}: no contests yet; the field is assumed (choice_scale {fit['choice_scale']})"
    rests = "used" if fit["used"] else "not used before there are 5 contests"
    misses = (
        ""
        if fit["miss"] is None
        else f"; ownership missed by {fit['miss']:.1%} left out one by one, by "
        f"{fit['assumed_miss']:.1%} as assumed"
    )
    return (
        f"{kind}: {fit['contests']} contests, choice_scale {fit['fitted_choice_scale']:.1f}, "
        f"salary_left {fit['fitted_salary_left']:.0f}, {rests}{misses}"
    )
