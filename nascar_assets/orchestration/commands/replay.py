"""A slate after its race: the stored forecast and lineups against what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.calibration.replay import replay
from nascar_assets.contest.standings import read_standings
from nascar_assets.errors import InputError
from nascar_assets.lineups import optimal_lineups
from nascar_assets.orchestration.commands.entries import read_file
from nascar_assets.orchestration.inputs.forecasting import load_scenarios
from nascar_assets.orchestration.inputs.past import all_results
from nascar_assets.orchestration.inputs.slate_lineups import lineup_rows, load_lineups
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import scan_table
from nascar_assets.rules import score
from nascar_assets.slates.slate import Slate
from nascar_assets.slates.stored import slate_from_polars


def replay_slate(home: str, slate_id: str, standings: Path | None = None) -> dict[str, Any]:
    """The stored forecast of a slate against its race's outcome.

    Args:
        home: The data root.
        slate_id: The slate.
        standings: The contest's standings file, for ranks and ownership.

    Raises:
        InputError: If the slate was not run or its race has no results yet.
    """
    root = Platform(home=home).root
    plan = SlatePlan.load(root, slate_id)
    results = all_results(root).filter(pl.col("race_id") == plan.race_id)
    if results.is_empty():
        raise InputError(
            f"The race {plan.race_key} has no results.",
            remedy="Sync the feed after the race (nascar sync).",
        )
    slate = slate_from_polars(scan_table(root, "slate", slate_id).collect())
    lineups = load_lineups(root, plan)
    found = replay(
        load_scenarios(root, slate_id),
        results,
        rules=slate.rules,
        lineups=lineups["driver_ids"].to_list(),
        optimum=hindsight(slate, results),
        names={player.driver_id: player.name for player in slate.players},
    )
    answer: dict[str, Any] = {
        "slate": slate_id,
        "race": plan.race_key,
        "as_of": plan.as_of.isoformat(),
        "metrics": {
            name: value for name, value in found.metrics.items() if isinstance(value, int | float)
        },
        "drivers": found.drivers.to_dicts(),
        "lineups": found.lineups.to_dicts(),
        "best": dict(found.best) if found.best else None,
        "optimum": dict(found.optimum) if found.optimum else None,
        "excluded": dict(found.excluded),
    }
    if standings is not None:
        answer["contest"] = _contest(slate, lineups, standings)
    return answer


def hindsight(slate: Slate, results: pl.DataFrame) -> list[str] | None:
    """The best legal lineup in hindsight; none where a player has no result."""
    rows = {row["driver_id"]: row for row in results.iter_rows(named=True)}
    players = [player for player in slate.players if player.driver_id in rows]
    columns = ("start", "finish", "laps_led", "fastest_laps", "laps_completed")
    values = {
        name: np.array([rows[player.driver_id][name] for player in players]) for name in columns
    }
    if any(array.dtype == object for array in values.values()):
        return None
    points = score(slate.rules, **values)
    best = optimal_lineups(
        points[None, :],
        np.array([player.salary for player in players]),
        slate.rules.salary_cap,
        slate.rules.roster_size,
    )
    return [players[index].driver_id for index in best.drivers[0].tolist()]


def _contest(slate: Slate, lineups: pl.DataFrame, standings: Path) -> dict[str, Any]:
    read = read_standings(read_file(standings), slate, file=standings.name)
    keys = [tuple(sorted(lineup)) for lineup in read.lineups.tolist()]
    ranks = []
    for number, players in enumerate(lineup_rows(lineups, slate), start=1):
        wanted = tuple(sorted(players))
        places = [position for position, key in enumerate(keys) if key == wanted]
        if places:
            points = float(read.points[places[0]])
            ranks.append(
                {
                    "lineup": number,
                    "points": points,
                    "rank": int((read.points > points).sum()) + 1,
                    "entered_by": len(places),
                }
            )
    ownership = [
        {"driver": player.name, "ownership": None if np.isnan(share) else float(share)}
        for player, share in zip(slate.players, read.ownership, strict=True)
    ]
    return {"entries": len(keys), "lineups": ranks, "ownership": ownership}
