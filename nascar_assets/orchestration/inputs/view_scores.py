"""Did the views help: forecasts without and with them, each scored against its race's outcome."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from math import sqrt
from statistics import fmean, stdev
from typing import Any

import numpy as np
import polars as pl

from nascar_assets.contest.track_record import means_by_race
from nascar_assets.orchestration.inputs.official import official_by_id
from nascar_assets.orchestration.inputs.past import all_results, results_before
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.view_tables import PURE, pure_scenarios
from nascar_assets.orchestration.storage.store import stored_partitions, table_path
from nascar_assets.storage import DataRoot

FEWEST = 2
"""Races from which on a mean has a standard error."""


@dataclass(frozen=True, slots=True)
class ViewScore:
    """One slate's forecasts of contest points against the outcome.

    Attributes:
        slate_id: The slate.
        race_id: Its race.
        drivers: Drivers scored.
        crps_without: Mean CRPS of the points without views, in contest points; lower is better.
        crps_with: The same with them.
    """

    slate_id: str
    race_id: str
    drivers: int
    crps_without: float
    crps_with: float

    @property
    def change(self) -> float:
        """Relative change of the CRPS by the views: below 0 where they helped."""
        return self.crps_with / self.crps_without - 1.0


def slate_view_score(run: SlateRun, results: pl.DataFrame) -> ViewScore | None:
    """A slate's score without and with its views; none where no view moved it or it has no result.

    Points are those of the official result, scored from the official start.

    Args:
        results: RESULTS of any races.
    """
    from nascar_assets.calibration.metrics_crps import crps_ensemble

    pure = pure_scenarios(run)
    rules = run.rules
    truth = official_by_id(rules, run.plan.race_id, results)
    if pure is None or not truth:
        return None
    made = run.scenarios
    cars = [at for at, driver in enumerate(made.driver_ids) if driver in truth]
    real = np.array([truth[made.driver_ids[at]] for at in cars])
    without, with_views = (
        float(crps_ensemble(points[:, cars], real).mean()) / rules.points_scale
        for points in (pure.points, made.points(rules))
    )
    return ViewScore(run.slate_id, run.plan.race_id, len(cars), without, with_views)


def view_scores(root: DataRoot, as_of: datetime) -> list[ViewScore]:
    """The scores of every slate that views moved and whose race has a result by a moment.

    They are kept beside the scenarios: a slate whose files were not written since is not scored
    again.
    """
    slates = stored_partitions(root, PURE)
    results = results_before(root, as_of) if slates else pl.DataFrame()
    found = []
    for slate_id in slates:
        plan = SlatePlan.find(root, slate_id)
        if plan is None or plan.race_id not in results["race_id"]:
            continue
        tags = [root.tag(table_path(name, slate_id)) for name in (PURE, "scenarios")]
        path = f"store/view_scores/{slate_id}.json"
        kept: dict[str, Any] = json.loads(root.read(path) or b"{}")
        mine = results.filter(pl.col("race_id") == plan.race_id)
        # Scores of versions that took the ids of now are made again.
        stamp = ["ids of the slate", *tags, str(mine.hash_rows(seed=1).sum())]
        if kept.get("stamp") != stamp:
            # With the ids that the slate has: some drivers' own may have come since.
            made = slate_view_score(SlateRun(root, plan), all_results(root, plan.as_of))
            kept = {"stamp": stamp, "score": None if made is None else asdict(made)}
            root.write(path, json.dumps(kept).encode())
        if kept["score"] is not None:
            found.append(ViewScore(**{**kept["score"], "race_id": plan.race_id}))
    return found


def record_words(scores: list[ViewScore]) -> str:
    """How views did, in a sentence; empty where no slate with views has a result.

    Example: Your views: CRPS -0.8% over 10 slates (standard error 1.1%).
    """
    if not scores:
        return ""
    changes = _changes(scores)
    slates = "1 slate" if len(scores) == 1 else f"{len(scores)} slates"
    if len(changes) < len(scores):
        slates += f" of {len(changes)} race{'' if len(changes) == 1 else 's'}"
    said = f"Your views: CRPS {100 * fmean(changes):+.1f}% over {slates}"
    if len(changes) < FEWEST:
        return f"{said} (lower is better)."
    error = stdev(changes) / sqrt(len(changes))
    return f"{said} (standard error {100 * error:.1f}%; lower is better)."


def _changes(scores: list[ViewScore]) -> list[float]:
    """The change of each race."""
    return means_by_race((found.race_id, found.change) for found in scores)


def record_result(scores: list[ViewScore]) -> dict[str, Any]:
    """The record for programs: each slate, the mean change and its standard error."""
    changes = np.array(_changes(scores))
    several = changes.size >= FEWEST
    return {
        "slates": [{**asdict(found), "change": found.change} for found in scores],
        "change": float(changes.mean()) if changes.size else None,
        "standard_error": float(changes.std(ddof=1) / np.sqrt(changes.size)) if several else None,
        "says": record_words(scores),
    }
