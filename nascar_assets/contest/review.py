"""After the race: forecast against outcome, ownership error, and which driver cost what."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.contest.presets import Contest
from nascar_assets.contest.settlement import settle_scores
from nascar_assets.contest.standings import Standings
from nascar_assets.errors import InputError
from nascar_assets.lineups import Estimate
from nascar_assets.slates.slate import Slate

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ContestReview:
    """A finished contest beside its forecast.

    Attributes:
        simulated: The ROI that was forecast; none where no payout table is known.
        realised_roi: Profit per dollar of entry fees, settled from the standings; NaN where no
            payout table is known or no own lineup was entered.
        realised_cents: [n] what each own lineup won; empty where no payout table is known.
        realised_place: [n] its place, the best one where it is shared.
        roi_in_errors: Distance of the realised ROI from the forecast mean in standard deviations
            of a single contest's ROI.
        ownership_mae: Mean absolute error of expected ownership.
        drivers: One row per driver who may be picked or was: `driver_id, name,
            expected_ownership, realised_ownership, exposure, projected_points, realised_points,
            cost_points, leverage_points`.
    """

    simulated: Estimate | None
    realised_roi: float
    realised_cents: npt.NDArray[np.int64]
    realised_place: npt.NDArray[np.int64]
    roi_in_errors: float
    ownership_mae: float
    drivers: pl.DataFrame


def review_contest(
    slate: Slate,
    standings: Standings,
    lineups: npt.NDArray[np.integer],
    contest: Contest | None,
    simulated: Estimate | None,
    expected_ownership: Floats,
    projected_points: Floats,
    deviation: float = math.nan,
) -> ContestReview:
    """Compares a finished contest with what was forecast.

    `cost_points` is exposure x (realised - projected): points per lineup that the driver brought
    or cost. `leverage_points` is (exposure - realised ownership) x (realised - mean of the field's
    drivers): points per lineup won on or lost to the field by having more or less of him.

    Args:
        slate: The slate.
        standings: The finished contest.
        lineups: [n, K] own lineups, each of which has to be in the standings.
        contest: The contest; none where its payout table is not known.
        simulated: The ROI that was forecast; none where none was.
        expected_ownership: [N] ownership that was expected.
        projected_points: [N] mean contest points that were forecast.
        deviation: Standard deviation of a single contest's ROI, as forecast.

    Raises:
        InputError: If an own lineup is not in the standings.
    """
    keys = {
        tuple(sorted(lineup)): position
        for position, lineup in reversed(list(enumerate(standings.lineups.tolist())))
    }
    rows = []
    for number, lineup in enumerate(np.asarray(lineups).tolist(), start=1):
        key = tuple(sorted(lineup))
        if key not in keys:
            names = ", ".join(slate.everyone[i].name for i in key)
            raise InputError(
                f"lineup {number} ({names}) is not in the standings.",
                remedy="Was it entered in this contest?",
            )
        rows.append(keys[key])
    scale = slate.rules.points_scale
    scores = np.rint(standings.points * scale).astype(np.int64)
    place = np.array([int((scores > scores[row]).sum()) + 1 for row in rows], np.int64)
    won = np.zeros(0, np.int64)
    roi = distance = math.nan
    if contest is not None and rows:
        won = settle_scores(scores, contest.payouts)[rows]
        spent = contest.entry_fee_cents * len(rows)
        roi = (int(won.sum()) - spent) / spent
    if simulated is not None:
        distance = (roi - simulated.value) / deviation if deviation > 0 else math.nan
    realised = np.nan_to_num(standings.ownership, nan=0.0)
    points = standings.driver_points
    everyone, n = slate.everyone, len(slate.everyone)
    # Nobody expected anything of who does not race.
    nothing = np.zeros(len(slate.absent))
    expected_ownership = np.concatenate([expected_ownership, nothing])
    projected_points = np.concatenate([projected_points, nothing])
    exposure = np.bincount(np.asarray(lineups, np.int64).ravel(), minlength=n) / max(len(rows), 1)
    scored = np.nan_to_num(points, nan=0.0)
    field_mean = float((realised * scored).sum() / max(realised.sum(), 1e-12))
    table = pl.DataFrame(
        {
            "driver_id": [player.driver_id for player in everyone],
            "name": [player.name for player in everyone],
            "expected_ownership": expected_ownership,
            "realised_ownership": realised,
            "exposure": exposure,
            "projected_points": projected_points,
            "realised_points": points,
            # Adding nothing turns a negative zero into zero.
            "cost_points": exposure * (scored - projected_points) + 0.0,
            "leverage_points": (exposure - realised) * (scored - field_mean) + 0.0,
        }
    )
    drafted = (np.arange(n) < len(slate.players)) | (realised > 0) | (exposure > 0)
    return ContestReview(
        simulated=simulated,
        realised_roi=roi,
        realised_cents=won,
        realised_place=place,
        roi_in_errors=distance,
        ownership_mae=float(np.abs(expected_ownership - realised)[drafted].mean()),
        drivers=table.filter(pl.Series(drafted)).sort("cost_points"),
    )
