"""`nascar ledger`: a person's entry history, and what the entries came to."""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path
from typing import Annotated

import typer

from nascar_assets.cli.options import Home, Json, group
from nascar_assets.cli.output import Output

app = group("Entries over the years: fees, winnings, returns.", "nascar ledger show")


@app.command()
def add(
    history: Annotated[
        Path, typer.Argument(metavar="HISTORY.csv", help="The entry history that the site exports.")
    ],
    home: Home,
    as_json: Json = False,
) -> None:
    """Takes an entry history in; other sports are counted and set aside.

    The same file twice changes nothing.

    Example: nascar ledger add draftkings-contest-entry-history.csv
    """
    from nascar_assets.orchestration.commands import ledger

    out = Output(as_json)
    done = ledger.add(home, history)
    out.notices(done.notices)
    out.line(
        f"{done.entries:,} NASCAR entries: {done.fresh:,} new, {done.changed:,} changed; fees "
        f"${done.fees_cents / 100:,.2f}, won ${done.won_cents / 100:,.2f} with tickets"
    )
    out.result(
        {
            "entries": done.entries,
            "new": done.fresh,
            "changed": done.changed,
            "others": dict(done.others),
            "fees_dollars": done.fees_cents / 100,
            "won_dollars": done.won_cents / 100,
            "notices": list(done.notices),
        }
    )


@app.command()
def show(home: Home, as_json: Json = False) -> None:
    """Shows what all entries came to: together, by series, kind of contest and season.

    Example: nascar ledger show
    """
    from nascar_assets.orchestration.commands import ledger

    out = Output(as_json)
    found = ledger.shown(home)
    out.notices(found["notices"])

    amounts = itemgetter("entries", "fees_dollars", "won_dollars", "tickets_dollars")
    shares = itemgetter("roi", "roi_low", "roi_high", "forecast_roi")
    columns = ["", "entries", "fees $", "won $", "tickets $", "return", "95% from", "to"]
    out.table(
        f"{found['entries']:,} entries",
        [*columns, "forecast", "of fees"],
        [
            (
                str(row.get(row["by"], row["by"])) or "not known",
                *amounts(row),
                *(None if share is None else f"{share:+.1%}" for share in shares(row)),
                None if (of := row["forecast_share_of_fees"]) is None else f"{of:.0%}",
            )
            for row in found["returns"]
        ],
    )
    out.line("intervals: days drawn with replacement; refunded and cancelled entries are left out")
    out.line("forecast: what was said before lock, of entries of so much of the fees alone")
    out.result(found)
