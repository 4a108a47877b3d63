"""What a portfolio is best at: integer worths of lineups in scenarios, and their honest report.

Two kinds. A *best* objective pays each scenario by the portfolio's best lineup there (expected
maximum, reaching a score, reaching the field's top). An *own* objective adds up a worth of each
lineup by itself (mean, quantile, upper-tail mean, payout against the field).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.lineups import space_kernel

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Masks = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

REACHED = 1_000
"""Integer worth of reaching a level in one scenario, fine enough for prices in between."""

_BATCHES = 20
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value over scenarios and its Monte Carlo standard error (NaN where it has none)."""

    value: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class BestObjective:
    """The sum over scenarios of the set's best lineup's worth.

    Attributes:
        columns: [N, S] points by driver.
        roster_size: Drivers in a lineup.
        units: Worth of one natural unit in one scenario: the points scale, or `REACHED`.
        level: [S] score that has to be reached; none where the score itself is the worth.
    """

    columns: Ints32
    roster_size: int
    units: int
    level: Ints32 | None = None

    kind: Literal["best"] = "best"

    @property
    def floor(self) -> Ints32:
        """[S] a worth that no lineup is below."""
        if self.level is not None:
            return np.zeros(self.columns.shape[1], np.int32)
        return np.asarray(self.roster_size * self.columns.min(axis=0), np.int32)

    def value(self, masks: Masks) -> Ints32:
        """[M, S] worth of lineups in scenarios."""
        scores = space_kernel.scores(masks, self.columns, self.roster_size)
        if self.level is None:
            return scores
        return np.where(scores >= self.level, np.int32(REACHED), np.int32(0))

    def own(self, masks: Masks) -> Ints:
        """[M] zeros: a lineup has no worth but in the set."""
        return np.zeros(masks.shape[0], np.int64)

    def excess(self, masks: Masks, prices: Ints32) -> Ints:
        """[L] sums over scenarios of what a lineup is worth above each scenario's price."""
        if self.level is None:
            return space_kernel.sweep(masks, self.columns, prices, prices, self.roster_size, False)
        weight = np.maximum(REACHED - prices, 0).astype(np.int32)
        return space_kernel.sweep(masks, self.columns, self.level, weight, self.roster_size, True)

    def natural(self, worth: float, lineups: int) -> float:
        """The objective in natural units: points, or a probability."""
        del lineups
        return worth / (self.columns.shape[1] * self.units)

    def estimate(self, masks: Masks) -> Estimate:
        """The objective of a set on these scenarios."""
        best = np.asarray(self.value(masks).max(axis=0), np.float64) / self.units
        return _mean_estimate(best)


@dataclass(frozen=True, slots=True)
class OwnObjective:
    """The mean over lineups of what each is worth by itself.

    Attributes:
        columns: [N, S] points by driver.
        roster_size: Drivers in a lineup.
        units: Units to a contest point.
        how: `mean`, `quantile` (the smallest score that a share `level` of scenarios does not
            exceed) or `cvar` (the mean over the share `level` of best scenarios).
        level: The quantile's level or the tail's share.
    """

    columns: Ints32
    roster_size: int
    units: int
    how: Literal["mean", "quantile", "cvar"]
    level: float = 0.0

    kind: Literal["own"] = "own"

    @property
    def floor(self) -> Ints32:
        """No scenario counts beyond the lineups' own worths."""
        return np.zeros(0, np.int32)

    @property
    def tail(self) -> int:
        """Scenarios at or above the quantile, or in the tail that is averaged."""
        n = self.columns.shape[1]
        if self.how == "quantile":
            return n - min(max(math.ceil(self.level * n - 1e-9), 1), n) + 1
        if self.how == "cvar":
            return min(max(math.ceil(self.level * n - 1e-9), 1), n)
        return n

    def value(self, masks: Masks) -> Ints32:
        """[M, 0]: the set adds nothing to its lineups."""
        return np.zeros((masks.shape[0], 0), np.int32)

    def own(self, masks: Masks) -> Ints:
        """[M] worth of each lineup, as an integer (sums over the scenarios that count)."""
        if self.how == "mean":
            return space_kernel.additive(masks, self.columns.sum(axis=1, dtype=np.int64))
        out = np.empty(masks.shape[0], np.int64)
        tail = self.tail
        n = self.columns.shape[1]
        for low in range(0, masks.shape[0], _BLOCK):
            scores = space_kernel.scores(masks[low : low + _BLOCK], self.columns, self.roster_size)
            scores.partition(n - tail, axis=1)
            if self.how == "quantile":
                out[low : low + _BLOCK] = scores[:, n - tail]
            else:
                out[low : low + _BLOCK] = scores[:, n - tail :].sum(axis=1, dtype=np.int64)
        return out

    def natural(self, worth: float, lineups: int) -> float:
        """The objective in contest points."""
        count = 1 if self.how == "quantile" else self.tail
        return worth / (lineups * count * self.units)

    def estimate(self, masks: Masks) -> Estimate:
        """The objective of a set on these scenarios.

        The standard error of a mean is exact; a quantile's and a tail mean's come from batches.
        """
        n = self.columns.shape[1]
        if self.how == "mean":
            scores = space_kernel.scores(masks, self.columns, self.roster_size)
            return _mean_estimate(scores.mean(axis=0) / self.units)
        value = self.natural(float(self.own(masks).sum()), masks.shape[0])
        if n < 2 * _BATCHES:
            return Estimate(value, math.nan)
        batches = []
        for batch in range(_BATCHES):
            columns = np.ascontiguousarray(self.columns[:, batch::_BATCHES])
            part = OwnObjective(columns, self.roster_size, self.units, self.how, self.level)
            batches.append(part.natural(float(part.own(masks).sum()), masks.shape[0]))
        return Estimate(value, float(np.std(batches, ddof=1) / math.sqrt(_BATCHES)))


Objective = BestObjective | OwnObjective
"""Any objective."""


def _mean_estimate(sample: Floats) -> Estimate:
    n = sample.shape[0]
    error = float(np.std(sample, ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    return Estimate(float(sample.mean()), error)


def check_points(points: npt.NDArray[np.integer], n_drivers: int) -> None:
    """Raises `InputError` unless points are a table of integers that kernels can add up."""
    if points.ndim != 2 or points.shape[1] != n_drivers:
        raise InputError(
            f"scenario points have shape {points.shape}; the slate has {n_drivers} drivers.",
            field="scenario_points_x20",
        )
    if not np.issubdtype(points.dtype, np.integer):
        raise InputError(
            f"scenario points are of type {points.dtype}; they must be integers.",
            field="scenario_points_x20",
        )
    if points.shape[0] < 2:
        raise InputError("A portfolio needs two scenarios at least.", field="scenario_points_x20")
    if int(np.abs(points).max()) >= 2**16:
        raise InputError(
            f"scenario points reach {int(np.abs(points).max())} units; "
            "they must stay below 65,536.",
            field="scenario_points_x20",
        )
