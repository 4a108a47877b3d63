"""A portfolio in a contest: rivals drawn from the field, settled in every scenario."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nascar_assets.contest.presets import Contest
from nascar_assets.contest.settlement import Settlement, return_of, settle
from nascar_assets.errors import InputError
from nascar_assets.lineups import Estimate, FieldModel

Integers = npt.NDArray[np.integer]

SETTLED_SCENARIOS = 1_000
"""Scenarios settled where a contest is one of many: returns are known no better than the field."""

FIELD_DRAWS = 4
"""Fields drawn; every scenario is settled against one of them, so that errors include the draw."""


def settled_scenarios(points: Integers) -> Integers:
    """About `SETTLED_SCENARIOS` of [S, N] points, evenly spaced; all where there are fewer."""
    return points[:: max(points.shape[0] // SETTLED_SCENARIOS, 1)]


def forecast_contest(
    points: Integers,
    lineups: Integers,
    contest: Contest,
    field: FieldModel,
    rng: np.random.Generator,
) -> Estimate:
    """What a portfolio is expected to return, settled against the rest of the contest's entries.

    Args:
        points: [S, N] points as integers.
        lineups: [n, K] own lineups.
        contest: The contest.
        field: Distribution of the rivals' lineups.
        rng: Source of the rivals drawn.

    Raises:
        InputError: If there are more own lineups than the contest allows a person.
    """
    own = np.asarray(lineups, np.int32)
    if own.shape[0] > contest.max_entries:
        raise InputError(
            f"{own.shape[0]} lineups, but {contest.name} takes {contest.max_entries} entries of "
            "one person.",
            field="max_entries",
        )
    rivals = contest.entries - own.shape[0]
    points = np.asarray(points, np.int32)
    draws = min(FIELD_DRAWS, points.shape[0])
    parts = [
        settle(points[draw::draws], own, field.sample(rivals, rng), contest.payouts)
        for draw in range(draws)
    ]
    whole = Settlement(
        np.concatenate([part.cents for part in parts]),
        np.concatenate([part.place for part in parts]),
        np.concatenate([part.level for part in parts]),
        contest.entries,
    )
    return return_of(whole, contest.entry_fee_cents)
