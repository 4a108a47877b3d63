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
from nascar_assets.orchestration.inputs.slate_run import SlateRun
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
    if before is not None and not said.sealed and Said.from_dict(json.loads(before)).sealed:
        return
    run.root.write(path, (json.dumps(said.to_dict(), sort_keys=True) + "\n").encode())


def stored_said(root: DataRoot) -> list[Said]:
    """What was said of every slate, by lock."""
    found = []
    for item in root.list(FOLDER):
        data = root.read(item.path)
        if data is not None:
            found.append(Said.from_dict(json.loads(data)))
    return sorted(found, key=lambda said: (said.lock, said.slate_id))


def track_rows(root: DataRoot, results: pl.DataFrame) -> list[dict[str, Any]]:
    """Every slate of which something was said and whose race is in the results: a row each."""
    raced = set(results["race_id"].unique().to_list())
    rows = []
    for said in stored_said(root):
        if said.race_id in raced:
            rules = rule_set(said.rules, race_day(said.lock))
            rows.append(found_of(said, official_by_id(rules, said.race_id, results)))
    return rows
