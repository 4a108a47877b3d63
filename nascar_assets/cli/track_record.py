"""`nascar track-record`: whether what was said of lineups came true."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from nascar_assets.cli.options import Home, Json
from nascar_assets.cli.output import Output

_CONTEST = (
    *("slate", "contest", "kind", "entries", "cash_line_points"),
    *("own_entries", "fees_dollars", "won_dollars"),
)


def track_record(home: Home, as_json: Json = False) -> None:
    """Compares what was said of every slate's lineups before its race with what happened.

    Example: nascar track-record --json
    """
    from nascar_assets.orchestration.commands.track_record import track_record as recorded

    out = Output(as_json)
    found = recorded(home)
    out.notices(found["notices"])
    out.line(found["sentence"] or "No slate of which something was said has been raced yet.")
    for title, key, lines in (
        ("Said before lock", "sealed", "cash_lines_inside"),
        (
            "Said afterwards, as of lock: the code is newer than the race",
            "afterwards",
            "cash_lines_inside_afterwards",
        ),
    ):
        if found[key]:
            _show(out, f"{title}: {_counted(found[key])}", found[key])
            inside = found[lines]
            out.line(
                f"cash lines inside their 80% intervals: {inside['share']:.0%} of "
                f"{_counted([inside])}"
            )
    if found["contests"]:
        out.table(
            "Real contests",
            ["slate", "contest", "kind", "entries", "cash line", "own", "fees $", "won $"],
            map(itemgetter(*_CONTEST), found["contests"]),
            text=3,
        )
    out.result(found)


def _counted(rows: list[dict[str, Any]]) -> str:
    """What a table counts: slates, and their races where several are of one."""
    slates, races = (max(row[name] for row in rows) for name in ("slates", "races"))
    of = "" if slates == races else f" of {races} race{'' if races == 1 else 's'}"
    return f"{slates} slate{'' if slates == 1 else 's'}{of}"


def _show(out: Output, title: str, rows: list[dict[str, Any]]) -> None:
    names = ("said", "found", "difference", "standard_error", "lower", "upper")

    def shown_as(row: dict[str, Any], name: str) -> str | None:
        value = row[name]
        if value is None:
            return None
        points = row["measure"] in ("points", "cash_line")
        return f"{value:.1f}" if points else f"{value:.1%}"

    out.table(
        title,
        ["", "said", "found", "difference", "± error", "95% from", "to"],
        [(row["words"], *(shown_as(row, name) for name in names)) for row in rows],
    )
