"""Finished contests under the data root: kept once each, read back as one table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from nascar_assets.columns.column import types_of
from nascar_assets.columns.contests import CONTESTS
from nascar_assets.orchestration.inputs.slate_lineups import load_entered
from nascar_assets.orchestration.inputs.slate_plan import slate_plans
from nascar_assets.storage import DataRoot

if TYPE_CHECKING:
    from nascar_assets.contest.field_fit import FieldFit

FOLDER = "store/contests"
LANDING = "landing/contests"
"""The folder for standings as a contest site exports them."""


def contest_path(slate_id: str, contest_id: str) -> str:
    """Where a contest's row lies."""
    return f"{FOLDER}/{slate_id}/{re.sub(r'[^0-9A-Za-z-]', '-', contest_id)}.parquet"


def known_contests(root: DataRoot, contest_id: str, sha256: str) -> list[dict[str, Any]]:
    """The rows of a contest as they are kept, of whatever slate and under whatever id."""
    same = (pl.col("contest_id") == contest_id) | (pl.col("sha256") == sha256)
    return scan_contests(root).filter(same).collect().to_dicts()


def keep_contest(
    root: DataRoot, record: pl.DataFrame, known: Sequence[Mapping[str, Any]]
) -> tuple[bool, list[Mapping[str, Any]]]:
    """Keeps a contest's row, the only one of it.

    The same file again changes nothing, unless more is known beside it by now; then all of the
    row is known since now, so that nothing as of before has what came later. Final standings take
    the place of live ones, and newer ones that of older.

    Args:
        known: Its rows as they are kept (`known_contests`).

    Returns:
        Whether it says anything new, and the rows of other slates or ids whose place it took.
    """
    row = record.row(0, named=True)
    if row["state"] == "live" and any(one["state"] == "final" for one in known):
        return False, []
    said = [name for name in CONTESTS if name not in ("known_at", "file")]
    fresh = not any(all(one[name] == row[name] for name in said) for one in known)
    path = contest_path(row["slate_id"], row["contest_id"])
    if fresh:
        root.write_frame(path, record)
    elsewhere = [one for one in known if contest_path(one["slate_id"], one["contest_id"]) != path]
    for one in elsewhere:
        root.delete(contest_path(one["slate_id"], one["contest_id"]))
    return fresh, elsewhere


def waits(row: Mapping[str, Any]) -> bool:
    """Whether a final contest's row has no driver's points yet, or no projection."""
    known = {name for one in row["drivers"] for name, value in one.items() if value is not None}
    return row["state"] == "final" and not {"points", "mean_points"} <= known


def scan_contests(root: DataRoot) -> pl.LazyFrame:
    """Every contest, `CONTESTS`, in no order.

    A contest's scores are by far the most of it: most askers need a few other columns.
    """
    paths = [item.path for item in root.list(FOLDER) if item.path.endswith(".parquet")]
    schema = types_of(CONTESTS)
    return root.scan_frame(paths, schema=schema) if paths else pl.LazyFrame(schema=schema)


def stored_contests(root: DataRoot, as_of: datetime | None = None) -> pl.DataFrame:
    """Every contest, `CONTESTS`; with an as-of time those that were added by then."""
    scan = scan_contests(root)
    if as_of is not None:
        scan = scan.filter(pl.col("known_at") <= as_of)
    return scan.collect().sort("lock", "contest_id")


AFTER = timedelta(hours=5)
"""So long after lock contests are over."""

KEPT = timedelta(days=7)
"""So long the site has standings."""


def missing_standings(root: DataRoot, now: datetime) -> list[str]:
    """Slates whose contests ended within the week, were entered, and have no final standings.

    Standings are known in DraftKings' form alone: only its slates are asked for.
    """
    recent = [
        plan
        for plan in slate_plans(root)
        if plan.contest.startswith("dk-")
        and plan.lock + AFTER <= now <= plan.lock + KEPT
        and load_entered(root, plan.slate_id)
    ]
    if not recent:
        return []
    final = scan_contests(root).filter(pl.col("state") == "final").select("slate_id")
    known = final.collect()["slate_id"].to_list()
    return [plan.slate_id for plan in recent if plan.slate_id not in known]


def field_fits(root: DataRoot, as_of: datetime | None = None) -> dict[str, FieldFit]:
    """How rivals choose in each kind of contest, by the contests that were added by a time."""
    from nascar_assets.contest.field_fit import fit_field_parameters
    from nascar_assets.contest.records import seen_contests
    from nascar_assets.lineups.ownership import KINDS

    seen = seen_contests(stored_contests(root, as_of))
    return {kind: fit_field_parameters(seen, kind) for kind in KINDS}
