"""Finished contests under the data root: kept once each, read back as one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
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


def stored_contest(root: DataRoot, slate_id: str, contest_id: str) -> dict[str, Any] | None:
    """A contest's row as it is kept; none where it was not added."""
    path = contest_path(slate_id, contest_id)
    return root.scan_frame(path).collect().row(0, named=True) if root.exists(path) else None


def keep_contest(root: DataRoot, record: pl.DataFrame) -> bool:
    """Keeps a contest's row; returns whether it says anything new.

    The same file again changes nothing, unless more is known beside it by now; then all of the
    row is known since now, so that nothing as of before has what came later. Final standings take
    the place of live ones, and newer ones that of older.
    """
    row = record.row(0, named=True)
    before = stored_contest(root, row["slate_id"], row["contest_id"])
    if before is not None:
        said = [name for name in CONTESTS if name not in ("known_at", "file")]
        if all(before[name] == row[name] for name in said):
            return False
        if before["state"] == "final" and row["state"] == "live":
            return False
    root.write_frame(contest_path(row["slate_id"], row["contest_id"]), record)
    return True


def waits(row: Mapping[str, Any]) -> bool:
    """Whether a final contest's row has no driver's points yet, or no projection."""
    known = {name for one in row["drivers"] for name, value in one.items() if value is not None}
    return row["state"] == "final" and not {"points", "mean_points"} <= known


def scan_contests(root: DataRoot, slate_id: str | None = None) -> pl.LazyFrame:
    """Every contest, `CONTESTS`, of one slate or of all, in no order.

    A contest's scores are by far the most of it: most askers need a few other columns.
    """
    folder = FOLDER if slate_id is None else f"{FOLDER}/{slate_id}"
    paths = [item.path for item in root.list(folder) if item.path.endswith(".parquet")]
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
