"""What was said of each slate's lineups, kept where no later run hides it, and what came of it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import polars as pl

from nascar_assets.contest.track_record import Said, found_of, said_of
from nascar_assets.lineups import PortfolioSettings
from nascar_assets.lineups.projection import project
from nascar_assets.orchestration.inputs.official import official_by_id
from nascar_assets.orchestration.inputs.past import all_results, driver_directory
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.stored_json import UNREADABLE, stored_json
from nascar_assets.rules import rule_set
from nascar_assets.rules.race_day import race_day
from nascar_assets.storage import DataRoot

FOLDER = "store/said"


def keep_said(
    run: SlateRun,
    run_id: str,
    lineups: list[list[int]],
    outlook: pl.DataFrame,
    settings: PortfolioSettings,
    cash_settings: PortfolioSettings,
    now: datetime,
) -> None:
    """Keeps what a run says of its lineups.

    What was said before lock is never replaced by what is said after it.
    """
    said = said_of(
        project(run.points, run.slate, settings, rivals=run.rivals),
        project(run.points, run.slate, cash_settings, rivals=run.rivals),
        lineups,
        outlook,
        race_id=run.plan.race_id,
        series=run.race["series"],
        as_of=run.as_of,
        sealed_at=now,
        run_id=run_id,
    )
    path = f"{FOLDER}/{run.slate_id}/said.json"
    before = run.root.read(path)
    if before is not None and not said.sealed and _sealed(before):
        return
    run.root.write(path, (json.dumps(said.to_dict(), sort_keys=True) + "\n").encode())


def _sealed(stored: bytes) -> bool:
    """Whether a file, be it of another version, holds what was said before lock."""
    try:
        content = json.loads(stored)
        at, lock = (datetime.fromisoformat(content[name]) for name in ("sealed_at", "lock"))
        return at < lock
    except UNREADABLE:
        return False


def stored_said(root: DataRoot) -> tuple[list[Said], list[str]]:
    """What was said of every slate, by lock, and a notice of what this version cannot read."""
    found, notices = stored_json(root, FOLDER, Said.from_dict)
    return sorted(found, key=lambda said: (said.lock, said.slate_id)), notices


def track_rows(root: DataRoot, results: pl.DataFrame) -> tuple[list[dict[str, Any]], list[str]]:
    """Every slate of which something was said and whose race is in the results: a row each.

    A driver whose own id came after a slate has his points there under the id that it has.

    Returns:
        The rows, and a notice of what this version cannot read.
    """
    raced = set(results["race_id"].unique().to_list())
    rows = []
    stored, notices = stored_said(root)
    placeholders = driver_directory(root).merged.keys()
    for said in stored:
        if said.race_id in raced:
            rules = rule_set(said.rules, race_day(said.lock))
            units = official_by_id(rules, said.race_id, results)
            if placeholders & (set(said.players) - units.keys()):
                units = official_by_id(rules, said.race_id, all_results(root, said.as_of))
            rows.append(found_of(said, units))
    return rows, notices
