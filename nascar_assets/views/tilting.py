"""Scenarios tilted towards views: weights for all views together, then plain scenarios again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.calibration.entropic import Moments, entropic_weights
from nascar_assets.calibration.metrics_input import Floats
from nascar_assets.calibration.tilting import (
    EFFECTIVE_FLOOR,
    RIDGE,
    systematic_resampling,
)
from nascar_assets.views.quantities import TOPS
from nascar_assets.views.targets import OwnMoments, Target

_MISS = 0.05
"""Standard deviations by which weights miss a target that cannot be met beside the others.

They have no Monte Carlo error: what can be met together they miss by the ridge's hundredth at most.
"""


@dataclass(frozen=True)
class Tilting:
    """What views do to a set of scenarios.

    Attributes:
        rows: Which scenarios make the tilted set, [m] indices: some come more than once.
        effective: Equal scenarios that the weights are worth.
        share: Share of the views' confidence that was reached: 1, or what keeps half of the
            scenarios effective.
        reached: Mean of each target's quantity in the tilted set, in the order of the targets.
        missed: Those of the targets that the weights miss: they cannot hold beside the others.
    """

    rows: npt.NDArray[np.int64]
    effective: float
    share: float
    reached: tuple[float, ...]
    missed: tuple[bool, ...]


def tilt(own: OwnMoments, targets: Sequence[Target], seed: int, groups: int = 1) -> Tilting:
    """Weights that meet all targets together, and scenarios drawn by them.

    Args:
        own: The scenarios.
        targets: What they are tilted to, one or more.
        seed: Seed of the resampling.
        groups: Scenarios are drawn within each residue of their number by this: a scenario that
            is held back there never comes back among those that lineups are chosen on.
    """
    quantities = np.column_stack([_quantity(own, targets, target) for target in targets])
    wanted = np.array([t.wanted**2 if t.quantity == "sd_points" else t.wanted for t in targets])
    moments = Moments.of(quantities)
    found = entropic_weights(moments, wanted, floor=EFFECTIVE_FLOOR, ridge=RIDGE)
    m = found.weights.size
    rng = np.random.Generator(np.random.Philox(seed))
    rows = np.empty(m, np.int64)
    for group in range(min(groups, m)):
        members = np.arange(group, m, groups)
        weights = found.weights[members]
        rows[members] = members[systematic_resampling(weights / weights.sum(), members.size, rng)]
    means = quantities[rows].mean(axis=0)
    reached = [
        float(np.sqrt(max(mean, 0.0))) if target.quantity == "sd_points" else float(mean)
        for mean, target in zip(means, targets, strict=True)
    ]
    asked = found.share * (wanted - moments.mean) / moments.spread
    missed = np.abs(found.weights @ moments.values - asked) > _MISS
    return Tilting(rows, found.effective, found.share, tuple(reached), tuple(missed.tolist()))


def _quantity(own: OwnMoments, targets: Sequence[Target], target: Target) -> Floats:
    """What a target is the mean of, [m]."""
    points = own.points[:, target.driver]
    if target.quantity in TOPS:
        return np.asarray(own.finish[:, target.driver] <= TOPS[target.quantity], np.float64)
    if target.quantity == "ceiling_points":
        return np.asarray(points >= target.threshold, np.float64)
    if target.quantity == "sd_points":
        centre = next(
            other.wanted
            for other in targets
            if other.driver == target.driver and other.quantity == "mean_points"
        )
        return np.asarray(np.square(points - centre), np.float64)
    return np.asarray(points, np.float64)
