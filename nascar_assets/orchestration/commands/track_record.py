"""Said and found over all stored slates whose races are run, for programs and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from nascar_assets.contest.track_record import means_by_race, sentence, summarised
from nascar_assets.orchestration.inputs.contest_store import stored_contests
from nascar_assets.orchestration.inputs.past import all_results
from nascar_assets.orchestration.inputs.said import track_rows
from nascar_assets.orchestration.resources import Platform


def track_record(home: str) -> dict[str, Any]:
    """What was said of every slate's lineups beside what happened."""
    root = Platform(home=home).root
    rows, notices = track_rows(root, all_results(root))
    sealed = [row for row in rows if row["sealed"]]
    repeated = [row for row in rows if not row["sealed"]]
    return {
        "sentence": sentence(rows),
        "notices": notices,
        "sealed": summarised(sealed),
        "afterwards": summarised(repeated),
        "cash_lines_inside": _inside(sealed),
        "cash_lines_inside_afterwards": _inside(repeated),
        "slates": [{**row, "lock": row["lock"].isoformat()} for row in rows],
        "contests": [
            {
                "slate": row["slate_id"],
                "contest": row["contest_id"],
                "kind": row["kind"],
                "entries": row["entries"],
                "cash_line_points": row["cash_line_points"],
                "own_entries": len(row["own"]),
                "fees_dollars": _fees(row),
                "won_dollars": _won(row),
            }
            for row in stored_contests(root).iter_rows(named=True)
            if row["state"] == "final"
        ],
    }


def _inside(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many cash lines lay inside the 80% intervals that were said."""
    inside = means_by_race((row["race_id"], row["cash_line_inside"]) for row in rows)
    return {
        "slates": len(rows),
        "races": len(inside),
        "share": fmean(inside) if inside else None,
        "said": 0.8,
    }


def _fees(row: dict[str, Any]) -> float | None:
    fee = row["entry_fee_cents"]
    return None if fee is None else fee * len(row["own"]) / 100


def _won(row: dict[str, Any]) -> float | None:
    won = [own["won_cents"] for own in row["own"]]
    return None if None in won or row["prizes_cents"] is None else sum(won) / 100
