"""What a portfolio can be best at: each objective with its settings, unit, worths and candidates.

A set's worth is an integer sum, so that searches compare and bounds prove exactly. Two kinds. A
*best* objective pays each scenario by the portfolio's best lineup there. An *own* objective adds up
a worth of each lineup by itself. A further one is a class here, what a person may set for it in
`ObjectiveSettings`, and its name in `OBJECTIVES`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, model_validator

from nascar_assets.errors import InputError
from nascar_assets.lineups import prize_kernel, space_kernel

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Ints16or32 = npt.NDArray[np.int16] | npt.NDArray[np.int32]
Masks = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Pick = Callable[[Masks, Ints, int], Masks]
"""Candidates out of lineups, by a score of each and how many are wanted."""
FirstPool = tuple[Masks, Ints | None, Masks]
"""Lineups to search, what each is worth by itself at most, and the first candidates."""

REACHED = 1_000
"""Integer worth of reaching a level in one scenario, fine enough for prices in between."""

ROUGH = 4
"""A search for candidates alone reads every fourth scenario: it needs no more."""

_BATCHES = 20
_BLOCK = 1024
_PRICED = 25_000  # lineups whose prizes are worked out, those with the best tails
_EXACT = 6_000  # lineups whose mean of the tail is exact, those with the greatest upper bound


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value over scenarios and its Monte Carlo standard error (NaN where it has none)."""

    value: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Measure:
    """What an objective is made of: the scenarios and, where it needs them, rivals and prizes.

    Attributes:
        columns: [N, S] points by driver.
        roster_size: Drivers in a lineup.
        scale: Units to a contest point.
        field: [F, roster_size] the rivals' lineups.
        prizes: Prize of each place in cents, first place first.
    """

    columns: Ints32
    roster_size: int
    scale: int
    field: Ints32 | None = None
    prizes: Ints | None = None


@dataclass(frozen=True)
class Objective(ABC):
    """What a set of lineups is worth in scenarios."""

    measure: Measure

    words: ClassVar[str]
    """What it is, for people."""
    unit: ClassVar[str] = " points"
    has_rivals: ClassVar[bool] = False
    """Whether it is of a field of rivals."""
    has_prizes: ClassVar[bool] = False
    """Whether it is of a payout table."""
    by_scenario: ClassVar[bool] = False
    """Whether the set's best lineup in each scenario counts, not each lineup by itself."""
    setting: ClassVar[str] = ""
    """What a person may set for it, by the name in the settings."""
    needs: ClassVar[Mapping[str, str]] = {}
    """Settings that it cannot be without, and their unit."""
    whole_space: ClassVar[bool] = True
    """Whether every legal lineup is searched."""

    @classmethod
    def of(cls, settings: ObjectiveSettings, measure: Measure) -> Objective:
        """The objective of some settings."""
        return cls(measure)

    @classmethod
    def show(cls, value: float) -> str:
        """A value in its own unit."""
        return f"{value:.2f}"

    @classmethod
    def text(cls, value: float, error: float | None) -> str:
        """A value with its standard error, for people."""
        known = error is not None and error == error
        spread = cls.show(error or 0.0) if known else "not known: too few scenarios"
        return f"{cls.show(value)}{cls.unit} (standard error {spread})"

    @abstractmethod
    def value(self, masks: Masks) -> Ints16or32:
        """[M, S] worth of lineups in scenarios, not negative; S is 0 where none is by scenario."""

    @abstractmethod
    def own(self, masks: Masks) -> Ints:
        """[M] worth of each lineup by itself."""

    @abstractmethod
    def above(self, masks: Masks, prices: Ints32, own: Ints | None = None) -> Ints:
        """[M] what each lineup adds above the scenarios' prices; `own` where that is known."""

    @abstractmethod
    def natural(self, worth: float, lineups: int) -> float:
        """The integer worth of a set of so many lineups in the objective's unit."""

    @abstractmethod
    def estimate(self, masks: Masks) -> Estimate:
        """The objective of a set on these scenarios."""

    @abstractmethod
    def first_pool(self, space: Masks, count: int, pick: Pick) -> FirstPool:
        """The lineups to search, what each is worth by itself at most, and first candidates."""

    def part(self, start: int, step: int) -> Self:
        """The same objective on every `step`-th scenario."""
        columns = np.ascontiguousarray(self.columns[:, start::step])
        return replace(self, measure=replace(self.measure, columns=columns))

    @property
    def columns(self) -> Ints32:
        """[N, S] points by driver."""
        return self.measure.columns

    def scores(self, masks: Masks) -> Ints32:
        """[M, S] points of lineups."""
        return space_kernel.scores(masks, self.columns, self.measure.roster_size)

    def sweep(self, masks: Masks, level: Ints32, weight: Ints32, once: bool) -> Ints:
        """[M] sums over scenarios of what exceeds a level, or of weights where it is reached."""
        roster_size = self.measure.roster_size
        return space_kernel.sweep(masks, self.columns, level, weight, roster_size, once)

    def sums(self, masks: Masks) -> Ints:
        """[M] points of each lineup, summed over scenarios."""
        return space_kernel.additive(masks, self.columns.sum(axis=1, dtype=np.int64))


class BestObjective(Objective):
    """The sum over scenarios of the worth of the set's best lineup there."""

    by_scenario = True

    @property
    def units(self) -> int:
        """Worth of one natural unit in one scenario."""
        return self.measure.scale

    @property
    def floor(self) -> Ints32:
        """[S] points that no lineup is below; worths are counted from there."""
        return np.zeros(self.columns.shape[1], np.int32)

    def own(self, masks: Masks) -> Ints:
        """[M] zeros: a lineup has no worth but in the set."""
        return np.zeros(masks.shape[0], np.int64)

    def natural(self, worth: float, lineups: int) -> float:
        """Points, or a probability."""
        del lineups
        total = worth + float(self.floor.sum(dtype=np.int64))
        return total / (self.columns.shape[1] * self.units)

    def estimate(self, masks: Masks) -> Estimate:
        """The mean over scenarios, with its exact standard error."""
        best = self.value(masks).max(axis=0).astype(np.float64) + self.floor
        return mean_estimate(best / self.units)

    def first_pool(self, space: Masks, count: int, pick: Pick) -> FirstPool:
        """The highest means, and what beats the best of them in some scenarios."""
        pool = pick(space, self.sums(space), count)
        rough = self.part(0, ROUGH)
        prices = rough.value(pool).max(axis=0).astype(np.int32)
        return space, None, np.union1d(pool, pick(space, rough.above(space, prices), count))


class ExpectedMax(BestObjective):
    """The mean score of the best lineup."""

    words = "mean points of the best lineup"

    @property
    def floor(self) -> Ints32:
        """[S] as many times the worst driver's points as a lineup has drivers."""
        return np.asarray(self.measure.roster_size * self.columns.min(axis=0), np.int32)

    def value(self, masks: Masks) -> Ints16or32:
        """[M, S] scores above the floor."""
        scores = self.scores(masks)
        scores -= self.floor
        return scores.astype(np.int16) if scores.max(initial=0) < 2**15 else scores

    def above(self, masks: Masks, prices: Ints32, own: Ints | None = None) -> Ints:
        """[M] sums of scores above floor and price."""
        level = (self.floor + prices).astype(np.int32)
        return self.sweep(masks, level, level, False)


@dataclass(frozen=True)
class _Reach(BestObjective):
    """The chance that some lineup reaches a level: [S] points."""

    level: Ints32

    unit = ""

    @classmethod
    def show(cls, value: float) -> str:
        """Per cent; below one with two decimals, so that a small chance stays one."""
        return f"{value:.2%}" if value < 0.01 else f"{value:.1%}"

    @property
    def units(self) -> int:
        """The worth of reaching it."""
        return REACHED

    def value(self, masks: Masks) -> Ints16or32:
        """[M, S] `REACHED` where a lineup reaches the level."""
        scores = self.scores(masks)
        return np.where(scores >= self.level, np.int16(REACHED), np.int16(0))

    def above(self, masks: Masks, prices: Ints32, own: Ints | None = None) -> Ints:
        """[M] sums of what reaching the level is worth above the price."""
        weight = np.maximum(REACHED - prices, 0).astype(np.int32)
        return self.sweep(masks, self.level, weight, True)

    def part(self, start: int, step: int) -> Self:
        """The same objective on every `step`-th scenario."""
        level = np.ascontiguousarray(self.level[start::step])
        return replace(super().part(start, step), level=level)


class Probability(_Reach):
    """The chance that some lineup reaches a score."""

    words = "chance that a lineup reaches the points asked for"
    setting = "threshold"
    needs = MappingProxyType({"threshold": "contest points"})

    @classmethod
    def of(cls, settings: ObjectiveSettings, measure: Measure) -> Objective:
        """Of the setting `threshold`."""
        assert settings.threshold is not None
        units = math.ceil(settings.threshold * measure.scale - 1e-9)
        level = np.full(measure.columns.shape[1], units, np.int32)
        return cls(measure, level)


class TopFraction(_Reach):
    """The chance that some lineup finishes in the top of a field."""

    words = "chance that a lineup is in the top of the field"
    setting = "top_fraction"
    has_rivals = True

    @classmethod
    def of(cls, settings: ObjectiveSettings, measure: Measure) -> Objective:
        """Of the setting `top_fraction`."""
        field, columns = measure.field, measure.columns
        assert field is not None
        place = max(math.floor(settings.top_fraction * field.shape[0] + 1e-9), 1)
        codes = prize_kernel.pair_codes(field, columns.shape[0])
        level = prize_kernel.prize_lines(np.ascontiguousarray(columns.T), codes, place)
        return cls(measure, level)


class OwnObjective(Objective):
    """The mean over lineups of what each is worth by itself."""

    def value(self, masks: Masks) -> Ints16or32:
        """[M, 0]: the set adds nothing to its lineups."""
        return np.zeros((masks.shape[0], 0), np.int16)

    def above(self, masks: Masks, prices: Ints32, own: Ints | None = None) -> Ints:
        """[M] what each is worth by itself: no scenario has a price."""
        return self.own(masks) if own is None else own

    def upper(self, masks: Masks) -> Ints:
        """[M] upper bounds of `own`, cheap enough for the whole space."""
        return self.own(masks)

    def estimate(self, masks: Masks) -> Estimate:
        """The value; its standard error comes from batches of scenarios."""

        def mean(objective: OwnObjective) -> float:
            return objective.natural(float(objective.own(masks).sum()), masks.shape[0])

        if self.columns.shape[1] < 2 * _BATCHES:
            return Estimate(mean(self), math.nan)
        batches = [mean(self.part(batch, _BATCHES)) for batch in range(_BATCHES)]
        return Estimate(mean(self), float(np.std(batches, ddof=1) / math.sqrt(_BATCHES)))

    def first_pool(self, space: Masks, count: int, pick: Pick) -> FirstPool:
        """The best by their upper bounds."""
        own = self.upper(space)
        return space, own, pick(space, own, count)


class Mean(OwnObjective):
    """The mean score of a lineup."""

    words = "mean points of a lineup"

    def own(self, masks: Masks) -> Ints:
        """[M] summed points."""
        return self.sums(masks)

    def natural(self, worth: float, lineups: int) -> float:
        """Contest points."""
        return worth / (lineups * self.columns.shape[1] * self.measure.scale)

    def estimate(self, masks: Masks) -> Estimate:
        """The mean with its exact standard error."""
        scores = self.scores(masks)
        return mean_estimate(scores.mean(axis=0) / self.measure.scale)


@dataclass(frozen=True)
class _Tail(OwnObjective):
    """What the best of a lineup's scenarios say.

    Attributes:
        level: The quantile's level or the tail's share.
    """

    level: float

    @classmethod
    def of(cls, settings: ObjectiveSettings, measure: Measure) -> Objective:
        """At the level that its setting has."""
        return cls(measure, getattr(settings, cls.setting))

    @property
    @abstractmethod
    def tail(self) -> int:
        """Scenarios that count: at or above the quantile, or in the tail that is averaged."""

    @abstractmethod
    def _worth(self, tails: Ints32) -> Ints:
        """[M] worth of lineups by their best scenarios, the lowest of those first."""

    def own(self, masks: Masks) -> Ints:
        """[M] worth of each lineup, exactly."""
        out = np.empty(masks.shape[0], np.int64)
        below = self.columns.shape[1] - self.tail
        for low in range(0, masks.shape[0], _BLOCK):
            scores = self.scores(masks[low : low + _BLOCK])
            scores.partition(below, axis=1)
            out[low : low + _BLOCK] = self._worth(scores[:, below:])
        return out

    def _cut(self, masks: Masks) -> Ints32:
        """[S] a score that few lineups' quantiles reach: the 500th best of 1,500 of high mean."""
        mean, n = self.sums(masks), self.columns.shape[1]
        guide = masks[np.argpartition(-mean, min(1_500, mean.shape[0] - 1))[:1_500]]
        same = Quantile(self.measure, 1 - self.tail / n)
        quantiles = np.sort(same.own(guide))[::-1]
        return np.full(n, int(quantiles[min(499, quantiles.shape[0] - 1)]), np.int32)


class Quantile(_Tail):
    """The smallest score that a share `level` of scenarios does not exceed."""

    words = "a high or low quantile of a lineup's points"
    setting = "quantile"

    @property
    def tail(self) -> int:
        """Scenarios at or above it."""
        n = self.columns.shape[1]
        return n - min(max(math.ceil(self.level * n - 1e-9), 1), n) + 1

    def _worth(self, tails: Ints32) -> Ints:
        return tails[:, 0].astype(np.int64)

    def natural(self, worth: float, lineups: int) -> float:
        """Contest points."""
        return worth / (lineups * self.measure.scale)

    def upper(self, masks: Masks) -> Ints:
        """[M] upper bounds: a lineup that reaches a score too rarely has its quantile below it."""
        cut = self._cut(masks)
        reached = self.sweep(masks, cut, np.ones_like(cut), True)
        out = np.full(masks.shape[0], int(cut[0]) - 1, np.int64)
        above = np.flatnonzero(reached >= self.tail)
        out[above] = self.own(masks[above])
        return out


class TailMean(_Tail):
    """The mean score over the share `level` of best scenarios."""

    words = "mean points in a lineup's best races"
    setting = "cvar"

    @property
    def tail(self) -> int:
        """Scenarios that are averaged."""
        n = self.columns.shape[1]
        return min(max(math.ceil(self.level * n - 1e-9), 1), n)

    def _worth(self, tails: Ints32) -> Ints:
        return tails.sum(axis=1, dtype=np.int64)

    def natural(self, worth: float, lineups: int) -> float:
        """Contest points."""
        return worth / (lineups * self.tail * self.measure.scale)

    def upper(self, masks: Masks) -> Ints:
        """[M] upper bounds: a tail's mean is at most t + E[max(0, score - t)] / share for any t.

        Rockafellar and Uryasev (2000), doi:10.21314/JOR.2000.038.
        """
        cut = self._cut(masks)
        return self.tail * int(cut[0]) + self.sweep(masks, cut, cut, False)

    def first_pool(self, space: Masks, count: int, pick: Pick) -> FirstPool:
        """The best by upper bounds, of which the greatest are made exact."""
        own = self.upper(space)
        exact = top(own, _EXACT)
        own[exact] = self.own(space[exact])
        return space, own, pick(space, own, count)


class Payout(OwnObjective):
    """What the set wins against a field: the sum of what each lineup wins alone.

    Own entries also push each other down a place, which can only lower the total; so the sum is
    an upper bound of what the set wins together, and is reported as the value of each entry alone.
    """

    words = "money won by an entry"
    setting = "payout"
    unit = ""
    has_rivals = True
    has_prizes = True
    whole_space = False

    @classmethod
    def show(cls, value: float) -> str:
        """Dollars and cents."""
        return f"${value:,.2f}"

    def own(self, masks: Masks) -> Ints:
        """[M] prize of each lineup alone, in hundredths of a cent, summed over scenarios."""
        field, prizes, n_drivers = self.measure.field, self.measure.prizes, self.columns.shape[0]
        assert field is not None
        assert prizes is not None
        lineups = space_kernel.unpack(masks, self.measure.roster_size)
        won, _ = prize_kernel.alone(
            np.ascontiguousarray(self.columns.T),
            prize_kernel.pair_codes(field, n_drivers),
            prize_kernel.pair_codes(lineups, n_drivers),
            100 * prize_kernel.summed_prizes(prizes, field.shape[0] + 1),
            0,
        )
        return won

    def natural(self, worth: float, lineups: int) -> float:
        """Dollars that one entry wins in the mean."""
        return worth / (lineups * self.columns.shape[1] * 10_000)

    def first_pool(self, space: Masks, count: int, pick: Pick) -> FirstPool:
        """Prizes are worked out lineup by lineup: for those that stand out by their tail."""
        tail = TailMean(self.measure, 0.05)
        space = pick(space, tail.upper(space), _PRICED)
        own = self.own(space)
        return space, own, pick(space, own, count)


OBJECTIVES: Mapping[str, type[Objective]] = {
    "mean": Mean,
    "quantile": Quantile,
    "probability": Probability,
    "expected_max": ExpectedMax,
    "top_fraction": TopFraction,
    "payout": Payout,
    "cvar": TailMean,
}
"""Every objective, by the name that settings give it."""

if TYPE_CHECKING:
    ObjectiveName = str
else:
    ObjectiveName = Literal[tuple(OBJECTIVES)]

_InnerShare = Annotated[float, Field(strict=True, gt=0.0, lt=1.0, allow_inf_nan=False)]


class ObjectiveSettings(BaseModel):
    """Which objective, and what a person may set for each.

    Attributes:
        objective: What the set as a whole should be best at (see `docs/lineups.md`).
        quantile: Level for the objective `quantile`.
        threshold: Contest points for the objective `probability`.
        top_fraction: Share of the field to finish in, for the objective `top_fraction`.
        cvar: Share of best scenarios to average over, for the objective `cvar`.
    """

    objective: ObjectiveName = "expected_max"
    quantile: _InnerShare = 0.9
    threshold: Annotated[float, Field(strict=True, ge=-100_000, le=100_000)] | None = None
    top_fraction: _InnerShare = 0.01
    cvar: Annotated[float, Field(strict=True, gt=0.0, le=1.0)] = 0.1

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name, unit in OBJECTIVES[self.objective].needs.items():
            if getattr(self, name) is None:
                raise ValueError(f"objective {self.objective!r} needs a {name} in {unit}")
        return self


def top(scores: Ints, count: int) -> npt.NDArray[np.int64]:
    """Indices of the largest scores; equal ones by position, so that there is one answer."""
    if count >= scores.shape[0]:
        return np.argsort(-scores, kind="stable")
    threshold = np.partition(scores, scores.shape[0] - count)[scores.shape[0] - count]
    above = np.flatnonzero(scores > threshold)
    level = np.flatnonzero(scores == threshold)[: count - above.shape[0]]
    chosen = np.sort(np.concatenate([above, level]))
    return chosen[np.argsort(-scores[chosen], kind="stable")]


def mean_estimate(sample: Floats) -> Estimate:
    """The mean of a sample [S] with its standard error."""
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
