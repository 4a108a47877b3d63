"""A slate after its race: the stored forecast and lineups against what happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.calibration.replay import replay
from nascar_assets.contest import contest_aftermath
from nascar_assets.contest.presets import PRESETS
from nascar_assets.contest.standings import read_standings
from nascar_assets.errors import InputError
from nascar_assets.lineups import PortfolioSettings
from nascar_assets.orchestration.commands.files import read_file
from nascar_assets.orchestration.inputs.official import official_by_id, official_points
from nascar_assets.orchestration.inputs.past import all_results
from nascar_assets.orchestration.inputs.payout_files import landed_payouts
from nascar_assets.orchestration.inputs.portfolio import best_lineups
from nascar_assets.orchestration.inputs.slate_change import read_whole
from nascar_assets.orchestration.inputs.slate_lineups import (
    load_entered,
    load_lineups,
    stored_players,
)
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.unseen import unseen_points
from nascar_assets.orchestration.inputs.view_scores import slate_view_score
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import table_path
from nascar_assets.slates.slate import Slate


@read_whole
def replay_slate(home: str, slate_id: str, standings: Path | None = None) -> dict[str, Any]:
    """The stored forecast of a slate against its race's outcome.

    Lineups that entries files were filled or swapped with follow those of the newest portfolio;
    where there are such files, the best lineup is the best of those that they hold.

    Args:
        standings: The contest's standings file, for ranks and ownership.

    Raises:
        InputError: If the slate was not run or its race has no results yet.
    """
    run = SlateRun.load(Platform(home=home).root, slate_id)
    root, plan = run.root, run.plan
    results = all_results(root, plan.as_of).filter(pl.col("race_id") == plan.race_id)
    if results.is_empty():
        raise InputError(
            f"The race {plan.race_key} has no results.",
            remedy="Sync the feed after the race (nascar sync).",
        )
    slate = run.slate
    names = dict(results.select("driver_id", "driver_name").iter_rows())
    names |= {player.driver_id: player.name for player in slate.everyone}
    stored = load_lineups(root, plan)
    lineups = stored["driver_ids"].to_list()
    # Those of an earlier version do not say what they took players for.
    players = stored_players(stored) if "players" in stored.columns else {}
    multipliers = {
        driver: row["points_multiplier"]
        for driver, row in players.items()
        if row["points_multiplier"] != 1
    }
    portfolio = {frozenset(ids) for ids in lineups}
    place = {player.driver_id: at for at, player in reversed(list(enumerate(slate.everyone)))}
    written = list(load_entered(root, slate_id).values())
    entered = [ids for ids in written if place.keys() >= set(ids)]
    held = Counter(map(frozenset, entered))
    notices = []
    if len(entered) < len(written):
        notices.append(
            f"{len(written) - len(entered)} of the {len(written)} entries that were filled hold "
            "drivers whom the newest salary file does not have, and are left out."
        )
    others = {frozenset(ids): ids for ids in entered if frozenset(ids) not in portfolio}
    if others:
        notices.append(
            f"Lineups from {len(lineups) + 1} on were entered, swapped or before the newest run, "
            "and are not in its portfolio."
        )
    lineups += others.values()
    found = replay(
        run.scenarios,
        results,
        rules=slate.rules,
        lineups=lineups,
        optimum=hindsight(slate, results),
        names=names,
        absent={player.driver_id: f"does not race ({player.reason})" for player in slate.absent},
        multipliers=multipliers,
    )
    compared = [
        {**row, "entries": held[frozenset(row["drivers"])] if held else None}
        for row in found.lineups.iter_rows(named=True)
    ]
    own = [row for row in compared if row["points"] is not None and row["entries"] != 0]
    best = max(own, key=lambda row: (row["points"], -row["lineup"]), default=None)
    answer: dict[str, Any] = {
        "slate": slate_id,
        "race": plan.race_key,
        "as_of": plan.as_of.isoformat(),
        "metrics": {
            name: value for name, value in found.metrics.items() if isinstance(value, int | float)
        },
        "drivers": found.drivers.to_dicts(),
        "lineups": compared,
        "best": {key: best[key] for key in found.best} if best and found.best else None,
        "optimum": dict(found.optimum) if found.optimum else None,
        "excluded": dict(found.excluded),
        "points_multipliers": {
            names.get(driver, driver): factor for driver, factor in multipliers.items()
        },
        "not_compared": {names.get(driver, driver): why for driver, why in found.excluded.items()},
        "notices": notices,
    }
    moved = slate_view_score(run, results)
    if moved is not None:
        answer["views"] = {**asdict(moved), "change": moved.change}
    if standings is not None:
        rows = [[place[driver] for driver in ids] for ids in lineups]
        answer["contest"] = _contest(run, rows, standings, results)
    return answer


def hindsight(slate: Slate, results: pl.DataFrame) -> list[str] | None:
    """The best legal lineup in hindsight; none where a player has no result."""
    official = official_by_id(slate.rules, slate.race_id, results)
    ran = set(results["driver_id"].to_list())
    players = [player for player in slate.players if player.driver_id in ran]
    if any(player.driver_id not in official for player in players):
        return None
    points = np.array([[official[player.driver_id] for player in players]], dtype=np.int32)
    best = best_lineups(points, players, slate.rules)
    return [players[index].driver_id for index in best.drivers[0].tolist()]


def _contest(
    run: SlateRun,
    rows: list[list[int]],
    standings: Path,
    results: pl.DataFrame,
) -> dict[str, Any]:
    """The portfolio in a finished contest, for programs: null where something is not known."""
    plan, slate = run.plan, run.slate
    read = read_standings(read_file(standings), slate, file=standings.name)
    if np.isnan(read.driver_points).any():  # a form without the players' points
        printed = read.driver_points
        known = np.where(np.isnan(printed), official_points(slate, results), printed)
        read = replace(read, driver_points=known)
    settings = PortfolioSettings.from_toml(plan.settings)
    after = contest_aftermath(
        run.points,
        slate,
        np.array(rows),
        read,
        unseen=partial(unseen_points, run),
        said=_said(run, settings.payout),
        settings=run.with_views(settings),
        payouts=None if settings.payout is None else landed_payouts(run.root, settings.payout),
        rivals=run.rivals,
        seed=plan.seed,
    )
    review = after.review
    drafted = review.drivers.filter(
        pl.col("realised_ownership") > 0, ~pl.col("driver_id").is_in(results["driver_id"].to_list())
    ).select("name", "realised_ownership")
    won: list[int | None] = [*review.realised_cents.tolist()] or [None] * len(after.entered)
    simulated = review.simulated
    points = {tuple(sorted(row)): at for at, row in enumerate(read.lineups.tolist())}
    return {
        "entries": len(read.entry_ids),
        "lineups": [
            {
                "lineup": number,
                "points": float(read.points[points[tuple(sorted(rows[number - 1]))]]),
                "rank": int(place),
                "entered_by": shared,
                "won_dollars": None if cents is None else cents / 100,
            }
            for number, place, shared, cents in zip(
                after.entered, review.realised_place, after.entered_by, won, strict=True
            )
        ],
        "realised_roi": _known(review.realised_roi),
        "simulated_roi": None if simulated is None else simulated.value,
        "simulated_roi_se": None if simulated is None else simulated.standard_error,
        "roi_in_deviations": _known(review.roi_in_errors),
        "ownership_mae": review.ownership_mae,
        "drivers": [
            {key: _known(value) for key, value in row.items()}
            for row in review.drivers.iter_rows(named=True)
        ],
        "notices": [
            *after.notices,
            *(
                f"{name} did not race, and was in {share:.1%} of the entries."
                for name, share in drafted.iter_rows()
            ),
        ],
    }


def _said(run: SlateRun, payout: str | None) -> dict[str, Any] | None:
    """What the slate's forecast of the contest with these prizes said.

    None where there is none, or one by a version that forecast on the scenarios of the search.
    """
    if payout is None or not run.root.exists(table_path("contest_forecast", run.slate_id)):
        return None
    name = payout if payout in PRESETS else PurePath(payout).stem
    found = run.table("contest_forecast").filter(contest=name).to_dicts()
    return found[0] if found and "field_contests" in found[0] else None


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value
