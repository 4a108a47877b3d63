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
from nascar_assets.lineups import prize_kernel, space_kernel

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Ints16or32 = npt.NDArray[np.int16] | npt.NDArray[np.int32]
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
        """[S] points that no lineup is below; worths are counted from there."""
        if self.level is not None:
            return np.zeros(self.columns.shape[1], np.int32)
        return np.asarray(self.roster_size * self.columns.min(axis=0), np.int32)

    def value(self, masks: Masks) -> Ints16or32:
        """[M, S] worth of lineups in scenarios, not negative."""
        scores = space_kernel.scores(masks, self.columns, self.roster_size)
        if self.level is not None:
            return np.where(scores >= self.level, np.int16(REACHED), np.int16(0))
        scores -= self.floor
        return scores.astype(np.int16) if scores.max(initial=0) < 2**15 else scores

    def own(self, masks: Masks) -> Ints:
        """[M] zeros: a lineup has no worth but in the set."""
        return np.zeros(masks.shape[0], np.int64)

    def excess(self, masks: Masks, prices: Ints32) -> Ints:
        """[L] sums over scenarios of what a lineup is worth above each scenario's price."""
        if self.level is None:
            level = (self.floor + prices).astype(np.int32)
            return space_kernel.sweep(masks, self.columns, level, level, self.roster_size, False)
        weight = np.maximum(REACHED - prices, 0).astype(np.int32)
        return space_kernel.sweep(masks, self.columns, self.level, weight, self.roster_size, True)

    def every(self, step: int) -> BestObjective:
        """The same objective on every `step`-th scenario."""
        columns = np.ascontiguousarray(self.columns[:, ::step])
        level = None if self.level is None else np.ascontiguousarray(self.level[::step])
        return BestObjective(columns, self.roster_size, self.units, level)

    def natural(self, worth: float, lineups: int) -> float:
        """The objective in natural units: points, or a probability."""
        del lineups
        total = worth + float(self.floor.sum(dtype=np.int64))
        return total / (self.columns.shape[1] * self.units)

    def estimate(self, masks: Masks) -> Estimate:
        """The objective of a set on these scenarios."""
        best = self.value(masks).max(axis=0).astype(np.float64) + self.floor
        return _mean_estimate(best / self.units)


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
    def tail(self) -> int:
        """Scenarios at or above the quantile, or in the tail that is averaged."""
        n = self.columns.shape[1]
        if self.how == "quantile":
            return n - min(max(math.ceil(self.level * n - 1e-9), 1), n) + 1
        if self.how == "cvar":
            return min(max(math.ceil(self.level * n - 1e-9), 1), n)
        return n

    def value(self, masks: Masks) -> Ints16or32:
        """[M, 0]: the set adds nothing to its lineups."""
        return np.zeros((masks.shape[0], 0), np.int16)

    def upper(self, masks: Masks) -> Ints:
        """[L] upper bounds of `own`, cheap enough for the whole space.

        A tail's mean is at most t + E[max(0, score - t)] / share for any t (Rockafellar and
        Uryasev, 2000, doi:10.21314/JOR.2000.038). A lineup whose scores reach t in too few
        scenarios has its quantile below t; the others are worked out.
        """
        mean = space_kernel.additive(masks, self.columns.sum(axis=1, dtype=np.int64))
        if self.how == "mean":
            return mean
        n, tail = self.columns.shape[1], self.tail
        level = np.full(n, self._cut(masks, mean), np.int32)
        cut = int(level[0])
        if self.how == "cvar":
            excess = space_kernel.sweep(masks, self.columns, level, level, self.roster_size, False)
            return tail * cut + excess
        once = np.ones(n, np.int32)
        reached = space_kernel.sweep(masks, self.columns, level, once, self.roster_size, True)
        out = np.full(masks.shape[0], cut - 1, np.int64)
        above = np.flatnonzero(reached >= tail)
        out[above] = self.own(masks[above])
        return out

    def _cut(self, masks: Masks, mean: Ints) -> int:
        """A score that few lineups' quantiles reach: the 500th best among 1,500 of high mean."""
        guide = masks[np.argpartition(-mean, min(1_500, mean.shape[0] - 1))[:1_500]]
        quantiles = OwnObjective(
            self.columns,
            self.roster_size,
            self.units,
            "quantile",
            1 - self.tail / self.columns.shape[1],
        ).own(guide)
        return int(np.sort(quantiles)[::-1][min(499, quantiles.shape[0] - 1)])

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


@dataclass(frozen=True, slots=True)
class PayoutObjective:
    """What the set wins against a field: the sum of what each lineup wins alone.

    Own entries also push each other down a place, which can only lower the total; so the sum is
    an upper bound of what the set wins together, and is reported as the value of each entry alone.

    Attributes:
        columns: [N, S] points by driver.
        roster_size: Drivers in a lineup.
        field: [F, roster_size] the rivals' lineups.
        prizes: Prize of each place in cents, first place first.
    """

    columns: Ints32
    roster_size: int
    field: npt.NDArray[np.int32]
    prizes: Ints

    kind: Literal["own"] = "own"

    def value(self, masks: Masks) -> Ints16or32:
        """[M, 0]: the set adds nothing to its lineups."""
        return np.zeros((masks.shape[0], 0), np.int16)

    def own(self, masks: Masks) -> Ints:
        """[M] prize of each lineup alone, in hundredths of a cent, summed over scenarios."""
        return self._own_on(masks, self.columns)

    def tail_guide(self) -> OwnObjective:
        """The upper tail's mean, by which candidates for a payout are picked."""
        return OwnObjective(self.columns, self.roster_size, 1, "cvar", 0.05)

    def natural(self, worth: float, lineups: int) -> float:
        """Dollars that one entry wins in the mean."""
        return worth / (lineups * self.columns.shape[1] * 10_000)

    def estimate(self, masks: Masks) -> Estimate:
        """Dollars that one entry wins in the mean; the error comes from batches."""
        value = self.natural(float(self.own(masks).sum()), masks.shape[0])
        n = self.columns.shape[1]
        if n < 2 * _BATCHES:
            return Estimate(value, math.nan)
        batches = []
        for batch in range(_BATCHES):
            columns = np.ascontiguousarray(self.columns[:, batch::_BATCHES])
            total = float(self._own_on(masks, columns).sum())
            batches.append(total / (masks.shape[0] * columns.shape[1] * 10_000))
        return Estimate(value, float(np.std(batches, ddof=1) / math.sqrt(_BATCHES)))

    def _own_on(self, masks: Masks, columns: Ints32) -> Ints:
        n_drivers = columns.shape[0]
        prizes, _ = prize_kernel.alone(
            np.ascontiguousarray(columns.T),
            prize_kernel.pair_codes(self.field, n_drivers),
            prize_kernel.pair_codes(space_kernel.unpack(masks, self.roster_size), n_drivers),
            pool_to(self.prizes, self.field.shape[0] + 1),
            0,
        )
        return prizes


def pool_to(prizes_cents: Ints, entries: int) -> Ints:
    """[entries + 1] summed prizes of the first places, in hundredths of a cent."""
    places = np.zeros(entries, np.int64)
    paid = min(entries, prizes_cents.shape[0])
    places[:paid] = prizes_cents[:paid]
    return np.concatenate([[0], np.cumsum(places * 100)]).astype(np.int64)


Objective = BestObjective | OwnObjective | PayoutObjective
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
            field="scenario_points",
        )
    if not np.issubdtype(points.dtype, np.integer):
        raise InputError(
            f"scenario points are of type {points.dtype}; they must be integers.",
            field="scenario_points",
        )
    if points.shape[0] < 2:
        raise InputError("A portfolio needs two scenarios at least.", field="scenario_points")
    if int(np.abs(points).max()) >= 2**16:
        raise InputError(
            f"scenario points reach {int(np.abs(points).max())} units; "
            "they must stay below 65,536.",
            field="scenario_points",
        )
