"""Whether any mix of legal lineups meets the bounds over a set: a linear programme by columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nascar_assets.lineups.bounds import feature_cost
from nascar_assets.lineups.candidates import Features
from nascar_assets.lineups.objectives import top

Ints = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

_ROUNDS = 80  # most rounds of the programme; a search that ends there has proven nothing
_COLUMNS = 40  # lineups added in a round: few, since each makes the programme larger
_PRICE_SCALE = 1_000_000  # prices are rounded to millionths: a proof sums whole numbers


@dataclass(frozen=True, slots=True)
class Kinds:
    """Lineups that are alike in what is bounded, one for each kind.

    Attributes:
        masks: One lineup of each kind.
        counts: Lineups of that kind.
        broken: Rules that the kind breaks, as bits.
    """

    masks: Masks
    counts: Ints
    broken: Masks

    def keeping(self, rules: np.uint64) -> Kinds:
        """The kinds that break none of some rules."""
        kept = (self.broken & rules) == 0
        return Kinds(self.masks[kept], self.counts[kept], self.broken[kept])


@dataclass(frozen=True, slots=True)
class Mix:
    """The answer of the linear programme.

    Attributes:
        columns: Lineups that were needed to find it.
        certificate: Prices of features that prove that no set meets the bounds; none where a mix
            does (a set of whole lineups may still not).
    """

    columns: Masks
    certificate: Ints | None


def bounded(features: Features, lineups: int) -> Ints:
    """Positions of the features whose bounds can bind."""
    return np.flatnonzero((features.lower > 0) | (features.upper < lineups))


def kinds_of(features: Features, lineups: int, masks: Masks, broken: Masks | None = None) -> Kinds:
    """Groups lineups by the bounded features that they have and the rules that they break."""
    broken = np.zeros(masks.shape[0], np.uint64) if broken is None else broken
    rules = int(np.bitwise_or.reduce(broken)).bit_length() if broken.size else 0
    bound = bounded(features, lineups)
    if rules + bound.size > 64:
        return Kinds(masks, np.ones(masks.shape[0], np.int64), broken)
    key = broken.copy()
    for place, feature in enumerate(bound, start=rules):
        key |= has_feature(features, masks, int(feature)).astype(np.uint64) << np.uint64(place)
    _, first, counts = np.unique(key, return_index=True, return_counts=True)
    return Kinds(masks[first], counts.astype(np.int64), broken[first])


def has_feature(features: Features, masks: Masks, feature: int) -> npt.NDArray[np.bool_]:
    """[M] whether each lineup has a feature: a driver, or one of a group."""
    target = np.uint64(1) << np.uint64(feature) if feature < 64 else features.targets[feature - 64]
    return np.asarray((masks & target) != 0)


def certified(features: Features, prices: Ints, kinds: Kinds, lineups: int) -> bool:
    """Whether prices prove that no set of distinct lineups of these kinds meets the bounds.

    A set that meets them is worth at least sum_f min(price least, price most) at these prices; if
    the n dearest lineups together are worth less, there is none. All in exact integers.
    """
    if int(kinds.counts.sum()) < lineups:
        return True
    worth = feature_cost(features, prices, kinds.masks)
    best = top(worth, lineups)
    taken = np.minimum(kinds.counts[best], lineups)
    before = np.concatenate([[0], np.cumsum(taken)[:-1]])
    taken = np.clip(lineups - before, 0, taken)
    needed = np.minimum(prices * features.lower, prices * features.upper)
    return int(needed.sum()) > int((worth[best] * taken).sum())


def feasible_mix(features: Features, kinds: Kinds, lineups: int, start: Masks | None = None) -> Mix:
    """A mix of lineups that meets the bounds over the set, or the proof that there is none.

    Args:
        features: Bounds.
        kinds: Every legal lineup, by kind.
        lineups: Lineups of the set.
        start: Columns to begin with.
    """
    if kinds.masks.shape[0] == 0:
        return Mix(kinds.masks, np.zeros(features.lower.shape[0], np.int64))
    bound = bounded(features, lineups)
    columns = kinds.masks[:1] if start is None or start.shape[0] == 0 else start
    for _ in range(_ROUNDS):
        rows = np.array([has_feature(features, columns, int(f)) for f in bound], np.float64)
        rows = rows.reshape(bound.size, columns.shape[0])
        short, prices = _master(rows, features.lower[bound], features.upper[bound], lineups)
        if short <= 1e-7:
            return Mix(columns, None)
        price = np.zeros(features.lower.shape[0], np.int64)
        price[bound] = np.rint(prices * _PRICE_SCALE)
        if certified(features, price, kinds, lineups):
            return Mix(columns, price)
        worth = feature_cost(features, price, kinds.masks)
        better = np.setdiff1d(kinds.masks[top(worth, _COLUMNS)], columns)
        if better.shape[0] == 0:
            return Mix(columns, None)
        columns = np.concatenate([columns, better])
    return Mix(columns, None)


def _master(rows: Floats, lower: Ints, upper: Ints, lineups: int) -> tuple[float, Floats]:
    """Least summed miss of the bounds by a mix of the columns, and the prices of the features."""
    from scipy.optimize import linprog

    n_features, n_columns = rows.shape
    eye = np.eye(n_features)
    cost = np.concatenate([np.zeros(n_columns), np.ones(2 * n_features)])
    nothing = np.zeros((n_features, n_features))
    above = np.block([[-rows, -eye, nothing], [rows, nothing, -eye]])
    result = linprog(
        cost,
        A_ub=above,
        b_ub=np.concatenate([-lower, upper]).astype(np.float64),
        A_eq=np.concatenate([np.ones(n_columns), np.zeros(2 * n_features)])[None, :],
        b_eq=[float(lineups)],
        method="highs-ds",
    )
    marginals = result.ineqlin.marginals
    return float(result.fun), marginals[n_features:] - marginals[:n_features]
