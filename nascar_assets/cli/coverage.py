"""`nascar coverage`: which races have which data, and what is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import itemgetter

from nascar_assets.cli.options import Home, Json
from nascar_assets.cli.output import Output


def coverage(home: Home, as_json: Json = False) -> None:
    """Shows which races have which data, by season and series.

    Example: nascar coverage
    """
    from nascar_assets.feed.paths import RACE_KINDS
    from nascar_assets.orchestration.commands.coverage import coverage_table

    out = Output(as_json)
    table = coverage_table(home, datetime.now(UTC))
    kinds = [kind.replace("_", " ") for kind in RACE_KINDS]
    counts = itemgetter("series", "races", "scheduled", *RACE_KINDS, "missing")
    for row in table["seasons"]:
        out.line(f"{row['season']} {row['series']}: {row['state']}")
    out.table(
        "Points races that have been run, and the data that landed",
        ["season", "series", "run", "planned", *kinds, "missing"],
        [(str(row["season"]), *counts(row)) for row in table["seasons"]],
        text=2,
    )
    for race in table["missing"][:20] if not as_json else []:
        out.line(f"{race['race_key']} {race['race_name']}: no {', '.join(race['lacks'])}")
    if len(table["missing"]) > 20:
        out.line(f"and {len(table['missing']) - 20} more; all of them with --json")
    out.result(table)
