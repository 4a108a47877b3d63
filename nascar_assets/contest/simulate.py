"""A portfolio in a contest: rivals drawn from the field, settled in every scenario."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nascar_assets.contest.presets import Contest
from nascar_assets.contest.settlement import returns_of, settle
from nascar_assets.errors import InputError
from nascar_assets.lineups import Estimate, FieldModel

Integers = npt.NDArray[np.integer]

SETTLED_SCENARIOS = 1_000
"""Scenarios settled where a contest is one of many: returns are known no better than the field."""

PARTS = 10
"""Parts of the scenarios, each settled against a field drawn for it; errors are over parts."""


def settled_scenarios(points: Integers) -> Integers:
    """About `SETTLED_SCENARIOS` of [S, N] points, evenly spaced; all where there are fewer."""
    return points[:: max(points.shape[0] // SETTLED_SCENARIOS, 1)]


def forecast_contest(
    points: Integers,
    lineups: Integers,
    contest: Contest,
    fields: Sequence[FieldModel],
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """[S] a portfolio's returns, settled against the rest of the contest's entries.

    Each of `PARTS` parts of the scenarios has rivals of its own, drawn from the fields in turn.

    Args:
        points: [S, N] points as integers.
        lineups: [n, K] own lineups.
        contest: The contest.
        fields: Distributions of the rivals' lineups.
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
    found = []
    for at, part in enumerate(np.array_split(np.asarray(points, np.int32), PARTS)):
        drawn = fields[at % len(fields)].sample(rivals, rng)
        if part.shape[0]:
            settled = settle(part, own, drawn, contest.payouts)
            found.append(returns_of(settled, contest.entry_fee_cents))
    return np.concatenate(found)


def estimate(values: npt.NDArray[np.float64]) -> Estimate:
    """The mean of [S] values with its standard error over the parts."""
    parts = [part.mean() for part in np.array_split(values, PARTS) if part.size]
    return Estimate(float(values.mean()), float(error_over_parts(np.array(parts))))


def error_over_parts(by_part: npt.NDArray[np.floating]) -> Any:
    """Standard error of a mean over parts, of each column; NaN below two parts."""
    parts = by_part.shape[0]
    if parts < 2:
        return np.full(by_part.shape[1:], np.nan) if by_part.ndim > 1 else math.nan
    return by_part.std(axis=0, ddof=1) / math.sqrt(parts)
